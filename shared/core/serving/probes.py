"""What an endpoint shows when it is looked at: its answers for the probe rows, read and compared.

A model that does not fit fails only when it is scored (studio-classic §2, §3).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from shared.core.counting import counted

_SCORED: Final = "scored "
_RELATIVE: Final = 1e-9


class ProbeOutcome(StrEnum):
    """What one scoring of the probe rows showed."""

    GOOD = "good"
    NO_ANSWER = "no_answer"  #: busy, starting up, not reachable: says nothing about the model
    BROKEN = "broken"  #: the model, not the road to it, is at fault
    REFUSED = "refused"  #: the probe's URL or key is refused


class ProbeAnswers(BaseModel):
    """The endpoint's answers for the probe rows at one moment: score columns only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: ProbeOutcome
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    detail: str = ""
    request: str = ""  #: digest of the probe rows: answers to other rows tell nothing of these

    def agrees_with(self, other: "ProbeAnswers") -> bool:
        """Whether both are good and hold the same scores, within the last digits of a float."""
        if self.seen is not ProbeOutcome.GOOD or other.seen is not ProbeOutcome.GOOD:
            return False
        if self.columns != other.columns or len(self.rows) != len(other.rows):
            return False
        pairs = zip(self.rows, other.rows, strict=True)
        return all(len(a) == len(b) and all(map(_same, a, b)) for a, b in pairs)


class UpdateProgress(StrEnum):
    """What the service itself says about an update."""

    NOT_REPORTED = "not_reported"  #: it has no status to ask for (Studio Classic)
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EndpointCheck:
    """One look at an endpoint after an update."""

    progress: UpdateProgress
    probe: ProbeAnswers | None  #: None: nothing to score with
    configured: str | None = None  #: `container/name` the endpoint says it was given
    detail: str = ""


def read_answers(request: Mapping[str, Any], answer: object, wanted: int) -> ProbeAnswers:
    """Return the scores in a request-response answer to `request` of `wanted` rows.

    Reads both documented forms, table and row objects, and judges the content: a missing
    score column, a wrong row count or a number that is not finite is a broken model. Of
    several outputs the first that holds good scores counts.
    """
    results = answer.get("Results") if isinstance(answer, dict) else None
    if not isinstance(results, dict):  # whoever answered, it was not a model
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


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=_RELATIVE)
    except ValueError:
        return False
