"""The context of every step: the ledger, the storage, the providers and the clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, Self

from shared.core.blobs import BlobVersion
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import next_due_of
from shared.core.redaction import Redactor
from shared.core.service import service
from shared.execution.bulkheads import MOST_AT_ONCE
from shared.ledger.ledger import Ledger
from shared.ports.clock import Clock, StorageClock
from shared.ports.serving import ServingEndpoint
from shared.ports.storage import Blobs, Queues
from shared.ports.training import TrainingService


@dataclass(frozen=True, slots=True)
class Limits:
    """The time-outs, intervals and numbers that bound the app."""

    lease: timedelta = timedelta(minutes=6)
    """How old a claim must be before its holder counts as dead; longer than functionTimeout."""
    patience: timedelta = timedelta(hours=1)
    """How long one step is repeated before the run is parked."""
    check_interval_min: timedelta = timedelta(seconds=30)
    check_interval_max: timedelta = timedelta(minutes=5)
    tick: timedelta = timedelta(minutes=4)
    """How long one tick of the poll may take; shorter than functionTimeout."""
    longest_step: timedelta = timedelta(seconds=90)
    """What the time-outs inside one step add up to; no step is begun later in a tick."""
    search_every: timedelta = timedelta(minutes=15)
    """How often data is searched for that no event announced."""
    keep: timedelta = timedelta(days=400)
    """How long ended runs and data versions are remembered."""
    poll_every: timedelta = timedelta(seconds=30)
    """How often the poll ticks: with it a changed pipelines file is noticed."""
    at_once: int = MOST_AT_ONCE
    """How many open runs a tick of the poll checks side by side."""

    @classmethod
    def of(
        cls,
        lease: timedelta,
        check_interval: tuple[timedelta, timedelta],
        function_timeout: timedelta,
        poll_schedule: str,
    ) -> Self:
        """Return the limits that follow from the settings.

        Args:
            lease: how old a claim must be before its holder counts as dead.
            check_interval: the shortest and the longest.
            function_timeout: how long an invocation may take.
            poll_schedule: NCRONTAB of the poll.
        """
        usual, now = cls(), datetime.now(UTC)
        tick_at = next_due_of(poll_schedule, now)
        after = next_due_of(poll_schedule, tick_at) if tick_at else None
        tick = min(usual.tick, function_timeout * 0.8)
        return cls(
            lease=lease,
            check_interval_min=check_interval[0],
            check_interval_max=check_interval[1],
            tick=tick,
            poll_every=after - tick_at if after and tick_at else usual.poll_every,
            longest_step=min(usual.longest_step, tick / 2),
        )

    @property
    def found_after_correction(self) -> int:
        """In how many minutes of a correction of the pipelines file the data for it is found.

        The poll notices the change, and has the search begin at once. Without a change, data
        whose event was lost waits for the next search (`search_every`).
        """
        return -(-self.poll_every // timedelta(minutes=1)) + 1


class Providers(Protocol):
    """Builds the services of a pipeline's configuration, by their kind. No request is made."""

    def training(self, training: Training) -> TrainingService:
        """Return the service that trains."""
        ...

    def serving(self, endpoint: Endpoint) -> ServingEndpoint:
        """Return the endpoint."""
        ...

    def secrets_of(self, pipeline: Pipeline) -> tuple[str, ...]:
        """Return the values of every `${NAME}` in the configuration, to keep them out of text."""
        ...


@dataclass(frozen=True, slots=True)
class EventPlaces:
    """Where events wait, and where those end up that could not be handled."""

    storage_queue: str
    workspace_queue: str
    dead_letter_container: str
    dead_letters: Blobs = field(repr=False)  #: of the account that has the container
    blob_queues: tuple[Queues, ...] = ()
    """Of the accounts whose blobs trigger a function: the host keeps a poison queue in each."""


@service
class Context:
    """The ledger, the storage, the providers, the clock and the limits, for all steps."""

    ledger: Ledger
    data: Blobs
    models: Blobs
    data_container: str
    models_container: str
    queues: Queues  #: of the account that has the queues of events
    events: EventPlaces
    providers: Providers
    clock: Clock  #: built with the host's clock, then corrected to the storage's time
    new_id: Callable[[], str]
    limits: Limits = Limits()
    redactor: Redactor = field(default_factory=Redactor)

    def __post_init__(self) -> None:
        """Correct the clock to the storage's time: a host's clock may be wrong."""
        if not isinstance(self.clock, StorageClock):
            object.__setattr__(self, "clock", StorageClock(self.clock, self.ledger.time))

    def storage_time(self, host_time: datetime) -> datetime:
        """Return a time of this host's clock by the storage's clock."""
        clock = self.clock
        return clock.at(host_time) if isinstance(clock, StorageClock) else host_time

    def recorded(self, blob: BlobVersion) -> BlobVersion:
        """Return a version as recorded now, unless it was recorded before."""
        return blob.recorded(self.clock.now())

    def look_up(self, blob: BlobVersion) -> BlobVersion | None:
        """Return the present version of `blob`, in its container; None where it is gone."""
        return self._account(blob.container).head(blob.container, blob.name)

    def look_up_at(self, path: str) -> BlobVersion | None:
        """Return the present version of the blob at `container/name`; None: there is none."""
        container, _, name = path.partition("/")
        return self._account(container).head(container, name)

    def read_at(self, path: str, limit: int) -> bytes | None:
        """Return the content of the blob at `container/name`; None: there is none.

        Args:
            path: of the blob.
            limit: the most bytes to read.
        """
        container, _, name = path.partition("/")
        return self._account(container).read(container, name, limit)

    def _account(self, container: str) -> Blobs:
        return self.models if container == self.models_container else self.data
