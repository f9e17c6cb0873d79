"""Filling window times in gives what evaluating the expression gives, for any window.

The expressions are made together with their meaning: each is a text, and a function that computes
with the times of a window, without window times and formats of the product.
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.config.setting_references import resolve
from shared.core.config.windows import Window, filled, window_tokens
from shared.importers.data_factory.expressions import version_1, version_2

FIRST, LAST = datetime(1999, 1, 1, tzinfo=UTC), datetime(2031, 12, 31, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: A format of .NET, and how Python writes the same.
FORMS = {
    "yyyy": "%Y",
    "yyyyMMddHHmm": "%Y%m%d%H%M",
    "yy-M": None,
    "hh tt": "%I %p",
    "ddd, dd MMM": "%a, %d %b",
    "dddd 'd' MMMM": "%A d %B",
    "yyyy-MM-dd'T'HH:mm:ss": "%Y-%m-%dT%H:%M:%S",
    r"HH\h mm": "%Hh %M",
    "%d": None,
}
Meaning = Callable[[Window], datetime]


@dataclass(frozen=True)
class Expression:
    """A text of version 1 and of version 2, and the time that it means."""

    first: str
    second: str
    meaning: Meaning


def written(moment: datetime, form: str) -> str:
    directive = FORMS[form]
    if directive is None:
        return str(moment.day) if form == "%d" else f"{moment.year % 100:02}-{moment.month}"
    return moment.strftime(directive)


def months_later(moment: datetime, months: int) -> datetime:
    at = moment.year * 12 + moment.month - 1 + months
    year, month = at // 12, at % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def start_of(moment: datetime, unit: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return {
        "Hour": hour,
        "Day": hour.replace(hour=0),
        "Month": hour.replace(hour=0, day=1),
    }[unit]


BASES = [
    Expression("SliceStart", "trigger().outputs.windowStartTime", lambda window: window.start),
    Expression("WindowEnd", "trigger().outputs.windowEndTime", lambda window: window.end),
]
NUMBER = st.integers(-40, 40)


def added(inner: Expression, unit: str, number: int) -> Expression:
    name = "Time" if unit in ("Hour", "Minute") else "Date"
    return Expression(
        f"{name}.Add{unit}s({inner.first}, {number})",
        f"addToTime({inner.second}, {number}, '{unit}')",
        lambda window: (
            months_later(inner.meaning(window), number)
            if unit == "Month"
            else inner.meaning(window) + timedelta(**{f"{unit.lower()}s": number})
        ),
    )


def floored(inner: Expression, unit: str) -> Expression:
    return Expression(
        f"{'Time' if unit == 'Hour' else 'Date'}.StartOf{unit}({inner.first})",
        f"startOf{unit}({inner.second})",
        lambda window: start_of(inner.meaning(window), unit),
    )


def steps(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.builds(added, inner, st.sampled_from(["Minute", "Hour", "Day", "Week"]), NUMBER),
        st.builds(added, inner, st.just("Month"), NUMBER),
        st.builds(floored, inner, st.sampled_from(["Hour", "Day"])),
    )


TIMES = st.recursive(st.sampled_from(BASES), steps, max_leaves=4)
WINDOWS = st.builds(
    lambda start, hours: Window(start, start + timedelta(hours=hours), start),
    st.integers(0, (LAST - FIRST) // MINUTE).map(lambda minutes: FIRST + minutes * MINUTE),
    st.integers(1, 800),
)
LITERALS = st.sampled_from(["", "/", "in-", ".csv", "a 'b' ", "100% ", "$5 ", "{1", "${A} "])
PIECES = st.lists(st.tuples(LITERALS, TIMES, st.sampled_from(sorted(FORMS))), max_size=3)


def said(pieces: list[tuple[str, Expression, str]], window: Window) -> str:
    return "".join(literal + written(time.meaning(window), form) for literal, time, form in pieces)


def first_version(pieces: list[tuple[str, Expression, str]]) -> str:
    body = "".join(
        literal.replace("'", r"\'").replace("{", "{{").replace("}", "}}")
        + f"{{{at}:{form}}}".replace("'", r"\'")
        for at, (literal, _, form) in enumerate(pieces)
    )
    times = "".join(f", {time.first}" for _, time, _ in pieces)
    return f"$$Text.Format('{body}'{times})"


def second_version(pieces: list[tuple[str, Expression, str]]) -> str:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    parts = [
        f"{quoted(literal)}, formatDateTime({time.second}, {quoted(form)})"
        for literal, time, form in pieces
    ]
    return f"@concat({', '.join(parts) or quoted('')})"


def check(found: version_1.Resolved, expected: str, window: Window) -> None:
    if found.text is None:  # only these two may be refused
        assert "by months and by shorter units" in found.why or "depends on the month" in found.why
        return
    assert found.exact, found.why
    window_tokens(found.text)
    assert filled(found.text, window) == expected
    assert resolve({}, filled(found.parameter, window)) == expected


@given(PIECES, WINDOWS)
@settings(max_examples=60)
def test_the_text_of_version_1_says_what_the_expression_says(
    pieces: list[tuple[str, Expression, str]], window: Window
) -> None:
    check(version_1.resolved(first_version(pieces), {}), said(pieces, window), window)


@given(PIECES, WINDOWS)
@settings(max_examples=60)
def test_the_text_of_version_2_says_what_the_expression_says(
    pieces: list[tuple[str, Expression, str]], window: Window
) -> None:
    scope = version_2.Scope(trigger="window")
    check(version_2.resolved(second_version(pieces), {}, scope), said(pieces, window), window)


@given(TIMES, WINDOWS, st.sampled_from(["yyyyMM", "yyyy-MM-dd HH:mm"]))
@settings(max_examples=40)
def test_the_start_of_a_month_is_kept(time: Expression, window: Window, form: str) -> None:
    text = f"@startOfMonth({time.second}, '{form}')"
    found = version_2.resolved(text, {}, version_2.Scope(trigger="window"))

    start = start_of(time.meaning(window), "Month")
    python = {"yyyyMM": "%Y%m", "yyyy-MM-dd HH:mm": "%Y-%m-%d %H:%M"}[form]
    check(found, start.strftime(python), window)


SIGNS = "'(){},[].?\\% -1$@\x00é"
WORDS = ["$$", "@{", "{0:", "yyyy", "Text.Format(", "SliceStart", "Date.AddMonths(", "concat("]
CALLS = ["utcnow()", "pipeline().parameters.p", "substring(", "mul(", "replace(", "createArray("]
SCRAPS = st.lists(st.sampled_from([*SIGNS, *WORDS, *CALLS]), max_size=14)


@given(SCRAPS)
@settings(max_examples=60)
def test_nothing_that_is_written_raises_an_exception(scraps: list[str]) -> None:
    text = "".join(scraps)
    for prefix in ("", "$$Text.Format(", "@concat("):
        one = version_1.resolved(prefix + text, {"p": "x"})
        two = version_2.resolved(prefix + text, {"p": "@concat(" + text, "n": 10**18})
        for found in (one, two):
            assert found.verbatim == prefix + text
            assert (found.text is None) <= (found.why != "")
