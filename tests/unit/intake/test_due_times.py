"""Schedules: every due time at most once, also after an outage, and data that comes late."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.core.config.schedule import Recurrence, due_after, due_at_or_before, dues_between
from shared.core.config.windows import window_of
from shared.core.run.record import Origin, Run
from shared.intake.due_times import DueTimes
from shared.intake.requests import DueTimePart
from tests.fakes.world import DATA
from tests.unit.worlds import Observed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = "0 0 * * * *"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def scheduled(**pipeline: Any) -> Observed:
    world = Observed(config={"pipeline": {"schedule": HOURLY, **pipeline}})
    world.upload()
    if world.deliver():
        world.until_ended()
    world.poll.start_scheduled()
    return world


def due_runs(world: Observed) -> list[Run]:
    return [run for run in world.runs() if run.origin is Origin.SCHEDULE]


def after(world: Observed, span: timedelta, step: timedelta = 10 * MINUTE) -> int:
    """Let the schedule's timer fire through `span`, and return how many runs are there then."""
    end = world.clock.now() + span
    while world.clock.now() < end:
        world.clock.move(step)
        world.poll.start_scheduled()
    return len(due_runs(world))


def test_after_a_downtime_only_the_newest_due_time_is_made_up_for() -> None:
    world = scheduled()
    world.clock.move(5 * HOUR)
    world.poll.start_scheduled()
    (run,) = due_runs(world)
    assert run.cause == "due 2026-03-01T17:00:00+00:00"


@pytest.mark.parametrize(("most", "seconds"), [(9, 0), (0, 60)])
def test_a_due_time_stops_where_its_time_or_its_number_is_up_and_says_where(
    most: int, seconds: int
) -> None:
    world = scheduled(data={"blob": "{customer}-{name}.csv"}, key="customer", endpoints=[])
    for customer in "abc":
        world.upload(f"{customer}-1.csv")
    asked, now = world.app.requests, world.clock.now()
    blobs = asked.by_key(world.pipeline)
    part = DueTimePart(blobs, "", now + MINUTE, most=2)
    begun = asked.due(world.pipeline, window_of(HOURLY, now), part, lambda *_: False)
    assert (len(begun.opened), begun.after) == (2, sorted(blobs)[1])
    rest = replace(part, after=str(begun.after), until=now + timedelta(seconds=seconds), most=most)
    stopped = asked.due(world.pipeline, window_of(HOURLY, now), rest, lambda *_: False)
    assert (stopped.opened, stopped.after) == ([], begun.after)
    rest = replace(rest, until=now + MINUTE, most=1)
    ended = asked.due(world.pipeline, window_of(HOURLY, now), rest, lambda *_: False)
    assert (len(ended.opened), ended.after) == (1, None)


def test_all_missed_due_times_are_made_up_for_within_the_bound() -> None:
    world = scheduled(catch_up="all", catch_up_most=3)
    world.clock.move(10 * HOUR)
    for _ in range(2):
        world.poll.start_scheduled()
    causes = sorted(run.cause for run in due_runs(world))
    assert causes == [f"due 2026-03-01T{hour}:00:00+00:00" for hour in (20, 21, 22)]


def test_missed_due_times_can_be_skipped() -> None:
    world = scheduled(catch_up="none")
    world.clock.move(5 * HOUR + 30 * MINUTE)
    world.poll.start_scheduled()
    assert due_runs(world) == []
    assert after(world, 40 * MINUTE) == 1


@pytest.mark.parametrize("catch_up", ["latest", "all"])
@pytest.mark.parametrize("known", [True, False])
def test_the_first_due_time_of_a_schedule_is_not_lost_to_a_late_first_tick(
    catch_up: str, *, known: bool
) -> None:
    world = Observed(config={"pipeline": {"catch_up": catch_up}})
    if known:
        world.poll.tick()  # the pipeline is old; the schedule is new
        world.clock.move(9 * HOUR + 30 * MINUTE)
    world.pipeline = world.pipeline.model_copy(update={"schedule": HOURLY})
    world.clock.move(1 * MINUTE)
    world.upload()
    world.restart()
    world.poll.tick()  # the schedule is known from now on
    world.clock.move(74 * MINUTE)
    world.restart()
    world.poll.start_scheduled()
    (run,) = due_runs(world)
    assert run.cause == f"due 2026-03-01T{'22' if known else '13'}:00:00+00:00"


