"""The timer's work: brings every open run forward, even if every event was lost.

Listing the markers is the whole input. A running job is looked at by what its marker hints
at: one GET at the service, no record read, no write (design C1). Hints are never truth:
anything but "still running" is decided from the record.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.kinds import Training
from shared.core.names import pipeline_of
from shared.core.run.record import Phase, Run
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    OutcomeUnknownError,
    RecordLeasedError,
    RelearnError,
    TransientError,
)
from shared.execution.bulkheads import Bulkheads, host_of, service_of
from shared.execution.context import Context
from shared.execution.endpoint_queue import EndpointQueue
from shared.execution.queues import CheckResult, Queue, Queues
from shared.intake.blob_events import Intake
from shared.intake.due_times import DueTimes
from shared.intake.schedules import Schedules
from shared.ledger.open_markers import (
    BatchToOpen,
    Marker,
    RollbackToOpen,
    RunHints,
    VersionToOpen,
    hints_of,
    queue_of,
)
from shared.ledger.progress import Heartbeat
from shared.ledger.store import Stored
from shared.maintenance.containers import Containers
from shared.maintenance.drift import Drift
from shared.operations.endpoints import Endpoints
from shared.ports.training import JobStatus
from shared.telemetry import log

_UNCHANGED: Final = frozenset({JobStatus.NOT_STARTED, JobStatus.RUNNING})
#: A parked run is read again now and then, should its hint be behind its record.
_PARKED_EVERY: Final = timedelta(minutes=10)
_AGE_PART: Final = 20
#: Up to which part of a tick's time open runs are looked at, and runs opened from what waits;
#: what is left is for endpoints that may have drifted. Nothing of it is lost where they need less.
_SHARES: Final = (5 / 8, 7 / 8)


@dataclass(frozen=True, slots=True)
class _Round:
    """What one pass over the open runs came to."""

    checked: int
    open: int
    parked: int
    resume_after: str  #: where the next tick goes on, where this one ran out of time


class Poll:
    """One poller of a process. Two at once are harmless; each keeps its own times of looks."""

    def __init__(self, context: Context, intake: Intake) -> None:
        self._context = context
        self._driver = intake.driver
        self._intake = intake
        self._drift = Drift(context, intake.catalogue.endpoints_of)
        self._endpoints = Endpoints(context, intake)
        self._schedules = Schedules(context, intake, DueTimes(context, intake.asked))
        self._checked_at: dict[str, datetime] = {}
        self._gather_next: Mapping[str, str] = {}
        self._containers = Containers(context)
        self._unread: set[str] = set()
        self._trainings: dict[str, tuple[str, Training]] = {}
        self._queues = Queues(context, self._look)
        self._concurrency = EndpointQueue(context)

    def tick(self, until: datetime | None = None) -> Heartbeat:
        """Advance every open run that is due, within the tick's budget.

        A run that cannot be advanced is logged and the rest goes on.

        Args:
            until: when nothing more may be begun; None: as long as a tick may take.

        Raises:
            TransientError: the open runs cannot be listed now.
        """
        until = until or self.until()
        self._intake.activate()
        last = self._last_tick()
        self._gather_next = last.record.next_batch_key if last else {}
        opened = self._driver.opened
        # Neither a great many open runs nor much that waits leaves the others without time.
        began = self._context.clock.now()
        rounds, gathers = (began + (until - began) * part for part in _SHARES)
        round_ = self._round(rounds, last.record.resume_after if last else "")
        checked, last_round = round_.checked, round_
        gathered = self._open_batches(gathers)
        while (gathered or self._driver.opened != opened) and self._context.clock.now() < gathers:
            # New runs, also those of roll-outs, need not wait for a tick.
            gathered, opened = 0, self._driver.opened
            more = self._round(gathers, "", only_new=True)
            checked, last_round = checked + more.checked, more
        self._continue_at_endpoints(gathers)
        if (now := self._context.clock.now()) < until:
            # A part of the tick: those due besides wait for the next, and the runs need not.
            self._drift.check(min(until, now + self._context.limits.tick / 4))
        if round_.resume_after and self._context.clock.now() < until:
            round_ = self._round(until, round_.resume_after)
            checked, last_round = checked + round_.checked, round_
        beat = Heartbeat(
            at=self._context.clock.now(),
            checked=checked,
            open=last_round.open,
            parked=last_round.parked,
            missing=self._containers.missing(),
            resume_after=round_.resume_after,
            next_batch_key=dict(self._gather_next),
        )
        try:
            self._context.ledger.heartbeat.put(beat, last.etag if last else None)
        except ConflictError:
            pass  # another poller was as fast: either will do
        except TransientError as exc:  # the tick has done its work all the same
            log.warning("the last tick cannot be recorded now: %s", exc)
        return beat

    def _round(
        self,
        until: datetime,
        resume: str,
        *,
        only_new: bool = False,
        only: Collection[str] | None = None,
    ) -> _Round:
        """Look at the open runs that are due; at those alone that are new, or of these ids."""
        began = self._context.clock.now()
        markers = list(self._context.ledger.open_markers.listed())
        queues = [] if only_new or only is not None else self._queues.found(markers)
        if only is None:  # another timer's runs were opened a moment ago
            self._concurrency.found(markers)
        order = [m for m in markers if m.run_id > resume] + [
            m for m in markers if m.run_id <= resume
        ]
        if only is not None:
            due = [marker for marker in order if marker.run_id in only]
        elif only_new:
            new = [marker for marker in order if marker.run_id not in self._checked_at]
            due = [marker for marker in new if self._is_due(marker, began)]
        else:
            due = [marker for marker in order if self._is_due(marker, began)]
        # Where the last tick had no time for all, the queues had none: now they are first.
        bulkheads = self._bulkheads([*queues, *due] if resume else [*due, *queues], began, until)
        left = {item.run_id for item in bulkheads.run() if isinstance(item, Marker)}
        self._go_on_with_roll_outs(until)
        self._forget({marker.run_id for marker in markers})
        begun = [marker.run_id for marker in due if marker.run_id not in left]
        parked = sum(marker.hints.phase is Phase.PARKED for marker in markers)
        return _Round(bulkheads.done, len(markers), parked, begun[-1] if left and begun else "")

    def _bulkheads(
        self, items: list[Marker | Queue], began: datetime, until: datetime
    ) -> "Bulkheads[Marker | Queue]":
        def work(item: Marker | Queue) -> bool:
            if isinstance(item, Queue):
                return self._queues.bring_forward(item, until)
            checked = self._look(item, until)
            self._queues.note(item, checked.run)
            return checked.well

        now = self._context.clock.now
        half = began + (until - began) / 2  # what services that fail may take of the time
        return Bulkheads(
            items,
            self._service_of,
            work,
            lambda: now() < until,
            self._context.limits.at_once,
            group_of=host_of,
            suspect=lambda item: isinstance(item, Marker) and item.run.failing,
            spend=lambda: now() < half,
        )

    def _service_of(self, item: Marker | Queue) -> str:
        """Return the service that a look is likely to call; each has a lane of its own."""
        if isinstance(item, Queue):
            return service_of(item.service)
        if service := item.hints.service:
            return service_of(service)
        name = item.hints.pipeline or pipeline_of(item.run_id)
        try:
            pipeline = self._intake.catalogue.pipeline(name)
        except RelearnError:  # it has an error, and the run its own configuration
            return ""
        return service_of(pipeline.training.address) if pipeline else ""

    def _open_batches(self, until: datetime) -> int:
        """Open the runs that what landed may have now, and return how many there are.

        A burst is over, or a place is free. They are advanced with all the others.
        """
        try:
            gathered = self._intake.open_batches(until, self._gather_next)
        except RelearnError as exc:
            log.warning("what landed cannot be looked for now: %s", exc)
            return 0
        self._gather_next = gathered.next
        return gathered.opened

    def _go_on_with_roll_outs(self, until: datetime) -> None:
        """Look at roll-outs whose deliveries were settled, each once however many there were."""
        for run_id in self._driver.take_ready():
            if self._context.clock.now() >= until:
                return  # the next tick looks at it anyway
            try:
                self._driver.advance(run_id, until)
            except RelearnError as exc:
                log.info("run %s goes on at the next tick: %s", run_id, exc)

    def _continue_at_endpoints(self, until: datetime) -> None:
        """Have the next run of each endpoint that is free go on, until one has it or none waits."""
        clock = self._context.clock
        while clock.now() < until and (following := self._concurrency.next(until)):
            Bulkheads(
                following,
                self._service_of,
                lambda marker: self._look(marker, until, free=True).well,
                lambda: clock.now() < until,
                self._context.limits.at_once,
                group_of=host_of,
            ).run()

    def until(self) -> datetime:
        """Return when nothing more may be begun in the present invocation."""
        limits = self._context.limits
        return self._context.clock.now() + limits.tick - limits.longest_step

    def _last_tick(self) -> Stored[Heartbeat] | None:
        try:
            return self._context.ledger.heartbeat.read()
        except CorruptRecordError as exc:
            log.error("%s", exc)  # it only says where to go on; the runs do not depend on it
            return None

    def start_scheduled(self, until: datetime | None = None) -> None:
        """Open the runs whose due times have come, at most one for each due time and key.

        They are opened for all pipelines before the first of them is driven, and half of the
        time is left to whatever comes after. What is not driven here is driven by the poll.

        Args:
            until: when no further run may be begun; None: as long as a tick may take.
        """
        began, until = self._context.clock.now(), until or self.until()
        self._intake.last_good.load()
        end = began + (until - began) / 2
        opened = self._schedules.open_due(end)
        if opened and self._context.clock.now() < end:
            self._round(end, "", only=frozenset(opened))

    def _is_due(self, marker: Marker, now: datetime) -> bool:
        hints = marker.run
        if queue_of(marker):
            return False  # its queue is brought forward as a whole
        checked = self._checked_at.get(marker.run_id)
        limits, started = self._context.limits, hints.job.started if hints.job else None
        if checked is None:
            # Whoever started the job has just looked at it.
            return started is None or not timedelta() <= now - started < limits.check_interval_min
        still = hints.phase in (Phase.PARKED, Phase.AWAITING_APPROVAL)
        if still or marker.run_id in self._unread:
            expired = hints.expires is not None and now >= hints.expires
            return expired or now - checked >= _PARKED_EVERY
        if hints.next_check is not None and now < hints.next_check:
            return False
        if started is None:
            return True
        every = (now - started) / _AGE_PART
        return now - checked >= min(
            max(every, limits.check_interval_min), limits.check_interval_max
        )

    def _look(self, marker: Marker, until: datetime, *, free: bool = False) -> CheckResult:
        self._checked_at[marker.run_id] = self._context.clock.now()
        self._unread.discard(marker.run_id)
        try:
            if self._still_running(marker):
                return CheckResult(well=True)
            run = self._advance(marker, until, free=free)
            # Whoever waits for a turn has called no service yet.
            step_failure = None if run is None or run.phase is Phase.WAITING else run.step_failure
            return CheckResult(step_failure is None or bool(step_failure.waits_for), run)
        except RecordLeasedError as exc:  # neither the service nor the storage is to blame
            log.warning("run %s cannot be advanced now: %s", marker.run_id, exc)
        except (TransientError, OutcomeUnknownError) as exc:
            log.warning("run %s cannot be advanced now: %s", marker.run_id, exc)
            return CheckResult(well=False)
        except ConflictError:
            pass  # another worker is faster
        except CorruptRecordError as exc:
            log.error("run %s cannot be advanced: %s", marker.run_id, exc)
            self._unread.add(marker.run_id)  # the more seldom it is read
            self._know_nothing_of(marker)
        except RelearnError as exc:
            log.error("run %s cannot be advanced: %s", marker.run_id, exc)
        except Exception:  # noqa: BLE001 -- one broken run never stops the others
            log.exception("run %s cannot be advanced", marker.run_id)
        return CheckResult(well=True)

    def _know_nothing_of(self, marker: Marker) -> None:
        """Have nobody believe what a marker says of a run whose record cannot be read."""
        kept = RunHints(pipeline=marker.hints.pipeline, service=marker.hints.service)
        if marker.hints != kept:
            with suppress(RelearnError):  # the next look does it
                self._context.ledger.open_markers.replace(marker, kept)

    def _still_running(self, marker: Marker) -> bool:
        job = marker.run.job
        if job is None or marker.run.next_check is not None:
            return False
        if self._context.clock.now() >= job.until:
            return False
        training = self._training_of(marker.run_id, job.id)
        if training is None:
            return False
        service = self._context.providers.training(training)
        try:
            return service.state(job.id).status in _UNCHANGED
        except TransientError as exc:
            # Kept in the record, so that a service that stays away is noticed in the end.
            if (run := self._driver.delay(marker.run_id, exc)) is not None:
                self._context.ledger.open_markers.replace(marker, hints_of(run))
            raise
        except Exception:  # noqa: BLE001 -- the driver meets it again, and keeps it in the record
            return False

    def _training_of(self, run_id: str, job: str) -> Training | None:
        """Return the training service of a run's job by its own configuration, read once.

        What a marker says is no reason to send a key anywhere.
        """
        known, training = self._trainings.get(run_id, ("", None))
        if known == job:
            return training
        stored = self._context.ledger.runs.read(run_id)
        if stored is None or stored.record.job != job:
            return None
        self._trainings[run_id] = (job, stored.record.config.training)
        return stored.record.config.training

    def _advance(self, marker: Marker, until: datetime, *, free: bool = False) -> Run | None:
        soonest = self._context.limits.check_interval_min
        run = self._driver.advance(marker.run_id, until, check_from=soonest, free=free)
        run = run or self._open(marker, until)
        if run and run.job:
            self._trainings[run.run_id] = (run.job, run.config.training)
        if run and not run.phase.ended and (hints := hints_of(run)) != marker.hints:
            self._context.ledger.open_markers.replace(marker, hints)
        return run

    def _open(self, marker: Marker, until: datetime) -> Run | None:
        hints, run = marker.hints, None
        if isinstance(hints, RollbackToOpen):
            run = self._endpoints.carry_out(hints, marker.run_id)
        elif isinstance(hints, BatchToOpen):
            run = self._intake.resume_batch(hints, until)
        elif isinstance(hints, VersionToOpen):
            run = self._intake.open_from_entry(hints.version, marker.run_id)
            if run is None and self._intake.is_expected(hints.version, marker.run_id):
                return None  # recorded, and its pipeline is not in the file now: it may come back
        if run is not None:
            return run
        # By the storage's clock: one of a host may be ahead, and a record be about to be stored.
        if self._context.ledger.open_markers.age(marker.run_id) > 2 * self._context.limits.lease:
            log.info("run %s was announced and never opened: forgotten", marker.run_id)
            self._context.ledger.open_markers.remove(marker)
        return None

    def _forget(self, open_runs: set[str]) -> None:
        self._checked_at = {run: at for run, at in self._checked_at.items() if run in open_runs}
        self._unread &= open_runs
        self._trainings = {run: one for run, one in self._trainings.items() if run in open_runs}
