"""Runs in queues."""

from datetime import timedelta
from typing import Any

from shared.core.names import run_queue_id
from shared.core.run.concurrency import QueueEntry, RunQueue
from shared.core.run.record import Phase
from shared.errors import CorruptRecordError
from shared.execution.driver import Advanced
from shared.execution.queues import EVERY, CheckResult, PolledQueues, Queue
from shared.ledger.open_markers import Marker, hints_of
from tests.unit.samples import NOW
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KEY = run_queue_id("sample", ())


class WaitingRuns:
    """Runs that wait in a queue, and a check of them that does what a test says."""

    def __init__(self, count: int = 3, name: str = KEY, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": {"when_busy": "queue", **pipeline}})
        self.context = self.world.context
        self.ledger = self.context.ledger
        self.queues = PolledQueues(self.context)
        self.name = name
        self.checked: list[str] = []
        self.begin: set[str] = set()  #: runs that take their slot when they are checked
        self.well = True
        self.names = [f"sample-{number}" for number in range(count)]
        for one in self.names:
            self.wait(one)
        self.run_queue()

    def wait(self, name: str, **changes: Any) -> None:
        known = {"job": None, "started_at": None, "model": None, "config": self.world.pipeline}
        run = sample(Phase.WAITING, run_id=name, **{**known, "queue_name": self.name, **changes})
        self.ledger.runs.create(run)
        self.ledger.open_markers.mark(name, hints_of(run))

    def run_queue(self, *names: str, name: str = "", **changes: Any) -> None:
        concurrency = tuple(QueueEntry(run_id=one, at=NOW) for one in names or self.names)
        run_queue = RunQueue(**{"pipeline": "sample", "waiting": concurrency, **changes})
        stored = self.ledger.run_queues.read(name or self.name)
        self.ledger.run_queues.put(name or self.name, run_queue, stored.etag if stored else None)

    def check(self, marker: Marker) -> CheckResult:
        self.checked.append(marker.run_id)
        try:
            stored = self.ledger.runs.read(marker.run_id)
        except CorruptRecordError:
            return CheckResult(self.well)
        run = stored.record if stored else None
        if marker.run_id in self.begin and run is not None and stored is not None:
            run = run.moved_to(Phase.RECEIVED, NOW)
            self.ledger.runs.replace(run, stored.etag)
            known = self.ledger.run_queues.read(self.name)
            assert known is not None
            left = known.record.without({marker.run_id}.__contains__)
            self.ledger.run_queues.put(self.name, left, known.etag)
        return CheckResult(self.well, Advanced(run))

    def found(self) -> list[Queue]:
        return self.queues.found(list(self.ledger.open_markers.listed()))

    def tick(self, seconds: int = 60, until: timedelta = MINUTE) -> list[str]:
        """Let time pass, check every queue, and return the runs that were checked."""
        self.world.clock.move(timedelta(seconds=seconds))
        self.checked.clear()
        for queue in self.found():
            self.queues.bring_forward(queue, self.world.clock.now() + until, self.check)
        return list(self.checked)

    def calm(self) -> None:
        """Have nothing be held against its record for a while."""
        self.queues._checked = dict.fromkeys(self.names, self.world.clock.now() + 9 * EVERY)
