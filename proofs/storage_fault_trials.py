"""Tries storage faults and damaged records: the app reports them, recovers, overwrites nothing."""

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from proofs.captured_log import CapturedLog
from proofs.outcomes import Effort, Outcome, Violation, again
from proofs.storage_faults import LEDGER, OTHER, Pair, StorageFault
from shared.core.run.record import Phase
from shared.errors import PermanentError, TransientError
from shared.ports.storage import ETag
from tests.fakes.documents import Row
from tests.fakes.world import DATA, MODELS

RECOVERS: Final = "the app recovers when a storage fault is over"
UNTOUCHED: Final = "a record that cannot be read is never overwritten"
SAYS_SO: Final = "the app reports which record it cannot read"
OTHERS: Final = "other runs continue when a record cannot be read"

#: Every kind of document with a body or hints; `open` is a marker that holds neither for good.
KINDS: Final = (
    "runs",
    "endpoints",
    "run_queues",
    "versions",
    "inbox",
    "schedules",
    "pipelines",
    "search",
    "full_listing",
    "drift_checks",
    "poll",
    "index",
    "cleaning",
    "configurations",
)
#: The body of an index entry is empty; a configuration is read once it changed in the file.
_NEVER_READ: Final = ("index", "configurations")
_HOURLY: Final = ("schedules", "drift_checks", "endpoints")


class Damage(StrEnum):
    """The damage of one record."""

    TORN = "torn"
    NOT_JSON = "not JSON"
    EMPTY = "empty"
    ODD = "another shape"
    NEWER = "schema_version 3"


def part(effort: Effort) -> list[Outcome]:
    """Try `effort.size` storage faults, and as many damaged records."""
    recovers: list[Violation] = []
    untouched: list[Violation] = []
    says: list[Violation] = []
    others: list[Violation] = []
    damaged: Counter[str] = Counter()
    for trial in effort.trials:
        plan = again("storage faults", "--seed", effort.seed, "--trial", trial)
        chance = random.Random(f"{effort.seed}/fault/{trial}")  # noqa: S311 -- no secret
        recovers += [Violation(plan, one) for one in _troubled(chance)]
        effort.progress()
    for trial in effort.trials:
        chance = random.Random(f"{effort.seed}/damage/{trial}")  # noqa: S311 -- no secret
        case = _Damaged(chance, KINDS[trial % len(KINDS)])
        case.play()
        plan = again("storage faults", "--seed", effort.seed, "--trial", trial)
        plan = f"{plan}  # {case.description}"
        damaged[case.kind] += case.name != ""
        recovers += [Violation(plan, one) for one in case.recovery]
        untouched += [Violation(plan, one) for one in case.overwritten]
        says += [Violation(plan, one) for one in case.silence]
        others += [Violation(plan, one) for one in case.stopped]
        effort.progress()
    tries = len(effort.trials)
    note = ", ".join(f"{number} {kind}" for kind, number in sorted(damaged.items()))
    return [
        Outcome(RECOVERS, 2 * tries, tuple(recovers)),
        Outcome(UNTOUCHED, tries, tuple(untouched), note),
        Outcome(SAYS_SO, tries, tuple(says)),
        Outcome(OTHERS, tries, tuple(others)),
    ]


def _troubled(chance: random.Random) -> Iterator[str]:
    world = Pair(chance=chance, mode=_mode(chance))
    storage_faults = world.storage_faults
    fault = chance.choice(list(StorageFault))
    names = chance.choice(((LEDGER,), (DATA,), (MODELS,), (LEDGER, DATA, MODELS)))
    storage_faults.containers = frozenset(names)
    storage_faults.share = chance.choice((0.3, 0.7, 1.0))
    storage_faults.refusal = chance.choice((TransientError, PermanentError))
    minutes = 1 if fault is StorageFault.READ_ONLY else chance.choice((1, 5, 30))
    fault_text = f"{fault} {', '.join(names)} for {minutes} min"
    with CapturedLog():
        world.attempt(world.app.activations.refresh)
        world.upload_and_deliver("mine-a.csv")
        world.upload_and_deliver("other-a.csv")
        for _ in range(chance.randint(0, 12)):
            world.round()
        storage_faults.fault = fault
        until = world.clock.now() + timedelta(minutes=minutes)
        world.upload_and_deliver("mine-b.csv")
        while world.clock.now() < until:
            world.round()
        storage_faults.fault = None
        if chance.random() < 0.5:  # noqa: PLR2004 -- a host that starts anew, or not
            world.restart()
        _finish(world)
    yield from (f"{fault_text}: {one}" for one in _ended(world))


def _mode(chance: random.Random) -> dict[str, Any]:
    return {"when_busy": chance.choice(("newest", "queue", "parallel"))}


