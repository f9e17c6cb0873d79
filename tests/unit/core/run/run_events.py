"""Applies events to runs."""

from shared.core.run.record import (
    Delivery,
    Phase,
    Run,
    RunHistoryEntry,
)
from tests.unit.samples import HOUR, NOW

LATER = NOW + HOUR


def last(shape: Run) -> RunHistoryEntry:
    return shape.history[-1]


BEGUN = (
    Delivery(endpoint="a", run_id="a", outcome=Phase.PROMOTED, reason="moved"),
    Delivery(endpoint="b", run_id="b"),
)
