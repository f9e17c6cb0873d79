"""Which due times are to be started: after the last one, with a delay, and missed ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.due_times import Done, done_up_to, to_backfill, to_start
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import Recurrence, bounds_of, dues_between, next_due_of
from tests.unit.samples import pipeline

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = {"style": "StartOfInterval"}


def every(frequency: str = "Day", **more: Any) -> Recurrence:
    return Recurrence.model_validate({"frequency": frequency, **more})


def scheduled(schedule: Recurrence | None, **changes: Any) -> Pipeline:
    return pipeline().evolve(schedule=schedule, **changes)


def test_a_thousand_windows_of_before_are_the_newest_ones() -> None:
    hourly = scheduled(every("Hour", start="2020-01-01", backfill=True), catch_up_most=1000)
    found = to_backfill(hourly, None, NOON)
    assert len(found) == 1000
    assert found[-1] == NOON
    assert found == sorted(found)
    assert found[0] == NOON - 999 * HOUR


@pytest.mark.parametrize(
    ("schedule", "since", "days"),
    [
        (every(start="2026-02-26", backfill=True), None, [27, 28, 1]),
        (every(start="2026-02-26", backfill=True), "2026-02-26", []),
        (every(start="2026-02-26", backfill=True, **START), "2026-02-26", []),
        (every(start="2026-02-26", backfill=True), "2026-02-28", [27, 28]),
        (every(start="2026-02-26", backfill=True, **START), None, [26, 27, 28, 1]),
        (every(start="2026-04-01", backfill=True), None, []),
        # The start was corrected; what is still to come is nothing of before.
        (every(start="2026-02-26", backfill=True), "2027-01-01", [27, 28, 1]),
        (every(start="2026-02-26"), None, []),
        (None, None, []),
    ],
)
def test_what_is_backfilled_begins_with_the_active_period(
    schedule: Recurrence | None, since: str | None, days: list[int]
) -> None:
    before = datetime.fromisoformat(since).replace(tzinfo=UTC) if since else None
    assert [due.day for due in to_backfill(scheduled(schedule), before, NOON)] == days


def test_a_delayed_due_time_comes_later() -> None:
    delayed = scheduled(every(delay="6h"), catch_up="all")
    assert to_start(delayed, NOON - 2 * DAY, NOON) == [
        datetime(2026, 2, 28, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
    ]
    assert to_start(delayed, NOON - 2 * DAY, NOON - 7 * HOUR) == [datetime(2026, 2, 28, tzinfo=UTC)]
    late = scheduled(every(delay="6h"), catch_up="none")
    assert to_start(late, NOON - 2 * DAY, NOON - 6 * HOUR + timedelta(minutes=9)) != []
    assert to_start(late, NOON - 2 * DAY, NOON - 6 * HOUR + timedelta(minutes=11)) == []


def test_a_schedule_counts_from_its_first_day_or_from_what_is_done() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert done_up_to(every(delay="6h"), None, NOON, NOON) == Done(NOON - 6 * HOUR)
    assert done_up_to(every(delay="6h"), Done(midnight), NOON - DAY, NOON) == Done(midnight)
    assert done_up_to(every(**START), None, NOON, NOON) == Done(NOON, NOON)
    # By a host whose clock was ahead.
    assert done_up_to(every(), Done(NOON + DAY), None, NOON) == Done(NOON)
    assert done_up_to(every(), Done(NOON + timedelta(minutes=10)), None, NOON).due > NOON


def test_the_end_of_a_window_that_began_is_no_due_time_of_the_future() -> None:
    hour = Done(NOON, NOON + HOUR)
    later = every("Hour", delay="3d")
    assert done_up_to(later, hour, NOON - DAY, NOON) == Done(NOON + HOUR)
    # Of other windows, only what was due counts.
    assert done_up_to(every("Day"), hour, None, NOON) == Done(NOON)
    month = Done(NOON, NOON + 30 * DAY)
    assert done_up_to("0 0 * * * *", month, None, NOON) == Done(NOON)


frequencies = st.sampled_from(["Hour", "Day", "Week", "Month"])
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
styles = st.sampled_from(["StartOfInterval", "EndOfInterval"])


@given(frequencies, st.integers(1, 5), styles, styles, moments)
def test_the_window_after_the_last_one_is_next_after_a_change_of_style(
    frequency: str, interval: int, one: str, other: str, moment: datetime
) -> None:
    was = every(frequency, interval=interval, style=one)
    (due,) = dues_between(was, moment - 900 * DAY, moment, 1)
    end = bounds_of(was, due)[1]
    known = Done(due, end if one == "StartOfInterval" else None)
    now = every(frequency, interval=interval, style=other)
    done = done_up_to(now, known, None, moment + 900 * DAY)
    following = next_due_of(now, done.due)
    assert following is not None
    assert bounds_of(now, following)[0] == end
    # What is noted then means the same.
    assert done_up_to(now, done, None, moment + 900 * DAY) == done
