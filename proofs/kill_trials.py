"""Kills the host at a chosen call of a data event, starts it again, and checks every promise.

A kill point is a call, identified by its kind and by how often that kind came before, and whether
the host is killed before the call is forwarded or after it took effect. Calls of ticks in which
nothing happens are not kill points. A read has no effect, so the host is killed only before it.
"""

from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests

from local.demo.app_stage import DATA, LEDGER, AppStage
from local.served import NotStartedError
from proofs.kill_points import KillPoint, Switch, by_the_app, chosen, instead_of, kill, sides
from proofs.ledger_reader import Cause, Records
from proofs.outcomes import Effort, Outcome, Violation, again
from proofs.proxy import Proxy
from shared.core.run.record import Phase, Run
from tests.waiting import eventually

PIPELINE: Final = "verification"
_LEASE: Final = timedelta(seconds=9)
SETTINGS: Final = {
    "AzureFunctionsJobHost__functionTimeout": "00:00:08",
    "CLAIM_LEASE": f"{_LEASE.seconds}s",
    "SCHEDULE_TICK": "0 0 0 1 1 *",  # what a whole minute brings would come in some trials only
}
#: A claim is noticed at the next tick, of a host that takes some seconds to start.
_GRACE: Final = timedelta(seconds=15)
_PATIENCE: Final = 90.0
_SECONDS: Final = 30
_IDLE_TICKS: Final = 3
_FEWEST_ROWS: Final = 0.4
_LOG_LINES: Final = 20

ONE_RUN: Final = "at most one run per event"
ONE_START: Final = "at most one started job per attempt"
ENDS: Final = "every run ends or is parked with a reason"
READABLE: Final = "every record is readable"
LEASED: Final = "no claim outlives its lease"


class ProxiedStage(AppStage):
    """A stage whose app reaches its storage and its service by way of proxies, its host nothing.

    Args:
        switch: gets every call of the app.
        given: what the stage takes.
    """

    #: Which calls are the app's own, by method and path.
    counts = staticmethod(by_the_app)

    def __init__(self, switch: Switch, **given: Any) -> None:
        self._proxies = ExitStack()
        self._switch = switch
        super().__init__(SETTINGS, **given)

    def __exit__(self, *_: object) -> None:
        with self._proxies:
            super().__exit__()

    def proxied(self, url: str, name: str) -> str:
        """Return the address, by way of a new proxy, of the server at `url`."""
        server = urlsplit(url)
        proxy = Proxy(
            str(server.hostname),
            server.port or 80,
            on_call=partial(self._switch.on_call, name),
            counts=self.counts,
        )
        return self._proxies.enter_context(proxy).url

    def _settings(self) -> dict[str, str]:
        direct = self.azurite.connection_string
        server = self.azurite.blob_endpoint.rpartition("/")[0]
        proxied = direct.replace(server, self.proxied(server, "storage"))
        names = ("LedgerStorage", "DataStorage", "ModelsStorage")
        return {**super()._settings(), **dict.fromkeys(names, proxied)}


