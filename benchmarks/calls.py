"""What bursts, polls and pages of history cost, in calls by kind; time beside them.

Calls are counted exactly and do not depend on the machine: over the ledger in memory, and for
the burst also over Azurite, a real storage server.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Final

from azure.storage.blob import BlobServiceClient
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from local.azurite import Azurite
from shared.core.names import shared_queue_id
from shared.core.run.concurrency import RunQueue
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry
from shared.execution.lookup import Lookup
from shared.intake.due_times import DueTimes
from shared.intake.schedules import Schedules
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import hints_of
from shared.operations.history import History, RunFilter
from shared.ports.storage import Document, Documents, ETag, Listed, Page
from shared.providers.azure_storage.documents import BlobDocuments
from tests.unit.worlds import RUNNING, Observed

BURST: Final[dict[str, Any]] = {
    "when_busy": "newest",
    "data": {"blob": "{name}.csv", "settle": "2m", "settle_at_most": "12h"},
    "endpoints": [],
}
_MINUTE: Final = timedelta(minutes=1)


@dataclass
class Counting:
    """A `Documents` that counts what it is asked for."""

    inner: Documents
    calls: Counter[str] = field(default_factory=Counter)

    def time(self) -> datetime:
        """Count and pass on."""
        self.calls["time"] += 1
        return self.inner.time()

    def read(self, name: str) -> Document | None:
        """Count and pass on."""
        self.calls[f"read {_kind(name)}"] += 1
        return self.inner.read(name)

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Count and pass on."""
        self.calls[f"create {_kind(name)}"] += 1
        return self.inner.create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Count and pass on."""
        self.calls[f"replace {_kind(name)}"] += 1
        return self.inner.replace(name, body, expected, metadata)

    def delete(self, name: str, expected: ETag) -> None:
        """Count and pass on."""
        self.calls[f"delete {_kind(name)}"] += 1
        self.inner.delete(name, expected)

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Count and pass on."""
        self.calls[f"list {_kind(prefix)}"] += 1
        yield from self.inner.listing(prefix)

    def page(self, prefix: str, size: int, cursor: str | None) -> Page[Listed]:
        """Count and pass on."""
        self.calls[f"list {_kind(prefix)}"] += 1
        return self.inner.page(prefix, size, cursor)

    @property
    def writes(self) -> int:
        """How many calls changed something."""
        return sum(n for call, n in self.calls.items() if not call.startswith(("read", "list")))


class Counted(Observed):
    """A world whose ledger counts its calls."""

    def __init__(self, documents: Documents | None = None, **config: dict[str, Any]) -> None:
        """Build it over these documents, or over the ones in memory."""
        super().__init__(config=config)
        self.counting = Counting(documents or self.documents)
        self.restart()

    def _worker(self) -> Any:
        intake, poll = super()._worker()
        self.context = intake._context  # noqa: SLF001 -- as the app has it
        if hasattr(self, "counting"):
            object.__setattr__(self.context, "ledger", Ledger(self.counting))
        return intake, poll

    @property
    def ledger(self) -> Ledger:
        """The ledger that the workers use."""
        return self.context.ledger


def burst(size: int, documents: Documents | None, step: Callable[[], None]) -> Counted:
    """Let `size` blobs land at once and gather them; returns the world with its counts."""
    settle = "2m" if documents is None else "5s"  # which passes by the clock of a real storage
    data = {**BURST["data"], "settle": settle}
    world = Counted(documents, pipeline={**BURST, "data": data})
    if documents is not None:
        world.clock.time = datetime.now(UTC)  # the storage server has a clock of its own
        world.restart()
    for number in range(size):
        name = f"{number:06d}.csv"
        world.upload(name, b"a,b,label\n1,2,0\n3,4,%d\n" % number)
        world.deliver(name)
        step()
    world.clock.move(3 * _MINUTE)
    world.poll.tick()
    while documents is not None and not world.ledger.old.page("runs", None).items:
        world.poll.tick()
    (listed,) = world.ledger.old.page("runs", None).items
    stored = world.ledger.runs.read(listed.name.removeprefix("runs/"))
    taken = len(stored.record.manifest) if stored else 0
    if taken != size or list(world.ledger.inbox.entries()):
        raise SystemExit(f"{taken} of {size} versions were taken")
    return world


