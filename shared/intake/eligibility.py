"""Whether a data version is eligible: new enough, large enough, and no metadata-only update."""

from shared.core import names
from shared.core.data_version import DataVersion
from shared.core.versions import metadata_update_of
from shared.execution.context import Context
from shared.intake.activations import Activations
from shared.intake.backfill import Backfill
from shared.ledger.versions import VersionEntry
from shared.telemetry import LogOnce, log


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
        settled = backfill == "none" or self._backfill.is_done(pipeline)
        if settled and not self._is_kept(version):
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
        # Its own entry is no earlier version: it may be noted there as older than its pipeline.
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
