"""Messages of Event Grid in a queue: which blob changed, or which job of a workspace ended.

They are read without regard to case, since names differ between sources (azure-functions §9.2).
Nothing in a message is trusted: it only says what to check.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from shared.core.blob_locations import signature_in
from shared.core.counting import counted
from shared.errors import PermanentError

_CREATED: Final = "microsoft.storage.blobcreated"
_RENAMED: Final = "microsoft.storage.blobrenamed"
_JOB_EVENTS: Final = frozenset(
    {
        "microsoft.machinelearningservices.runcompleted",
        "microsoft.machinelearningservices.runstatuschanged",
    }
)
#: Of a job that has not ended; the poll checks those by itself.
_UNDER_WAY: Final = frozenset(
    {
        "notstarted",
        "starting",
        "provisioning",
        "preparing",
        "queued",
        "running",
        "finalizing",
        "cancelrequested",
        "paused",
    }
)
_SUBJECT: Final = re.compile(
    r"/?blobServices/default/containers/(?P<container>[^/]+)/blobs/(?P<name>.+)",
    re.IGNORECASE | re.DOTALL,
)
_ACCOUNT: Final = re.compile(r"/storageAccounts/([^/]+)", re.IGNORECASE)
_JOB_SUBJECT: Final = re.compile(r"/?experiments/[^/]+/runs/([^/]+)", re.IGNORECASE)
#: Stands for a character that was lost on the way.
_LOST: Final = "\ufffd"
_HALF: Final = re.compile("[\ud800-\udfff]")
#: Characters of the name of a blob (Microsoft: "Naming and referencing containers and blobs").
_LONGEST_NAME: Final = 1024
_LONGEST_KIND: Final = 80
_TO_DO: Final = (
    "see that the queue gets only the events of Event Grid, in the schema EventGridSchema or "
    "CloudEventSchemaV1_0"
)


@dataclass(frozen=True, slots=True)
class GridEvent:
    """One event, of either schema; the names inside `data` are in lower case."""

    kind: str
    source: str  #: the id of the resource that it is about
    subject: str
    data: Mapping[str, Any]

    @property
    def is_of_jobs(self) -> bool:
        """Whether it is about a job of a workspace."""
        return self.kind.lower() in _JOB_EVENTS


@dataclass(frozen=True, slots=True)
class ChangedBlob:
    """A blob that an event is about, and how it may be called."""

    account: str | None  #: None: the event does not say it
    container: str
    names: tuple[str, ...]
    """One name where subject and URL agree. Each is to be checked: one that is wrong is harmless,
    since either no such blob is there, or it is another one, to which nothing happened."""


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that an event says has ended."""

    name: str


def events_in(message: bytes) -> Iterator[GridEvent]:
    """Yield the events of a message: one of either schema, or a list of them.

    The host has decoded the message from base64, unless it was told not to.

    Raises:
        PermanentError: the message, or what follows in its list, is not an event.
    """
    found = _parsed(message)
    for one in found if isinstance(found, list) else [found]:
        yield _event(one)


def changed_blob(event: GridEvent) -> ChangedBlob | str:
    """Return the blob that an event is about, or why the event is passed over.

    `subject` holds the name as it is; `url` is percent-encoded as a rule, but not by every source
    (azure-functions §9.3). So each reading is a name to check.

    Raises:
        PermanentError: it is an event of a new blob, and names none.
    """
    kind = event.kind.lower()
    if kind not in (_CREATED, _RENAMED):
        return f"events of type {_shown(event.kind)} are not needed"
    api, size = str(event.data.get("api", "")), event.data.get("contentlength")
    if api.lower() == "createfile" and str(size or 0) == "0":
        return "the file was just created and is empty; another event follows its content"
    url = _unsigned(str(event.data.get("url" if kind == _CREATED else "destinationurl") or ""))
    subject = _SUBJECT.fullmatch(event.subject)
    container, written = _split(url, subject["container"] if subject else None)
    names = [subject["name"]] if subject else []
    names += [unquote(written), written] if written else []
    # The storage refuses others; the encoded form of a name may be too long, and is none then.
    names = [name for name in names if len(name) <= _LONGEST_NAME and not _HALF.search(name)]
    whole = [name for name in names if _LOST not in name]
    if not container or not names:
        raise PermanentError(f"an event {_shown(event.kind)} does not name a blob. To do: {_TO_DO}")
    return ChangedBlob(
        _account(event, url), container.lower(), tuple(dict.fromkeys(whole or names))
    )


def ended_job(event: GridEvent) -> EndedJob | None:
    """Return the job that an event says has ended; None for any other event."""
    if not event.is_of_jobs or str(event.data.get("runstatus", "")).lower() in _UNDER_WAY:
        return None
    name, subject = event.data.get("runid"), _JOB_SUBJECT.fullmatch(event.subject)
    if not isinstance(name, str) or not name:
        name = subject[1] if subject else ""
    return EndedJob(name) if name else None


def _parsed(message: bytes) -> Any:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(b64decode(message, validate=True))
    except (ValueError, RecursionError):
        raise PermanentError(f"a message of a queue is not JSON. To do: {_TO_DO}") from None


def _event(given: object) -> GridEvent:
    known = _lower(given) if isinstance(given, dict) else {}
    kind = known.get("eventtype") or known.get("type")
    data = known.get("data")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise PermanentError(f"a message of a queue is not an event of Event Grid. To do: {_TO_DO}")
    source = known.get("topic") or known.get("source") or ""
    return GridEvent(kind, str(source), str(known.get("subject") or ""), _lower(data))


def _shown(kind: str) -> str:
    """Return the type of an event. A long one is not cut: a part of a secret would not be known."""
    return kind if len(kind) <= _LONGEST_KIND else f"(of {counted(len(kind), 'character')})"


def _unsigned(url: str) -> str:
    """Return a URL without a signature, which is not part of a blob's name."""
    plain, mark, query = url.partition("?")
    return plain if mark and signature_in(query) else url


def _lower(given: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in given.items()}


def _split(url: str, container: str | None) -> tuple[str | None, str]:
    """Return the container, and the name as the URL has it; empty where it has none.

    A server on this machine has the account's name before the container's.
    """
    path = url.partition("://")[2].partition("/")[2]
    first, _, rest = path.partition("/")
    if container is None:
        return (first or None), rest
    if first.lower() != container.lower():
        first, _, rest = rest.partition("/")
    return container, rest if first.lower() == container.lower() else ""


def _account(event: GridEvent, url: str) -> str | None:
    if found := _ACCOUNT.search(event.source):
        return found[1].lower()
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None
    return host.partition(".")[0] if ".blob." in host or ".dfs." in host else None
