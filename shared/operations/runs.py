"""The operator's commands for one run: show, retry, cancel, approve, reject.

One of two commands at the same moment is carried out; the other is refused.
"""

from collections.abc import Callable
from datetime import timedelta

from shared.core.config.schedule_words import window_words
from shared.core.counting import counted
from shared.core.names import is_run_id
from shared.core.run.commands import Command, Event
from shared.core.run.control_events import CancelRequested
from shared.core.run.gate_events import Approved, Rejected
from shared.core.run.machine import apply, next_command, present_state
from shared.core.run.promotion_events import StepApproved
from shared.core.run.record import Delivery, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested, ends_by_rollback, withdrawn
from shared.core.run.rollout import delivered
from shared.core.run.waiting import Waits
from shared.core.service import service
from shared.errors import ConflictError, InvalidTransitionError, NoSuchRunError, RelearnError
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.run_writer import RunWriter
from shared.intake.catalogue import Catalogue
from shared.ledger.open_markers import CommandStored
from shared.ledger.store import Stored
from shared.operations.commands import ANONYMOUS, OperatorCommand
from shared.telemetry import redacted

EventFor = Callable[[Run], Event]


@service
class RunOperations:
    """Shows runs and carries out commands; each command that fits is carried out once."""

    context: Context
    catalogue: Catalogue
    writer: RunWriter
    driver: Driver

    def find(self, run_id: str) -> Stored[Run]:
        """Return a run as it is stored.

        Raises:
            NoSuchRunError: there is none of this id.
        """
        stored = self.context.ledger.runs.read(run_id) if is_run_id(run_id) else None
        if stored is None:
            raise NoSuchRunError(f"there is no run {redacted(run_id)[:100]!r}")
        return stored

    def retry(self, run_id: str, command: OperatorCommand = ANONYMOUS) -> Run:
        """Let a parked run continue by the present configuration.

        A roll-out continues together with those of its deliveries that are parked.

        Args:
            run_id: the run.
            command: who asks, and why.

        Returns:
            The run as it is now.

        Raises:
            NoSuchRunError: there is no such run.
            InvalidTransitionError: it is not parked, or a delivery continues by another gate.
            PreconditionFailedError, ConflictError: it was changed meanwhile.
        """
        stored = self.find(run_id)
        deliveries: tuple[Delivery, ...] | None = None
        if stored.record.phase is Phase.PARKED:
            command.require(str(stored.etag), present_state(stored.record))
            parent = stored.record
            deliveries = tuple(self._present(parent, one) for one in parent.deliveries)
            for delivery in deliveries:
                if delivery.outcome is Phase.PARKED:
                    self._retry_delivery(parent, delivery, command)
        return self._change(run_id, self._retried(command, deliveries), command)

    def cancel(self, run_id: str, command: OperatorCommand = ANONYMOUS) -> Run:
        """Stop a run and its job.

        Args:
            run_id: the run.
            command: who asks, and why.

        Returns:
            The run as it is now.

        Raises:
            NoSuchRunError: there is no such run.
            InvalidTransitionError: it has ended, or the update of an endpoint has begun.
            PreconditionFailedError, ConflictError: it was changed meanwhile.
        """
        return self._change(run_id, lambda _: CancelRequested(command.by, command.reason), command)

    def approve(self, run_id: str, command: OperatorCommand) -> Run:
        """Have the model of a run promoted.

        Args:
            run_id: the run.
            command: who approves, and why.

        Returns:
            The run as it is now.

        Raises:
            NoSuchRunError: there is no such run.
            InvalidTransitionError: it does not wait for approval.
            PreconditionFailedError, ConflictError: it was changed meanwhile.
        """

        def event_for(run: Run) -> Event:
            kind = StepApproved if run.phase is Phase.PARKED else Approved
            return kind(command.by, command.reason)

        return self._change(run_id, event_for, command)

    def reject(self, run_id: str, command: OperatorCommand) -> Run:
        """End a run that waits for approval, without promoting its model.

        Args:
            run_id: the run.
            command: who rejects, and why.

        Returns:
            The run as it is now.

        Raises:
            NoSuchRunError: there is no such run.
            InvalidTransitionError: it does not wait for approval.
            PreconditionFailedError, ConflictError: it was changed meanwhile.
        """
        return self._change(run_id, lambda _: Rejected(command.by, command.reason), command)

    def _present(self, parent: Run, delivery: Delivery) -> Delivery:
        """Return a delivery as it is now: one that was parked may have been retried by itself.

        Raises:
            InvalidTransitionError: it is open, and its model needs a new verdict first.
        """
        if delivery.outcome is not Phase.PARKED:
            return delivery
        stored = self.context.ledger.runs.read(delivery.run_id)
        if stored is None:  # its record was deleted: another run follows it
            return delivery.evolve(outcome=Phase.CANCELLED)
        run = stored.record
        if run.phase.ended:
            return delivered(delivery, run)
        if run.phase is Phase.PARKED or (run.phase is Phase.ROLLING_BACK and ends_by_rollback(run)):
            return delivery
        if self._is_withdrawn(run, parent):
            raise InvalidTransitionError(
                f"run {run.run_id} updates {delivery.endpoint} with the model of run "
                f"{parent.run_id} by the configuration from before: wait for its end, then "
                "retry this run"
            )
        return delivery.evolve(outcome=None)

    def _retry_delivery(self, parent: Run, delivery: Delivery, command: OperatorCommand) -> None:
        stored = self.context.ledger.runs.read(delivery.run_id)
        if stored is None or stored.record.phase is not Phase.PARKED:
            return
        unbound = OperatorCommand(command.by, command.reason)  # the versions are the parent's
        again = self._is_withdrawn(stored.record, parent)
        event_for = self._redone(unbound) if again else self._retried(unbound)
        self._change(delivery.run_id, event_for, unbound)

    def _is_withdrawn(self, run: Run, parent: Run) -> bool:
        now = self.catalogue.configured_for(parent) or parent.config
        return withdrawn(run, parent.config, now)

    def _retried(
        self, command: OperatorCommand, deliveries: tuple[Delivery, ...] | None = None
    ) -> EventFor:
        configured = self.catalogue.configured_for
        return lambda run: RetryRequested(configured(run), deliveries, command.by, command.reason)

    def _redone(self, command: OperatorCommand) -> EventFor:
        configured = self.catalogue.configured_for
        return lambda run: RedoRequested(configured(run), command.by, command.reason)

    def _change(self, run_id: str, event_for: EventFor, command: OperatorCommand) -> Run:
        stored = self._after_expiry(self.find(run_id))
        command.require(str(stored.etag), present_state(stored.record))
        event = event_for(stored.record)
        apply(stored.record, event, self.context.clock.now())  # refused before anything is written
        # The marker first and last: a hint "parked" would stop the poll from checking the run.
        self.context.ledger.open_markers.mark(run_id, CommandStored())
        try:
            self.writer.note(stored, event)
        except ConflictError:
            raise self._too_late(run_id, event_for, command) from None
        return self._advanced(run_id)

    def _after_expiry(self, stored: Stored[Run]) -> Stored[Run]:
        """Return a run, ended first by the default answer if its approval has expired."""
        run_id = stored.record.run_id
        if next_command(stored.record, self.context.clock.now()) is not Command.EXPIRE:
            return stored
        self.driver.advance(run_id)
        return self.find(run_id)

    def _too_late(self, run_id: str, event_for: EventFor, command: OperatorCommand) -> RelearnError:
        """Return the error of a command that another change came before, by the run as it is now.

        Raises:
            InvalidTransitionError: the run does not allow the command any more.
        """
        run = self.find(run_id).record
        if command.versions is None:
            apply(run, event_for(run), self.context.clock.now())
        return command.too_late(present_state(run))

    def _advanced(self, run_id: str) -> Run:
        run = None
        try:
            self.context.ledger.open_markers.mark(run_id, CommandStored())
            run = self.driver.advance(run_id, check_from=timedelta()).run
        except ConflictError:
            pass  # the command is stored; the worker that changed the run carries it out
        return run or self.find(run_id).record


def line_of(run: Run, waiting: Waits | None) -> str:
    """Return a run in one line: its opening, its data and its end.

    Args:
        run: the run.
        waiting: what it waits for; None if it has ended.
    """
    end, approval = run.reason or (waiting.line if waiting else ""), run.approval
    answered = f"{approval.answer} by {approval.by}" if approval else ""
    if answered and not end.startswith(answered):  # the reason of a rejection says it too
        end = f"{answered}; {end}" if end else answered
    state = end if end.startswith(run.phase) else f"{run.phase}: {end}" if end else run.phase
    words = f"window {window_words(run.window)}" if run.window else ""
    of = f"; {words}" if words and words not in run.cause else ""
    return f"{run.cause}{of}; {_data_of(run)}; {state}"


def _data_of(run: Run) -> str:
    count, newest = len(run.manifest), run.newest
    if newest is None:
        return "no known data"
    blobs = counted(count, "blob")
    if count > 1:
        return f"{blobs}, the newest {newest.path}"
    return blobs if newest.path in run.cause else f"{blobs}, {newest.path}"
