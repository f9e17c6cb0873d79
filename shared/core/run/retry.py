"""The changes of a retry: a parked run continues by the present configuration.

A part of the configuration that was applied stays in the record: it is replaced only where the
run returns to the step that uses it. A model is never promoted by another gate than the one
that gave its verdict (docs/decisions/0011).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.core.config.pipeline import Pipeline
from shared.core.run.commands import Event
from shared.core.run.parameters import corrected_parameters
from shared.core.run.promotion_events import UNSENT, with_promotion
from shared.core.run.record import Delivery, OperatorRequest, Phase, Run, by_operator
from shared.core.run.rollout import collects_again, still_wanted, tried_again
from shared.errors import InvalidTransitionError

UNPARKED: Final[dict[str, object]] = {"parked_in": None, "reason": None, "advice": None}
#: The verdict and approval of a model, which no longer count.
_NOT_JUDGED: Final[dict[str, object]] = {
    "verdict": None,
    "evidence": None,
    "unchecked": None,
    "approval": None,
    "awaiting_since": None,
    "asks_at": None,
}
#: Phases that need a slot.
_BEFORE_TRAINED: Final = (Phase.RECEIVED, Phase.CREATED, Phase.TRAINING)
_JUDGED_ALREADY: Final = (
    Phase.STAGING,
    Phase.JUDGED,
    Phase.AWAITING_APPROVAL,
    Phase.ROLLING_OUT,
    Phase.PROMOTING,
    Phase.VERIFYING,
    Phase.ROLLING_BACK,
)


@dataclass(frozen=True, slots=True)
class RetryRequested(Event):
    """An operator retries a parked run, by the present configuration."""

    config: Pipeline | None
    deliveries: tuple[Delivery, ...] | None = None  #: their states now; None: as in the record
    by: str = ""
    why: str = ""

    def fold(self, run: Run, at: datetime) -> Run:
        """Return to the step that did not work, with the corrected configuration.

        Raises:
            InvalidTransitionError: the run delivers a model that needs a new verdict first.
        """
        if run.parked_in is None:
            raise InvalidTransitionError(f"run {run.run_id}: parked without a phase to return to")
        now = _corrected(run, self.config) if self.config else run.config
        operator_request = OperatorRequest(
            what="retry", by=self.by or "an operator", at=at, why=self.why
        )
        changes: dict[str, object] = {
            **UNPARKED,
            "config": now,
            "operator_request": operator_request,
        }
        if run.found is not None:
            # The operator accepts what others changed, or has undone it.
            ours = run.promotion.known_traffic if run.promotion else ()
            changes |= {"found": None, "accepts": (run.found, *ours)}
        if run.parked_in is Phase.RECEIVED and self.config:
            changes["parameters"] = corrected_parameters(self.config, run)
        if self.config and run.parent is not None and self._must_be_judged_first(run, self.config):
            raise InvalidTransitionError(
                f"run {run.run_id} delivers a model that has to be judged again first, because "
                f"`gate` or `model` changed since: retry run {run.parent} instead"
            )
        anew = _done_anew(run, now)
        note = by_operator("retried", self.by, self.why)
        if anew:
            moved = _done_again(run, anew, at, note, changes)
        else:
            moved = _gone_on(run, now, at, note, changes)
        if run.deliveries:
            if self.deliveries is not None:
                moved = moved.evolve(deliveries=self.deliveries)
            again = tried_again(moved, run.config, judged=now.gate == run.config.gate)
            return moved.evolve(deliveries=again)
        return moved

    def _must_be_judged_first(self, run: Run, now: Pipeline) -> bool:
        return not _ending(run) and withdrawn(run, run.config, now)


@dataclass(frozen=True, slots=True)
class RedoRequested(Event):
    """The model that a parked run delivers first needs a new verdict, or to be collected again."""

    config: Pipeline | None  #: what is configured now for its endpoint
    by: str = ""
    why: str = ""

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run; where its model may serve, roll back first."""
        reason = "the gate, or the model that is wanted, has changed since it was judged"
        operator_request = OperatorRequest(
            what="retry", by=self.by or "an operator", at=at, why=self.why
        )
        if run.promotion is None or not run.promotion.ever_sent:
            known = {**UNPARKED, "reason": reason, "operator_request": operator_request}
            return run.moved_to(Phase.CANCELLED, at, reason, **known)
        now = self.config if self.config and _same_endpoint(run.config, self.config) else run.config
        (was,), (endpoint,) = run.config.endpoints, now.endpoints
        corrected = run.config.only(endpoint.evolve(model=was.model))
        why = run.reason if _ending(run) else reason
        known = {
            **UNPARKED,
            "reason": why,
            "config": corrected,
            "operator_request": operator_request,
        }
        moved = run.moved_to(Phase.ROLLING_BACK, at, reason, **known)
        next_step = {**UNSENT, "resent": 0}
        if not _ending(run):
            next_step["after_rollback"] = "judged"
        return with_promotion(moved, Phase.ROLLING_BACK, at, "", next_step)


