"""Waits until a running system has reached a state, with a deadline."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

# A check may cost the system that is waited for a hundred requests: it comes seldom, once it
# is clear that the wait is a long one.
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.6
_LONGER_BY: Final = 1.3


def eventually(check: Callable[[], T], what: object = "", seconds: float = 40.0) -> T:
    """Return the first truthy answer of `check`; fail with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or check}"
        time.sleep(pause)  # between two checks; the condition decides
        pause = min(pause * _LONGER_BY, _LONGEST_PAUSE)
    return found
