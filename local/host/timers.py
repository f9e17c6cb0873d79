"""Timer triggers: NCRONTAB schedules in UTC, one run at a time per function."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from croniter import croniter

from local.host.messages import TimerTick

_FIELDS: Final = 6
_PART: Final = r"(?:\*|\d+|[A-Za-z]{3})(?:-(?:\d+|[A-Za-z]{3}))?(?:/\d+)?"
_FIELD: Final = re.compile(rf"{_PART}(?:,{_PART})*")


def checked_schedule(text: str) -> str:
    """Return `text` when it is NCRONTAB with six fields that fires at all.

    Raises:
        ValueError: it is not; the message says what is expected.
    """
    fields = text.split()
    if len(fields) == 1 and ":" in text:
        raise ValueError("a TimeSpan works on App Service plans only; write six NCRONTAB fields")
    if len(fields) != _FIELDS or not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError(
            "expected six NCRONTAB fields, {second} {minute} {hour} {day} {month} {day of week}"
        )
    next_due(text, datetime.now(UTC))
    return text


def next_due(schedule: str, after: datetime) -> datetime:
    """Return the first due time after `after`, both in UTC.

    NCRONTAB wants day and day of week both to fit, where cron is content with either.

    Raises:
        ValueError: the schedule never fires.
    """
    walk = croniter(schedule, after, second_at_beginning=True, day_or=False)
    due: datetime = walk.get_next(datetime)
    return due


class Timer:
    """Fires one function on its schedule; the next tick is armed when the run has ended.

    There is no lock against a second host (two hosts both fire), and a tick missed while the
    host was down is not made up for, whatever `use_monitor` says.

    Args:
        function: its name, for the log.
        schedule: checked.
        run_on_startup: fire at once too.
        fire: runs the function to its end.
    """

    def __init__(
        self,
        function: str,
        schedule: str,
        *,
        run_on_startup: bool,
        fire: Callable[[TimerTick], object],
    ) -> None:
        self._schedule, self._at_start, self._fire = schedule, run_on_startup, fire
        self._last: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"timer {function}", daemon=True)

    def start(self) -> None:
        """Begin to fire."""
        self._thread.start()

    def stop(self) -> None:
        """Arm no further tick; a run under way goes on."""
        self._stop.set()

    def tick(self) -> TimerTick:
        """Return the data of a run that begins now."""
        now = datetime.now(UTC)
        last = (self._last or datetime.min.replace(tzinfo=UTC)).isoformat()
        following = next_due(self._schedule, now).isoformat()
        status = {"Last": last, "Next": following, "LastUpdated": last}
        schedule = {"AdjustForDST": True}
        self._last = now
        payload = {"IsPastDue": False, "Schedule": schedule, "ScheduleStatus": status}
        return TimerTick(json.dumps(payload))

    def _run(self) -> None:
        if self._at_start:
            self._fire(self.tick())
        due = next_due(self._schedule, datetime.now(UTC))
        while not self._stop.wait((due - datetime.now(UTC)).total_seconds()):
            self._fire(self.tick())
            # Not before `due`: a wait may end a little early, which must not fire a tick twice.
            due = next_due(self._schedule, max(due, datetime.now(UTC)))
