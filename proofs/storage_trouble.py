"""Troubles the storage under the app: it says so, recovers, and overwrites nothing unread."""

import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

from proofs.trial import Effort, Outcome, Violation
from shared.core.blobs import BlobVersion
from shared.core.pipeline import Pipeline
from shared.core.run import Origin, Phase, Run
from shared.errors import PermanentError, RelearnError, TransientError
from shared.intake import Intake
from shared.poll import Poll
from shared.ports import Access, Document, ETag, Listed, Page, SignedBlob
from shared.retention import Retention
from shared.sweep import Sweep
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments, Row
from tests.fakes.faults import Faults
from tests.fakes.world import DATA, MODELS, pipeline
from tests.unit.worlds import Observed

RECOVERS: Final = "it recovers when the trouble with the storage is over"
UNTOUCHED: Final = "what cannot be read is never overwritten"
SAYS_SO: Final = "it says which record it cannot read"
OTHERS: Final = "other runs go on beside a record that cannot be read"

#: Every kind of document with a body or hints; `open` is a marker that holds neither for good.
KINDS: Final = (
    "runs",
    "heads",
    "slots",
    "versions",
    "inbox",
    "schedules",
    "pipelines",
    "sweep",
    "watches",
    "poll",
    "index",
    "cleaning",
)
_LEDGER: Final = "ledger"
_NEVER_READ: Final = ("index",)  # the body of an index entry is empty
_HOURLY: Final = ("schedules", "watches", "heads")
#: Until then a run may well be under way.
_YOUNG: Final = timedelta(minutes=30)
_OTHER: Final = "other"
_SCHEDULE: Final = "0 0 * * * *"


class Trouble(StrEnum):
    """What is wrong with the storage for a while."""

    THROTTLED = "throttled"
    SLOW = "slow"
    READ_ONLY = "read-only"
    MISSING = "container missing"


class Damage(StrEnum):
    """What somebody did to one record."""

    TORN = "torn"
    NOT_JSON = "not JSON"
    EMPTY = "empty"
    ODD = "another shape"
    NEWER = "schema_version 2"


class Heard(logging.Handler):
    """Keeps what is logged while it is open, whatever other parts have switched off."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self._before: list[tuple[logging.Logger, int]] = []
        self._disabled = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.records.append(record)

    def text(self, level: int = logging.DEBUG) -> str:
        """Return everything of this level or above, as a plain formatter would write it."""
        plain = logging.Formatter("%(message)s")
        return "\n".join(plain.format(one) for one in self.records if one.levelno >= level)

    def __enter__(self) -> Self:
        root, ours = logging.getLogger(), logging.getLogger("relearn")
        self._before = [(root, root.level), (ours, ours.level)]
        self._disabled, root.manager.disable = root.manager.disable, logging.NOTSET
        ours.setLevel(logging.DEBUG)
        self._others, root.handlers = root.handlers, [self]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        root = logging.getLogger()
        root.handlers, root.manager.disable = self._others, self._disabled
        for logger, level in self._before:
            logger.setLevel(level)


@dataclass
class Weather:
    """The trouble of the moment, for every container that it is about."""

    clock: FakeClock
    chance: random.Random
    trouble: Trouble | None = None
    share: float = 1.0  #: of calls
    refusal: type[RelearnError] = TransientError
    containers: frozenset[str] = frozenset()

    def call(self, container: str, *, write: bool) -> bool:
        """Suffer the trouble; False when there is nothing to be found."""
        if container not in self.containers or self.trouble is None:
            return True
        if self.trouble is Trouble.MISSING:
            if write:
                raise PermanentError(f"storage: write: ContainerNotFound (404): {container}")
            return False
        if self.chance.random() >= self.share:
            return True
        if self.trouble is Trouble.SLOW:
            self.clock.move(timedelta(seconds=self.chance.choice((1, 5, 20))))
        elif self.trouble is Trouble.THROTTLED:
            raise TransientError("storage: ServerBusy (503): the account is busy")
        elif write:
            raise self.refusal("storage: the account takes no writes now")
        return True


@dataclass
class TroubledDocuments(MemoryDocuments):
    """The ledger's documents in this weather."""

    weather: Weather = field(default_factory=lambda: Weather(FakeClock(), random.Random(0)))  # noqa: S311 -- no secret

    def read(self, name: str) -> Document | None:
        """Return the document, or None."""
        return super().read(name) if self.weather.call(_LEDGER, write=False) else None

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Store a new document."""
        self.weather.call(_LEDGER, write=True)
        return super().create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Store over a version."""
        self.weather.call(_LEDGER, write=True)
        return super().replace(name, body, expected, metadata)

    def delete(self, name: str, expected: ETag) -> None:
        """Delete a version."""
        self.weather.call(_LEDGER, write=True)
        super().delete(name, expected)

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Yield what there is."""
        if self.weather.call(_LEDGER, write=False):
            yield from super().listing(prefix)


@dataclass
class TroubledBlobs(FakeBlobs):
    """The blobs of the app in this weather; the service has its own way to them."""

    weather: Weather = field(default_factory=lambda: Weather(FakeClock(), random.Random(0)))  # noqa: S311 -- no secret

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return what the blob is now."""
        found = self.weather.call(container, write=False)
        return super().head(container, name) if found else None

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield blobs."""
        if self.weather.call(container, write=False):
            yield from super().listing(container, prefix)

    def page(self, container: str, cursor: str | None) -> Page[BlobVersion]:
        """Return a page of blobs."""
        if not self.weather.call(container, write=False):
            raise TransientError(f"storage: list: ContainerNotFound (404): {container}")
        return super().page(container, cursor)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return a small blob."""
        found = self.weather.call(container, write=False)
        return super().read(container, name, limit) if found else None

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob."""
        self.weather.call(container, write=True)
        return super().write(container, name, content)

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Sign; with an identity this asks the storage for a key."""
        if self.weather.trouble is not Trouble.MISSING:
            self.weather.call(container, write=False)
        return super().sign(container, name, access, valid)


