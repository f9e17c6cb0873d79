"""Waits until a running system has reached a state, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], what: object = "", seconds: float = 40.0) -> T:
    """Return the first truthy answer of `look`; fail with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or check}"
        time.sleep(0.05)  # between two probes; the condition decides
    return found
