"""Kills the host at each call that the app makes from new data to live, and starts it again.

A kill point is a call, told by its kind and by how often that kind came before, and whether it
is stopped before it is forwarded or after it took effect. Calls that the app makes while nothing
happens (its ticks) are none; a read has no effect, so it is stopped before it alone.
"""

import hashlib
import random
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import psutil
import requests
from azure.core.exceptions import ResourceNotFoundError
from pydantic import BaseModel, ValidationError

from local.azurite import ACCOUNT_NAME
from local.demo.stage import DATA, LEDGER, RESOURCE, Stage
from local.served import NotStartedError
from proofs.proxy import Dropped, Proxy, When
from proofs.trial import Effort, Outcome, Violation
from shared.core.head import Head
from shared.core.run import Origin, Phase, Run
from shared.core.slot import Pause, Slot
from shared.core.watch import Watch
from shared.records import Activation, DueTime, Heartbeat, SweepState, VersionEntry
from tests.waiting import eventually

R = TypeVar("R", bound=BaseModel)

PIPELINE: Final = "proof"
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

_READS: Final = ("GET ", "HEAD ", "LIST ")
_PLAN: Final = re.compile(r'kill at "(.+)" #(\d+) (before|after)')
_ID: Final = re.compile(r"[0-9a-f]{20,}")
_RECORDS: Final[Mapping[str, type[BaseModel]]] = {
    "runs": Run,
    "versions": VersionEntry,
    "inbox": VersionEntry,
    "slots": Slot,
    "seats": Slot,
    "pauses": Pause,
    "heads": Head,
    "watches": Watch,
    "pipelines": Activation,
    "schedules": DueTime,
    "cleaning": DueTime,
    "poll": Heartbeat,
    "sweep": SweepState,
}


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Where the host is killed; the same in each trial."""

    kind: str
    occurrence: int
    when: When

    def __str__(self) -> str:
        """Return what replays it."""
        return f'kill at "{self.kind}" #{self.occurrence} {self.when}'

    @classmethod
    def read(cls, plan: str) -> Self:
        """Return the kill point of a violation's plan.

        Raises:
            ValueError: it is none.
        """
        found = _PLAN.fullmatch(plan)
        if found is None:
            raise ValueError(f"{plan!r} is no plan of a kill")
        return cls(found[1], int(found[2]), "before" if found[3] == "before" else "after")


def kind_of(method: str, path: str) -> str:
    """Return what a call is, without the names that differ from trial to trial."""
    parts, query = unquote(urlsplit(path).path).strip("/").split("/"), urlsplit(path).query
    if parts[0] != ACCOUNT_NAME:
        short = _ID.sub("*", "/".join(parts))
        return f"{method} {short.removeprefix('workspaces/*/')}"
    asked, parts = parse_qs(query), parts[1:]
    if asked.get("comp") == ["list"]:
        return f"LIST {'/'.join(parts)}/{asked.get('prefix', [''])[0].partition('/')[0]}"
    if parts[0] == LEDGER:
        return f"{method} {'/'.join(parts[:2])}"
    return f"{method} {parts[0]}" + (f"/*.{parts[-1].rpartition('.')[2]}" if parts[1:] else "")


def by_the_app(method: str, path: str) -> bool:
    """Whether a call is the app's own: the service comes to the storage by signed URLs."""
    del method
    return "sig=" not in path


