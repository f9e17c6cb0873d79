"""The command line of the demo: `python -m local.demo --help`, or `make demo`."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from local.azurite import AzuriteError
from local.demo.stage import Stage
from local.served import NotStartedError
from shared.core.counting import counted
from shared.core.run.record import ENDS, Phase

_DESCRIPTION: Final = """\
New training data arrives, a better model is served. Starts a storage server, a stand-in of the
ML service that really trains, and the app in its host, all on this machine; uploads the breast
cancer table that ships with scikit-learn in two parts, and shows each run go its way.

Exit codes: 0 the endpoint really answers with the new models, each data version started exactly
one job, and no secret is in a record or a log; 1 otherwise, with the reason."""
_PATIENCE: Final = 45.0
_CHECK_INTERVAL: Final = 0.3
_REPEATS: Final = 3
_PATH_TAKEN: Final = ("received", "created", "training", "trained", "promoting", "verifying")


class DemoFailedError(RuntimeError):
    """The app did not do what it promises; the message says what came instead."""


@dataclass
class Act:
    """One data set, from its upload to the live model."""

    blob: str
    part: float
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.demo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _play(console)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    except (DemoFailedError, NotStartedError, AzuriteError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    return 0


def _play(console: Console) -> None:
    began = time.monotonic()
    with console.status("Starting Azurite, the stand-in of the ML service, and the host …"):
        stage = Stage()
        stage.__enter__()
    try:
        console.print(f"storage     {stage.azurite.blob_endpoint}")
        console.print(f"ML service  {stage.studio.url}  (a stand-in that really trains)")
        console.print(f"the app     {stage.host.url}/api/health")
        acts = [Act("breast-cancer/first.csv", 0.4), Act("breast-cancer/second.csv", 1.0)]
        for act in acts:
            _perform(console, stage, act)
        _repeat(console, stage, acts[0].blob)
        _check(stage, acts)
        console.print(_table(acts))
        starts = [job["starts"] for job in stage.studio.state["jobs"]]
        versions, jobs = counted(len(acts), "data version"), counted(sum(starts), "started job")
        console.print(
            f"[bold green]Done[/] in {time.monotonic() - began:.0f} s: {versions}, {jobs}, "
            f"{2 + _REPEATS} events; the endpoint answers with the last model; "
            "no secret in any record, log or answer."
        )
    finally:
        stage.__exit__(None, None, None)


def _perform(console: Console, stage: Stage, act: Act) -> None:
    act.before = stage.answers()
    known = {run["run_id"] for run in stage.runs()}
    content = stage.data(act.part)
    rows = content.count(b"\n") - 1
    console.print(f"\nuploading [bold]{act.blob}[/] ({counted(rows, 'row')})")
    stage.upload(act.blob, content)
    act.run = _follow(console, stage, known)
    act.after = stage.answers()


def _follow(console: Console, stage: Stage, known: set[str]) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    run: dict[str, Any] = {}
    with Live(console=console, transient=False, refresh_per_second=8) as live:
        while time.monotonic() < deadline:
            run = next((r for r in stage.runs() if r["run_id"] not in known), {})
            live.update(_progress(run))
            if run.get("phase") in ENDS:
                return run
            if run.get("phase") == Phase.PARKED:
                raise DemoFailedError(f"run {run['run_id']} is parked: {run['reason']}")
            time.sleep(_CHECK_INTERVAL)  # between two status checks
    raise DemoFailedError(
        f"no run came to its end within {_PATIENCE:.0f} s (last seen: {run.get('phase')}).\n"
        f"The app said:\n{stage.host.log[-3000:]}"
    )


def _progress(run: dict[str, Any]) -> Table | Spinner:
    if not run:
        return Spinner("dots", " waiting for the blob trigger …")
    seen = {entry["phase"]: entry["at"] for entry in run["history"]}
    grid = Table.grid(padding=(0, 1))
    steps = [*_PATH_TAKEN, run["phase"]] if run["phase"] in ENDS else list(_PATH_TAKEN)
    shown = []
    for step in steps:
        if step == run["phase"]:
            mark = "[bold green]✔" if step in ENDS else "[bold yellow]●"
        else:
            mark = "[green]✔" if step in seen else "[dim]·"
        shown.append(f"{mark} {step}[/]")
    grid.add_row(*shown)
    return grid


def _repeat(console: Console, stage: Stage, blob: str) -> None:
    console.print(f"\ndelivering the event of {blob} {_REPEATS} more times")
    wanted = stage.deliveries() + _REPEATS
    for _ in range(_REPEATS):
        stage.deliver(blob)
    deadline = time.monotonic() + _PATIENCE
    while stage.deliveries() < wanted:
        if time.monotonic() > deadline:
            raise DemoFailedError("the repeated events did not arrive at the app")
        time.sleep(_CHECK_INTERVAL)


def _check(stage: Stage, acts: Sequence[Act]) -> None:
    for act in acts:
        if act.run["phase"] != Phase.PROMOTED:
            raise DemoFailedError(f"{act.blob}: ended {act.run['phase']}: {act.run.get('reason')}")
        if act.before == act.after:
            raise DemoFailedError(f"{act.blob}: the endpoint answers as before: {act.after}")
    if stage.answers() != acts[-1].after:
        raise DemoFailedError("the endpoint does not answer with the last model any more")
    starts = [job["starts"] for job in stage.studio.state["jobs"]]
    versions = counted(len(acts), "data version")
    if starts != [1] * len(acts):
        raise DemoFailedError(f"{versions} started jobs this often: {starts}")
    if len(stage.runs()) != len(acts):
        raise DemoFailedError(f"{counted(len(stage.runs()), 'run')} for {versions}")
    if leaks := stage.leaks():
        raise DemoFailedError(f"a secret is in: {', '.join(sorted(set(leaks)))}")


def _table(acts: Sequence[Act]) -> Table:
    table = Table(title="\nWhat happened", title_justify="left")
    table.add_column("data")
    for act in acts:
        table.add_column(act.blob.rpartition("/")[2], overflow="fold")
    runs = [act.run for act in acts]
    table.add_row("job", *(run["job"] for run in runs))
    table.add_row("model", *(_unversioned(run["model"]["name"]) for run in runs))
    table.add_section()
    times = [dict(_times(run)) for run in runs]
    for phase in _PATH_TAKEN:
        table.add_row(f"{phase}, s", *(f"{seconds.get(phase, 0):.1f}" for seconds in times))
    table.add_section()
    for row, _ in enumerate(acts[0].before):
        moves = (f"{act.before[row]} -> [bold]{act.after[row]}[/]" for act in acts)
        table.add_row(f"probe row {row + 1}", *moves)
    return table


def _unversioned(model: str) -> str:
    """Return the model's path without its longest part, the run, whose job is above."""
    parts = model.partition("/")[2].split("/")
    return "/".join([*parts[:2], "…", *parts[3:]])


def _times(run: dict[str, Any]) -> list[tuple[str, float]]:
    history = [(entry["phase"], datetime.fromisoformat(entry["at"])) for entry in run["history"]]
    spans = pairwise(history)
    return [(phase, (until - at).total_seconds()) for (phase, at), (_, until) in spans]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
