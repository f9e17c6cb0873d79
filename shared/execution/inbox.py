"""The inbox: where eligible data versions wait for their run, and when they were first recorded.

Storage dates blobs in whole seconds; of those of one second the app's own record shows which is
newer (`shared.core.versions`). Nothing is read where no two versions share a second.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.run.data_version import DataVersion, key_of
from shared.core.run.record import Origin, Run
from shared.core.service import service
from shared.core.versions import Newest, newest_first, order_of, tied_with, version_id
from shared.errors import CorruptRecordError
from shared.execution.context import Context
from shared.ledger.versions import VersionEntry
from shared.telemetry import log

#: Storage calls at once.
_AT_ONCE: Final = 8


@service
class FirstRecordedTimes:
    """Reads, for one pipeline, when versions were first recorded."""

    context: Context
    pipeline: Pipeline

    def of(self, blob: BlobVersion) -> BlobVersion:
        """Return a version with the time when it was first recorded, where it was.

        Raises:
            TransientError: the ledger does not work now.
        """
        if blob.recorded_at is not None:
            return blob
        version, ledger = version_id(self.pipeline.name, blob), self.context.ledger
        try:
            entry = ledger.versions.entry(version)
            if entry is None:
                key = key_of(self.pipeline, blob.name)
                entry = ledger.inbox.read(key, self.pipeline.name, version)
        except CorruptRecordError as exc:
            log.error("%s", exc)  # an operator has to correct it; meanwhile the name decides
            return blob
        return blob.recorded(entry.blob.recorded_at) if entry else blob

    def newest(self, tied: Sequence[BlobVersion]) -> Newest:
        """Return the newest of versions that share a Last-Modified, at least one.

        Raises:
            TransientError: the ledger does not work now.
        """
        known = self.all_of(tied)
        newest = max(known, key=order_of)
        return Newest(newest, tied_with(newest, known))

    def newest_first(
        self, blobs: Iterable[BlobVersion], most: int, least: int
    ) -> list[BlobVersion]:
        """Return versions, the newest first, in a fixed order as far as they are shown.

        Args:
            blobs: the versions, in any order.
            most: how many are shown.
            least: how many bytes a version must have to be used; the first such is shown too.

        Returns:
            The versions.
        """
        found = sorted(blobs, key=lambda blob: blob.modified, reverse=True)
        used = next((at for at, blob in enumerate(found) if blob.size >= least), 0)
        seen = max(used + 1, most)
        while 0 < seen < len(found) and found[seen].modified == found[seen - 1].modified:
            seen += 1
        return newest_first([*self.all_of(found[:seen]), *found[seen:]])

    def all_of(self, blobs: Sequence[BlobVersion]) -> list[BlobVersion]:
        """Return the versions, each with the time when it was recorded where that matters."""
        times = Counter(blob.modified for blob in blobs)
        wanted = [blob for blob in blobs if times[blob.modified] > 1]
        at_once = min(_AT_ONCE, self.context.limits.at_once, len(wanted))
        if at_once <= 1:
            found = [self.of(blob) for blob in wanted]
        else:
            with ThreadPoolExecutor(at_once) as pool:
                found = list(pool.map(self.of, wanted))
        known = iter(found)
        return [next(known) if times[blob.modified] > 1 else blob for blob in blobs]


@service
class InboxKeeper:
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

    def requeue(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
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
