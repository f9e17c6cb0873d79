from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.schedule import (
    Recurrence,
    Schedule,
    checked_schedule,
    dues_between,
    last_due_of,
    next_due_of,
)

MONDAYS = "0 0 3 * * 1"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "now", "due"),
    [
        (MONDAYS, "2026-03-02T03:00:00", "2026-03-02T03:00:00"),
        (MONDAYS, "2026-03-02T02:59:59", "2026-02-23T03:00:00"),
        (MONDAYS, "2026-03-02T03:00:00.999", "2026-03-02T03:00:00"),
        (MONDAYS, "2026-03-02T03:00:01", "2026-03-02T03:00:00"),
        (MONDAYS, "2026-03-08T23:59:59", "2026-03-02T03:00:00"),
        ("*/30 * * * * *", "2026-03-01T12:00:29", "2026-03-01T12:00:00"),
        ("*/30 * * * * *", "2026-03-01T12:00:30", "2026-03-01T12:00:30"),
        ("15 0 0 1 1 *", "2026-03-01T00:00:00", "2026-01-01T00:00:15"),
        ("0 0 0 29 2 *", "2026-03-01T00:00:00", "2024-02-29T00:00:00"),
    ],
)
def test_the_newest_due_time_is_found_to_the_second(schedule: str, now: str, due: str) -> None:
    assert last_due_of(schedule, at(now)) == at(due)


def test_day_and_day_of_week_must_both_fit() -> None:
    # The 13th of March 2026 is a Friday; cron itself would also take every other Friday.
    assert last_due_of("0 0 3 13 * 5", at("2026-03-12T00:00")) == at("2026-02-13T03:00")
    assert last_due_of("0 0 3 13 * 5", at("2026-04-30T00:00")) == at("2026-03-13T03:00")


@given(st.integers(1_577_836_800, 2_051_222_400))  # 2020 to 2035
def test_a_due_time_is_never_in_the_future_and_stays_the_same_until_the_next(
    moment: int,
) -> None:
    now = datetime.fromtimestamp(moment, UTC)
    due = last_due_of(MONDAYS, now)
    assert due is not None
    assert now - timedelta(days=7) < due <= now
    assert (due.isoweekday(), due.hour, due.minute, due.second) == (1, 3, 0, 0)
    assert last_due_of(MONDAYS, due) == due


@pytest.mark.parametrize(
    "text",
    [
        "0 0 3 * * 1 2026",
        "",
        "@hourly",
        "every monday",
        "60 * * * * *",
        "0 0 24 * * *",
        "0 0 3 32 * *",
        "0 0 3 * 13 *",
        "a b c d e f",
        "0 0 0 30 2 *",
        "0 0 0 31 4 *",
    ],
)
def test_what_is_no_schedule_or_never_fires_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a schedule"):
        checked_schedule(text)


def test_a_schedule_with_a_random_part_is_refused() -> None:
    # Its due times would differ at each check, and each of them would open a run.
    with pytest.raises(ValueError, match="not a schedule"):
        checked_schedule("0 R * * * *")


@pytest.mark.parametrize("text", [MONDAYS, "0 0 3 * * MON", "0 */5 8-18 * * 1-5"])
def test_a_schedule_is_kept_as_it_was_written(text: str) -> None:
    assert checked_schedule(text) == text


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["0 0 0 30 2 *", "* * * 30 2 *", "0 0 0 31 2,4,6,9,11 1"])
def test_a_day_that_never_comes_is_refused_at_once_and_in_plain_words(text: str) -> None:
    with pytest.raises(ValueError, match="it never fires, because no such month"):
        checked_schedule(text)


def test_a_schedule_that_never_fired_has_no_newest_due_time() -> None:
    assert last_due_of("0 0 0 30 2 *", at("2026-03-01")) is None
    assert dues_between("0 0 0 30 2 *", at("2000-01-01"), at("2026-03-01"), 5) == []


DAILY = Recurrence(frequency="Day", offset=timedelta(hours=3))


@pytest.mark.parametrize("schedule", ["0 0 3 * * *", DAILY])
def test_both_kinds_of_schedule_are_due_alike(schedule: Schedule) -> None:
    assert last_due_of(schedule, at("2026-03-01T03:00:00")) == at("2026-03-01T03:00:00")
    assert last_due_of(schedule, at("2026-03-01T02:59:59")) == at("2026-02-28T03:00:00")
    dues = dues_between(schedule, at("2024-02-27T03:00"), at("2024-03-01T03:00"), 9)
    assert dues == [at("2024-02-28T03:00"), at("2024-02-29T03:00"), at("2024-03-01T03:00")]


@pytest.mark.parametrize("schedule", ["0 0 3 * * *", DAILY])
def test_due_times_are_in_utc_when_checked_in_any_time_zone(schedule: Schedule) -> None:
    elsewhere = at("2026-03-01T02:00").astimezone(timezone(timedelta(hours=5)))
    due = last_due_of(schedule, elsewhere)
    assert due == at("2026-02-28T03:00")
    assert due.utcoffset() == timedelta()


@pytest.mark.parametrize("schedule", ["0 0 3 * * *", DAILY])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_of_too_many_due_times_the_newest_are_kept(schedule: Schedule, most: int) -> None:
    dues = dues_between(schedule, at("2026-01-01"), at("2026-01-31"), most)
    assert dues == [at(f"2026-01-{day}T03:00") for day in (28, 29, 30)][-most:]


@pytest.mark.parametrize("schedule", [MONDAYS, DAILY])
def test_nothing_is_due_in_no_time(schedule: Schedule) -> None:
    due = at("2026-03-02T03:00")
    assert dues_between(schedule, due, due, 5) == []
    assert dues_between(schedule, due, due - timedelta(days=30), 5) == []
    assert dues_between(schedule, due - timedelta(days=30), due, 0) == []


@pytest.mark.timeout(10)
def test_a_gap_of_decades_costs_no_more_than_what_is_asked_for() -> None:
    seconds = dues_between("* * * * * *", at("1990-01-01"), at("2026-01-01"), 3)
    assert seconds == [at("2026-01-01") - timedelta(seconds=ago) for ago in (2, 1, 0)]
    minutes = dues_between(Recurrence(frequency="Minute"), at("1990-01-01"), at("2026-01-01"), 2)
    assert minutes == [at("2025-12-31T23:59"), at("2026-01-01")]


@given(
    st.sampled_from(["0 */20 8-18 * * 1-5", "15 0 */6 * * *", "0 0 0 29 2 *", MONDAYS]),
    st.integers(1_577_836_800, 2_051_222_400),
    st.lists(st.integers(0, 40_000), max_size=6),
)
def test_each_due_time_comes_exactly_once_over_any_checks(
    schedule: str, start: int, steps: list[int]
) -> None:
    begin = since = datetime.fromtimestamp(start, UTC)
    seen: list[datetime] = []
    for seconds in steps:
        until = since + timedelta(seconds=seconds)
        seen += dues_between(schedule, since, until, 999)
        since = until
    assert seen == dues_between(schedule, begin, since, 999)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        (MONDAYS, at("2026-03-09T03:00")),
        (Recurrence(frequency="Week", anchor=at("2026-01-05T00:00")), at("2026-03-09T00:00")),
        ("0 0 0 30 2 *", None),
        (Recurrence(frequency="Month", interval=100_000, anchor=at("2026-01-01T00:00")), None),
    ],
)
def test_the_next_due_time_is_the_first_one_that_is_to_come(
    schedule: Schedule, due: datetime | None
) -> None:
    assert next_due_of(schedule, at("2026-03-02T03:00")) == due
