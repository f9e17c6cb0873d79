"""Stored configurations of pipelines."""

from datetime import timedelta
from typing import Any

from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from shared.core.config.problems import Problem
from shared.intake.last_good import LastGood
from shared.ledger.configurations import KeptConfiguration
from tests.unit.samples import NOW, pipeline
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ODD = (Problem("pipelines.sample", "unknown key"), Problem("pipelines.sample", "no setting"))


class Kept:
    """A ledger of configurations, and what a process with some file knows of them."""

    def __init__(self) -> None:
        self.world = Observed()
        self.context = self.world.context
        self.ledger = self.context.ledger
        self.sample = pipeline()

    def put(self, name: str = "sample", **known: Any) -> None:
        times = {"recorded_at": NOW - HOUR, "scheduled_since": NOW - 2 * HOUR, **known}
        kept = KeptConfiguration(pipeline=pipeline(name=name), **times)
        self.ledger.configurations.put(kept, {}, None)

    def file(
        self, *sound: Pipeline, broken: str = "", readable: bool = True, **more: Any
    ) -> LastGood:
        known = Configuration(
            {one.name: one for one in sound},
            broken=dict.fromkeys(broken.split(), ODD),
            readable=readable,
            **more,
        )
        return LastGood(self.context, known, NOW - 3 * HOUR)

    def stored(self, name: str = "sample") -> KeptConfiguration:
        stored = self.ledger.configurations.read(name)
        assert stored is not None
        return stored.record

    def hints(self, name: str = "sample") -> Any:
        return self.world.documents.rows[f"configurations/{name}"].metadata
