"""NCRONTAB schedules and the timer that waits for them."""

import threading
import time
from datetime import UTC, datetime

import pytest

from local.host.timers import Timer, next_due
from shared.core.config.ncrontab import checked

FRIDAY = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("*/5 * * * * *", datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 11, 20, 12, 5, tzinfo=UTC)),
        ("0 0 3 * * 1", datetime(2026, 11, 23, 3, tzinfo=UTC)),
        ("0 0 3 * * Mon-Fri", datetime(2026, 11, 23, 3, tzinfo=UTC)),
        ("0 0 9-17/4 * jan,nov *", datetime(2026, 11, 20, 13, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 11, 20, 12, 5, tzinfo=UTC)),
        ("0 0 3 * * SAT-MON", datetime(2026, 11, 21, 3, tzinfo=UTC)),
        # The first of a month that is a Monday too: both must fit.
        ("0 0 0 1 * 1", datetime(2027, 2, 1, tzinfo=UTC)),
    ],
)
def test_next_due(schedule: str, due: datetime) -> None:
    assert next_due(checked(schedule), FRIDAY) == due


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("00:05:00", "TimeSpan"),
        ("*/5 * * *", "not six fields"),
        ("0 0 0 L * *", "day: L is of Quartz"),
        ("@daily", "not six fields"),
        ("", "not six fields"),
        ("61 * * * * *", "61"),
        ("0 0 0 31 2 *", "never fires"),
    ],
)
def test_refused_schedules(schedule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(schedule)


def test_runs_do_not_overlap_and_late_ticks_are_not_made_up_for() -> None:
    began: list[float] = []
    ended: list[float] = []
    again = threading.Event()

    def fire(_: object) -> None:
        began.append(time.monotonic())
        if len(began) > 1:
            again.set()
        threading.Event().wait(1.1)  # longer than the second between two ticks
        ended.append(time.monotonic())

    timer = Timer("slow", "* * * * * *", run_on_startup=True, fire=fire)
    timer.start()
    assert again.wait(10)
    timer.stop()
    assert began[1] >= ended[0]
