"""Due times with windows: each window one run for each key, on the data of its own path."""

from typing import Any

import pytest

from shared.core.config.schedule import Recurrence
from shared.core.config.windows import window_of
from shared.core.run.record import Run
from tests.unit.intake.windowed_worlds import (
    DAILY,
    DAY,
    HOUR,
    KEYED,
    MINUTE,
    Windowed,
    at,
    training,
    windows,
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