class KillTrials(ABC):
    """One stage, whose host is killed again and again, as long as its runs end."""

    part: str  #: the name of the proof, to repeat a trial by
    end: Phase  #: of a run whose model is good
    result: str  #: what is promised of such a run
    cold: bool = False  #: whether each trial begins with a host that remembers nothing

    def __init__(self) -> None:
        self.usable = True  #: whether no earlier run prevents the next one
        self._stack = ExitStack()
        self._switch = Switch()
        self._number = 0
        self._late: set[str] = set()

    def __enter__(self) -> Self:
        self._stage = self._stack.enter_context(self.new_stage(self._switch))
        self._records = self.records_of(self._stage)
        eventually(lambda: self._switch.counts[f"PUT {LEDGER}/poll"] >= _IDLE_TICKS, "idle ticks")
        self._idle = set(self._switch.counts)
        return self

    def __exit__(self, *_: object) -> None:
        self._switch.disarm()
        self._stack.close()

    @abstractmethod
    def new_stage(self, switch: Switch) -> AppStage:
        """Return a stage, not set, whose app's calls `switch` gets."""

    @abstractmethod
    def records_of(self, stage: Any) -> Records:
        """Return what is recorded on a stage that is set."""

    @abstractmethod
    def broken_result(self, run: Run) -> list[str]:
        """Return what is not as promised of a run that ended well."""

    @classmethod
    def promises(cls) -> tuple[str, ...]:
        """Return what is checked after each kill."""
        return (ONE_RUN, ONE_START, ENDS, cls.result, READABLE, LEASED)

    def kill_points(self) -> list[KillPoint]:
        """Return every kill point of an undisturbed run, in order."""
        self._play(None)
        return [
            KillPoint(kind, occurrence, when)
            for kind, occurrence in self._switch.calls
            if kind not in self._idle
            for when in sides(kind)
        ]

    def trial(self, point: KillPoint) -> dict[str, str] | None:
        """Return what promises were broken, and how; None when the point was never reached."""
        return self._play(point)

    def _play(self, point: KillPoint | None) -> dict[str, str] | None:
        self._number += 1
        name = f"{PIPELINE}/{self._number}.csv"
        self._late.clear()
        if self.cold:
            kill(self._stage.host)
            self._stage.host.start()
        self._switch.arm(point, self._stage)
        self._stage.upload(name, self._stage.data(self._part()))
        etag = self._stage.storage.get_blob_client(DATA, name).get_blob_properties().etag
        cause = (name, str(etag).strip('"'))
        try:
            eventually(lambda: self._switch.fired.is_set() or self._over(cause), name, _PATIENCE)
            killed = self._switch.disarm()
            if killed:
                self._stage.host.start()
                self._stage.deliver(name)
                eventually(lambda: self._over(cause), f"the end of the run for {name}", _PATIENCE)
        except (AssertionError, NotStartedError) as error:
            self._switch.disarm()
            self.usable = False
            return self._broken(cause) | {ENDS: f"{error}; {self._log_of(cause)}"}
        return self._broken(cause) if killed or point is None else None

    def _part(self) -> float:
        # Another part of the table each time, so that each model answers in its own way.
        return _FEWEST_ROWS + (self._number * 0.137) % (1 - _FEWEST_ROWS)

    def _over(self, cause: Cause) -> bool:
        """Whether the run is where it stays, and a tick since then found nothing more to do."""
        self._check_claims()
        runs = self._records.opened_by(cause)
        if any(run.phase is Phase.PARKED for run in runs):
            return True
        since = max((run.history[-1].at for run in runs if run.history), default=None)
        over = bool(runs) and all(run.phase.ended for run in runs)
        return over and since is not None and self._records.is_idle_since(since)

    def _check_claims(self) -> None:
        now = datetime.now(UTC)
        self._late |= {
            f"run {run.run_id} ({run.phase}) is claimed since {changed.isoformat()}"
            for run, changed in self._records.runs()
            if run.claim is not None and now - changed > _LEASE + _GRACE
        }

    def _broken(self, cause: Cause) -> dict[str, str]:
        runs = self._records.opened_by(cause)
        parked = [run for run in runs if run.phase is Phase.PARKED]
        self.usable = self.usable and not parked
        found = {
            ONE_RUN: [str([run.run_id for run in runs])] if len(runs) > 1 else [],
            ONE_START: self._starts(runs),
            ENDS: [f"{run.run_id} gives no reason" for run in parked if not run.reason],
            self.result: self._result(runs[0]) if len(runs) == 1 and not parked else [],
            READABLE: self._records.unreadable() + self._hidden(runs),
            LEASED: sorted(self._late)
            + [f"{run.run_id} ended claimed" for run in runs if run.phase.ended and run.claim],
        }
        return {promise: "; ".join(what) for promise, what in found.items() if what}

    def _starts(self, runs: Sequence[Run]) -> list[str]:
        started = self._records.starts()
        none = [
            f"{run.run_id} is {self.end} without a started job"
            for run in runs
            if run.phase is self.end
            if not any(times and run.run_id in attempt for attempt, times in started.items())
        ]
        return self._records.started_twice() + none

    def _result(self, run: Run) -> list[str]:
        if run.phase is not self.end:
            return [self._events_of(run)]
        return self.broken_result(run)

    def _hidden(self, runs: Sequence[Run]) -> list[str]:
        found = []
        for run in runs:
            url = f"{self._stage.host.url}/api/runs/{run.run_id}"
            try:
                answer = requests.get(url, timeout=_SECONDS)
            except requests.RequestException as error:
                found.append(f"GET /api/runs/{run.run_id}: {type(error).__name__}")
                continue
            if not answer.ok or answer.json()["run_id"] != run.run_id:
                found.append(f"GET /api/runs/{run.run_id}: {answer.status_code}")
        return found

    def _log_of(self, cause: Cause) -> str:
        runs = [self._events_of(run) for run in self._records.opened_by(cause)]
        lines = self._stage.host.log.splitlines()
        log = "\n".join([line for line in lines if "poll_jobs succeeded" not in line][-_LOG_LINES:])
        return f"{'; '.join(runs) or 'no run'}; the log ends:\n{log}"

    def _events_of(self, run: Run) -> str:
        lines = [f"{entry.phase} ({entry.note})" for entry in run.history]
        return f"{run.run_id} is {run.phase}: {run.reason}; {' -> '.join(lines)}"


