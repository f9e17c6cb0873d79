"""What the pipelines are doing, and a person's hand on them: pause, resume, preview."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.context import Context
from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.parameters import parameters_for
from shared.core.pattern import literal_prefix
from shared.core.pipeline import Pipeline
from shared.core.run import Origin, Phase, Run
from shared.core.schedule import Schedule, last_due_of, next_due_of
from shared.core.slot import Pause, Slot, over_budget
from shared.core.training import DATA, MANIFEST
from shared.errors import Conflict, PermanentError
from shared.gathering import key_of
from shared.intake import Intake
from shared.job_inputs import expected_inputs
from shared.openings import captured
from shared.ports import JobRequest
from shared.preconditions import Versions, lost, require

#: Blobs that a preview shows.
_SHOWN: Final = 50
_TRIES: Final = 5


class NoSuchPipeline(PermanentError):  # noqa: N818 -- it names what was met
    """The pipelines file has no such pipeline."""


class NothingToPreview(PermanentError):  # noqa: N818 -- it names what was met
    """The blob that was named is not there, or is not for this pipeline."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a pipeline stands."""

    pipeline: Pipeline
    active_since: datetime | None
    pause: Pause | None
    slots: tuple[Slot, ...]
    last_due: datetime | None
    next_due: datetime | None
    waiting_data: int
    at: datetime

    def over_budget(self, slot: Slot) -> str | None:
        """Return why the budget lets nothing begin in one of the slots; None when it does."""
        return over_budget(slot, self.pipeline, "", self.at)

    @property
    def version(self) -> str:
        """What a pause or resume may be held to: it changes with those alone, not with runs."""
        return _version(self.pause, self.slots)


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

    def standing(self, name: str, *, keys: bool = True) -> Standing:
        """Return how a pipeline stands. Raises NoSuchPipeline.

        Args:
            name: the pipeline.
            keys: whether its customers are wanted too, at a read for each.
        """
        pipeline = self._find(name)
        ledger = self.context.ledger
        activated, schedule = ledger.activated(name), pipeline.schedule
        now = self.context.clock.now()
        since = activated.record.activated_at if activated else None
        return Standing(
            pipeline=pipeline,
            active_since=since,
            pause=ledger.pause(name),
            slots=self._slots(pipeline) if keys else self._only_slot(pipeline),
            last_due=self._last_due(name, schedule, since) if schedule else None,
            next_due=next_due_of(schedule, now) if schedule else None,
            waiting_data=sum(1 for _ in ledger.inbox(f"inbox/{name}/")),
            at=now,
        )

    def _slots(self, pipeline: Pipeline) -> tuple[Slot, ...]:
        return tuple(stored.record for _, stored in self.context.ledger.slots(pipeline.name))

    def _only_slot(self, pipeline: Pipeline) -> tuple[Slot, ...]:
        """Return the slot of a pipeline without customers; it knows whether failures paused it."""
        if pipeline.key_tokens:
            return ()
        stored = self.context.ledger.slot(names.slot_id(pipeline.name, ()))
        return (stored.record,) if stored else ()

    def _last_due(self, name: str, schedule: Schedule, since: datetime | None) -> datetime | None:
        known = self.context.ledger.last_due(name)
        due = last_due_of(schedule, known.record.last_due) if known else None
        return due if due is not None and since is not None and due > since else None

    def names(self) -> Sequence[str]:
        """Return the names of all pipelines, in order."""
        return sorted(self.intake.catalogue.names())

    def pause(self, name: str, by: str, reason: str, versions: Versions = None) -> None:
        """Begin nothing new for a pipeline until it is resumed. Safe to repeat.

        Raises:
            NoSuchPipeline: it is not in the file.
            Outdated, Conflict: somebody else paused or resumed it.
        """
        self._find(name)
        found = self.context.ledger.pause(name)
        if versions is not None:
            slots = [stored.record for _, stored in self.context.ledger.slots(name)]
            require(versions, _version(found, slots), _told(name, found, slots))
        if found is None:
            pause = Pause(by=by, at=self.context.clock.now(), reason=reason)
            self._put_pause(name, pause, versions)

    def resume(self, name: str, versions: Versions = None) -> None:
        """Let a pipeline go on, however it was paused; failures so far count no more.

        Raises:
            NoSuchPipeline: it is not in the file.
            Outdated, Conflict: somebody else paused or resumed it, or it changes all the time.
        """
        self._find(name)
        found, slots = self.context.ledger.pause(name), list(self.context.ledger.slots(name))
        known = [stored.record for _, stored in slots]
        require(versions, _version(found, known), _told(name, found, known))
        self._put_pause(name, None, versions)
        now = self.context.clock.now()
        for place, stored in slots:
            if stored.record.begun or stored.record.paused is not None:
                self._resume(place, {"paused": None, "resumed_at": now})

    def _put_pause(self, name: str, pause: Pause | None, versions: Versions) -> None:
        try:
            self.context.ledger.put_pause(name, pause)
        except Conflict:
            raise lost(versions, _told(name, self.context.ledger.pause(name), ())) from None

    def _resume(self, place: str, changes: Mapping[str, object]) -> None:
        for _ in range(_TRIES):
            stored = self.context.ledger.slot(place)
            if stored is None:
                return
            try:
                free = stored.record.model_copy(update=changes)
                self.context.ledger.put_slot(place, free, stored.etag)
            except Conflict:
                continue
            return
        raise Conflict(f"{place} keeps changing: resume once more")

    def preview(self, name: str, data: str | None) -> Preview:
        """Return which blobs match, and what request the newest (or `data`) would make.

        Nothing is sent and nothing is written; places of signatures are marked.

        Raises:
            NoSuchPipeline, NothingToPreview: there is no such pipeline, or no such blob.
        """
        pipeline = self._find(name)
        matches = self._matching(pipeline)
        newest = sorted(matches, key=lambda blob: (blob.modified, blob.name), reverse=True)
        least = pipeline.data.least if pipeline.data else 0
        usable = [blob for blob in newest if data == blob.name or blob.size >= least]
        chosen = next((blob for blob in usable if data in (None, blob.name)), None)
        if data is not None and chosen is None:
            where = pipeline.data.blob if pipeline.data else "nothing: the pipeline takes no data"
            raise NothingToPreview(f"no blob {data!r} that matches {where}")
        notes = list(_notes(pipeline))
        if pipeline.data is not None and chosen is None:
            notes.append(f"no blob matches {pipeline.data.blob} yet")
        known = pipeline.data is None or chosen is not None
        return Preview(
            matches=tuple(self._match(pipeline, blob) for blob in newest[:_SHOWN]),
            matching=len(matches),
            request=self._request(pipeline, chosen, notes) if known else None,
            notes=tuple(notes),
        )

    def _find(self, name: str) -> Pipeline:
        pipeline = self.intake.catalogue.pipeline(name)
        if pipeline is None:
            there = ", ".join(self.names()) or "none"
            raise NoSuchPipeline(f"{name!r} is not in the pipelines file; there is {there}")
        return pipeline

    def _matching(self, pipeline: Pipeline) -> list[BlobVersion]:
        if pipeline.data is None:
            return []
        prefix = literal_prefix(pipeline.data.blob)
        there = self.context.data.listing(self.context.data_container, prefix)
        return [blob for blob in there if captured(pipeline, blob.name) is not None]

    def _match(self, pipeline: Pipeline, blob: BlobVersion) -> Match:
        return Match(blob, captured(pipeline, blob.name) or {}, self._state(pipeline, blob))

    def _state(self, pipeline: Pipeline, blob: BlobVersion) -> str:
        version = names.version_id(pipeline.name, blob.container, blob.name, blob.etag)
        entry = self.context.ledger.version(version)
        if entry is not None:
            return f"run {entry.run_id}" if entry.run_id else (entry.note or "no run")
        if pipeline.data and blob.size < pipeline.data.least:
            return "too small"
        if self.context.ledger.in_inbox(key_of(pipeline, blob.name), pipeline.name, version):
            return "waiting"
        activated = self.context.ledger.activated(pipeline.name)
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
        service = self.context.adapters.jobs(pipeline.training.service, pipeline.training.api_key)
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


