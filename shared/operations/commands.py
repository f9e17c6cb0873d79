"""Who asks for a change, why, and for which version of what is changed (`If-Match`)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from shared.errors import ConflictError, PreconditionFailedError, RelearnError


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """What each command of an operator says beside what it changes."""

    by: str = "somebody"  #: who; says so if the platform did not verify it
    reason: str = ""
    versions: Collection[str] | None = None  #: that the change is for; None for any

    def require(self, present: str, state: str) -> None:
        """Refuse the change if it is for other versions than the present one.

        Args:
            present: the version that would be changed.
            state: what would be changed, as it is now, for people.

        Raises:
            PreconditionFailedError: it was changed since.
        """
        if self.versions is not None and present not in self.versions:
            raise self.too_late(state)

    def too_late(self, state: str) -> RelearnError:
        """Return the error of a change that another one came before; `state` is for people."""
        if self.versions is not None:
            return PreconditionFailedError(
                f"{state}; it was changed since the version in If-Match: read it again"
            )
        return ConflictError(
            f"{state}; it was changed at the same moment: read it and decide again"
        )


#: A command of which nothing is known.
ANONYMOUS: Final = OperatorCommand()
