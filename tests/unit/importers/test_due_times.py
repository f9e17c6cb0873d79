"""Recurrences of triggers become schedules that are due at the same times."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.core.config.schedule import Recurrence, checked_schedule, next_due_of
from shared.importers.data_factory.account import Account, Element
from shared.importers.data_factory.version_2.due_times import specs
from shared.importers.data_factory.version_2.recurrences import recurrence_of, zone_of

NOW = datetime(2026, 11, 27, tzinfo=UTC)
#: A Monday.
START = datetime(2026, 1, 5, 3, 30)  # noqa: DTZ001 -- by the clock of the trigger's zone
BERLIN = "W. Europe Standard Time"


def _specs(
    zone: str = "UTC", start: datetime = START, *, limited: bool = False, **said: Any
) -> tuple[list[Any], list[str]]:
    element = Element(said, "a.json", (), Account())
    found = recurrence_of(element, start, zone_of(zone, NOW))
    assert found.wrong == ()
    schedules, differs = specs(found, limited=limited)
    for schedule in schedules:
        if isinstance(schedule, str):
            checked_schedule(schedule)
    return schedules, differs


def _dues(schedules: list[Any], after: datetime, most: int) -> list[str]:
    dues: set[datetime] = set()
    for one in schedules:
        schedule = one if isinstance(one, str) else Recurrence.model_validate(one)
        at: datetime | None = after
        for _ in range(most):
            at = next_due_of(schedule, at) if at else None
            dues |= {at} if at else set()
    return [f"{at:%a %d %b %H:%M}" for at in sorted(dues)[:most]]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"frequency": "Minute", "interval": 15}, ["03:45", "04:00", "04:15"]),
        ({"frequency": "Hour", "interval": 5}, ["08:30", "13:30", "18:30"]),
        (
            {"frequency": "hour", "interval": 1, "schedule": {"minutes": [0, 45]}},
            ["03:45", "04:00"],
        ),
    ],
)
def test_short_intervals(said: dict[str, Any], expected: list[str]) -> None:
    schedules, differs = _specs(**said)
    after = START.replace(tzinfo=UTC)
    assert [due[-5:] for due in _dues(schedules, after, len(expected))] == expected
    assert len(schedules) == 1
    assert differs == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"frequency": "Day", "interval": 1}, ["Tue 06 Jan 03:30", "Wed 07 Jan 03:30"]),
        ({"frequency": "Day", "interval": 3}, ["Thu 08 Jan 03:30", "Sun 11 Jan 03:30"]),
        (
            {"frequency": "Day", "schedule": {"hours": [5, 17], "minutes": [15, 45]}},
            ["Mon 05 Jan 05:15", "Mon 05 Jan 05:45", "Mon 05 Jan 17:15", "Mon 05 Jan 17:45"],
        ),
        (
            {"frequency": "Day", "interval": 2, "schedule": {"hours": [5, 17]}},
            ["Mon 05 Jan 05:30", "Mon 05 Jan 17:30", "Wed 07 Jan 05:30"],
        ),
        ({"frequency": "Week", "interval": 2}, ["Mon 19 Jan 03:30", "Mon 02 Feb 03:30"]),
        (
            {"frequency": "Week", "schedule": {"weekDays": ["Monday", "Friday"], "hours": [6]}},
            ["Mon 05 Jan 06:30", "Fri 09 Jan 06:30"],
        ),
        (
            {"frequency": "Week", "interval": 2, "schedule": {"weekDays": ["Tuesday", "Sunday"]}},
            ["Tue 06 Jan 03:30", "Sun 11 Jan 03:30", "Tue 20 Jan 03:30"],
        ),
        ({"frequency": "Month", "interval": 1}, ["Thu 05 Feb 03:30", "Thu 05 Mar 03:30"]),
        ({"frequency": "Month", "schedule": {"monthDays": [-1]}}, ["Sat 31 Jan", "Sat 28 Feb"]),
        (
            {"frequency": "Month", "schedule": {"monthDays": [1, -1]}},
            ["Sat 31 Jan", "Sun 01 Feb", "Sat 28 Feb"],
        ),
        ({"frequency": "Month", "schedule": {"monthDays": [31]}}, ["Sat 31 Jan", "Tue 31 Mar"]),
        ({"frequency": "Month", "interval": 3}, ["Sun 05 Apr", "Sun 05 Jul"]),
        (
            {
                "frequency": "Month",
                "schedule": {"monthlyOccurrences": [{"day": "Friday", "occurrence": 2}]},
            },
            ["Fri 09 Jan", "Fri 13 Feb"],
        ),
        ({"frequency": "Year"}, ["Tue 05 Jan", "Wed 05 Jan"]),
    ],
)
def test_days_weeks_and_months(said: dict[str, Any], expected: list[str]) -> None:
    schedules, differs = _specs(**said)
    dues = _dues(schedules, START.replace(tzinfo=UTC), len(expected))
    assert [due[: len(one)] for due, one in zip(dues, expected, strict=True)] == expected
    assert differs == []


def test_a_zone_with_summer_time_is_written_by_its_standard_time() -> None:
    schedules, differs = _specs(BERLIN, frequency="Week")
    assert _dues(schedules, START.replace(tzinfo=UTC), 1) == ["Mon 12 Jan 02:30"]
    assert "summer time" in differs[0]


def test_a_zone_without_summer_time_differs_in_nothing() -> None:
    schedules, differs = _specs("India Standard Time", frequency="Day", schedule={"hours": [3, 9]})
    assert _dues(schedules, START.replace(tzinfo=UTC), 3) == [
        "Mon 05 Jan 04:00",
        "Mon 05 Jan 22:00",
        "Tue 06 Jan 04:00",
    ]
    assert differs == []


def test_a_day_of_the_zone_can_be_another_one_in_utc() -> None:
    said = {"hours": [0], "minutes": [30]}
    days = ["Monday", "Sunday"]
    schedules, _ = _specs(BERLIN, frequency="Week", schedule={**said, "weekDays": days})
    assert schedules == ["0 30 23 * * SAT,SUN"]
    schedules, _ = _specs(BERLIN, frequency="Month", schedule={**said, "monthDays": [1]})
    assert _dues(schedules, START.replace(tzinfo=UTC), 2) == [
        "Sat 31 Jan 23:30",
        "Sat 28 Feb 23:30",
    ]


def test_names_of_zones_are_those_of_windows_or_of_the_data_base() -> None:
    assert zone_of("w. europe standard time", NOW).standard == timedelta(hours=1)
    assert zone_of("America/New_York", NOW).standard == timedelta(hours=-5)
    assert "unknown" in zone_of("Mars Standard Time", NOW).differs
    assert zone_of("", NOW) == zone_of("UTC", NOW)


def test_times_that_no_schedule_can_express_are_named() -> None:
    last = {"monthlyOccurrences": [{"day": "Friday", "occurrence": -1}]}
    schedules, differs = _specs(frequency="Month", schedule=last)
    assert schedules == ["0 30 3 22-28 * FRI"]
    assert "number 4" in differs[0]
    _, differs = _specs(start=START.replace(day=31), frequency="Month")
    assert "in months without day 31" in differs[0]
    _, differs = _specs(frequency="Day", schedule={"minutes": [0, 30]})
    assert "in hour 3 of startTime only" in differs[0]
    _, differs = _specs(frequency="Hour", interval=2, schedule={"hours": [5, 6]})
    assert "its interval of 2 is left out" in differs[0]
    _, differs = _specs("Mars Standard Time", frequency="Hour", interval=12)
    assert "unknown" in differs[0]
    _, differs = _specs(
        start=START.replace(day=7), frequency="Week", interval=2, schedule={"weekDays": ["Monday"]}
    )
    assert "counted from its first one" in differs[0]


@pytest.mark.parametrize(
    ("zone", "occurrence", "days"),
    [
        ("India Standard Time", 1, "1-6"),
        ("India Standard Time", 5, "28-30"),
        ("SA Pacific Standard Time", 4, "23-29"),
    ],
)
def test_a_weekday_of_a_month_that_is_in_another_month_in_utc_is_named(
    zone: str, occurrence: int, days: str
) -> None:
    hour = 2 if zone.startswith("India") else 22
    said = {"hours": [hour], "monthlyOccurrences": [{"day": "Friday", "occurrence": occurrence}]}
    (schedule,), differs = _specs(zone, frequency="Month", schedule=said)
    assert schedule.split()[3] == days
    assert "wrong or left out" in differs[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"frequency": "Hour", "interval": 24, "schedule": {"minutes": [0]}}, ["06 Jan 03:00"]),
        ({"frequency": "Month", "interval": 5}, ["05 Jun 03:30", "05 Nov 03:30", "05 Apr 03:30"]),
        ({"frequency": "Year", "interval": 2}, ["05 Jan 03:30"]),
    ],
)
def test_long_intervals_are_exact(said: dict[str, Any], expected: list[str]) -> None:
    schedules, differs = _specs(**said)
    dues = _dues(schedules, START.replace(tzinfo=UTC), len(expected))
    assert [due[4:] for due in dues] == expected
    assert differs == []


@pytest.mark.parametrize(
    ("said", "pipelines"),
    [
        ({"frequency": "Day", "schedule": {"hours": [3, 15], "minutes": [10]}}, 1),
        ({"frequency": "Day", "schedule": {"hours": [3, 9], "minutes": [10]}}, 2),
        ({"frequency": "Hour", "schedule": {"minutes": [10, 40]}}, 1),
        ({"frequency": "Week", "schedule": {"weekDays": ["Monday", "Friday"], "hours": [6]}}, 2),
        ({"frequency": "Month", "schedule": {"monthDays": [1, 14, -1]}}, 3),
        ({"frequency": "Month", "interval": 3, "schedule": {"monthDays": [1, 14]}}, 2),
    ],
)
def test_a_period_needs_recurrences_that_are_due_when_ncrontab_is(
    said: dict[str, Any], pipelines: int
) -> None:
    after = START.replace(tzinfo=UTC)
    several, differs = _specs(limited=True, **said)
    usual, _ = _specs(**said)
    assert any(isinstance(one, str) for one in usual)
    assert [type(one) for one in several] == [dict] * pipelines
    assert _dues(several, after, 20) == _dues(usual, after, 20)
    assert differs == []


def test_a_period_of_more_due_times_than_pipelines_is_ncrontab() -> None:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    said = {"weekDays": days, "hours": [9, 10, 11]}
    schedules, _ = _specs(limited=True, frequency="Week", schedule=said)
    assert schedules == ["0 30 9,10,11 * * MON,TUE,WED,THU,FRI"]
