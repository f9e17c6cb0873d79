"""Expressions of version 1 become texts with window times; the rest is left verbatim."""

from datetime import timedelta

import pytest

from shared.importers.data_factory.expressions.moments import Moment
from shared.importers.data_factory.expressions.version_1 import (
    Resolved,
    partitions,
    resolved,
    time_of,
)


def given(text: str) -> Resolved:
    return resolved(text, {})


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("$$Text.Format('a/{0:yyyyMMdd}/x.csv', SliceStart)", "a/{start:yyyyMMdd}/x.csv"),
        (
            "$$Text.Format('{0:yyyy-MM-dd HH:mm:ss}', Time.AddHours(WindowEnd,-1))",
            "{end-1h:yyyy-MM-dd HH:mm:ss}",
        ),
        (
            "$$ text.format( 'd>\\'{0:yyMM}\\' or d<\\'{1:HH:mm}\\'' ,\r\nSliceStart,SliceEnd)",
            "d>'{start:yyMM}' or d<'{end:HH:mm}'",
        ),
        ("$$Text.Format('{{ts\\'{0:HH:mm}\\'}}', SliceStart)", "{ts'{start:HH:mm}'}"),
        ("$$Text.Format('{{{0:yyyy}}}', SliceStart)", "{{start:yyyy}}"),
        ("$$Text.Format('{0:yyyy}', Date.AddYears(SliceStart, -1))", "{start-1y:yyyy}"),
        ("$$Text.Format('{0:yyyy}', Date.AddQuarters(SliceStart, 1))", "{start+3mo:yyyy}"),
        ("$$Text.Format('{0:yyyy}', Date.AddWeeks(SliceStart, 2))", "{start+14d:yyyy}"),
        ("$$Text.Format('{0:HHmm}', Time.AddMinutes(SliceStart, 0))", "{start:HHmm}"),
        (
            "$$Text.Format('{0:HHmm}', Time.AddHours(Date.AddDays(SliceStart, 1), -1))",
            "{start+23h:HHmm}",
        ),
        ("$$Text.Format('{0:yyyy-MM-ddTHH:mm:ssZ}', SliceEnd)", "{end:yyyy-MM-ddTHH:mm:ssZ}"),
        ("$$Text.Format('{0:s}', SliceEnd)", "{end:yyyy-MM-dd'T'HH:mm:ss}"),
        ("$$Text.Format('{0:%d}.{1:00}', SliceEnd, Date.Day(SliceEnd))", "{end:%d}.{end:dd}"),
        (
            "$$Text.Format('{0:yyyyMMdd HH:mm tt}', Date.StartOfDay(SliceStart))",
            "{start:yyyyMMdd 00:00 'AM'}",
        ),
        ("$$Text.Format('{0:ddHHmmss}', Time.StartOfHour(SliceStart))", "{start:ddHH0000}"),
        (
            "$$Text.Format('{0:dd HH:mm:ss}', Date.EndOfDay(Date.AddDays(SliceStart, -1)))",
            "{start-1d:dd 23:59:59}",
        ),
        ("$$Text.Format('{0:yyyyMM}', Date.EndOfMonth(SliceStart))", "{start:yyyyMM}"),
        ("$$Text.Format('{0}{1,4}|{2,-3}|{3:000}', 'a', 5, 'b', 7)", "a   5|b  |007"),
        ("$$Text.Format('{0:yyyy}/{{x}', DateTime.From('2016-01-05T00:00:00Z'))", None),
        ("$$Text.Format('{0:yyyy}-', DateTime.From('1/5/2016 01:00:00 PM'))", "2016-"),
        ("plain/text.csv", "plain/text.csv"),
    ],
)
def test_a_window_time_says_the_same(text: str, made: str | None) -> None:
    found = given(text)

    assert found.text == made, found.why
    assert found.exact is (made is not None)
    assert found.verbatim == text


