"""Reads the scores for the rows of a request from an endpoint's answer.

Servers answer lists of numbers or classes, lists of lists, tables, objects, or JSON inside of a
text. Messages name columns, and show no value.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

from shared.core.counting import counted
from shared.core.decisions.predictions import class_name, text_in
from shared.core.text import named_like, shown

_WRAPPED: Final = 3
_MOST_COLUMNS: Final = 1_000
#: How many names of an answer that is not a table are shown, such as `error`.
_FEW: Final = 3
#: What probabilities of two classes may miss 1 by: servers round.
_ROUNDING: Final = 1e-3
_TWO: Final = 2
_WHERE: Final = "name the one that counts as gate.compare.candidate"


def scores_in(
    answer: object, rows: int, column: str, positive: object, position: int | None
) -> list[str]:
    """Return the score, or the class, that an answer has for each row, as predictions keep it.

    Args:
        answer: decoded JSON.
        rows: how many were sent.
        column: of the answer, where it has several for each row.
        positive: the class that scores are for. Without a column of the configured name its
            probability counts, where there are those of two classes.
        position: of the positive class among the two of the labels, sorted, as models list them;
            None: there are not two.

    Raises:
        ValueError: it does not say a score for each row, or not which one counts.
    """
    found = _columns(_unwrapped(decoded(answer), rows), rows)
    name = _chosen(found, column, positive, position)
    return [_score(value) for value in found[name]]


def decoded(answer: object) -> object:
    """Return what a text holds that is JSON itself, as scoring scripts often answer it."""
    if isinstance(answer, str) and answer.lstrip()[:1] in ("[", "{"):
        try:
            inner: object = json.loads(answer)
        except (ValueError, RecursionError):
            return answer
        return inner
    return answer


def _unwrapped(value: object, rows: int) -> object:
    """Return what is inside of objects with one member, unless that is the column of a table."""
    for _ in range(_WRAPPED):
        if not isinstance(value, Mapping) or len(value) != 1:
            break
        (inner,) = value.values()
        if not isinstance(inner, Mapping | list) or (rows == 1 and inner == []):
            break
        value = inner
    return value


def _columns(value: object, rows: int) -> dict[str, list[object]]:
    """Return the values of each column, for each row one."""
    if isinstance(value, Mapping) and value:
        value = _by_rows(value, rows)
    if not isinstance(value, list):
        raise ValueError("the answer is not a list of rows")  # noqa: TRY004
    if len(value) != rows:
        raise ValueError(f"the answer has {counted(len(value), 'row')} for {rows}")
    leaves = [_leaves(row) for row in value]
    names = leaves[0].keys()
    if not names or len(names) > _MOST_COLUMNS:
        raise ValueError(f"the answer has {counted(len(names), 'column')}")
    if any(row.keys() != names for row in leaves):
        raise ValueError("the rows of the answer have different columns")
    return {name: [row[name] for row in leaves] for name in names}


def _by_rows(value: Mapping[str, object], rows: int) -> list[object]:
    """Return the rows of a table that is an object of columns, or of positions as pandas writes it.

    Many names are in no message where it is not a table: a model may answer by the ids of rows.
    """
    if (numbered := _in_order(value, rows)) is not None:
        return numbered
    columns = [_in_order(one, rows) if isinstance(one, Mapping) else one for one in value.values()]
    known = [one for one in columns if isinstance(one, list) and len(one) == rows]
    if len(known) != len(value):
        few = len(value) <= _FEW and len(value) != rows
        what = shown([str(name) for name in value]) if few else counted(len(value), "member")
        raise ValueError(f"the answer is an object with {what}, and not each is a list of the rows")
    return [dict(zip(value, row, strict=True)) for row in zip(*known, strict=True)]


def _in_order(value: Mapping[str, object], rows: int) -> list[object] | None:
    """Return the value of each position, from 0 on; None: the names are not positions.

    Lists and objects are the columns of a table, which may be named by positions too.
    """
    found = [value.get(str(at), []) for at in range(rows)] if len(value) == rows else [[]]
    return None if any(isinstance(one, Mapping | list) for one in found) else found


def _leaves(row: object) -> dict[str, object]:
    """Return the values of one row by their names; those of a list by their positions."""
    if isinstance(row, Mapping):
        found: dict[str, object] = {}
        for name, one in row.items():
            inner = _leaves(one) if isinstance(one, Mapping | list) else {"": one}
            found |= {f"{name}.{key}" if key else str(name): part for key, part in inner.items()}
        return found
    if isinstance(row, list):
        if len(row) == 1 and not isinstance(row[0], Mapping | list):
            return {"": row[0]}
        if any(isinstance(one, Mapping | list) for one in row):
            raise ValueError("a row of the answer is nested too deeply")
        return {str(at): one for at, one in enumerate(row)}
    return {"": row}


def _chosen(
    found: Mapping[str, Sequence[object]], column: str, positive: object, position: int | None
) -> str:
    names = list(found)
    if len(names) == 1:
        return names[0]
    meant = named_like(names, column)
    if len(meant) == 1:
        return meant[0]
    if position is not None and len(names) == _TWO and _are_probabilities(found):
        ends = [class_name(name.rpartition(".")[2]) for name in names]
        if ends == ["0", "1"]:  # positions in a list, or these classes
            return names[position]
        if class_name(positive) in ends:
            return names[ends.index(class_name(positive))]
    raise ValueError(f"the answer has the columns {shown(names)}: {_WHERE}")


def _are_probabilities(found: Mapping[str, Sequence[object]]) -> bool:
    """Whether two columns add up to 1 in each row."""
    for pair in zip(*found.values(), strict=True):
        numbers = [one for one in pair if isinstance(one, int | float) and 0 <= one <= 1]
        if len(numbers) != _TWO or not math.isclose(sum(numbers), 1, abs_tol=_ROUNDING):
            return False
    return True


def _score(value: object) -> str:
    if isinstance(value, Mapping | list):
        raise ValueError("a score of the answer is nested too deeply")  # noqa: TRY004
    return text_in(value)