def test_a_first_tick_that_is_late_skips_what_is_late_where_that_is_wanted() -> None:
    world = Observed(config={"pipeline": {"schedule": HOURLY, "catch_up": "none"}})
    world.clock.move(5 * MINUTE)
    world.upload()
    world.restart()
    world.poll.tick()
    world.clock.move(70 * MINUTE)
    world.poll.start_scheduled()
    assert due_runs(world) == []


def test_a_changed_schedule_counts_from_when_the_change_was_first_recorded() -> None:
    world = scheduled(catch_up="all", endpoints=[])
    before = after(world, HOUR)
    world.clock.move(20 * MINUTE)
    world.pipeline = world.pipeline.model_copy(update={"schedule": "0 30 * * * *"})
    world.restart()
    world.poll.tick()
    for _ in range(2):  # another change of the pipeline is none of its schedule
        world.clock.move(HOUR)
        world.pipeline = world.pipeline.model_copy(update={"pause_after": 9})
        world.restart()
        world.poll.tick()
    world.poll.start_scheduled()
    causes = sorted(run.cause for run in due_runs(world))[before:]
    assert causes == [f"due 2026-03-01T{hour}:30:00+00:00" for hour in (13, 14)]


def test_two_workers_open_one_run_for_a_due_time() -> None:
    world = scheduled()
    world.clock.move(HOUR)
    other = world._worker().poll
    world.poll.start_scheduled()
    other.start_scheduled()
    assert len(due_runs(world)) == 1


def test_a_clock_that_jumps_back_opens_nothing_twice() -> None:
    world = scheduled()
    world.clock.move(2 * HOUR)
    world.poll.start_scheduled()
    world.clock.move(-HOUR)
    assert after(world, HOUR) == 1


def test_no_run_without_new_data_where_that_is_wanted() -> None:
    world = scheduled(skip_if_no_new_data=True)
    assert after(world, 3 * HOUR) == 0
    world.upload("later.csv", b"a,b,label\n1,2,1\n3,4,0\n")  # no event yet
    assert after(world, HOUR) == 1
    assert after(world, 3 * HOUR) == 1


def test_a_schedule_alone_trains_on_data_that_arrived_once() -> None:
    data = {"blob": "{name}.csv", "opens_runs": False}
    world = scheduled(data=data, skip_if_no_new_data=True)
    assert world.runs() == []
    assert after(world, 2 * HOUR) == 1
    assert after(world, 2 * HOUR) == 1


def test_a_due_time_waits_for_its_data() -> None:
    data = {"blob": "{name}.csv", "opens_runs": False}
    wait = {"every": "10m", "at_most": "45m"}
    world = scheduled(data=data, skip_if_no_new_data=True, wait_for_data=wait)
    assert after(world, HOUR) == 1
    assert after(world, HOUR) == 1  # due, and waits
    world.upload("late.csv", b"a,b,label\n1,2,1\n3,4,0\n")
    assert after(world, 20 * MINUTE) == 2
    newest = max(due_runs(world), key=lambda run: run.opened_at)
    assert [blob.name for blob in newest.manifest] == ["late.csv"]


def test_the_wait_for_data_ends_with_a_run_on_what_there_is() -> None:
    data = {"blob": "{name}.csv", "opens_runs": False}
    world = scheduled(data=data, wait_for_data={"every": "10m", "at_most": "30m"})
    assert after(world, HOUR) == 1
    assert after(world, HOUR) == 1
    assert after(world, 30 * MINUTE) == 2


def test_a_due_time_without_any_data_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    world = Observed(config={"pipeline": {"schedule": HOURLY}})
    world.poll.start_scheduled()
    with caplog.at_level(logging.ERROR):
        assert after(world, HOUR) == 0
    (reported,) = caplog.records
    assert getattr(reported, "event_id", "") == "RL1008"
    assert "no blob matches {name}.csv" in reported.getMessage()


def test_a_due_time_that_waited_for_data_in_vain_is_reported_once_it_gives_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waits = {"every": "10m", "at_most": "30m"}
    world = Observed(config={"pipeline": {"schedule": HOURLY, "wait_for_data": waits}})
    world.poll.start_scheduled()
    with caplog.at_level(logging.ERROR):
        assert after(world, HOUR + 20 * MINUTE) == 0
        assert not caplog.records
        assert after(world, 10 * MINUTE) == 0
    assert [getattr(r, "event_id", "") for r in caplog.records] == ["RL1008"]


