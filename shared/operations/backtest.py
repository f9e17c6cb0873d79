"""Replays a gate over the recorded runs of a pipeline: which would have ended differently.

Nothing is sent to an endpoint, and nothing is recorded. Each run is compared with the
model that was live then.
"""

from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Final

from shared.core.config.cross_field import mistakes
from shared.core.config.gate import Gate
from shared.core.config.pipeline import Pipeline
from shared.core.run.replays import Replay
from shared.core.service import service
from shared.errors import InvalidRequestError, TransientError
from shared.execution.context import Context
from shared.execution.replays import Replays
from shared.operations.history import History, RunFilter

#: How long one page may take before it ends.
_LONGEST: Final = timedelta(seconds=60)
#: How many runs are taken until the time is looked at again, where no files are read.
_AT_A_TIME: Final = 8
#: Held while files may be read: two backtests at once could fill the memory of a small app.
_ONE: Final = Lock()


@dataclass(frozen=True, slots=True)
class BacktestPage:
    """Some runs by another gate, the newest first, and the cursor of the next page."""

    replays: tuple[Replay, ...]
    skipped: int  #: runs without a rule outcome
    cursor: str | None


@service
class Backtests:
    """Replays gates, a page of runs at a time."""

    context: Context
    history: History
    replays: Replays

    def page(
        self,
        pipeline: Pipeline,
        gate: Gate,
        limit: int,
        cursor: str | None = None,
        *,
        from_files: bool = False,
    ) -> BacktestPage:
        """Return what a gate says of runs that were judged; those that have not ended too.

        A page ends after a minute, or a little later: files may have to be read.

        Args:
            pipeline: as it is configured now.
            gate: the gate to try.
            limit: how many runs at most, 1 to 50.
            cursor: where the page before ended; None for the first.
            from_files: whether the files of a run are read also where its record says enough.

        Raises:
            InvalidRequestError: the gate fits this pipeline in no way, or has no rules.
            InvalidCursorError: no page gave this cursor.
            TransientError: the ledger does not work now, or this process is at work on another
                backtest: files are large.
        """
        _require_fit(pipeline, gate)
        if not _ONE.acquire(blocking=False):
            raise TransientError("another backtest is under way here: try again in a minute")
        try:
            return self._page(pipeline.name, gate, limit, cursor, from_files=from_files)
        finally:
            _ONE.release()

    def _page(
        self, pipeline: str, gate: Gate, limit: int, cursor: str | None, *, from_files: bool
    ) -> BacktestPage:
        until = self.context.clock.now() + _LONGEST
        wanted, replay = RunFilter(pipeline), self.replays.replay
        found: list[Replay] = []
        skipped = 0
        while True:
            quick = bool(found) and found[-1].by == "record"
            size = min(_AT_A_TIME if quick else 1, limit - len(found))
            page = self.history.page(wanted, size, cursor)
            for stored in page.stored:
                run = stored.record
                if run.verdict is None:
                    skipped += 1
                else:
                    found.append(replay(run, run.verdict, gate, from_files=from_files))
            cursor = page.cursor
            if cursor is None or len(found) == limit or self.context.clock.now() >= until:
                return BacktestPage(tuple(found), skipped, cursor)


def _require_fit(pipeline: Pipeline, gate: Gate) -> None:
    if not gate.rules:
        raise InvalidRequestError("gate.rules: there are none to replay: write at least one")
    given = mistakes(pipeline.evolve(gate=gate))
    # What jobs are given from now on says nothing of those that have ended.
    found = [str(one) for one in given if one.at[:1] != ("training",)]
    if found:
        raise InvalidRequestError("; ".join(found))
