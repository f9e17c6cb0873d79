"""An operator's command: the operator, the reason, and the versions that it is for."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from shared.errors import ConflictError, PreconditionFailedError, RelearnError


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """The operator, the reason and the versions of a command (`If-Match`)."""

    by: str = "an operator"  #: the operator; says so if the platform did not verify the name
    reason: str = ""
    versions: Collection[str] | None = None  #: that the change is for; None for any

    def require(self, present: str, state: str) -> None:
        """Refuse the change if it is for other versions than the present one.

        Args:
            present: the version that would be changed.
            state: the present state in words, for the operator.

        Raises:
            PreconditionFailedError: it was changed since.
        """
        if self.versions is not None and present not in self.versions:
            raise self.too_late(state)

    def too_late(self, state: str) -> RelearnError:
        """Return the error of a command after another change; `state` is for the operator."""
        if self.versions is not None:
            return PreconditionFailedError(
                f"{state}; it was changed since the version in If-Match: read it again"
            )
        return ConflictError(
            f"{state}; it was changed at the same moment: read it and decide again"
        )


#: A command without an operator, a reason or versions.
ANONYMOUS: Final = OperatorCommand()
