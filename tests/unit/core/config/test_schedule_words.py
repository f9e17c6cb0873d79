"""The description of a schedule in words, and its next windows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.due_times import to_start
from shared.core.config.ncrontab import parsed
from shared.core.config.schedule import Recurrence, next_due_of
from shared.core.config.schedule_words import (
    hint_of,
    is_over,
    moment,
    what_it_waits_for,
    window_lines,
    words_of,
)
from tests.unit.samples import pipeline

#: A Friday.
NOW = datetime(2026, 11, 27, 15, 44, tzinfo=UTC)
AT_END = "a run begins at the end of its window"
BACKFILL = "windows of the active period that passed before get runs too"
THEN = "; a run begins then, and its window is the time since the due time before"


def every(frequency: str, **more: Any) -> Recurrence:
    return Recurrence.model_validate({"frequency": frequency, **more})


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"frequency": "Minute", "interval": 15}, "every 15 minutes, from 00:00 UTC"),
        (
            {"frequency": "Minute", "interval": 7, "anchor": "2026-01-01T00:30:00Z"},
            "every 7 minutes, counted from 2026-01-01 00:30 UTC",
        ),
        ({"frequency": "Hour"}, "every hour"),
        ({"frequency": "Hour", "offset": "15m"}, "every hour, from 00:15 UTC"),
        ({"frequency": "Hour", "interval": 6, "offset": "-15m"}, "every 6 hours, from 05:45 UTC"),
        (
            {"frequency": "Hour", "interval": 18, "anchor": "2016-01-01T06:00:00Z"},
            "every 18 hours, counted from 2016-01-01 06:00 UTC",
        ),
        ({"frequency": "Day"}, "every day, from 00:00 UTC"),
        ({"frequency": "Day", "offset": "-1h"}, "every day, from 23:00 UTC"),
        (
            {
                "frequency": "Day",
                "interval": 3,
                "anchor": "2026-01-05T07:00:00Z",
                "offset": "03:00:00",
            },
            "every 3 days, from 03:00 UTC, counted from 2026-01-05 03:00 UTC",
        ),
        ({"frequency": "Week"}, "every week, from Monday 00:00 UTC"),
        (
            {"frequency": "Week", "interval": 2, "anchor": "2026-01-07", "offset": "30h"},
            "every 2 weeks, from Thursday 06:00 UTC, counted from 2026-01-08 06:00 UTC",
        ),
        ({"frequency": "Month"}, "every month, from day 1, 00:00 UTC"),
        ({"frequency": "Month", "offset": "75h"}, "every month, from day 4, 03:00 UTC"),
        (
            {"frequency": "Month", "offset": "-24h"},
            "every month, from 24h before day 1, 00:00 UTC",
        ),
        (
            {"frequency": "Month", "interval": 3, "anchor": "2026-02-17"},
            "every 3 months, from day 1, 00:00 UTC, counted from 2026-02-01 00:00 UTC",
        ),
    ],
)
def test_a_recurrence_in_words(written: dict[str, Any], words: str) -> None:
    assert words_of(Recurrence.model_validate(written)) == f"{words}; {AT_END}"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"style": "StartOfInterval"}, "a run begins at the start of its window"),
        ({"delay": "1h"}, "a run begins 1h after the end of its window"),
        (
            {"start": "2026-01-01", "end": "2026-06-01T12:00:00Z"},
            f"{AT_END}; active from 2026-01-01 00:00 to 2026-06-01 12:00 UTC",
        ),
        (
            {"start": "2026-01-01", "backfill": True, "paused": True},
            f"{AT_END}; active from 2026-01-01 00:00 UTC on; {BACKFILL}; paused",
        ),
        (
            {"end": "2026-06-01"},
            "a run begins at the end of its window; active until 2026-06-01 00:00 UTC",
        ),
    ],
)
def test_style_delay_active_period_and_pause_in_words(more: dict[str, Any], words: str) -> None:
    assert words_of(every("Week", **more)) == f"every week, from Monday 00:00 UTC; {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("0 2-59/5 * * * *", "every 5 minutes, from 00:02 UTC"),
        ("30 0 * * * *", "every hour, from 00:00:30 UTC"),
        ("0 15 */3 * * *", "every 3 hours, from 00:15 UTC"),
        ("0 0 3 * * *", "every day at 03:00 UTC"),
        ("0 0 3 * * 1", "every Monday at 03:00 UTC"),
        ("0 0 3,15 * * SAT,SUN", "Saturday and Sunday at 03:00 and 15:00 UTC"),
        ("0 */5 8-17 * * 1-5", "every 5 minutes from 08:00 to 17:55 UTC, Monday to Friday"),
        ("0 0 0 * 1 *", "every day of January at 00:00 UTC"),
        ("0 0 3 1 * *", "on day 1 of every month at 03:00 UTC"),
        ("0 0 3 1,15 1,7 *", "on day 1 and 15 of January and July at 03:00 UTC"),
        ("0 0 3 1-7 * MON", "on each Monday that is day 1 to 7 of every month at 03:00 UTC"),
        (
            "0 1,7,9 1-5 * * *",
            "where the hour is 1 to 5, the minute is 1, 7 and 9 and the second is 0 (UTC)",
        ),
    ],
)
def test_ncrontab_in_words(text: str, words: str) -> None:
    assert words_of(text) == f"{words}{THEN}"


def fields(most: int) -> st.SearchStrategy[str]:
    evenly = st.builds("{}-{}/{}".format, st.integers(0, 3), st.just(most), st.integers(1, 6))
    some = st.frozensets(st.integers(0, most), min_size=1, max_size=6)
    return st.one_of(evenly, some.map(lambda values: ",".join(map(str, sorted(values)))))


ncrontabs = st.builds("0 {} {} * * {}".format, fields(59), fields(23), fields(6))


@given(ncrontabs, ncrontabs)
def test_the_same_words_mean_the_same_due_times(one: str, other: str) -> None:
    first, second = parsed(one), parsed(other)
    same = (first.times, first.weekdays) == (second.times, second.weekdays)
    assert (words_of(one) == words_of(other)) == same


def test_the_due_time_delay_or_pause_that_a_schedule_waits_for() -> None:
    weekly = "for the window 2026-11-23 00:00 to 2026-11-30 00:00 UTC"
    assert what_it_waits_for(every("Week"), NOW) == f"its due time 2026-11-30 00:00 UTC, {weekly}"
    delayed = every("Week", delay="1h")
    waits = f"its due time 2026-11-30 00:00 UTC, a run begins 1h later, {weekly}"
    assert what_it_waits_for(delayed, NOW) == waits
    came = datetime(2026, 11, 30, 0, 30, tzinfo=UTC)
    assert what_it_waits_for(delayed, came) == (
        "its delay of 1h: it was due 2026-11-30 00:00 UTC, and a run begins "
        f"2026-11-30 01:00 UTC, {weekly}"
    )
    later = every("Week", start="2027-01-01")
    assert what_it_waits_for(later, NOW) == (
        "its active period, from 2027-01-01 00:00 UTC on, and its due time 2027-01-04 00:00 UTC, "
        "for the window 2026-12-28 00:00 to 2027-01-04 00:00 UTC"
    )
    assert "its due time 2026-11-28 03:00 UTC" in what_it_waits_for("0 0 3 * * *", NOW)
    assert "the schedule is paused" in what_it_waits_for(every("Week", paused=True), NOW)


def test_a_window_that_begins_before_its_period_has_its_run_then() -> None:
    monthly = every("Month", style="StartOfInterval", offset="2d6h", start="2027-01-01T05:00Z")
    due = datetime(2026, 12, 3, 6, tzinfo=UTC)
    assert what_it_waits_for(monthly, NOW) == (
        "its due time 2026-12-03 06:00 UTC, for the window 2026-12-03 06:00 to "
        "2027-01-03 06:00 UTC, in which its active period begins, 2027-01-01 05:00 UTC"
    )
    assert window_lines(monthly, NOW, 1)[0].begins == due
    scheduled = pipeline().evolve(schedule=monthly)
    assert to_start(scheduled, NOW, due - timedelta(seconds=1)) == []
    assert to_start(scheduled, NOW, due) == [due]


def test_a_period_that_is_over_has_no_windows_and_says_so() -> None:
    short = {"start": "2016-02-13", "end": "2016-02-14"}
    schedule = every("Week", **short)
    before = datetime(2016, 2, 1, tzinfo=UTC)
    (only,) = window_lines(schedule, before)
    assert str(only) == (
        "2016-02-08 00:00 to 2016-02-15 00:00 UTC; a run begins 2016-02-15 00:00 UTC"
    )
    assert window_lines(schedule, NOW) == []
    assert (is_over(schedule, NOW), is_over(schedule, before)) == (True, False)
    assert not is_over(every("Week", **short, delay="1h"), datetime(2016, 2, 15, 0, 30, tzinfo=UTC))
    assert what_it_waits_for(every("Week", **short, paused=True), NOW) == (
        "nothing: its active period was over at 2016-02-14 00:00 UTC, no window follows"
    )
    trained = every("Week", **short, backfill=True)
    for said in (what_it_waits_for(trained, NOW), str(hint_of(trained, NOW))):
        assert "no window follows; windows of the past get runs (`backfill`)" in said


def test_the_windows_of_a_paused_schedule_begin_no_run() -> None:
    found = window_lines(every("Day", paused=True, delay="1h"), NOW, 2)
    assert [str(one) for one in found] == [
        "2026-11-27 00:00 to 2026-11-28 00:00 UTC; no run begins: paused",
        "2026-11-28 00:00 to 2026-11-29 00:00 UTC; no run begins: paused",
    ]


def test_the_next_windows_are_those_whose_runs_have_not_begun() -> None:
    schedule = every("Hour", delay="90m")
    found = window_lines(schedule, NOW)
    assert len(found) == 10
    assert moment(found[0].due) == "2026-11-27 15:00 UTC"
    assert found[0].begins == found[0].due + timedelta(minutes=90) > NOW
    assert found[-1].due == found[0].due + timedelta(hours=9)
    assert found[0].due == next_due_of(schedule, NOW - timedelta(minutes=90))


def test_a_schedule_that_opens_no_run_gets_a_hint() -> None:
    assert hint_of(None, NOW) is hint_of("0 0 3 * * *", NOW) is hint_of(every("Day"), NOW) is None
    paused, over = (
        hint_of(every("Day", paused=True), NOW),
        hint_of(every("Day", end="2026-01-01"), NOW),
    )
    assert paused is not None
    assert str(paused) == (
        "it is paused, so that no due time opens a run: remove `paused`, and catch_up decides what "
        "passed"
    )
    assert over is not None
    assert str(over) == (
        "its active period was over at 2026-01-01 00:00 UTC, so that no window follows: write a "
        "later `end`, or remove the schedule"
    )
