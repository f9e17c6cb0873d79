"""Brings one run forward: read, decide, claim, act, record. Every trigger ends up here."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.run.control_events import Cancelled, Event, StepBlocked, StepFailed
from shared.core.run.job_events import JobCreated, JobStarted, OutputSeen
from shared.core.run.machine import Command, apply, next_command
from shared.core.run.promotion_events import NotYetLive, UpdateSent
from shared.core.run.record import Origin, Phase, Promotion, Run, StepFailure
from shared.core.run.staging_events import CandidateStaged
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.errors import (
    ConfigError,
    ConflictError,
    EndpointBusyError,
    OutcomeUnknownError,
    PermanentError,
    RelearnError,
    TransientError,
)
from shared.execution.concurrency import ConcurrencyLimits
from shared.execution.context import Context
from shared.execution.drift_schedule import schedule_drift_check
from shared.execution.gate import GateSteps
from shared.execution.job import DiscoveredData, JobSteps
from shared.execution.promotion import PromotionSteps
from shared.execution.rollout import RollOutSteps
from shared.execution.staging import StagingSteps
from shared.ledger.open_markers import hints_of
from shared.ledger.store import Stored
from shared.telemetry import log, report_run

#: More than the longest way from received to verifying; a bound, not a budget.
_MOST_STEPS: Final = 20
_AT_ONCE: Final = timedelta()
#: What names a blob, a model or an endpoint, or is configured, is needed as it is.
_KEPT: Final = (BlobVersion, Pipeline, ModelRef, ServingState, Candidate)
#: Steps are begun for this long in one call, so that the last one ends in time.
_BEGIN_FOR: Final = timedelta(seconds=60)
#: Where a run waits for a person.
_FOR_OPERATORS: Final = (Phase.PARKED, Phase.AWAITING_APPROVAL)


class Driver:
    """Advances runs. Safe to call at any time, from any trigger, by any number of workers.

    Args:
        context: the world.
        news: told of data versions that a step came upon.
    """

    def __init__(self, context: Context, news: DiscoveredData) -> None:
        self._context = context
        self._jobs = JobSteps(context, news)
        self._promotion = PromotionSteps(context)
        self._roll_out = RollOutSteps(context)
        self._concurrency = ConcurrencyLimits(context)
        self._gate = GateSteps(context)
        self._staging = StagingSteps(context)
        self._steps: Mapping[Command, Callable[[Run], Event | None]] = {
            Command.ADMIT: self._concurrency.take,
            Command.CHECK_JOB: self._jobs.look,
            Command.STOP_JOB: self._jobs.stop,
            Command.COLLECT_MODEL: self._jobs.collect,
            Command.STAGE_CANDIDATE: self._staging.stage,
            Command.CHECK_CANDIDATE: self._staging.check,
            Command.JUDGE: self._gate.judge,
            Command.EXPIRE: self._gate.expire,
            Command.ROLL_OUT: self._roll_out.roll_out,
            Command.LEASE_ENDPOINT: self._promotion.acquire_lease,
            Command.UPDATE_ENDPOINT: self._promotion.update,
            Command.ROLL_BACK_ENDPOINT: self._promotion.roll_back,
            Command.CHECK_ENDPOINT: self._promotion.look,
            Command.CANCEL: lambda _: Cancelled(),
        }
        self._parents: set[str] = set()

    def begin(self, run: Run, *, fresh: bool) -> Run:
        """Store a new run, already claimed, and take its first steps.

        A run that exists already is advanced instead.

        Args:
            run: the new run.
            fresh: whether its data was looked at a moment ago, by the caller.
        """
        claim = self._me() if next_command(run, self._context.clock.now()).acts else None
        try:
            stored = self._context.ledger.runs.create(run.evolve(claim=claim))
        except ConflictError:
            return self.advance(run.run_id) or run
        try:
            announced = report_run(stored.record, stored.etag)
            return self._drive(stored, mine=claim is not None, fresh=fresh, announced=announced)
        except ConflictError:  # another worker goes on with it: whoever asked for it has it
            found = self._context.ledger.runs.read(run.run_id)
            return found.record if found else run

    def advance(
        self,
        run_id: str,
        until: datetime | None = None,
        *,
        check_from: timedelta | None = None,
        free: bool = False,
    ) -> Run | None:
        """Take the steps that are due for a run, and return it; None when there is no record.

        Args:
            run_id: the run.
            until: when no further step may be begun; by default a minute from now.
            check_from: the age from which its job may be looked at; None: it may not. The poll
                looks by the job's age; anybody else needs a reason, such as a new output file:
                events may come many times.
            free: whether the endpoint that it waits for is free now, so that it need not wait
                for its next look.

        Raises:
            CorruptRecordError: the record is not understood.
            TransientError, OutcomeUnknownError: the ledger cannot be read or written now.
        """
        stored = self._context.ledger.runs.read(run_id)
        if stored is None:
            return None
        run, now = stored.record, self._context.clock.now()
        if next_command(run, now) is Command.CHECK_JOB:
            age = now - (run.started_at or run.opened_at)
            if check_from is None or timedelta() <= age < check_from:
                return run
        return self._drive(stored, mine=False, until=until, free=free)

    def output_seen(self, stored: Stored[Run], output: BlobVersion) -> Run:
        """Look at the job of a run that wrote this file, the first time that it is seen.

        Args:
            stored: the run.
            output: the file as it is now.

        Returns the run. Safe to repeat: what was seen is in the record. Raises as `advance`.
        """
        seen = OutputSeen.of(stored.record, output)
        if stored.record.phase is not Phase.TRAINING or seen.known_to(stored.record):
            return stored.record
        run = self.note(stored, seen)
        return self.advance(run.run_id, check_from=_AT_ONCE) or run

    def admit(self, run_id: str) -> Run | None:
        """Let a run that waits take its place, if there is one for it; no service is called.

        Args:
            run_id: the run.

        Returns the run, or None when there is no record. Safe to repeat. Raises as `advance`.
        """
        stored = self._context.ledger.runs.read(run_id)
        if stored is None or next_command(stored.record, self._context.clock.now()) is not (
            Command.ADMIT
        ):
            return stored.record if stored else None
        return self._drive(stored, mine=False, steps=1)

    def note(self, stored: Stored[Run], event: Event) -> Run:
        """Record what somebody else learned about a run, without taking a step.

        Raises:
            InvalidTransitionError: it does not fit the present phase.
            Conflict: the run moved meanwhile.
        """
        event = self._clean(event, stored.record)
        run = apply(stored.record, event, self._context.clock.now())
        noted = self._context.ledger.runs.replace(run, stored.etag)
        _log(stored.record, noted, event)
        self._hint(noted.record)
        return noted.record

    def take_ready(self) -> set[str]:
        """Return the roll-outs of which deliveries were settled since this was asked last."""
        taken, self._parents = self._parents, set()
        return taken

    @property
    def opened(self) -> int:
        """How many runs were opened by other runs so far."""
        return self._roll_out.opened

    def delay(self, run_id: str, error: RelearnError) -> Run | None:
        """Record that a look at a run's job failed with `error`."""
        stored = self._context.ledger.runs.read(run_id)
        if stored is None or stored.record.phase is not Phase.TRAINING:
            return stored.record if stored else None
        return self.note(stored, self.delay_for(stored.record, error))

    def delay_for(self, run: Run, error: RelearnError) -> StepFailed:
        """Return the delay that `error` asks for: growing, jittered, as long as was asked."""
        limits = self._context.limits
        count = run.step_failure.count if run.step_failure else 0
        # Somebody waits for a rollback, and what serves meanwhile is known to be bad.
        urgent = run.origin is Origin.ROLLBACK
        longest = limits.check_interval_min if urgent else limits.check_interval_max
        pause = min(limits.check_interval_min * 2 ** min(count, 10), longest)
        pause *= 1 + _jitter(run.run_id, count) / 4
        asked = patience = None
        if isinstance(error, TransientError):
            asked, patience = error.retry_after, error.patience
        pause = max(pause, asked or timedelta())
        next_check = self._context.clock.now() + pause
        return StepFailed(
            str(error),
            next_check,
            patience or limits.patience,
            step_patience=limits.patience,
            cure=error.cure,
            waits_for=error.endpoint if isinstance(error, EndpointBusyError) else "",
        )

    def _drive(
        self,
        stored: Stored[Run],
        *,
        mine: bool,
        fresh: bool = False,
        until: datetime | None = None,
        steps: int = _MOST_STEPS,
        announced: bool = False,
        free: bool = False,
    ) -> Run:
        until = until or self._context.clock.now() + _BEGIN_FOR
        learned: Event | None = None
        self._know(stored.record)
        for _ in range(steps):
            now = self._context.clock.now()
            if now > until and not mine:
                break
            command = next_command(stored.record, now)
            waits = not mine and self._must_wait(stored, now, free=free)
            if command is Command.NOTHING or waits:
                break
            if command.acts and not mine:
                stored, mine = self._claim(stored, command), True
            learned = self._learn(command, stored.record, fresh=fresh)
            if learned is None and not self._silent_too_long(command, stored.record):
                return self._nothing_new(stored, command)
            if learned is None:
                learned = self.delay_for(
                    stored.record, OutcomeUnknownError("no answer is ever seen")
                )
            stored, mine = self._record(stored, learned, mine=mine)
            fresh = isinstance(learned, JobCreated)
            if _pauses(learned, stored.record):
                break
        return self._left(stored, learned, announced=announced or learned is not None)

    def _left(self, stored: Stored[Run], learned: Event | None, *, announced: bool) -> Run:
        """Have the marker of a run say what others go by, now that it is let go of.

        A marker that does not say so yet belongs to a worker that died, perhaps before it
        reported where the run got to.
        """
        run, ledger = stored.record, self._context.ledger
        if run.phase.ended:
            if ledger.open_markers.remove_of(run.run_id) and not announced:
                report_run(run, stored.etag, repeated=True)
        elif learned is not None:
            self._hint(run)
        elif run.phase in _FOR_OPERATORS and not self._is_hinted(run):
            if not announced:
                report_run(run, stored.etag, repeated=True)
            self._hint(run)
        if run.parent is not None and learned is not None and _settled(run):
            self._parents.add(run.parent)
        return run

    def _is_hinted(self, run: Run) -> bool:
        hints = self._context.ledger.open_markers.hints(run.run_id)
        return hints is not None and hints.phase is run.phase

    def _hint(self, run: Run) -> None:
        """Have a run that waits for a person say so: others look at no more than its marker."""
        if run.phase in _FOR_OPERATORS:
            self._context.ledger.open_markers.mark(run.run_id, hints_of(run))

    def _schedule_drift_check_after_takeover(self, run: Run, command: Command) -> None:
        """Have the endpoint proved again soon: what the dead worker sent may still arrive."""
        endpoint = run.config.endpoint
        if endpoint is not None and command in (
            Command.UPDATE_ENDPOINT,
            Command.ROLL_BACK_ENDPOINT,
        ):
            schedule_drift_check(self._context, run, endpoint, endpoint.within)

    def _must_wait(self, stored: Stored[Run], now: datetime, *, free: bool) -> bool:
        run = stored.record
        if run.claim is not None and stored.age < self._context.limits.lease:
            return True
        if run.step_failure is None or now >= run.step_failure.next_check:
            return False
        return not (free and run.step_failure.waits_for)

    def _claim(self, stored: Stored[Run], command: Command) -> Stored[Run]:
        # The claim is the fence: of two workers that decided alike, one may act (design rule 4).
        run, now = stored.record, self._context.clock.now()
        changes: dict[str, object] = {"claim": self._me()}
        if run.claim is not None:
            self._schedule_drift_check_after_takeover(run, command)
            changes["step_failure"] = self._silence(run, now, now - stored.age)
            changes["promotion"] = _perhaps_sent(run, command)
        return self._context.ledger.runs.replace(run.evolve(**changes), stored.etag)

    def _silence(self, run: Run, now: datetime, silent_since: datetime) -> StepFailure:
        since = run.step_failure.since if run.step_failure else silent_since
        return StepFailure(
            since=since,
            cause_since=since,
            patience=self._context.limits.patience,
            count=run.step_failure.count + 1 if run.step_failure else 1,
            reason="the worker that held this run fell silent; its step is looked into",
            next_check=now,
        )

    def _learn(self, command: Command, run: Run, *, fresh: bool) -> Event | None:
        try:
            return self._perform(command, run, fresh=fresh)
        except (TransientError, OutcomeUnknownError, ConflictError) as exc:
            return self.delay_for(run, exc)
        except ConfigError as exc:
            return StepBlocked(str(exc), "correct the setting, restart, then retry the run")
        except PermanentError as exc:
            cure = exc.cure or "remove the cause"
            return StepBlocked(str(exc), f"{cure}, then retry the run, or cancel it")
        except Exception as exc:  # noqa: BLE001 -- a mistake of ours: kept in the record, and in the end parked
            log.exception("run %s: unexpected error in: %s", run.run_id, command)
            error = TransientError(f"unexpected {type(exc).__name__} in: {command}")
            return None if command.acts else self.delay_for(run, error)

    def _clean(self, learned: Event, run: Run) -> Event:
        # Errors of the storage, evaluations and people may hold a secret too.
        self._know(run)
        return self._context.redactor.clean(learned, keep=_KEPT)

    def _know(self, run: Run) -> None:
        """Keep the secrets of a run's configuration out of texts: the file may name others now."""
        self._context.redactor.learn(*self._context.providers.secrets_of(run.config))

    def _silent_too_long(self, command: Command, run: Run) -> bool:
        waited = (
            self._context.clock.now() - run.step_failure.since if run.step_failure else timedelta()
        )
        return command.acts and waited >= self._context.limits.patience

    def _perform(self, command: Command, run: Run, *, fresh: bool) -> Event | None:
        if command is Command.CREATE_JOB:
            return self._jobs.create(run, fresh=fresh)
        if command is Command.START_JOB:
            return self._jobs.start(run, fresh=fresh)
        return self._steps[command](run)

    def _record(
        self, stored: Stored[Run], learned: Event, *, mine: bool
    ) -> tuple[Stored[Run], bool]:
        now = self._context.clock.now()
        learned = self._clean(learned, stored.record)
        run = apply(stored.record, learned, now)
        keep = mine and not _pauses(learned, run) and next_command(run, now).acts
        run = run.evolve(claim=self._me() if keep else None)
        replaced = self._context.ledger.runs.replace(run, stored.etag)
        _log(stored.record, replaced, learned)
        return replaced, keep

    def _nothing_new(self, stored: Stored[Run], command: Command) -> Run:
        run = stored.record
        if command.acts or run.step_failure is None:
            return run  # an unknown effect keeps its claim; an unchanged look writes nothing
        calm = run.evolve(step_failure=None)
        return self._context.ledger.runs.replace(calm, stored.etag).record

    def _me(self) -> str:
        return self._context.new_id()


