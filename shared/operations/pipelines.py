"""The operator's commands for pipelines: list, show, pause, resume, preview."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from shared.core import names
from shared.core.config.due_times import PendingDueTime, as_due_now
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import (
    Schedule,
    delay_of,
    dues_between,
    last_due_of,
    next_due_of,
)
from shared.core.run.concurrency import Pause, Pauses, RunQueue, over_budget
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Run
from shared.core.service import service
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    NoSuchPipelineError,
)
from shared.execution.context import Context
from shared.intake.catalogue import Catalogue
from shared.intake.last_good import LastGood
from shared.intake.requests import Requests
from shared.ledger.schedules import ScheduleRecord
from shared.operations.commands import ANONYMOUS, OperatorCommand
from shared.operations.history import OpenRun, OpenRunCounts, OpenRuns, counts_of
from shared.operations.preview import Preview, Previews
from shared.telemetry import log

#: Keys of one page, each at a read; and waiting data versions that are counted.
MOST_KEYS: Final = 50
MOST_COUNTED: Final = 5000
#: Windows that passed without a run, and are counted.
MOST_PASSED: Final = 100

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Keys:
    """Some of the keys of a pipeline."""

    run_queues: tuple[RunQueue, ...] = ()
    unreadable: tuple[str, ...] = ()  #: names of records that are not understood
    cursor: str | None = None  #: where the next ones begin


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """The state of a pipeline."""

    pipeline: Pipeline
    active_since: datetime | None
    pauses: Pauses
    keys: Keys
    last_due: datetime | None
    next_due: datetime | None
    waiting_data: int
    runs: OpenRunCounts
    open_runs: tuple[OpenRun, ...]  #: some of them, where keys were asked for
    pending: tuple[PendingDueTime, ...]  #: due times that came, and are not done yet
    passed: int  #: due times that came and were not dealt with, as in a pause of the schedule
    at: datetime
    unreadable: tuple[str, ...] = ()  #: names of its records that are not understood

    @property
    def pause(self) -> Pause | None:
        """The pause by an operator, or else the last one by failures that is in force."""
        return self.pauses.pause or self.pauses.of_failures()

    @property
    def run_queues(self) -> tuple[RunQueue, ...]:
        """The queues of the keys that were asked for, each with the pause that is in force."""
        return self.keys.run_queues

    def over_budget(self, run_queue: RunQueue) -> str | None:
        """Return why the budget lets no run of a key begin; None if it does."""
        return over_budget(run_queue, self.pipeline, "", self.at)

    @property
    def version(self) -> str:
        """The version that a pause or resume may name: these change it, runs do not."""
        return _version(self.pauses)


@service
class Pipelines:
    """The pipelines of the file."""

    context: Context
    catalogue: Catalogue
    previews: Previews
    open_runs: OpenRuns
    last_good: LastGood
    requests: Requests

    def require_any(self) -> None:
        """Raise the reason why no pipeline is in use; return where some are, or without an error.

        Raises:
            TransientError: the file has errors, and the ledger does not work now.
            PipelineConfigError: the file has errors, and there is no earlier configuration.
        """
        self.last_good.require_any()

    def problems(self) -> list[str]:
        """Return the errors of the file, and what each pipeline with an error uses instead."""
        return self.last_good.problems()

    def in_use(self) -> Mapping[str, Pipeline]:
        """Return the pipelines that runs are opened for, by their names."""
        return dict(self.catalogue.pipelines)

    def start_run(self, name: str, key: str, request: ManualRequest) -> Run:
        """Open a run now; the same key returns the same run.

        Args:
            name: the pipeline.
            key: of the request, which makes it safe to repeat.
            request: what the run is to be.

        Returns:
            The run.

        Raises:
            NoSuchPipelineError, NoSuchDataError: there is no such pipeline, or no such blob.
            InvalidRequestError, IdempotencyConflictError: there can be no such run, or the key is
                of another request.
        """
        return self.requests.requested(self.find(name), key, request)

    def status(self, name: str, keys: int = MOST_KEYS, cursor: str | None = None) -> PipelineStatus:
        """Return the state of a pipeline.

        Args:
            name: the pipeline.
            keys: how many of its keys are wanted too, at a read for each.
            cursor: where an earlier page of them ended; None for the first.

        Returns:
            The state.

        Raises:
            NoSuchPipelineError: it is not in the file.
            InvalidCursorError: no page gave this cursor.
        """
        pipeline = self.find(name)
        ledger = self.context.ledger
        schedule, now = pipeline.schedule, self.context.clock.now()
        unreadable: list[str] = []
        activated = _readable(
            lambda: ledger.activations.read(name), f"pipelines/{name}", unreadable
        )
        known = None
        if schedule is not None:
            known = _readable(lambda: ledger.schedules.read(name), f"schedules/{name}", unreadable)
        since = activated.record.activated_at if activated else None
        pauses = ledger.pauses.read(name).record
        shown = self._keys(name, pauses, keys, cursor) if keys else Keys()
        open_runs = self.open_runs
        markers = open_runs.markers(name)
        return PipelineStatus(
            pipeline=pipeline,
            active_since=since,
            pauses=pauses,
            keys=shown,
            last_due=_last_due(schedule, known.record, since) if schedule and known else None,
            next_due=next_due_of(schedule, now) if schedule else None,
            waiting_data=ledger.inbox.size(name, MOST_COUNTED),
            runs=counts_of(markers),
            open_runs=open_runs.shown(markers) if keys and cursor is None else (),
            pending=known.record.waiting if known else (),
            passed=_passed(schedule, known.record, now) if schedule and known else 0,
            at=now,
            unreadable=(*unreadable, *shown.unreadable),
        )

    def _keys(self, name: str, pauses: Pauses, size: int, cursor: str | None) -> Keys:
        page = self.context.ledger.run_queues.page(name, size, cursor)
        run_queues: list[RunQueue] = []
        unreadable: list[str] = []
        for listed in page.items:
            try:
                stored = self.context.ledger.run_queues.read(listed.name)
            except CorruptRecordError as exc:
                log.error("%s", exc)  # the others are shown
                unreadable.append(listed.name)
                continue
            if stored is not None:
                paused = pauses.of_failures(stored.record)
                run_queues.append(stored.record.evolve(paused=paused))
        return Keys(tuple(run_queues), tuple(unreadable), page.cursor)

    def names(self) -> Sequence[str]:
        """Return the names of all pipelines, in order."""
        return sorted(self.catalogue.names())

    def pause(self, name: str, command: OperatorCommand = ANONYMOUS) -> None:
        """Begin no new run of a pipeline until it is resumed. Safe to repeat.

        Args:
            name: the pipeline.
            command: who asks, and why.

        Raises:
            NoSuchPipelineError: it is not in the file.
            PreconditionFailedError, ConflictError: it was paused or resumed meanwhile.
        """
        self._change(name, command, resume=False)

    def resume(self, name: str, command: OperatorCommand = ANONYMOUS) -> None:
        """End a pause, by an operator or by failures; earlier failures are not counted any more.

        One write, however many keys the pipeline has.

        Args:
            name: the pipeline.
            command: who asks, and why.

        Raises:
            NoSuchPipelineError: it is not in the file.
            PreconditionFailedError, ConflictError: it was paused or resumed meanwhile.
        """
        self._change(name, command, resume=True)

    def _change(self, name: str, command: OperatorCommand, *, resume: bool) -> None:
        self.find(name)
        ledger = self.context.ledger
        found = ledger.pauses.read(name)
        command.require(_version(found.record), _state_of(name, found.record))
        change = Pause(by=command.by, at=self.context.clock.now(), reason=command.reason)
        if resume:
            pauses = found.record.after(change)
        elif found.record.pause is None:
            pauses = found.record.evolve(pause=change)
        else:
            return
        try:
            ledger.pauses.put(name, pauses, found.etag)
        except ConflictError:
            raise command.too_late(_state_of(name, ledger.pauses.read(name).record)) from None

    def preview(self, name: str, data: str | None = None, due: datetime | None = None) -> Preview:
        """Return the data and request of the next run; nothing is sent and nothing is written.

        Args:
            name: the pipeline.
            data: the name of a blob; None for the newest that matches.
            due: the window that is due at this time, or was due last; None for the last one.

        Returns:
            The preview; signatures in its request are marked.

        Raises:
            NoSuchPipelineError, NoSuchDataError: there is no such pipeline, or no such blob.
            InvalidRequestError: there is no window at `due`.
        """
        return self.previews.preview(self.find(name), data, due)

    def find(self, name: str) -> Pipeline:
        """Return a pipeline as it is configured now.

        Raises:
            NoSuchPipelineError: it is not in the file.
        """
        pipeline = self.catalogue.pipeline(name)
        if pipeline is None:
            there = ", ".join(self.names()) or "none"
            raise NoSuchPipelineError(f"{name!r} is not in the pipelines file; there is {there}")
        return pipeline


def _readable(read: Callable[[], R], name: str, unreadable: list[str]) -> R | None:
    """Return a record; if it is unreadable, note its name, so that the others are shown."""
    try:
        return read()
    except CorruptRecordError as exc:
        log.error("%s", exc)
        unreadable.append(name)
        return None


def _last_due(schedule: Schedule, known: ScheduleRecord, since: datetime | None) -> datetime | None:
    due = last_due_of(schedule, known.last_due)
    return due if due is not None and since is not None and due > since else None


def _passed(schedule: Schedule, known: ScheduleRecord, now: datetime) -> int:
    """Return how many due times came since the newest one that was dealt with."""
    done = as_due_now(schedule, known.done).due
    return len(dues_between(schedule, done, now - delay_of(schedule), MOST_PASSED))


def _version(pauses: Pauses) -> str:
    return names.digest("pauses", pauses.model_dump_json())


def _state_of(name: str, pauses: Pauses) -> str:
    """Return whether a pipeline is paused, for the operator who wanted to change that."""
    found = pauses.pause or pauses.of_failures()
    return f"pipeline {name} is " + (f"paused by {found.by}" if found else "not paused")