class Switch:
    """Counts calls by their kind, and kills the host at the chosen one."""

    def __init__(self) -> None:
        self.fired = threading.Event()
        self.counts: Counter[str] = Counter()
        self.calls: list[tuple[str, int]] = []  #: each call with its occurrence, in order
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[str, int]] = {}
        self._point: KillPoint | None = None
        self._stage: Stage | None = None

    def arm(self, point: KillPoint | None = None, stage: Stage | None = None) -> None:
        """Count anew from here on, and kill the host of `stage` at `point`."""
        with self._lock:
            self.fired.clear()
            self.counts, self.calls = Counter(), []
            self._known.clear()
            self._point, self._stage = point, stage

    def disarm(self) -> bool:
        """Kill no more; return whether the host was killed."""
        with self._lock:
            self._point = None
        return self.fired.is_set()

    def on_call(self, proxy: str, number: int, method: str, path: str, when: When) -> None:
        """Be told of a call; raises `Dropped` once the host is dead."""
        with self._lock:
            if when == "before":
                kind = kind_of(method, path)
                self.counts[kind] += 1
                self._known[proxy, number] = (kind, self.counts[kind])
                self.calls.append((kind, self.counts[kind]))
            call = self._known.get((proxy, number))
            if call is None or self._point is None or self._stage is None:
                return
            if self._point != KillPoint(*call, when):
                return
            self._point = None
            _kill(self._stage)
            self.fired.set()
        raise Dropped


def _kill(stage: Stage) -> None:
    # The worker first: it would live on for the moment that it takes to notice.
    workers = psutil.Process(stage.host.pid).children(recursive=True)
    for worker in workers:
        worker.kill()
    stage.host.kill()
    psutil.wait_procs(workers, timeout=_SECONDS)


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
        endpoint = {
            "name": "production",
            "update": self.endpoint["management_url"].replace(there, here),
            "api_key": "${ENDPOINT_KEY}",
            "resource": RESOURCE,
            "verify": {
                "score": self.endpoint["execute_url"].replace(there, here),
                "rows": "probe.json",
            },
        }
        training = {
            "service": self.training["jobs_url"].replace(there, here),
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
        }
        data = {"blob": f"{PIPELINE}/{{name}}.csv"}
        return {PIPELINE: {"data": data, "training": training, "endpoints": [endpoint]}}

    def _settings(self) -> dict[str, str]:
        direct = self.azurite.connection_string
        server = self.azurite.blob_endpoint.removesuffix(f"/{ACCOUNT_NAME}")
        proxied = direct.replace(server, self._proxied(server, "storage"))
        names = ("LedgerStorage", "DataStorage", "ModelsStorage")
        return {**super()._settings(), **dict.fromkeys(names, proxied)}


class _Records:
    """Reads the ledger past the app, each record once for each of its versions."""

    def __init__(self, stage: Stage) -> None:
        self._container = stage.storage.get_container_client(LEDGER)
        self._runs: dict[str, tuple[str, Run]] = {}
        self._checked: set[tuple[str, str]] = set()

    def runs(self) -> Iterator[tuple[Run, datetime]]:
        """Yield every run that can be read, with the time of its last change."""
        for listed in list(self._listed("runs/")):
            etag, run = self._runs.get(listed.name, ("", None))
            if run is None or etag != listed.etag:
                run = self._parsed(listed.name, Run)
                if run is None:
                    continue
                self._runs[listed.name] = (listed.etag, run)
            yield run, listed.last_modified

    def rests_since(self, moment: datetime) -> bool:
        """Whether a tick since then found nothing open."""
        beat = self._parsed("poll", Heartbeat)
        return beat is not None and beat.at > moment and not list(self._listed("open/"))

    def serving(self) -> str | None:
        """Return the run whose model the ledger says serves."""
        heads = [self._parsed(listed.name, Head) for listed in list(self._listed("heads/"))]
        serving = [head.resource(RESOURCE).serving for head in heads if head]
        return next((one.run_id for one in serving if one), None)

    def unreadable(self) -> list[str]:
        """Return which records, written since this was asked last, are not understood."""
        found = []
        for listed in list(self._listed("")):
            kind = _RECORDS.get(listed.name.partition("/")[0])
            if (listed.name, listed.etag) in self._checked or listed.size == 0:
                continue
            self._checked.add((listed.name, listed.etag))
            if kind is None:
                found.append(f"{listed.name}: of no known kind")
            elif problem := self._problem(listed.name, kind):
                found.append(f"{listed.name}: {problem}")
        return found

    def _listed(self, prefix: str) -> Iterator[Any]:
        return iter(self._container.list_blobs(name_starts_with=prefix or None))

    def _problem(self, name: str, kind: type[BaseModel]) -> str:
        try:
            kind.model_validate_json(self._container.download_blob(name).readall())
        except ResourceNotFoundError:
            return ""  # gone meanwhile
        except ValidationError as error:
            return str(error)
        return ""

    def _parsed(self, name: str, kind: type[R]) -> R | None:
        try:
            return kind.model_validate_json(self._container.download_blob(name).readall())
        except (ResourceNotFoundError, ValidationError):
            return None


