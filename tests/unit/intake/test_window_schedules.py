"""Schedules with windows: past windows, changed schedules, clocks, and costs."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.errors import TransientError
from shared.intake.due_times import DueTimes
from tests.unit.intake.windowed_worlds import (
    DAILY,
    DAY,
    HOUR,
    MINUTE,
    Windowed,
    at,
    training,
    windows,
    written,
)

# Windows from before


def test_windows_of_before_have_runs_only_where_that_is_asked_for() -> None:
    period = {"start": "2026-02-20"}
    world = Windowed.of({**DAILY, **period}, catch_up="all")
    world.upload("2026/02/20/a.csv")
    assert world.opened() == []
    world.reconfigure({**DAILY, **period, "backfill": True})
    assert world.opened() == ["02-20"]


def test_the_newest_windows_of_before_are_backfilled_once() -> None:
    schedule = {**DAILY, "start": "2026-02-20", "backfill": True}
    world = Windowed(config=written(schedule, catch_up_most=3))
    for day in range(20, 29):
        world.upload(f"2026/02/{day}/a.csv")
    assert world.opened() == ["02-26", "02-27", "02-28"]
    world.reconfigure(schedule, catch_up_most=9)
    assert world.opened() == ["02-26", "02-27", "02-28"]
    assert world.days(2)[-2:] == ["03-01", "03-02"]


def test_windows_of_before_without_data_alert_nobody(caplog: pytest.LogCaptureFixture) -> None:
    schedule = {**DAILY, "start": "2026-02-20", "backfill": True}
    world = Windowed(config=written(schedule))
    world.opened()
    assert caplog.text.count("from before the schedule was seen, skipped") == 9
    assert "RL1008" not in caplog.text
    world.clock.move(DAY)
    world.opened()
    assert caplog.text.count("RL1008") == 1


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
def test_windows_are_opened_in_the_order_in_which_they_are_to_begin(order: str) -> None:
    schedule = {**DAILY, "start": "2026-02-20", "backfill": True}
    world = Windowed(config=written(schedule, order=order, when_busy="queue"))
    for day in range(20, 29):
        world.upload(f"2026/02/{day}/a.csv")
    world.opened()
    stored = world.context.ledger.run_queues.read(run_queue_id("sample", ()))
    assert stored is not None
    entered = sorted((*stored.record.begun, *stored.record.waiting), key=lambda entry: entry.number)
    (holder,) = stored.record.holders
    began = {run.run_id: run.window.due for run in world.due_runs() if run.window}[holder]
    days = [began, *(entry.due for entry in entered if entry.due)]
    assert len(days) == 9
    assert days == sorted(days, reverse=order == "newest_first")


def test_an_earlier_start_backfills_the_windows_before() -> None:
    world = Windowed.of({**DAILY, "start": "2026-02-27", "backfill": True})
    for day in range(20, 29):
        world.upload(f"2026/02/{day}/a.csv")
    world.reconfigure({**DAILY, "start": "2026-02-25", "backfill": True})
    assert world.opened() == ["02-25", "02-26"]
    assert world.opened() == ["02-25", "02-26"]


def test_many_windows_of_before_are_begun_in_parts_and_in_order() -> None:
    schedule = {"frequency": "Hour", "start": "2025-01-01", "backfill": True}
    hours = training(hour="{start:yyyyMMddHH}")
    changes: dict[str, Any] = {"data": None, "training": hours, "endpoints": []}
    changes["catch_up_most"] = 100
    world = Windowed(config=written(schedule, **changes))
    due_times = DueTimes(world.context, world.app.requests, most=30)
    now = world.clock.now()
    left = []
    for _ in range(4):
        result = due_times.start(world.pipeline, now, now + MINUTE, {})
        stored = world.context.ledger.schedules.read("sample")
        assert stored is not None
        left.append((len(result.opened), len(stored.record.waiting), result.more))
    assert left == [(30, 70, True), (30, 40, True), (30, 10, True), (10, 0, False)]
    expected = [f"{now - number * HOUR:%Y%m%d%H}" for number in range(100, 0, -1)]
    assert [run.parameters["hour"] for run in world.due_runs()] == expected


# What moves


def moved(schedule: dict[str, Any], other: dict[str, Any], hours: int = 60) -> list[str]:
    """Return the windows that have runs where a schedule is changed after some hours."""
    changes = {"data": None, "training": training(day="{start:MM-dd}"), "catch_up": "all"}
    world = Windowed(config=written({**DAILY, **schedule}, **changes))
    world.opened()
    for hour in range(6 * 24):
        world.clock.move(HOUR)
        if hour == hours:
            world.reconfigure({**DAILY, **other}, **changes)
        world.poll.start_scheduled()
    found = [run.window for run in world.due_runs() if run.window]
    ends = [window.end for window in found]
    assert len(set(ends)) == len(ends)
    return [f"{end - DAY:%m-%d}" for end in sorted(ends)]


END, START = {"style": "EndOfInterval"}, {"style": "StartOfInterval"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (END, START),
        (START, END),
        ({}, {"delay": "30h"}),
        ({"delay": "30h"}, {}),
        ({**START, "delay": "10h"}, {**END, "delay": "1h"}),
        ({}, {"start": "2026-02-01", "end": "2026-12-31"}),
        ({**START, "end": "2026-12-31"}, {}),
    ],
)
@pytest.mark.parametrize("hours", [0, 11, 12, 40])
def test_no_window_comes_twice_and_none_is_left_out_when_a_schedule_changes(
    one: dict[str, Any], other: dict[str, Any], hours: int
) -> None:
    found = moved(one, other, hours)
    days = ["02-28", *(f"03-0{day}" for day in range(1, 8))]
    first = days.index(found[0])
    assert first <= 2
    assert found == days[first : first + len(found)]
    assert len(found) >= 4


def test_a_delay_that_comes_with_another_style_brings_no_older_window() -> None:
    changes: dict[str, Any] = {"data": None, "training": training(day="{start:MM-dd}")}
    world = Windowed(config=written({**DAILY, "start": "2026-02-20", **START}, **changes))
    assert world.days(2) == ["03-02", "03-03"]
    later = {**DAILY, "start": "2026-02-20", "delay": "3d"}
    world.reconfigure(later, catch_up="all", **changes)
    for hours in (0, 0, 12, 12, 12):
        world.clock.move(hours * HOUR)
        assert world.opened() == ["03-02", "03-03"]


def test_a_clock_that_is_set_back_has_no_window_wait_twice() -> None:
    world = Windowed.of(wait_for_data={"every": "10m", "at_most": "3d"}, catch_up="all")
    world.clock.move(DAY)
    for back in (DAY, -DAY, timedelta()):
        world.opened()
        world.clock.move(-back)
    stored = world.context.ledger.schedules.read("sample")
    assert stored is not None
    assert [due.at for due in stored.record.waiting] == [at("2026-03-02")]


def test_another_offset_moves_the_windows_from_then_on() -> None:
    found = moved({}, {"offset": "6h"})
    assert found == sorted(found)


def test_a_clock_that_was_ahead_brings_no_window_twice() -> None:
    world = Windowed.of(catch_up="all")
    assert world.days(2) == ["03-01", "03-02"]
    world.clock.move(-DAY)
    assert world.opened() == ["03-01", "03-02"]
    for _ in range(3):
        world.clock.move(DAY)
        world.opened()
    assert len({run.run_id for run in world.due_runs()}) == len(world.due_runs())
    assert windows(world.due_runs()) == ["03-01", "03-02"]  # the later ones had no data


def test_windows_follow_the_calendar_over_month_ends_and_leap_years() -> None:
    monthly = {"frequency": "Month", "start": "2023-11-01", "end": "2024-04-01", "backfill": True}
    last_days = training(m="{end-1d:yyyy-MM-dd}")
    world = Windowed(config=written(monthly, data=None, training=last_days))
    world.opened()
    assert [run.parameters["m"] for run in world.due_runs()] == [
        *("2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31"),
    ]


def test_windows_of_ncrontab_lie_between_due_times() -> None:
    days = training(w="{start:MM-dd}/{end:MM-dd}")
    world = Windowed.of("0 0 3 * * 1,4", data=None, training=days)
    world.clock.move(DAY)
    world.opened()
    (run,) = world.due_runs()
    assert run.parameters == {"w": "02-26/03-02"}


def test_a_calm_tick_costs_what_it_did() -> None:
    plain = Windowed.of(data={"blob": "{name}.csv", "opens_runs": False})
    windowed = Windowed.of({**DAILY, "delay": "1h", "start": "2026-01-01", "backfill": True})
    for world in (plain, windowed):
        world.opened()
        world.calls.clear()
        world.opened()
    assert windowed.calls == plain.calls


def test_a_listing_that_fails_is_repeated_without_a_second_run() -> None:
    world = Windowed.of(catch_up="all")
    for day in (1, 2):
        world.upload(f"2026/03/0{day}/a.csv")
    world.clock.move(2 * DAY)
    listing, calls = world.blobs.listing, []

    def fails(container: str, prefix: str = "") -> Any:
        calls.append(prefix)
        if len(calls) == 2:
            raise TransientError("the storage does not work now")
        return listing(container, prefix)

    world.blobs.listing = fails  # type: ignore[method-assign]
    assert world.opened() == ["03-01"]
    assert world.opened() == ["03-01", "03-02"]
    assert calls[0] == "2026/03/01/"


def test_an_unreadable_record_of_the_schedule_holds_its_pipeline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Windowed.of()
    world.damage("schedules/sample", b"{")
    assert world.days(1) == []
    assert "its schedule must wait" in caplog.text
    assert world.documents.rows["schedules/sample"].body == b"{"
