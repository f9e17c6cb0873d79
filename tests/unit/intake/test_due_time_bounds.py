"""Each due time at most once, none is open for ever, and no more than the limit."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.pattern import match
from shared.core.config.schedule import Recurrence, due_after, due_at_or_before, dues_between
from shared.core.run.record import Origin
from tests.fakes.faults import Kind
from tests.unit.intake.due_time_worlds import CSV, causes
from tests.unit.intake.test_customers import Customers
from tests.unit.intake.test_due_times import (
    DAY,
    HOUR,
    HOURLY,
    MINUTE,
    after,
    at,
    due_runs,
    scheduled,
)
from tests.unit.worlds import Observed

# Each due time at most once


@pytest.mark.parametrize("catch_up", ["latest", "all", "none"])
@pytest.mark.parametrize("kind", [Kind.CRASH_AFTER, Kind.LOST])
def test_a_fault_anywhere_opens_no_due_time_twice_and_loses_none(kind: Kind, catch_up: str) -> None:
    for call in range(0, 12, 4):
        world = scheduled(catch_up=catch_up, endpoints=[])
        world.faults.plan = {len(world.faults.sites) + call: kind}
        for _ in range(10):
            world.clock.move(20 * MINUTE)
            for _ in range(2):
                world.survive(world.poll.start_scheduled)
        opened = causes(due_runs(world))
        assert opened == [f"2026-03-01T{hour}:00" for hour in (13, 14, 15)], call


def test_two_workers_agree_after_a_downtime_also_the_slower_one() -> None:
    world = scheduled(catch_up="all", catch_up_most=3, endpoints=[])
    world.clock.move(5 * HOUR)
    other = world._worker().poll
    create = world.documents.create

    def slow(name: str, body: bytes, metadata: Any = None) -> Any:
        if name.startswith("runs/"):
            world.documents.create = create  # type: ignore[method-assign]
            other.start_scheduled()
        return create(name, body, metadata)

    world.documents.create = slow  # type: ignore[method-assign]
    world.poll.start_scheduled()
    world.poll.start_scheduled()
    assert causes(due_runs(world)) == [f"2026-03-01T{hour}:00" for hour in (15, 16, 17)]
    assert len({run.run_id for run in due_runs(world)}) == 3


# BUG: a due time that a host dealt with whose clock was ahead keeps every other from firing.
def test_a_host_whose_clock_was_ahead_does_not_silence_the_schedule_for_a_day() -> None:
    world = scheduled(endpoints=[])
    world.clock.move(DAY)
    world.poll.start_scheduled()
    before = len(due_runs(world))
    world.clock.move(-DAY)
    assert after(world, 3 * HOUR, 20 * MINUTE) - before >= 3


# BUG: a schedule that is new to an old pipeline is started for times from before it was written.
@pytest.mark.parametrize("catch_up", ["latest", "all"])
def test_a_new_schedule_makes_up_for_no_time_before_it_was_there(catch_up: str) -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    world.poll.tick()
    world.upload()
    world.deliver()
    world.clock.move(10 * DAY + 30 * MINUTE)
    changes = {"schedule": HOURLY, "catch_up": catch_up}
    world.pipeline = world.pipeline.model_copy(update=changes)
    world.restart()
    world.poll.start_scheduled()
    assert due_runs(world) == []
    assert after(world, HOUR, 10 * MINUTE) == 1


@pytest.mark.parametrize("catch_up", ["latest", "all"])
def test_a_changed_schedule_makes_up_for_no_time_before_it_was_there(catch_up: str) -> None:
    world = scheduled(catch_up=catch_up, endpoints=[])
    before = after(world, HOUR)
    world.clock.move(3 * HOUR + 40 * MINUTE)
    world.pipeline = world.pipeline.model_copy(update={"schedule": "0 30 * * * *"})
    world.restart()
    world.poll.start_scheduled()
    assert len(due_runs(world)) == before
    assert after(world, HOUR) == before + 1


# One of many


@pytest.mark.parametrize(
    "never",
    [
        {"frequency": "Month", "interval": 30_000, "anchor": "2030-01-01"},
        {"frequency": "Month", "interval": 30_000, "offset": "-1d"},
        {"frequency": "Week", "interval": 100_000, "anchor": "1900-01-01"},
    ],
    ids=["future anchor", "negative offset", "very long"],
)
def test_a_schedule_that_cannot_be_counted_leaves_the_others_alone(never: dict[str, Any]) -> None:
    world = Observed(config={"pipeline": {"schedule": never, "endpoints": []}})
    other = world.sibling(schedule=HOURLY, endpoints=[])
    poll = world.another(other).poll
    poll.tick()
    world.upload("other-a.csv")
    world.clock.move(HOUR)
    poll.start_scheduled()
    assert [run.pipeline for run in due_runs(world)] == ["other"]


# BUG: where time runs out the same customers come first at every tick, and the last never do.
def test_a_due_time_reaches_every_customer_however_little_time_a_tick_has() -> None:
    world = Customers()
    world.poll.tick()
    customers = [f"c{number}" for number in range(40)]
    for customer in customers:
        world.upload(f"{customer}/1.csv", CSV)
    world.pipeline = world.pipeline.model_copy(update={"schedule": HOURLY, "endpoints": ()})
    world.pipeline = world.pipeline.model_copy(update={"key": ("customer",)})
    world.restart()
    world.clock.move(HOUR)
    create = world.documents.create

    def slow(name: str, body: bytes, metadata: Any = None) -> Any:
        world.clock.move(timedelta(seconds=3))
        return create(name, body, metadata)

    world.documents.create = slow  # type: ignore[method-assign]
    for _ in range(9):
        world.poll.start_scheduled()
        if world.clock.now() > at("2026-03-01T13:55:00"):
            break
    first = [run for run in due_runs(world) if "13:00" in run.cause]
    assert sorted(run.key[0] for run in first) == sorted(customers)


def test_one_customer_whose_record_is_damaged_leaves_the_others_alone() -> None:
    world = Customers()
    world.poll.tick()
    for customer in ("acme", "beta", "gamma"):
        world.upload(f"{customer}/1.csv", CSV)
    world.pipeline = world.pipeline.model_copy(update={"schedule": HOURLY})
    world.restart()
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    (beta,) = [run for run in due_runs(world) if run.key == ("beta",)]
    world.damage(f"runs/{beta.run_id}")
    del world.documents.rows["schedules/sample"]
    world.poll.start_scheduled()
    kept = [name for name in world.documents.rows if name.startswith("runs/")]
    assert len(kept) == 3
    world.documents.rows.pop(f"runs/{beta.run_id}")
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    later = [run for run in due_runs(world) if "14:00" in run.cause]
    assert sorted(run.key for run in later) == [("acme",), ("beta",), ("gamma",)]


# Bounds


def test_a_bound_on_what_is_made_up_for_holds_over_two_downtimes() -> None:
    world = scheduled(catch_up="all", catch_up_most=2, endpoints=[])
    for _ in range(2):
        world.clock.move(10 * HOUR)
        world.poll.start_scheduled()
    assert len(due_runs(world)) == 4
    assert all(run.origin is Origin.SCHEDULE for run in due_runs(world))


def test_every_second_is_no_more_than_one_run_a_tick_unless_all_are_wanted() -> None:
    world = scheduled(schedule="* * * * * *", endpoints=[])
    before = len(due_runs(world))
    assert after(world, 10 * MINUTE, MINUTE) - before == 10


RECURRENCES = st.builds(
    lambda frequency, interval, anchor, offset: Recurrence.model_validate(
        {"frequency": frequency, "interval": interval, "anchor": anchor, "offset": offset}
    ),
    st.sampled_from(["Minute", "Hour", "Day", "Week", "Month"]),
    st.integers(1, 400),
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- aware by `timezones`
    st.timedeltas(timedelta(days=-300), timedelta(days=300)),
)
MOMENTS = st.datetimes(
    datetime(2001, 1, 1),  # noqa: DTZ001 -- aware by `timezones`
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(RECURRENCES, MOMENTS)
def test_due_times_follow_each_other_without_a_gap(
    recurrence: Recurrence, moment: datetime
) -> None:
    last, following = due_at_or_before(recurrence, moment), due_after(recurrence, moment)
    assert last is not None
    assert last <= moment < following
    assert due_at_or_before(recurrence, last) == last
    assert due_at_or_before(recurrence, following) == following
    assert due_at_or_before(recurrence, following - timedelta(microseconds=1)) == last
    dues = dues_between(recurrence, last - timedelta(microseconds=1), following, 5)
    assert dues == [last, following]


@given(MOMENTS, st.integers(1, 6))
def test_ncrontab_due_times_are_in_order_and_within_bounds(moment: datetime, most: int) -> None:
    start = moment - 40 * DAY
    dues = dues_between("0 30 3 * * 1-5", start, moment, most)
    assert len(dues) == most
    assert all(start < due <= moment for due in dues)
    assert all(one < other for one, other in pairwise(dues))
    assert all((due.hour, due.minute, due.second) == (3, 30, 0) for due in dues)
    assert all(due.weekday() < 5 for due in dues)


def test_a_token_keeps_to_its_folder() -> None:
    assert match("{customer}/{date}.csv", "acme/beta/1.csv") is None
    assert match("{a}-{a}.csv", "x-y.csv") is None
