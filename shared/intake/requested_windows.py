"""The window that a manual run or a preview is of: the one that is asked for, or the last one."""

from datetime import datetime

from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import Schedule, last_due_of, next_due_of
from shared.core.config.schedule_words import moment, window_words
from shared.core.config.windows import Window, newest_window, upcoming, window_of
from shared.errors import InvalidRequestError


def requested_window(pipeline: Pipeline, due: datetime | None, now: datetime) -> Window | None:
    """Return the window that a manual run is of; None: the pipeline's runs are of no window.

    A schedule that is paused does not matter: an operator asks.

    Args:
        pipeline: as it is configured now, with its times of windows unfilled.
        due: the newest due time at or before it is meant; None: the newest one that has come.
        now: the present moment.

    Raises:
        InvalidRequestError: there is no such window, or it has not come yet; it says which has.
    """
    window = previewed_window(pipeline, due, now)
    if window is None or window.due <= now:
        return window
    newest = _newest(pipeline.schedule, now)
    come = f"the newest that has come is {moment(newest.due)}" if newest else "none has come yet"
    raise InvalidRequestError(
        f"due: {moment(window.due)} has not come yet, and {come}: the preview of the pipeline "
        "shows later ones too"
    )


def previewed_window(pipeline: Pipeline, due: datetime | None, now: datetime) -> Window | None:
    """Return the window of a preview, which may be one that is still to come.

    Args:
        pipeline: as it is configured now, with its times of windows unfilled.
        due: the newest due time at or before it is meant; None: the newest one that has come, or
            the first one where none has.
        now: the present moment.

    Raises:
        InvalidRequestError: there is no such window; it says which there are.
    """
    schedule = pipeline.schedule
    if not pipeline.uses_windows or schedule is None:
        if due is not None:
            raise InvalidRequestError(f"due: {_why_none(pipeline)}: leave it out")
        return None
    if due is not None:
        found = last_due_of(schedule, due)
        if found is None:
            raise InvalidRequestError(
                f"due: no due time is at or before {moment(due)}: {_first(schedule, due)}"
            )
        return window_of(schedule, found)
    window = _newest(schedule, now)
    if window is None:
        window = next(iter(upcoming(schedule, now, 1)), None)
    if window is None:
        raise InvalidRequestError(f"the schedule of pipeline {pipeline.name} has no due time")
    return window


def within(pipeline: Pipeline, window: Window) -> Pipeline:
    """Return a pipeline with the times of a window filled in.

    Args:
        pipeline: as it is configured now.
        window: the window.

    Raises:
        InvalidRequestError: a time of the window is outside the calendar.
    """
    try:
        return pipeline.in_window(window)
    except ValueError as exc:
        raise InvalidRequestError(f"due: the window {window_words(window)}: {exc}") from None


def notes_on(window: Window, pipeline: Pipeline, filled: Pipeline, now: datetime) -> list[str]:
    """Return what a preview says of its window: when it is, and each text that holds its times.

    Args:
        window: the window.
        pipeline: as it is configured.
        filled: the same in this window.
        now: the present moment.
    """
    of = f"the window {window_words(window)}, due {moment(window.due)}"
    if window.due > now:
        of += ", which has not come yet"
    parts = []
    if filled.data is not None and filled.data != pipeline.data:
        parts.append(f"data.blob: {filled.data.blob}")
    before, after = pipeline.training, filled.training
    inputs = before.sources
    parts += [
        f"{f'input {name}'.strip()}: {text}"
        for name, text in after.sources.items()
        if text != inputs.get(name)
    ]
    parts += [
        f"parameter {name}: {value}"
        for name, value in after.parameters.items()
        if value != before.parameters.get(name)
    ]
    return [of, f"the times of the window give {'; '.join(parts)}"]


def _newest(schedule: Schedule | None, now: datetime) -> Window | None:
    return newest_window(schedule, now) if schedule is not None else None


def _why_none(pipeline: Pipeline) -> str:
    if pipeline.schedule is None:
        return f"pipeline {pipeline.name} has no schedule, and so no due times"
    return (
        f"pipeline {pipeline.name} holds no time of a window, as {{start:yyyy/MM/dd}}, so that its "
        "runs are of no window"
    )


def _first(schedule: Schedule, due: datetime) -> str:
    first = next_due_of(schedule, due)
    return f"the first one is {moment(first)}" if first else "the schedule has none"
