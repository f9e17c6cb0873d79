"""Checks where the texts of a pipeline hold times of windows, and whether it has windows."""

from collections.abc import Iterator
from typing import Final

from shared.core.config.data import Data
from shared.core.config.problems import Mistake
from shared.core.config.schedule import Recurrence, Schedule
from shared.core.config.training import TrainingConfig
from shared.core.config.windows import window_tokens

#: The most attempts that version 0.1.0 reads.
_ATTEMPTS: Final = 10


def uses_windows(schedule: Schedule | None, data: Data | None, training: TrainingConfig) -> bool:
    """Whether texts of a pipeline hold times of windows.

    Args:
        schedule: of the pipeline; without one there are no windows.
        data: of the pipeline.
        training: of the pipeline.
    """
    return schedule is not None and next(_templates(data, training), None) is not None


def needs_second_form(schedule: Schedule | None, training: TrainingConfig) -> bool:
    """Whether version 0.1.0 does not know a key of these, or its value.

    Args:
        schedule: of the pipeline.
        training: of the pipeline.
    """
    later = isinstance(schedule, Recurrence) and schedule.uses_later_keys
    return later or training.attempts > _ATTEMPTS or bool(training.other_models)


def mistakes_of_windows(
    schedule: Schedule | None, data: Data | None, training: TrainingConfig
) -> Iterator[Mistake]:
    """Yield each mistake in how a pipeline uses windows.

    Args:
        schedule: of the pipeline; without one there are no windows.
        data: of the pipeline.
        training: of the pipeline.
    """
    first = next(_templates(data, training), None)
    if first is None:
        return
    template, at = first
    if schedule is None:
        what = f"{template} is a time of a window, and only a schedule has windows"
        yield Mistake(what, "write a schedule", at)
    if data is None:
        return
    if data.opens_runs:
        what = f"a run of new data has no window, and {template} is a time of one"
        yield Mistake(what, "write opens_runs: false, so that the schedule opens the runs", _OPENS)
    if data.backfill != "none":
        what = f"older data has no window, and {template} is a time of one"
        advice = "remove it, and write start and backfill: true under schedule"
        yield Mistake(what, advice, ("data", "backfill"))


_OPENS = ("data", "opens_runs")


def _templates(
    data: Data | None, training: TrainingConfig
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each template, and where it is."""
    for template in window_tokens(data.blob) if data else ():
        yield template, ("data", "blob")
    for key, texts in training.window_texts.items():
        for text in texts:
            for template in window_tokens(text):
                yield template, ("training", key)
