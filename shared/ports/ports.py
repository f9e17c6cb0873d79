"""What the app needs from the outside world, and nothing about how it is done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, NewType, Protocol, TypeVar

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_endpoint import Endpoint
from shared.core.config.studio_training import Training
from shared.core.config.types import Scalar
from shared.core.run.record import RollbackTarget
from shared.core.serving.probes import EndpointCheck

ETag = NewType("ETag", str)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document, with the storage's own clock: what it says now and said then."""

    name: str
    body: bytes
    etag: ETag
    modified: datetime
    served_at: datetime

    @property
    def age(self) -> timedelta:
        """How long ago it was written, by one clock only: that of the storage (design rule 4)."""
        return self.served_at - self.modified


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a listing shows it: without its body."""

    name: str
    etag: ETag
    modified: datetime
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing."""

    items: tuple[T, ...]
    cursor: str | None  #: where the next page begins; None: this was the last one


class Documents(Protocol):
    """Small documents, every write of which is a compare-and-swap.

    A write that landed without its answer is recognised as one's own and returned as a
    success, so each method is safe to repeat after an error that says so.
    """

    def time(self) -> datetime:
        """Return what time the storage says it is, in whole seconds. Raises TransientError."""
        ...

    def read(self, name: str) -> Document | None:
        """Return the document, or None. Raises TransientError."""
        ...

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Store a document that must not exist yet.

        Raises:
            Conflict: it exists, written by somebody else.
            TransientError: nothing was stored.
            OutcomeUnknownError: it may have been stored and could not be read back.
        """
        ...

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Store `body` over version `expected`. Raises as `create` does."""
        ...

    def delete(self, name: str, expected: ETag) -> None:
        """Delete version `expected`; one that is gone already is fine. Raises as `create`."""
        ...

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Yield the documents whose names start with `prefix`, by name. Raises TransientError."""
        ...

    def page(self, prefix: str, size: int, cursor: str | None) -> Page[Listed]:
        """Return at most `size` documents (1 to 5,000) of a listing, in one call to the storage.

        Args:
            prefix: what their names start with.
            size: how many at most.
            cursor: where the page before ended; None for the first.

        Raises TransientError, and BadCursorError for a cursor that no page gave.
        """
        ...


class Access(StrEnum):
    """What a signed URL lets its holder do."""

    READ = "read"
    WRITE = "write"  #: create or overwrite this one blob


@dataclass(frozen=True, slots=True)
class SignedBlob:
    """A blob as the ML service is told of it (studio-classic §1.2)."""

    base_location: str  #: `https://account.blob.core.windows.net/`
    relative_location: str  #: `container/name`
    sas_token: str = field(repr=False)  #: with a leading question mark; a secret


class Blobs(Protocol):
    """Blobs of one storage account. Training data is looked at and signed for, never read."""

    @property
    def account(self) -> str:
        """The name of the storage account."""
        ...

    @property
    def base_location(self) -> str:
        """The URL that containers stand below, with a slash at its end."""
        ...

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return what the blob is now, or None when there is none. Raises TransientError."""
        ...

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield the blobs whose names start with `prefix`. Raises TransientError."""
        ...

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        """Return at most 5,000 blobs of a container, by name, in one call to the storage.

        Args:
            container: whose blobs.
            cursor: where the page before ended; None for the first.
            prefix: what their names start with.

        Raises TransientError, and BadCursorError for a cursor that no page gave.
        """
        ...

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return the content of a small blob, or None when there is none.

        Raises TransientError, and PermanentError when it holds more than `limit` bytes.
        """
        ...

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob of our own, over an earlier one. Safe to repeat.

        Raises TransientError.
        """
        ...

    def exists(self, container: str) -> bool:
        """Return whether there is such a container. Raises TransientError, PermanentError."""
        ...

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Return the blob with a SAS for `access` to it alone. Raises TransientError."""
        ...

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        """Copy the blob at URL `source` here, on the storage's side. Safe to repeat.

        Only the signature in `source` may open it, never the app's own authority: a service
        chose that URL.

        Args:
            source: the URL, with its signature.
            container: where to.
            name: under which name.
            since: what lies there and is older is copied anew; None: every earlier copy counts.

        Returns None when the signature, or the lack of one, does not open the source.
        Raises TransientError, also while the copy is under way; PermanentError.
        """
        ...

    def located(self, base_location: str, relative_location: str) -> BlobVersion | None:
        """Return the blob at this location when it lies in this account, else None."""
        ...


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One attempt of one run, as every training service can understand it."""

    run_id: str
    attempt: int
    inputs: Mapping[str, BlobVersion]  #: input name -> blob; "" is the name of a single input
    outputs: Mapping[str, str]  #: output name -> path in the models container
    parameters: Mapping[str, Scalar]
    training: Training

    @property
    def timeout(self) -> timedelta:
        """How long the attempt may take, queueing included."""
        return self.training.timeout


class JobStatus(StrEnum):
    """How a job stands."""

    NOT_STARTED = "not started"  #: or started and still queued: the service cannot tell them apart
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"  #: the service knows no such job


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job stands, and the service's own words about it."""

    status: JobStatus
    details: str = ""
    results: Mapping[str, SignedBlob] = field(default_factory=dict)
    """Output name -> where it is, signed for reading; signed afresh at each look."""
    cure: str = ""  #: what a person can do about a failure, where that is known


