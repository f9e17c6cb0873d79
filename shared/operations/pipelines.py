"""What the pipelines are doing, and a person's hand on them: pause, resume, preview."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.keys import key_of
from shared.core.config.pattern import literal_prefix
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import Schedule, last_due_of, next_due_of
from shared.core.run.concurrency import Pause, Pauses, RunQueue, over_budget
from shared.core.run.data_notes import notes_on_data, notes_on_pipeline
from shared.core.run.parameters import parameters_for
from shared.core.run.record import Origin, Phase, Run
from shared.core.versions import version_id
from shared.errors import ConflictError, CorruptRecordError, PermanentError
from shared.execution.context import Context
from shared.execution.first_recorded import FirstRecordedTimes
from shared.execution.inputs import expected_inputs
from shared.execution.run_factory import captured
from shared.intake.blob_events import Intake
from shared.ledger.schedules import ScheduleRecord
from shared.ledger.store import Stored
from shared.operations.open_runs import Counts, OpenRun, OpenRuns, counts_of
from shared.operations.preconditions import Versions, lost, require
from shared.ports.training import JobRequest
from shared.telemetry import log

#: Blobs that a preview shows.
_SHOWN: Final = 50
#: Customers of one page, each at a read; and waiting data versions that are counted.
MOST_KEYS: Final = 50
MOST_COUNTED: Final = 5000

R = TypeVar("R")


class NoSuchPipelineError(PermanentError):
    """The pipelines file has no such pipeline."""


class NothingToPreviewError(PermanentError):
    """The blob that was named is not there, or is not for this pipeline."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Some of the customers of a pipeline."""

    run_queues: tuple[RunQueue, ...] = ()
    unreadable: tuple[str, ...] = ()  #: names of records that are not understood
    cursor: str | None = None  #: where the next ones begin


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """How a pipeline stands."""

    pipeline: Pipeline
    active_since: datetime | None
    pauses: Pauses
    keys: Keys
    last_due: datetime | None
    next_due: datetime | None
    waiting_data: int
    runs: Counts
    open_runs: tuple[OpenRun, ...]  #: some of them, where keys were asked for
    at: datetime
    unreadable: tuple[str, ...] = ()  #: names of its records that are not understood

    @property
    def pause(self) -> Pause | None:
        """The pause by a person, or else the last one by failures that is in force."""
        return self.pauses.pause or self.pauses.of_failures()

    @property
    def run_queues(self) -> tuple[RunQueue, ...]:
        """The customers that were asked for, each with the pause that is in force."""
        return self.keys.run_queues

    def over_budget(self, run_queue: RunQueue) -> str | None:
        """Return why the budget lets nothing begin in one of the slots; None when it does."""
        return over_budget(run_queue, self.pipeline, "", self.at)

    @property
    def version(self) -> str:
        """What a pause or resume may be held to: it changes with those alone, not with runs."""
        return _version(self.pauses)


@dataclass(frozen=True, slots=True)
class Match:
    """A blob that a pipeline wants, and what became of it."""

    blob: BlobVersion
    tokens: Mapping[str, str]
    state: str  #: `new`, `waiting`, `too small`, `older than the pipeline` or `run <id>`


