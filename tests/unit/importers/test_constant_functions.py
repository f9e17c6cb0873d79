"""Functions of expressions of version 2 whose values are known before a run."""

from typing import Any

import pytest

from shared.importers.data_factory.expressions.version_2 import resolved


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("toLower('AB')", "ab"),
        ("trim(' a ')", "a"),
        ("substring('abcd', 1, 2)", "bc"),
        ("substring('abcd', 2)", "cd"),
        ("split('a/b', '/')", ["a", "b"]),
        ("take(split('a/b', '/'), 1)", ["a"]),
        ("indexOf('abc', 'C')", 2),
        ("lastIndexOf('abab', 'B')", 3),
        ("startsWith('abc', 'A')", True),
        ("endsWith('abc', 'x')", False),
        ("contains('abc', 'b')", True),
        ("contains(createArray('a'), 'b')", False),
        ("empty('')", True),
        ("length('abc')", 3),
        ("uriComponent('a b/c')", "a%20b%2Fc"),
        ("int('12')", 12),
        ("bool('true')", True),
        ("bool(0)", False),
        ("equals('a', 'A')", False),
        ("equals(1, true)", False),
        ("not(false)", True),
        ("and(true, false)", False),
        ("or(true, false)", True),
        ("greaterOrEquals(2, 2)", True),
        ("div(-7, 2)", -3),
        ("div(7.0, 2)", 3.5),
        ("mod(-7, 2)", -1),
        ("sub(3, 1)", 2),
        ("max(1, 3, 2)", 3),
        ("dayOfMonth('2018-01-31')", 31),
        ("dayOfWeek('2018-01-28')", 0),
        ("dayOfYear('2018-02-01')", 32),
        ("ticks('0001-01-02')", 864_000_000_000),
        ("join(createArray('a', 'b'), '-')", "a-b"),
        ("json('[1]')", [1]),
        ("addToTime('2018-01-31T00:00:00Z', 1, 'Month', 'yyyy-MM-dd')", "2018-02-28"),
        ("startOfMonth('2018-01-31T05:06:07Z', 'yyyy-MM-dd HH')", "2018-01-01 00"),
        ("startOfHour('2018-01-31T05:06:07Z', 'HH:mm')", "05:00"),
    ],
)
def test_a_function_of_constants_has_its_value(expression: str, value: Any) -> None:
    found = resolved(f"@{expression}", {})
    assert (found.value, found.exact) == (value, True)


@pytest.mark.parametrize(
    "expression",
    [
        "toLower(1)",
        "add('a', 1)",
        "add(true, 1)",
        "not('a')",
        "bool('perhaps')",
        "substring('abc', 2, 5)",
        "replace('abc', '', 'x')",
        f"replace('{'a' * 900}', 'a', '{'b' * 90}')",
        "take(createArray('a'), -1)",
        "join('a', ',')",
        "div(1, 0)",
        "dayOfMonth('tomorrow')",
        "dayOfMonth(trigger().scheduledTime, 1)",
        "addToTime('2018-01-31', 1, 'Decade')",
        "addDays('2018-01-31', 1.5)",
        "addDays('2018-01-31', 1, 'yyyy', 'de-DE')",
        "convertTimeZone('2018-01-31', 'UTC')",
        "convertTimeZone('2018-01-31', 'Tokyo', 'UTC')",
        "formatDateTime('2018-01-31', 'Q')",
        "first()",
        "nothing()",
    ],
)
def test_what_a_function_does_not_take_has_no_value(expression: str) -> None:
    found = resolved(f"@{expression}", {})
    assert found.text is None
    assert found.why
