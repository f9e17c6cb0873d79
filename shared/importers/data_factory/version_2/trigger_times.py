"""When the triggers of version 2 start a pipeline: by a schedule, or for each window of time.

What both mean: data-factory §3.5.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.schedule import Recurrence as Schedule
from shared.core.config.schedule import due_after, due_at_or_before
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import ImportContext, Timing
from shared.importers.data_factory.values import FOREVER, iso, number, timespan, written
from shared.importers.data_factory.version_2.due_times import Spec, plain, specs
from shared.importers.data_factory.version_2.recurrences import (
    interval_of,
    recurrence_of,
    time_of,
    zone_of,
)

#: All windows of a tumbling window trigger get their runs, however late.
_MOST_CAUGHT_UP: Final = 1000
_NEVER: Final = "its startTime is never"


def scheduled(typed: Element, context: ImportContext, *, started: bool) -> list[Spec]:
    """Return the schedules of a schedule trigger; its keys are reported.

    Args:
        typed: its `typeProperties`.
        context: of the import.
        started: whether it is started; else its schedules are paused.
    """
    element = typed.get("recurrence") or typed
    zone = zone_of(element.get("timeZone").peek(), context.now)
    start_key, end_key = element.get("startTime"), element.get("endTime")
    start, end = time_of(start_key), time_of(end_key)
    said = recurrence_of(element, start, zone)
    if said is None:
        text = "its frequency cannot be read"
        element.left("key", "recurrence", text, "write `schedule` in pipelines.yaml")
        return []
    element.take_keys("frequency", "interval", "schedule", "startTime", "endTime", "timeZone")
    found, differs = specs(said)
    begin = said.instant if start is not None else None
    if begin is not None and begin.year >= FOREVER:
        begin, started = None, False
        differs.append(_NEVER)
    until = None if end is None else (end if end.tzinfo else zone.utc(end))
    made = [
        _limited(spec, _Limits(begin, until, not started, context.now), differs) for spec in found
    ]
    text = f"schedule: {' and '.join(map(_shown, made))}"
    if start_key and start is None:
        differs.append("its startTime cannot be read")
    if differs:
        what = "; ".join(dict.fromkeys([text, *differs]))
        element.approximated("key", "recurrence", what, "see whether the times fit", whole=False)
    else:
        element.mapped("key", "recurrence", text, whole=False)
    return made


@dataclass(frozen=True, slots=True)
class _Limits:
    """When a schedule is active."""

    start: datetime | None
    end: datetime | None
    paused: bool
    now: datetime


def _limited(spec: Spec, limits: _Limits, differs: list[str]) -> Spec:
    """Return a schedule with its active period.

    The factory drops due times of the past, so that a start in the past says nothing. NCRONTAB has
    no period, and cannot be paused: then a daily schedule that is paused stands in its place.

    Args:
        spec: the schedule.
        limits: when it is active.
        differs: gets what differs.
    """
    over = limits.end is not None and limits.end <= limits.now
    if isinstance(spec, str):
        if limits.paused or over:
            why = "it is stopped" if limits.paused else f"it ended at {_at(limits.end)}"
            differs.append(f'{why}: write schedule: "{spec}" in its place when it is to run')
            return {"frequency": "Day", "interval": 1, "paused": True}
        if limits.start is not None and limits.start > limits.now:
            differs.append(f"runs begin at once, and not at {_at(limits.start)}")
        if limits.end is not None and limits.end.year != FOREVER:
            differs.append(f"remove it at {_at(limits.end)}, when it ends in the factory")
        return spec
    made = dict(spec)
    schedule = Schedule.model_validate(spec)
    if limits.start is not None and limits.start > limits.now:
        first = due_after(schedule, limits.start - timedelta.resolution)
        before = due_at_or_before(schedule, first - timedelta.resolution)
        made |= {"start": iso(before or limits.start)}
    if limits.end is not None and limits.end.year != FOREVER:
        made |= {"end": iso(due_at_or_before(schedule, limits.end) or limits.end)}
    return made | ({"paused": True} if limits.paused else {})


def windowed(typed: Element, context: ImportContext, *, started: bool) -> tuple[Timing, int, str]:
    """Return when a tumbling window trigger is due, its retries and the pause before each.

    Args:
        typed: its `typeProperties`; each key is reported.
        context: of the import.
        started: whether it is started; else its schedule is paused.
    """
    frequency = typed.get("frequency").peek().capitalize()
    start, end = time_of(typed.get("startTime")), time_of(typed.get("endTime"))
    if frequency not in ("Minute", "Hour", "Month") or start is None:
        text = "its frequency or its startTime cannot be read"
        typed.approximated("key", "typeProperties", text, "write schedule.start", whole=False)
        frequency = frequency if frequency in ("Minute", "Hour", "Month") else "Hour"
    if start is not None and start.year >= FOREVER:
        typed.approximated("key", "typeProperties", f"schedule.paused: true: {_NEVER}", whole=False)
        start, started = None, False
    begin = start or context.now.replace(minute=0, second=0, microsecond=0)
    interval = interval_of(typed.get("interval"))
    made = plain(frequency, interval, begin) | {"start": iso(begin)}
    if end is not None and end.year != FOREVER and end > begin:
        made |= {"end": iso(end)}
    delay = timespan(typed.get("delay").peek())
    if delay is not None and delay > timedelta():
        made |= {"delay": written(delay)}
    if not started:
        made |= {"paused": True}
    for key in ("frequency", "interval", "startTime", "endTime", "delay"):
        typed.get(key).mapped("key", key, f"schedule: {_shown(made)}")
    if delay is None and (said := typed.get("delay")).value:
        said.left("key", "delay", "it cannot be read", "write schedule.delay")
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


def _at_once(typed: Element) -> int:
    return min(number(typed.get("maxConcurrency").value) or 1, 1000)


def _report_concurrency(typed: Element, at_once: int) -> None:
    element = typed.get("maxConcurrency")
    if at_once < _at_once(typed):
        text = "when_busy: queue, because each window waits for the one before"
        element.approximated("policy", "maxConcurrency", text)
    elif at_once > 1:
        element.take()  # its pipeline may allow fewer, and says in the end how many there are
    else:
        element.mapped("policy", "maxConcurrency", "when_busy: queue")


def _retries(typed: Element) -> tuple[int, str]:
    policy = typed.get("retryPolicy")
    count = number(policy.get("count").value) or 0
    seconds = number(policy.get("intervalInSeconds").value)
    pause = written(timedelta(seconds=30 if seconds is None else seconds))
    several, interval = policy.get("count"), policy.get("intervalInSeconds")
    keys = "retryPolicy.count", "retryPolicy.intervalInSeconds"
    if count:
        text = f"training.attempts is {count + 1} times that of the activity: "
        text += "an attempt is one job, not all activities"
        several.approximated("policy", keys[0], text)
        text = f"training.pause: {pause} of a job without a retry of its own; else its own counts"
        interval.approximated("policy", keys[1], text)
    else:
        several.mapped("policy", keys[0], "no more attempts than the activity has")
        interval.mapped("policy", keys[1], "no effect without more attempts")
    return count, pause if count else ""


def _report_dependencies(typed: Element) -> bool:
    """Report the windows that a window waits for; return whether its own trigger is among them."""
    itself = False
    for one in typed.get("dependsOn").list():
        if "self" in one.get("type").peek().casefold():
            itself = True
            one.mapped(
                "key", "dependsOn", "when_busy: queue: runs are in the order of their windows"
            )
            continue
        name = one.get("referenceTrigger", "referenceName").peek() or "another trigger"
        text = f"it waits for windows of {name}: pipelines of Relearn do not wait for each other"
        to_do = "let schedule.delay be long enough, or wait_for_data wait for what that writes"
        one.left("key", "dependsOn", text, to_do)
    return itself


def _at(moment: datetime | None) -> str:
    return iso(moment) if moment is not None else ""


def _shown(spec: Spec) -> str:
    """Return a schedule as the pipelines file has it."""
    if isinstance(spec, str):
        return f'"{spec}"'
    words = (f"{key}: {str(one).lower() if one is True else one}" for key, one in spec.items())
    return f"{{{', '.join(words)}}}"
