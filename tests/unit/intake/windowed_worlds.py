"""A world whose training data is partitioned by the windows of a schedule."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.core.run.record import Origin, Run
from tests.fakes.world import pipeline
from tests.unit.worlds import Observed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DAILY: dict[str, Any] = {"frequency": "Day"}
PATH = "{start:yyyy/MM/dd}/{name}.csv"
KEYED = {"data": {"blob": "{start:yyyy/MM/dd}/{customer}.csv", "opens_runs": False}}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Windowed(Observed):
    """A pipeline with a window for each day; the clock begins on 1 March 2026, at noon."""

    @classmethod
    def of(cls, schedule: dict[str, Any] | str | None = None, **changes: Any) -> "Windowed":
        """Return a world that has seen its schedule."""
        world = cls(config=written(schedule, **changes))
        world.opened()
        return world

    def opened(self) -> list[str]:
        """Let the timer of the schedule fire, and return the windows that have runs, by id."""
        self.poll.start_scheduled()
        return windows(self.due_runs())

    def due_runs(self) -> list[Run]:
        found = [run for run in self.runs() if run.origin is Origin.SCHEDULE]
        return sorted(found, key=lambda run: run.data_time)

    def reconfigure(self, schedule: dict[str, Any] | str | None = None, **changes: Any) -> None:
        """Have a new worker read another file."""
        changed = written(schedule, **changes)
        self.pipeline = pipeline(self.training, self.endpoint, changed)
        self.restart()

    def days(self, number: int) -> list[str]:
        """Let days pass, with data for each, and return the windows that have runs."""
        for _ in range(number):
            self.upload(f"{self.clock.now():%Y/%m/%d}/a.csv")
            self.clock.move(DAY)
            self.poll.start_scheduled()
        return windows(self.due_runs())


def written(schedule: dict[str, Any] | str | None, **changes: Any) -> dict[str, Any]:
    training = changes.pop("training", {})
    known = {"schedule": schedule or DAILY, "data": {"blob": PATH, "opens_runs": False}}
    return {"pipeline": {**known, **changes}, "training": training}


def windows(runs: list[Run]) -> list[str]:
    """Return the days on which the windows of runs start."""
    return [f"{run.window.start:%m-%d}" for run in runs if run.window is not None]


def training(**parameters: str) -> dict[str, Any]:
    """Return a training that finds its data itself, by these parameters."""
    return {"inputs": {}, "parameters": parameters}
