"""Runs every part of the proofs on all cores, shows progress, and writes docs/reliability.md."""

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
    api_fuzz,
    azureml_hosts,
    azureml_kills,
    decisions,
    duplicate_events,
    endpoint_faults,
    fault_sweep,
    host_kills,
    http_faults,
    load_test,
    permissions,
    random_sequences,
    storage_fault_trials,
    two_hosts,
    workspace_faults,
)
from proofs.hostile import suite as hostile
from proofs.outcomes import Effort, Outcome, Part, Violation, again
from proofs.planted import trials as planted
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
    part: Part
    size: int
    scales: bool = True  #: whether --scale multiplies its size


_KILLS: Final = {
    "crash": host_kills.part,
    "azureml crash": azureml_kills.part,
    "azureml copy crash": azureml_kills.part_elsewhere,
    "azureml steps crash": azureml_kills.part_of_steps,
    "azureml rollback crash": azureml_kills.part_of_rollbacks,
}
_FAULTS: Final = {
    "faults": fault_sweep.part,
    "workspace faults": workspace_faults.part,
    "endpoint faults": endpoint_faults.part,
}
#: The longest first, so that the cores are busy to the end.
TASKS: Final = (
    Task("load", load_test.part, 2000),
    Task(decisions.PART, decisions.part, 2000),
    *(
        Task(name, partial(part, shard=number, shards=2), 200)  # more than there are
        for name, part in _KILLS.items()
        for number in range(2)
    ),
    Task("two hosts", two_hosts.part, 100),
    Task(azureml_hosts.PART, azureml_hosts.part, 20),
    *(
        Task(name, partial(part, shard=number, shards=_SHARDS), 1000)  # every pair
        for name, part in _FAULTS.items()
        for number in range(_SHARDS)
    ),
    *(
        Task("planted bugs", partial(planted.part, shard=number, shards=2), 0, scales=False)
        for number in range(2)
    ),
    Task("sequences", random_sequences.part, 300),
    Task("duplicates", duplicate_events.part, 300),
    Task("HTTP API", api_fuzz.part, 100),
    Task("HTTP faults", http_faults.part, 300),
    Task("storage faults", storage_fault_trials.part, 100),
    Task("hostile input", hostile.part, 3000),
    Task("permissions", permissions.part, 0, scales=False),
)


#: Parts that can repeat one trial; each is not divided.
_WHOLE: Final[Mapping[str, Part]] = {
    **_KILLS,
    **_FAULTS,
    "duplicates": duplicate_events.part,
    "HTTP faults": http_faults.part,
    "storage faults": storage_fault_trials.part,
    "hostile input": hostile.part,
}


def main() -> int:
    """Run, write and print; return 1 if a promise was broken."""
    parser, console, began = _parser(), Console(), datetime.now(UTC)
    options = parser.parse_args()
    if _again(options) and (len(options.only or ()) != 1 or options.only[0] not in _WHOLE):
        parser.error(f"--trial and --plan are for --only one of: {', '.join(_WHOLE)}")
    outcomes = _all(_tasks(options), options, console)
    if not _partly(options):  # first, so that the file is written for any content of the violations
        _FILE.write_text(page(outcomes, options.seed, options.scale, began), encoding="utf-8")
    show(outcomes, console)
    if not _partly(options):
        console.print(f"wrote {_FILE.relative_to(_FILE.parents[1])}")
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="the seed of every random choice (default 1)")
    add(
        "--scale",
        type=_positive,
        default=1.0,
        help="multiplies the size of every part: 0.1 is quick, 3 tries more (default 1)",
    )
    add("--only", nargs="+", choices=sorted({task.name for task in TASKS}), help="only these")
    # One more than cores: the parts with real hosts wait most of the time.
    jobs = (os.cpu_count() or 1) + 1
    add("--jobs", type=_whole, default=jobs, help="processes at once (%(default)s)")
    add("--no-file", action="store_true", help="leave docs/reliability.md as it is")
    shown = parser.add_argument_group(
        "repeat a violation", "the command is printed with each violation"
    )
    shown.add_argument("--trial", type=int, help="only the trial of this number")
    shown.add_argument("--plan", help="only the scenario with these faults, or this kill")
    shown.add_argument("--size", type=_whole, help="the number of trials, in place of --scale")
    return parser