def told_one_by_one(size: int) -> float:
    """Return the storage calls for each event of `size` blobs, by the default configuration."""
    world = Counted(pipeline={"when_busy": "newest", "endpoints": []})
    world.intake.activate()
    world.counting.calls.clear()
    endpoint_states = world.blobs.head_calls
    for number in range(size):
        world.upload(f"{number:06d}.csv", b"a,b,label\n1,2,0\n3,4,%d\n" % number)
        world.deliver(f"{number:06d}.csv")
    for _ in range(12):
        world.tick()
    if list(world.ledger.inbox.entries()):
        raise SystemExit("not all versions were taken")
    # An upload here looks at its blob once, which is no call of the app.
    return (
        sum(world.counting.calls.values()) + world.blobs.head_calls - endpoint_states - size
    ) / size


def poll(size: int) -> Counted:
    """Look at `size` open runs whose jobs go on, once; returns the world with its counts."""
    world = Counted(pipeline={"endpoints": []})
    first = world.start("first.csv")
    for number in range(size - 1):
        run = first.evolve(run_id=f"sample-{number:020d}")
        world.ledger.runs.create(run)
        world.ledger.open_markers.mark(run.run_id, hints_of(run))
    world.poll.tick()  # marks every hint as seen
    world.clock.move(_MINUTE)
    world.http.sent.clear()
    world.counting.calls.clear()
    for _ in range(20):  # a tick ends within its time and the next one goes on
        world.poll.tick()
        if len(world.http.sent) >= size:
            break
    return world


def queue(size: int) -> Counted:
    """Let a tick pass in which `size` runs wait at a training service, and none may begin."""
    world = Counted(pipeline={"endpoints": []}, training={"max_parallel": 1})
    first = world.start("first.csv")
    name = shared_queue_id("service", first.config.training.service.partition("?")[0].lower())
    world.script("GET", str(first.job), RUNNING, times=None)
    waits = {"phase": Phase.WAITING, "job": None, "started_at": None, "line": name}
    run_queue = RunQueue(holders=(first.run_id,))
    for number in range(size):
        waiting = {**waits, "run_id": f"sample-{number:020x}"}
        run = first.evolve(**waiting)
        world.ledger.runs.create(run)
        world.ledger.open_markers.mark(run.run_id, hints_of(run))
        run_queue = run_queue.enqueue(run.run_id, world.clock.now(), newest_first=False)
    stored = world.ledger.run_queues.read(name)
    world.ledger.run_queues.put(name, run_queue, stored.etag if stored else None)
    for _ in range(3):  # the first of them looks at what is next
        world.clock.move(_MINUTE)
        world.counting.calls.clear()
        world.poll.tick()
    return world


def manifest(size: int) -> Counted:
    """Look `size` blobs up that lie in folders of ten, beside as many that are not asked for."""
    world = Counted()
    blobs = []
    for number in range(size):
        world.blobs.put("training-data", f"other/{number}.csv", b"x")
        blobs.append(world.blobs.put("training-data", f"c{number // 10}/{number}.csv", b"x"))
    world.blobs.head_calls = world.blobs.pages = 0
    list(Lookup(world.context).now(blobs))
    return world


def due(size: int) -> Counted:
    """Open the runs of a due time that `size` customers have."""
    keyed = {"blob": "{customer}/{name}.csv", "opens_runs": False}
    config = {"data": keyed, "key": "customer", "schedule": "0 0 * * * *", "endpoints": []}
    world = Counted(pipeline=config)
    for number in range(size):
        world.upload(f"c{number}/1.csv")
    world.poll.start_scheduled()
    world.clock.move(timedelta(hours=1))
    world.counting.calls.clear()
    world.intake.driver.begin = _not_driven  # type: ignore[method-assign]
    Schedules(world.context, world.intake, DueTimes(world.context, world.intake.asked)).open_due(
        world.clock.now() + timedelta(hours=1)
    )
    return world


def _not_driven(*_: object, **__: object) -> Run:
    raise SystemExit("a due time called a service")


