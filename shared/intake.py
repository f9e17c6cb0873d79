"""Opens runs: records what was seen, once, and hands the run to the driver.

Order of writes for new data (rule 5): the marker, so that the poll knows of the run; the
version entry, the one place where an event is told from its repetition; the record. A crash
between any two of them is finished by the poll or by the event's next delivery.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from shared.asked import Asked
from shared.context import Context, log
from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.endpoint import Endpoint
from shared.core.pipeline import Pipeline
from shared.core.run import Origin, Phase, Run
from shared.driver import Driver
from shared.errors import CorruptRecord, RelearnError
from shared.ledger import VersionEntry, fingerprint_of
from shared.openings import Opening, captured


class Intake:
    """Turns blobs, due times, requests and hand-made models into runs, each at most once.

    Args:
        context: the world.
        pipelines: the present configuration, by name.
        started_at: when this process started; a pipeline seen for the first time counts as
            activated then.
    """

    def __init__(
        self,
        context: Context,
        pipelines: Mapping[str, Pipeline],
        started_at: datetime,
    ) -> None:
        self._context = context
        #: Takes the steps of every run; it tells back of data versions that it meets.
        self.driver: Final = Driver(context, self.note_version)
        self._opening = Opening(context, self.driver)
        self.asked: Final = Asked(context, self._opening)
        self._pipelines = pipelines
        self._started_at = started_at.replace(microsecond=0)  # as storage keeps times
        self._activated: dict[str, datetime] = {}
        self._said: set[str] = set()

    def blob_landed(self, name: str) -> list[Run]:
        """Open a run for each pipeline that wants this blob, or advance the one it has.

        Raises:
            TransientError, OutcomeUnknown: storage does not work now; deliver the event again.
        """
        self.activate()
        blob = self._context.data.head(self._context.data_container, name)
        if blob is None:
            log.info("blob %s is gone again: nothing to do", name)
            return []
        wanted = self._wanting(name)
        if not wanted:
            self._say_once(f"blob {name} matches no pipeline: it is left alone", name)
        return self._receive_for_all(wanted, blob)

    def _wanting(self, name: str) -> list[Pipeline]:
        return [p for p in self._pipelines.values() if captured(p, name) is not None]

    def note_version(self, blob: BlobVersion) -> bool:
        """Record a version met by chance, so that the poll opens its run; tell whether it will."""
        wanted = self._wanting(blob.name)
        entries = [self._record_version(pipeline, blob, Origin.DATA) for pipeline in wanted]
        return any(entry is not None and entry.run_id is not None for entry in entries)

    def model_landed(self, name: str) -> Run | None:
        """Advance the run whose job wrote this model, or open one for a model put by hand.

        Files of an ended or foreign attempt are logged and left alone (rule 10).
        """
        if not name.endswith(names.MODEL_SUFFIX):
            return None
        if owner := names.owner_of_output(name):
            return self._advance_owner(name, *owner)
        pipeline = self._for_model_by_hand(name)
        if pipeline is None:
            self._say_once(
                f"model {name} belongs to no run; to promote a model by hand, put it at "
                f"promote/<pipeline with an endpoint>/<key, if it has one>/<file>"
                f"{names.MODEL_SUFFIX}",
                name,
            )
            return None
        blob = self._context.models.head(self._context.models_container, name)
        if blob is None:
            log.info("model %s is gone again: nothing to do", name)
            return None
        return self._receive(pipeline, blob, Origin.MODEL)

    def _for_model_by_hand(self, name: str) -> Pipeline | None:
        by_hand = names.promoted_by_hand(name)
        pipeline = self._pipelines.get(by_hand[0]) if by_hand else None
        if by_hand is None or pipeline is None or not pipeline.endpoints:
            return None
        return pipeline if len(by_hand[1]) == len(pipeline.key_tokens) else None

    def models_by_hand(self) -> Iterable[BlobVersion]:
        """Yield the models under `promote/`, for events that were lost."""
        return self._context.models.listing(self._context.models_container, "promote/")

    def open_from_entry(self, version_id: str) -> Run | None:
        """Open the run of a recorded version whose record was never written."""
        entry = self._context.ledger.version(version_id)
        pipeline = self._pipelines.get(entry.pipeline) if entry else None
        if entry is None or entry.run_id is None or pipeline is None:
            return None
        by_hand = entry.blob.container == self._context.models_container
        origin = Origin.MODEL if by_hand else Origin.DATA
        return self._open(pipeline, entry.run_id, entry.blob, origin, fresh=False)

    def configured_for(self, run: Run) -> Pipeline | None:
        """Return what is configured now for the pipeline, and customer, of `run`, or None.

        A run that delivers to one endpoint of several sees that endpoint alone.
        """
        pipeline = self._pipelines.get(run.pipeline)
        if pipeline is None:
            return None
        try:
            chosen = pipeline.chosen_by(run.tokens)
        except ValueError as exc:
            log.warning("run %s: the present configuration does not fit it: %s", run.run_id, exc)
            return None
        if run.parent is None and not run.origin.repeats:
            return chosen
        mine = {endpoint.name for endpoint in run.config.endpoints}
        same = [endpoint for endpoint in chosen.endpoints if endpoint.name in mine]
        return chosen.only(same[0]) if same else None

    def endpoints_of(self, run: Run) -> tuple[Endpoint, ...]:
        """Return the endpoints that are configured now for the pipeline, and customer, of `run`."""
        pipeline = self._pipelines.get(run.pipeline)
        try:
            return pipeline.chosen_by(run.tokens).endpoints if pipeline else ()
        except ValueError:
            return ()

    def pipeline(self, name: str) -> Pipeline | None:
        """Return a pipeline as it is configured now, or None."""
        return self._pipelines.get(name)

    def scheduled(self) -> list[Pipeline]:
        """Return the pipelines with a schedule."""
        return [pipeline for pipeline in self._pipelines.values() if pipeline.schedule]

    def activate(self) -> None:
        """Make sure that every pipeline has the time since when blobs are news to it."""
        for name in self._pipelines:
            try:
                self.active_since(name)
            except CorruptRecord as exc:
                log.error("pipeline %s: %s", name, exc)  # the others go on

    def _receive_for_all(self, wanted: list[Pipeline], blob: BlobVersion) -> list[Run]:
        runs, failures = [], []
        for pipeline in wanted:
            try:
                runs.append(self._receive(pipeline, blob))
            except RelearnError as exc:
                failures.append(exc)  # the other pipelines shall have their run all the same
        if failures:
            raise failures[0]
        return [run for run in runs if run is not None]

    def _receive(
        self, pipeline: Pipeline, blob: BlobVersion, origin: Origin = Origin.DATA
    ) -> Run | None:
        version = _version_id(pipeline, blob)
        entry = known = self._context.ledger.version(version)
        if entry is None:
            entry = self._record_version(pipeline, blob, origin)
        if entry is None or entry.run_id is None:
            return None
        # From here on the timer would do the same: an event must not fail any more (rule 14).
        try:
            advanced = self.driver.advance(entry.run_id)
            if advanced is None and known is not None:
                # Its marker may have been dropped since: no run without one.
                hints = {"phase": Phase.RECEIVED, "version": version}
                self._context.ledger.mark_open(entry.run_id, hints)
            return advanced or self._open(pipeline, entry.run_id, entry.blob, origin)
        except RelearnError as exc:
            log.warning("run %s: left to the next poll: %s", entry.run_id, exc)
            return None

    def _record_version(
        self, pipeline: Pipeline, blob: BlobVersion, origin: Origin
    ) -> VersionEntry | None:
        if not self._is_news(pipeline, blob):
            return None
        version = _version_id(pipeline, blob)
        if touched := self._touch(pipeline, blob):
            entry = VersionEntry(pipeline=pipeline.name, blob=blob, run_id=None, note=touched)
            log.info("blob %s: %s", blob.path, touched)
            self._context.ledger.add_version(version, entry)
            return entry
        run_id = names.run_id(pipeline.name, origin, version)
        self._context.ledger.mark_open(run_id, {"phase": Phase.RECEIVED, "version": version})
        entry = VersionEntry(pipeline=pipeline.name, blob=blob, run_id=run_id)
        self._context.ledger.add_version(version, entry)
        return entry

    def _is_news(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        if blob.size == 0:
            self._say_once(f"blob {blob.path} is empty: it opens no run", blob.path + blob.etag)
            return False
        by_hand = blob.container == self._context.models_container
        if not by_hand and pipeline.data and blob.size < pipeline.data.min_size:
            self._say_once(
                f"blob {blob.path} is smaller than min_size: it opens no run",
                blob.path + blob.etag,
            )
            return False
        since = self.active_since(pipeline.name)
        if blob.modified < max(since, self._context.clock.now() - self._context.limits.keep):
            self._say_once(
                f"blob {blob.path} is older than pipeline {pipeline.name}, which was first "
                f"active at {since.isoformat()}: it is not news",
                blob.path + blob.etag,
            )
            # Known from now on, so that a metadata write does not make it look like news.
            entry = VersionEntry(pipeline=pipeline.name, blob=blob, run_id=None, note="old")
            self._context.ledger.add_version(_version_id(pipeline, blob), entry)
            return False
        return True

    def _touch(self, pipeline: Pipeline, blob: BlobVersion) -> str | None:
        if blob.created == blob.modified:
            return None  # just created: there is nothing that this could be a touch of
        blob_id = names.blob_id(pipeline.name, blob.container, blob.name)
        newest = self._context.ledger.newest_version(blob_id)
        if newest is not None and blob.content_md5 and newest[1:] == fingerprint_of(blob)[1:]:
            return f"only its metadata changed since {newest[0]}: no run"
        return None

    def _open(
        self,
        pipeline: Pipeline,
        run_id: str,
        blob: BlobVersion,
        origin: Origin,
        *,
        fresh: bool = True,
    ) -> Run:
        run = self._opening.new(pipeline, run_id, blob, origin, f"blob {blob.path}")
        return self._opening.begin(run, fresh=fresh)

    def _advance_owner(self, name: str, run_id: str, attempt: int) -> Run | None:
        stored = self._context.ledger.run(run_id)
        if stored is None or stored.record.attempt != attempt or stored.record.phase.ended:
            why = f"is {stored.record.phase}" if stored else "is not known"
            log.info("model %s: run %s %s; the file is left alone", name, run_id, why)
            return None
        return self.driver.advance(run_id)

    def active_since(self, pipeline: str) -> datetime:
        """Return when the pipeline was first known; what is older is not news to it."""
        if pipeline not in self._activated:
            now = self._context.clock.now()
            activated = self._context.ledger.activation(pipeline, self._started_at, now)
            self._activated[pipeline] = activated
        return self._activated[pipeline]

    def _say_once(self, text: str, about: str) -> None:
        if about not in self._said:
            self._said.add(about)
            log.log(logging.INFO, text)


def _version_id(pipeline: Pipeline, blob: BlobVersion) -> str:
    return names.version_id(pipeline.name, blob.container, blob.name, blob.etag)