def _finish(world: Pair, *, rounds: int = 60) -> None:
    """Let time pass, and retry parked runs, until everything is finished."""
    for number in range(rounds):
        if number % 4 == 3 and world.is_finished("sample") and world.is_finished(OTHER):  # noqa: PLR2004 -- now and then
            return
        world.round(30 if number < rounds // 3 else 300)
        for run in world.readable() if number % 10 == 9 else ():  # noqa: PLR2004 -- as above
            if run.phase is Phase.PARKED:
                world.attempt(lambda run=run: world.run_operations.retry(run.run_id))  # type: ignore[misc]


def _ended(world: Pair) -> Iterator[str]:
    yield from (f"raised {problem}" for problem in dict.fromkeys(world.problems))
    for name in ("sample", OTHER):
        yield from (f"{name}: {one}" for one in world.unfinished(name))
    twice = [job for job, number in Counter(world.starts).items() if number > 1]
    if twice:
        yield f"jobs were started twice: {twice}"


class _Damaged:
    """One record that is damaged while everything is under way."""

    def __init__(self, chance: random.Random, kind: str) -> None:
        self.kind = kind
        self.name = ""
        self.recovery: list[str] = []
        self.overwritten: list[str] = []
        self.silence: list[str] = []
        self.stopped: list[str] = []
        self._chance = chance
        self._damage = chance.choice(list(Damage))
        self._hints_kept = chance.choice((True, False))
        self._world = Pair(chance=chance)
        self._before: Row | None = None
        self._after: Row | None = None

    @property
    def description(self) -> str:
        hints = "its hints kept" if self._hints_kept else "its hints lost"
        return f"{self.name or self.kind} made {self._damage}, {hints}"

    def play(self) -> None:
        """Damage a record, check, repair it, and check again."""
        world = self._world
        with CapturedLog() as log:
            world.attempt(world.app.activations.refresh)
            world.upload_and_deliver("mine-a.csv")
            world.upload_and_deliver("other-a.csv")
            self._wait_for_record()
            if self._chance.random() < 0.5 or self.kind == "pipelines":  # noqa: PLR2004 -- or not
                world.restart()
            log.records.clear()
            world.errors.clear()
            world.clock.move(timedelta(seconds=5))
            world.upload_and_deliver("mine-b.csv")
            world.upload_and_deliver("other-b.csv")
            world.attempt(lambda: world.deliver("mine-a.csv"))
            for _ in range(16):
                world.round()
            for _ in range(22 if self.kind in _HOURLY else 5):
                world.round(300)
            self._check(log)
            self._repair()
            _finish(world)
            self.recovery += _ended(world)

    def _wait_for_record(self) -> None:
        world = self._world
        for number in range(40):
            found = [name for name in world.documents.rows if self._fits(name)]
            if found and (number >= self._chance.randint(0, 8) or self.kind == "inbox"):
                self._hit(self._chance.choice(found))
                return
            world.round()
        for _ in range(15):
            world.round(300)
            found = [name for name in world.documents.rows if self._fits(name)]
            if found:
                self._hit(self._chance.choice(found))
                return

    def _fits(self, name: str) -> bool:
        """Whether this is a record of the kind, and of the first pipeline where it is one's."""
        if name.split("/", maxsplit=1)[0] != self.kind:
            return False
        rows = self._world.documents.rows
        if self.kind in ("search", "full_listing", "poll", "cleaning"):
            return True
        theirs = [run.run_id for run in self._world.of(OTHER)]
        if any(run_id in name for run_id in theirs) or f"/{OTHER}" in name:
            return False
        body = rows[name].body
        second = self._world.other.endpoint
        return (
            b'"pipeline":"other"' not in body
            and second is not None
            and second.address.encode() not in body
        )

    def _hit(self, name: str) -> None:
        rows = self._world.documents.rows
        self.name, self._before = name, rows[name]
        body = _damaged(self._before.body, self._damage, self._chance)
        hints = self._before.metadata if self._hints_kept else {}
        self._after = Row(body, ETag(f"damaged {name}"), self._world.clock.now(), hints)
        rows[name] = self._after

    def _check(self, log: CapturedLog) -> None:
        world = self._world
        if not self.name or self._after is None:
            self.recovery.append(f"there was no record of kind {self.kind}")
            return
        now = world.documents.rows.get(self.name)
        taken = self.kind == "inbox" and self._hints_kept  # its hints are enough
        if not taken and (now is None or now.body != self._after.body):
            what = "is gone" if now is None else f"holds {now.body[:80]!r} now"
            self.overwritten.append(f"{self.name} {what}")
        if self.kind not in _NEVER_READ and not taken:
            reported = log.text(logging.WARNING) + "\n".join(world.errors)
            reported += "".join(f"{run.reason} {run.step_failure}" for run in world.readable())
            if self.name not in reported:
                self.silence.append(f"nothing at WARNING or above names {self.name}")
        self.stopped += world.unfinished(OTHER)
        self.stopped += [f"raised {problem}" for problem in dict.fromkeys(world.problems)]
        world.problems.clear()

    def _repair(self) -> None:
        rows = self._world.documents.rows
        if self._before is not None and rows.get(self.name) is self._after:
            etag = ETag(f"repaired {self.name}")
            rows[self.name] = Row(
                self._before.body, etag, self._world.clock.now(), self._before.metadata
            )
        self._world.restart()


def _damaged(body: bytes, damage: Damage, chance: random.Random) -> bytes:
    match damage:
        case Damage.TORN:
            return body[: chance.randint(1, max(1, len(body) - 1))] or b"{"
        case Damage.EMPTY:
            return b""
        case Damage.NOT_JSON:
            return chance.choice((b"\xff\xfe\x00", b"<html>", b"{not json", b"[" * 5000))
        case Damage.ODD:
            return chance.choice((b"[]", b"null", b"7", b'{"schema_version": 1}', b'"text"'))
        case Damage.NEWER:
            return json.dumps({**json.loads(body or b"{}"), "schema_version": 3}).encode()