def _version(pause: Pause | None, slots: Iterable[Slot]) -> str:
    told = {"key", "paused", "resumed_at"}
    changed = [slot for slot in slots if slot.paused is not None or slot.resumed_at is not None]
    held = sorted(slot.model_dump_json(include=told) for slot in changed)
    return names.digest("standing", pause.model_dump_json() if pause else "", *held)


def _told(name: str, pause: Pause | None, slots: Iterable[Slot]) -> str:
    """Return whether a pipeline is paused, for whoever wanted to change that."""
    held = [slot.paused for slot in slots if slot.paused is not None]
    by = [found.by for found in (pause, *held) if found is not None]
    return f"pipeline {name} is " + (f"paused by {by[0]}" if by else "not paused")


def _list_of(pipeline: Pipeline) -> str:
    return names.manifest_path(pipeline.name, names.run_id(pipeline.name, "preview"))


def _notes(pipeline: Pipeline) -> list[str]:
    data, sources = pipeline.data, pipeline.training.sources.values()
    notes = []
    if data and data.settles and DATA in sources and MANIFEST not in sources:
        notes.append(
            "settle with {data}: of a burst only the newest blob is trained on, so each blob must "
            "be a full snapshot; give an input {data.manifest} to train on all of them"
        )
    if pipeline.when_busy == "newest" and data and not pipeline.training.wants_manifest:
        notes.append(
            "when_busy: newest: blobs that land while a run is open share the next run, which "
            "trains on the newest of them"
        )
    if data and not data.opens_runs:
        notes.append("opens_runs: false: landing alone starts nothing")
    return notes
