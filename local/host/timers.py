"""Timer triggers: NCRONTAB schedules in UTC, one run at a time per function."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from local.host.messages import TimerTick
from shared.core.config.ncrontab import parsed


def next_due(schedule: str, after: datetime) -> datetime:
    """Return the first due time after `after`, both in UTC.

    Raises:
        ValueError: the schedule is none, or never fires again.
    """
    due = parsed(schedule).after(after)
    if due is None:
        raise ValueError("the schedule never fires again")
    return due


class Timer:
    """Fires one function on its schedule; the next tick is armed when the run has ended.

    There is no lock against a second host (two hosts both fire), and a tick missed while the
    host was down is not made up for, even with `use_monitor`.

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
        """Arm no further tick; a call under way continues."""
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
