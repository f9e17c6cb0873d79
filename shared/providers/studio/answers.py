"""Reads the scores in an answer of Studio's request-response service (studio-classic §2)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.core.counting import counted
from shared.core.serving.probes import ProbeAnswers, ProbeOutcome

_SCORED: Final = "scored "


def read_answers(request: Mapping[str, Any], answer: object, wanted: int) -> ProbeAnswers:
    """Return the scores in a request-response answer to `request` of `wanted` rows.

    Both documented forms are read, table and row objects, and the content is checked: a missing
    score column, a wrong row count or a number that is not finite is a broken model. Of
    several outputs the first that holds good scores counts.

    Args:
        request: the request with the probe rows.
        answer: the body of the answer.
        wanted: how many rows there must be.
    """
    results = answer.get("Results") if isinstance(answer, dict) else None
    if not isinstance(results, dict):  # the answer does not come from a model
        return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail="the answer is not one of a model")
    read = [_read_output(request, output, wanted) for output in results.values()]
    if not read:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer holds no table of results")
    return next((answers for answers in read if answers.seen is ProbeOutcome.GOOD), read[0])


def _read_output(request: Mapping[str, Any], output: object, wanted: int) -> ProbeAnswers:
    table = _table(output)
    if table is None:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer holds no table of results")
    columns, rows = table
    if len(rows) != wanted:
        detail = f"{counted(len(rows), 'row')} came back for {counted(wanted, 'probe row')}"
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=detail)
    given = _given_columns(request)
    picked = [i for i, name in enumerate(columns) if name.lower().startswith(_SCORED)]
    picked = picked or [i for i, name in enumerate(columns) if name not in given]
    if not picked:
        return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail="the answer holds no score column")
    if any(len(row) != len(columns) for row in rows):
        return ProbeAnswers(
            seen=ProbeOutcome.BROKEN, detail="a row has another length than the header"
        )
    scores = tuple(tuple(str(row[i]) for i in picked) for row in rows)
    if any(not _finite(cell) for row in scores for cell in row):
        return ProbeAnswers(
            seen=ProbeOutcome.BROKEN, detail="a score is empty or not a finite number"
        )
    return ProbeAnswers(
        seen=ProbeOutcome.GOOD, columns=tuple(columns[i] for i in picked), rows=scores
    )


def _table(output: object) -> tuple[Sequence[str], Sequence[Sequence[object]]] | None:
    if isinstance(output, list) and output and all(isinstance(row, dict) for row in output):
        columns = [str(name) for name in output[0]]
        return columns, [[row.get(name) for name in columns] for row in output]
    value = output.get("value") if isinstance(output, dict) else None
    if not isinstance(value, dict):
        return None
    names, rows = value.get("ColumnNames"), value.get("Values")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    return [str(name) for name in names], [row if isinstance(row, list) else [] for row in rows]


def _given_columns(request: Mapping[str, Any]) -> set[str]:
    first = next(iter(request["Inputs"].values()))
    names = first["ColumnNames"] if isinstance(first, dict) else first[0]
    return {str(name) for name in names}


def _finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return cell.strip() not in ("", "None")  # a class label
