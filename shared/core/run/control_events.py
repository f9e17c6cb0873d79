"""Events of a run that belong to no single step, and how each changes its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.run.commands import Event
from shared.core.run.gate_events import (
    with_its_job,
)
from shared.core.run.promotion_events import UNSENT, with_promotion
from shared.core.run.record import Delivery, OperatorRequest, Phase, Run, StepFailure, by_operator
from shared.core.run.retry import UNPARKED
from shared.core.run.rollout import waiting_again
from shared.core.serving.references import ModelRef
from shared.core.serving.traffic import TrafficMap

#: What is under way elsewhere when a run is parked in one of these.
_STOPPED_FIRST: Final = (Phase.CREATED, Phase.TRAINING, Phase.ROLLING_OUT)
#: A step is tried at least this often, however long the pause between two failures.
LEAST_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Cancelled(Event):
    """Cancelled before there was anything to stop."""

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run."""
        return run.moved_to(Phase.CANCELLED, at, reason=run.cancelled)


@dataclass(frozen=True, slots=True)
class Superseded(Event):
    """Newer data was there first, or the data changed under the job."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run; the newer data has a run of its own."""
        return run.moved_to(Phase.SUPERSEDED, at, self.reason, reason=self.reason)


@dataclass(frozen=True, slots=True)
class DataDeleted(Event):
    """The data was deleted before a job could use it."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run: no data is left to train on."""
        return run.moved_to(Phase.REJECTED, at, self.reason, reason=self.reason)


@dataclass(frozen=True, slots=True)
class ModelCollected(Event):
    """The model was collected, for one endpoint."""

    model: ModelRef
    stages: bool = False  #: whether the model is staged as a candidate first

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep exactly this version of the model."""
        phase = Phase.JUDGED if run.config.gate.asks else Phase.PROMOTING
        return run.moved_to(Phase.STAGING if self.stages else phase, at, model=self.model)


@dataclass(frozen=True, slots=True)
class ModelsCollected(Event):
    """The models were collected, for several endpoints."""

    models: Mapping[str, ModelRef]  #: endpoint -> its model

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep exactly these versions of the models."""
        phase = Phase.JUDGED if run.config.gate.asks else Phase.ROLLING_OUT
        return run.moved_to(phase, at, models=dict(self.models))


@dataclass(frozen=True, slots=True)
class DeliveriesChanged(Event):
    """Deliveries were begun or have ended."""

    deliveries: tuple[Delivery, ...]

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the deliveries before their runs are opened."""
        was = {delivery.endpoint: delivery for delivery in run.deliveries}
        changed = [one for one in self.deliveries if was.get(one.endpoint) != one]
        note = ", ".join(f"{one.endpoint} {one.outcome or 'begun'}" for one in changed[:20])
        return run.moved_to(Phase.ROLLING_OUT, at, note, deliveries=self.deliveries)


@dataclass(frozen=True, slots=True)
class RolloutEnded(Event):
    """Every delivery has ended, and an operator has nothing to decide."""

    end: Phase
    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run by the results of its deliveries."""
        return run.moved_to(self.end, at, self.reason, reason=self.reason)


