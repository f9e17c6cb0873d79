"""Runs the demo: each data set from its upload to the end of its run, and then repeated events."""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Generic, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from local.demo.app_stage import AppStage
from shared.core.counting import counted
from shared.core.run.record import ENDS, Phase

REPEATS: Final = 3
_PATIENCE: Final = 45.0
_CHECK_INTERVAL: Final = 0.3

S = TypeVar("S", bound=AppStage)


class DemoFailedError(RuntimeError):
    """The app did not do what it promises; the message says what came instead."""


@dataclass
class Act:
    """One data set, from its upload to the end of its run."""

    blob: str
    content: bytes
    ends: Phase
    about: str = ""
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Counter[tuple[str, int]]] = field(default_factory=dict)  #: by each step


class Play(ABC, Generic[S]):
    """The demo on one stage.

    Args:
        console: where it is shown.
        stage: on which it is played.
    """

    path: tuple[str, ...] = ()  #: the phases before the end

    def __init__(self, console: Console, stage: S) -> None:
        self.console, self.stage = console, stage

    def perform(self) -> None:
        """Show each data set go its way, then check what was promised.

        Raises:
            DemoFailedError: a promise was not kept.
        """
        began = time.monotonic()
        self.console.print(f"storage     {self.stage.azurite.blob_endpoint}")
        self.console.print(self.service)
        self.console.print(f"the app     {self.stage.host.url}/api/health")
        acts = self.acts()
        for act in acts:
            self._perform(act)
        self._repeat(acts[0].blob)
        self._check(acts)
        self.console.print(self._table(acts))
        versions = counted(len(acts), "data version")
        events = counted(len(acts) + REPEATS, "event")
        started = counted(len(self.jobs()), "started job")
        self.console.print(
            f"[bold green]Done[/] in {time.monotonic() - began:.0f} s: {versions}, {started}, "
            f"{events}; {self.result}; no secret in any record, log or answer."
        )

    @property
    @abstractmethod
    def service(self) -> str:
        """The line that says which service trains."""

    @property
    @abstractmethod
    def result(self) -> str:
        """The result in one line."""

    @abstractmethod
    def acts(self) -> list[Act]:
        """Return the data sets."""

    @abstractmethod
    def jobs(self) -> list[str]:
        """Return the jobs that were started, each as often as it was."""

    @abstractmethod
    def state(self) -> list[str]:
        """Return what a run changes in the end."""

    @abstractmethod
    def problems(self, acts: Sequence[Act]) -> Iterator[str]:
        """Yield what is not as promised, besides what is so of every service."""

    def watch(self, act: Act, run: dict[str, Any]) -> None:
        """Be called at each check of a run that is under way.

        Args:
            act: the data set.
            run: as the API shows it; empty while there is none.
        """

    def lines(self, run: dict[str, Any]) -> list[str]:
        """Return what is shown below the phases of a run that is under way."""
        del run
        return []

    @abstractmethod
    def rows(self, act: Act) -> dict[str, str]:
        """Return what the table says of a data set, besides its times."""

    def _perform(self, act: Act) -> None:
        act.before = self.state()
        known = set(self.stage.run_ids())
        rows = counted(act.content.count(b"\n") - 1, "row")
        self.console.print(f"\nuploading [bold]{act.blob}[/] ({rows}{act.about})")
        self.stage.upload(act.blob, act.content)
        act.run = self._follow(act, known)
        act.after = self.state()

    def _follow(self, act: Act, known: set[str]) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        run: dict[str, Any] = {}
        with self._shown() as show:
            while time.monotonic() < deadline:
                new = next((one for one in self.stage.run_ids() if one not in known), None)
                run = (self.stage.run(new) if new else None) or {}
                self.watch(act, run)
                show(run)
                if run.get("phase") in ENDS:
                    return run
                if run.get("phase") == Phase.PARKED:
                    raise DemoFailedError(f"run {run['run_id']} is parked: {run['reason']}")
                time.sleep(_CHECK_INTERVAL)  # between two status checks
        raise DemoFailedError(
            f"no run came to its end within {_PATIENCE:.0f} s (last seen: {run.get('phase')}).\n"
            f"The app said:\n{self.stage.host.log[-3000:]}"
        )

    @contextmanager
    def _shown(self) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Give what shows a run: in place or, where no line moves, each phase as it begins."""
        if self.console.is_terminal:
            with Live(console=self.console, transient=False, refresh_per_second=8) as live:
                yield lambda run: live.update(self._progress(run))
            return
        said: list[str] = []

        def show(run: dict[str, Any]) -> None:
            phases = [str(entry["phase"]) for entry in run.get("history", ())]
            for phase in [one for one in dict.fromkeys(phases) if one not in said]:
                said.append(phase)
                self.console.print(f"  {phase}")

        yield show

    def _progress(self, run: dict[str, Any]) -> Group | Spinner:
        if not run:
            return Spinner("dots", " waiting for the blob trigger …")
        seen = {entry["phase"]: entry["at"] for entry in run["history"]}
        steps = [*self.path, run["phase"]] if run["phase"] in ENDS else list(self.path)
        rows: list[list[str]] = [[]]  # a narrow console breaks only between two steps
        used = 0
        for step in steps:
            if step == run["phase"]:
                mark = "[bold green]✔" if step in ENDS else "[bold yellow]●"
            else:
                mark = "[green]✔" if step in seen else "[dim]·"
            if used + len(step) + 2 > self.console.width:
                rows.append([])
                used = 0
            rows[-1].append(f"{mark} {step}[/]")
            used += len(step) + 3
        return Group(*(" ".join(row) for row in rows), *self.lines(run))

    def _repeat(self, blob: str) -> None:
        self.console.print(f"\ndelivering the event of {blob} {REPEATS} more times")
        wanted = self.stage.deliveries() + REPEATS
        for _ in range(REPEATS):
            self.stage.deliver(blob)
        deadline = time.monotonic() + _PATIENCE
        while self.stage.deliveries() < wanted:
            if time.monotonic() > deadline:
                raise DemoFailedError("the repeated events did not arrive at the app")
            time.sleep(_CHECK_INTERVAL)

    def _check(self, acts: Sequence[Act]) -> None:
        for act in acts:
            if act.run["phase"] != act.ends:
                reason = act.run.get("reason")
                raise DemoFailedError(f"{act.blob}: ended {act.run['phase']}: {reason}")
        for problem in self.problems(acts):
            raise DemoFailedError(problem)
        versions, jobs = counted(len(acts), "data version"), self.jobs()
        if len(jobs) != len(acts) or len(set(jobs)) != len(acts):
            raise DemoFailedError(f"{versions} started these jobs: {', '.join(jobs)}")
        if len(self.stage.runs()) != len(acts):
            raise DemoFailedError(f"{counted(len(self.stage.runs()), 'run')} for {versions}")
        if leaks := self.stage.leaks():
            raise DemoFailedError(f"a secret is in: {', '.join(sorted(set(leaks)))}")

    def _table(self, acts: Sequence[Act]) -> Table:
        table = Table(title="\nWhat happened", title_justify="left")
        table.add_column("data")
        for act in acts:
            table.add_column(act.blob.rpartition("/")[2], overflow="fold")
        said = [self.rows(act) for act in acts]
        for name in said[0]:
            table.add_row(name, *(one[name] for one in said))
        table.add_section()
        times = [_times(act.run) for act in acts]
        for phase in self.path:
            table.add_row(f"{phase}, s", *(f"{seconds.get(phase, 0):.1f}" for seconds in times))
        return table


def _times(run: dict[str, Any]) -> dict[str, float]:
    """Return how many seconds a run was in each phase."""
    history = [(entry["phase"], datetime.fromisoformat(entry["at"])) for entry in run["history"]]
    spans: dict[str, float] = {}
    for (phase, at), (_, until) in pairwise(history):
        spans[phase] = spans.get(phase, 0.0) + (until - at).total_seconds()
    return spans
