"""The inbox: where eligible data versions wait for their run."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.core.blobs import BlobVersion
from shared.core.data_version import DataVersion
from shared.core.run.record import Origin, Run
from shared.core.versions import version_id
from shared.execution.context import Context
from shared.execution.first_recorded import FirstRecordedTimes
from shared.ledger.versions import VersionEntry


@dataclass(frozen=True, slots=True)
class Inbox:
    """Puts data versions into the inbox. Every call may be repeated."""

    context: Context

    def keep(self, version: DataVersion, *, appeared: bool = False) -> bool:
        """Keep a data version until a run takes it.

        Args:
            version: the version.
            appeared: whether the full listing found it.

        Returns:
            False where it is in the inbox already.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        blob, pipeline = self.context.recorded(version.blob), version.pipeline.name
        entry = VersionEntry(
            pipeline=pipeline, blob=blob, run_id=None, note="waiting", appeared=appeared
        )
        return self.context.ledger.inbox.add(version.key, version.version_id, entry)

    def keep_replacements(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
        """Keep the versions that replaced data of a run, for the pipeline of that run.

        Other pipelines get them by their events, or by the search.

        Args:
            run: that is about to be superseded by them.
            blobs: the versions.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        for blob in blobs:
            version = replacement_of(run, blob)
            if (
                version is not None
                and self.context.ledger.versions.entry(version.version_id) is None
            ):
                self.keep(version)

    def give_back(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
        """Return data to the inbox that a run will not train on.

        Args:
            run: the run that does not train on them.
            blobs: the versions.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        recorded = FirstRecordedTimes(self.context, run.config)
        for blob in blobs:
            kept = self.context.recorded(recorded.of(blob))
            entry = VersionEntry(
                pipeline=run.pipeline, blob=kept, run_id=run.run_id, note="returned"
            )
            self.context.ledger.inbox.add(run.key, version_id(run.pipeline, blob), entry)


def replacement_of(run: Run, blob: BlobVersion) -> DataVersion | None:
    """Return a blob that replaced data of a run as a version that opens another run.

    Args:
        run: the run with the replaced data.
        blob: as it is now.

    Returns:
        None where it opens none: it is too small, no data, or its pipeline opens no runs.
    """
    data = run.config.data
    if data is None or not data.opens_runs or run.origin is Origin.MODEL:
        return None
    version = DataVersion.of(run.config, blob)
    return version if version is not None and version.is_large_enough else None
