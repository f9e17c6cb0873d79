"""Checks alerts.json and workbook.json: their queries, their codes, their names."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from local.infra_check.syntax import Finding, meant
from shared import telemetry
from shared.telemetry import Alert

ALERTS: Final = "infra/alerts.json"
WORKBOOK: Final = "infra/workbook.json"
_CODE: Final = re.compile(r"RL\d{2,5}")
_TABLES: Final = (
    "traces",
    "requests",
    "exceptions",
    "customMetrics",
    "dependencies",
    "availabilityResults",
    "union",
    "let",
    "print",
    "datatable",
    "range",
)
#: Operators of Kusto that a pipe may be followed by.
_OPERATORS: Final = frozenset(
    [
        "as",
        "count",
        "distinct",
        "evaluate",
        "extend",
        "join",
        "lookup",
        "make-series",
        "mv-apply",
        "mv-expand",
        "order",
        "parse",
        "parse-where",
        "project",
        "project-away",
        "project-keep",
        "project-rename",
        "project-reorder",
        "render",
        "sample",
        "scan",
        "search",
        "serialize",
        "sort",
        "summarize",
        "take",
        "limit",
        "top",
        "union",
        "where",
    ]
)
_FUNCTION_NAME: Final = re.compile(r'\bname\s*(?:==|=~|in)\s*\(?"(\w+)"')
_FORBIDDEN: Final = set("#<>%&:\\?/{}*")
_WORKBOOK_TYPES: Final = (1, 3, 9, 10, 11, 12)
_KEYS: Final = frozenset(
    [
        "aggregation",
        "autoMitigate",
        "codes",
        "column",
        "description",
        "id",
        "operator",
        "query",
        "runbook",
        "severity",
        "summary",
        "threshold",
        "title",
        "window",
    ]
)
_VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "aggregation": ("Count", "Average", "Minimum", "Maximum", "Total"),
    "operator": ("GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual", "Equals"),
    "severity": (0, 1, 2, 3, 4),
    "window": ("PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "PT2H", "PT3H", "PT6H", "P1D", "P2D"),
}


def check_monitoring(texts: Mapping[str, str], functions: frozenset[str]) -> list[Finding]:
    """Return what is wrong with the alerts and the workbook.

    Args:
        texts: path -> content of the files that there are.
        functions: the names of the app's functions.
    """
    found: list[Finding] = []
    for name, check in ((ALERTS, _alerts), (WORKBOOK, _workbook)):
        text = texts.get(name)
        if text is None:
            found.append(Finding(name, 1, "there is no such file", "The templates load it"))
            continue
        try:
            content = json.loads(text)
        except ValueError as exc:
            found.append(Finding(name, getattr(exc, "lineno", 1), f"no JSON: {exc}"))
            continue
        found += (
            Finding(name, _line(text, place), what, advice)
            for place, what, advice in check(content, functions)
        )
    return found


Wrong = Iterator[tuple[str, str, str]]


def _line(text: str, place: str) -> int:
    """Return the first line that has a text in it, as JSON writes it."""
    at = text.find(json.dumps(place)[1:-1]) if place else 0
    return text.count("\n", 0, max(at, 0)) + 1


def _alerts(content: Any, functions: frozenset[str]) -> Wrong:
    if not isinstance(content, list):
        yield "", "the alerts are not a list", "Write [ … ]"
        return
    ids = [rule.get("id", "") for rule in content]
    for one in {one for one in ids if ids.count(one) > 1}:
        yield one, f"the alert '{one}' is there twice", "Give one of them another id"
    for rule in content:
        yield from _rule(rule, functions)
    codes = {code for rule in content for code in rule.get("codes", [])}
    for alert in Alert:
        if alert.event_id not in codes:
            what = f"no rule takes {alert.event_id}, which the app logs as {alert.name.lower()}"
            yield "", what, "Add a rule, or the code to one"


def _rule(rule: Mapping[str, Any], functions: frozenset[str]) -> Wrong:
    name = str(rule.get("id", ""))
    for key in sorted(_KEYS - rule.keys()):
        yield name, f"the alert '{name}' has no '{key}'", "Add it"
    for key in sorted(rule.keys() - _KEYS):
        yield key, f"an alert has no member '{key}'", meant(key, _KEYS)
    for key, values in _VALUES.items():
        if key in rule and rule[key] not in values:
            what = f"'{rule[key]}' is not a valid '{key}' of an alert"
            yield str(rule[key]), what, meant(str(rule[key]), map(str, values))
    if _FORBIDDEN & set(name) or name.endswith((" ", ".")) or not name:
        yield name, f"'{name}' is not a name that a rule can have", "Use letters, digits and dashes"
    query = str(rule.get("query", ""))
    yield from _query(query, functions)
    asked, listed = set(_CODE.findall(query)), set(rule.get("codes", []))
    if asked != listed:
        what = f"the query of '{name}' asks for {sorted(asked)}, and its codes are {sorted(listed)}"
        yield query, what, "Make both the same"
    column = str(rule.get("column", ""))
    if bool(column) != (rule.get("aggregation") != "Count"):
        yield name, f"'{name}' needs a column exactly if it does not count rows", ""
    elif column and not re.search(rf"\b{re.escape(column)}\b", query):
        yield query, f"the query of '{name}' has no column '{column}'", ""


def _query(query: str, functions: frozenset[str]) -> Wrong:
    """Yield what is wrong with a query: table, operators, codes, functions, brackets."""
    known = logged_codes()
    for code in _CODE.findall(query):
        if code not in known and not any(one.startswith(code) for one in known):
            yield code, f"the app logs no {code}", meant(code, known)
    for name in _FUNCTION_NAME.findall(query):
        if name not in functions:
            yield name, f"the app has no function '{name}'", meant(name, functions)
    steps = _steps(query)
    first = re.match(r"[\w-]+", steps[0].strip() if steps else "")
    if first is None or (first[0] not in _TABLES and f"let {first[0]}" not in query):
        shown = first[0] if first else ""
        yield query, f"'{shown}' is not a table of Application Insights", meant(shown, _TABLES)
    for step in steps[1:]:
        word = re.match(r"[\w-]+", step.strip())
        if word is None or word[0] not in _OPERATORS:
            shown = word[0] if word else step.strip()[:20]
            yield query, f"'{shown}' is not an operator of a query", meant(shown, _OPERATORS)
    bare = _without_texts(query)
    for opening, closing in ("()", "[]", "{}"):
        if bare.count(opening) != bare.count(closing):
            yield query, f"a '{opening}' or '{closing}' is missing in a query", ""


@cache
def logged_codes() -> frozenset[str]:
    """Return the codes that the app logs: of alerts, and of the lines that the workbook shows."""
    text = Path(telemetry.__file__).read_text(encoding="utf-8")
    return frozenset(re.findall(r'"(RL\d{4})"', text))


def _without_texts(query: str) -> str:
    return re.sub(r'@?"(?:[^"\\]|\\.)*"|@"[^"]*"|\'[^\']*\'', '""', query)


def _steps(query: str) -> list[str]:
    """Return what is between the pipes of a query's last statement, and not inside of brackets."""
    bare = _without_texts(query).rsplit(";", maxsplit=1)[-1]
    steps, depth = [""], 0
    for sign in bare:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "|" and not depth:
            steps.append("")
        else:
            steps[-1] += sign
    return steps