@dataclass(frozen=True, slots=True)
class Preview:
    """What the next run would be given; nothing was sent or written."""

    matches: tuple[Match, ...]
    matching: int
    request: Mapping[str, Any] | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The pipelines of the file."""

    context: Context
    intake: Intake

    def status(self, name: str, keys: int = MOST_KEYS, cursor: str | None = None) -> PipelineStatus:
        """Return how a pipeline stands.

        Args:
            name: the pipeline.
            keys: how many of its customers are wanted too, at a read for each.
            cursor: where an earlier page of them ended; None for the first.

        Raises:
            NoSuchPipelineError: it is not in the file.
            BadCursorError: no page gave this cursor.
        """
        pipeline = self._find(name)
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
        open_runs = OpenRuns(self.context)
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
        return sorted(self.intake.catalogue.names())

    def pause(self, name: str, by: str, reason: str, versions: Versions = None) -> None:
        """Begin nothing new for a pipeline until it is resumed. Safe to repeat.

        Args:
            name: the pipeline.
            by: who wants that.
            reason: why.
            versions: of the pipeline, that it is for.

        Raises:
            NoSuchPipelineError: it is not in the file.
            Outdated, Conflict: somebody else paused or resumed it.
        """
        self._find(name)
        found = self.context.ledger.pauses.read(name)
        require(versions, _version(found.record), _version_conflict(name, found.record))
        if found.record.pause is None:
            pause = Pause(by=by, at=self.context.clock.now(), reason=reason)
            paused = found.record.evolve(pause=pause)
            self._put(name, found, paused, versions)

    def resume(
        self, name: str, versions: Versions = None, *, by: str = "somebody", reason: str = ""
    ) -> None:
        """Let a pipeline go on, however it was paused; failures so far count no more.

        One write, however many customers it has, and only over what was looked at.

        Args:
            name: the pipeline.
            versions: of the pipeline, that it is for.
            by: who wants that.
            reason: why.

        Raises:
            NoSuchPipelineError: it is not in the file.
            Outdated, Conflict: somebody else paused or resumed it.
        """
        self._find(name)
        found = self.context.ledger.pauses.read(name)
        require(versions, _version(found.record), _version_conflict(name, found.record))
        resumed = found.record.after(Pause(by=by, at=self.context.clock.now(), reason=reason))
        self._put(name, found, resumed, versions)

    def _put(self, name: str, found: Stored[Pauses], pauses: Pauses, versions: Versions) -> None:
        ledger = self.context.ledger
        try:
            ledger.pauses.put(name, pauses, found.etag)
        except ConflictError:
            raise lost(versions, _version_conflict(name, ledger.pauses.read(name).record)) from None

    def preview(self, name: str, data: str | None) -> Preview:
        """Return which blobs match, and what request the newest (or `data`) would make.

        Nothing is sent and nothing is written; places of signatures are marked.

        Raises:
            NoSuchPipelineError, NothingToPreviewError: there is no such pipeline, or no such blob.
        """
        pipeline = self._find(name)
        least = pipeline.data.least if pipeline.data else 0
        found = self._matching(pipeline)
        newest = FirstRecordedTimes(self.context, pipeline).newest_first(found, _SHOWN, least)
        usable = [blob for blob in newest if data == blob.name or blob.size >= least]
        chosen = next((blob for blob in usable if data in (None, blob.name)), None)
        if data is not None and chosen is None:
            where = pipeline.data.blob if pipeline.data else "nothing: the pipeline takes no data"
            raise NothingToPreviewError(f"no blob {data!r} that matches {where}")
        notes = [*notes_on_pipeline(pipeline), *notes_on_data(pipeline, chosen, usable)]
        if pipeline.data is not None and chosen is None:
            notes.append(f"no blob matches {pipeline.data.blob} yet")
        known = pipeline.data is None or chosen is not None
        return Preview(
            matches=tuple(self._match(pipeline, blob) for blob in newest[:_SHOWN]),
            matching=len(newest),
            request=self._request(pipeline, chosen, notes) if known else None,
            notes=tuple(notes),
        )

    def _find(self, name: str) -> Pipeline:
        pipeline = self.intake.catalogue.pipeline(name)
        if pipeline is None:
            there = ", ".join(self.names()) or "none"
            raise NoSuchPipelineError(f"{name!r} is not in the pipelines file; there is {there}")
        return pipeline

    def _matching(self, pipeline: Pipeline) -> list[BlobVersion]:
        if pipeline.data is None:
            return []
        prefix = literal_prefix(pipeline.data.blob)
        there = self.context.data.listing(self.context.data_container, prefix)
        return [blob for blob in there if captured(pipeline, blob.name) is not None]

    def _match(self, pipeline: Pipeline, blob: BlobVersion) -> Match:
        try:
            state = self._state(pipeline, blob)
        except CorruptRecordError as exc:
            log.error("%s", exc)
            state = "a record of it cannot be read"
        return Match(blob, captured(pipeline, blob.name) or {}, state)

    def _state(self, pipeline: Pipeline, blob: BlobVersion) -> str:
        version = version_id(pipeline.name, blob)
        entry = self.context.ledger.versions.entry(version)
        if entry is not None:
            return f"run {entry.run_id}" if entry.run_id else (entry.note or "no run")
        if pipeline.data and blob.size < pipeline.data.least:
            return "too small"
        if self.context.ledger.inbox.has(key_of(pipeline, blob.name), pipeline.name, version):
            return "waiting"
        activated = self.context.ledger.activations.read(pipeline.name)
        if activated and blob.modified < activated.record.activated_at:
            return "older than the pipeline"
        return "new"

    def _request(
        self, pipeline: Pipeline, blob: BlobVersion | None, notes: list[str]
    ) -> Mapping[str, Any]:
        tokens = (captured(pipeline, blob.name) or {}) if blob else {}
        try:
            config = pipeline.chosen_by(tokens)
        except ValueError as exc:
            notes.append(f"the run would be rejected: {exc}")
            config = pipeline
        run = Run(
            run_id=names.run_id(pipeline.name, "preview"),
            pipeline=pipeline.name,
            origin=Origin.MANUAL,
            cause="preview",
            config=config,
            manifest=(blob,) if blob else (),
            parameters={},
            tokens=tokens,
            listed_at=f"{self.context.models_container}/{_list_of(pipeline)}",
            phase=Phase.RECEIVED,
            opened_at=self.context.clock.now(),
        )
        service = self.context.providers.training(pipeline.training)
        return service.preview(
            JobRequest(
                run_id=run.run_id,
                attempt=1,
                inputs=expected_inputs(run, self.context.data_container),
                outputs={
                    output: names.output_path(run.pipeline, run.run_id, 1, file)
                    for output, file in pipeline.training.outputs.items()
                },
                parameters=parameters_for(pipeline, run),
                training=pipeline.training,
            )
        )


def _readable(read: Callable[[], R], name: str, unreadable: list[str]) -> R | None:
    """Return a record, or note its name: what else is known is shown all the same."""
    try:
        return read()
    except CorruptRecordError as exc:
        log.error("%s", exc)
        unreadable.append(name)
        return None


def _last_due(schedule: Schedule, known: ScheduleRecord, since: datetime | None) -> datetime | None:
    due = last_due_of(schedule, known.last_due)
    return due if due is not None and since is not None and due > since else None


def _version(pauses: Pauses) -> str:
    return names.digest("standing", pauses.model_dump_json())


def _version_conflict(name: str, pauses: Pauses) -> str:
    """Return whether a pipeline is paused, for whoever wanted to change that."""
    found = pauses.pause or pauses.of_failures()
    return f"pipeline {name} is " + (f"paused by {found.by}" if found else "not paused")


def _list_of(pipeline: Pipeline) -> str:
    return names.manifest_path(pipeline.name, names.run_id(pipeline.name, "preview"))
