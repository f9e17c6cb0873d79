"""Runs in the queues of a pipeline and of its service."""

from datetime import timedelta
from typing import Any

from shared.core.config.studio_types import service_identity
from shared.core.names import run_queue_id, shared_queue_id
from shared.core.run.concurrency import QueueEntry, RunQueue
from shared.core.run.record import Phase, Run
from shared.execution.concurrency import ConcurrencyLimits
from shared.ledger.ledger import Ledger
from tests.unit.intake.test_batches import world_of
from tests.unit.samples import NOW
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
KEY = run_queue_id("sample", ())
OVER = shared_queue_id("pipeline", "sample")
QUEUE: dict[str, Any] = {"when_busy": "queue", "endpoints": []}


class SlotCase:
    """The slots of one pipeline, with runs as a test writes them."""

    def __init__(self, pipeline: dict[str, Any], **training: Any) -> None:
        self.world: Observed = world_of({"endpoints": [], **pipeline}, **training)
        self.ledger: Ledger = self.world.context.ledger
        self.concurrency = ConcurrencyLimits(self.world.context)
        self.service = shared_queue_id("service", service_identity(self.config.training.service))

    @property
    def config(self) -> Any:
        return self.world.pipeline

    def run(self, name: str, phase: Phase = Phase.WAITING, **changes: Any) -> Run:
        known = {"job": None, "started_at": None, "config": self.config, "model": None}
        one = sample(phase, run_id=name, **{**known, **changes})
        self.ledger.runs.create(one)
        return one

    def put(self, name: str = KEY, **changes: Any) -> RunQueue:
        run_queue = RunQueue(pipeline="sample", **changes)
        stored = self.ledger.run_queues.read(name)
        self.ledger.run_queues.put(name, run_queue, stored.etag if stored else None)
        return run_queue

    def run_queue(self, name: str = KEY) -> RunQueue:
        stored = self.ledger.run_queues.read(name)
        assert stored is not None
        return stored.record


def concurrency(*names: str) -> tuple[QueueEntry, ...]:
    return tuple(QueueEntry(run_id=name, at=NOW, number=at) for at, name in enumerate(names, 1))
