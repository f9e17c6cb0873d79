"""Waits for what the system does in its own time, by looking, with a deadline."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from local.demo.stage import Stage
from shared.core.run import ENDS

T = TypeVar("T")
_BETWEEN = 0.1


def eventually(look: Callable[[], T], what: str, seconds: float = 40) -> T:
    """Return the first thing that is truthy."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(_BETWEEN)  # between two looks; the condition decides
    return seen


def run_of(stage: Stage, blob: str) -> dict[str, Any]:
    """Return the run that the newest version of a blob opened, once there is one."""

    def look() -> dict[str, Any]:
        return next((r for r in reversed(stage.runs()) if r["manifest"][0]["name"] == blob), {})

    return eventually(look, f"a run for {blob}")


def ended(stage: Stage, blob: str, seconds: float = 60) -> dict[str, Any]:
    """Return the run of a blob once it is over (or parked, which no test here wants)."""

    def look() -> dict[str, Any]:
        run = run_of(stage, blob)
        return run if run["phase"] in ENDS or run["phase"] == "parked" else {}

    try:
        return eventually(look, f"the end of the run for {blob}", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{run_of(stage, blob)}\n{stage.host.log[-4000:]}") from None


def starts(stage: Stage) -> list[int]:
    """Return how often each job was started, as the service counted it."""
    return [job["starts"] for job in stage.studio.state["jobs"]]
