"""Measures the cost of bursts, polls and pages of history: calls by kind, and time.

Calls are counted exactly and do not depend on the machine: over the ledger in memory, and for
the burst also over Azurite, a real storage server.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Final

from azure.storage.blob import BlobServiceClient
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.counted_world import Counted
from local.azurite import Azurite
from shared.core.names import shared_queue_id
from shared.core.run.concurrency import RunQueue
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry
from shared.execution.inputs import JobInputs
from shared.ledger.open_markers import hints_of
from shared.operations.history import History, RunFilter
from shared.ports.storage import Documents
from shared.providers.azure_storage.documents import BlobDocuments
from tests.unit.worlds import RUNNING

BURST: Final[dict[str, Any]] = {
    "when_busy": "newest",
    "data": {"blob": "{name}.csv", "settle": "2m", "settle_at_most": "12h"},
    "endpoints": [],
}
_MINUTE: Final = timedelta(minutes=1)


def burst(size: int, documents: Documents | None, step: Callable[[], None]) -> Counted:
    """Upload `size` blobs at once and open their run; return the world with its counts.

    Args:
        size: how many blobs.
        documents: of a real storage server; None: in memory.
        step: called after each blob.
    """
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


def one_by_one(size: int) -> float:
    """Return the storage calls for each event of `size` blobs, by the default configuration."""
    world = Counted(pipeline={"when_busy": "newest", "endpoints": []})
    world.app.activations.refresh()
    world.counting.calls.clear()
    heads_before = world.blobs.head_calls
    for number in range(size):
        world.upload(f"{number:06d}.csv", b"a,b,label\n1,2,0\n3,4,%d\n" % number)
        world.deliver(f"{number:06d}.csv")
    for _ in range(12):
        world.tick()
    if list(world.ledger.inbox.entries()):
        raise SystemExit("not all versions were taken")
    # An upload here sends one HEAD, which is not a call of the app.
    return (
        sum(world.counting.calls.values()) + world.blobs.head_calls - heads_before - size
    ) / size


def poll(size: int) -> Counted:
    """Poll `size` open runs whose jobs are running, once; return the world with its counts."""
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
    for _ in range(20):  # a tick ends within its time and the next one continues
        world.poll.tick()
        if len(world.http.sent) >= size:
            break
    return world


def queue(size: int) -> Counted:
    """Let a tick pass in which `size` runs wait at a training service, and none may begin."""
    world = Counted(pipeline={"endpoints": []}, training={"max_parallel": 1})
    first = world.start("first.csv")
    name = shared_queue_id("service", first.config.training.address.partition("?")[0].lower())
    world.script("GET", str(first.job), RUNNING, times=None)
    waits = {"phase": Phase.WAITING, "job": None, "started_at": None, "queue_name": name}
    run_queue = RunQueue(holders=(first.run_id,))
    for number in range(size):
        waiting = {**waits, "run_id": f"sample-{number:020x}"}
        run = first.evolve(**waiting)
        world.ledger.runs.create(run)
        world.ledger.open_markers.mark(run.run_id, hints_of(run))
        run_queue = run_queue.enqueue(run.run_id, world.clock.now(), newest_first=False)
    stored = world.ledger.run_queues.read(name)
    world.ledger.run_queues.put(name, run_queue, stored.etag if stored else None)
    for _ in range(3):  # the first tick finds out which run is next
        world.clock.move(_MINUTE)
        world.counting.calls.clear()
        world.poll.tick()
    return world


def manifest(size: int) -> Counted:
    """Look up `size` blobs in folders of ten, which have as many other ones."""
    world = Counted()
    blobs = []
    for number in range(size):
        world.blobs.put("training-data", f"other/{number}.csv", b"x")
        blobs.append(world.blobs.put("training-data", f"c{number // 10}/{number}.csv", b"x"))
    world.blobs.head_calls = world.blobs.pages = 0
    list(JobInputs(world.context).now(blobs))
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
    world.app.driver.begin = _not_driven  # type: ignore[method-assign]
    world.app.poll.schedules.open_due(world.clock.now() + timedelta(hours=1))
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
    return len(page.stored), calls["list index"], calls["read runs"]


@contextmanager
def real_documents() -> Iterator[Documents]:
    """Documents in a container of a real storage server."""
    with Azurite() as storage:
        client = BlobServiceClient.from_connection_string(storage.connection_string)
        ids = count(1)
        yield BlobDocuments(client.get_container_client("ledger"), lambda: f"w{next(ids)}")


def main() -> None:
    """Measure, and print a table for each promise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--blobs", type=int, default=10_000, help="number of blobs in the burst")
    parser.add_argument(
        "--azurite", type=int, default=5_000, help="number of blobs over Azurite; 0: none"
    )
    parser.add_argument("--open", type=int, default=10_000, help="number of open runs to poll")
    parser.add_argument("--finished", type=int, default=100_000, help="number of finished runs")
    options = parser.parse_args()
    console = Console()
    with Progress(console=console, transient=True) as progress:
        table = _bursts(options.blobs, options.azurite, progress)
        for size in (80, 800, 8000):
            table.add_row(
                f"{size:,} events, one by one, to the end of training",
                f"{one_by_one(size):.1f} storage calls each",
                "",
            )
        task = progress.add_task("poll", total=None)
        began = time.monotonic()
        polled = poll(options.open)
        table.add_row(
            f"poll of {options.open:,} open, unchanged runs",
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
        for size in (100, options.finished):
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


if __name__ == "__main__":
    main()
