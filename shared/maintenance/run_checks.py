"""Checks one open run: only its job while nothing changes, otherwise by the driver.

A running job is checked by the hints of its open marker: one GET at the service, no record
read, no write (design C1). Hints may be wrong: anything but "still running" is decided from
the record.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.kinds import Training
from shared.core.run.record import Phase
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    OutcomeUnknownError,
    RecordLeasedError,
    RelearnError,
    TransientError,
)
from shared.execution.context import Context
from shared.execution.driver import Advanced, Driver
from shared.execution.job import CheckedJob
from shared.execution.queues import CheckResult
from shared.intake.announced_runs import AnnouncedRuns
from shared.ledger.open_markers import Marker, RunHints, hints_of, queue_of
from shared.ports.training import JobStatus
from shared.telemetry import log

_UNCHANGED: Final = frozenset({JobStatus.NOT_STARTED, JobStatus.RUNNING})
#: How often a parked run is read again, in case its hint is out of date.
_PARKED_EVERY: Final = timedelta(minutes=10)
_AGE_PART: Final = 20


class RunChecks:
    """Checks open runs, each at the times that its age and its state ask for.

    Args:
        context: the ledger, the services and the clock.
        driver: takes the steps of runs.
        announced: opens runs that have no record yet.
    """

    def __init__(self, context: Context, driver: Driver, announced: AnnouncedRuns) -> None:
        self._context = context
        self._driver = driver
        self._announced = announced
        self._checked_at: dict[str, datetime] = {}
        self._unread: set[str] = set()
        self._trainings: dict[str, tuple[str, Training]] = {}

    def is_new(self, marker: Marker) -> bool:
        """Whether a run was not checked by this process."""
        return marker.run_id not in self._checked_at

    def is_due(self, marker: Marker, now: datetime) -> bool:
        """Whether a run is to be checked now.

        Args:
            marker: of the run.
            now: the present moment.
        """
        hints = marker.run
        if queue_of(marker):
            return False  # its queue is brought forward as a whole
        checked = self._checked_at.get(marker.run_id)
        limits, started = self._context.limits, hints.job.started if hints.job else None
        if checked is None:
            # The worker that started the job has just checked it.
            return started is None or not timedelta() <= now - started < limits.check_interval_min
        idle = hints.phase in (Phase.PARKED, Phase.AWAITING_APPROVAL)
        if idle or marker.run_id in self._unread:
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

    def check(self, marker: Marker, until: datetime, *, free: bool = False) -> CheckResult:
        """Check a run, and advance it where something has changed. Never raises.

        Args:
            marker: of the run.
            until: when no further step may be begun.
            free: whether the endpoint that it waits for is free now.

        Returns:
            Whether its service and the storage answered, and what the driver did.
        """
        self._checked_at[marker.run_id] = self._context.clock.now()
        self._unread.discard(marker.run_id)
        try:
            return self._checked(marker, until, free=free)
        except RecordLeasedError as exc:  # neither the service nor the storage failed
            log.warning("run %s cannot be advanced now: %s", marker.run_id, exc)
        except (TransientError, OutcomeUnknownError) as exc:
            log.warning("run %s cannot be advanced now: %s", marker.run_id, exc)
            return CheckResult(well=False)
        except ConflictError:
            pass  # another worker was faster
        except CorruptRecordError as exc:
            log.error("run %s cannot be advanced: %s", marker.run_id, exc)
            self._unread.add(marker.run_id)  # it is read less often
            self._withdraw_hints(marker)
        except RelearnError as exc:
            log.error("run %s cannot be advanced: %s", marker.run_id, exc)
        except Exception:  # noqa: BLE001 -- one broken run never stops the others
            log.exception("run %s cannot be advanced", marker.run_id)
        return CheckResult(well=True)

    def forget(self, open_runs: Collection[str]) -> None:
        """Drop the times of all runs but these. Events may have runs checked meanwhile."""
        times, trainings = list(self._checked_at.items()), list(self._trainings.items())
        self._checked_at = {run: at for run, at in times if run in open_runs}
        self._unread.intersection_update(open_runs)
        self._trainings = {run: one for run, one in trainings if run in open_runs}

    def _checked(self, marker: Marker, until: datetime, *, free: bool) -> CheckResult:
        checked = self._job_of(marker)
        if checked is not None and checked.state.status in _UNCHANGED:
            return CheckResult(well=True)
        soonest = self._context.limits.check_interval_min
        advanced = self._driver.advance(
            marker.run_id, until, check_from=soonest, free=free, checked=checked
        )
        run = advanced.run
        if run is None and (run := self._announced.open(marker, until)) is not None:
            advanced = Advanced(run)
        if run and run.job:
            self._trainings[run.run_id] = (run.job, run.config.training)
        if run and not run.phase.ended and (hints := hints_of(run)) != marker.hints:
            self._context.ledger.open_markers.replace(marker, hints)
        # A run that waits for a slot has called no service yet.
        failure = None if run is None or run.phase is Phase.WAITING else run.step_failure
        return CheckResult(failure is None or bool(failure.waits_for), advanced)

    def _job_of(self, marker: Marker) -> CheckedJob | None:
        """Return the state of the job that a marker hints at; None where the record is needed."""
        job = marker.run.job
        if job is None or marker.run.next_check is not None:
            return None
        if self._context.clock.now() >= job.until:
            return None
        training = self._training_of(marker.run_id, job.id)
        if training is None:
            return None
        try:
            return CheckedJob(job.id, self._context.providers.training(training).state(job.id))
        except TransientError as exc:
            # Recorded, so that a service without answers for long is noticed.
            if (run := self._driver.delay(marker.run_id, exc)) is not None:
                self._context.ledger.open_markers.replace(marker, hints_of(run))
            raise
        except Exception:  # noqa: BLE001 -- the driver gets the error again, and records it
            return None

    def _training_of(self, run_id: str, job: str) -> Training | None:
        """Return the training service of a run's job by its own configuration, read once.

        A key is never sent to an address from a marker.
        """
        known, training = self._trainings.get(run_id, ("", None))
        if known == job:
            return training
        stored = self._context.ledger.runs.read(run_id)
        if stored is None or stored.record.job != job:
            return None
        self._trainings[run_id] = (job, stored.record.config.training)
        return stored.record.config.training

    def _withdraw_hints(self, marker: Marker) -> None:
        """Remove the hints from the marker of a run whose record cannot be read."""
        kept = RunHints(pipeline=marker.hints.pipeline, service=marker.hints.service)
        if marker.hints != kept:
            with suppress(RelearnError):  # the next check does it
                self._context.ledger.open_markers.replace(marker, kept)
