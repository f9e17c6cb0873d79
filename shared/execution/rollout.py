"""The steps of a run with several endpoints: it opens a run for each, and sums them up."""

from dataclasses import dataclass
from typing import Final

from shared.core.run.control_events import (
    CancelRequested,
    DeliveriesChanged,
    Event,
    RolloutEnded,
    StepBlocked,
)
from shared.core.run.machine import apply, cancellable
from shared.core.run.record import Delivery, Origin, Phase, Run, RunHistoryEntry
from shared.core.run.rollout import delivered, next_deliveries, outcome
from shared.errors import ConflictError, PermanentError, RunIdUsedError
from shared.execution.context import Context
from shared.ledger.open_markers import hints_of
from shared.ledger.store import Stored
from shared.telemetry import log

#: Runs opened in one step, so that it ends in time however slow the ledger is.
_AT_ONCE: Final = 50


@dataclass(slots=True)
class RollOutSteps:
    """Gives the endpoints of a run its model, a few at a time (docs/decisions/0008).

    The run's own record names a delivery before the run that delivers is opened, by an id
    that is derived; so every step may be repeated, and by any number of workers.
    """

    context: Context
    opened: int = 0  #: how many runs were opened so far, for the poll to look at them at once

    def roll_out(self, run: Run) -> Event | None:
        """Take the next step of a roll-out; None when only the deliveries can go on."""
        enough = self.opened + _AT_ONCE
        seen = tuple(self._seen(run, delivery, enough) for delivery in run.deliveries)
        checked = run.evolve(deliveries=seen)
        deliveries = (*seen, *next_deliveries(checked))
        if deliveries != run.deliveries:
            return DeliveriesChanged(deliveries)
        over = outcome(run)
        if over is None:
            return None
        if over.phase is Phase.PARKED:
            advice = (
                "remove the cause, then retry this run: endpoints that are done stay as they are"
            )
            return StepBlocked(over.reason, advice)
        return RolloutEnded(over.phase, over.reason)

    def _seen(self, run: Run, delivery: Delivery, enough: int) -> Delivery:
        if delivery.outcome is not None:
            return delivery
        stored = self.context.ledger.runs.read(delivery.run_id)
        if stored is None and run.cancelling:
            return delivery.evolve(outcome=Phase.CANCELLED, reason="not begun")
        if stored is None:
            return self._open(run, delivery) if self.opened < enough else delivery
        if run.cancelling:
            stored = self._cancelled(run, stored)
        phase = stored.record.phase
        if not phase.ended and phase is not Phase.PARKED:
            return delivery
        return delivered(delivery, stored.record)

    def _open(self, run: Run, delivery: Delivery) -> Delivery:
        child = delivering(run, delivery)
        if self._stages(child):
            child = child.evolve(phase=Phase.STAGING)
        now = self.context.clock.now()
        entry = RunHistoryEntry(at=now, phase=child.phase, note=child.cause)
        child = child.evolve(opened_at=now, history=(entry,))
        self.context.ledger.open_markers.mark(child.run_id, hints_of(child))
        try:
            self.context.ledger.runs.create(child)
        except ConflictError:
            return delivery  # another worker is as fast
        except RunIdUsedError as exc:
            # What it did is not known any more. A retry of the roll-out opens another one.
            return delivery.evolve(outcome=Phase.PARKED, reason=str(exc))
        self.opened += 1
        return delivery

    def _stages(self, child: Run) -> bool:
        (endpoint,) = child.config.endpoints
        return self.context.providers.serving(endpoint).plan.stages

    def _cancelled(self, parent: Run, stored: Stored[Run]) -> Stored[Run]:
        run = stored.record
        if run.cancelling or not cancellable(run):
            return stored  # it ends by itself, one way or the other
        operator_request = parent.operator_request
        request = (
            CancelRequested(operator_request.by, operator_request.why)
            if operator_request
            else CancelRequested()
        )
        told = apply(run, request, self.context.clock.now())
        try:
            stored = self.context.ledger.runs.replace(told, stored.etag)
        except ConflictError:
            log.info("run %s moved while it was being cancelled: looked at again", run.run_id)
            return stored
        if told.phase.ended:
            self.context.ledger.open_markers.remove_of(run.run_id)
        return stored


def delivering(run: Run, delivery: Delivery) -> Run:
    """Return the run that gives one endpoint the model of `run`, about to begin."""
    endpoint = next((e for e in run.config.endpoints if e.name == delivery.endpoint), None)
    if endpoint is None:
        raise PermanentError(f"run {run.run_id}: there is no endpoint {delivery.endpoint}")
    return Run(
        run_id=delivery.run_id,
        pipeline=run.pipeline,
        origin=Origin.ROLL_OUT,
        cause=f"{endpoint.name}: the model of run {run.run_id}",
        parent=run.run_id,
        config=run.config.only(endpoint),
        manifest=run.manifest,
        as_of=run.data_time,
        inputs=run.inputs,
        listed_at=run.listed_at,
        parameters=run.parameters,
        tokens=run.tokens,
        phase=Phase.PROMOTING,
        model=run.model_for(endpoint),
        verdict=run.verdict,
        unchecked=run.unchecked,
        approval=run.approval,
        opened_at=run.opened_at,
    )
