"""Runs every part of the proof on all cores, shows how far it is, and writes what came of it."""

import argparse
import multiprocessing
import os
import platform
import threading
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from proofs import (
    api,
    crash,
    duplicates,
    faults,
    load,
    noise,
    permissions,
    planted,
    sequences,
    storage_trouble,
    two_hosts,
)
from proofs.hostile import part as hostile
from proofs.trial import Effort, Outcome, Part, Violation

_FILE: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
_SHARDS: Final = 8


@dataclass(frozen=True, slots=True)
class Task:
    """A part, or a shard of one, with its usual size."""

    name: str
    part: Part
    size: int
    scales: bool = True  #: whether --scale multiplies its size


#: The longest first, so that the cores are busy to the end.
TASKS: Final = (
    Task("load", load.part, 2000),
    *(
        Task("crash", partial(crash.part, shard=number, shards=2), 200)  # more than there are
        for number in range(2)
    ),
    Task("two hosts", two_hosts.part, 100),
    *(
        Task("faults", partial(faults.part, shard=number, shards=_SHARDS), 1000)  # every pair
        for number in range(_SHARDS)
    ),
    *(
        Task("planted bugs", partial(planted.part, shard=number, shards=2), 0, scales=False)
        for number in range(2)
    ),
    Task("sequences", sequences.part, 300),
    Task("duplicates", duplicates.part, 300),
    Task("HTTP API", api.part, 100),
    Task("noise", noise.part, 300),
    Task("storage trouble", storage_trouble.part, 100),
    Task("hostile input", hostile.part, 3000),
    Task("permissions", permissions.part, 0, scales=False),
)


def main() -> int:
    """Prove, print, write; returns 1 when a promise was broken."""
    names = sorted({task.name for task in TASKS})
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of every random choice (default 1)")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="multiplies the size of every part: 0.1 is a quick look, 3 tries more (default 1)",
    )
    parser.add_argument("--only", nargs="+", choices=names, help="these parts alone")
    # One more than cores: the parts with real hosts wait most of the time.
    jobs = (os.cpu_count() or 1) + 1
    parser.add_argument("--jobs", type=int, default=jobs, help="processes at once (%(default)s)")
    parser.add_argument("--no-file", action="store_true", help="leave docs/reliability.md as it is")
    asked = parser.parse_args()
    console = Console()
    tasks = [task for task in TASKS if not asked.only or task.name in asked.only]
    began = datetime.now(UTC)
    outcomes = _all(tasks, asked.seed, asked.scale, asked.jobs, console)
    table = Table("promise", "trials", "violations", "notes", title="Proof")
    for outcome in outcomes:
        table.add_row(
            outcome.promise, f"{outcome.trials:,}", str(len(outcome.violations)), outcome.notes
        )
    console.print(table)
    broken = [violation for outcome in outcomes for violation in outcome.violations]
    for violation in broken[:50]:
        console.print(f"[bold]{violation.plan}[/bold]\n    {violation.what}", highlight=False)
    if not asked.no_file and not asked.only:
        _FILE.write_text(_page(outcomes, asked.seed, asked.scale, began), encoding="utf-8")
        console.print(f"wrote {_FILE.relative_to(_FILE.parents[1])}")
    return 1 if broken else 0


def _all(tasks: list[Task], seed: int, scale: float, jobs: int, console: Console) -> list[Outcome]:
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with (
        context.Manager() as manager,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
        ProcessPoolExecutor(jobs, mp_context=context) as pool,
    ):
        told: Queue[str | None] = manager.Queue()
        bars = {task.name: progress.add_task(task.name, total=None, done="0") for task in tasks}
        watcher = threading.Thread(target=_show, args=(told, progress, bars))
        watcher.start()
        futures: dict[Future[list[Outcome]], Task] = {}
        for task in tasks:
            size = max(1, round(task.size * scale)) if task.scales else task.size
            futures[pool.submit(_run, task, seed, size, told)] = task
        found: list[Outcome] = []
        for future in as_completed(futures):
            outcomes = _outcome(future, futures[future])
            progress.console.print(_told(futures[future], outcomes), highlight=False)
            found += outcomes
        told.put(None)
        watcher.join()
    return _merged(found)


def _run(task: Task, seed: int, size: int, told: "Queue[str | None]") -> list[Outcome]:
    return task.part(Effort(seed, size, partial(told.put, task.name)))


def _outcome(future: "Future[list[Outcome]]", task: Task) -> list[Outcome]:
    error = future.exception()
    if error is None:
        return future.result()
    violation = Violation(task.name, f"could not be carried through: {error!r}")
    return [Outcome(f"{task.name} is carried through", 1, (violation,))]


def _told(task: Task, outcomes: list[Outcome]) -> str:
    trials = sum(outcome.trials for outcome in outcomes)
    broken = sum(len(outcome.violations) for outcome in outcomes)
    return f"{task.name}: {trials:,} trials, {broken} violations"


def _show(told: "Queue[str | None]", progress: Progress, bars: dict[str, TaskID]) -> None:
    done: dict[str, int] = dict.fromkeys(bars, 0)
    while (name := told.get()) is not None:
        done[name] += 1
        progress.update(bars[name], done=f"{done[name]:,} trials")


def _merged(outcomes: list[Outcome]) -> list[Outcome]:
    merged: dict[str, Outcome] = {}
    for one in outcomes:
        known = merged.get(one.promise)
        if known is None:
            merged[one.promise] = one
            continue
        merged[one.promise] = Outcome(
            one.promise,
            known.trials + one.trials,
            (*known.violations, *one.violations),
            "; ".join(dict.fromkeys(note for note in (known.notes, one.notes) if note)),
        )
    return sorted(merged.values(), key=lambda one: one.promise)


def _page(outcomes: list[Outcome], seed: int, scale: float, began: datetime) -> str:
    took = datetime.now(UTC) - began
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    python, minutes = platform.python_version(), f"{took.total_seconds() / 60:.0f} minutes"
    lines = [
        "# What was measured",
        "",
        "Written by `make prove`; do not edit. Each line is a promise, how often it was tried, and",
        "how often it did not hold. `make prove SCALE=3 SEED=7` tries more, and other things.",
        "",
        f"{began:%Y-%m-%d}, seed {seed}, scale {scale:g}, {machine}, Python {python}, {minutes}.",
        "",
        "| promise | trials | violations | notes |",
        "| --- | ---: | ---: | --- |",
        *(
            f"| {one.promise} | {one.trials:,} | {len(one.violations)} | {one.notes} |"
            for one in outcomes
        ),
        "",
    ]
    broken = [violation for one in outcomes for violation in one.violations]
    if broken:
        lines += ["## Violations", ""]
        lines += [f"- `{violation.plan}`: {violation.what}" for violation in broken[:100]]
        lines.append("")
    return "\n".join(lines)
