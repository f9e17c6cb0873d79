"""Decides if data is eligible, by its size and the activation of its pipeline; backfills it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import PIPELINE_NAME, Pipeline
from shared.core.run.data_version import DataVersion
from shared.core.service import service
from shared.core.versions import metadata_update_of
from shared.errors import CorruptRecordError, RelearnError
from shared.execution.context import Context
from shared.execution.inbox import InboxKeeper
from shared.intake.catalogue import Catalogue
from shared.intake.last_good import LastGood
from shared.intake.requests import Requests
from shared.ledger.schedules import Activation
from shared.ledger.versions import VersionEntry
from shared.telemetry import LogOnce, log

#: Blobs that are kept between two writes of the progress of a backfill.
_PART: Final = 50


class Activations:
    """The activations of the pipelines in the present file, as one process knows them.

    Args:
        context: the ledger, the storage and the clock.
        last_good: the pipelines file, and the last good configurations.
        started_at: when this process started, by its own clock; a pipeline seen for the first
            time counts as activated then, or when its file was changed.
    """

    def __init__(self, context: Context, last_good: LastGood, started_at: datetime) -> None:
        self._context = context
        self._last_good = last_good
        self._started_at = started_at
        file = last_good.file
        self._known_since = dict.fromkeys((*file.pipelines, *file.broken), started_at)
        self._activated: dict[str, datetime] = {}

    def take(
        self, configuration: Configuration, changed_at: datetime, eligible_from: datetime
    ) -> None:
        """Use a pipelines file that was changed while the app runs; nothing is stored.

        Args:
            configuration: the present content of the file.
            changed_at: since when it may say so, by the clock of this process.
            eligible_from: data from then on is eligible for pipelines that are new in the file.
        """
        for name in (*configuration.pipelines, *configuration.broken):
            self._known_since.setdefault(name, eligible_from)
        self._last_good.take(configuration, changed_at)

    def refresh(self) -> None:
        """Read the configurations in use and the activation of each pipeline, or store them.

        Raises:
            TransientError: storage does not work now.
        """
        self._last_good.refresh()
        # Also those that have an error: what arrives before they are corrected is eligible.
        broken = [n for n in self._last_good.file.broken if re.fullmatch(PIPELINE_NAME, n)]
        for name in dict.fromkeys((*self._last_good.served, *broken)):
            try:
                self.since(name)
            except CorruptRecordError as exc:
                log.error("pipeline %s: %s", name, exc)  # the others continue

    def since(self, pipeline: str) -> datetime:
        """Return when the pipeline was first active; older data is not eligible."""
        if pipeline not in self._activated:
            # Its clock may have been corrected since: then it started now at the latest.
            known_since = self._known_since.get(pipeline, self._started_at)
            started = self._context.storage_time(known_since)
            started = min(started, self._context.clock.now())
            started = started.replace(microsecond=0)  # as the storage dates blobs
            activated = self._context.ledger.activations.activate(pipeline, started)
            self._activated[pipeline] = activated
        return self._activated[pipeline]

    def scheduled_since(self, pipeline: str) -> datetime | None:
        """Return since when the pipeline has its schedule; None where that is not known.

        Raises:
            TransientError: storage does not work now.
        """
        self._last_good.refresh()
        with suppress(CorruptRecordError):  # reported by `refresh`; the schedule does not need it
            self.since(pipeline)
        return self._last_good.scheduled_since(pipeline)


@service
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
    inbox: InboxKeeper

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
            searched_from: when the search that checked all blobs began.
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
                log.error("older data is not searched for: %s", exc)
                continue
            if known is not None and known.record.backfilled_at is None:
                found.append((pipeline, known.record))
        return found

    def is_done(self, pipeline: Pipeline) -> bool:
        """Whether the backfill of a pipeline is done, or not wanted."""
        known = self.context.ledger.activations.read(pipeline.name)
        return known is not None and known.record.backfilled_at is not None

    def _mark(self, pipeline: Pipeline, how_far: Mapping[str, object]) -> None:
        def marked(known: Activation | None) -> Activation | None:
            return known.evolve(**how_far) if known else None

        self.context.ledger.activations.update(pipeline.name, marked)


class Eligibility:
    """Decides whether unknown versions are eligible, and records those that are not.

    Args:
        context: the ledger, the storage and the clock.
        activations: since when pipelines are active.
        backfill: knows which pipelines are backfilled.
    """

    def __init__(self, context: Context, activations: Activations, backfill: Backfill) -> None:
        self._context = context
        self._activations = activations
        self._backfill = backfill
        self._reported = LogOnce()

    def accepts(self, version: DataVersion) -> bool:
        """Whether a version that was not seen before is eligible; if not, the reason is recorded.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now.
        """
        return (
            self._is_large_enough(version)
            and self._is_new_enough(version)
            and not self._noted_as_metadata_update(version)
        )

    def accepts_appeared(self, version: DataVersion) -> bool:
        """Whether a version is eligible that appeared after its pipeline, with an old time."""
        return self._is_large_enough(version) and not self._noted_as_metadata_update(version)

    def _is_large_enough(self, version: DataVersion) -> bool:
        blob = version.blob
        if version.is_large_enough:
            return True
        what = "is empty" if not blob.size else "is smaller than min_size"
        self.log_once(f"blob {blob.path} {what}: it opens no run", blob.path + blob.etag)
        return False

    def _is_new_enough(self, version: DataVersion) -> bool:
        pipeline, blob = version.pipeline, version.blob
        since = self._activations.since(pipeline.name)
        if blob.modified >= since:
            return True
        backfill = "none" if version.is_model or not pipeline.data else pipeline.data.backfill
        if backfill == "all":
            return True
        searched = backfill == "none" or self._backfill.is_done(pipeline)
        if searched and not self._is_kept(version):
            # Known from now on, so that a metadata-only update does not make it eligible.
            self._note(version, "older than its pipeline", older=True)
        self.log_once(
            f"blob {blob.path} is older than pipeline {pipeline.name}, which was first "
            f"active at {since.isoformat()}: it opens no run",
            blob.path + blob.etag,
        )
        return False

    def _is_kept(self, version: DataVersion) -> bool:
        name = version.pipeline.name
        return self._context.ledger.inbox.has(version.key, name, version.version_id)

    def _noted_as_metadata_update(self, version: DataVersion) -> bool:
        blob, trusted = version.blob, version.trusts_size
        if not blob.may_be_metadata_update(trust_size=trusted):
            return False
        blob_id = names.blob_id(version.pipeline.name, blob.container, blob.name)
        # Its own entry is not an earlier version: it may be noted there as older than its pipeline.
        since = self._context.ledger.versions.metadata_updated_since(
            blob_id, blob, version.version_id, trust_size=trusted
        )
        if since is None:
            return False
        note = metadata_update_of(blob, since)
        log.info("blob %s: %s", blob.path, note)
        self._note(version, note)
        return True

    def _note(self, version: DataVersion, note: str, *, older: bool = False) -> None:
        """Record a version that opens no run."""
        entry = VersionEntry(
            pipeline=version.pipeline.name,
            blob=self._context.recorded(version.blob),
            run_id=None,
            note=note,
            older_than_pipeline=older,
        )
        self._context.ledger.versions.add(version.version_id, entry)

    def log_once(self, text: str, about: str) -> None:
        """Log a line the first time only.

        Args:
            text: the line.
            about: the subject; one line is logged for each.
        """
        if self._reported.first(about):
            log.info("%s", text)
