"""The steps of a run with several endpoints: it opens a run for each, and sums them up."""

from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.run.commands import Event
from shared.core.run.control_events import (
    CancelRequested,
    DeliveriesChanged,
    RolloutEnded,
    StepBlocked,
)
from shared.core.run.machine import cancellable
from shared.core.run.record import Delivery, Origin, Phase, Run
from shared.core.run.rollout import delivered, next_deliveries, outcome
from shared.core.service import service
from shared.errors import ConflictError, PermanentError, RunIdUsedError
from shared.execution.context import Context
from shared.execution.run_factory import Opening, RunFactory
from shared.execution.run_writer import RunWriter, StepResult
from shared.ledger.store import Stored
from shared.telemetry import log

#: Runs opened in one step, so that it ends in time however slow the ledger is.
_AT_ONCE: Final = 50


@service
class RollOutSteps:
    """Promotes the model of a run to its endpoints, a few at a time (docs/decisions/0008).

    The run's own record names a delivery before the run that delivers is opened, by an id
    that is derived; so every step may be repeated, and by any number of workers.
    """

    context: Context
    factory: RunFactory
    writer: RunWriter

    def roll_out(self, run: Run) -> StepResult:
        """Take the next step of a roll-out; no event while only deliveries can continue."""
        seen: list[Delivery] = []
        opened = 0
        for delivery in run.deliveries:
            known, is_new = self._seen(run, delivery, may_open=opened < _AT_ONCE)
            seen.append(known)
            opened += is_new
        return StepResult(_next_event(run, tuple(seen)), opened=opened)

    def _seen(self, run: Run, delivery: Delivery, *, may_open: bool) -> tuple[Delivery, bool]:
        """Return a delivery as it is now, and whether its run was opened just now."""
        if delivery.outcome is not None:
            return delivery, False
        stored = self.context.ledger.runs.read(delivery.run_id)
        if stored is None and run.cancelling:
            return _over(delivery, Phase.CANCELLED, "not begun"), False
        if stored is None:
            return self._open(run, delivery) if may_open else (delivery, False)
        if run.cancelling:
            stored = self._cancelled(run, stored)
        phase = stored.record.phase
        if not phase.ended and phase is not Phase.PARKED:
            return delivery, False
        return delivered(delivery, stored.record), False

    def _open(self, run: Run, delivery: Delivery) -> tuple[Delivery, bool]:
        try:
            self.writer.create(self._delivering(run, delivery))
        except ConflictError:
            return delivery, False  # another worker opened it
        except RunIdUsedError as exc:
            # Its result is lost. A retry of the roll-out opens another one.
            return _over(delivery, Phase.PARKED, str(exc)), False
        return delivery, True

    def _delivering(self, run: Run, delivery: Delivery) -> Run:
        stages = self.context.providers.serving(_endpoint_of(run, delivery)).plan.stages
        phase = Phase.STAGING if stages else Phase.PROMOTING
        return delivering(self.factory, run, delivery, phase)

    def _cancelled(self, parent: Run, stored: Stored[Run]) -> Stored[Run]:
        run, request = stored.record, parent.operator_request
        if run.cancelling or not cancellable(run):
            return stored  # it ends by itself
        event = CancelRequested(request.by, request.why) if request else CancelRequested()
        try:
            stored = self.writer.record(stored, event)
        except ConflictError:
            log.info("run %s changed while it was being cancelled: checked again", run.run_id)
            return stored
        if stored.record.phase.ended:
            self.context.ledger.open_markers.remove_of(run.run_id)
        return stored


def _next_event(run: Run, seen: tuple[Delivery, ...]) -> Event | None:
    """Return the next event of a roll-out, given its deliveries as they are now."""
    checked = run.evolve(deliveries=seen)
    deliveries = (*seen, *next_deliveries(checked))
    if deliveries != run.deliveries:
        return DeliveriesChanged(deliveries)
    over = outcome(run)
    if over is None:
        return None
    if over.phase is Phase.PARKED:
        advice = "remove the cause, then retry this run: endpoints that are done stay as they are"
        return StepBlocked(over.reason, advice)
    return RolloutEnded(over.phase, over.reason)


def _over(delivery: Delivery, phase: Phase, reason: str) -> Delivery:
    return delivery.evolve(outcome=phase, reason=reason)


def _endpoint_of(run: Run, delivery: Delivery) -> Endpoint:
    for endpoint in run.config.endpoints:
        if endpoint.name == delivery.endpoint:
            return endpoint
    raise PermanentError(f"run {run.run_id}: there is no endpoint {delivery.endpoint}")


def delivering(
    factory: RunFactory, run: Run, delivery: Delivery, phase: Phase = Phase.PROMOTING
) -> Run:
    """Return the run that gives one endpoint the model of `run`.

    Args:
        factory: makes its record.
        run: the run with the model.
        delivery: names the endpoint and the new run.
        phase: in which it begins.

    Returns:
        The record, which is not stored yet.

    Raises:
        PermanentError: the run has no such endpoint.
    """
    endpoint = _endpoint_of(run, delivery)
    opening = Opening(
        run_id=delivery.run_id,
        origin=Origin.ROLL_OUT,
        cause=f"{endpoint.name}: the model of run {run.run_id}",
        blobs=run.manifest,
    )
    config, model = run.config.only(endpoint), run.model_for(endpoint)
    delivers = factory.promoting(opening, config, model, run, phase=phase)
    known = {
        "parent": run.run_id,
        "inputs": run.inputs,
        "listed_at": run.listed_at,
        "verdict": run.verdict,
        "unchecked": run.unchecked,
        "approval": run.approval,
    }
    return delivers.evolve(**known)