def _positive(text: str) -> float:
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def _whole(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _tasks(options: argparse.Namespace) -> list[Task]:
    tasks = [task for task in TASKS if not options.only or task.name in options.only]
    return [Task(options.only[0], _WHOLE[options.only[0]], 1)] if _again(options) else tasks


def _again(options: argparse.Namespace) -> bool:
    return options.trial is not None or options.plan is not None


def _partly(options: argparse.Namespace) -> bool:
    """Whether this is too little to be written to the file."""
    alone = (options.only, options.trial, options.plan, options.size)
    return bool(options.no_file) or any(one is not None for one in alone)


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table of the promises, and each violation as plain text.

    Args:
        outcomes: of all parts.
        console: to print on.
    """
    table = Table("promise", "trials", "violations", "notes", title="Proof")
    for outcome in outcomes:
        row = (outcome.promise, f"{outcome.trials:,}", str(len(outcome.violations)), outcome.notes)
        table.add_row(*map(Text, row))
    console.print(table)
    broken = [violation for outcome in outcomes for violation in outcome.violations]
    for violation in broken[:_SHOWN]:
        console.print(Text(violation.plan, style="bold"), soft_wrap=True)
        console.print(Text(f"    {violation.what}"), soft_wrap=True)


def _all(tasks: list[Task], options: argparse.Namespace, console: Console) -> list[Outcome]:
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with (
        context.Manager() as manager,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
        ProcessPoolExecutor(options.jobs, mp_context=context) as pool,
    ):
        done: Queue[str | None] = manager.Queue()
        bars = {task.name: progress.add_task(task.name, total=None, done="0") for task in tasks}
        watcher = threading.Thread(target=_show, args=(done, progress, bars))
        watcher.start()
        futures: dict[Future[list[Outcome]], Task] = {}
        for task in tasks:
            futures[pool.submit(_run, task, _effort(task, options), done)] = task
        found: list[Outcome] = []
        for future in as_completed(futures):
            outcomes = _outcome(future, futures[future])
            progress.console.print(Text(_summary(futures[future], outcomes)))
            found += outcomes
        done.put(None)
        watcher.join()
    return _merged(found)


def _effort(task: Task, options: argparse.Namespace) -> Effort:
    size = max(1, round(task.size * options.scale)) if task.scales else task.size
    return Effort(options.seed, options.size or size, trial=options.trial, plan=options.plan)


def _run(task: Task, effort: Effort, done: "Queue[str | None]") -> list[Outcome]:
    return task.part(replace(effort, progress=partial(done.put, task.name)))


def _outcome(future: "Future[list[Outcome]]", task: Task) -> list[Outcome]:
    error = future.exception()
    if error is None:
        return future.result()
    violation = Violation(again(task.name), f"did not finish: {error!r}")
    return [Outcome(f"{task.name} finishes", 1, (violation,))]


def _summary(task: Task, outcomes: list[Outcome]) -> str:
    trials = sum(outcome.trials for outcome in outcomes)
    broken = sum(len(outcome.violations) for outcome in outcomes)
    return (
        f"{task.name}: {trials:,} {they(trials, 'trial', 'trials')}, {counted(broken, 'violation')}"
    )


def _show(finished: "Queue[str | None]", progress: Progress, bars: dict[str, TaskID]) -> None:
    done: dict[str, int] = dict.fromkeys(bars, 0)
    while (name := finished.get()) is not None:
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
    """Return `docs/reliability.md` for these outcomes.

    Args:
        outcomes: of all parts.
        seed: of every random choice.
        scale: of the sizes.
        began: when the run began.
    """
    took = datetime.now(UTC) - began
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    python, minutes = platform.python_version(), f"{took.total_seconds() / 60:.0f} minutes"
    lines = [
        "# What was measured",
        "",
        "Written by `make prove`; do not edit. Each line is a promise, how often it was tried, and",
        "how often it did not hold. `make prove SCALE=3 SEED=7` tries more, with other inputs.",
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
            "Each one with the command, or the code, that repeats it.",
            "",
        ]
        for violation in broken[:_WRITTEN]:
            lines += ["~~~", violation.plan, "", violation.what, "~~~", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
