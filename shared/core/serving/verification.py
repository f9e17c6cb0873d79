"""Verification: finds out by probes whether an update is live, unchanged or broken.

The services accept an update and switch later, or accept it and change nothing. Every result
depends on probes, not only on time: the gaps between them count as
`shared.core.serving.probes` says. Only a status of the service that the update failed is
final at once (docs/decisions/0007).
"""

from dataclasses import replace
from datetime import timedelta

from shared.core.counting import counted
from shared.core.serving.probes import (
    EndpointCheck,
    ProbeAnswers,
    ProbeEvidence,
    ProbeOutcome,
    UpdateProgress,
)
from shared.core.serving.verification_case import (
    Verification,
    VerificationCase,
    VerificationResult,
)


def verify_update(case: VerificationCase, check: EndpointCheck) -> Verification:
    """Return what this probe, after those before it, says of a new model.

    Args:
        case: what is known.
        check: the present probe.
    """
    return _or_inconclusive(case, _verified_update(case, check))


def _verified_update(case: VerificationCase, check: EndpointCheck) -> Verification:
    if check.progress is UpdateProgress.FAILED:
        return Verification(
            VerificationResult.BROKEN, f"the service could not apply the update: {check.detail}"
        )
    if check.progress is UpdateProgress.PENDING:
        return _pending(case)
    probe = check.probe
    if probe is not None:
        case, probe = case.given(probe)
    broken = probe is not None and probe.seen is ProbeOutcome.BROKEN
    why_not = case.unapplied or _still_named(case, check)
    if why_not and not broken:
        return _against(case, why_not)
    if probe is None:
        named = check.traffic is not None or check.configured == case.target
        how = "by read-back only" if named else "no probe rows are configured"
        return Verification(VerificationResult.LIVE, f"unproven: {how}")
    if probe.seen is not ProbeOutcome.GOOD:
        return _judge_bad(case, probe)
    return _judge_good(case, check, probe)


def _still_named(case: VerificationCase, check: EndpointCheck) -> str:
    """Return that the service names another model after the update; empty where it does not.

    Some updates are accepted and change nothing (studio-classic §4).
    """
    other = check.configured not in (None, case.target)
    if check.progress is not UpdateProgress.DONE or not other:
        return ""
    return f"the update was accepted, and the service still names {check.configured}"


def _judge_good(case: VerificationCase, check: EndpointCheck, probe: ProbeAnswers) -> Verification:
    if case.pinned or (case.serves and probe.answered_by):
        named = _judge_named(case, probe)
        if named is not None:
            return named
    if case.expected is not None:
        return _judge_expected(case, case.expected, probe)
    if not case.known:
        return _judge_unknown(case, probe)
    return _judge_moved(case, probe) or _judge_unmoved(case, check)


def verify_rollback(case: VerificationCase, check: EndpointCheck, *, patient: bool) -> Verification:
    """Return what this probe says of the rollback.

    `LIVE` means that the endpoint again answers as it did before the update, twice in a row.

    Args:
        case: what is known.
        check: the present probe.
        patient: whether an update may still be in flight, so that answers as before decide
            nothing until they have lasted for the time that a switch may take.
    """
    return _or_inconclusive(case, _verified_rollback(case, check, patient=patient))


def _verified_rollback(
    case: VerificationCase, check: EndpointCheck, *, patient: bool
) -> Verification:
    if check.progress is UpdateProgress.FAILED:
        return Verification(VerificationResult.BROKEN, f"the rollback failed: {check.detail}")
    if check.progress is UpdateProgress.PENDING:
        return _pending(case)
    if case.unapplied:
        broken = Verification(VerificationResult.BROKEN, case.unapplied)
        return _lasting(case, ProbeEvidence.AGAINST, broken)
    if check.probe is None:
        return Verification(VerificationResult.LIVE, "unproven: no probe rows are configured")
    case, probe = case.given(check.probe)
    silent = probe.seen is ProbeOutcome.NO_ANSWER
    wanted = _as_wanted(case, probe)
    evidence = (
        ProbeEvidence.FOR if wanted else ProbeEvidence.SILENT if silent else ProbeEvidence.AGAINST
    )
    probe_series = case.after(evidence)
    before = case.probe_series.last is not None and _as_wanted(case, case.probe_series.last)
    if wanted and before and (not patient or probe_series.lasted(ProbeEvidence.FOR, case.within)):
        why = "answers as before the update, in two probes in a row"
        return Verification(VerificationResult.LIVE, why, probe_series)
    why = probe.detail or "the answers are not those from before the update"
    bad = probe_series.bad.lasted(case.within)
    gone = bad or probe_series.lasted(ProbeEvidence.AGAINST, case.within)
    verdict = VerificationResult.BROKEN if gone else VerificationResult.WAIT
    return Verification(verdict, why, probe_series)


def _pending(case: VerificationCase) -> Verification:
    why = "the update has not come to an end"
    within = case.pending_within or case.within
    return _lasting(
        case, ProbeEvidence.PENDING, Verification(VerificationResult.BROKEN, why), within
    )


def _against(case: VerificationCase, why: str) -> Verification:
    return _lasting(case, ProbeEvidence.AGAINST, Verification(VerificationResult.UNCHANGED, why))


def _lasting(
    case: VerificationCase,
    evidence: ProbeEvidence,
    then: Verification,
    within: timedelta | None = None,
) -> Verification:
    """Return a result once enough probes say this, the present one too; wait until then."""
    probe_series = case.after(evidence)
    lasted = probe_series.lasted(evidence, within or case.within)
    verdict = then.verdict if lasted else VerificationResult.WAIT
    return replace(then, verdict=verdict, probe_series=probe_series)


