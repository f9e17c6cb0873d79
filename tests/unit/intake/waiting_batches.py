"""A world in which data waits to be put into runs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.core.blobs import BlobVersion
from shared.core.names import run_id, run_queue_id
from shared.core.run.concurrency import RunQueue
from shared.core.run.data_version import DataVersion, captured
from shared.core.run.record import Phase, Run
from shared.core.versions import version_id
from shared.intake.batches import Batches
from shared.intake.catalogue import Catalogue
from shared.ledger.ledger import Ledger
from tests.unit.intake.test_batches import world_of
from tests.unit.samples import blob
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEY = run_queue_id("sample", ())
KEYED: dict[str, Any] = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
QUEUE: dict[str, Any] = {"when_busy": "queue", "endpoints": []}


class Waiting:
    """What waits for one pipeline, as a test puts it there."""

    def __init__(self, pipeline: dict[str, Any]) -> None:
        self.world: Observed = world_of({"endpoints": [], **pipeline})
        self.world.app.activations.refresh()
        self.ledger: Ledger = self.world.context.ledger
        self.batch_run: Batches = self.world.app.batches

    @property
    def without(self) -> Batches:
        """What opens batches, while no pipeline is configured."""
        return replace(self.batch_run, catalogue=Catalogue({}))

    @property
    def later(self) -> Any:
        return self.world.clock.now() + HOUR

    def put(self, name: str, **changes: Any) -> str:
        """Have a blob wait, and return the id of the run that takes it first."""
        now = self.world.clock.now()
        one = blob(name, **{"modified": now, "created": now, **changes})
        self.world.app.inbox.keep(
            DataVersion(self.world.pipeline, one, captured(self.world.pipeline, name) or {})
        )
        return run_id("sample", "data", self.version(one))

    def version(self, one: BlobVersion) -> str:
        return version_id("sample", one)

    def run(self, name: str, phase: Phase, **changes: Any) -> None:
        known = {"job": None, "started_at": None, "config": self.world.pipeline, "model": None}
        self.ledger.runs.create(sample(phase, run_id=name, **{**known, **changes}))

    def run_queue(self, **changes: Any) -> None:
        stored = self.ledger.run_queues.read(KEY)
        run_queue = RunQueue(pipeline="sample", **changes)
        self.ledger.run_queues.put(KEY, run_queue, stored.etag if stored else None)

    def open_batches(self, key: tuple[str, ...] = ()) -> list[list[str]]:
        found = self.batch_run.open_batches(self.world.pipeline, key, self.later)
        return [[one.name for one in stored.record.manifest] for stored in found]

    def open_one(self) -> Run:
        """Open what waits, and return its only run."""
        (stored,) = self.batch_run.open_batches(self.world.pipeline, (), self.later)
        return stored.record
