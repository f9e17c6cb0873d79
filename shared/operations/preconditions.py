"""The version that a person looked at (`If-Match`): a change is made to that one, or refused."""

from collections.abc import Collection

from shared.errors import ConflictError, PermanentError, RelearnError

#: The versions that a change is for; None for any.
Versions = Collection[str] | None


class PreconditionFailedError(PermanentError):
    """What is to be changed is not what the person looked at any more."""


def require(versions: Versions, present: str, conflict: str) -> None:
    """Refuse a change that is for other versions than the present one.

    Args:
        versions: that the change is for.
        present: the version that would be changed.
        conflict: how it stands now, for people.

    Raises:
        Outdated: it was changed meanwhile.
    """
    if versions is not None and present not in versions:
        raise PreconditionFailedError(f"{conflict}; it was changed since you looked: look again")


def lost(versions: Versions, conflict: str) -> RelearnError:
    """Return the error of a change that somebody else was faster than."""
    if versions is not None:
        return PreconditionFailedError(f"{conflict}; it was changed since you looked: look again")
    return ConflictError(f"{conflict}; somebody else changed it this moment: look and decide again")