def _judge_named(case: VerificationCase, probe: ProbeAnswers) -> Verification | None:
    """Return the result for answers that name who gave them; None where more is to be compared.

    The name is the proof, so that equal answers of two models decide nothing
    (azure-machine-learning-v2 §5.4).
    """
    if probe.answered_by and probe.answered_by not in case.serves:
        return _against(case, f"deployment {probe.answered_by} answers")
    probe_series = case.after(ProbeEvidence.FOR)
    if case.pinned:
        why = "answers well when it is asked by its name"
        return Verification(VerificationResult.LIVE, why, probe_series)
    if case.expected is not None:
        return None
    last = case.probe_series.last
    if last is None or last.seen is not ProbeOutcome.GOOD or last.answered_by not in case.serves:
        why = f"deployment {probe.answered_by} answers: one more probe"
        return Verification(VerificationResult.WAIT, why, probe_series)
    why = f"deployment {probe.answered_by} answers two probes in a row"
    return Verification(VerificationResult.LIVE, why, probe_series, steady=probe.agrees_with(last))


def _judge_moved(case: VerificationCase, probe: ProbeAnswers) -> Verification | None:
    """Return the result for answers that differ from before; None where they do not."""
    if not case.moved(probe):
        return None
    probe_series = case.after(ProbeEvidence.FOR)
    if case.again(probe):
        why = "answers changed, and two probes in a row agree"
        return Verification(VerificationResult.LIVE, why, probe_series, steady=True)
    if case.moved(case.probe_series.last) and case.moved(case.probe_series.earlier):
        # A model that is not deterministic: no probe agrees with another, and none with before.
        return Verification(VerificationResult.LIVE, "unproven: answers vary", probe_series)
    return Verification(VerificationResult.WAIT, "answers changed: one more probe", probe_series)


def _judge_unmoved(case: VerificationCase, check: EndpointCheck) -> Verification:
    probe_series = case.after(ProbeEvidence.AGAINST)
    if not probe_series.lasted(ProbeEvidence.AGAINST, case.within):
        return Verification(VerificationResult.WAIT, "answers have not changed yet", probe_series)
    if check.configured != case.target:
        why = "the update was accepted; the answers stayed the same"
        return Verification(VerificationResult.UNCHANGED, why, probe_series)
    if check.progress is UpdateProgress.DONE:
        why = "the service says so; the answers stayed the same"
        return Verification(VerificationResult.LIVE, why, probe_series, steady=True)
    # Without a status of the update, this says what was asked for and not what serves.
    why = "the new model is named; the answers stayed the same"
    return Verification(VerificationResult.UNCHANGED, why, probe_series)


def _judge_unknown(case: VerificationCase, probe: ProbeAnswers) -> Verification:
    why = "unproven: there were no answers before to compare with"
    live = Verification(VerificationResult.LIVE, why, steady=case.again(probe))
    return _lasting(case, ProbeEvidence.OPEN, live)


def _judge_expected(
    case: VerificationCase, expected: ProbeAnswers, probe: ProbeAnswers
) -> Verification:
    """Return the result for a model that is set again: it must answer as when it was verified."""
    if not probe.agrees_with(expected):
        return _against(case, "the answers are not those that this model is known for")
    probe_series = case.after(ProbeEvidence.FOR)
    moved = case.before is not None and not probe.agrees_with(case.before)
    named = bool(case.serves and probe.answered_by)
    shown = named or moved or probe_series.lasted(ProbeEvidence.FOR, case.within)
    if case.again(probe) and shown:
        why = "answers as it did when it was verified, in two probes in a row"
        return Verification(VerificationResult.LIVE, why, probe_series, steady=True)
    why = "answers as it did when it was verified: one more probe"
    return Verification(VerificationResult.WAIT, why, probe_series)


def _judge_bad(case: VerificationCase, probe: ProbeAnswers) -> Verification:
    evidence = ProbeEvidence.SILENT if probe.seen is ProbeOutcome.NO_ANSWER else ProbeEvidence.BAD
    probe_series = case.after(evidence)
    if not probe_series.bad.lasted(case.within):
        return Verification(VerificationResult.WAIT, probe.detail, probe_series)
    # Else there was no answer at all.
    if case.known or probe_series.evidence not in (None, ProbeEvidence.PENDING):
        probes = counted(probe_series.bad.probes, "probe")
        why = f"no good answer to {probes} in a row: {probe.detail}"
        return Verification(VerificationResult.BROKEN, why, probe_series)
    why = "unproven: the endpoint answered neither before nor after"
    return Verification(VerificationResult.LIVE, why, probe_series)


def _or_inconclusive(case: VerificationCase, judged: Verification) -> Verification:
    """Return the result, or that there will never be one."""
    waits = judged.verdict is VerificationResult.WAIT
    if not (waits and judged.probe_series.is_inconclusive(case.within)):
        return judged
    probes = counted(judged.probe_series.all.probes, "probe")
    why = f"{probes} agreed on nothing, the last: {judged.why}"
    return replace(judged, verdict=VerificationResult.BROKEN, why=why)


def _as_wanted(case: VerificationCase, probe: ProbeAnswers) -> bool:
    named = bool(case.serves and probe.answered_by)
    if named and probe.answered_by not in case.serves:
        return False
    # Of several deployments another one may answer than before: their answers are not compared.
    if not case.known or case.before is None:
        return probe.seen is ProbeOutcome.GOOD
    if named and probe.answered_by != case.before.answered_by:
        return probe.seen is ProbeOutcome.GOOD
    if case.before.seen is ProbeOutcome.GOOD:
        return probe.agrees_with(case.before)
    # It was broken before: there is nothing better to go back to.
    return probe.seen is not ProbeOutcome.NO_ANSWER
