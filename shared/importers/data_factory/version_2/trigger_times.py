"""Finds when version 2 triggers start a pipeline: by a schedule, or for each window of time.

What both mean: data-factory §3.5.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.core.config.schedule import Recurrence as Schedule
from shared.core.config.schedule import checked_schedule, due_after, due_at_or_before
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import ImportContext, Timing
from shared.importers.data_factory.policies import mapped_span
from shared.importers.data_factory.values import FOREVER, iso, number, timespan, verbatim, written
from shared.importers.data_factory.version_2.due_times import Spec, plain, specs
from shared.importers.data_factory.version_2.recurrences import (
    FREQUENCIES,
    SCHEDULE,
    interval_of,
    recurrence_of,
    time_of,
    unread,
    zone_of,
)

#: All windows of a tumbling window trigger get their runs, however late.
_MOST_CAUGHT_UP: Final = 1000
_LONGEST_PAUSE: Final = 86_400
_LONGEST_DELAY: Final = timedelta(days=366)
_SHORTEST_MONTH: Final = 28
_NEVER: Final = "its startTime is never"
_PAUSED: Final = "the schedule is paused until that is corrected"
_CORRECT: Final = "correct the schedule in pipelines.yaml, and remove `paused`"
_SEE: Final = "see whether the times fit"
_NUMBER: Final = "write the number"
#: Stands for a schedule that is not written.
_PLACEHOLDER: Final[Spec] = {"frequency": "Day", "interval": 1, "paused": True}
_KEYS: Final = ("frequency", "interval", "startTime", "endTime", "delay")


def scheduled(typed: Element, context: ImportContext, *, started: bool) -> list[Spec]:
    """Return the schedules of a schedule trigger; its keys are reported.

    What is wrong in it pauses them, so that no run begins at a time that is guessed.

    Args:
        typed: its `typeProperties`.
        context: of the import.
        started: whether it is started; else its schedules are paused.
    """
    element = typed.get("recurrence") or typed
    _take(element)
    zone = zone_of(element.get("timeZone").peek(), context.now)
    start, end = time_of(element.get("startTime")), time_of(element.get("endTime"))
    said = recurrence_of(element, start, zone)
    until = None if end is None else (end if end.tzinfo else zone.utc(end))
    wrong = [*said.wrong, *_wrong_period(element, said.instant if start else None, until)]
    begin = said.instant if start else None
    if never := begin is not None and begin.year >= FOREVER:
        begin = None
    limits = _Limits(begin, until, bool(wrong) or never or not started, context.now)
    found, differs = specs(said, limited=limits.are_any)
    made = [made for spec in found if (made := _limited(spec, limits, differs)) is not None]
    if not made:
        wrong.append("no due time lies between its startTime and its endTime")
        made = [_PLACEHOLDER]
    if not element.get("startTime"):
        differs.append("it has no startTime: due times are counted from a Monday, 00:00")
    differs = [*wrong, *([_PAUSED] if wrong else []), *([_NEVER] if never else []), *differs]
    to_do = _CORRECT if wrong else _to_do(made, ends=limits.ends)
    text = "; ".join(dict.fromkeys([f"schedule: {' and '.join(map(_shown, made))}", *differs]))
    if differs:
        element.approximated("key", "recurrence", text, to_do, whole=False)
    else:
        element.mapped("key", "recurrence", text, whole=False)
    return made


def _take(element: Element) -> None:
    element.take_keys("frequency", "interval", "startTime", "endTime", "timeZone")
    element.get("schedule").take_keys(*SCHEDULE)
    for one in (element, element.get("schedule")):
        if not isinstance(one.value, dict):  # an expression, which the line quotes
            one.take()


def _to_do(made: list[Spec], *, ends: bool) -> str:
    if _PLACEHOLDER in made:
        return "write the NCRONTAB of this line when it is to run"
    if ends and any(isinstance(one, str) for one in made):
        return "remove the schedule when it ends in the factory"
    return _SEE


def _wrong_period(element: Element, start: datetime | None, end: datetime | None) -> list[str]:
    """Return what is wrong in the active period of a trigger.

    Args:
        element: has `startTime` and `endTime`.
        start: the first; None where it cannot be read.
        end: the other.
    """
    wrong = [
        unread(element, key)
        for key, found in (("startTime", start), ("endTime", end))
        if element.get(key).value and found is None
    ]
    if start and end and end <= start and start.year < FOREVER:
        wrong.append("its endTime is not after its startTime")
    return wrong


@dataclass(frozen=True, slots=True)
class _Limits:
    """When a schedule is active."""

    start: datetime | None
    end: datetime | None
    paused: bool
    now: datetime

    @property
    def are_any(self) -> bool:
        """Whether the schedule is not active at each time from now on."""
        return self.paused or self.begins_later or self.ends

    @property
    def begins_later(self) -> bool:
        """Whether it starts in the future."""
        return self.start is not None and self.start > self.now

    @property
    def ends(self) -> bool:
        """Whether it ends."""
        return self.end is not None and self.end.year < FOREVER

    @property
    def why_paused(self) -> str:
        """Why a schedule that has no active period must not run now; empty: it may."""
        if self.paused:
            return "it is not to run yet"
        if self.end is not None and self.end <= self.now:
            return f"it ended at {iso(self.end)}"
        return f"it begins at {iso(self.start)}" if self.start and self.begins_later else ""


def _limited(spec: Spec, limits: _Limits, differs: list[str]) -> Spec | None:
    """Return a schedule with its active period; None: it is never due in that.

    The factory drops due times of the past, so that a start in the past says nothing. NCRONTAB has
    no period, and cannot be paused: then a daily schedule that is paused stands in its place.

    Args:
        spec: the schedule.
        limits: when it is active.
        differs: gets what differs.
    """
    if isinstance(spec, str):
        ending = (
            f"remove it at {iso(limits.end)}, when it ends" if limits.ends and limits.end else ""
        )
        if why := limits.why_paused or _never_due(spec):
            what = f'{why}: write schedule: "{spec}" in its place when it is to run'
            differs.append("; ".join(filter(None, (what, ending))))
            return _PLACEHOLDER
        differs += [ending] if ending else []
        return spec
    made = dict(spec)
    schedule = _validated(spec)
    if limits.start is not None and limits.begins_later:
        first = due_after(schedule, limits.start - timedelta.resolution)
        before = due_at_or_before(schedule, first - timedelta.resolution)
        made |= {"start": iso(before or limits.start)}
    if limits.end is not None and limits.ends:
        made |= {"end": iso(due_at_or_before(schedule, limits.end) or limits.end)}
        if made["end"] <= made.get("start", ""):
            return None
    return made | ({"paused": True} if limits.paused else {})


def _validated(spec: Spec) -> Schedule:
    return Schedule.model_validate(spec)


def _never_due(ncrontab: str) -> str:
    try:
        checked_schedule(ncrontab)
    except ValueError:
        return "no month of it has such a day"
    return ""


def windowed(typed: Element, context: ImportContext, *, started: bool) -> tuple[Timing, int, str]:
    """Return when a tumbling window trigger is due, its retries and the pause before each.

    What is wrong in it pauses its schedule, so that no run begins for a window that is guessed.

    Args:
        typed: its `typeProperties`; each key is reported.
        context: of the import.
        started: whether it is started; else its schedule is paused.
    """
    made, wrong = _windows(typed, context.now, started=started)
    _report_windows(typed, made, wrong)
    at_once = 1 if _report_dependencies(typed) else _at_once(typed)
    _report_concurrency(typed, at_once)
    retries, pause = _retries(typed)
    timing = Timing(
        schedule=made,
        catch_up="all",
        catch_up_most=_MOST_CAUGHT_UP,
        when_busy="parallel" if at_once > 1 else "queue",
        max_parallel=at_once if at_once > 1 else None,
    )
    return timing, retries, pause


def _windows(typed: Element, now: datetime, *, started: bool) -> tuple[Spec, dict[str, str]]:
    """Return the schedule of a tumbling window trigger, and what is wrong by its key.

    Args:
        typed: its `typeProperties`.
        now: the present moment.
        started: whether it is started.
    """
    wrong: dict[str, str] = {}
    frequency = typed.get("frequency").peek().capitalize()
    if frequency not in FREQUENCIES:
        wrong["frequency"], frequency = unread(typed, "frequency"), "Hour"
    interval = interval_of(typed.get("interval"))
    if interval is None:
        wrong["interval"] = unread(typed, "interval")
    start, end = _utc(time_of(typed.get("startTime"))), _utc(time_of(typed.get("endTime")))
    never = start is not None and start.year >= FOREVER
    if start is None or never:
        wrong["startTime"] = _NEVER if never else unread(typed, "startTime")
        start = now.replace(minute=0, second=0, microsecond=0)
    made = plain(frequency, interval or 1, start) | {"start": iso(start)}
    if typed.get("endTime").value and end is None:
        wrong["endTime"] = unread(typed, "endTime")
    elif end is not None and end <= start:
        wrong["endTime"] = "it is not after startTime"
    elif end is not None and end.year < FOREVER:
        made |= {"end": iso(end)}
    delay = timespan(typed.get("delay").peek())
    if delay is not None and timedelta() < delay <= _LONGEST_DELAY:
        made |= {"delay": written(delay)}
    elif typed.get("delay").value and delay != timedelta():
        wrong["delay"] = f"{unread(typed, 'delay')}, or is longer than a year"
    return made | ({"paused": True} if wrong or not started else {}), wrong


def _utc(at: datetime | None) -> datetime | None:
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def _report_windows(typed: Element, made: Spec, wrong: dict[str, str]) -> None:
    """Report each key that says when windows are; one that is missing has the line of them all.

    Args:
        typed: `typeProperties` of the trigger.
        made: the schedule.
        wrong: what is wrong, by its key.
    """
    text = f"schedule: {_shown(made)}"
    for key in _KEYS:
        element = typed.get(key)
        said = f"{text}: {wrong.get(key)}, and {_PAUSED}"
        if key == "delay" and key not in wrong:
            mapped_span(element, key, text)
        elif key not in wrong:
            element.mapped("key", key, text)
        elif element:
            element.approximated("key", key, said, _CORRECT)
        else:
            typed.approximated("key", "typeProperties", said, _CORRECT, whole=False)
    start = _utc(time_of(typed.get("startTime")))
    monthly = typed.get("frequency").peek().casefold() == "month"
    if monthly and start is not None and start.day > _SHORTEST_MONTH:
        said = f"after short months, a window begins later than on day {start.day}"
        typed.get("startTime").approximated("key", "startTime", said, _SEE)
    end = _utc(time_of(typed.get("endTime")))
    if end is not None and "end" in made and due_at_or_before(_validated(made), end) != end:
        said = "it is within a window, and that gets a run too: the factory may end before"
        typed.get("endTime").approximated("key", "endTime", said, _SEE)


def _at_once(typed: Element) -> int:
    return min(number(typed.get("maxConcurrency").value) or 1, 1000)


def _report_concurrency(typed: Element, at_once: int) -> None:
    element = typed.get("maxConcurrency")
    if at_once < _at_once(typed):
        text = "when_busy: queue, because each window waits for the one before"
        element.approximated("policy", "maxConcurrency", text)
    elif number(element.value) is None:
        element.approximated(
            "policy", "maxConcurrency", f"when_busy: queue: {_unread(element)}", _NUMBER
        )
    elif at_once > 1:
        element.take()  # its pipeline may allow fewer, and says in the end how many there are
    else:
        element.mapped("policy", "maxConcurrency", "when_busy: queue")


def _retries(typed: Element) -> tuple[int, str]:
    policy = typed.get("retryPolicy")
    several, interval = policy.get("count"), policy.get("intervalInSeconds")
    count, seconds = number(several.value) or 0, number(interval.value)
    pause = written(timedelta(seconds=30 if seconds is None else min(seconds, _LONGEST_PAUSE)))
    keys = "retryPolicy.count", "retryPolicy.intervalInSeconds"
    if several.value is not None and number(several.value) is None:
        several.approximated("policy", keys[0], f"training.attempts: {_unread(several)}", _NUMBER)
    elif count:
        text = f"training.attempts is {count + 1} times that of the activity, as far as Relearn "
        text += "has that number: an attempt is one job, not all activities"
        several.approximated("policy", keys[0], text)
    else:
        several.mapped("policy", keys[0], "no more attempts than the activity has")
    if count:
        text = f"training.pause: {pause} of a job without a retry of its own; else its own counts"
        interval.approximated("policy", keys[1], text)
    else:
        interval.mapped("policy", keys[1], "no effect without more attempts")
    return count, pause if count else ""


def _unread(element: Element) -> str:
    return f"`{verbatim(element.value)}` cannot be read"


def _report_dependencies(typed: Element) -> bool:
    """Report the windows that a window waits for; return whether its own trigger is among them."""
    itself = False
    for one in typed.get("dependsOn").list():
        if "self" in one.get("type").peek().casefold():
            itself = True
            text = "when_busy: queue: runs are in the order of their windows, and one begins after "
            one.approximated("key", "dependsOn", f"{text}a failed one too", "see whether it may")
            continue
        name = one.get("referenceTrigger", "referenceName").peek() or "another trigger"
        text = f"it waits for windows of {name}: pipelines of Relearn do not wait for each other"
        to_do = "let schedule.delay be long enough, or wait_for_data wait for its output"
        one.left("key", "dependsOn", text, to_do)
    return itself


def _shown(spec: Spec) -> str:
    """Return a schedule as the pipelines file has it."""
    if isinstance(spec, str):
        return f'"{spec}"'
    words = (f"{key}: {str(one).lower() if one is True else one}" for key, one in spec.items())
    return f"{{{', '.join(words)}}}"