@dataclass
class Pair(Observed):
    """Two pipelines with an endpoint each over one storage account, and all their timers."""

    chance: random.Random = field(default_factory=random.Random)
    mode: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put the weather over the storage, and add the second pipeline."""
        super().__post_init__()
        self.rounds = 0
        self.problems: list[str] = []  #: what the app raised that it never should
        self.told: list[str] = []  #: what it raised on purpose
        self.weather = Weather(self.clock, self.chance)
        self.documents = TroubledDocuments(self.clock, Faults(), weather=self.weather)
        blobs = TroubledBlobs(self.clock, facts=self.blobs.facts, weather=self.weather)
        blobs.store, self.blobs = self.blobs.store, blobs
        self.second = self.studio.add_endpoint(self.endpoint.web_service_id, "second")
        self.environment["SECOND_KEY"] = self.second.api_key
        usual: dict[str, Any] = {"when_busy": "newest", "schedule": _SCHEDULE, **self.mode}
        mine = {**usual, "data": {"blob": "mine-{name}.csv", "settle": "1m"}}
        theirs = {**usual, "name": _OTHER, "data": {"blob": "other-{name}.csv", "settle": "1m"}}
        self.pipeline = pipeline(self.training, self.endpoint, {"pipeline": mine})
        self.other = pipeline(
            self.training,
            self.second,
            {"pipeline": theirs, "endpoint": {"name": "second", "api_key": "${SECOND_KEY}"}},
        )
        self.restart()

    def _worker(self) -> tuple[Intake, Poll]:
        intake, poll = super()._worker()
        if not hasattr(self, "other"):
            return intake, poll
        known: dict[str, Pipeline] = {one.name: one for one in (self.pipeline, self.other)}
        context = intake._context  # noqa: SLF001 -- as the app has it
        intake = Intake(context, known, self.clock.now())
        return intake, Poll(context, intake)

    def calmly(self, do: Callable[[], object]) -> None:
        """Do something as somebody whom the trouble does not concern."""
        trouble, self.weather.trouble = self.weather.trouble, None
        try:
            do()
        finally:
            self.weather.trouble = trouble

    def land(self, name: str) -> None:
        """Have new data land, and its event delivered up to three times."""
        content = f"a,b,label\n{name},2,0\n3,4,1\n".encode()
        self.calmly(lambda: self.upload(name, content))
        for _ in range(3):
            if self.bear(lambda: self.deliver(name)):
                return

    def round(self, seconds: int = 30) -> None:
        """Let time pass and the timers fire: the poll each time, the other one each minute."""
        self.bear(lambda: self.tick(seconds))
        self.rounds += 1
        if seconds < 60 and self.rounds % 2:  # noqa: PLR2004 -- the slower timer's period
            return
        context = self.intake._context  # noqa: SLF001 -- as the app has it
        self.bear(self.poll.start_scheduled)
        self.bear(lambda: Sweep(context, self.intake).go_on(self.poll.until()))
        self.bear(Retention(context).clean)

    def bear(self, do: Callable[[], object]) -> bool:
        """Do something that may fail on purpose, and in no other way."""
        try:
            do()
        except RelearnError as exc:
            self.told.append(str(exc))
            return False
        except Exception as exc:  # noqa: BLE001 -- this is what is looked for
            self.problems.append(f"{type(exc).__name__}: {exc}"[:300])
            return False
        return True

    def of(self, name: str) -> list[Run]:
        """Return the runs of a pipeline whose records can be read."""
        return [run for run in self.readable() if run.pipeline == name]

    def readable(self) -> list[Run]:
        """Return the runs whose records can be read."""
        found = []
        for name in sorted(self.documents.rows):
            if name.startswith("runs/"):
                try:
                    found.append(Run.model_validate_json(self.documents.rows[name].body))
                except ValueError:
                    continue
        return found

    def serves(self, endpoint_id: str) -> bytes | None:
        """Return the model that an endpoint scores with now."""
        for _, endpoints in self.studio.services():
            for endpoint in endpoints:
                if endpoint.id == endpoint_id:
                    return self.studio.serving(endpoint)
        return None

    def quiet(self, name: str) -> bool:
        """Whether the newest data of a pipeline is live, and nothing else is under way."""
        return not list(self.unsettled(name))

    def unsettled(self, name: str) -> Iterator[str]:
        """Tell what of a pipeline is not as it is in the end."""
        short = "mine-" if name == "sample" else "other-"
        landed = {blob.name for blob in self.blobs.listing(DATA, short)}
        runs = self.of(name)
        of_data = [run for run in runs if run.origin is Origin.DATA]
        taken = {blob.name for run in of_data for blob in run.manifest}
        if missing := landed - taken:
            yield f"{sorted(missing)} opened no run"
        young = self.clock.now() - _YOUNG
        for run in runs:
            if not run.phase.ended and run.opened_at < young:  # a schedule opens one each hour
                yield f"run {run.run_id} is {run.phase}: {run.reason or run.trouble}"
        live = [run for run in runs if run.phase is Phase.PROMOTED]
        newest = max((run.data_time for run in live), default=None)
        models = [self.model_of(run) for run in live if run.data_time == newest]
        endpoint = self.endpoint if name == "sample" else self.second
        if self.serves(endpoint.endpoint_id) not in models:
            yield "another model serves than that of the newest promoted run"
        dates = [blob.modified for blob in self.blobs.listing(DATA, short)]
        if newest is not None and newest != max(dates) and landed == taken:
            yield "the newest data was not promoted"


def part(effort: Effort) -> list[Outcome]:
    """Let the storage be in trouble `effort.size` times, and as often damage one record."""
    recovers: list[Violation] = []
    untouched: list[Violation] = []
    says: list[Violation] = []
    others: list[Violation] = []
    damaged: Counter[str] = Counter()
    for trial in range(effort.size):
        plan = f"seed {effort.seed}, trial {trial}"
        chance = random.Random(f"{effort.seed}/trouble/{trial}")  # noqa: S311 -- no secret
        recovers += [Violation(f"trouble: {plan}", one) for one in _troubled(chance)]
        effort.progress()
    for trial in range(effort.size):
        chance = random.Random(f"{effort.seed}/damage/{trial}")  # noqa: S311 -- no secret
        case = _Damaged(chance, KINDS[trial % len(KINDS)])
        case.play()
        plan = f"damage: seed {effort.seed}, trial {trial}: {case.told}"
        damaged[case.kind] += case.name != ""
        recovers += [Violation(plan, one) for one in case.recovery]
        untouched += [Violation(plan, one) for one in case.overwritten]
        says += [Violation(plan, one) for one in case.silence]
        others += [Violation(plan, one) for one in case.stopped]
        effort.progress()
    note = ", ".join(f"{number} {kind}" for kind, number in sorted(damaged.items()))
    return [
        Outcome(RECOVERS, 2 * effort.size, tuple(recovers)),
        Outcome(UNTOUCHED, effort.size, tuple(untouched), note),
        Outcome(SAYS_SO, effort.size, tuple(says)),
        Outcome(OTHERS, effort.size, tuple(others)),
    ]


def _troubled(chance: random.Random) -> Iterator[str]:
    world = Pair(chance=chance, mode=_mode(chance))
    weather = world.weather
    trouble = chance.choice(list(Trouble))
    names = chance.choice(((_LEDGER,), (DATA,), (MODELS,), (_LEDGER, DATA, MODELS)))
    weather.containers = frozenset(names)
    weather.share = chance.choice((0.3, 0.7, 1.0))
    weather.refusal = chance.choice((TransientError, PermanentError))
    minutes = 1 if trouble is Trouble.READ_ONLY else chance.choice((1, 5, 30))
    told = f"{trouble} {', '.join(names)} for {minutes} min"
    with Heard():
        world.bear(world.intake.activate)
        world.land("mine-a.csv")
        world.land("other-a.csv")
        for _ in range(chance.randint(0, 12)):
            world.round()
        weather.trouble = trouble
        until = world.clock.now() + timedelta(minutes=minutes)
        world.land("mine-b.csv")
        while world.clock.now() < until:
            world.round()
        weather.trouble = None
        if chance.random() < 0.5:  # noqa: PLR2004 -- a host that starts anew, or not
            world.restart()
        _settle(world)
    yield from (f"{told}: {one}" for one in _ended(world))


def _mode(chance: random.Random) -> dict[str, Any]:
    return {"when_busy": chance.choice(("newest", "queue", "parallel"))}


def _settle(world: Pair, *, rounds: int = 60) -> None:
    """Let time pass, and a person retry what is parked, until everything is over."""
    for number in range(rounds):
        if number % 4 == 3 and world.quiet("sample") and world.quiet(_OTHER):  # noqa: PLR2004 -- now and then
            return
        world.round(30 if number < rounds // 3 else 300)
        for run in world.readable() if number % 10 == 9 else ():  # noqa: PLR2004 -- as above
            if run.phase is Phase.PARKED:
                world.bear(lambda run=run: world.orders.retry(run.run_id))  # type: ignore[misc]


def _ended(world: Pair) -> Iterator[str]:
    yield from (f"raised {problem}" for problem in dict.fromkeys(world.problems))
    for name in ("sample", _OTHER):
        yield from (f"{name}: {one}" for one in world.unsettled(name))
    twice = [job for job, number in Counter(world.starts).items() if number > 1]
    if twice:
        yield f"jobs were started twice: {twice}"


class _Damaged:
    """One record damaged by hand in the middle of everything."""

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
    def told(self) -> str:
        hints = "its hints kept" if self._hints_kept else "its hints lost"
        return f"{self.name or self.kind} made {self._damage}, {hints}"

    def play(self) -> None:
        """Damage, look, repair, and look again."""
        world = self._world
        with Heard() as heard:
            world.bear(world.intake.activate)
            world.land("mine-a.csv")
            world.land("other-a.csv")
            self._wait_for_record()
            if self._chance.random() < 0.5 or self.kind == "pipelines":  # noqa: PLR2004 -- or not
                world.restart()
            heard.records.clear()
            world.told.clear()
            world.clock.move(timedelta(seconds=5))
            world.land("mine-b.csv")
            world.land("other-b.csv")
            world.bear(lambda: world.deliver("mine-a.csv"))
            for _ in range(16):
                world.round()
            for _ in range(22 if self.kind in _HOURLY else 5):
                world.round(300)
            self._look(heard)
            self._repair()
            _settle(world)
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
        if self.kind in ("sweep", "poll", "cleaning"):
            return True
        theirs = [run.run_id for run in self._world.of(_OTHER)]
        if any(run_id in name for run_id in theirs) or f"/{_OTHER}" in name:
            return False
        body = rows[name].body
        second = self._world.other.endpoint
        return (
            b'"pipeline":"other"' not in body
            and second is not None
            and second.update.encode() not in body
        )

    def _hit(self, name: str) -> None:
        rows = self._world.documents.rows
        self.name, self._before = name, rows[name]
        body = _damaged(self._before.body, self._damage, self._chance)
        hints = self._before.metadata if self._hints_kept else {}
        self._after = Row(body, ETag(f"by hand {name}"), self._world.clock.now(), hints)
        rows[name] = self._after

    def _look(self, heard: Heard) -> None:
        world = self._world
        if not self.name or self._after is None:
            self.recovery.append(f"there never was a record of kind {self.kind}")
            return
        now = world.documents.rows.get(self.name)
        taken = self.kind == "inbox" and self._hints_kept  # its hints say all that is needed
        if not taken and (now is None or now.body != self._after.body):
            what = "is gone" if now is None else f"holds {now.body[:80]!r} now"
            self.overwritten.append(f"{self.name} {what}")
        if self.kind not in _NEVER_READ and not taken:
            said = heard.text(logging.WARNING) + "\n".join(world.told)
            said += "".join(f"{run.reason} {run.trouble}" for run in world.readable())
            if self.name not in said:
                self.silence.append(f"nothing at WARNING or above names {self.name}")
        self.stopped += world.unsettled(_OTHER)
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
            return json.dumps({**json.loads(body or b"{}"), "schema_version": 2}).encode()
