"""Answers of a model as rows of texts that can be compared: any JSON becomes such a table.

Servers answer lists of numbers, lists of lists, tables, objects, or JSON inside of a text.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from shared.core.counting import counted
from shared.core.decisions.answers import decoded
from shared.core.names import digest
from shared.core.secret_shapes import Cleaner

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]

_SCORE: Final = "score"
_DEEPEST: Final = 20
#: What a record keeps of one answer, at most.
_MOST_CELLS: Final = 500
_LONGEST_CELL: Final = 100
_LONGEST_NAME: Final = 100
_WRAPPED: Final = 3


def table_of(answer: object, clean: Cleaner) -> Table:
    """Return the columns and rows of an answer.

    Args:
        answer: decoded JSON.
        clean: redacts a text, before it is cut short.

    Raises:
        ValueError: it is no answer to compare with: empty, an error, or no finite number.
    """
    prefix, inner = _unwrapped(decoded(answer))
    values = _rows(inner)
    rows = [_leaves(one) for one in values[:_MOST_CELLS]]
    if not any(rows):
        raise ValueError("the answer is empty")
    if all(text in ("", "null") for row in rows for text in row.values()):
        raise ValueError("the answer holds no value")
    paths = list(dict.fromkeys(path for row in rows for path in row))
    names = [_name(prefix, path, clean) for path in paths]
    fitting = max(_MOST_CELLS // len(paths), 1)
    shown = [tuple(_cell(row.get(path, ""), clean) for path in paths) for row in rows[:fitting]]
    if len(values) > fitting:
        # What is left out counts by its digest: a number in it is compared to the last digit.
        rest = digest(json.dumps(values[fitting:], sort_keys=True))
        shown.append((f"{counted(len(values), 'row')} in all", rest))
    return tuple(names), tuple(shown)


def _unwrapped(value: object) -> tuple[tuple[str, ...], object]:
    """Return what an object with one member holds, and the names on the way."""
    names: list[str] = []
    while isinstance(value, Mapping) and len(value) == 1 and len(names) < _WRAPPED:
        ((name, inner),) = value.items()
        if str(name).lower() == "error" and isinstance(inner, str):
            raise ValueError("the answer is an error")
        if not isinstance(inner, Mapping | list):
            break
        names.append(str(name))
        value = inner
    return tuple(names), value


def _rows(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping) and value:
        parts = list(value.values())
        same = all(isinstance(one, list) and len(one) == len(parts[0]) for one in parts)
        if same and parts[0]:  # a table by columns
            return [dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True)]
    return [value]


def _leaves(value: object) -> dict[str, str]:
    """Return the texts, numbers and other ends of a value by their paths."""
    found: dict[str, str] = {}
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    while waiting:
        path, one = waiting.pop()
        if len(found) >= _MOST_CELLS:
            found["…"] = digest(json.dumps(value, sort_keys=True))
            break
        if isinstance(one, Mapping | list) and len(path) >= _DEEPEST:
            found[".".join(path)] = digest(json.dumps(one, sort_keys=True))
        elif isinstance(one, Mapping):
            inside = [((*path, str(name)), one[name]) for name in sorted(one, reverse=True)]
            waiting += inside
        elif isinstance(one, list):
            waiting += [((*path, str(at)), part) for at, part in enumerate(one)][::-1]
        else:
            found[".".join(path)] = _text(one)
    return found


def _text(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a score is not a finite number")
    return value if isinstance(value, str) else json.dumps(value)


def _name(prefix: tuple[str, ...], path: str, clean: Cleaner) -> str:
    whole = ".".join((*prefix, path) if path else prefix) or _SCORE
    name = whole if not whole[0].isdigit() else f"{_SCORE}.{whole}"
    return _cut(clean(name), _LONGEST_NAME)


def _cell(text: str, clean: Cleaner) -> str:
    return _cut(clean(text), _LONGEST_CELL)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… {digest(text)}"
