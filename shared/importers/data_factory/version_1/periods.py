"""Reads the active period of a pipeline of version 1: start, end, isPaused (data-factory §2.4)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from shared.core.config.schedule import Recurrence, dues_between, next_due_of
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import ImportContext
from shared.importers.data_factory.values import (
    FOREVER,
    iso,
    moment,
    verbatim,
)

#: The end of a period where none is given (data-factory §2.3).
_DEFAULT_PERIOD: Final = timedelta(hours=48)
#: Version 1 trains on every window, however many were missed.
MOST_CAUGHT_UP: Final = 1000
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """The active period of a pipeline."""

    start: datetime | None = None
    end: datetime | None = None
    paused: bool = False
    one_time: bool = False

    @property
    def schedule(self) -> dict[str, Any]:
        """The keys of `schedule` in the pipelines file."""
        keys: dict[str, Any] = {}
        if self.start is not None:
            keys["start"] = iso(self.start)
        if self.end is not None:
            keys["end"] = iso(self.end)
        if self.paused or self.one_time:
            keys["paused"] = True
        return keys


def period(properties: Element) -> Period:
    """Return the active period that a pipeline says; nothing is taken or reported by that."""
    start, end = properties.get("start"), properties.get("end")
    begin, until = moment(start.value), moment(end.value)
    unread = bool(end) and until is None
    empty = begin is not None and until is not None and until <= begin
    if begin is not None and not end:
        until = begin + _DEFAULT_PERIOD
    if until is not None and (until.year == FOREVER or empty):
        until = None
    paused = begin is None or truth(properties.get("isPaused")) or unread or empty
    one_time = properties.get("pipelineMode").peek().casefold() == "onetime"
    return Period(begin, until, paused, one_time)


def leave_period(properties: Element, place: str, *, for_others: bool) -> None:
    """Report the keys that say when a pipeline is active, where a job gets no schedule.

    Args:
        properties: of the pipeline.
        place: the pipeline in the pipelines file.
        for_others: whether they are written for other jobs of the pipeline.
    """
    advice = "write it under schedule, if it gets one"
    for key in ("start", "end", "isPaused", "pipelineMode", "expirationTime"):
        said = properties.get(key)
        if for_others:
            said.approximated("key", key, f"{place} has no schedule", advice)
        else:
            text = f"{place} has no schedule, so that this is nowhere in the file"
            said.left("key", key, text, advice)


def report_period(
    properties: Element, place: str, context: ImportContext, *, wanting: bool = False
) -> None:
    """Report the keys of a pipeline that say when it is active.

    Args:
        properties: of the pipeline.
        place: the pipeline in the pipelines file.
        context: of the import.
        wanting: whether something is to be filled in before its first run.
    """
    active = period(properties)
    is_paused = active.paused or active.one_time or wanting
    _report_paused(properties.get("isPaused"), place, is_paused=is_paused, once=active.one_time)
    mode = properties.get("pipelineMode")
    if active.one_time:
        text = f"{place}: schedule.paused: true: a pipeline that runs once has no due times, and "
        text += "the availability of its output says which windows there are"
        advice = "ask for a manual run when it is needed; leave schedule.paused as it is"
        mode.approximated("key", "pipelineMode", text, advice)
    else:
        mode.mapped("key", "pipelineMode", "each pipeline with a schedule is like this")
    text = "no pipeline expires: Relearn keeps the records of runs by its own retention"
    properties.get("expirationTime").approximated("key", "expirationTime", text)
    _report_start(properties, active, place, context)
    _report_end(properties.get("end"), active, place)


def report_first(
    start: Element, schedule: dict[str, Any], place: str, context: ImportContext
) -> None:
    """Report where the first run of a pipeline is not that of the factory.

    Args:
        start: of the pipeline.
        schedule: as the pipelines file has it.
        place: the pipeline in the pipelines file.
        context: of the import.
    """
    with suppress(ValidationError):  # the whole pipeline is refused
        made = Recurrence.model_validate(schedule)
        first = next_due_of(made, _FIRST)
        if first and made.start and first < made.start and made.start > context.now:
            text = f"{place}: the run of the first window is due {iso(first)}, at the start of "
            text += "that window; nothing of a factory runs before `start`"
            advice = "write the begin of a later window as schedule.start, if that is too early"
            start.approximated("key", "start", text, advice)
        past = dues_between(made, _FIRST, context.now - made.delay, MOST_CAUGHT_UP + 1)
        if made.start and context.options.backfill and len(past) > MOST_CAUGHT_UP:
            text = f"{place}: of the windows of the past, the newest {MOST_CAUGHT_UP} get runs"
            advice = "ask for manual runs of older windows, if they are needed"
            start.approximated("key", "start", text, advice)


def truth(element: Element) -> bool:
    """Whether a value is true, as a word too."""
    return element.peek().casefold() == "true"


def _report_paused(said: Element, place: str, *, is_paused: bool, once: bool) -> None:
    text = f"{place}: schedule.paused: true"
    if not is_paused:
        text = f"{place}: no schedule.paused: its default is false"
    if is_paused == truth(said):
        said.mapped("key", "isPaused", text)
    elif once:
        said.approximated("key", "isPaused", f"{text}: see the line of pipelineMode")
    else:
        why = "until what is missing is written: see the lines of the pipeline and its activity"
        said.approximated("key", "isPaused", f"{text}, {why}", "then remove schedule.paused")


def _report_start(properties: Element, said: Period, place: str, context: ImportContext) -> None:
    start = properties.get("start")
    if said.start is None:
        text = f"`{verbatim(start.value)[:100]}` is not a time; {place}: schedule.paused: true"
        advice = "write schedule.start and schedule.end, and remove schedule.paused"
        start.left("key", "start", text, advice)
        return
    text = f"{place}: schedule.start: {iso(said.start)}"
    if said.end is not None and not properties.get("end"):
        text += f"; schedule.end: {iso(said.end)}, as Data Factory ends a period without end"
        text += " after 48 hours"
        start.approximated("key", "start", text, "remove schedule.end if it is to continue")
    elif said.start < context.now and not context.options.backfill:
        text += "; windows that passed before the import get no runs"
        advice = "nothing, if the factory has trained on them; else import with --backfill"
        start.approximated("key", "start", text, advice)
    else:
        start.mapped("key", "start", text)


def _report_end(end: Element, said: Period, place: str) -> None:
    at = moment(end.value)
    if at is None:
        text = f"`{verbatim(end.value)[:100]}` is not a time; {place}: schedule.paused: true"
        end.left("key", "end", text, "write schedule.end, and remove schedule.paused")
    elif at.year == FOREVER:
        end.mapped("key", "end", f"{place}: no schedule.end: it goes on")
    elif said.end is None and said.start is not None:
        text = f"not after the start, so that there is no window; {place}: schedule.paused: true"
        end.left("key", "end", text, "write schedule.end, and remove schedule.paused")
    else:
        end.mapped("key", "end", f"{place}: schedule.end: {iso(at)}")
