from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.types import parse_duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("2m", 120),
        ("1h30m", 5400),
        ("3d", 259200),
        ("1d2h3m4s", 93784),
        ("90m", 5400),
        ("0s", 0),
        (" 2m ", 120),
        ("00:06:00", 360),
        ("1.02:00:00", 93600),
    ],
)
def test_spans_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "5", "m", "2 m", "-2m", "1.5h", "30m2h", "2M", "6:00", None, 5, True, ["2m"]]
)
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["9999999999999d", "999999999999999999999999h", "99999999999.00:00:00"]
)
def test_a_span_longer_than_time_itself_is_refused_like_any_other(text: str) -> None:
    with pytest.raises(ValueError, match="span of time"):
        parse_duration(text)


def test_the_longest_span_is_ten_thousand_days_in_days_and_in_hours() -> None:
    longest = timedelta(days=10_000)
    assert parse_duration("10000d") == parse_duration("240000h") == longest
    for text in ("10001d", "240001h", "10001.00:00:00"):
        with pytest.raises(ValueError, match="span of time"):
            parse_duration(text)


@pytest.mark.parametrize("text", ["1h", "1h5s", "2m", "26h3m", "0s"])
def test_a_span_is_shown_by_the_units_that_it_has(text: str) -> None:
    assert show_duration(parse_duration(text)) == text


@given(st.integers(0, 10**8).map(lambda seconds: timedelta(seconds=seconds)))
def test_what_is_shown_can_be_read_again(span: timedelta) -> None:
    assert parse_duration(show_duration(span)) == span
