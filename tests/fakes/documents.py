"""The `Documents` port in memory; the world's faults apply to its calls."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeVar

from shared.errors import ConflictError, InvalidCursorError, RecordLeasedError
from shared.ports.storage import Document, ETag, Listed, Page
from shared.providers.azure_storage.pages import is_directory
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults
from tests.fakes.numbers import Numbers

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    body: bytes
    etag: ETag
    modified: datetime
    metadata: Mapping[str, str]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # nothing of it ever changes


class Rows(dict[str, Row]):
    """What is stored by its name, with the names in order: a listing costs what it lists."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []

    def __setitem__(self, name: str, row: Row) -> None:
        if name not in self:
            insort(self._names, name)
        super().__setitem__(name, row)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        at = bisect_left(self._names, name)
        if self._names[at : at + 1] == [name]:
            del self._names[at]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Rows":
        return self.copy()

    def copy(self) -> "Rows":
        made = Rows()
        dict.update(made, self)
        made._names = self._names.copy()
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (), None, None, iter(self.items())  # made first: items need its names

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin so, in their order."""
        if len(self._names) != len(self):  # a test took something away by `pop` or `clear`
            self._names = sorted(self)
        start = bisect_left(self._names, prefix)
        end = bisect_right(self._names, prefix, start, key=lambda name: name[: len(prefix)])
        return self._names[start:end]


@dataclass
class MemoryDocuments:
    clock: FakeClock
    faults: Faults = field(default_factory=Faults)
    rows: Rows = field(default_factory=Rows)
    versions: Numbers = field(default_factory=Numbers)
    leased: set[str] = field(default_factory=set)  #: what another program holds a lease on

    def time(self) -> datetime:
        return self.clock.now().replace(microsecond=0)

    def read(self, name: str) -> Document | None:
        row = self.rows.get(name)
        if row is None or is_directory(row.metadata):
            return None
        return Document(name, row.body, row.etag, row.modified, self.clock.now())

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        def do() -> ETag:
            if name in self.rows:
                raise ConflictError(name)
            return self._put(name, body, metadata)

        return self.faults.effect(f"create {_kind(name)}", do)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        def do() -> ETag:
            row = self.rows.get(name)
            if row is None or row.etag != expected:
                raise ConflictError(name)
            self._require_no_lease(name)
            return self._put(name, body, metadata)

        return self.faults.effect(f"replace {_kind(name)}", do)

    def delete(self, name: str, expected: ETag) -> None:
        def do() -> None:
            row = self.rows.get(name)
            if row is not None and row.etag != expected:
                raise ConflictError(name)
            self._require_no_lease(name)
            if row is not None:
                del self.rows[name]

        self.faults.effect(f"delete {_kind(name)}", do)

    def listing(self, prefix: str) -> Iterator[Listed]:
        for name in self.rows.names(prefix):
            row = self.rows[name]
            if not is_directory(row.metadata):
                yield Listed(name, row.etag, row.modified, dict(row.metadata))

    def page(self, prefix: str, size: int, cursor: str | None) -> Page[Listed]:
        return page_of(list(self.listing(prefix)), size, cursor, lambda one: one.name)

    def _require_no_lease(self, name: str) -> None:
        if name in self.leased:
            raise RecordLeasedError(f"{name}: another program holds a lease on it: break the lease")

    def _put(self, name: str, body: bytes, metadata: Mapping[str, str] | None) -> ETag:
        etag = ETag(f"v{next(self.versions)}")
        self.rows[name] = Row(body, etag, self.clock.now(), dict(metadata or {}))
        return etag


def page_of(items: list[T], size: int, cursor: str | None, name_of: Callable[[T], str]) -> Page[T]:
    """Return one page of `items`, which are sorted by name."""
    if cursor is not None and not cursor.startswith("from:"):
        raise InvalidCursorError(cursor)
    start = (cursor or "from:").removeprefix("from:")
    left = [item for item in items if name_of(item) >= start]
    following = f"from:{name_of(left[size])}" if len(left) > size else None
    return Page(tuple(left[:size]), following)


def _kind(name: str) -> str:
    return name.split("/", maxsplit=1)[0]
