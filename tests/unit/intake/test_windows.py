"""Due times with windows: each window one run for each key, on the data of its own path."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.schedule import Recurrence
from shared.core.run.record import Run
from shared.core.windows import window_of
from shared.errors import TransientError
from shared.intake.due_times import DueTimes
from tests.unit.intake.windowed_worlds import (
    DAILY,
    DAY,
    HOUR,
    KEYED,
    MINUTE,
    Windowed,
    at,
    windows,
    written,
)


def data_of(runs: list[Run]) -> list[str]:
    return [run.newest.name for run in runs if run.newest is not None]


def test_each_window_trains_on_the_data_of_its_path() -> None:
    world = Windowed.of(catch_up="all")
    assert world.days(3) == ["03-01", "03-02", "03-03"]
    assert data_of(world.due_runs()) == ["2026/03/01/a.csv", "2026/03/02/a.csv", "2026/03/03/a.csv"]
    (first, *_) = world.due_runs()
    assert first.config.data is not None
    assert first.config.data.blob == "2026/03/01/{name}.csv"
    assert first.tokens["name"] == "a"
    assert first.window == window_of(Recurrence.model_validate(DAILY), at("2026-03-02"))
    assert first.cause == (
        "due 2026-03-02T00:00:00+00:00, window 2026-03-01 00:00 to 2026-03-02 00:00 UTC"
    )


def test_parameters_and_inputs_are_those_of_the_window() -> None:
    world = Windowed.of(
        training={
            "inputs": {"input1": "{start:yyyy/MM/dd}/{name}.csv"},
            "parameters": {
                "from": "{start:yyyy-MM-dd HH:mm}",
                "to": "{end-1d:MMM d}",
                "n": "{name}",
            },
        }
    )
    world.days(1)
    (run,) = world.due_runs()
    assert run.parameters == {"from": "2026-03-01 00:00", "to": "Mar 1", "n": "a"}
    world.tick()  # the stand-in knows no such parameters, and is asked all the same
    assert '"2026-03-01 00:00"' in "".join(world.bodies)
    assert "2026/03/01/a.csv" in "".join(world.bodies)


def test_each_customer_has_one_run_for_each_window() -> None:
    world = Windowed.of(**KEYED, key="customer", when_busy="queue")
    for customer in "ab":
        world.upload(f"2026/03/01/{customer}.csv")
    world.clock.move(DAY)
    for _ in range(3):
        world.opened()
    assert sorted(run.key for run in world.due_runs()) == [("a",), ("b",)]


def test_a_customer_whose_data_comes_late_is_waited_for() -> None:
    waits = {"every": "10m", "at_most": "2h"}
    world = Windowed.of(**KEYED, key="customer", wait_for_data=waits)
    world.upload("2026/03/01/a.csv")
    world.clock.move(DAY - 12 * HOUR)
    world.opened()
    world.clock.move(HOUR)
    world.upload("2026/03/01/b.csv")
    world.opened()
    world.clock.move(10 * MINUTE)
    world.opened()
    assert sorted(run.key for run in world.due_runs()) == [("a",), ("b",)]
    stored = world.context.ledger.schedules.read("sample")
    assert stored is not None
    world.clock.move(2 * HOUR)
    world.opened()
    stored = world.context.ledger.schedules.read("sample")
    assert stored is not None
    assert stored.record.waiting == ()


def test_a_window_waits_for_its_own_data_and_for_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waits = {"every": "10m", "at_most": "2h"}
    world = Windowed.of(wait_for_data=waits, catch_up="all")
    world.upload("2026/02/28/a.csv")  # of another window
    world.clock.move(12 * HOUR)
    assert world.opened() == []
    world.clock.move(90 * MINUTE)
    world.upload("2026/03/01/late.csv")
    assert world.opened() == ["03-01"]
    world.clock.move(DAY)
    for _ in range(15):
        world.opened()
        world.clock.move(10 * MINUTE)
    assert windows(world.due_runs()) == ["03-01"]  # that of 2 March never came
    assert "no blob matches 2026/03/02/{name}.csv" in caplog.text


def test_a_window_without_data_is_reported_once_with_its_path(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Windowed.of()
    world.clock.move(DAY)
    for _ in range(3):
        world.opened()
    assert caplog.text.count("no blob matches 2026/03/01/{name}.csv") == 1


@pytest.mark.parametrize(
    ("catch_up", "expected", "left"),
    [
        ({}, ["03-05"], "4 windows before"),
        ({"catch_up": "all"}, ["03-01", "03-02", "03-03", "03-04", "03-05"], ""),
        ({"catch_up": "all", "catch_up_most": 2}, ["03-04", "03-05"], "3 windows before"),
        ({"catch_up": "none"}, [], ""),
    ],
)
def test_missed_windows_get_runs_as_catch_up_says_and_the_log_counts_the_others(
    catch_up: dict[str, Any], expected: list[str], left: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = Windowed.of(**catch_up)
    for day in range(1, 6):
        world.upload(f"2026/03/0{day}/a.csv")
    world.clock.move(5 * DAY - 6 * HOUR)
    assert world.opened() == expected
    assert world.opened() == expected
    assert caplog.text.count("as catch_up says") == bool(left)
    assert left in caplog.text


@pytest.mark.parametrize("catch_up", ["latest", "all"])
def test_windows_that_pass_while_a_schedule_is_paused_count_as_missed(catch_up: str) -> None:
    world = Windowed.of({**DAILY, "paused": True}, catch_up=catch_up)
    assert world.days(4) == []
    world.calls.clear()
    world.opened()
    assert not any("schedules" in call for call in world.calls)
    world.reconfigure(DAILY, catch_up=catch_up)
    days = ["03-01", "03-02", "03-03", "03-04"]
    assert world.opened() == (days if catch_up == "all" else days[-1:])


def test_a_delayed_window_begins_later_and_keeps_its_due_time() -> None:
    world = Windowed.of({**DAILY, "delay": "6h"})
    world.upload("2026/03/01/a.csv")
    world.clock.move(18 * HOUR - MINUTE)
    assert world.opened() == []
    world.clock.move(MINUTE)
    assert world.opened() == ["03-01"]
    assert world.due_runs()[0].data_time == at("2026-03-02")


def test_a_delayed_window_from_before_the_schedule_begins_after_it() -> None:
    world = Windowed.of({**DAILY, "delay": "20h"})  # the window of 28 February, at 20:00
    world.upload("2026/02/28/a.csv")
    world.clock.move(7 * HOUR)
    assert world.opened() == []
    world.clock.move(HOUR)
    assert world.opened() == ["02-28"]


def test_data_is_waited_for_from_when_a_delayed_window_begins() -> None:
    waits = {"every": "10m", "at_most": "1h"}
    world = Windowed.of({**DAILY, "delay": "6h"}, wait_for_data=waits)
    world.clock.move(18 * HOUR)
    world.opened()
    world.clock.move(50 * MINUTE)
    world.upload("2026/03/01/a.csv")
    assert world.opened() == ["03-01"]


@pytest.mark.parametrize("style", ["StartOfInterval", "EndOfInterval"])
def test_only_windows_of_the_active_period_have_runs(style: str) -> None:
    period = {"start": "2026-03-02T06:00", "end": "2026-03-04"}
    day = training(day="{start:MM-dd}")
    schedule = {**DAILY, "style": style, **period}
    world = Windowed.of(schedule, data=None, training=day, catch_up="all")
    assert world.days(6) == ["03-02", "03-03"]


def test_a_period_shorter_than_a_window_gives_one_run() -> None:
    period = {"start": "2026-03-04", "end": "2026-03-05"}
    world = Windowed.of(
        {"frequency": "Week", **period}, data=None, training=training(week="{start:MM-dd}")
    )
    for _ in range(30):
        world.clock.move(DAY)
        world.opened()
    (run,) = world.due_runs()
    assert run.parameters == {"week": "03-02"}


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


def training(**parameters: str) -> dict[str, Any]:
    """Return a training that finds its data itself, by these parameters."""
    return {"inputs": {}, "parameters": parameters}


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
