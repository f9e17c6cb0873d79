"""A storage account that is throttled, slow, read-only or without a container for a while."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from proofs.newest_runs import newest_runs
from shared.app import App
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Origin, Phase, Run
from shared.errors import PermanentError, RelearnError, TransientError
from shared.maintenance.retention import Retention
from shared.ports.storage import Access, Document, ETag, Listed, Page, SignedBlob
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments
from tests.fakes.faults import Faults
from tests.fakes.read_once import stored_run
from tests.fakes.world import DATA, pipeline
from tests.unit.worlds import Observed

OTHER: Final = "other"
#: A younger run may still be under way.
_YOUNG: Final = timedelta(minutes=30)
LEDGER: Final = "ledger"
_SCHEDULE: Final = "0 0 * * * *"


class StorageFault(StrEnum):
    """A fault of the storage for a while."""

    THROTTLED = "throttled"
    SLOW = "slow"
    READ_ONLY = "read-only"
    MISSING = "container missing"


@dataclass
class StorageFaults:
    """The present fault, and the containers that it concerns."""

    clock: FakeClock
    chance: random.Random
    fault: StorageFault | None = None
    share: float = 1.0  #: of calls
    refusal: type[RelearnError] = TransientError
    containers: frozenset[str] = frozenset()

    def call(self, container: str, *, write: bool) -> bool:
        """Apply the fault to one call; False if there is nothing to be found.

        Args:
            container: that is called.
            write: whether the call changes something.
        """
        if container not in self.containers or self.fault is None:
            return True
        if self.fault is StorageFault.MISSING:
            if write:
                raise PermanentError(f"storage: write: ContainerNotFound (404): {container}")
            return False
        if self.chance.random() >= self.share:
            return True
        if self.fault is StorageFault.SLOW:
            self.clock.move(timedelta(seconds=self.chance.choice((1, 5, 20))))
        elif self.fault is StorageFault.THROTTLED:
            raise TransientError("storage: ServerBusy (503): the account is busy")
        elif write:
            raise self.refusal("storage: the account takes no writes now")
        return True


@dataclass
class FaultyDocuments(MemoryDocuments):
    """The documents of the ledger, with this fault."""

    storage_faults: StorageFaults = field(
        default_factory=lambda: StorageFaults(FakeClock(), random.Random(0))  # noqa: S311 -- no secret
    )

    def read(self, name: str) -> Document | None:
        """Return the document, or None."""
        return super().read(name) if self.storage_faults.call(LEDGER, write=False) else None

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Store a new document."""
        self.storage_faults.call(LEDGER, write=True)
        return super().create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Store over a version."""
        self.storage_faults.call(LEDGER, write=True)
        return super().replace(name, body, expected, metadata)

    def delete(self, name: str, expected: ETag) -> None:
        """Delete a version."""
        self.storage_faults.call(LEDGER, write=True)
        super().delete(name, expected)

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Yield what there is."""
        if self.storage_faults.call(LEDGER, write=False):
            yield from super().listing(prefix)


