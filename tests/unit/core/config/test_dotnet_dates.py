"""Custom .NET date formats: each letter as .NET documents it, in UTC and the invariant culture."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.core.config.dotnet_dates import checked_form, formatted

MOMENT = datetime(2009, 6, 5, 13, 7, 9, 120_000, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yyyy/MM/dd", "2009/06/05"),
        ("yyyyMMddHH", "2009060513"),
        ("yyyy-MM-ddTHH:mm:ssZ", "2009-06-05T13:07:09Z"),
        ("d.M.y", "5.6.9"),
        ("dd ddd dddd", "05 Fri Friday"),
        ("MM MMM MMMM", "06 Jun June"),
        ("yy yyy yyyyy", "09 2009 02009"),
        ("h hh H HH", "1 01 13 13"),
        ("m mm s ss", "7 07 9 09"),
        ("f ff fff fffffff", "1 12 120 1200000"),
        ("s.F s.FFF s.FFFFFFF", "9.1 9.12 9.12"),
        ("t tt ttt", "P PM PM"),
        ("gg yyyy", "A.D. 2009"),
        ("yyyyK", "2009Z"),
        ("Hz Hzz Hzzz", "13+0 13+00 13+00:00"),
        ("%d", "5"),
        ("%h%m", "17"),
        ("'day='d", "day=5"),
        ("\"a\"yyyy'b'", "a2009b"),
        ("'it''s'yyyy", "its2009"),
        (r"HH\hmm", "13h07"),
        (r"'\''yyyy", "'2009"),
        ("x_yyyy", "x_2009"),
        ("\\%dd", "%05"),
    ],
)
def test_each_part_is_written_as_dotnet_writes_it(form: str, text: str) -> None:
    assert checked_form(form) == form
    assert formatted(MOMENT, form) == text


@pytest.mark.parametrize(("hour", "text"), [(0, "12 AM"), (11, "11 AM"), (12, "12 PM")])
def test_twelve_hours_have_no_zero(hour: int, text: str) -> None:
    assert formatted(MOMENT.replace(hour=hour), "h tt") == text


def test_a_point_ahead_of_no_digits_is_left_out() -> None:
    assert formatted(MOMENT.replace(microsecond=0), "ss.FFF") == "09"
    assert formatted(MOMENT.replace(microsecond=0), "ss.fff") == "09.000"


def test_a_time_elsewhere_is_written_in_utc() -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=14)))
    assert formatted(elsewhere, "yyyy-MM-dd HH") == "2009-06-05 13"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("", "empty"),
        ("d", "write %d"),
        ("x", "yyyy/MM/dd"),
        ("--", "no part of a date"),
        ("'yyyy'", "no part of a date"),
        ("yyyy'", "not closed"),
        ("yyyy\"a'", "not closed"),
        ("yyyy%", "nothing after it"),
        ("yyyy%%", "nothing after it"),
        ("yyyy\\", "nothing after it"),
        ("s.ffffffff", "at most 7"),
    ],
)
def test_what_is_no_custom_format_is_refused_with_the_advice(form: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_form(form)
