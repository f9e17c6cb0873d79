"""A person's word on one run: retry, cancel, approve, reject.

Two people at once: one wins, the other is told (409, or 412 with `If-Match`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from shared.core.run.control_events import CancelRequested, Event
from shared.core.run.gate_events import Approved, Rejected
from shared.core.run.machine import Command, apply, next_command, stands
from shared.core.run.record import Delivery, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested, gives_back, withdrawn
from shared.core.run.rollout import delivered
from shared.errors import ConflictError, InvalidTransitionError, RelearnError
from shared.execution.context import Context
from shared.intake.blob_events import Intake
from shared.ledger.open_markers import CommandStored
from shared.ledger.store import Stored
from shared.operations.preconditions import Versions, lost, require


@dataclass(frozen=True, slots=True)
class RunOperations:
    """Tells runs what people want. Each order that fits is carried out once."""

    context: Context
    intake: Intake

    def retry(
        self, run_id: str, versions: Versions = None, *, by: str = "", why: str = ""
    ) -> Run | None:
        """Let a parked run go on, by the present configuration; None when there is none.

        A roll-out goes on together with those of its deliveries that are parked.

        Raises:
            InvalidTransitionError: the run is not parked, or a delivery goes on by another gate.
            Outdated, Conflict: it changed meanwhile.
        """
        stored = self.context.ledger.runs.read(run_id)
        deliveries: tuple[Delivery, ...] | None = None
        if stored is not None and stored.record.phase is Phase.PARKED:
            require(versions, str(stored.etag), stands(stored.record))
            parent = stored.record
            deliveries = tuple(self._standing(parent, one) for one in parent.deliveries)
            for delivery in deliveries:
                if delivery.outcome is Phase.PARKED:
                    self._retry_delivery(parent, delivery, by, why)
        retried = partial(self._retried, deliveries=deliveries, by=by, why=why)
        return self._change(run_id, retried, versions)

    def cancel(
        self, run_id: str, versions: Versions = None, *, by: str = "", why: str = ""
    ) -> Run | None:
        """Stop a run and its job; None when there is none.

        Raises:
            InvalidTransitionError: it is over, or its model is on its way to an endpoint.
            Outdated, Conflict: it changed meanwhile.
        """
        return self._change(run_id, lambda _: CancelRequested(by, why), versions)

    def approve(self, run_id: str, by: str, why: str, versions: Versions = None) -> Run | None:
        """Have the model of a run promoted; None when there is no such run.

        Raises:
            InvalidTransitionError: it does not wait for approval.
            Outdated, Conflict: it changed meanwhile.
        """
        return self._change(run_id, lambda _: Approved(by, why), versions)

    def reject(self, run_id: str, by: str, why: str, versions: Versions = None) -> Run | None:
        """End a run that waits for approval. Returns and raises as `approve`."""
        return self._change(run_id, lambda _: Rejected(by, why), versions)

    def _standing(self, parent: Run, delivery: Delivery) -> Delivery:
        """Return a delivery as it stands: one that was parked may have been retried by itself.

        Raises:
            InvalidTransitionError: it is under way, and its model is to be judged again first.
        """
        if delivery.outcome is not Phase.PARKED:
            return delivery
        stored = self.context.ledger.runs.read(delivery.run_id)
        if stored is None:  # its record was removed: another one follows it
            return delivery.evolve(outcome=Phase.CANCELLED)
        run = stored.record
        if run.phase.ended:
            return delivered(delivery, run)
        if run.phase is Phase.PARKED or (run.phase is Phase.ROLLING_BACK and gives_back(run)):
            return delivery
        now = self.intake.catalogue.configured_for(parent) or parent.config
        if withdrawn(run, parent.config, now):
            raise InvalidTransitionError(
                f"run {run.run_id} is giving {delivery.endpoint} the model of run "
                f"{parent.run_id} by the configuration from before: wait for its end, then "
                "retry this run"
            )
        return delivery.evolve(outcome=None)

    def _retry_delivery(self, parent: Run, delivery: Delivery, by: str, why: str) -> None:
        stored = self.context.ledger.runs.read(delivery.run_id)
        if stored is None or stored.record.phase is not Phase.PARKED:
            return
        now = self.intake.catalogue.configured_for(parent) or parent.config
        if withdrawn(stored.record, parent.config, now):
            self._change(delivery.run_id, partial(self._taken_back, by=by, why=why), None)
        else:
            self._change(delivery.run_id, partial(self._retried, by=by, why=why), None)

    def _retried(
        self,
        run: Run,
        deliveries: tuple[Delivery, ...] | None = None,
        *,
        by: str,
        why: str,
    ) -> Event:
        return RetryRequested(self.intake.catalogue.configured_for(run), deliveries, by, why)

    def _taken_back(self, run: Run, *, by: str, why: str) -> Event:
        return RedoRequested(self.intake.catalogue.configured_for(run), by, why)

    def _change(
        self, run_id: str, event_for: Callable[[Run], Event], versions: Versions
    ) -> Run | None:
        stored = self._as_it_stands(run_id)
        if stored is None:
            return None
        require(versions, str(stored.etag), stands(stored.record))
        event = event_for(stored.record)
        apply(stored.record, event, self.context.clock.now())  # refused before anything is written
        # The marker first and last: a hint that says "parked" would keep the poll away.
        self.context.ledger.open_markers.mark(run_id, CommandStored())
        try:
            self.intake.driver.note(stored, event)
        except ConflictError:
            raise self._too_late(run_id, event_for, versions) from None
        return self._advanced(run_id)

    def _as_it_stands(self, run_id: str) -> Stored[Run] | None:
        """Return a run with the answer that is given for a person who took too long."""
        stored = self.context.ledger.runs.read(run_id)
        now = self.context.clock.now()
        if stored is None or next_command(stored.record, now) is not Command.EXPIRE:
            return stored
        self.intake.driver.advance(run_id)
        return self.context.ledger.runs.read(run_id)

    def _too_late(
        self, run_id: str, event_for: Callable[[Run], Event], versions: Versions
    ) -> RelearnError:
        """Return the error of an order that somebody else was faster than, as the run is now."""
        stored = self.context.ledger.runs.read(run_id)
        if stored is None:
            return lost(versions, f"run {run_id} is gone")
        if versions is None:  # where it fits no more, that is said as ever
            apply(stored.record, event_for(stored.record), self.context.clock.now())
        return lost(versions, stands(stored.record))

    def _advanced(self, run_id: str) -> Run | None:
        try:
            self.context.ledger.open_markers.mark(run_id, CommandStored())
            return self.intake.driver.advance(run_id, check_from=timedelta())
        except ConflictError:  # the order is kept, and whoever moved the run goes on by it
            stored = self.context.ledger.runs.read(run_id)
            return stored.record if stored else None