@dataclass
class FaultyBlobs(FakeBlobs):
    """The blobs of the app, with this fault; the ML service reaches them without it."""

    storage_faults: StorageFaults = field(
        default_factory=lambda: StorageFaults(FakeClock(), random.Random(0))  # noqa: S311 -- no secret
    )

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return what the blob is now."""
        found = self.storage_faults.call(container, write=False)
        return super().head(container, name) if found else None

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield blobs."""
        if self.storage_faults.call(container, write=False):
            yield from super().listing(container, prefix)

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        """Return a page of blobs."""
        if not self.storage_faults.call(container, write=False):
            raise TransientError(f"storage: list: ContainerNotFound (404): {container}")
        return super().page(container, cursor, prefix)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return a small blob."""
        found = self.storage_faults.call(container, write=False)
        return super().read(container, name, limit) if found else None

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob."""
        self.storage_faults.call(container, write=True)
        return super().write(container, name, content)

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Sign; with an identity this asks the storage for a key."""
        if self.storage_faults.fault is not StorageFault.MISSING:
            self.storage_faults.call(container, write=False)
        return super().sign(container, name, access, valid)


def _quick(made: Pipeline) -> Pipeline:
    """Return the pipeline with a short verification: rounds here may be minutes apart."""
    (endpoint,) = made.endpoints
    assert endpoint.verify is not None  # noqa: S101 -- as it was just written
    verify = endpoint.verify.evolve(within=timedelta(seconds=30))
    shorter = endpoint.evolve(verify=verify)
    return made.evolve(endpoints=(shorter,))


@dataclass
class Pair(Observed):
    """Two pipelines with an endpoint each over one storage account, and all their timers."""

    chance: random.Random = field(default_factory=random.Random)
    mode: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give the storage its faults, and add the second pipeline."""
        super().__post_init__()
        self.rounds = 0
        self.problems: list[str] = []  #: other exceptions: there should be none
        self.errors: list[str] = []  #: its own errors
        self.storage_faults = StorageFaults(self.clock, self.chance)
        self.documents = FaultyDocuments(self.clock, Faults(), storage_faults=self.storage_faults)
        blobs = FaultyBlobs(self.clock, facts=self.blobs.facts, storage_faults=self.storage_faults)
        blobs.store, self.blobs = self.blobs.store, blobs
        self.second = self.studio.add_endpoint(self.endpoint.web_service_id, "second")
        self.environment["SECOND_KEY"] = self.second.api_key
        usual: dict[str, Any] = {"when_busy": "newest", "schedule": _SCHEDULE, **self.mode}
        mine = {**usual, "data": {"blob": "mine-{name}.csv", "settle": "1m"}}
        theirs = {**usual, "name": OTHER, "data": {"blob": "other-{name}.csv", "settle": "1m"}}
        self.pipeline = _quick(pipeline(self.training, self.endpoint, {"pipeline": mine}))
        second = {"name": "second", "api_key": "${SECOND_KEY}"}
        changes = {"pipeline": theirs, "endpoint": second}
        self.other = _quick(pipeline(self.training, self.second, changes))
        self.restart()

    def _worker(self) -> App:
        app = super()._worker()
        if not hasattr(self, "other"):
            return app
        return self.app_over(app.context, self.pipeline, self.other)

    def calmly(self, do: Callable[[], object]) -> None:
        """Do something that the fault does not concern."""
        fault, self.storage_faults.fault = self.storage_faults.fault, None
        try:
            do()
        finally:
            self.storage_faults.fault = fault

    def upload_and_deliver(self, name: str) -> None:
        """Upload new data, and deliver its event up to three times."""
        content = f"a,b,label\n{name},2,0\n3,4,1\n".encode()
        self.calmly(lambda: self.upload(name, content))
        for _ in range(3):
            if self.attempt(lambda: self.deliver(name)):
                return

    def round(self, seconds: int = 30) -> None:
        """Let time pass and the timers fire: the poll each time, the other one each minute."""
        self.attempt(lambda: self.tick(seconds))
        self.rounds += 1
        if seconds < 60 and self.rounds % 2:  # noqa: PLR2004 -- the slower timer's period
            return
        context = self.context
        self.attempt(self.poll.start_scheduled)
        until = self.poll.until()
        self.attempt(lambda: self.app.full_listings.run_until(until))
        self.attempt(lambda: self.app.search.run_until(until))
        self.attempt(lambda: Retention(context, self.app.catalogue).clean(until))

    def attempt(self, do: Callable[[], object]) -> bool:
        """Do something that may raise errors of the app; return whether it worked."""
        try:
            do()
        except RelearnError as exc:
            self.errors.append(str(exc))
            return False
        except Exception as exc:  # noqa: BLE001 -- any other exception is a violation
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
                    found.append(stored_run(self.documents.rows[name].body))
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

    def is_finished(self, name: str) -> bool:
        """Whether the newest data of a pipeline is live, and nothing is under way."""
        return not list(self.unfinished(name))

    def unfinished(self, name: str) -> Iterator[str]:
        """Yield what is not finished, or wrong, in a pipeline."""
        short = "mine-" if name == "sample" else "other-"
        arrived = {blob.name for blob in self.blobs.listing(DATA, short)}
        runs = self.of(name)
        of_data = [run for run in runs if run.origin is Origin.DATA]
        taken = {blob.name for run in of_data for blob in run.manifest}
        if missing := arrived - taken:
            yield f"{sorted(missing)} opened no run"
        young = self.clock.now() - _YOUNG
        for run in runs:
            if not run.phase.ended and run.opened_at < young:  # a schedule opens a run each hour
                yield f"run {run.run_id} is {run.phase}: {run.reason or run.step_failure}"
        live = [run for run in runs if run.phase is Phase.PROMOTED]
        newest = max((run.data_time for run in live), default=None)
        models = [self.model_of(run) for run in newest_runs(live)]
        endpoint = self.endpoint if name == "sample" else self.second
        if self.serves(endpoint.endpoint_id) not in models:
            yield "another model serves than that of the newest promoted run"
        dates = [blob.modified for blob in self.blobs.listing(DATA, short)]
        if newest is not None and newest != max(dates) and arrived == taken:
            yield "the newest data was not promoted"
