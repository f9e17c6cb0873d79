"""A mistake that somebody could make, and the tests that must find it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake that somebody could make, and the tests that must see it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
