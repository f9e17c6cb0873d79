"""The messages between the host and its worker, over their pipe."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class IndexedFunction:
    """One function as the worker found it.

    Args:
        name: unique in the app.
        trigger: the raw binding of its trigger, `%SETTING%` expressions unresolved.
        bindings: all its raw bindings.
        deferred: it binds an SDK type, so the host sends a reference and no content.
        retried: it carries a retry policy.
    """

    name: str
    trigger: JsonObject
    bindings: tuple[JsonObject, ...]
    deferred: bool
    retried: bool


@dataclass(frozen=True)
class Indexed:
    """The worker's first word when the app is sound."""

    functions: tuple[IndexedFunction, ...]


@dataclass(frozen=True)
class Refusal:
    """The worker's first and last word when the app cannot be indexed."""

    reason: str


@dataclass(frozen=True)
class HttpCall:
    """One HTTP request for a function; names and shapes as on the real wire."""

    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str]
    params: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class TimerTick:
    """One tick: the documented JSON of IsPastDue, Schedule and ScheduleStatus."""

    payload: str


@dataclass(frozen=True)
class BlobContent:
    """One blob with its content, for functions that bind `InputStream`."""

    container: str
    name: str
    uri: str
    properties: JsonObject
    metadata: dict[str, str]
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class BlobReference:
    """One blob by name only, for functions that bind an SDK type such as `BlobClient`."""

    connection: str
    container: str
    name: str


@dataclass(frozen=True)
class QueueItem:
    """One message of a queue, decoded, with its metadata from the storage."""

    text: str = field(repr=False)
    id: str
    pop_receipt: str = field(repr=False)
    dequeue_count: int
    times: dict[str, str]


TriggerData = HttpCall | TimerTick | BlobContent | BlobReference | QueueItem


@dataclass(frozen=True)
class Invocation:
    """One call of one function."""

    id: str
    function: str
    data: TriggerData


@dataclass(frozen=True)
class HttpAnswer:
    """The answer of an HTTP function."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


class Ending(StrEnum):
    """How an invocation ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the function raised
    TIMED_OUT = "timed out"  # over functionTimeout; its worker was killed
    LOST = "lost its worker"  # the worker died, or was killed for another invocation


@dataclass(frozen=True)
class Outcome:
    """The end of an invocation, with the answer or the traceback."""

    id: str
    ending: Ending
    answer: HttpAnswer | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the function ran to its end without raising."""
        return self.ending is Ending.SUCCEEDED