class TrainingService(Protocol):
    """A service that trains models in batch jobs.

    Studio creates a job and starts it by its id; Azure ML v2 is given a derived name and an
    idempotent PUT. Both fit: `prepare` has no effect that matters when it is lost.
    """

    def prepare(self, request: JobRequest) -> str:
        """Return a handle for the job. Nothing runs yet; safe to repeat.

        Raises:
            TransientError: no handle was given.
            OutcomeUnknownError: a job may exist that nobody will start.
            PermanentError: the service refuses such a job.
        """
        ...

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        """Return the request that `prepare` would make: `method`, `url` and `body`.

        Sends nothing. Signatures and app settings are named, never shown.
        """
        ...

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        """Start the job of `handle`; one that is started already is fine.

        Raises:
            TransientError: it was not started.
            OutcomeUnknownError: it may have been started; look at its state.
            PermanentError: it cannot be started.
        """
        ...

    def state(self, handle: str) -> JobState:
        """Return how the job stands. Raises TransientError, PermanentError."""
        ...

    def cancel(self, handle: str) -> None:
        """Ask for the job to end. Safe to repeat. Raises TransientError, PermanentError."""
        ...


@dataclass(frozen=True, slots=True)
class Current:
    """What an endpoint says it was given."""

    location: tuple[str, str, str] | None = field(default=None, repr=False)
    """Base location, relative location and SAS (a secret), where the service tells them."""
    resources: tuple[str, ...] | None = None  #: the names that can be updated, where told
    refreshable: bool = False  #: whether it can be reset to the model of its own service


class ServingEndpoint(Protocol):
    """An endpoint that scores with a model it can be given.

    Studio Classic takes a PATCH and switches later without telling; New services run an
    asynchronous operation; v2 takes minutes. Hence `update` only asks, and `look` tells.
    """

    def ensure(self) -> None:
        """Make the endpoint where it does not exist and the configuration says to.

        Safe to repeat. Raises TransientError, OutcomeUnknownError, PermanentError.
        """
        ...

    def current(self) -> Current:
        """Return what the endpoint was last given. Raises TransientError, PermanentError."""
        ...

    def update(self, model: BlobVersion) -> str | None:
        """Ask the endpoint to serve `model`. The same model twice is the same as once.

        Returns the handle of an asynchronous operation, where the service gives one; it
        holds no secret.

        Raises:
            TransientError: it was not asked.
            OutcomeUnknownError: it may have been; look.
            PermanentError: it refuses.
        """
        ...

    def look(self, operation: str | None = None) -> EndpointCheck:
        """Return what the service says of the update, and the probe's answers.

        A probe that gets no usable answer is a look, not an error.

        Args:
            operation: the handle that `update` or `restore` gave, if any.

        Raises TransientError, PermanentError.
        """
        ...

    def restore(self, previous: RollbackTarget) -> str | None:
        """Ask the endpoint to serve what it served before. Returns and raises as `update`."""
        ...


class Providers(Protocol):
    """Builds the clients that a pipeline's configuration asks for. Nothing is called."""

    def jobs(self, service: str, api_key: str) -> TrainingService:
        """Return the training service at URL `service`; `api_key` is a `${NAME}`."""
        ...

    def endpoint(self, endpoint: Endpoint) -> ServingEndpoint:
        """Return the scoring endpoint."""
        ...

    def secrets_of(self, pipeline: Pipeline) -> tuple[str, ...]:
        """Return the values of every `${NAME}` in the configuration, to keep them out of text."""
        ...


class Clock(Protocol):
    """The time, so that tests own it."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...