def _workbook(content: Any, functions: frozenset[str]) -> Wrong:
    if not isinstance(content, dict) or content.get("version") != "Notebook/1.0":
        yield "", "the workbook has no version", 'Write "version": "Notebook/1.0"'
        return
    names: list[str] = []
    for item in content.get("items", []):
        yield from _item(item, names, functions)


def _item(item: Mapping[str, Any], names: list[str], functions: frozenset[str]) -> Wrong:
    name, kind, inside = item.get("name", ""), item.get("type"), item.get("content", {})
    if kind not in _WORKBOOK_TYPES:
        yield name, f"the workbook's item '{name}' has the unknown type {kind}", ""
    if not name or name in names:
        yield name, f"the name '{name}' of a workbook's item is missing, or there twice", ""
    names.append(name)
    for inner in inside.get("items", []):
        yield from _item(inner, names, functions)
    query = inside.get("query")
    if isinstance(query, str):
        yield from _query(re.sub(r"\{\w+(?::\w+)?\}", "x", query), functions)
        if inside.get("version") != "KqlItem/1.0":
            yield name, f"the workbook's item '{name}' is not a query", '"version": "KqlItem/1.0"'
        kinds = inside.get("queryType"), inside.get("resourceType")
        if kinds != (0, "microsoft.insights/components"):
            what = f"the query of '{name}' is not for an Application Insights component"
            yield name, what, "Its tables would not be there"
