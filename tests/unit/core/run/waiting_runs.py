"""Runs that wait."""

from typing import Any

from shared.core.run.record import Phase, Run
from tests.unit.samples import run


def status(phase: Phase, **changes: Any) -> Run:
    parked = {"parked_in": Phase.RECEIVED, "reason": "the key is wrong", "advice": "correct it"}
    known: dict[str, Any] = parked if phase is Phase.PARKED else {}
    return run(phase, **{**known, **changes})
