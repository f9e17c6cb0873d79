"""Is the new model live? Judged from what the endpoint answers, never from an accepted update.

The services accept an update and switch later, or accept it and change nothing; a model
that does not fit fails only when it is scored (contract studio-classic §2, §3, §4 traps).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    REFUSED = "refused"  #: the probe's URL or key is refused


class ProbeAnswers(BaseModel):
    """The endpoint's answers for the probe rows at one moment: score columns only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seen: Seen
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    detail: str = ""
    request: str = ""  #: digest of the probe rows: answers to other rows tell nothing of these

    def agrees_with(self, other: "ProbeAnswers") -> bool:
        """Whether both are good and hold the same scores, within the last digits of a float."""
        if self.seen is not Seen.GOOD or other.seen is not Seen.GOOD:
            return False
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
    steady: bool = False  #: whether the answers are the same from look to look


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a judgement is made from, apart from the present look."""

    target: str  #: `container/name` of the model that should serve
    before: ProbeAnswers | None
    last: ProbeAnswers | None
    deadline: datetime
    final: datetime  #: when what varies from look to look is settled all the same
    expected: ProbeAnswers | None = None  #: what a model that served before is known to answer

    @property
    def known(self) -> bool:
        """Whether the answers from before can be compared with those now."""
        return self.before is not None and self.before.seen is not Seen.NO_ANSWER

    def given(self, look: Look) -> "tuple[Case, ProbeAnswers | None]":
        """Return the case as this look's probe can be compared with, and what it showed.

        Answers to other rows are left out of it; a score column that was there before and is
        gone makes a look broken (rule 9).
        """
        probe = look.probe
        if probe is None:
            return self, None
        before = _fitting(self.before, probe)
        last = _fitting(self.last, probe)
        expected = _fitting(self.expected, probe)
        last = last and _complete(before, last)
        case = replace(self, before=before, last=last, expected=expected)
        return case, _complete(before, probe)


def judge_update(case: Case, look: Look, now: datetime) -> Judgement:
    """Return what this look, after those before it, says of a new model."""
    if look.progress is Progress.FAILED:
        return Judgement(Verdict.BROKEN, f"the service could not apply the update: {look.detail}")
    late = now >= case.deadline
    if look.progress is Progress.PENDING:
        why = "the update has not come to an end"
        return Judgement(Verdict.BROKEN if late else Verdict.WAIT, why)
    case, probe = case.given(look)
    broken = probe is not None and probe.seen is Seen.BROKEN
    if look.progress is Progress.DONE and look.configured not in (None, case.target) and not broken:
        # Some updates are accepted and change nothing (contract studio-classic §4, traps).
        why = f"the update was accepted, and the service still names {look.configured}"
        return Judgement(Verdict.UNCHANGED if late else Verdict.WAIT, why)
    if probe is None:
        named = look.configured == case.target
        how = "by read-back only" if named else "no probe rows are configured"
        return Judgement(Verdict.LIVE, f"unproven: {how}")
    if probe.seen is Seen.GOOD and case.expected is not None:
        return _judge_expected(case, case.expected, probe, late=late)
    if probe.seen is Seen.GOOD:
        return _judge_good(case, look, probe, late=late, final=now >= case.final)
    return _judge_bad(case, probe, late=late, final=now >= case.final)


def judge_return(case: Case, look: Look, now: datetime, *, patient: bool) -> Judgement:
    """Return what this look says of the model that was put back.

    `LIVE` means that the endpoint again answers as it did before the update, twice running.

    Args:
        case: what is known.
        look: the present look.
        now: the time of it.
        patient: whether an update may still be on its way, so that answers as before prove
            nothing until it has had its time.
    """
    late, final = now >= case.deadline, now >= case.final
    if look.progress is Progress.FAILED or (look.progress is Progress.PENDING and late):
        return Judgement(Verdict.BROKEN, f"the old model could not be put back: {look.detail}")
    if look.progress is Progress.PENDING:
        return Judgement(Verdict.WAIT, "the update has not come to an end")
    case, probe = case.given(look)
    if probe is None:
        return Judgement(Verdict.LIVE, "unproven: no probe rows are configured")
    as_wanted = _as_wanted(case, probe)
    wanted_before = case.last is not None and _as_wanted(case, case.last)
    if as_wanted and wanted_before and (late or not patient):
        return Judgement(Verdict.LIVE, "answers as before the update, on two looks running")
    silent = probe.seen is Seen.NO_ANSWER  # which proves nothing before all time is over
    gone = not wanted_before and not silent
    given_up = not as_wanted and case.last is not None and (final or gone)
    why = probe.detail or "the answers are not those from before the update"
    return Judgement(Verdict.BROKEN if late and given_up else Verdict.WAIT, why)


def _judge_good(
    case: Case, look: Look, probe: ProbeAnswers, *, late: bool, final: bool
) -> Judgement:
    before, last = case.before, case.last
    again = last is not None and probe.agrees_with(last)
    if case.known and before is not None and not probe.agrees_with(before):
        if again:
            why = "answers moved and agree on two looks running"
            return Judgement(Verdict.LIVE, why, steady=True)
        varies = last is not None and last.seen is Seen.GOOD and not last.agrees_with(before)
        if late and (varies or final):
            return Judgement(Verdict.LIVE, "answers moved, and vary from look to look")
        return Judgement(Verdict.WAIT, "answers moved: one more look")
    if not late:
        return Judgement(Verdict.WAIT, "answers have not moved yet")
    if not case.known:
        why = "unproven: there were no answers before to compare with"
        return Judgement(Verdict.LIVE if again or final else Verdict.WAIT, why, steady=again)
    if look.configured != case.target:
        return Judgement(Verdict.UNCHANGED, "the update was accepted; the answers stayed the same")
    if look.progress is Progress.DONE:
        why = "the service says so; the answers stayed the same"
        return Judgement(Verdict.LIVE, why, steady=True)
    # Without a status of the update, this says what was asked for and not what serves.
    return Judgement(Verdict.UNCHANGED, "the new model is named; the answers stayed the same")


def _judge_expected(
    case: Case, expected: ProbeAnswers, probe: ProbeAnswers, *, late: bool
) -> Judgement:
    """Judge a model that is set again: it must answer as it did when it was proved."""
    again = case.last is not None and probe.agrees_with(case.last)
    if not probe.agrees_with(expected):
        why = "the answers are not those that this model is known for"
        return Judgement(Verdict.UNCHANGED if late else Verdict.WAIT, why)
    moved = case.before is not None and not probe.agrees_with(case.before)
    if again and (moved or late):
        why = "answers as it did when it was proved, on two looks running"
        return Judgement(Verdict.LIVE, why, steady=True)
    return Judgement(Verdict.WAIT, "answers as it did when it was proved: one more look")


def _judge_bad(case: Case, probe: ProbeAnswers, *, late: bool, final: bool) -> Judgement:
    last = case.last
    if last is None or last.seen is Seen.GOOD:
        return Judgement(Verdict.WAIT, probe.detail)  # twice running, or it says nothing
    if Seen.NO_ANSWER not in (last.seen, probe.seen):
        return Judgement(Verdict.BROKEN, probe.detail)
    silent = last.seen is probe.seen is Seen.NO_ANSWER
    if not late or (silent and not final):
        return Judgement(Verdict.WAIT, probe.detail)  # silence proves nothing before its time
    if case.known or Seen.BROKEN in (last.seen, probe.seen):
        return Judgement(Verdict.BROKEN, f"no good answer until the deadline: {probe.detail}")
    return Judgement(Verdict.LIVE, "unproven: the endpoint answered neither before nor after")


def _fitting(kept: ProbeAnswers | None, probe: ProbeAnswers) -> ProbeAnswers | None:
    return kept if kept is not None and kept.request == probe.request else None


def _complete(before: ProbeAnswers | None, probe: ProbeAnswers) -> ProbeAnswers:
    gone = set(before.columns) - set(probe.columns) if before else set()
    if probe.seen is not Seen.GOOD or not gone:
        return probe
    detail = f"score column {min(gone)!r} is missing"
    return probe.model_copy(update={"seen": Seen.BROKEN, "detail": detail})


def _as_wanted(case: Case, probe: ProbeAnswers) -> bool:
    if not case.known or case.before is None:
        return probe.seen is Seen.GOOD
    if case.before.seen is Seen.GOOD:
        return probe.agrees_with(case.before)
    return probe.seen is not Seen.NO_ANSWER  # it was broken before: nothing better to go back to


def read_answers(request: Mapping[str, Any], answer: object, wanted: int) -> ProbeAnswers:
    """Return the scores in a request-response answer to `request` of `wanted` rows.

    Reads both documented forms, table and row objects, and judges the content: a missing
    score column, a wrong row count or a number that is not finite is a broken model. Of
    several outputs the first that holds good scores counts.
    """
    results = answer.get("Results") if isinstance(answer, dict) else None
    if not isinstance(results, dict):  # whoever answered, it was not a model
        return ProbeAnswers(seen=Seen.NO_ANSWER, detail="the answer is not one of a model")
    read = [_read_output(request, output, wanted) for output in results.values()]
    if not read:
        return ProbeAnswers(seen=Seen.BROKEN, detail="the answer holds no table of results")
    return next((answers for answers in read if answers.seen is Seen.GOOD), read[0])


def _read_output(request: Mapping[str, Any], output: object, wanted: int) -> ProbeAnswers:
    table = _table(output)
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
