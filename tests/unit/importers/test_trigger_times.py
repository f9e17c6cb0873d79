"""Periods, pauses and windows of triggers of version 2; a wrong one pauses the schedule."""

from typing import Any

import pytest

from shared.core.config.schedule import Recurrence as Schedule
from shared.core.config.schedule import dues_between
from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.triggers import (
    NOW,
    RECURRENCE,
    WINDOW,
    starts_of,
    trigger_factory,
    unread_of,
)


def test_the_period_of_a_schedule_has_the_due_times_of_the_factory() -> None:
    said = {
        **RECURRENCE,
        "startTime": "2027-01-01T03:00:00Z",
        "endTime": "2027-02-01T12:00:00Z",
    }
    (start,) = starts_of(trigger_factory("ScheduleTrigger", {"recurrence": said}))
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["start"] == "2026-12-31T03:00:00Z"
    assert start.timing.schedule["end"] == "2027-02-01T03:00:00Z"


def test_a_stopped_trigger_is_a_paused_schedule() -> None:
    factory = trigger_factory("ScheduleTrigger", {"recurrence": RECURRENCE}, runtimeState="Stopped")
    (start,) = starts_of(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    (line,) = (one for one in factory.lines("key") if one.name == "runtimeState")
    assert line.outcome is ImportOutcome.APPROXIMATED  # the factory drops what passed meanwhile
    assert "catch_up: none" in line.to_do
    factory = trigger_factory("TumblingWindowTrigger", WINDOW, runtimeState="Stopped")
    starts_of(factory)
    (line,) = (one for one in factory.lines("key") if one.name == "runtimeState")
    assert line.outcome is ImportOutcome.MAPPED
    several = {**RECURRENCE, "schedule": {"hours": [3, 9]}}
    factory = trigger_factory("ScheduleTrigger", {"recurrence": several}, runtimeState="Stopped")
    found = [start.timing.schedule for start in starts_of(factory)]
    assert found == [
        {"frequency": "Day", "interval": 1, "offset": offset, "paused": True}
        for offset in ("3h", "9h")
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"runtimeState": "Stopped"}, "it is not to run yet"),
        ({"startTime": "2027-02-01T03:00:00Z"}, "it begins at 2027-02-01T03:00:00Z"),
        ({"endTime": "2026-11-01T00:00:00Z"}, "it ended at 2026-11-01T00:00:00Z"),
    ],
)
def test_ncrontab_that_must_not_run_now_is_not_written(more: dict[str, Any], why: str) -> None:
    state = {key: more[key] for key in more if key == "runtimeState"}
    friday = {"monthlyOccurrences": [{"day": "Friday", "occurrence": 1}]}
    said = {**RECURRENCE, **more, "frequency": "Month", "schedule": friday}
    factory = trigger_factory("ScheduleTrigger", {"recurrence": said}, **state)
    (start,) = starts_of(factory)
    assert start.timing.schedule == {"frequency": "Day", "interval": 1, "paused": True}
    assert f'{why}: write schedule: "0 0 3 1-7 * FRI"' in factory.said()
    assert "write the NCRONTAB of this line" in factory.said()


def test_ncrontab_that_ends_says_when() -> None:
    friday = {"monthlyOccurrences": [{"day": "Friday", "occurrence": 1}]}
    said = {**RECURRENCE, "frequency": "Month", "schedule": friday, "endTime": "2027-06-01T00:00Z"}
    factory = trigger_factory("ScheduleTrigger", {"recurrence": said})
    (start,) = starts_of(factory)
    assert start.timing.schedule == "0 0 3 1-7 * FRI"
    assert "remove it at 2027-06-01T00:00:00Z" in factory.said()
    assert "remove the schedule when it ends" in factory.said()


def test_several_due_times_have_the_period_of_their_trigger() -> None:
    said = {
        "frequency": "Week",
        "startTime": "2027-02-01T00:00:00Z",
        "endTime": "2027-02-15T00:00:00Z",
        "schedule": {"weekDays": ["Monday", "Thursday"], "hours": [6]},
    }
    factory = trigger_factory("ScheduleTrigger", {"recurrence": said})
    dues = []
    for start in starts_of(factory):
        schedule = Schedule.model_validate(start.timing.schedule)
        dues += [f"{due:%F %H}" for due in dues_between(schedule, NOW, NOW.replace(year=2028), 9)]
    assert sorted(dues) == ["2027-02-01 06", "2027-02-04 06", "2027-02-08 06", "2027-02-11 06"]
    (line,) = (one for one in factory.lines("key") if one.name == "recurrence")
    assert line.outcome is ImportOutcome.MAPPED


