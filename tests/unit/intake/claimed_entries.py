"""An inbox whose entries are claimed for a run."""

from datetime import timedelta
from typing import Any

from shared.core.blobs import BlobVersion
from shared.core.run.record import Phase
from shared.core.versions import version_id
from shared.intake.batch_claims import BatchClaims, ClaimProgress
from shared.ledger.inbox import InboxEntry
from shared.ledger.ledger import Ledger
from shared.ledger.versions import VersionEntry
from tests.unit.intake.test_batches import world_of
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LATER = NOW + HOUR


class Inbox:
    """An inbox, its ledger and the taking, with versions as a test puts them there."""

    def __init__(self) -> None:
        self.world: Observed = world_of({"when_busy": "newest", "endpoints": []})
        self.ledger: Ledger = self.world.context.ledger
        self.taking = BatchClaims(self.world.context)
        self.kept: list[str] = []

    def put(self, name: str, returned_by: str | None = None, **changes: Any) -> InboxEntry:
        one = blob(name, **changes)
        version = version_id("sample", one)
        entry = VersionEntry(pipeline="sample", blob=one, run_id=returned_by)
        self.ledger.inbox.add((), version, entry)
        return next(
            arrived
            for arrived in self.ledger.inbox.entries()
            if arrived.version_id == version and arrived.returned_by == returned_by
        )

    def know(self, one: InboxEntry, run_id: str | None, **more: Any) -> None:
        entry = VersionEntry(pipeline="sample", blob=one.blob, run_id=run_id, **more)
        self.ledger.versions.add(one.version_id, entry)

    def store(self, run_id: str, *blobs: BlobVersion) -> None:
        self.ledger.runs.create(sample(Phase.WAITING, run_id=run_id, manifest=blobs))

    def waits(self) -> list[str]:
        return [arrived.blob.name for arrived in self.ledger.inbox.entries()]

    def owner(self, one: InboxEntry) -> str | None:
        entry = self.ledger.versions.entry(one.version_id)
        return entry.run_id if entry else None

    def take(self, *wanted: InboxEntry, run_id: str = "sample-1", **progress: Any) -> Any:
        known = {"began_at": LATER, **progress}
        blobs = self.taking.take(ClaimProgress(run_id, **known), wanted, LATER, self.kept.append)
        return None if blobs is None else [one.name for one in blobs]

    def first(self, *arrived: InboxEntry) -> str | None:
        found = self.taking.first_free(arrived, LATER)
        return found.blob.name if found else None
