"""Due times by frequency and interval: on the boundaries, each exactly once, without drift."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.core.config.schedule import Recurrence, due_after, due_at_or_before, dues_between

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
recurrences = st.builds(
    Recurrence,
    frequency=st.sampled_from(["Minute", "Hour", "Day", "Week", "Month"]),
    interval=st.integers(1, 60),
    anchor=moments,
    offset=st.integers(-40 * 86_400, 40 * 86_400).map(lambda seconds: timedelta(seconds=seconds)),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def every(frequency: str, interval: int = 1, **more: Any) -> Recurrence:
    return Recurrence.model_validate({"frequency": frequency, "interval": interval, **more})


@given(recurrences, moments)
def test_the_next_due_time_is_later_and_is_due_itself(
    recurrence: Recurrence, moment: datetime
) -> None:
    following = due_after(recurrence, moment)
    assert following > moment
    assert due_at_or_before(recurrence, following) == following


@given(recurrences, moments)
def test_nothing_is_due_between_a_due_time_and_the_next(
    recurrence: Recurrence, moment: datetime
) -> None:
    due = due_at_or_before(recurrence, moment)
    assert due is not None
    assert due <= moment
    following = due_after(recurrence, due)
    assert due_after(recurrence, moment) == following
    assert due_at_or_before(recurrence, following - TICK) == due


@given(recurrences, moments, st.lists(st.integers(0, 10**7), max_size=20))
def test_each_due_time_comes_exactly_once_whenever_one_checks(
    recurrence: Recurrence, start: datetime, steps: list[int]
) -> None:
    most = 400
    seen: list[datetime] = []
    since = start
    for seconds in steps:
        until = since + min(
            timedelta(seconds=seconds), 300 * (due_after(recurrence, since) - since)
        )
        seen += dues_between(recurrence, since, until, most)
        since = until
    walked: list[datetime] = []
    due = due_after(recurrence, start)
    while due <= since and len(walked) <= len(seen):
        walked.append(due)
        due = due_after(recurrence, due)
    assert seen == walked


@given(recurrences, moments, st.integers(-12, 14))
def test_a_moment_means_the_same_in_every_time_zone(
    recurrence: Recurrence, moment: datetime, hours: int
) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    assert due_at_or_before(recurrence, elsewhere) == due_at_or_before(recurrence, moment)


@given(recurrences)
def test_what_is_stored_is_read_again(recurrence: Recurrence) -> None:
    assert Recurrence.model_validate_json(recurrence.model_dump_json()) == recurrence


@pytest.mark.parametrize("offset", ["0s", "1h", "-1h"])
def test_an_offset_is_stored_as_people_write_it(offset: str) -> None:
    assert every("Day", offset=offset).model_dump()["offset"] == offset


@given(st.integers(1, 36), moments, moments)
def test_months_are_counted_by_the_calendar_and_never_drift(
    interval: int, anchor: datetime, moment: datetime
) -> None:
    monthly = every("Month", interval, anchor=anchor)
    for _ in range(30):
        moment = due_after(monthly, moment)
        passed = (moment.year - anchor.year) * 12 + moment.month - anchor.month
        assert passed % interval == 0
        assert (moment.day, moment.hour, moment.minute, moment.second) == (1, 0, 0, 0)


@pytest.mark.parametrize("year", [2023, 2024, 2100])
def test_a_negative_offset_finds_the_last_day_of_every_month(year: int) -> None:
    monthly = every("Month", offset="-1.00:00:00")
    dues = dues_between(monthly, datetime(year, 1, 1, tzinfo=UTC), at(f"{year}-12-31"), 20)
    assert [due.day for due in dues] == [monthrange(year, month)[1] for month in range(1, 13)]


@pytest.mark.parametrize(("year", "days"), [(2023, 365), (2024, 366), (2100, 365)])
def test_each_day_of_a_leap_year_is_due(year: int, days: int) -> None:
    until = at(f"{year + 1}-01-01") - TICK
    assert len(dues_between(every("Day"), at(f"{year}-01-01") - TICK, until, 999)) == days


def test_a_month_does_not_keep_the_day_of_its_anchor() -> None:
    # What is finer than the frequency is ignored (data-factory §2.2).
    monthly = every("Month", anchor="2026-01-31T09:30:00Z")
    assert due_after(monthly, at("2026-01-31T10:00")) == at("2026-02-01")


@pytest.mark.parametrize(
    ("frequency", "due"),
    [
        ("Minute", "2026-06-15T12:34:00"),
        ("Hour", "2026-06-15T12:00:00"),
        ("Day", "2026-06-15T00:00:00"),
        ("Week", "2026-06-11T00:00:00"),
        ("Month", "2026-06-01T00:00:00"),
    ],
)
def test_what_is_finer_than_the_frequency_is_ignored_of_an_anchor(frequency: str, due: str) -> None:
    recurrence = every(frequency, anchor="2026-01-08T09:30:31.500000Z")
    assert due_at_or_before(recurrence, at("2026-06-15T12:34:56")) == at(due)


@pytest.mark.parametrize("offset", ["366d", "-366d"])
def test_a_due_time_may_be_shifted_by_a_year_either_way(offset: str) -> None:
    days = -366 if offset.startswith("-") else 366
    assert every("Day", offset=offset).offset == timedelta(days=days)


def test_a_week_keeps_the_day_of_its_anchor() -> None:
    thursdays = every("Week", anchor="2026-01-08T09:30:00Z")
    assert due_after(thursdays, at("2026-03-01")) == at("2026-03-05")


@pytest.mark.parametrize("frequency", ["Minute", "Hour", "Day", "Week", "Month"])
def test_anchor_and_offset_add_up(frequency: str) -> None:
    plain = every(frequency, 5, anchor="2026-01-05T00:00:00Z")
    shifted = every(frequency, 5, anchor="2026-01-05T00:00:00Z", offset="00:00:07")
    due = due_at_or_before(plain, at("2026-06-15T12:00"))
    assert due is not None
    assert due_at_or_before(shifted, due + timedelta(seconds=7)) == due + timedelta(seconds=7)


def test_without_an_anchor_weeks_begin_on_mondays() -> None:
    assert due_after(every("Week"), at("2026-11-21")).isoweekday() == 1


def test_an_anchor_in_the_future_is_no_beginning() -> None:
    later = every("Day", 2, anchor="2030-01-01T00:00:00Z")
    assert due_at_or_before(later, at("2029-12-31")) == at("2029-12-30")


@pytest.mark.parametrize(
    ("written", "anchor"),
    [
        ("2026-01-05T03:00:00", "2026-01-05T03:00"),
        ("2026-01-05T03:00:00Z", "2026-01-05T03:00"),
        ("2026-01-05T03:00:00-05:00", "2026-01-05T08:00"),
        ("2026-01-05", "2026-01-05"),
    ],
)
def test_an_anchor_is_in_utc_unless_it_says_otherwise(written: str, anchor: str) -> None:
    assert every("Day", anchor=written).anchor == at(anchor)


@pytest.mark.parametrize(
    ("written", "offset"),
    [
        ("03:00:00", timedelta(hours=3)),
        ("-03:00:00", timedelta(hours=-3)),
        ("1.02:00:00", timedelta(days=1, hours=2)),
        ("-1.02:00:00", timedelta(days=-1, hours=-2)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("-1h30m", timedelta(hours=-1, minutes=-30)),
    ],
)
def test_an_offset_is_read_as_data_factory_and_people_write_it(
    written: str, offset: timedelta
) -> None:
    assert every("Day", offset=written).offset == offset


@pytest.mark.parametrize("written", ["month", "MONTH", "Month"])
def test_the_case_of_a_frequency_makes_no_difference(written: str) -> None:
    assert every(written).frequency == "Month"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"frequency": "Year"}, "frequency"),
        ({"frequency": 5}, "frequency"),
        ({}, "frequency"),
        ({"frequency": "Day", "interval": 0}, "interval"),
        ({"frequency": "Day", "interval": -1}, "interval"),
        ({"frequency": "Day", "interval": 1.5}, "interval"),
        ({"frequency": "Day", "anchor": "monday"}, "2026-01-05T03:00:00Z"),
        ({"frequency": "Day", "anchor": "0001-01-01T00:00:00+05:00"}, "not a time"),
        ({"frequency": "Day", "offset": "soon"}, "1h30m"),
        ({"frequency": "Day", "offset": "--1h"}, "1h30m"),
        ({"frequency": "Day", "offset": "-367d"}, "at most a year"),
        ({"frequency": "Day", "every": 2}, "every"),
    ],
)
def test_what_is_no_recurrence_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recurrence.model_validate(written, context={})


@pytest.mark.parametrize("frequency", ["Week", "Month"])
def test_what_would_be_due_outside_the_calendar_is_not_due(frequency: str) -> None:
    rare = every(frequency, 100_000, anchor="1900-01-01T00:00:00Z")
    assert due_at_or_before(rare, at("1899-12-31")) is None
    assert dues_between(rare, at("1890-01-01"), at("1901-01-01"), 5) == [at("1900-01-01")]
    assert due_at_or_before(every(frequency, offset="1d"), at("0001-01-01")) is None


def test_the_first_and_the_last_month_of_the_calendar_are_due() -> None:
    assert due_at_or_before(every("Month"), at("0001-01-15")) == at("0001-01-01")
    assert due_after(every("Month"), at("9999-11-15")) == at("9999-12-01")


def test_a_next_due_time_outside_the_calendar_is_reported() -> None:
    with pytest.raises(OverflowError):
        due_after(every("Month", 100_000, anchor="2026-01-01T00:00:00Z"), at("2026-01-02"))
    with pytest.raises(OverflowError):
        due_after(every("Week", 100), at("9999-12-01"))
