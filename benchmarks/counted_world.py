"""A world in memory whose ledger counts its calls, by kind of record."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.app import App
from shared.ledger.ledger import Ledger
from shared.ports.storage import Document, Documents, ETag, Listed, Page
from tests.unit.worlds import Observed


@dataclass
class Counting:
    """A `Documents` that counts its calls."""

    inner: Documents
    calls: Counter[str] = field(default_factory=Counter)

    def time(self) -> datetime:
        """Count the call and forward it."""
        self.calls["time"] += 1
        return self.inner.time()

    def read(self, name: str) -> Document | None:
        """Count the call and forward it."""
        self.calls[f"read {_kind(name)}"] += 1
        return self.inner.read(name)

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Count the call and forward it."""
        self.calls[f"create {_kind(name)}"] += 1
        return self.inner.create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Count the call and forward it."""
        self.calls[f"replace {_kind(name)}"] += 1
        return self.inner.replace(name, body, expected, metadata)

    def delete(self, name: str, expected: ETag) -> None:
        """Count the call and forward it."""
        self.calls[f"delete {_kind(name)}"] += 1
        self.inner.delete(name, expected)

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Count the call and forward it."""
        self.calls[f"list {_kind(prefix)}"] += 1
        yield from self.inner.listing(prefix)

    def page(self, prefix: str, size: int, cursor: str | None) -> Page[Listed]:
        """Count the call and forward it."""
        self.calls[f"list {_kind(prefix)}"] += 1
        return self.inner.page(prefix, size, cursor)

    @property
    def writes(self) -> int:
        """How many calls changed something."""
        return sum(n for call, n in self.calls.items() if not call.startswith(("read", "list")))


class Counted(Observed):
    """A world whose ledger counts its calls."""

    def __init__(self, documents: Documents | None = None, **config: dict[str, Any]) -> None:
        """Build it over these documents, or over the ones in memory."""
        super().__init__(config=config)
        self.counting = Counting(documents or self.documents)
        self.restart()

    def _worker(self) -> App:
        app = super()._worker()
        if hasattr(self, "counting"):
            object.__setattr__(app.context, "ledger", Ledger(self.counting))
        return app

    @property
    def ledger(self) -> Ledger:
        """The ledger that the workers use."""
        return self.context.ledger


def _kind(name: str) -> str:
    return name.partition("/")[0]
