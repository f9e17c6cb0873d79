"""Reads log lines as the queries of alerts and workbook do: by `parse`, `extract`, `url_decode`."""

import re
from typing import Final
from urllib.parse import unquote

#: The literals of the `parse` operator that every query uses, and the columns between them.
PARSE: Final = (
    '"[" id " " name "] run=" run " pipeline=" pipeline " key=" key " phase=" phase ": " text'
)
_PART: Final = re.compile(r'"([^"]*)"|(\w+)')


def parse(message: str, pattern: str = PARSE) -> dict[str, str] | None:
    """Return the columns that KQL's `parse` in its simple mode reads; None where none match.

    A column takes as little as it can, up to the next literal; the last one takes the rest.
    """
    expression, ends_open = "", False
    pattern = pattern.removeprefix("parse message with ")
    for literal, column in _PART.findall(pattern):
        expression += f"(?P<{column}>.*?)" if column else re.escape(literal)
        ends_open = bool(column)
    found = re.match(expression + ("$" if ends_open else ""), message, re.DOTALL)
    return found.groupdict() if found else None


def columns_of(pattern: str) -> list[str]:
    """Return the columns that a `parse` operator makes."""
    found = _PART.findall(pattern.removeprefix("parse message with "))
    return [column for _, column in found if column]


def key_of(column: str) -> tuple[str, ...]:
    """Return the key that a column holds: `url_decode` of each part; none for `-`."""
    return () if column == "-" else tuple(unquote(part) for part in column.split("/"))


def member(text: str, name: str) -> str | None:
    """Return a value of a line's text, as `extract(@"\\bname=(\\S+)", 1, text)` does."""
    found = re.search(rf"\b{name}=(\S+)", text)
    return found[1] if found and found[1] != "-" else None


_STARTS: Final = re.compile(r'where message startswith "([^"]*)"')
_MATCHES: Final = re.compile(r'where message matches regex @"([^"]*)"')


def result_of(query: str, messages: list[str]) -> list[dict[str, str]]:
    """Return the rows of a query on `traces`, of the operators that the alert rules use.

    Raises:
        ValueError: it has another operator.
    """
    table, *operators = query.split(" | ")
    rows = [{"message": message, "timestamp": ""} for message in messages]
    for operator in operators:
        if found := _STARTS.fullmatch(operator):
            rows = [one for one in rows if one["message"].lower().startswith(found[1].lower())]
        elif found := _MATCHES.fullmatch(operator):
            rows = [one for one in rows if re.search(found[1], one["message"])]
        elif operator.startswith("parse message with "):
            rows = [one | (parse(one["message"], operator) or {}) for one in rows]
        elif operator.startswith("project "):
            names = operator.removeprefix("project ").split(", ")
            rows = [{name: one[name] for name in names} for one in rows]
        else:
            raise ValueError(f"{table}: {operator}")
    return rows
