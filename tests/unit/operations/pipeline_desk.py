"""A world with one pipeline, whose blobs and records a test writes."""

from datetime import timedelta
from typing import Any

from shared.core.names import run_queue_id
from shared.core.run.concurrency import RunQueue
from tests.fakes.world import DATA
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


LISTED = {"inputs": {"input1": "{data.manifest}"}}


class PipelineDesk:
    """The operations of the pipelines of a world."""

    def __init__(self, training: dict[str, Any] | None = None, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": pipeline, "training": training or {}})
        self.world.app.activations.refresh()
        self.ledger = self.world.context.ledger
        self.pipelines = self.world.app.pipelines

    def put(self, name: str, content: bytes = b"a,b\n1,2\n") -> Any:
        return self.world.blobs.put(DATA, name, content)

    def run_queue(self, key: str, **changes: Any) -> None:
        run_queue = RunQueue(pipeline="sample", key=(key,), **changes)
        self.ledger.run_queues.put(run_queue_id("sample", (key,)), run_queue, None)

    def states(self) -> dict[str, str]:
        return {one.blob.name: one.state for one in self.pipelines.preview("sample", None).matches}
