"""Backfill: has data trained on that is older than the activation of its pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.data_version import DataVersion
from shared.errors import ConflictError, CorruptRecordError, RelearnError
from shared.execution.context import Context
from shared.execution.inbox import Inbox
from shared.intake.catalogue import Catalogue
from shared.intake.requests import Requests
from shared.ledger.schedules import Activation
from shared.telemetry import log

#: Blobs that are kept between two writes of the progress of a backfill.
_PART: Final = 50


@dataclass(frozen=True, slots=True)
class Backfill:
    """Backfills each pipeline once. After a crash, a repetition finds its own records.

    Args:
        context: the ledger, the storage and the clock.
        catalogue: the pipelines as they are configured now.
        requests: finds the newest blob for each key of a pipeline.
        inbox: where an old blob waits for its run.
    """

    context: Context
    catalogue: Catalogue
    requests: Requests
    inbox: Inbox

    def wanted(self) -> bool:
        """Whether a pipeline wants a backfill of all data that is not done yet."""
        return bool(self._not_done("all"))

    def newest(self, until: datetime) -> None:
        """Have the newest old blob of each key trained on, where that is wanted.

        The next call continues where this one had no more time.
        """
        for pipeline, known in self._not_done("newest"):
            if self.context.clock.now() >= until:
                return
            try:
                self._newest(pipeline, known, until)
            except RelearnError as exc:  # the other pipelines continue
                log.warning("pipeline %s: older data is taken later: %s", pipeline.name, exc)

    def _newest(self, pipeline: Pipeline, known: Activation, until: datetime) -> None:
        newest = self.requests.newest_data(pipeline)
        old = (b for b in newest if b.modified < known.activated_at)
        left = sorted((b.name, b) for b in old if b.name > known.backfilled_to)
        done = known.backfilled_to
        for number, (name, blob) in enumerate(left, 1):
            if self.context.clock.now() >= until:
                self._mark(pipeline, {"backfilled_to": done})
                return
            try:
                self._take(pipeline, blob)
            except CorruptRecordError as exc:  # this version is known already; the others continue
                log.error("pipeline %s: %s", pipeline.name, exc)
            done = name
            if number % _PART == 0:
                self._mark(pipeline, {"backfilled_to": done})
        self._mark(pipeline, {"backfilled_at": self.context.clock.now()})

    def _take(self, pipeline: Pipeline, blob: BlobVersion) -> None:
        version = DataVersion.of(pipeline, blob)
        if version is not None and self.context.ledger.versions.entry(version.version_id) is None:
            self.inbox.keep(version)

    def done(self, searched_from: datetime) -> None:
        """Record that a backfill is done for all data.

        Args:
            searched_from: when the search that looked at all blobs began.
        """
        for pipeline, known in self._not_done("all"):
            if known.activated_at <= searched_from:
                self._mark(pipeline, {"backfilled_at": self.context.clock.now()})

    def _not_done(self, which: str) -> list[tuple[Pipeline, Activation]]:
        """Return the pipelines whose backfill is not done; one with an unreadable record waits."""
        found = []
        for pipeline in self.catalogue.pipelines.values():
            if pipeline.data is None or pipeline.data.backfill != which:
                continue
            try:
                known = self.context.ledger.activations.read(pipeline.name)
            except CorruptRecordError as exc:
                log.error("older data is not looked for: %s", exc)
                continue
            if known is not None and known.record.backfilled_at is None:
                found.append((pipeline, known.record))
        return found

    def is_done(self, pipeline: Pipeline) -> bool:
        """Whether the backfill of a pipeline is done, or not wanted."""
        known = self.context.ledger.activations.read(pipeline.name)
        return known is not None and known.record.backfilled_at is not None

    def _mark(self, pipeline: Pipeline, how_far: Mapping[str, object]) -> None:
        known = self.context.ledger.activations.read(pipeline.name)
        if known is None:
            return
        record = known.record.evolve(**how_far)
        try:
            self.context.ledger.activations.put(pipeline.name, record, known.etag)
        except ConflictError:
            log.info("pipeline %s: another worker noted its backfill", pipeline.name)