@dataclass
class _Tally:
    """The kills that were tried, and their results."""

    trials: type[KillTrials]
    effort: Effort
    every: list[KillPoint] = field(default_factory=list)
    todo: deque[KillPoint] = field(default_factory=deque)
    taken: set[KillPoint] = field(default_factory=set)
    missed: list[KillPoint] = field(default_factory=list)
    tries: int = 0
    broken: dict[str, list[Violation]] = field(default_factory=lambda: defaultdict(list))

    def plan(self, every: list[KillPoint]) -> None:
        """Choose from all kill points."""
        self.every = every
        self.todo.extend(chosen(every, self.effort))
        self.taken.update(self.todo)

    def try_next(self, trials: KillTrials) -> None:
        """Try one kill point more."""
        point = self.todo.popleft()
        found = trials.trial(point)
        if found is None:
            self.missed.append(point)
            instead = instead_of(point, self.every, self.taken)
            self.todo.extend(instead)
            self.taken.update(instead)
            return
        self.tries += 1
        for promise, what in found.items():
            self.broken[promise].append(Violation(again(self.trials.part, "--plan", point), what))
        self.effort.progress()

    def outcomes(self) -> list[Outcome]:
        """Return one outcome for each promise."""
        share = "every kill point" if self.tries >= len(self.every) else "some kill points"
        missed = [f"not reached: {point}" for point in self.missed]
        notes = {ONE_RUN: "; ".join([share, *missed])}
        return [
            Outcome(promise, self.tries, tuple(self.broken[promise]), notes.get(promise, ""))
            for promise in self.trials.promises()
        ]


def outcomes_of(
    trials: type[KillTrials], effort: Effort, shard: int = 0, shards: int = 1
) -> list[Outcome]:
    """Try kill points, each with data of its own; one outcome for each promise.

    Args:
        trials: what is killed, and what is promised of it.
        effort: its size is how many kill points are tried, at most all. One that is not
            reached is no trial, and the next one is tried instead.
        shard: which of the shards this is; each has every so manieth kill point.
        shards: how many there are; the size is divided among them.

    Returns:
        The outcomes.
    """
    tally = _Tally(trials, replace(effort, size=-(-effort.size // shards)))
    while not tally.every or tally.todo:
        with trials() as present:
            if not tally.every:
                known = [KillPoint.read(effort.plan)] if effort.plan else present.kill_points()
                tally.plan(known[shard::shards])
            while tally.todo and present.usable:
                tally.try_next(present)
    return tally.outcomes()
