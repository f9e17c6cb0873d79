"""A batch: the data versions of one key that one run may take out of the inbox."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted
from shared.core.run.concurrency import RunQueue, policy_of
from shared.core.run.data_version import DataVersion, captured
from shared.core.run.record import Origin
from shared.core.versions import newest_of
from shared.ledger.inbox import InboxEntry
from shared.ledger.open_markers import BatchToOpen

#: Why a run was opened for data that no event or search could find.
APPEARED: Final = "found by the daily listing"


@dataclass(frozen=True, slots=True)
class Batch:
    """The data versions that wait for one key of a pipeline."""

    pipeline: Pipeline
    key: tuple[str, ...]
    arrived: tuple[InboxEntry, ...] | None = None  #: None: not listed yet

    @property
    def run_queue(self) -> str:
        """The name of the key's run queue."""
        return names.run_queue_id(self.pipeline.name, self.key)

    @property
    def takes_all(self) -> bool:
        """Whether one run takes all that waits; otherwise each version has a run."""
        data = self.pipeline.data
        return policy_of(self.pipeline).newest_only or bool(data and data.has_batch_window)

    def wants(self, entry: InboxEntry) -> bool:
        """Whether an entry is data of this key, as the pipeline is configured now."""
        version = DataVersion.of(self.pipeline, entry.blob)
        return version is not None and version.key == self.key

    def tokens_of(self, blobs: Iterable[BlobVersion]) -> Mapping[str, str]:
        """Return the tokens in the name of the newest of these blobs."""
        newest = newest_of(blobs)
        return (captured(self.pipeline, newest.name) if newest else None) or {}

    def queued_run_precedes(self, run_queue: RunQueue, arrived: Sequence[InboxEntry]) -> bool:
        """Whether a run that waits already came before this data.

        Args:
            run_queue: of the key.
            arrived: the data, at least one version.
        """
        if not policy_of(self.pipeline).in_order or not run_queue.waiting:
            return False
        if run_queue.newest_first:
            return run_queue.waiting[-1].at > max(one.seen_at for one in arrived)
        return run_queue.waiting[0].at < min(one.seen_at for one in arrived)


def marker_of_batch(pipeline: Pipeline, key: Sequence[str]) -> BatchToOpen:
    """Return the marker by which the poll finds a run whose record was not written yet.

    Args:
        pipeline: the pipeline of the run.
        key: the key of its data.
    """
    service = pipeline.training.address
    return BatchToOpen(pipeline=pipeline.name, key=tuple(key), service=service)


def sorted_batches(
    pipelines: Mapping[str, Pipeline], arrived: Iterable[InboxEntry]
) -> tuple[dict[str, list[Batch]], list[InboxEntry]]:
    """Sort the inbox by pipeline and key.

    Args:
        pipelines: as they are configured now.
        arrived: the entries of the inbox.

    Returns:
        The batches of each pipeline, and the entries that no configured pipeline wants now.
    """
    sorted_: dict[tuple[str, tuple[str, ...]], list[InboxEntry]] = {}
    unwanted: list[InboxEntry] = []
    for one in arrived:
        pipeline = pipelines.get(one.pipeline)
        version = DataVersion.of(pipeline, one.blob) if pipeline else None
        if version is None:
            unwanted.append(one)
        else:
            sorted_.setdefault((one.pipeline, version.key), []).append(one)
    found: dict[str, list[Batch]] = {}
    for (name, key), waiting in sorted_.items():
        found.setdefault(name, []).append(Batch(pipelines[name], key, tuple(waiting)))
    return found, unwanted


def from_last_pass(batches: list[Batch], begin_with: Mapping[str, str]) -> list[Batch]:
    """Return the batches of one pipeline, beginning where the last pass stopped.

    Args:
        batches: at least one.
        begin_with: pipeline -> the run queue to begin with.
    """
    ordered = sorted(batches, key=lambda batch: batch.run_queue)
    start = begin_with.get(ordered[0].pipeline.name, "")
    return [b for b in ordered if b.run_queue >= start] + [
        b for b in ordered if b.run_queue < start
    ]


def cause_of(blobs: Sequence[BlobVersion], wanted: Sequence[InboxEntry]) -> str:
    """Return the cause of a run that trains on these blobs.

    Args:
        blobs: of its manifest.
        wanted: the entries of the inbox that the run takes.
    """
    taken = {(blob.name, blob.etag) for blob in blobs}
    appeared = sum(one.appeared and (one.blob.name, one.blob.etag) in taken for one in wanted)
    if len(blobs) == 1:
        return f"blob {blobs[0].path}" + (f", {APPEARED}" if appeared else "")
    arrived = f"{counted(len(blobs), 'blob')} arrived"
    found = f", {appeared} of them {APPEARED}"
    return arrived + (found if appeared else "")


def run_id_of(oldest: InboxEntry) -> str:
    """Return the id of the run that takes this version and newer ones (design rule 1)."""
    again = (oldest.returned_by,) if oldest.returned_by else ()
    return names.run_id(oldest.pipeline, Origin.DATA, oldest.version_id, *again)
