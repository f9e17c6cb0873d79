"""Advances one run: read, decide, claim, act, record.

Other modules also record events of a run, all through a `RunWriter`: `rollout` those of its
deliveries, `unsure_models` that an operator is asked, and `operations.runs` commands of operators.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared import tracing
from shared.core.blobs import BlobVersion
from shared.core.run.commands import Command, Event
from shared.core.run.control_events import Cancelled
from shared.core.run.gate_events import CandidateStaged, EvidenceGathered
from shared.core.run.job_events import JobCreated, JobStarted, OutputSeen
from shared.core.run.machine import next_command
from shared.core.run.promotion import Promotion
from shared.core.run.promotion_events import NotYetLive, StepBegan, StepMeasured, UpdateSent
from shared.core.run.record import Phase, Run
from shared.errors import ConflictError, RelearnError
from shared.execution.concurrency import ConcurrencyLimits
from shared.execution.context import Context
from shared.execution.drift_schedule import schedule_drift_check
from shared.execution.endpoint_lease import EndpointLeaseSteps
from shared.execution.gate import GateSteps
from shared.execution.inbox import InboxKeeper
from shared.execution.job import CheckedJob, JobSteps
from shared.execution.models import StagingSteps
from shared.execution.promotion import PromotionSteps
from shared.execution.rollout import RollOutSteps
from shared.execution.run_factory import RunFactory
from shared.execution.run_writer import FOR_OPERATORS, RunWriter, StepResult
from shared.execution.step_failures import StepFailures
from shared.execution.unsure_models import UnsureSteps
from shared.execution.verification import VerificationSteps
from shared.ledger.store import Stored
from shared.telemetry import report_phase, report_run

#: More steps than a run can need from received to verifying.
_MOST_STEPS: Final = 20
#: After these events a service needs time.
_WAITS: Final = frozenset({JobStarted, CandidateStaged, NotYetLive, StepBegan, StepMeasured})
#: What may change what an endpoint serves.
_UPDATES: Final = (Command.UPDATE_ENDPOINT, Command.ROLL_BACK_ENDPOINT)
#: How long one call begins steps, so that the last one ends in time.
_BEGIN_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Advanced:
    """The result of one call of the driver."""

    run: Run | None  #: as it is now; None where it has no record
    opened: int = 0  #: runs that its steps opened
    roll_out: str | None = None  #: the roll-out of a delivery that ended just now


NOT_KNOWN: Final = Advanced(None)


@dataclass(frozen=True, slots=True)
class _Drive:
    """The options by which one call advances one run."""

    until: datetime
    mine: bool = False  #: whether this worker has the claim
    fresh: bool = False  #: whether the data or the job was checked a moment ago
    announced: bool = False  #: whether the present phase was reported
    free: bool = False  #: whether the endpoint that it waits for is free
    steps: int = _MOST_STEPS
    checked: CheckedJob | None = None


class Driver:
    """Advances runs. Safe to call at any time, from any trigger, by any number of workers.

    Args:
        context: the ledger, the services and the clock.
        writer: stores runs.
        factory: makes the runs of roll-outs.
        concurrency: assigns the slots.
        inbox: takes the data that steps discover.
    """

    def __init__(
        self,
        context: Context,
        writer: RunWriter,
        factory: RunFactory,
        concurrency: ConcurrencyLimits,
        inbox: InboxKeeper,
    ) -> None:
        self._context = context
        self._writer = writer
        self._inbox = inbox
        self._failures = StepFailures(context)
        self._jobs = JobSteps(context)
        unsure = UnsureSteps(context, writer)
        promotion, gate = PromotionSteps(context), GateSteps(context, unsure)
        staging = StagingSteps(context)
        self._steps: Mapping[Command, Callable[[Run], Event | StepResult | None]] = {
            Command.ADMIT: concurrency.take,
            Command.STOP_JOB: self._jobs.stop,
            Command.COLLECT_MODEL: self._jobs.collect,
            Command.STAGE_CANDIDATE: staging.stage,
            Command.CHECK_CANDIDATE: staging.check,
            Command.JUDGE: gate.judge,
            Command.EXPIRE: gate.expire,
            Command.SEE_NEXT: unsure.see_next,
            Command.ROLL_OUT: RollOutSteps(context, factory, writer).roll_out,
            Command.LEASE_ENDPOINT: EndpointLeaseSteps(context).acquire_lease,
            Command.UPDATE_ENDPOINT: promotion.update,
            Command.ROLL_BACK_ENDPOINT: promotion.roll_back,
            Command.CHECK_ENDPOINT: VerificationSteps(context).check,
            Command.CANCEL: lambda _: Cancelled(),
        }

    def begin(self, run: Run, *, fresh: bool = True, announced: bool = False) -> Run:
        """Store a new run, already claimed, and take its first steps.

        A run that exists already is advanced instead.

        Args:
            run: the new run.
            fresh: whether its data was checked a moment ago, by the caller.
            announced: whether its open marker was written before, by the caller.

        Returns:
            The run as it is then.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now; the poll
                continues.
        """
        first = next_command(run, self._context.clock.now())
        claim = self._context.new_id() if first.acts else None
        try:
            new = run.evolve(claim=claim)
            stored = self._writer.create(new, announced=announced)
        except ConflictError:
            return self.advance(run.run_id).run or run
        options = _Drive(self._begin_until(), claim is not None, fresh, announced=True)
        return self._continued(stored, options)

    def continue_with(self, stored: Stored[Run], until: datetime) -> Run:
        """Take the steps that are due for a run that was stored a moment ago.

        Args:
            stored: the run; its job is not checked.
            until: when no further step may be begun.

        Returns:
            The run as it is then.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now; the poll
                continues.
        """
        if next_command(stored.record, self._context.clock.now()) is Command.CHECK_JOB:
            return stored.record
        return self._continued(stored, _Drive(until))

    def _continued(self, stored: Stored[Run], options: _Drive) -> Run:
        try:
            return self._drive(stored, options)[0].record
        except ConflictError:  # another worker continues with it
            found = self._context.ledger.runs.read(stored.record.run_id)
            return found.record if found else stored.record

    def advance(
        self,
        run_id: str,
        until: datetime | None = None,
        *,
        check_from: timedelta | None = None,
        free: bool = False,
        checked: CheckedJob | None = None,
    ) -> Advanced:
        """Take the steps that are due for a run.

        Args:
            run_id: the run.
            until: when no further step may be begun; by default a minute from now.
            check_from: the age from which its job may be checked; None: it may not. The poll
                checks by the job's age; others need a reason, such as a new output file:
                events may come many times.
            free: whether the endpoint that it waits for is free now, so that it need not wait
                for the time of its next check.
            checked: the state of its job, if that was asked for a moment ago.

        Returns:
            The run as it is then, and the other results of its steps.

        Raises:
            CorruptRecordError: the record is not understood.
            TransientError, OutcomeUnknownError: the ledger cannot be read or written now.
        """
        stored = self._context.ledger.runs.read(run_id)
        if stored is None:
            return Advanced(None)
        run, now = stored.record, self._context.clock.now()
        if next_command(run, now) is Command.CHECK_JOB:
            age = now - (run.started_at or run.opened_at)
            if check_from is None or timedelta() <= age < check_from:
                return Advanced(run)
        until = until or self._begin_until()
        return self._drive(stored, _Drive(until, free=free, checked=checked))[1]

    def output_seen(self, stored: Stored[Run], output: BlobVersion) -> Run:
        """Check the job of a run that wrote this file, the first time that it is seen.

        Args:
            stored: the run.
            output: the file as it is now.

        Returns:
            The run. Safe to repeat: the record keeps the files that were seen. Raises as `advance`.
        """
        seen = OutputSeen.of(stored.record, output)
        if stored.record.phase is not Phase.TRAINING or seen.known_to(stored.record):
            return stored.record
        run = self._writer.note(stored, seen).record
        return self.advance(run.run_id, check_from=timedelta()).run or run

    def admit(self, stored: Stored[Run]) -> Stored[Run]:
        """Let a run that waits take its slot, if there is one for it; no service is called.

        Returns:
            The run as it is then. Safe to repeat. Raises as `advance`.
        """
        if next_command(stored.record, self._context.clock.now()) is not Command.ADMIT:
            return stored
        return self._drive(stored, _Drive(self._begin_until(), steps=1))[0]

    def delay(self, run_id: str, error: RelearnError) -> Run | None:
        """Record that a check of a run's job failed with `error`.

        Args:
            run_id: the run.
            error: of the service.

        Returns:
            The run as it is then; None when there is no record. Raises as `advance`.
        """
        stored = self._context.ledger.runs.read(run_id)
        if stored is None or stored.record.phase is not Phase.TRAINING:
            return stored.record if stored else None
        return self._writer.note(stored, self._failures.delay_for(stored.record, error)).record

    def _drive(self, stored: Stored[Run], options: _Drive) -> tuple[Stored[Run], Advanced]:
        mine, fresh, opened = options.mine, options.fresh, 0
        learned: Event | None = None
        self._writer.learn_secrets(stored.record)
        for _ in range(options.steps):
            now = self._context.clock.now()
            if now > options.until and not mine:
                break
            command = next_command(stored.record, now)
            waits = not mine and self._must_wait(stored, now, free=options.free)
            if command is Command.NOTHING or waits:
                break
            with tracing.step(stored.record, command.value) as step:
                if command.acts and not mine:
                    stored, mine = self._claim(stored, command), True
                result = self._result(command, stored.record, options, fresh=fresh)
                opened += result.opened
                learned = result.event
                if learned is None and command.acts:
                    learned = self._failures.after_silence(stored.record)
                if learned is None:
                    stored = self._nothing_new(stored, command)
                    return stored, Advanced(stored.record, opened)
                stored, mine = self._record(stored, learned, mine=mine)
                step.learned(learned, stored.record)
            fresh = isinstance(learned, JobCreated)
            if _pauses(learned, stored.record):
                break
        self._left(stored, learned, announced=options.announced or learned is not None)
        run = stored.record
        over = learned is not None and (run.phase.ended or run.phase is Phase.PARKED)
        return stored, Advanced(run, opened, run.parent if over else None)

    def _left(self, stored: Stored[Run], learned: Event | None, *, announced: bool) -> None:
        """Update the hints of the open marker at the end of this call.

        If the marker is out of date, its worker died, perhaps before it reported the phase.
        """
        run, ledger = stored.record, self._context.ledger
        if run.phase.ended:
            if ledger.open_markers.remove_of(run.run_id) and not announced:
                report_phase(run)
                report_run(run, str(stored.etag), repeated=True)
        elif learned is not None:
            self._writer.hint(run)
        elif run.phase in FOR_OPERATORS and not self._is_hinted(run):
            if not announced:
                report_run(run, str(stored.etag), repeated=True)
            self._writer.hint(run)

    def _is_hinted(self, run: Run) -> bool:
        hints = self._context.ledger.open_markers.hints(run.run_id)
        return hints is not None and hints.phase is run.phase

    def _schedule_drift_check_after_takeover(self, run: Run, command: Command) -> None:
        """Schedule a drift check soon: an update by the dead worker may still arrive."""
        endpoint = run.config.endpoint
        if endpoint is not None and command in _UPDATES:
            schedule_drift_check(self._context, run, endpoint, endpoint.within)

    def _must_wait(self, stored: Stored[Run], now: datetime, *, free: bool) -> bool:
        run = stored.record
        if run.claim is not None and stored.age < self._context.limits.lease:
            return True
        if run.step_failure is None or now >= run.step_failure.next_check:
            return False
        return not (free and run.step_failure.waits_for)

    def _claim(self, stored: Stored[Run], command: Command) -> Stored[Run]:
        # Only the worker with the claim acts, if two have the same decision (design rule 4).
        run, now = stored.record, self._context.clock.now()
        changes: dict[str, object] = {"claim": self._context.new_id()}
        if run.claim is not None:
            self._schedule_drift_check_after_takeover(run, command)
            changes["step_failure"] = self._failures.silence(run, now - stored.age)
            changes["promotion"] = _perhaps_sent(run, command)
        return self._writer.replace(stored, run.evolve(**changes))

    def _result(self, command: Command, run: Run, options: _Drive, *, fresh: bool) -> StepResult:
        """Take a step, and keep the data that it found before its event is recorded."""
        try:
            result = self._perform(command, run, options, fresh=fresh)
            if not isinstance(result, StepResult):
                return StepResult(result)
            self._inbox.keep_replacements(run, result.replacements)
            self._inbox.requeue(run, result.requeued)
        except Exception as exc:  # noqa: BLE001 -- a programming error is recorded too
            return StepResult(self._failures.event_for(command, run, exc))
        return result

    def _perform(
        self, command: Command, run: Run, options: _Drive, *, fresh: bool
    ) -> Event | StepResult | None:
        if command is Command.CREATE_JOB:
            return self._jobs.create(run, fresh=fresh)
        if command is Command.START_JOB:
            return self._jobs.start(run, fresh=fresh)
        if command is Command.CHECK_JOB:
            return self._jobs.check(run, options.checked)
        return self._steps[command](run)

    def _record(
        self, stored: Stored[Run], learned: Event, *, mine: bool
    ) -> tuple[Stored[Run], bool]:
        """Record an event; the claim is kept where the next step follows at once."""

        def claim(run: Run) -> str | None:
            keep = mine and not _pauses(learned, run)
            keep = keep and next_command(run, self._context.clock.now()).acts
            return self._context.new_id() if keep else None

        recorded = self._writer.record(stored, learned, claim)
        return recorded, recorded.record.claim is not None

    def _nothing_new(self, stored: Stored[Run], command: Command) -> Stored[Run]:
        if command.acts or stored.record.step_failure is None:
            return stored  # an unknown effect keeps its claim; an unchanged check writes nothing
        return self._writer.replace(stored, stored.record.evolve(step_failure=None))

    def _begin_until(self) -> datetime:
        return self._context.clock.now() + _BEGIN_FOR


def _perhaps_sent(run: Run, command: Command) -> Promotion | None:
    """Return the promotion of a run whose worker died: its update may have arrived."""
    if run.promotion is None or command not in _UPDATES:
        return run.promotion
    return run.promotion.evolve(ever_sent=True)


def _pauses(learned: Event, run: Run) -> bool:
    """Whether the next step has to wait: a service needs time, or this call took long enough."""
    if isinstance(learned, UpdateSent):
        endpoint = run.config.endpoint
        return endpoint is not None and endpoint.shows
    more = isinstance(learned, EvidenceGathered) and learned.rows_left
    return more or type(learned) in _WAITS or run.step_failure is not None