def history(size: int) -> Counted:
    """Return a world with `size` finished runs in its history."""
    world = Counted(pipeline={"endpoints": []})
    first = world.start("first.csv")
    for number in range(size):
        at = first.opened_at + timedelta(seconds=number)
        run = Run(
            run_id=f"sample-{number:020d}",
            pipeline="sample",
            origin=Origin.DATA,
            cause="benchmark",
            config=first.config,
            manifest=first.manifest,
            parameters={},
            phase=Phase.FINISHED,
            opened_at=at,
            history=(RunHistoryEntry(at=at, phase=Phase.FINISHED),),
        )
        world.ledger.runs.create(run)
    return world


def page_of(world: Counted) -> tuple[int, int, int]:
    """Return how many runs a page of 50 has, with its listings and its reads."""
    world.counting.calls.clear()
    page = History(world.context).page(RunFilter(pipeline="sample"), 50, None)
    calls = world.counting.calls
    return len(page.runs), calls["list index"], calls["read runs"]


@contextmanager
def real_documents() -> Iterator[Documents]:
    """Documents in a container of a real storage server."""
    with Azurite() as storage:
        client = BlobServiceClient.from_connection_string(storage.connection_string)
        ids = count(1)
        yield BlobDocuments(client.get_container_client("ledger"), lambda: f"w{next(ids)}")


def main() -> None:
    """Measure, and print a table for each promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blobs", type=int, default=10_000, help="blobs of the burst")
    parser.add_argument("--azurite", type=int, default=5_000, help="blobs over Azurite; 0: none")
    parser.add_argument("--open", type=int, default=10_000, help="open runs to look at")
    parser.add_argument("--finished", type=int, default=100_000, help="finished runs")
    asked = parser.parse_args()
    console = Console()
    with Progress(console=console, transient=True) as progress:
        table = _bursts(asked.blobs, asked.azurite, progress)
        for size in (80, 800, 8000):
            table.add_row(
                f"{size:,} events, one by one, to the end of training",
                f"{told_one_by_one(size):.1f} storage calls each",
                "",
            )
        task = progress.add_task("poll", total=None)
        began = time.monotonic()
        polled = poll(asked.open)
        table.add_row(
            f"poll of {asked.open:,} open, unchanged runs",
            f"{len(polled.http.sent):,} GETs, {polled.counting.writes} ledger writes (all of them "
            f"heartbeats), {polled.counting.calls['read runs']} records read",
            f"{time.monotonic() - began:.1f} s",
        )
        progress.remove_task(task)
        for size in (40, 400, 4_000):
            seen = queue(size).counting
            read = sum(n for call, n in seen.calls.items() if call.startswith("read"))
            table.add_row(
                f"idle tick, {size:,} runs wait at a training service",
                f"{read} records read, {seen.writes} written",
                "",
            )
        for size in (100, 1_000, 10_000):
            blobs = manifest(size).blobs
            table.add_row(
                f"manifest of {size:,} blobs, looked up",
                f"{blobs.head_calls:,} HEADs, {blobs.pages:,} pages listed",
                "",
            )
        for size in (10, 100, 1_000):
            calls = sum(due(size).counting.calls.values())
            table.add_row(
                f"due time of {size:,} customers", f"{calls / size:.1f} ledger calls each", ""
            )
        for size in (100, asked.finished):
            progress.add_task(f"history of {size:,}", total=None)
            world = history(size)
            began = time.monotonic()
            runs, lists, reads = page_of(world)
            table.add_row(
                f"page of {runs} out of {size:,} runs",
                f"{lists} listings, {reads} reads",
                f"{(time.monotonic() - began) * 1000:.0f} ms",
            )
    console.print(table)


def _bursts(in_memory: int, in_azurite: int, progress: Progress) -> Table:
    table = Table("what", "calls", "time", title="What things cost")
    cases: list[tuple[str, int, Documents | None]] = [("in memory", in_memory, None)]
    with real_documents() as documents:
        if in_azurite:
            cases.append(("over Azurite", in_azurite, documents))
        for where, size, over in cases:
            task = progress.add_task(f"burst {where}", total=size)
            began = time.monotonic()
            world = burst(size, over, partial(progress.advance, task))
            calls = world.counting
            content = len(world.blobs.reads)
            table.add_row(
                f"burst of {size:,} blobs {where}",
                f"{calls.writes / size:.3f} writes a blob, {content} contents read, 1 run",
                f"{time.monotonic() - began:.1f} s",
            )
    return table


def _kind(name: str) -> str:
    return name.partition("/")[0]


if __name__ == "__main__":
    main()
