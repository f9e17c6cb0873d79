"""Counts in sentences: `1 run`, `2 runs`; sizes: `64 MB`."""

from typing import Final

_MB: Final = 1024**2


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, in the form that fits the number.

    Args:
        number: how many there are.
        one: what one of them is called.
        many: what several are called; left out: `one` with an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def grouped(number: int, one: str, many: str = "") -> str:
    """Return what `counted` does, with a comma after thousands: `2,300 rows`.

    Args:
        number: how many there are.
        one: what one of them is called.
        many: what several are called; left out: `one` with an s.
    """
    return f"{number:,} {they(number, one, many or f'{one}s')}"


def they(number: int, one: str, many: str) -> str:
    """Return the word that goes with a number, such as `is` and `are`.

    Args:
        number: how many there are.
        one: the word for one.
        many: the word for none, and for several.
    """
    return one if number == 1 else many


def sized(number: int) -> str:
    """Return a number of bytes as people say it: whole MB, or bytes."""
    return counted(number, "byte") if number % _MB or not number else f"{number // _MB} MB"
