"""Worlds with a schedule."""

from shared.core.run.record import Run

CSV = b"a,b,label\n1,2,1\n3,4,0\n"


def causes(runs: list[Run]) -> list[str]:
    return sorted(run.cause.removeprefix("due ")[:16] for run in runs)
