"""NCRONTABs that the library refuses, hints, and the ends of each field."""

from datetime import UTC, datetime

import pytest

from shared.core.config.ncrontab import checked as checked_by_host
from shared.core.config.ncrontab import parsed
from shared.core.config.schedule import checked_schedule, hints_of
from tests.unit.core.config.test_ncrontab import MEANING, PUBLISHED

REFUSED = [
    ("0 0 3 * * 7", "day of week: 7 is unknown: write 0 for Sunday"),
    ("0 0 3 * * 1-7", "7 is"),
    ("0 0 3 ? * *", "day: ? is of Quartz"),
    ("0 0 3 * * ?", "day of week: ? is of Quartz"),
    ("0 0 3 L * *", "day: L is of Quartz"),
    ("0 0 3 L-3 * *", "day: L"),
    ("0 0 3 * * 5L", "L is"),
    ("0 0 3 * * FRIL", "day of week: L is of Quartz"),
    ("0 0 3 LW * *", "day: W is of Quartz"),
    ("0 0 3 15W * *", "day: W is of Quartz"),
    ("0 0 3 * * MON#1", "day of week: # is of Quartz"),
    ("0 0 3 * * 2#1", "1-7 and MON"),
    ("0 0 3 * * 1 2026", "seven fields"),
    ("0 0 3 * * 1 2026 x", "six fields"),
    ("0 3 * *", "six fields"),
    ("", "six fields"),
    ("00:05:00", "TimeSpan"),
    ("1.00:00:00", "TimeSpan"),
    ("@daily", "six fields"),
    ("every monday", "six fields"),
    ("0\t0 3 * * *", "separated only by blanks"),
    ("0 0 3 * *\n1", "blanks"),
    ("60 * * * * *", "second: 60 is not within 0 to 59"),
    ("0 60 * * * *", "minute: 60"),
    ("0 0 24 * * *", "hour: 24"),
    ("0 0 3 0 * *", "day: 0"),
    ("0 0 3 32 * *", "day: 32"),
    ("0 0 3 * 0 *", "month: 0"),
    ("0 0 3 * 13 *", "month: 13"),
    ("0 1,2,456 * * * *", "456"),
    ("0 1,Z,3 * * * *", "minute: Z is not a value"),
    ("0 1/Z * * * *", "step"),
    ("0 3-l2 * * * *", "l2"),
    ("0 * 3 bad * *", "day: bad"),
    ("0 0 3 * bad *", "month: bad"),
    ("0 0 3 * * mon,bad", "bad"),
    ("0 0 3 * Janvier *", "Janvier"),
    ("0 0 3 * Sept. *", "Sept."),
    ("0 0 3 * * Mittwoch", "week"),
    ("0 R * * * *", "minute: a random time"),
    ("0 H/5 * * * *", "random"),
    ("0 R(5) * * * *", "random"),
    ("0 5, * * * *", "minute: that is not a value"),
    ("0 5,, * * * *", "minute"),
    ("0 ,5 * * * *", "minute: ,5 is not a value"),
    ("0 /5 * * * *", "minute: /5 is not a value"),
    ("0 5/ * * * *", "step"),
    ("0 */2/3 * * * *", "step"),
    ("0 -5 * * * *", "minute: -5 is not a value"),
    ("0 5- * * * *", "minute"),
    ("0 *-5 * * * *", "minute"),
    ("0 1-2-3 * * * *", "minute"),
    ("0 5.5 * * * *", "minute"),
    ("0 \uff15 * * * *", "minute: that is not a value"),
    ("0 99999999999 * * * *", "minute: 2147483647 is not within"),
    ("0 */99999999999 * * * *", "step"),
    ("0 */2147483648 * * * *", "step"),
    ("0 0 0 30 2 *", "never fires"),
    ("0 0 0 31 4,6,9,11 *", "never fires"),
    ("* * 31 Feb *", "never"),
    ("0 0 12 * * MON-FRI *", "seven fields"),
    ("0 * * * * *" + " " * 200, "six fields"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_the_library_refuses_is_refused_with_its_field_and_advice(
    text: str, message: str
) -> None:
    for check in (checked_schedule, checked_by_host):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 -- its text is checked
            check(text)
        assert message in str(caught.value)
    assert (
        "write" in str(caught.value)
        or "remove" in str(caught.value)
        or "never" in message
        or "L" in message
    )


def test_a_hundred_strings_are_checked() -> None:
    assert len({*MEANING, *(text for _, text, _ in PUBLISHED)}) >= 100
    assert len(REFUSED) >= 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 */90 * * * *", "minute: */90 fires only at 0"),
        ("0 7/90 * * * *", "minute: 7/90 fires only at 7"),
        ("*/60 * * * * *", "second: */60 fires only at 0"),
        ("0 0 */24 * * *", "hour: */24 fires only at 0"),
        ("0 0 3 */31 * *", "day: */31 fires only at 1"),
        ("0 0 22-4 * * *", "hour: 22-4 is read from 4 to 22"),
        ("0 0 3 * * SAT-MON", "day of week: SAT-MON is read from 1 to 6"),
        ("* 0 3 * * *", "second: it fires every second"),
    ],
)
def test_a_schedule_that_does_less_or_more_than_it_seems_has_a_hint(
    text: str, message: str
) -> None:
    (hint,) = hints_of(text)
    assert message in hint


def test_the_hints_of_a_schedule_come_in_the_order_of_its_fields() -> None:
    hints = hints_of("* */90 22-4 * * *")
    assert [hint.partition(":")[0] for hint in hints] == ["second", "minute", "hour"]


@pytest.mark.parametrize(
    "text", ["0 */30 * * * *", "0 0 3 * * 1", "*/59 * * * * *", "0 3 * * 1", "0 5-5 * * * *"]
)
def test_a_plain_schedule_has_none(text: str) -> None:
    assert hints_of(text) == ()


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (
            "0 0 3 1 {} *",
            "January February March April May June July August September October November December",
        ),
        ("0 0 3 * * {}", "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
    ],
)
def test_each_name_in_full_stands_for_its_number_and_nothing_longer_does(
    field: str, names: str
) -> None:
    first = 1 if "January" in names else 0
    for number, name in enumerate(names.split(), start=first):
        assert parsed(field.format(name)) == parsed(field.format(number)), name
        with pytest.raises(ValueError, match="is not a value"):
            parsed(field.format(f"{name}_"))


def test_a_month_has_its_last_day_and_none_after_it() -> None:
    for month, last in enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1):
        assert parsed(f"0 0 3 {last} {month} *").fires
        assert last == 31 or not parsed(f"0 0 3 {last + 1} {month} *").fires


def test_the_longest_text_and_the_largest_step_are_accepted_and_no_longer_ones() -> None:
    longest = "0 0 3 * * 1".ljust(200)
    assert checked_schedule(longest) == longest
    with pytest.raises(ValueError, match="six fields"):
        checked_schedule(f"{longest} ")
    assert checked_schedule("0 */2147483647 * * * *")


def test_at_the_ends_of_the_calendar_there_is_no_due_time() -> None:
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    assert parsed("0 0 0 29 2 *").after(last) is None
    assert parsed("* * * * * *").after(last) is None
    assert parsed("0 0 0 29 2 *").at_or_before(first) is None
    assert parsed("0 0 0 31 12 *").after(last.replace(day=30)) == last.replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    assert parsed("0 0 0 1 1 *").at_or_before(first.replace(day=2)) == first


def test_every_wrong_field_is_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"hour: 25 is not within.*; day: L is.*; day of week: 7"):
        parsed("0 0 25 L * 7")
