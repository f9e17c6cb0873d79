"""A world whose schedule is due once an hour."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.intake.due_times import DueTimes, DueTimesResult
from shared.intake.requests import Requests
from shared.ledger.schedules import ScheduleRecord
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYED = {"data": {"blob": "{customer}-{name}.csv", "opens_runs": False}, "key": "customer"}


@dataclass
class Hour:
    """A pipeline with a due time at each full hour, and what a test says that it comes to."""

    config: dict[str, Any] = field(default_factory=dict)
    most: int = 50

    def __post_init__(self) -> None:
        known = {"schedule": HOURLY, "endpoints": [], "data": {"blob": "{name}.csv"}}
        self.world = Observed(config={"pipeline": {**known, **self.config}})
        self.world.app.activations.refresh()
        self.context = self.world.context
        self.asked: Requests = self.world.app.requests
        self.due_times = DueTimes(self.context, self.asked, self.most)
        self.until = timedelta(minutes=5)

    def start(self, listed: Any = None) -> DueTimesResult:
        until = self.world.clock.now() + self.until
        since = self.world.app.activations.scheduled_since("sample")
        return self.due_times.start(
            self.world.pipeline, since, until, {} if listed is None else listed
        )

    def kept(self) -> ScheduleRecord:
        stored = self.context.ledger.schedules.read("sample")
        assert stored is not None
        return stored.record

    def causes(self) -> list[str]:
        return sorted(run.cause for run in self.world.runs())

    def arrive(self, name: str = "a.csv", content: bytes = b"a,b\n1,2\n") -> None:
        self.world.upload(name, content)
