"""Typed records over the `Documents` port: read, write by compare-and-swap, change, and clean up.

A record that cannot be understood raises `CorruptRecordError` and is never overwritten.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import ValidationError

from shared import tracing
from shared.core.frozen import WRITTEN_BY, RecordModel
from shared.core.service import service
from shared.errors import ConflictError, CorruptRecordError
from shared.ports.storage import Document, Documents, ETag, Listed, Page
from shared.version import VERSION

#: What a damaged record may say of its writer to be repeated.
_VERSION: Final = re.compile(r"[0-9a-z.+-]{1,40}", re.ASCII)
_TRIES: Final = 5
#: Records that are not read anew while they stay as they are, and the bytes of the longest.
_MOST_KNOWN: Final = 64
_LONGEST_KNOWN: Final = 32 * 1024
#: Records of one page of a listing, where only names matter.
MOST_LISTED: Final = 5000

R = TypeVar("R", bound=RecordModel)
T = TypeVar("T")
#: Records of one page: how far a round is is stored after each.
PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A record with the version it was read at, and its age by the storage's clock."""

    record: R
    etag: ETag | None  #: None: there is no document yet, and the record is an empty one
    age: timedelta = timedelta()


@service
class Store:
    """The documents of the ledger as typed records."""

    documents: Documents

    def read(self, name: str, kind: type[R]) -> Stored[R] | None:
        """Return a record, or None.

        Args:
            name: of the document.
            kind: what it has to hold.

        Raises:
            CorruptRecordError: it holds something else; it is left as it is.
            TransientError: the storage does not answer.
        """
        found = self.documents.read(name)
        return None if found is None else Stored(parsed(found, kind), found.etag, found.age)

    def put(
        self,
        name: str,
        record: RecordModel,
        expected: ETag | None,
        metadata: Mapping[str, str] | None = None,
    ) -> ETag:
        """Store a record, as new or over the version that was read.

        Args:
            name: of the document.
            record: what it holds from now on.
            expected: the version that was read; None: there was no document.
            metadata: of the blob, for listings.

        Raises:
            ConflictError: another worker wrote it meanwhile.
            TransientError: nothing was stored.
            OutcomeUnknownError: it may have been stored.
        """
        try:
            if expected is None:
                return self.documents.create(name, _body(record), metadata)
            return self.documents.replace(name, _body(record), expected, metadata)
        except ConflictError:
            tracing.measure(tracing.CONFLICTS, 1, kind=name.partition("/")[0])
            raise

    def delete(self, listed: Listed) -> bool:
        """Delete a document unless it was changed since it was listed; whether it was deleted."""
        try:
            self.documents.delete(listed.name, listed.etag)
        except ConflictError:
            return False
        return True


class Records(Generic[R]):
    """The records of one kind, each named by an id.

    Args:
        store: where they are.
        folder: what their names begin with.
        kind: what each of them holds.
    """

    def __init__(self, store: Store, folder: str, kind: type[R]) -> None:
        self._store, self._folder, self._kind = store, folder, kind

    def read(self, id_: str) -> Stored[R] | None:
        """Return a record, or None. Raises CorruptRecordError, TransientError."""
        return self._store.read(self._folder + id_, self._kind)

    def put(self, id_: str, record: R, expected: ETag | None) -> Stored[R]:
        """Store a record, as new or over the version that was read.

        Args:
            id_: of the record.
            record: what is stored from now on.
            expected: the version that was read; None: there was none.

        Raises:
            ConflictError: another worker wrote it meanwhile.
        """
        return Stored(record, self._store.put(self._folder + id_, record, expected))

    def update(self, id_: str, change: Callable[[R | None], R | None]) -> R | None:
        """Change a record by a pure function of what is stored; return what is stored then.

        Args:
            id_: of the record.
            change: returns the next value; the same value, or None, writes nothing. It may be
                called several times.

        Raises:
            ConflictError: the record keeps changing.
            CorruptRecordError: it is not understood; it is left as it is.
            TransientError: the storage does not answer.
        """

        def attempt() -> R | None:
            stored = self.read(id_)
            known = stored.record if stored else None
            record = change(known)
            if record is None or record == known:
                return known
            return self.put(id_, record, stored.etag if stored else None).record

        return retried(self._folder + id_, attempt)


