"""Windows of a schedule: their bounds, the active period, and the texts that hold their times."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.core.config.due_times import Done, done_up_to
from shared.core.config.schedule import (
    Recurrence,
    Schedule,
    delay_of,
    dues_between,
    last_due_of,
    next_due_of,
)
from shared.core.config.schedule_words import what_it_waits_for, window_lines, words_of
from shared.core.config.windows import (
    Window,
    checked_path,
    filled,
    newest_window,
    upcoming,
    window_of,
    window_tokens,
)

DAY = timedelta(days=1)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def every(frequency: str, interval: int = 1, **more: Any) -> Recurrence:
    return Recurrence.model_validate({"frequency": frequency, "interval": interval, **more})


def dues(schedule: Schedule) -> list[str]:
    found = dues_between(schedule, at("2026-01-01"), at("2026-04-15"), 999)
    return [due.isoformat()[:10] for due in found]


styles = st.sampled_from(["EndOfInterval", "StartOfInterval"])
frequencies = st.sampled_from(["Minute", "Hour", "Day", "Week", "Month"])
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


ENDS = ("0001-01-01", "0001-01-01T00:00:01", "9999-12-01", "9999-12-31T23:59:59")


@given(
    frequencies,
    st.sampled_from([1, 7, 100_000]),
    styles,
    st.fixed_dictionaries(
        {},
        optional={
            "anchor": st.sampled_from(ENDS),
            "offset": st.sampled_from(["-366d", "366d"]),
            "delay": st.just("366d"),
            "start": st.sampled_from(ENDS),
            "end": st.sampled_from(ENDS),
        },
    ),
)
def test_at_the_ends_of_the_calendar_nothing_fails(
    frequency: str, interval: int, style: str, more: dict[str, Any]
) -> None:
    assume(not ("start" in more and "end" in more and more["end"] <= more["start"]))
    schedule = every(frequency, interval, style=style, **more)
    for moment in (FIRST, at("2026-03-01"), LAST):
        for due in dues_between(schedule, moment - min(DAY, moment - FIRST), moment, 3):
            assert due in (window_of(schedule, due).start, window_of(schedule, due).end)
        done_up_to(schedule, Done(moment, moment), None, at("2026-03-01"))
    assert words_of(schedule)
    assert what_it_waits_for(schedule, at("2026-03-01"))
    assert len(window_lines(schedule, at("2026-03-01"), 2)) <= 2


@given(frequencies, st.integers(1, 40), styles, moments)
def test_windows_follow_each_other_without_a_gap(
    frequency: str, interval: int, style: str, moment: datetime
) -> None:
    schedule = every(frequency, interval, style=style)
    windows = upcoming(schedule, moment, 3)
    assert len(windows) == 3
    for window, following in pairwise(windows):
        assert window.start < window.end == following.start
    for window in windows:
        assert window.due == (window.end if style == "EndOfInterval" else window.start) > moment


def test_a_window_of_ncrontab_begins_at_the_due_time_before() -> None:
    window = window_of("0 0 3 * * 1,4", at("2026-03-02T03:00"))
    assert window == Window(*map(at, ("2026-02-26T03:00", "2026-03-02T03:00", "2026-03-02T03:00")))
    leap = window_of("0 0 0 29 2 *", at("2104-02-29"))
    assert leap.start == at("2096-02-29")


@pytest.mark.parametrize("style", ["StartOfInterval", "EndOfInterval"])
def test_a_run_keeps_its_window(style: str) -> None:
    window = window_of(every("Month", style=style), at("2024-02-01"))
    assert Window.of_tokens({"region": "eu", **window.tokens()}) == window
    assert Window.of_tokens({"region": "eu"}) is None


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({}, ["2026-02-01", "2026-03-01", "2026-04-01"]),
        ({"start": "2026-02-01"}, ["2026-03-01", "2026-04-01"]),
        ({"start": "2026-01-31T23:59:59"}, ["2026-02-01", "2026-03-01", "2026-04-01"]),
        ({"end": "2026-02-01"}, ["2026-02-01"]),
        ({"end": "2026-02-01T00:00:01"}, ["2026-02-01", "2026-03-01"]),
        ({"start": "2026-01-15", "end": "2026-03-15"}, ["2026-02-01", "2026-03-01", "2026-04-01"]),
        ({"start": "2026-01-20", "end": "2026-01-21"}, ["2026-02-01"]),
        ({"start": "2026-01-31", "end": "2026-02-02"}, ["2026-02-01"]),
        ({"end": "9999-12-31T23:59:59"}, ["2026-02-01", "2026-03-01", "2026-04-01"]),
        ({"start": "9999-12-31"}, []),
        ({"end": "0001-01-02"}, []),
    ],
)
def test_only_windows_that_overlap_the_active_period_are_due(
    period: dict[str, Any], expected: list[str]
) -> None:
    assert dues(every("Month", **period)) == expected
    # The same windows, whichever of their ends is due.
    started = dues_between(
        every("Month", style="StartOfInterval", **period), at("2025-12-31"), at("2026-03-15"), 999
    )
    ends = [window_of(every("Month", style="StartOfInterval"), due).end for due in started]
    assert [end.isoformat()[:10] for end in ends] == expected


@given(styles, moments, st.integers(1, 400), moments)
def test_forwards_and_backwards_the_same_windows_are_active(
    style: str, start: datetime, hours: int, moment: datetime
) -> None:
    period = {"start": start.isoformat(), "end": (start + timedelta(hours=hours)).isoformat()}
    schedule = every("Day", 3, style=style, **period)
    windows = upcoming(schedule, start - 9 * DAY, 999)
    assert [window.due for window in windows] == dues_between(
        schedule, start - 9 * DAY, start + timedelta(hours=hours) + 9 * DAY, 999
    )
    assert windows
    assert windows[0].start <= start < windows[0].end
    last = last_due_of(schedule, moment)
    assert last is None or last in [window.due for window in windows]
    following = next_due_of(schedule, moment)
    assert following is None or following in [window.due for window in windows]


def test_a_run_of_a_delayed_window_begins_later_and_keeps_its_due_time() -> None:
    delayed = every("Day", delay="6h")
    assert delay_of(delayed) == timedelta(hours=6)
    assert delay_of("0 0 3 * * *") == timedelta()
    assert [window.due for window in upcoming(delayed, at("2026-01-05T05:59"), 1)] == [
        at("2026-01-05")
    ]
    assert [window.due for window in upcoming(delayed, at("2026-01-05T06:00"), 1)] == [
        at("2026-01-06")
    ]
    newest = newest_window(delayed, at("2026-01-05T05:59"))
    assert newest is not None
    assert newest.due == at("2026-01-04")
    assert newest_window(every("Day", start="2026-01-05"), at("2026-01-05T05:59")) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a/{start:yyyy/MM/dd}/b.csv", "a/2024/02/29/b.csv"),
        ("{end:yyyyMMddHH}", "2024033100"),
        ("{start-1d:MM-dd} {start+1w:MM-dd}", "02-28 03-07"),
        ("{end+30m:HHmm}{end-2h:HHmm}", "00302200"),
        ("{end-1mo:yyyy-MM-dd}", "2024-02-29"),
        ("{end+13mo:yyyy-MM-dd}", "2025-04-30"),
        ("{start+1y:yyyy-MM-dd}", "2025-02-28"),
        ("{start-29mo:yyyy-MM-dd}", "2021-09-29"),
        ("{start:yyyy}{start:yyyy}{region}", "20242024{region}"),
        ("{region}", "{region}"),
        ("{start}", "{start}"),
        ("${NAME}", "${NAME}"),
    ],
)
def test_a_template_is_filled_with_the_time_of_its_window(text: str, shown: str) -> None:
    window = Window(at("2024-02-29"), at("2024-03-31"), at("2024-03-31"))
    assert filled(text, window) == shown


def test_each_template_of_a_text_is_found_once() -> None:
    text = "{start:yyyy}/{end-1d:dd}/{start:yyyy}/{region}"
    assert window_tokens(text) == ("{start:yyyy}", "{end-1d:dd}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{Start:yyyy}", "is not a time of a window"),
        ("{start-1s:yyyy}", "is not a time of a window"),
        ("{start 1d:yyyy}", "is not a time of a window"),
        ("{start:}", "empty"),
        ("{start:d}", "write %d"),
        ("{end:yyyy'}", "not closed"),
        ("{end:yyyy'$'}{name}", "no dollar sign"),  # else it names a setting
    ],
)
def test_what_is_no_template_is_refused_with_the_advice(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        window_tokens(text)


def test_what_other_tools_write_for_a_template_is_refused_in_a_path() -> None:
    with pytest.raises(ValueError, match=r"write it like \{start:yyyy/MM/dd}"):
        checked_path("{SliceStart:yyyy}/a.csv", str)
    assert checked_path("{start:yyyy}/a.csv", str) == "{start:yyyy}/a.csv"


@pytest.mark.parametrize("moved", ["-9999y", "+999999mo", "+999999w", "-25000mo"])
def test_a_time_outside_the_calendar_is_refused(moved: str) -> None:
    window = Window(at("2024-02-29"), at("2024-03-31"), at("2024-03-31"))
    with pytest.raises(ValueError, match="outside the calendar"):
        filled(f"{{end{moved}:yyyy}}", window)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"style": "Middle"}, "style"),
        ({"delay": "soon"}, "1h30m"),
        ({"delay": "367d"}, "at most a year"),
        ({"start": "monday"}, "not a time"),
        ({"start": "2026-02-01", "end": "2026-02-01"}, "ends before it starts"),
        ({"backfill": True}, "start of the period"),
        ({"paused": "yes"}, "without quotes"),
    ],
)
def test_what_is_no_window_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recurrence.model_validate({"frequency": "Day", **written}, context={})


def test_a_schedule_with_windows_is_read_again_as_it_was_stored() -> None:
    written = every(
        "Day",
        style="startofinterval",
        delay="1.02:00:00",
        start="2026-01-01T00:00:00-05:00",
        end="2026-02-01",
        paused=True,
        backfill=True,
    )
    assert written.style == "StartOfInterval"
    assert written.start == at("2026-01-01T05:00")
    assert Recurrence.model_validate_json(written.model_dump_json()) == written
