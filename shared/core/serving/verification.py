"""Is the new model live? Judged from what the endpoint answers, never from an accepted update.

The services accept an update and switch later, or accept it and change nothing. Every verdict
is one of looks, not of time: the gaps between them count as
`shared.core.serving.probe_series` says. Only the service's own word that the update failed is
final at once (docs/decisions/0007).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.core.counting import counted
from shared.core.serving.probe_series import NO_LOOKS, Looks, Says
from shared.core.serving.probes import Look, ProbeAnswers, Progress, Seen


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
    looks: Looks = NO_LOOKS  #: with the present look, apart from what it saw


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a judgement is made from, apart from the present look."""

    target: str  #: `container/name` of the model that should serve
    before: ProbeAnswers | None
    looks: Looks  #: those before the present one
    within: timedelta  #: how long the endpoint may take to switch
    every: timedelta  #: the usual time between two looks
    expected: ProbeAnswers | None = None  #: what a model that served before is known to answer

    @property
    def known(self) -> bool:
        """Whether the answers from before can be compared with those now."""
        return self.before is not None and self.before.seen is not Seen.NO_ANSWER

    def given(self, probe: ProbeAnswers) -> "tuple[Case, ProbeAnswers]":
        """Return the case as this probe can be compared with, and what the probe showed.

        Answers to other rows are left out of it; a score column that was there before and is
        gone makes a look broken (design rule 9).
        """
        before = _fitting(self.before, probe)
        last, earlier = (
            kept and _complete(before, kept)
            for kept in (_fitting(self.looks.last, probe), _fitting(self.looks.earlier, probe))
        )
        looks = self.looks.model_copy(update={"last": last, "earlier": earlier})
        expected = _fitting(self.expected, probe)
        case = replace(self, before=before, looks=looks, expected=expected)
        return case, _complete(before, probe)

    def again(self, probe: ProbeAnswers) -> bool:
        """Whether the last look was good and gave the same answers as this one."""
        return self.looks.last is not None and probe.agrees_with(self.looks.last)

    def moved(self, probe: ProbeAnswers | None) -> bool:
        """Whether these are good answers, and other ones than before."""
        if probe is None or self.before is None or not self.known:
            return False
        return probe.seen is Seen.GOOD and not probe.agrees_with(self.before)


def judge_update(case: Case, look: Look, at: datetime) -> Judgement:
    """Return what this look, after those before it, says of a new model.

    Args:
        case: what is known.
        look: the present look.
        at: the time of it.
    """
    return _or_unsettled(case, _judged_update(case, look, at))


def _judged_update(case: Case, look: Look, at: datetime) -> Judgement:
    if look.progress is Progress.FAILED:
        return Judgement(Verdict.BROKEN, f"the service could not apply the update: {look.detail}")
    if look.progress is Progress.PENDING:
        return _pending(case, at)
    probe = look.probe
    if probe is not None:
        case, probe = case.given(probe)
    broken = probe is not None and probe.seen is Seen.BROKEN
    if look.progress is Progress.DONE and look.configured not in (None, case.target) and not broken:
        # Some updates are accepted and change nothing (studio-classic §4).
        why = f"the update was accepted, and the service still names {look.configured}"
        return _against(case, why, at)
    if probe is None:
        named = look.configured == case.target
        how = "by read-back only" if named else "no probe rows are configured"
        return Judgement(Verdict.LIVE, f"unproven: {how}")
    if probe.seen is not Seen.GOOD:
        return _judge_bad(case, probe, at)
    if case.expected is not None:
        return _judge_expected(case, case.expected, probe, at)
    if not case.known:
        return _judge_unknown(case, probe, at)
    return _judge_moved(case, probe, at) or _judge_unmoved(case, look, at)


def judge_return(case: Case, look: Look, at: datetime, *, patient: bool) -> Judgement:
    """Return what this look says of the model that was put back.

    `LIVE` means that the endpoint again answers as it did before the update, twice in a row.

    Args:
        case: what is known.
        look: the present look.
        at: the time of it.
        patient: whether an update may still be on its way, so that answers as before prove
            nothing until they have lasted for the time that a switch may take.
    """
    return _or_unsettled(case, _judged_return(case, look, at, patient=patient))


def _judged_return(case: Case, look: Look, at: datetime, *, patient: bool) -> Judgement:
    if look.progress is Progress.FAILED:
        return Judgement(Verdict.BROKEN, f"the old model could not be put back: {look.detail}")
    if look.progress is Progress.PENDING:
        return _pending(case, at)
    if look.probe is None:
        return Judgement(Verdict.LIVE, "unproven: no probe rows are configured")
    case, probe = case.given(look.probe)
    silent = probe.seen is Seen.NO_ANSWER
    wanted = _as_wanted(case, probe)
    says = Says.FOR if wanted else Says.SILENT if silent else Says.AGAINST
    looks = case.looks.after(says, at, case.every)
    before = case.looks.last is not None and _as_wanted(case, case.looks.last)
    if wanted and before and (not patient or looks.lasted(Says.FOR, case.within)):
        why = "answers as before the update, on two looks running"
        return Judgement(Verdict.LIVE, why, looks=looks)
    why = probe.detail or "the answers are not those from before the update"
    gone = looks.lasted(Says.AGAINST, case.within) or looks.bad.lasted(case.within)
    verdict = Verdict.BROKEN if gone else Verdict.WAIT
    return Judgement(verdict, why, looks=looks)


