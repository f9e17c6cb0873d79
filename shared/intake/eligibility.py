"""Whether a version of a blob is news to a pipeline: new enough, large enough, and not a touch."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.data import Data
from shared.core.config.keys import key_of
from shared.core.config.pipeline import Pipeline
from shared.core.versions import metadata_update_of, version_id
from shared.execution.context import Context
from shared.intake.backfill import Backfill
from shared.ledger.versions import VersionEntry
from shared.telemetry import log

#: What was said once is said again after so many other things: it must not grow for ever.
_SAID: Final = 10_000


class Eligibility:
    """Judges versions, and records those that it says no to.

    Args:
        context: the world.
        started_at: when this process started, by its own clock; a pipeline seen for the first
            time counts as activated then, or when the file was changed that has it.
        backfill: says which pipelines had their older data.
    """

    def __init__(self, context: Context, started_at: datetime, backfill: Backfill) -> None:
        self._context = context
        self._started_at = started_at
        self._backfill = backfill
        self._known_since: dict[str, datetime] = {}
        self._activated: dict[str, datetime] = {}
        self._said: set[str] = set()

    def known(self, pipelines: Iterable[str], since: datetime) -> None:
        """Have pipelines that were not known count as activated at `since`, by this clock."""
        for name in pipelines:
            self._known_since.setdefault(name, since)

    def active_since(self, pipeline: str) -> datetime:
        """Return when the pipeline was first known; what is older is not news to it."""
        if pipeline not in self._activated:
            # Its clock may have been put right since: then it started now at the latest.
            known_since = self._known_since.get(pipeline, self._started_at)
            started = self._context.storage_time(known_since)
            started = min(started, self._context.clock.now())
            started = started.replace(microsecond=0)  # as the storage dates blobs
            activated = self._context.ledger.activations.activate(pipeline, started)
            self._activated[pipeline] = activated
        return self._activated[pipeline]

    def accepts(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """Whether a version that was not seen before is news; why not is recorded, or said once.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now.
        """
        return self._is_eligible(pipeline, blob) and not self._noted_as_metadata_update(
            pipeline, blob
        )

    def accepts_appeared(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """The same for a version that appeared after its pipeline, whatever its time says."""
        return self._is_large_enough(pipeline, blob) and not self._noted_as_metadata_update(
            pipeline, blob
        )

    def _data_of(self, pipeline: Pipeline, blob: BlobVersion) -> Data | None:
        manual_model = blob.container == self._context.models_container
        return None if manual_model else pipeline.data

    def _is_large_enough(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        data = self._data_of(pipeline, blob)
        if blob.size >= (data.least if data else 1):
            return True
        what = "is empty" if not blob.size else "is smaller than min_size"
        self.log_once(f"blob {blob.path} {what}: it opens no run", blob.path + blob.etag)
        return False

    def _is_eligible(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        data = self._data_of(pipeline, blob)
        if not self._is_large_enough(pipeline, blob):
            return False
        since = self.active_since(pipeline.name)
        if blob.modified >= since:
            return True
        backfill = data.backfill if data else "none"
        if backfill == "all":
            return True
        settled = backfill == "none" or self._backfill.is_done(pipeline)
        if settled and not self._is_kept(pipeline, blob):
            # Known from now on, so that a metadata write does not make it look like news.
            self._note(pipeline, blob, "older than its pipeline", older=True)
        self.log_once(
            f"blob {blob.path} is older than pipeline {pipeline.name}, which was first "
            f"active at {since.isoformat()}: it is not news",
            blob.path + blob.etag,
        )
        return False

    def _is_kept(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        key = key_of(pipeline, blob.name)
        return self._context.ledger.inbox.has(key, pipeline.name, version_of(pipeline, blob))

    def _noted_as_metadata_update(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        manual_model = blob.container == self._context.models_container
        trusted = pipeline.trusts_size and not manual_model
        if not blob.may_be_metadata_update(trust_size=trusted):
            return False
        blob_id = names.blob_id(pipeline.name, blob.container, blob.name)
        # Its own entry is no earlier version: it may be noted there as older than its pipeline.
        own = version_of(pipeline, blob)
        since = self._context.ledger.versions.metadata_updated_since(
            blob_id, blob, own, trust_size=trusted
        )
        if since is None:
            return False
        note = metadata_update_of(blob, since)
        log.info("blob %s: %s", blob.path, note)
        self._note(pipeline, blob, note)
        return True

    def _note(
        self, pipeline: Pipeline, blob: BlobVersion, note: str, *, older: bool = False
    ) -> None:
        """Have a version known from now on that opens no run."""
        entry = VersionEntry(
            pipeline=pipeline.name,
            blob=self._context.recorded(blob),
            run_id=None,
            note=note,
            older_than_pipeline=older,
        )
        self._context.ledger.versions.add(version_of(pipeline, blob), entry)

    def log_once(self, text: str, about: str) -> None:
        """Log what is of interest the first time alone."""
        if about in self._said:
            return
        if len(self._said) >= _SAID:
            self._said.clear()
        self._said.add(about)
        log.info("%s", text)


def version_of(pipeline: Pipeline, blob: BlobVersion) -> str:
    """Return the id of this version for this pipeline."""
    return version_id(pipeline.name, blob)
