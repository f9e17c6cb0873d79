"""Kills the host at each call on the way from new data to a live model, and starts it again.

A kill point is a call, identified by its kind and by how often that kind came before, and whether
the host is killed before the call is forwarded or after it took effect. Calls of ticks in which
nothing happens are no kill points; a read has no effect, so the host is killed before it only.
"""

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests

from local.azurite import ACCOUNT_NAME
from local.demo.stage import DATA, LEDGER, Stage
from local.served import NotStartedError
from proofs.kill_points import KillPoint, Switch, by_the_app, chosen, instead_of, sides
from proofs.ledger_reader import Cause, Records
from proofs.outcomes import Effort, Outcome, Violation, again
from proofs.proxy import Proxy
from shared.core.run.record import Phase, Run
from tests.waiting import eventually

PIPELINE: Final = "verification"
_LEASE: Final = timedelta(seconds=9)
_SETTINGS: Final = {
    "AzureFunctionsJobHost__functionTimeout": "00:00:08",
    "CLAIM_LEASE": f"{_LEASE.seconds}s",
    "SCHEDULE_TICK": "0 0 0 1 1 *",  # what a whole minute brings would come in some trials only
}
#: A claim is noticed at the next tick, of a host that takes some seconds to start.
_GRACE: Final = timedelta(seconds=15)
_SWITCH_SECONDS: Final = 0.5
_PATIENCE: Final = 90.0
_SECONDS: Final = 30
_IDLE_TICKS: Final = 3
_FEWEST_ROWS: Final = 0.4
_LOG_LINES: Final = 20

ONE_RUN: Final = "at most one run per event"
ONE_START: Final = "at most one started job per attempt"
ENDS: Final = "every run ends or is parked with a reason"
SERVES: Final = "the newest model serves"
READABLE: Final = "every record is readable"
LEASED: Final = "no claim outlives its lease"
_PROMISES: Final = (ONE_RUN, ONE_START, ENDS, SERVES, READABLE, LEASED)


class _ProxiedStage(Stage):
    """A stage whose app reaches everything by way of proxies, and its host nothing."""

    def __init__(self, switch: Switch) -> None:
        self._proxies = ExitStack()
        self._switch = switch
        super().__init__(
            _SETTINGS, switch_seconds=_SWITCH_SECONDS, more_pipelines=lambda _: self._pipelines()
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._proxies:
            super().__exit__(kind, error, trace)

    def _proxied(self, url: str, name: str) -> str:
        """Return the address, by way of a new proxy, of the server at `url`."""
        server = urlsplit(url)
        proxy = Proxy(
            str(server.hostname),
            server.port or 80,
            on_call=partial(self._switch.on_call, name),
            counts=by_the_app,
        )
        return self._proxies.enter_context(proxy).url

    def _pipelines(self) -> dict[str, Any]:
        there, here = self.studio.url, self._proxied(self.studio.url, "service")
        data = {"blob": f"{PIPELINE}/{{name}}.csv"}
        endpoints = [self.endpoint_section()]
        direct = {"data": data, "training": self.training_section(), "endpoints": endpoints}
        return {PIPELINE: json.loads(json.dumps(direct).replace(there, here))}

    def _settings(self) -> dict[str, str]:
        direct = self.azurite.connection_string
        server = self.azurite.blob_endpoint.removesuffix(f"/{ACCOUNT_NAME}")
        proxied = direct.replace(server, self._proxied(server, "storage"))
        names = ("LedgerStorage", "DataStorage", "ModelsStorage")
        return {**super()._settings(), **dict.fromkeys(names, proxied)}


class _Theatre:
    """One stage, on which the host is killed again and again, as long as its runs end."""

    def __init__(self) -> None:
        self.usable = True  #: whether no earlier run prevents the next one
        self._stack = ExitStack()
        self._switch = Switch()
        self._number = 0
        self._late: set[str] = set()

    def __enter__(self) -> Self:
        self._stage = self._stack.enter_context(_ProxiedStage(self._switch))
        self._records = Records(self._stage)
        eventually(lambda: self._switch.counts[f"PUT {LEDGER}/poll"] >= _IDLE_TICKS, "idle ticks")
        self._idle = set(self._switch.counts)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._switch.disarm()
        self._stack.close()

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
            SERVES: self._serves(runs[0]) if len(runs) == 1 and not parked else [],
            READABLE: self._records.unreadable() + self._hidden(runs),
            LEASED: sorted(self._late)
            + [f"{run.run_id} ended claimed" for run in runs if run.phase.ended and run.claim],
        }
        return {promise: "; ".join(what) for promise, what in found.items() if what}

    def _starts(self, runs: Sequence[Run]) -> list[str]:
        started = self._records.starts()
        none = [
            f"{run.run_id} is promoted without a started job"
            for run in runs
            if run.phase is Phase.PROMOTED
            if not any(times and run.run_id in attempt for attempt, times in started.items())
        ]
        return self._records.started_twice() + none

    def _serves(self, run: Run) -> list[str]:
        if run.phase is not Phase.PROMOTED:
            return [self._events_of(run)]
        return self._records.not_serving(run)

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
    """What was tried, and what came of it."""

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

    def try_next(self, theatre: _Theatre) -> None:
        """Try one kill point more."""
        point = self.todo.popleft()
        found = theatre.trial(point)
        if found is None:
            self.missed.append(point)
            instead = instead_of(point, self.every, self.taken)
            self.todo.extend(instead)
            self.taken.update(instead)
            return
        self.tries += 1
        for promise, what in found.items():
            self.broken[promise].append(Violation(again("crash", "--plan", point), what))
        self.effort.progress()

    def outcomes(self) -> list[Outcome]:
        """Return one outcome for each promise."""
        share = "every kill point" if self.tries >= len(self.every) else "some kill points"
        missed = [f"not reached: {point}" for point in self.missed]
        notes = {ONE_RUN: "; ".join([share, *missed])}
        return [
            Outcome(promise, self.tries, tuple(self.broken[promise]), notes.get(promise, ""))
            for promise in _PROMISES
        ]


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Try kill points, each with data of its own; one outcome for each promise.

    Args:
        effort: its size is how many kill points are tried, at most all. One that is not
            reached is no trial, and the next one is tried instead.
        shard: which of the shards this is; each has every so manieth kill point.
        shards: how many there are; the size is divided among them.
    """
    tally = _Tally(replace(effort, size=-(-effort.size // shards)))
    while not tally.every or tally.todo:
        with _Theatre() as theatre:
            if not tally.every:
                known = [KillPoint.read(effort.plan)] if effort.plan else theatre.kill_points()
                tally.plan(known[shard::shards])
            while tally.todo and theatre.usable:
                tally.try_next(theatre)
    return tally.outcomes()
