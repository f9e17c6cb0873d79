"""Says why an open run waits, with the last error and the times that matter.

The caller passes what the storage knows of the record. `waits_of` knows every phase in which
a run can wait; a test walks them all.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime

from shared.core.config.types import show_duration
from shared.core.counting import counted, grouped, they
from shared.core.frozen import FrozenModel
from shared.core.run.machine import approvable, expires_at
from shared.core.run.promotion_events import named_step
from shared.core.run.record import Phase, Run
from shared.core.run.rollout import tally

_BEFORE_TRAINED: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.CREATED, Phase.TRAINING})
_SHOWN: Final = 3


class Waits(FrozenModel):
    """What a run waits for."""

    waits_for: str  #: what must happen next, and who does it
    last_error: str | None = None  #: why the present step, or the attempt before, did not work
    failed: int = 0  #: how often the present step has failed
    failing_since: AwareDatetime | None = None
    next_try: AwareDatetime | None = None  #: of the step; None: at the next poll
    lease_ends: AwareDatetime | None = None  #: of the claim that a worker has
    until: AwareDatetime | None = None  #: when the wait ends by itself
    to_do: str | None = None  #: what an operator can do

    @property
    def line(self) -> str:
        """The same in one line."""
        parts = [self.waits_for]
        if self.last_error and self.last_error not in self.waits_for:
            parts.append(f"the last error: {self.last_error}")
        if self.next_try:
            parts.append(f"the next try: {self.next_try.isoformat(timespec='seconds')}")
        if self.lease_ends:
            ends = self.lease_ends.isoformat(timespec="seconds")
            parts.append(f"the lease of its worker ends: {ends}")
        return "; ".join(parts)


def waits_of(run: Run, lease_ends: datetime | None = None) -> Waits | None:
    """Return what a run waits for; None where it is over.

    Args:
        run: the run.
        lease_ends: until when the worker that holds it may keep it; None where none holds it,
            or where that is not known.
    """
    if run.phase.ended:
        return None
    held = lease_ends if run.claim is not None else None
    step_failure = run.step_failure
    failing = _failing(run)
    next_try = step_failure.next_check if step_failure else None
    if held is not None and next_try is not None:
        next_try = max(next_try, held)
    return Waits(
        waits_for=_what(run),
        last_error=_last_error(run),
        failed=step_failure.count if step_failure and failing else 0,
        failing_since=step_failure.since if step_failure and failing else None,
        next_try=next_try,
        lease_ends=held,
        until=_until(run),
        to_do=None if run.cancelling and run.phase is not Phase.PARKED else run.advice,
    )


def _failing(run: Run) -> bool:
    """Whether the last step failed; a pause, and waiting for an endpoint, are not failures."""
    return (
        run.step_failure is not None
        and run.step_failure.count > 0
        and not run.step_failure.waits_for
    )


def _what(run: Run) -> str:
    if run.step_failure is not None and not run.step_failure.count:
        return run.step_failure.reason  # a pause between two attempts
    if run.cancelling and run.phase is not Phase.PARKED:
        job = f" and its job {run.job}" if run.job else ""
        return f"{run.cancelled}: the next poll stops the run{job}"
    if run.step_failure is not None and run.step_failure.waits_for:
        lease = "" if run.phase is Phase.JUDGED else "its lease: "
        return f"{_endpoint(run)}: {lease}{run.step_failure.reason}"
    return _TEXTS[run.phase](run)


def _slot(run: Run) -> str:
    return f"a slot: {run.reason}" if run.reason else "a slot, which the next poll takes"


def _job(run: Run) -> str:
    done = "is making" if run.claim else "makes"
    who = "a worker" if run.claim else "the next poll"
    return f"{who} {done} its training job (attempt {run.attempt})"


def _start(run: Run) -> str:
    who = "a worker is starting" if run.claim else "the next poll starts"
    return f"{who} its training job {run.job}"


def _training(run: Run) -> str:
    return f"the training service: job {run.job} runs (attempt {run.attempt})"


def _rolling_out(run: Run) -> str:
    so_far = tally(run)
    total = len({e.name for e in run.config.endpoints} | {d.endpoint for d in run.deliveries})
    done = f"{len(so_far.good)} of {counted(total, 'endpoint')} {they(total, 'is', 'are')} done"
    if not so_far.open:
        return f"{done}: the next poll begins with the next ones"
    runs = [f"run {one.run_id} ({one.endpoint})" for one in so_far.open[:_SHOWN]]
    more = f" and {len(so_far.open) - _SHOWN} more" if len(so_far.open) > _SHOWN else ""
    return f"{done}: waits for {', '.join(runs)}{more}"


def _promoting(run: Run) -> str:
    name = _endpoint(run)
    if run.promotion is None:
        return f"{name}: the next poll acquires its lease for this run"
    who = "a worker is sending" if run.claim else "the next poll sends"
    return f"{name}: {who} the update"


def _staging(run: Run) -> str:
    if run.candidate is None:
        return f"{_endpoint(run)}: the next poll stages its candidate, which gets no requests yet"
    return f"{_endpoint(run)}: candidate {run.candidate.name} is being made ready"


def _verifying(run: Run) -> str:
    if run.step_bakes and run.promotion is not None:
        step = run.promotion.step
        since = f"{step.began_at:%Y-%m-%d %H:%M} UTC" if step.began_at else ""
        verdict = f": {step.verdict}" if step.verdict else ""
        lasts = f"for at least {show_duration(step.bake)}"
        return f"{_endpoint(run)}: {named_step(step)} since {since}, {lasts}{verdict}"
    if run.promotion is not None and run.promotion.step.lasts:
        share, probes = named_step(run.promotion.step), _probes_so_far(run)
        return f"{_endpoint(run)}: whether {share} reach the new model{probes}"
    which = "the recorded model" if run.origin.repeats else "the new model"
    return f"{_endpoint(run)}: whether {which} serves{_probes_so_far(run)}"


def _rolling_back(run: Run) -> str:
    if run.promotion is None or run.promotion.sent_at is None:
        who = "a worker is rolling" if run.claim else "the next poll rolls"
        return f"{_endpoint(run)}: {who} back to the earlier model"
    return f"{_endpoint(run)}: whether the earlier model serves again{_probes_so_far(run)}"


def _probes_so_far(run: Run) -> str:
    probe_series = run.promotion.probe_series if run.promotion else None
    if probe_series is None or not probe_series.all.probes:
        return "; no probe was sent yet"
    return f"; {counted(probe_series.all.probes, 'probe')} so far"


def _endpoint(run: Run) -> str:
    return f"endpoint {run.config.endpoint.name}" if run.config.endpoint else "its endpoint"


def _judged(run: Run) -> str:
    scored = run.evidence.holdout if run.evidence else None
    if scored is None or scored.is_complete:
        return "the gate: the next poll reads the evaluation and checks the rules"
    return (
        f"the gate: {scored.rows:,} of {grouped(scored.of.rows, 'row')} of its holdout are scored"
    )


def _approval(run: Run) -> str:
    if run.asks_at is not None:
        return f"the next run, since this model is unsure; then for an operator: {run.reason}"
    said = run.unchecked or (run.reason if run.verdict and run.verdict.unsure else None)
    return f"an operator's approval; {said}" if said else "an operator's approval"


def _parked(run: Run) -> str:
    may = "retries, approves or cancels" if approvable(run) else "retries or cancels"
    return f"an operator, who {may} it: {run.reason}"


_TEXTS: Final[Mapping[Phase, Callable[[Run], str]]] = {
    Phase.WAITING: _slot,
    Phase.RECEIVED: _job,
    Phase.CREATED: _start,
    Phase.TRAINING: _training,
    Phase.TRAINED: lambda _: "the model that its job left: the next poll collects it",
    Phase.STAGING: _staging,
    Phase.JUDGED: _judged,
    Phase.AWAITING_APPROVAL: _approval,
    Phase.ROLLING_OUT: _rolling_out,
    Phase.PROMOTING: _promoting,
    Phase.VERIFYING: _verifying,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.PARKED: _parked,
}


def _last_error(run: Run) -> str | None:
    if run.step_failure is not None and _failing(run):
        return run.step_failure.reason
    if run.phase is Phase.PARKED:
        return run.reason
    if run.ended_attempts and run.phase in _BEFORE_TRAINED:
        last = run.ended_attempts[-1]
        return f"attempt {last.attempt}: {last.reason}"
    return None


def _until(run: Run) -> datetime | None:
    if run.phase is Phase.AWAITING_APPROVAL:
        return run.asks_at or expires_at(run)
    if run.phase is Phase.VERIFYING and run.step_bakes and run.promotion is not None:
        step = run.promotion.step
        # Where rules are about requests, these end the step, and no time does.
        return step.began_at + step.bake if step.began_at and not step.ruled else None
    if run.phase is Phase.TRAINING:
        return (run.started_at or run.opened_at) + run.config.training.timeout
    return None
