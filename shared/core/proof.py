"""Is the new model live? Judged from what the endpoint answers, never from an accepted update.

The services accept an update and switch later, or accept it and change nothing; a model
that does not fit fails only when it is scored (contract studio-classic §2, §3, §4 traps).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

_SCORED: Final = "scored "
_RELATIVE: Final = 1e-9


class Seen(StrEnum):
    """What one scoring of the probe rows showed."""

    GOOD = "good"
    NO_ANSWER = "no_answer"  #: busy, starting up, not reachable: says nothing about the model
    BROKEN = "broken"  #: the model, not the road to it, is at fault


class ProbeAnswers(BaseModel):
    """The endpoint's answers for the probe rows at one moment: score columns only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: Seen
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    detail: str = ""

    def agrees_with(self, other: "ProbeAnswers") -> bool:
        """Whether both hold the same scores, within the last digits of a float."""
        if self.columns != other.columns or len(self.rows) != len(other.rows):
            return False
        pairs = zip(self.rows, other.rows, strict=True)
        return all(len(a) == len(b) and all(map(_same, a, b)) for a, b in pairs)


class Progress(StrEnum):
    """What the service itself says about an update."""

    UNTOLD = "untold"  #: it has no status to ask for (Studio Classic)
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an endpoint after an update."""

    progress: Progress
    probe: ProbeAnswers | None  #: None: nothing to score with
    configured: str | None = None  #: `container/name` the endpoint says it was given
    detail: str = ""


class Verdict(StrEnum):
    """What looks so far amount to."""

    WAIT = "wait"
    LIVE = "live"
    UNCHANGED = "unchanged"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and why, for people."""

    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a judgement is made from, apart from the present look."""

    target: str  #: `container/name` of the model that should serve
    before: ProbeAnswers | None
    last: ProbeAnswers | None
    deadline: datetime
    final: datetime  #: when what varies from look to look is settled all the same


def judge_update(case: Case, look: Look, now: datetime) -> Judgement:
    """Return what this look, after those before it, says of a new model."""
    if look.progress is Progress.FAILED:
        return Judgement(Verdict.BROKEN, f"the service could not apply the update: {look.detail}")
    late = now >= case.deadline
    if look.progress is Progress.PENDING:
        why = "the update has not come to an end"
        return Judgement(Verdict.BROKEN if late else Verdict.WAIT, why)
    if look.probe is None:
        named = look.configured == case.target
        how = "by read-back only" if named else "no probe rows are configured"
        return Judgement(Verdict.LIVE, f"unproven: {how}")
    if look.probe.seen is Seen.GOOD:
        return _judge_good(case, look, look.probe, late=late, final=now >= case.final)
    if look.probe.seen is Seen.BROKEN:
        again = case.last is not None and case.last.seen is Seen.BROKEN
        broken = again or now >= case.final
        return Judgement(Verdict.BROKEN if broken else Verdict.WAIT, look.probe.detail)
    if not late:
        return Judgement(Verdict.WAIT, look.probe.detail)
    if case.before is not None and case.before.seen is Seen.GOOD:
        why = f"no good answer until the deadline, though there was one before: {look.probe.detail}"
        return Judgement(Verdict.BROKEN, why)
    return Judgement(Verdict.LIVE, "unproven: the endpoint answered neither before nor after")


def judge_return(case: Case, look: Look, now: datetime) -> Judgement:
    """Return what this look says of the model that was put back.

    `LIVE` means that the endpoint again answers as it did before the update.
    """
    late = now >= case.deadline
    if look.progress is Progress.FAILED or (look.progress is Progress.PENDING and late):
        return Judgement(Verdict.BROKEN, f"the old model could not be put back: {look.detail}")
    if look.progress is Progress.PENDING:
        return Judgement(Verdict.WAIT, "the update has not come to an end")
    if look.probe is None:
        return Judgement(Verdict.LIVE, "unproven: no probe rows are configured")
    good = look.probe.seen is Seen.GOOD
    known = case.before is not None and case.before.seen is Seen.GOOD
    if good and _as_wanted(case, look.probe, known=known) and _agrees(case.last, look.probe):
        return Judgement(Verdict.LIVE, "answers as before the update, on two looks running")
    if late:
        why = look.probe.detail or "the answers are not those from before the update"
        return Judgement(Verdict.BROKEN, why)
    return Judgement(Verdict.WAIT, look.probe.detail)


def _judge_good(
    case: Case, look: Look, probe: ProbeAnswers, *, late: bool, final: bool
) -> Judgement:
    comparable = case.before is not None and case.before.seen is not Seen.NO_ANSWER
    moved = comparable and case.before is not None and not probe.agrees_with(case.before)
    if moved and _agrees(case.last, probe):
        return Judgement(Verdict.LIVE, "answers moved and agree on two looks running")
    if moved and late:
        return _judge_varying(case, final=final)
    if not late:
        return Judgement(Verdict.WAIT, "answers have not moved yet" if not moved else "one look")
    if look.configured == case.target:
        return Judgement(Verdict.LIVE, "the endpoint names the new model; its answers did not move")
    if not comparable:
        return Judgement(Verdict.LIVE, "unproven: there were no answers before to compare with")
    return Judgement(Verdict.UNCHANGED, "the update was accepted and the answers stayed the same")


def _judge_varying(case: Case, *, final: bool) -> Judgement:
    last, before = case.last, case.before
    good = last is not None and last.seen is Seen.GOOD
    moved = last is not None and before is not None and not last.agrees_with(before)
    if final or (good and moved):
        return Judgement(Verdict.LIVE, "answers moved, and vary from look to look")
    return Judgement(Verdict.WAIT, "answers moved only now: one more look")


def _as_wanted(case: Case, probe: ProbeAnswers, *, known: bool) -> bool:
    return not known or (case.before is not None and probe.agrees_with(case.before))


def _agrees(last: ProbeAnswers | None, probe: ProbeAnswers) -> bool:
    return last is not None and last.seen is Seen.GOOD and probe.agrees_with(last)


def read_answers(request: Mapping[str, Any], answer: object, wanted: int) -> ProbeAnswers:
    """Return the scores in a request-response answer to `request` of `wanted` rows.

    Reads both documented forms, table and row objects, and judges the content: a missing
    score column, a wrong row count or a number that is not finite is a broken model.
    """
    table = _table(answer)
    if table is None:
        return ProbeAnswers(seen=Seen.BROKEN, detail="the answer holds no table of results")
    columns, rows = table
    if len(rows) != wanted:
        detail = f"{len(rows)} rows came back for {wanted} probe rows"
        return ProbeAnswers(seen=Seen.BROKEN, detail=detail)
    given = _given_columns(request)
    picked = [i for i, name in enumerate(columns) if name.lower().startswith(_SCORED)]
    picked = picked or [i for i, name in enumerate(columns) if name not in given]
    if not picked:
        return ProbeAnswers(seen=Seen.BROKEN, detail="the answer holds no score column")
    if any(len(row) != len(columns) for row in rows):
        return ProbeAnswers(seen=Seen.BROKEN, detail="a row has another length than the header")
    scores = tuple(tuple(str(row[i]) for i in picked) for row in rows)
    if any(not _finite(cell) for row in scores for cell in row):
        return ProbeAnswers(seen=Seen.BROKEN, detail="a score is empty or not a finite number")
    return ProbeAnswers(seen=Seen.GOOD, columns=tuple(columns[i] for i in picked), rows=scores)


def _table(answer: object) -> tuple[Sequence[str], Sequence[Sequence[object]]] | None:
    results = answer.get("Results") if isinstance(answer, dict) else None
    if not isinstance(results, dict) or not results:
        return None
    first = next(iter(results.values()))
    if isinstance(first, list) and first and all(isinstance(row, dict) for row in first):
        columns = [str(name) for name in first[0]]
        return columns, [[row.get(name) for name in columns] for row in first]
    value = first.get("value") if isinstance(first, dict) else None
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
