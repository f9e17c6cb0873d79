"""Finds which of several runs have the newest data, without the app."""

from collections.abc import Sequence

from shared.core.run.record import Run
from shared.core.versions import is_older


def newest_runs(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of the newest data; several may have the same data."""
    latest = max((run.data_time for run in runs), default=None)
    last = [run for run in runs if run.data_time == latest]
    return [run for run in last if not any(_is_older(run, other) for other in last)]


def _is_older(run: Run, other: Run) -> bool:
    mine, theirs = run.newest, other.newest
    if mine is None or theirs is None or mine.recorded_at is None or theirs.recorded_at is None:
        return False  # a manual run: only the ledger knows when its data was recorded
    return run.pipeline == other.pipeline and is_older(mine, theirs)
