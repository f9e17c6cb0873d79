"""Runs every part of the proof on all cores, shows how far it is, and writes what came of it."""

import argparse
import math
import multiprocessing
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

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
from proofs.trial import DueTimePart, Effort, Outcome, Violation, again
from shared.core.counting import counted, they

_FILE: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
_SHARDS: Final = 8
#: Violations that are printed, and that are written down.
_SHOWN: Final = 50
_WRITTEN: Final = 100


@dataclass(frozen=True, slots=True)
class Task:
    """A part, or a shard of one, with its usual size."""

    name: str
    part: DueTimePart
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


#: Parts that can make one trial again, each in one piece.
_WHOLE: Final[Mapping[str, DueTimePart]] = {
    "crash": crash.part,
    "faults": faults.part,
    "duplicates": duplicates.part,
    "noise": noise.part,
    "storage trouble": storage_trouble.part,
    "hostile input": hostile.part,
}


def main() -> int:
    """Prove, write, print; returns 1 when a promise was broken."""
    parser, console, began = _parser(), Console(), datetime.now(UTC)
    asked = parser.parse_args()
    if _again(asked) and (len(asked.only or ()) != 1 or asked.only[0] not in _WHOLE):
        parser.error(f"--trial and --plan are for --only one of: {', '.join(_WHOLE)}")
    outcomes = _all(_tasks(asked), asked, console)
    if not _partly(asked):  # first: whatever stands in the violations, the file is kept
        _FILE.write_text(page(outcomes, asked.seed, asked.scale, began), encoding="utf-8")
    show(outcomes, console)
    if not _partly(asked):
        console.print(f"wrote {_FILE.relative_to(_FILE.parents[1])}")
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="of every random choice (default 1)")
    add(
        "--scale",
        type=_positive,
        default=1.0,
        help="multiplies the size of every part: 0.1 is a quick look, 3 tries more (default 1)",
    )
    add("--only", nargs="+", choices=sorted({task.name for task in TASKS}), help="these parts")
    # One more than cores: the parts with real hosts wait most of the time.
    jobs = (os.cpu_count() or 1) + 1
    add("--jobs", type=_whole, default=jobs, help="processes at once (%(default)s)")
    add("--no-file", action="store_true", help="leave docs/reliability.md as it is")
    shown = parser.add_argument_group(
        "a violation again", "as it is told: the command stands beside each violation"
    )
    shown.add_argument("--trial", type=int, help="the trial of this number alone")
    shown.add_argument("--plan", help="a way with these faults, or a kill at this point")
    shown.add_argument("--size", type=_whole, help="so many trials, instead of --scale")
    return parser


def _positive(text: str) -> float:
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def _whole(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _tasks(asked: argparse.Namespace) -> list[Task]:
    tasks = [task for task in TASKS if not asked.only or task.name in asked.only]
    return [Task(asked.only[0], _WHOLE[asked.only[0]], 1)] if _again(asked) else tasks


def _again(asked: argparse.Namespace) -> bool:
    return asked.trial is not None or asked.plan is not None


def _partly(asked: argparse.Namespace) -> bool:
    """Whether this says too little to be written down."""
    alone = (asked.only, asked.trial, asked.plan, asked.size)
    return bool(asked.no_file) or any(one is not None for one in alone)


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table of the promises, and each violation as it is: nothing in it is markup."""
    table = Table("promise", "trials", "violations", "notes", title="Proof")
    for outcome in outcomes:
        row = (outcome.promise, f"{outcome.trials:,}", str(len(outcome.violations)), outcome.notes)
        table.add_row(*map(Text, row))
    console.print(table)
    broken = [violation for outcome in outcomes for violation in outcome.violations]
    for violation in broken[:_SHOWN]:
        console.print(Text(violation.plan, style="bold"), soft_wrap=True)
        console.print(Text(f"    {violation.what}"), soft_wrap=True)


def _all(tasks: list[Task], asked: argparse.Namespace, console: Console) -> list[Outcome]:
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with (
        context.Manager() as manager,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
        ProcessPoolExecutor(asked.jobs, mp_context=context) as pool,
    ):
        told: Queue[str | None] = manager.Queue()
        bars = {task.name: progress.add_task(task.name, total=None, done="0") for task in tasks}
        watcher = threading.Thread(target=_show, args=(told, progress, bars))
        watcher.start()
        futures: dict[Future[list[Outcome]], Task] = {}
        for task in tasks:
            futures[pool.submit(_run, task, _effort(task, asked), told)] = task
        found: list[Outcome] = []
        for future in as_completed(futures):
            outcomes = _outcome(future, futures[future])
            progress.console.print(Text(_told(futures[future], outcomes)))
            found += outcomes
        told.put(None)
        watcher.join()
    return _merged(found)


def _effort(task: Task, asked: argparse.Namespace) -> Effort:
    size = max(1, round(task.size * asked.scale)) if task.scales else task.size
    return Effort(asked.seed, asked.size or size, trial=asked.trial, plan=asked.plan)


def _run(task: Task, effort: Effort, told: "Queue[str | None]") -> list[Outcome]:
    return task.part(replace(effort, progress=partial(told.put, task.name)))


def _outcome(future: "Future[list[Outcome]]", task: Task) -> list[Outcome]:
    error = future.exception()
    if error is None:
        return future.result()
    violation = Violation(again(task.name), f"could not be carried through: {error!r}")
    return [Outcome(f"{task.name} is carried through", 1, (violation,))]


def _told(task: Task, outcomes: list[Outcome]) -> str:
    trials = sum(outcome.trials for outcome in outcomes)
    broken = sum(len(outcome.violations) for outcome in outcomes)
    return (
        f"{task.name}: {trials:,} {they(trials, 'trial', 'trials')}, {counted(broken, 'violation')}"
    )


def _show(told: "Queue[str | None]", progress: Progress, bars: dict[str, TaskID]) -> None:
    done: dict[str, int] = dict.fromkeys(bars, 0)
    while (name := told.get()) is not None:
        done[name] += 1
        progress.update(bars[name], done=f"{done[name]:,} {they(done[name], 'trial', 'trials')}")


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


def page(outcomes: Sequence[Outcome], seed: int, scale: float, began: datetime) -> str:
    """Return what `docs/reliability.md` says of these outcomes."""
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
            f"| {one.promise} | {one.trials:,} | {len(one.violations)} | {_cell(one.notes)} |"
            for one in outcomes
        ),
        "",
    ]
    broken = [violation for one in outcomes for violation in one.violations]
    if broken:
        lines += [
            "## Violations",
            "",
            "Each with the command, or the code, that shows it again.",
            "",
        ]
        for violation in broken[:_WRITTEN]:
            lines += ["~~~", violation.plan, "", violation.what, "~~~", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