def test_a_due_time_of_many_keys_continues_behind_the_key_where_it_stopped() -> None:
    data = {"blob": "{customer}-{name}.csv", "opens_runs": False}
    world = scheduled(data=data, key="customer", endpoints=[])
    for number in range(5):
        world.upload(f"{number}-1.csv")
    context, asked = world.context, world.app.requests
    due_times = DueTimes(context, asked, most=2)
    since = world.app.activations.scheduled_since("sample")
    world.clock.move(HOUR)
    keys = sorted(asked.by_key(world.pipeline))
    for opened, after_key in ((2, keys[1]), (2, keys[3]), (1, None)):
        until = world.clock.now() + MINUTE
        started = due_times.start(world.pipeline, since, until, {})
        assert (len(started.opened), started.more) == (opened, after_key is not None)
        stored = context.ledger.schedules.read("sample")
        assert stored is not None
        assert [due.after for due in stored.record.waiting] == ([after_key] if after_key else [])


CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"frequency": "Minute", "interval": 15}, "2026-03-01T12:07:00", "2026-03-01T12:00:00"),
    ({"frequency": "hour", "interval": 1}, "2026-03-01T12:59:59", "2026-03-01T12:00:00"),
    ({"frequency": "Day", "interval": 1}, "2026-03-01T12:00:00", "2026-03-01T00:00:00"),
    ({"frequency": "Week", "interval": 1}, "2026-03-04T12:00:00", "2026-03-02T00:00:00"),
    ({"frequency": "Month", "interval": 1}, "2026-03-31T12:00:00", "2026-03-01T00:00:00"),
    ({"frequency": "Month", "interval": 3}, "2026-03-31T12:00:00", "2026-01-01T00:00:00"),
    (
        {"frequency": "Day", "interval": 1, "offset": "03:00:00"},
        "2026-03-01T02:59:59",
        "2026-02-28T03:00:00",
    ),
    (
        {"frequency": "Month", "interval": 1, "offset": "-1d"},
        "2026-02-28T12:00:00",
        "2026-02-28T00:00:00",
    ),
    (
        {"frequency": "Week", "interval": 2, "anchor": "2026-01-07T09:30:00"},
        "2026-02-01T00:00:00",
        "2026-01-21T00:00:00",
    ),
    (
        {"frequency": "Hour", "interval": 6, "anchor": "2026-01-01T01:45:00"},
        "2026-01-01T06:00:00",
        "2026-01-01T01:00:00",
    ),
]


@pytest.mark.parametrize(("written", "moment", "expected"), CASES)
def test_intervals_are_counted_from_the_anchor(
    written: dict[str, Any], moment: str, expected: str
) -> None:
    recurrence = Recurrence.model_validate(written)
    due = due_at_or_before(recurrence, at(moment))
    assert due == at(expected)
    following = due_after(recurrence, at(moment))
    assert following > at(moment)
    assert due_at_or_before(recurrence, following - timedelta(microseconds=1)) == due
    stored = Recurrence.model_validate_json(recurrence.model_dump_json())
    assert due_at_or_before(stored, at(moment)) == due


def test_years_of_seconds_are_not_walked_through() -> None:
    dues = dues_between("* * * * * *", at("2000-01-01"), at("2026-01-01"), 3)
    assert [due.second for due in dues] == [58, 59, 0]


def test_a_schedule_by_frequency_opens_runs() -> None:
    daily = {"frequency": "Day", "interval": 1, "offset": "03:00:00"}
    world = scheduled(schedule=daily)
    assert after(world, 2 * DAY, HOUR) == 2


def test_of_customers_whose_data_is_gone_nothing_is_kept() -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
    world = Observed(config={"pipeline": {**keyed, "schedule": HOURLY}})
    world.poll.start_scheduled()
    for hour in range(4):
        for number in range(3):
            world.upload(f"c{hour}{number}-1.csv")
            world.blobs.store.contents.pop(
                f"https://account.blob.core.windows.net/{DATA}/c{hour - 1}{number}-1.csv", None
            )
        world.clock.move(HOUR)
        world.poll.start_scheduled()
    known = world.context.ledger.schedules.read("sample")
    assert known is not None
    assert len(known.record.trained) == 3
