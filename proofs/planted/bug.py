"""A bug to plant in the code, and the tests that must find it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug to plant: `wrong` replaces `right` in `file`."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
