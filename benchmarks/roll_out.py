"""Measures a roll-out over many endpoints, as a multiple of one endpoint's time.

The time, the poll and the clients are real; the stand-in is in memory. Each call to it takes as
long as a call over a network, and an endpoint switches a second after its update.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from shared.core.run.record import Phase
from shared.execution.context import Limits
from shared.providers.http.client import Answer
from tests.fakes.clock import FakeClock
from tests.unit.fleet import Fleet
from tests.unit.worlds import RecordingHttp

#: The promise: 200 endpoints in no more than twenty times one endpoint's time.
PROMISED: Final = 20.0
_CALL: Final = 0.02
_TICK: Final = 1.0
_GIVE_UP: Final = 600.0


class RealClock(FakeClock):
    """The real time, where a world expects a clock that tests move."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


class DistantHttp(RecordingHttp):
    """The stand-in, as far away as a service over a network."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Answer after as long as a call takes."""
        time.sleep(_CALL)
        return super().send(method, url, headers, body)


@dataclass
class LiveFleet(Fleet):
    """A fleet in real time."""

    def __post_init__(self) -> None:
        """Build it, and put the service far away."""
        super().__post_init__()
        self.http = DistantHttp(self.studio, self.faults)
        self.restart()


def roll_out(size: int, progress: Progress) -> tuple[float, int]:
    """Return the seconds from the trained model to the last endpoint, and the PATCHes sent."""
    limits = Limits(
        check_interval_min=timedelta(seconds=1), check_interval_max=timedelta(seconds=2)
    )
    fleet = LiveFleet(
        clock=RealClock(),
        size=size,
        roll_out={"first": 1, "then": 20},
        switch_delay=timedelta(seconds=1),
        limits=limits,
    )
    task = progress.add_task(f"{size} endpoint{'s' if size > 1 else ''}", total=size)
    fleet.start()
    began: float | None = None
    gave_up = time.monotonic() + _GIVE_UP
    while time.monotonic() < gave_up:
        due = time.monotonic() + _TICK
        fleet.studio.work()
        fleet.poll.tick()
        runs = fleet.runs()
        if began is None and any(run.model or run.models for run in runs):
            began = time.monotonic()
        done = sum(run.phase is Phase.PROMOTED for run in runs if run.parent or size == 1)
        progress.update(task, completed=done)
        if done == size and all(run.phase.ended for run in runs):
            return time.monotonic() - (began or 0), len(fleet.patched())
        time.sleep(max(0.0, due - time.monotonic()))
    raise SystemExit(f"{size} endpoints: not over after {_GIVE_UP:.0f} s")


def main() -> None:
    """Measure one endpoint and many, and print the ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roll_out", description=__doc__)
    parser.add_argument(
        "--endpoints", type=int, default=200, help="number of endpoints (default 200)"
    )
    size = parser.parse_args().endpoints
    console = Console()
    with Progress(console=console, transient=True) as progress:
        one, _ = roll_out(1, progress)
        many, patches = roll_out(size, progress)
    table = Table("", "1 endpoint", f"{size} endpoints", title="Roll-out {first: 1, then: 20}")
    table.add_row("seconds", f"{one:.1f}", f"{many:.1f}")
    table.add_row("updates sent", "1", str(patches))
    table.add_row("times one endpoint's", "1", f"{many / one:.1f} (promised: {PROMISED:.0f})")
    console.print(table)


if __name__ == "__main__":
    main()
