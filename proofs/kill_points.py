"""The calls at which a host can be killed, and the switch that does it."""

import random
import re
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

import psutil

from local.azurite import ACCOUNT_NAME
from local.demo.app_stage import LEDGER, AppStage
from local.host.process import HostProcess
from proofs.outcomes import Effort
from proofs.proxy import DroppedError, When

_READS: Final = ("GET ", "HEAD ", "LIST ")
_PLAN: Final = re.compile(r'kill at "(.+)" #(\d+) (before|after)')
_ID: Final = re.compile(r"\brl-[\w-]+|[0-9a-f]{20,}")
_WORKSPACE: Final = re.compile(r"subscriptions/.+?/workspaces/[^/]+/?|^workspaces/\*/")
_SECONDS: Final = 30


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
            raise ValueError(f"{plan!r} is not the plan of a kill")
        return cls(found[1], int(found[2]), "before" if found[3] == "before" else "after")


def kind_of(method: str, path: str) -> str:
    """Return what a call is, without the names that differ from trial to trial."""
    parts, query = unquote(urlsplit(path).path).strip("/").split("/"), urlsplit(path).query
    if not parts[0].startswith(ACCOUNT_NAME):
        short = _WORKSPACE.sub("", _ID.sub("*", "/".join(parts)))
        return f"{method} {short or 'workspace'}"
    given, parts = parse_qs(query), parts[1:]
    if given.get("comp") == ["list"]:
        return f"LIST {'/'.join(parts)}/{given.get('prefix', [''])[0].partition('/')[0]}"
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
        self._stage: AppStage | None = None

    def arm(self, point: KillPoint | None = None, stage: AppStage | None = None) -> None:
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
        """Count a call; raises `DroppedError` if the host was killed at it."""
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
            kill(self._stage.host)
            self.fired.set()
        raise DroppedError


def kill(host: HostProcess) -> None:
    """End a host and its worker, without a warning."""
    # The worker first: it would notice the end of its host a moment later.
    workers = psutil.Process(host.pid).children(recursive=True)
    for worker in workers:
        worker.kill()
    host.kill()
    psutil.wait_procs(workers, timeout=_SECONDS)


def sides(kind: str) -> tuple[When, ...]:
    """Return on which sides of a call of this kind a kill makes a difference."""
    return ("before",) if kind.startswith(_READS) else ("before", "after")


def chosen(points: Sequence[KillPoint], effort: Effort) -> list[KillPoint]:
    """Return the wanted number of points, evenly spread from a start that the seed gives."""
    number, size = len(points), effort.size
    if size >= number:
        return list(points)
    first = random.Random(effort.seed).randrange(number)  # noqa: S311 - to be repeatable
    return [points[(first + step * number // size) % number] for step in range(size)]


def instead_of(
    missed: KillPoint, every: Sequence[KillPoint], taken: Collection[KillPoint]
) -> list[KillPoint]:
    """Return the next kill point that is not tried anyway, for one that was not reached."""
    after = every.index(missed) + 1
    return [point for point in (*every[after:], *every[:after]) if point not in taken][:1]
