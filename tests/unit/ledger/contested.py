"""Documents whose next writes are refused, because another writer was first."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import ConflictError
from shared.ports.storage import ETag
from tests.fakes.documents import MemoryDocuments


@dataclass
class Contested(MemoryDocuments):
    """Documents of which the next writes come too late, and are counted."""

    conflicts: int = 0
    refused: int = 0

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        self._contest(name)
        return super().create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        self._contest(name)
        return super().replace(name, body, expected, metadata)

    def _contest(self, name: str) -> None:
        if self.conflicts > self.refused:
            self.refused += 1
            raise ConflictError(name)
