"""The steps of a job, scripted."""

from typing import Any

from shared.core.blobs import BlobVersion
from shared.core.run.record import Phase, Run
from shared.execution.job import JobSteps
from tests.fakes.world import DATA
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted


class Work(Scripted):
    """A run with data, its job, and the versions of that data."""

    def __init__(self, phase: Phase = Phase.CREATED, names: str = "a.csv", **known: Any) -> None:
        super().__init__(**known.pop("config", {}))
        self.steps = JobSteps(self.context)
        blobs = tuple(self.world.blobs.put(DATA, name, name.encode()) for name in names.split())
        changes = {"config": self.world.pipeline, "manifest": blobs, "model": None, **known}
        self.run: Run = sample(phase, **changes)

    def job_states(self, *states: Any) -> None:
        self.job.states = list(states)

    def blob(self, name: str) -> BlobVersion:
        return next(one for one in self.run.manifest if one.name == name)