@dataclass(frozen=True, slots=True)
class NothingToPromote(Event):
    """There is no model, or no endpoint for it."""

    reason: str
    model: ModelRef | None = None

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run successfully."""
        return run.moved_to(Phase.FINISHED, at, self.reason, reason=self.reason, model=self.model)


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    """A step did not work this time and is worth repeating until `patience` is over."""

    reason: str
    next_check: datetime
    patience: timedelta  #: for this reason of the failure
    step_patience: timedelta = timedelta()  #: for the step, for any reason
    advice: str = ""  #: what an operator can do about it, where that is known
    waits_for: str = ""  #: the endpoint that another run has; to wait for it is not a failure

    def fold(self, run: Run, at: datetime) -> Run:
        """Record the step failure; park the run once the patience is over."""
        was = (
            run.step_failure if run.step_failure and run.step_failure.count else None
        )  # else it was a pause
        if was is not None and was.waits_for != self.waits_for:
            was = None  # the time for which it waited for the endpoint does not count as failing
        same = was if was and was.patience == self.patience else None
        # The time without a try, because the app was down, does not count as failing.
        late = at - was.next_check - (self.next_check - at) if was else timedelta()
        idle = max(late, timedelta())
        since = was.since + idle if was else at
        cause_since = same.cause_since + idle if same else at
        longest = max(self.patience, self.step_patience)
        count = was.count + 1 if was else 1
        long = at - cause_since >= self.patience or at - since >= longest
        if long and count >= LEAST_TRIES:
            advice = self.advice or "see whether the service is up and reachable"
            tries = timedelta(seconds=(at - since) // timedelta(seconds=1))
            reason = f"gave up after {tries}: {self.reason}"
            return _parked(run, reason, f"{advice}, then retry the run", at)
        step_failure = StepFailure(
            since=since,
            cause_since=cause_since,
            patience=self.patience,
            count=count,
            cause_count=same.cause_count + 1 if same else 1,
            reason=self.reason,
            next_check=self.next_check,
            waits_for=self.waits_for,
        )
        return run.evolve(step_failure=step_failure)


@dataclass(frozen=True, slots=True)
class StepBlocked(Event):
    """A step can only work after an operator changed something."""

    reason: str
    advice: str
    found: TrafficMap | None = None  #: the traffic of an endpoint that others changed
    staged_again: bool = False  #: whether a retry stages another candidate

    def fold(self, run: Run, at: datetime) -> Run:
        """Park the run for an operator; a retry accepts what was found."""
        stagings = run.stagings + self.staged_again
        parked = _parked(run, self.reason, self.advice, at)
        return parked.evolve(found=self.found, stagings=stagings)


@dataclass(frozen=True, slots=True)
class CancelRequested(Event):
    """An operator cancels the run."""

    by: str = ""
    why: str = ""

    def fold(self, run: Run, at: datetime) -> Run:
        """Mark the run as cancelled; the next step stops its job."""
        operator_request = OperatorRequest(
            what="cancel", by=self.by or "an operator", at=at, why=self.why
        )
        if (run.step_bakes or run.left_requests) and run.found is None:
            return _rolled_back_first(run, operator_request, at)
        if run.phase is Phase.PARKED and run.parked_in not in _STOPPED_FIRST:
            note = by_operator("cancelled", self.by, self.why)
            return run.moved_to(
                Phase.CANCELLED, at, note, cancelling=True, operator_request=operator_request
            )
        phase = run.parked_in or run.phase
        if phase is Phase.WAITING and run.job is not None:
            phase = with_its_job(run)
        changes = {"cancelling": True, "deliveries": waiting_again(run), **UNPARKED}
        note = by_operator("cancel requested", self.by, self.why)
        return run.moved_to(phase, at, note, operator_request=operator_request, **changes)


def _rolled_back_first(run: Run, operator_request: OperatorRequest, at: datetime) -> Run:
    """Return a cancelled run whose model has traffic: the earlier traffic is restored."""
    note = by_operator("cancelled", operator_request.by, operator_request.why)
    changes: dict[str, object] = {**UNPARKED, "operator_request": operator_request, "reason": note}
    moved = run.moved_to(Phase.ROLLING_BACK, at, note, **changes)
    next_step = {**UNSENT, "after_rollback": "cancelled", "resent": 0}
    return with_promotion(moved, Phase.ROLLING_BACK, at, "", next_step)


def _parked(run: Run, reason: str, advice: str, at: datetime) -> Run:
    return run.moved_to(Phase.PARKED, at, reason, parked_in=run.phase, reason=reason, advice=advice)


def repair_failed(why: str) -> StepBlocked:
    """Return that a run which restores an earlier model waits for an operator: it did not help."""
    return StepBlocked(
        f"the earlier model does not serve: {why}",
        "see who else updates this endpoint, then retry the run, or cancel it",
    )


def no_earlier_model(run: Run) -> StepBlocked:
    """Return that a run waits for an operator: there is no model to roll back to."""
    if run.promotion is not None and run.promotion.after_rollback in ("judged", "trained"):
        return StepBlocked(
            "the configuration changed since this model was judged, its update may have reached "
            "the endpoint, and no earlier model is known to roll back to first",
            "give the endpoint a working model manually, then cancel the run",
        )
    return StepBlocked(
        f"the model does not work ({run.reason or 'see the history'}), "
        "and there is no earlier one to roll back to",
        "give the endpoint a working model manually, then cancel the run",
    )
