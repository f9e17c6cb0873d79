from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.schedule import checked_schedule, last_due

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
    assert last_due(schedule, at(now)) == at(due)


def test_day_and_day_of_week_must_both_fit() -> None:
    # The 13th of March 2026 is a Friday; cron itself would also take every other Friday.
    assert last_due("0 0 3 13 * 5", at("2026-03-12T00:00")) == at("2026-02-13T03:00")
    assert last_due("0 0 3 13 * 5", at("2026-04-30T00:00")) == at("2026-03-13T03:00")


@given(st.integers(1_577_836_800, 2_051_222_400))  # 2020 to 2035
def test_a_due_time_is_never_in_the_future_and_stays_the_same_until_the_next(
    moment: int,
) -> None:
    now = datetime.fromtimestamp(moment, UTC)
    due = last_due(MONDAYS, now)
    assert now - timedelta(days=7) < due <= now
    assert (due.isoweekday(), due.hour, due.minute, due.second) == (1, 3, 0, 0)
    assert last_due(MONDAYS, due) == due


@pytest.mark.parametrize(
    "text",
    [
        "0 3 * * 1",
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
    # Its due times would differ at each look, and each of them would open a run.
    with pytest.raises(ValueError, match="not a schedule"):
        checked_schedule("0 R * * * *")


@pytest.mark.parametrize("text", [MONDAYS, "0 0 3 * * MON", "0 */5 8-18 * * 1-5"])
def test_a_schedule_is_kept_as_it_was_written(text: str) -> None:
    assert checked_schedule(text) == text
