"""Turns an evaluation in JSON, a tree of metrics, into one list of named cells."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from shared.core.text import (
    first_invisible,
    folded,
    require_distinct,
    short,
    without_edges,
)

_METRICS: Final = "metrics"
#: Objects whose members are the row's own. A name that says which data was scored is none.
_TRANSPARENT: Final = re.compile(
    r"(?:regression|(?:(?:binary|multiclass|multilabel))?classification|clustering|forecasting"
    r"|ranking|evaluation|model)?metrics"
)
_VALUE: Final = frozenset({"value", "numbervalue"})
_DEEPEST: Final = 8

Cells = list[tuple[str, object]]


class JsonNumber(str):
    """A number as it is written in JSON."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnusableMember:
    """A member that cannot be used as a cell, and why."""

    why: str


def rows_of_json(text: str, redact: Callable[[str], str]) -> list[Cells]:
    """Return the cells of each row; a list of objects is a list of rows.

    Args:
        text: of the file.
        redact: removes secrets from each name and text, after JSON's escapes are decoded.

    Raises:
        ValueError: it is not JSON, or no object or list of objects.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return _object([(_plain(name, redact), _plain(value, redact)) for name, value in pairs])

    read = json.JSONDecoder(
        parse_int=JsonNumber,
        parse_float=JsonNumber,
        parse_constant=JsonNumber,
        object_pairs_hook=members,
    )
    try:
        loaded = read.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}{_odd(text[error.pos :][:1])}") from None
    except RecursionError:
        raise ValueError("not an evaluation: the JSON is nested too deeply") from None
    return [_cells(each) for each in (loaded if isinstance(loaded, list) else [loaded])]


def _odd(character: str) -> str:
    invisible = first_invisible(character)
    return f": there is the character {invisible}" if invisible else ""


def _plain(value: Any, redact: Callable[[str], str]) -> Any:
    """Return a text without secrets and without invisible edges; another value as it is."""
    plain = isinstance(value, str) and not isinstance(value, JsonNumber)
    return redact(without_edges(value)) if plain else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    require_distinct([name for name, _ in pairs], "members")
    return dict(pairs)


def _cells(loaded: object) -> Cells:
    """Return the members of an object as cells; those of `metrics` as if they were its own."""
    if not _is_object(loaded):
        raise ValueError(
            'not an evaluation: write an object such as {"AUC": 0.9}, {"metrics": {…}}, '
            "or a list of such objects"
        )
    beside: Cells = []
    within: list[tuple[str, Cells]] = []
    for name, value in loaded.items():
        members = _members(value) if _TRANSPARENT.fullmatch(folded(name)) else None
        if members is None:
            beside.append((name, value))
        else:
            within.append((name, members))
    require_distinct([folded(name) for name, _ in within], "objects")
    wrapper = f"`{within[0][0]}` and beside it" if len(within) == 1 else "several objects"
    each = [*(members for _, members in within), beside]
    return _once([list(_leaves(members)) for members in each], wrapper)


def _members(value: object) -> Cells | None:
    """Return the members of an object, or of a list of objects with a name and a value each."""
    if _is_object(value):
        return list(value.items())
    if not isinstance(value, list) or not value:
        return None
    pairs = [_pair(each) for each in value]
    return None if None in pairs else [pair for pair in pairs if pair]


def _pair(each: object) -> tuple[str, object] | None:
    if not _is_object(each) or not isinstance(each.get("name"), str):
        return None
    match [value for name, value in each.items() if name.casefold() in _VALUE]:
        case [value]:
            return str(each["name"]), value
        case _:
            return None


def _leaves(members: Cells, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield each value that is not an object, named by its path, joined by dots.

    A member `value` has the name of its object.
    """
    for name, value in members:
        here = path + name
        if not _is_object(value) or not value or depth == _DEEPEST:
            yield here, value
            continue
        rest: Cells = []
        valued = False
        for inner, found in value.items():
            if inner.casefold() in _VALUE and not isinstance(found, dict | list):
                valued = True
                yield here, found
            else:
                rest.append((inner, found))
        if not valued:
            hint = f"name a member of it, such as {short(f'{here}.{rest[0][0]}')}"
            yield here, UnusableMember(f"is an object, not a number: {hint}")
        yield from _leaves(rest, f"{here}.", depth + 1)


def _once(sources: list[Cells], several: str) -> Cells:
    """Return all cells; a name that occurs several times cannot be used."""
    names = [name for source in sources for name, _ in source]
    sources_of = Counter(
        each for source in sources for each in {folded(name) for name, _ in source}
    )
    exactly = Counter(names)
    twice = UnusableMember("is there more than once: rename one")
    several_sources = UnusableMember(f"is in {several}: rename one")
    return [
        (
            name,
            several_sources
            if sources_of[folded(name)] > 1
            else twice
            if exactly[name] > 1
            else value,
        )
        for source in sources
        for name, value in source
    ]


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)