def _pending(case: Case, at: datetime) -> Judgement:
    looks = case.looks.after(Says.PENDING, at, case.every)
    verdict = Verdict.BROKEN if looks.lasted(Says.PENDING, case.within) else Verdict.WAIT
    return Judgement(verdict, "the update has not come to an end", looks=looks)


def _against(case: Case, why: str, at: datetime) -> Judgement:
    looks = case.looks.after(Says.AGAINST, at, case.every)
    verdict = Verdict.UNCHANGED if looks.lasted(Says.AGAINST, case.within) else Verdict.WAIT
    return Judgement(verdict, why, looks=looks)


def _judge_moved(case: Case, probe: ProbeAnswers, at: datetime) -> Judgement | None:
    """Judge answers that differ from before; None where they do not."""
    if not case.moved(probe):
        return None
    looks = case.looks.after(Says.FOR, at, case.every)
    if case.again(probe):
        why = "answers moved and agree on two looks running"
        return Judgement(Verdict.LIVE, why, steady=True, looks=looks)
    if case.moved(case.looks.last) and case.moved(case.looks.earlier):
        # A model that is not deterministic: no look agrees with another, and none with before.
        return Judgement(Verdict.LIVE, "unproven: answers vary", looks=looks)
    return Judgement(Verdict.WAIT, "answers moved: one more look", looks=looks)


def _judge_unmoved(case: Case, look: Look, at: datetime) -> Judgement:
    looks = case.looks.after(Says.AGAINST, at, case.every)
    if not looks.lasted(Says.AGAINST, case.within):
        return Judgement(Verdict.WAIT, "answers have not moved yet", looks=looks)
    if look.configured != case.target:
        why = "the update was accepted; the answers stayed the same"
        return Judgement(Verdict.UNCHANGED, why, looks=looks)
    if look.progress is Progress.DONE:
        why = "the service says so; the answers stayed the same"
        return Judgement(Verdict.LIVE, why, steady=True, looks=looks)
    # Without a status of the update, this says what was asked for and not what serves.
    why = "the new model is named; the answers stayed the same"
    return Judgement(Verdict.UNCHANGED, why, looks=looks)


def _judge_unknown(case: Case, probe: ProbeAnswers, at: datetime) -> Judgement:
    looks = case.looks.after(Says.OPEN, at, case.every)
    why = "unproven: there were no answers before to compare with"
    verdict = Verdict.LIVE if looks.lasted(Says.OPEN, case.within) else Verdict.WAIT
    return Judgement(verdict, why, steady=case.again(probe), looks=looks)


def _judge_expected(
    case: Case, expected: ProbeAnswers, probe: ProbeAnswers, at: datetime
) -> Judgement:
    """Judge a model that is set again: it must answer as it did when it was proved."""
    if not probe.agrees_with(expected):
        return _against(case, "the answers are not those that this model is known for", at)
    looks = case.looks.after(Says.FOR, at, case.every)
    moved = case.before is not None and not probe.agrees_with(case.before)
    if case.again(probe) and (moved or looks.lasted(Says.FOR, case.within)):
        why = "answers as it did when it was proved, on two looks running"
        return Judgement(Verdict.LIVE, why, steady=True, looks=looks)
    why = "answers as it did when it was proved: one more look"
    return Judgement(Verdict.WAIT, why, looks=looks)


def _judge_bad(case: Case, probe: ProbeAnswers, at: datetime) -> Judgement:
    silent = probe.seen is Seen.NO_ANSWER
    looks = case.looks.after(Says.SILENT if silent else Says.BAD, at, case.every)
    if not looks.bad.lasted(case.within):
        return Judgement(Verdict.WAIT, probe.detail, looks=looks)
    if case.known or looks.says not in (None, Says.PENDING):  # else there was only silence
        why = f"no good answer on {counted(looks.bad.looks, 'look')} running: {probe.detail}"
        return Judgement(Verdict.BROKEN, why, looks=looks)
    why = "unproven: the endpoint answered neither before nor after"
    return Judgement(Verdict.LIVE, why, looks=looks)


def _or_unsettled(case: Case, judged: Judgement) -> Judgement:
    """Return the judgement, or that there will never be one."""
    if judged.verdict is not Verdict.WAIT or not judged.looks.unsettled(case.within):
        return judged
    why = f"{counted(judged.looks.all.looks, 'look')} agreed on nothing, the last: {judged.why}"
    return replace(judged, verdict=Verdict.BROKEN, why=why)


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