class SingleRecord(Generic[R]):
    """The one record of a name: how far repeated work has got.

    Args:
        store: where it is.
        name: of its document.
        kind: what it holds.
    """

    def __init__(self, store: Store, name: str, kind: type[R]) -> None:
        self._store, self._name = store, name
        self._records = Records(store, "", kind)

    def read(self) -> Stored[R] | None:
        """Return the record, or None. Raises CorruptRecordError, TransientError."""
        return self._records.read(self._name)

    def put(self, record: R, expected: ETag | None) -> ETag:
        """Store the record, as new or over the version that was read.

        Args:
            record: what is stored from now on.
            expected: the version that was read; None: there was none.

        Raises:
            ConflictError: another worker does the same work.
        """
        return self._store.put(self._name, record, expected)

    def update(self, change: Callable[[R | None], R | None]) -> R | None:
        """Change the record by a pure function, as `Records.update` does."""
        return self._records.update(self._name, change)


def retried(name: str, attempt: Callable[[], T]) -> T:
    """Return what an attempt to read and write a record returns, tried again on a conflict.

    Args:
        name: of the record, for the error.
        attempt: reads the record, decides and writes it at the version that was read.

    Raises:
        ConflictError: the record keeps changing.
    """
    for _ in range(_TRIES):
        try:
            return attempt()
        except ConflictError:
            continue  # another worker was faster: decide by its record
    raise ConflictError(f"{name} keeps changing")


def parsed(found: Document, kind: type[R]) -> R:
    """Return the record that a document holds.

    Args:
        found: the document.
        kind: what it has to hold.

    Raises:
        CorruptRecordError: it holds something else, or is of an unknown schema version.
    """
    try:
        read = _read_before if len(found.body) <= _LONGEST_KNOWN else _read
        return cast("R", read(kind, found.body))
    except (ValueError, ValidationError, RecursionError) as exc:
        fields = _members(found.body)
        version, writer = fields.get("schema_version"), fields.get(WRITTEN_BY)
        forms = range(1, kind.newest_form + 1)
        reads = f"version {VERSION} of the app reads schema_version {' and '.join(map(str, forms))}"
        known = version in forms
        problem = _problem(exc) if known else f"schema_version {version!r}: {reads}"
        later = isinstance(version, int) and version > kind.newest_form
        named = f", {writer}," if isinstance(writer, str) and _VERSION.fullmatch(writer) else ""
        raise CorruptRecordError(
            f"ledger record {found.name} is not understood ({problem}); it was left untouched: "
            f"deploy the version that wrote it{named} or move the record away",
            later=later,
        ) from None


def _read(kind: type[RecordModel], body: bytes) -> RecordModel:
    return kind.model_validate(json.loads(body))


#: Most records are read again before they change, once a minute or more often; none can change.
_read_before: Final = lru_cache(maxsize=_MOST_KNOWN)(_read)


def _members(body: bytes) -> dict[str, Any]:
    """Return what a damaged record says of itself, as far as it can be read."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _body(record: RecordModel) -> bytes:
    """Return the document of a record: the value, and the version that writes it."""
    return f'{{"{WRITTEN_BY}":"{VERSION}",{record.model_dump_json()[1:]}'.encode()


def _problem(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        first = exc.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "not JSON"


class OldRecords(Store):
    """The records of the app, with any content."""

    def page(self, kind: str, cursor: str | None) -> Page[Listed]:
        """Return records of one kind, in one listing. Raises InvalidCursorError, TransientError."""
        return self.documents.page(f"{kind}/", PAGE, cursor)

    def raw(self, name: str) -> Document | None:
        """Return a record as it is stored, also one that is not understood."""
        return self.documents.read(name)

    def exists(self, name: str) -> bool:
        """Whether there is a record of this name, understood or not."""
        return self.documents.read(name) is not None

    def mark(self, listed: Listed, hints: Mapping[str, str]) -> None:
        """Store a record anew with other hints, unless it was changed since it was listed."""
        found = self.documents.read(listed.name)
        if found is None or found.etag != listed.etag:
            return
        try:
            self.documents.replace(listed.name, found.body, found.etag, hints)
        except ConflictError:
            return