@pytest.mark.parametrize(
    ("text", "made", "why"),
    [
        ("$$SliceStart", "{start:MM/dd/yyyy HH:mm:ss}", "without a format"),
        ("$$Text.Format('{0}', SliceEnd)", "{end:MM/dd/yyyy HH:mm:ss}", "without a format"),
        ("$$Text.Format('{0:d}', SliceEnd)", "{end:MM/dd/yyyy}", "depends on the culture"),
        ("$$Text.Format('{0:ddK}', SliceEnd)", "{end:ddK}", "zone"),
        ("$$Date.DayOfWeek(SliceEnd)", "{end:dddd}", "English name"),
        ("$$Text.Format('d = '{0:yy}'', SliceEnd)", "d = '{end:yy}'", "not escaped"),
    ],
)
def test_a_guess_is_said(text: str, made: str, why: str) -> None:
    found = given(text)

    assert (found.text, found.exact) == (made, False)
    assert why in found.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$$Text.Format('{0:yyyy}', WindowsStart)", "not one of the variables"),
        ("$$Date.DayOfYear(SliceStart)", "day of the year"),
        ("$$DateTime.Ticks(SliceStart)", "ticks"),
        ("$$Date.DaysInMonth(SliceStart)", "days of a month"),
        ("$$Date.EndOfMonth(SliceStart)", "depends on the month"),
        ("$$Text.Format('{0:HH}', Date.AddMonths(Date.AddDays(SliceStart, 1), 1))", "by months"),
        ("$$Text.Format('{0:HH}', Date.AddMonths(Date.AddMonths(SliceStart, 1), 1))", "by months"),
        ("$$Text.Format('{0:yyyy}', Date.AddDays(SliceStart, 99999999))", "100 years"),
        ("$$Text.Format('{0:yyyy}', Time.AddHours(SliceStart, 0.5))", "not a whole number"),
        ("$$Text.Format('{0:yyyy}', Time.AddHours('x', 1))", "given something else"),
        ("$$Text.Format('{1:yyyy}', SliceStart)", "has no value"),
        ("$$Text.Format('{0:yyyy', SliceStart)", "not closed"),
        ("$$Text.Format('{0,8:yyyy}', SliceStart)", "pads"),
        ("$$Text.Format('{0:fffffffff}', SliceStart)", "in this format"),
        ("$$Text.Format('{0:x}', SliceStart)", "not one of .NET's"),
        ("$$Text.Format('{{x{0:yyyy}}}', SliceStart)", "braces"),
        ("$$Text.Format('{{start{0:HH:mm}}}', SliceStart)", "braces"),
        ("$$Text.Format('${0:yyyy}', SliceStart)", "dollar sign"),
        ("$$Text.Format('{0:yyyy}', SliceStart", "not closed"),
        ("$$Text.Format('{0:yyyy}, SliceStart)", "not closed"),
        ("$$Text.Format('a') b", "follows its end"),
        ("$$Other.Thing(1)", "unknown here"),
        ("$$", "not complete"),
        ("a $$Text.Format('{0}', SliceStart)", "within a text"),
        ("folder/{Year}/x.csv", "braces"),
        ("$$" + "Date.AddDays(" * 300, "nested too deeply"),
        ("$$" + "'" * 20_000, "longer than"),
    ],
)
def test_what_no_window_time_can_say_stays_verbatim_with_the_reason(text: str, why: str) -> None:
    found = given(text)

    assert (found.text, found.value, found.exact) == (None, None, False)
    assert why in found.why
    assert found.verbatim == text


def variable(name: str, date: str, form: str) -> dict[str, object]:
    return {"name": name, "value": {"type": "DateTime", "date": date, "format": form}}


def test_partitions_are_put_into_a_path_in_any_letter_case() -> None:
    known = partitions([variable("Year", "SliceStart", "yyyy"), variable("H", "SliceEnd", "hh")])

    found = resolved("data/{year}/{ H }.csv", known).as_path()

    assert (found.text, found.exact) == ("data/{start:yyyy}/{end:hh}.csv", True)
    assert found.uses_window


def test_partitions_of_an_input_with_a_start_of_its_own_are_shifted() -> None:
    slices = ("Date.AddDays(SliceStart, -1)", "Date.AddDays(SliceEnd, -1)")
    known = partitions([variable("D", "$$SliceEnd", "yyyyMMdd")], slices)

    assert resolved("{D}.csv", known, slices).text == "{end-1d:yyyyMMdd}.csv"
    shifted = resolved("$$Text.Format('{0:dd}', Date.AddDays(SliceStart, -1))", known, slices)
    assert shifted.text == "{start-2d:dd}"
    assert time_of(slices[0]) == Moment("start").moved(by=-timedelta(days=1))
    assert time_of("Date.AddDays(Other, -1)") is None


def test_a_wrong_partition_is_reported_where_it_is_used() -> None:
    wrong = {"name": "Region", "value": {"type": "Text", "format": "yyyy"}}
    odd = [wrong, variable("X", "SliceNow", "yyyy"), variable("M", "SliceEnd", "M"), 5, {"a": 1}]
    known = partitions(odd)

    assert set(known) == {"Region", "X", "M"}
    assert "not a DateTime" in resolved("{Region}/x", known).why
    assert "not one of the variables" in resolved("{X}/x", known).why
    assert "not in partitionedBy" in resolved("{Y}/x", known).why
    assert resolved("{M}/x", known).text == "{end:MMMM dd}/x"
    assert not resolved("{M}/x", known).exact
    assert partitions({"name": "no list"}) == {}
    assert partitions([{"name": "N", "value": None}])["N"].text is None


def test_braces_of_a_path_are_refused_where_a_parameter_may_hold_them() -> None:
    found = given("a{1}")

    assert found.text == "a{1}"
    assert found.as_path().text is None
    assert "braces" in found.as_path().why


def test_a_dollar_sign_of_a_parameter_is_escaped() -> None:
    found = given("cost ${PRICE} $5")

    assert found.value == "cost ${PRICE} $5"
    assert found.parameter == "cost $${PRICE} $$5"


def test_neither_reason_nor_appearance_quotes_the_expression() -> None:
    for text in ("$$hunter2", "$$Text.Format('{0:hunter2', 1)", "{hunter2}", "$$Time.hunter2(1)"):
        found = given(text)
        assert found.text is None
        assert "hunter2" not in found.why + repr(found)
