"""What a process remembers of workspaces: only what does not change, or is known to be there.

So a start costs no listing each time, and a cure, such as a new datastore, is seen at once.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Values that are remembered at most; then all of them are read again.
_MOST: Final = 5_000


@dataclass
class Memory:
    """Values by what they are of; built once for a process. Safe to use from several threads."""

    #: Jobs that this process cancelled before they were started: they must not start any more.
    cancelled: set[tuple[str, str]] = field(default_factory=set)
    _values: dict[Hashable, Any] = field(default_factory=dict)

    def known(self, key: Hashable, kind: type[T]) -> T | None:
        """Return a value that was read before; None where there is none.

        Args:
            key: what it is of.
            kind: its type.
        """
        found = self._values.get(key)
        return found if isinstance(found, kind) else None

    def keep(self, key: Hashable, value: object) -> None:
        """Remember a value; None is never remembered.

        Args:
            key: what it is of.
            value: the value.
        """
        if value is None:
            return
        if len(self._values) >= _MOST:
            self._values.clear()
        self._values[key] = value