def _perhaps_sent(run: Run, command: Command) -> Promotion | None:
    """Return the promotion of a run whose worker died: what it was to send may have arrived."""
    sends = command in (Command.UPDATE_ENDPOINT, Command.ROLL_BACK_ENDPOINT)
    if run.promotion is None or not sends:
        return run.promotion
    return run.promotion.evolve(ever_sent=True)


def _pauses(learned: Event, run: Run) -> bool:
    """Whether the world needs time before the next step can learn anything."""
    if isinstance(learned, UpdateSent):
        endpoint = run.config.endpoint
        return endpoint is not None and endpoint.shows
    return (
        isinstance(learned, JobStarted | CandidateStaged | NotYetLive)
        or run.step_failure is not None
    )


def _settled(run: Run) -> bool:
    return run.phase.ended or run.phase is Phase.PARKED


def _jitter(run_id: str, count: int) -> float:
    # Derived, so that a replay waits alike; different for each run, so that a crowd spreads.
    return hashlib.sha256(f"{run_id}/{count}".encode()).digest()[0] / 255


def _log(before: Run, stored: Stored[Run], learned: Event) -> None:
    """Report what a run came to, now that it is stored: another worker may have been faster."""
    after = stored.record
    asked_before = after.phase is before.phase is Phase.AWAITING_APPROVAL
    if not asked_before and report_run(after, stored.etag):
        return
    if isinstance(learned, StepFailed):
        at = learned.next_check.isoformat(timespec="seconds")
        text = "run %s (%s) will try again at %s: %s"
        log.warning(text, after.run_id, after.phase, at, learned.reason)
    elif after.phase is not before.phase:
        log.info("run %s: %s -> %s", after.run_id, before.phase, after.phase)