def withdrawn(run: Run, was: Pipeline, now: Pipeline) -> bool:
    """Whether a run must not continue to deliver its model by the present configuration.

    Args:
        run: the run that delivers.
        was: the configuration at the time of the verdict.
        now: the present configuration.
    """
    (endpoint,) = run.config.endpoints
    return now.gate != was.gate or not still_wanted(endpoint.name, was, now)


def _corrected(run: Run, now: Pipeline) -> Pipeline:
    """Return the configuration by which the run continues."""
    if run.parked_in is Phase.RECEIVED:
        return now
    # A job was made by the old training settings; what comes after it may change.
    changes: dict[str, object] = {"roll_out": now.roll_out, "endpoints": now.endpoints}
    sent = run.promotion is not None and run.promotion.ever_sent
    if sent and not _same_endpoint(run.config, now):
        # First the update of that endpoint is rolled back, by its own configuration.
        changes = {"roll_out": now.roll_out}
    elif _ending(run) or run.origin.repeats or run.parent is not None:
        # Its model is known: which output was configured for that endpoint does not count.
        models = {endpoint.name: endpoint.model for endpoint in run.config.endpoints}
        changes["endpoints"] = tuple(
            one.evolve(model=models.get(one.name, one.model)) for one in now.endpoints
        )
    if not (_ending(run) or run.origin.repeats or run.parent is not None):
        changes["gate"] = now.gate
    return run.config.evolve(**changes)


def _ending(run: Run) -> bool:
    """Whether the run continues only to end its endpoint lease."""
    return run.parked_in is Phase.ROLLING_BACK and ends_by_rollback(run)


def ends_by_rollback(run: Run) -> bool:
    """Whether a run that rolls back ends with that.

    A delivery ends also where its model needs a new verdict: its parent gets that.
    """
    next_step = run.promotion.after_rollback if run.promotion else None
    ends = ("rolled_back", "unchanged")
    return next_step in (ends if run.parent is None else (*ends, "judged", "trained"))


def _done_anew(run: Run, now: Pipeline) -> Phase | None:
    """Return what is done once more because of the configuration; None when nothing is."""
    if run.parked_in not in _JUDGED_ALREADY or run.parent is not None or run.origin.repeats:
        return None
    if run.models:
        again = collects_again(run, now)
    else:
        models = [[endpoint.model for endpoint in one.endpoints] for one in (run.config, now)]
        # For an operator's model only the number of endpoints matters.
        other = models[0] != models[1] if run.job else len(models[0]) != len(models[1])
        again = run.model is not None and other
    if again:
        return Phase.TRAINED
    # A candidate that is still staged gets its verdict after that.
    other_gate = now.gate != run.config.gate and run.parked_in is not Phase.STAGING
    return Phase.JUDGED if other_gate else None


def _done_again(
    run: Run, anew: Phase, at: datetime, note: str, changes: Mapping[str, object]
) -> Run:
    """Return to `anew`; where the model may serve already, roll back first."""
    if run.promotion is not None and run.promotion.ever_sent:
        note = f"{note}; a rollback to the model from before comes first"
        moved = run.moved_to(Phase.ROLLING_BACK, at, note, **changes, **_NOT_JUDGED)
        next_step = {**UNSENT, "resent": 0, "after_rollback": str(anew)}
        return with_promotion(moved, Phase.ROLLING_BACK, at, "", next_step)
    known: dict[str, object] = {**changes, **_NOT_JUDGED, "promotion": None}
    if anew is Phase.TRAINED:
        # An operator's model does not come from the job again.
        known |= {"model": None if run.job else run.model, "models": {}, "candidate": None}
    return run.moved_to(anew, at, f"{note}; by the present configuration", **known)


def _gone_on(
    run: Run, now: Pipeline, at: datetime, note: str, changes: Mapping[str, object]
) -> Run:
    """Return to the step that did not work."""
    phase = run.parked_in or run.phase
    if phase in _BEFORE_TRAINED and not now.at_once:
        phase = Phase.WAITING  # its slot was free when it was parked
    if phase is Phase.VERIFYING:
        phase = Phase.PROMOTING  # send it again: it gets its own probes then
    if phase is Phase.STAGING:
        changes = {**changes, "candidate": None}  # asked for once more, which changes nothing
    moved = run.moved_to(phase, at, note, **changes)
    if run.found is not None and phase is Phase.PROMOTING:
        return moved.moved_to(phase, at, promotion=None)  # all is planned anew from there
    if moved.promotion is None:
        return moved
    if not (moved.promotion.ever_sent or _same_endpoint(run.config, now)):
        next_phase = Phase.PROMOTING if phase is Phase.ROLLING_BACK else phase
        return moved.moved_to(next_phase, at, promotion=None)
    return with_promotion(moved, phase, at, "", UNSENT)


def _same_endpoint(one: Pipeline, other: Pipeline) -> bool:
    both = [(e.ref, e.resource_name) for p in (one, other) for e in p.endpoints]
    return len(both) == 2 and both[0] == both[1]  # noqa: PLR2004 -- one endpoint each