class _Theatre:
    """One stage, on which the host is killed again and again, as long as its runs end."""

    def __init__(self) -> None:
        self.usable = True  #: whether no earlier run stands in the way of the next one
        self._stack = ExitStack()
        self._switch = Switch()
        self._number = 0
        self._late: set[str] = set()

    def __enter__(self) -> Self:
        self._stage = self._stack.enter_context(_ProxiedStage(self._switch))
        self._records = _Records(self._stage)
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
        """Return every kill point of a run that nobody disturbs, in order."""
        self._play(None)
        return [
            KillPoint(kind, occurrence, when)
            for kind, occurrence in self._switch.calls
            if kind not in self._idle
            for when in _sides(kind)
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
            return self._broken(cause) | {ENDS: f"{error}; {self._told(cause)}"}
        return self._broken(cause) if killed or point is None else None

    def _part(self) -> float:
        # Another part of the table each time, so that each model answers in its own way.
        return _FEWEST_ROWS + (self._number * 0.137) % (1 - _FEWEST_ROWS)

    def _opened_by(self, cause: tuple[str, str]) -> list[Run]:
        return [
            run
            for run, _ in self._records.runs()
            if run.origin is Origin.DATA
            if cause in {(blob.name, blob.etag) for blob in run.manifest}
        ]

    def _over(self, cause: tuple[str, str]) -> bool:
        """Whether the run is where it stays, and a tick since then found nothing more to do."""
        self._look_at_claims()
        runs = self._opened_by(cause)
        if any(run.phase is Phase.PARKED for run in runs):
            return True
        since = max((run.history[-1].at for run in runs if run.history), default=None)
        over = bool(runs) and all(run.phase.ended for run in runs)
        return over and since is not None and self._records.rests_since(since)

    def _look_at_claims(self) -> None:
        now = datetime.now(UTC)
        self._late |= {
            f"run {run.run_id} ({run.phase}) is claimed since {changed.isoformat()}"
            for run, changed in self._records.runs()
            if run.claim is not None and now - changed > _LEASE + _GRACE
        }

    def _broken(self, cause: tuple[str, str]) -> dict[str, str]:
        runs = self._opened_by(cause)
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
        jobs = self._stage.studio.state["jobs"]
        started: Counter[str] = Counter()
        for job in jobs:
            attempt = str(job["outputs"]["output1"]).rpartition("/")[0]
            started[attempt] += job["starts"]
        twice = [f"{place}: {times} starts" for place, times in started.items() if times > 1]
        none = [
            f"{run.run_id} is promoted without a started job"
            for run in runs
            if run.phase is Phase.PROMOTED
            if not any(times and run.run_id in place for place, times in started.items())
        ]
        return twice + none

    def _serves(self, run: Run) -> list[str]:
        if run.phase is not Phase.PROMOTED or run.model is None:
            return [self._told_of(run)]
        model = self._stage.storage.get_blob_client(run.model.container, run.model.name)
        wanted = hashlib.sha256(model.download_blob().readall()).hexdigest()
        endpoints = [
            endpoint
            for service in self._stage.studio.state["services"]
            for endpoint in service["endpoints"]
            if endpoint["name"] == "production"
        ]
        found = []
        if [endpoint["serving_sha256"] for endpoint in endpoints] != [wanted]:
            found.append(f"the endpoint does not serve the model of {run.run_id}")
        if (serving := self._records.serving()) != run.run_id:
            found.append(f"the ledger says that {serving} serves, and not {run.run_id}")
        return found

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

    def _told(self, cause: tuple[str, str]) -> str:
        runs = [self._told_of(run) for run in self._opened_by(cause)]
        lines = self._stage.host.log.splitlines()
        log = "\n".join([line for line in lines if "poll_jobs succeeded" not in line][-_LOG_LINES:])
        return f"{'; '.join(runs) or 'no run'}; the log ends:\n{log}"

    def _told_of(self, run: Run) -> str:
        lines = [f"{entry.phase} ({entry.note})" for entry in run.history]
        return f"{run.run_id} is {run.phase}: {run.reason}; {' -> '.join(lines)}"


def replay(plan: str) -> dict[str, str] | None:
    """Try the kill of a violation's plan again, on a new stage.

    Returns:
        What promises were broken, and how; None when the point was never reached.
    """
    with _Theatre() as theatre:
        return theatre.trial(KillPoint.read(plan))


def _sides(kind: str) -> tuple[When, ...]:
    return ("before",) if kind.startswith(_READS) else ("before", "after")


def _chosen(points: Sequence[KillPoint], effort: Effort) -> list[KillPoint]:
    """Return so many points as are to be tried, evenly spread from a start that the seed gives."""
    number, size = len(points), effort.size or len(points)
    if size >= number:
        return list(points)
    first = random.Random(effort.seed).randrange(number)  # noqa: S311 - to be repeatable
    return [points[(first + step * number // size) % number] for step in range(size)]


def _instead(
    missed: KillPoint, every: Sequence[KillPoint], taken: Collection[KillPoint]
) -> list[KillPoint]:
    """Return the next kill point that is not tried anyway, for one that was not reached."""
    after = every.index(missed) + 1
    return [point for point in (*every[after:], *every[:after]) if point not in taken][:1]


@dataclass
class _Tally:
    """What was tried, and what came of it."""

    effort: Effort
    every: list[KillPoint] = field(default_factory=list)
    todo: deque[KillPoint] = field(default_factory=deque)
    taken: set[KillPoint] = field(default_factory=set)
    missed: list[KillPoint] = field(default_factory=list)
    tried: int = 0
    broken: dict[str, list[Violation]] = field(default_factory=lambda: defaultdict(list))

    def plan(self, every: list[KillPoint]) -> None:
        """Choose from all kill points."""
        self.every = every
        self.todo.extend(_chosen(every, self.effort))
        self.taken.update(self.todo)

    def try_next(self, theatre: _Theatre) -> None:
        """Try one kill point more."""
        point = self.todo.popleft()
        found = theatre.trial(point)
        if found is None:
            self.missed.append(point)
            instead = _instead(point, self.every, self.taken)
            self.todo.extend(instead)
            self.taken.update(instead)
            return
        self.tried += 1
        for promise, what in found.items():
            self.broken[promise].append(Violation(str(point), what))
        self.effort.progress()

    def outcomes(self) -> list[Outcome]:
        """Return one outcome for each promise."""
        missed = "".join(f"; not reached: {point}" for point in self.missed)
        notes = f"{len(self.every)} kill points, {self.tried} tried, {len(self.missed)} not reached"
        return [
            Outcome(promise, self.tried, tuple(self.broken[promise]), notes + missed)
            for promise in _PROMISES
        ]


def part(effort: Effort) -> list[Outcome]:
    """Try kill points, each with data of its own; one outcome for each promise.

    Args:
        effort: its size is how many kill points are tried; 0 for all of them. One that is not
            reached is no trial, and the next one is tried instead.
    """
    tally = _Tally(effort)
    while not tally.every or tally.todo:
        with _Theatre() as theatre:
            if not tally.every:
                tally.plan(theatre.kill_points())
            while tally.todo and theatre.usable:
                tally.try_next(theatre)
    return tally.outcomes()