def test_a_due_time_outside_of_the_period_has_no_pipeline() -> None:
    said = {
        **RECURRENCE,
        "frequency": "Week",
        "startTime": "2027-02-01T03:00:00Z",  # a Monday
        "endTime": "2027-02-02T03:00:00Z",
        "schedule": {"weekDays": ["Monday", "Thursday"]},
    }
    (start,) = starts_of(trigger_factory("ScheduleTrigger", {"recurrence": said}))
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["end"] == "2027-02-01T03:00:00Z"
    said["schedule"] = {"weekDays": ["Thursday"]}
    factory = trigger_factory("ScheduleTrigger", {"recurrence": said})
    (start,) = starts_of(factory)
    assert start.timing.schedule == {"frequency": "Day", "interval": 1, "paused": True}
    assert "no due time lies between" in factory.said()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"frequency": "<frequency>"}, "frequency `<frequency>` cannot be read"),
        ({"startTime": "<start>"}, "startTime `<start>` cannot be read"),
        ({"startTime": "0001-01-01T00:00:00+05:00"}, "startTime `0001-01-01T00:00:00+05:00`"),
        ({"endTime": "<end>"}, "endTime `<end>` cannot be read"),
        ({"endTime": RECURRENCE["startTime"]}, "endTime is not after its startTime"),
        ({"interval": "[parameters('i')]"}, "interval `[parameters('i')]` cannot be read"),
        ({"interval": 0}, "interval `0` cannot be read"),
        ({"interval": 99_999, "frequency": "Month"}, "interval `99999` cannot be read"),
        ({"schedule": "[variables('s')]"}, "schedule `[variables('s')]` cannot be read"),
        ({"schedule": {"hours": [3, 24]}}, "schedule.hours `[3, 24]` cannot be read"),
        ({"schedule": {"minutes": ["x"]}}, 'schedule.minutes `["x"]` cannot be read'),
        ({"schedule": {"monthDays": [1]}}, "schedule.monthDays does not go with frequency Day"),
        (
            {"frequency": "Month", "schedule": {"weekDays": ["Monday"]}},
            "schedule.weekDays does not go with frequency Month",
        ),
        (
            {"frequency": "Month", "schedule": {"monthlyOccurrences": [{"day": "x"}]}},
            'schedule.monthlyOccurrences `[{"day": "x"}]` cannot be read',
        ),
        (
            {
                "frequency": "Month",
                "schedule": {"monthDays": [1], "monthlyOccurrences": [{"day": "Monday"}]},
            },
            "both monthDays and monthlyOccurrences",
        ),
    ],
)
def test_what_is_wrong_in_a_trigger_pauses_its_schedule(more: dict[str, Any], said: str) -> None:
    factory = trigger_factory("ScheduleTrigger", {"recurrence": {**RECURRENCE, **more}})
    (start,) = starts_of(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    (line,) = (one for one in factory.lines("key") if one.name == "recurrence")
    assert line.outcome is ImportOutcome.APPROXIMATED
    assert said in line.text
    assert "remove `paused`" in line.to_do
    (line,) = factory.lines("trigger")
    assert line.outcome is ImportOutcome.APPROXIMATED


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"frequency": "<frequency>"}, "frequency"),
        ({"interval": "x"}, "interval"),
        ({"startTime": "<start>"}, "startTime"),
        ({"endTime": "<end>"}, "endTime"),
        ({"endTime": WINDOW["startTime"]}, "endTime"),
        ({"delay": "999.00:00:00"}, "delay"),
    ],
)
def test_what_is_wrong_in_a_window_pauses_its_schedule(more: dict[str, Any], key: str) -> None:
    factory = trigger_factory("TumblingWindowTrigger", {**WINDOW, **more})
    (start,) = starts_of(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    differ = [one.name for one in factory.lines("key") if one.outcome is ImportOutcome.APPROXIMATED]
    assert differ == [key]


def test_a_recurrence_that_cannot_be_read_is_quoted() -> None:
    factory = trigger_factory("ScheduleTrigger", {"recurrence": "[parameters('r')]"})
    (start,) = starts_of(factory)
    assert start.timing.is_held
    assert "`[parameters('r')]` cannot be read" in factory.said()
    assert unread_of(factory) == []


def test_a_trigger_without_a_start_says_what_it_counts_from() -> None:
    factory = trigger_factory("ScheduleTrigger", {"recurrence": {"frequency": "Day"}})
    starts_of(factory)
    assert "it has no startTime" in factory.said()
    factory = trigger_factory("TumblingWindowTrigger", {"frequency": "Hour"})
    (start,) = starts_of(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    assert "there is no startTime" in factory.said()


def test_times_with_a_zone_are_written_in_utc() -> None:
    said = {**WINDOW, "startTime": "2026-01-01T02:00:00+02:00", "endTime": "2027-01-01T02:00+02:00"}
    (start,) = starts_of(trigger_factory("TumblingWindowTrigger", said))
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["start"] == "2026-01-01T00:00:00Z"
    assert start.timing.schedule["end"] == "2027-01-01T00:00:00Z"
    never = {**RECURRENCE, "endTime": "9999-12-31T23:59:59", "timeZone": "Eastern Standard Time"}
    (start,) = starts_of(trigger_factory("ScheduleTrigger", {"recurrence": never}))
    assert isinstance(start.timing.schedule, dict)
    assert "end" not in start.timing.schedule


def test_odd_times_and_intervals_do_no_harm() -> None:
    far = {**RECURRENCE, "startTime": "9999-12-31T00:00:00Z", "interval": 999_999_999}
    (start,) = starts_of(trigger_factory("ScheduleTrigger", {"recurrence": far}))
    assert isinstance(start.timing.schedule, dict)
    assert (start.timing.schedule["paused"], start.timing.schedule["interval"]) == (True, 1)
    never = {**WINDOW, "startTime": "9999-12-31T00:00:00Z", "interval": "x"}
    (start,) = starts_of(trigger_factory("TumblingWindowTrigger", never))
    assert isinstance(start.timing.schedule, dict)
    assert (start.timing.schedule["paused"], start.timing.schedule["interval"]) == (True, 1)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("2026-02-01T02:00:00Z", ImportOutcome.MAPPED),
        ("2026-02-01T12:00:00Z", ImportOutcome.APPROXIMATED),
    ],
)
def test_an_end_within_a_window_is_said(end: str, outcome: ImportOutcome) -> None:
    factory = trigger_factory("TumblingWindowTrigger", {**WINDOW, "endTime": end})
    starts_of(factory)
    (line,) = (one for one in factory.lines("key") if one.name == "endTime")
    assert line.outcome is outcome
