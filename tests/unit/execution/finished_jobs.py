"""Finished jobs, and their models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, cast

from shared.core.blobs import BlobVersion
from shared.core.names import output_path
from shared.core.run.commands import Event
from shared.core.run.record import Phase, Run
from shared.core.serving.references import ModelRef
from shared.errors import InvalidRequestError, RelearnError
from shared.execution.context import Context, Providers
from shared.execution.models import ModelSteps
from shared.ledger.ledger import Ledger
from shared.ports.serving import Plan
from shared.ports.storage import SignedBlob
from shared.ports.training import Evaluation, JobRequest, JobState, JobStatus
from shared.ports.training import FinishedJob as Finished
from shared.providers.studio.models import StudioModels
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments
from tests.fakes.faults import Faults
from tests.fakes.queues import FakeQueues, event_places
from tests.unit.samples import pipeline, run, tree
from tests.unit.scripted import SAS

OWN = "https://studioown.blob.core.windows.net/"
MODELS = "models"


@dataclass
class AskedBlobs(FakeBlobs):
    """Blobs that keep what they were asked to copy, and copy as storage does."""

    adopted: list[str] = field(default_factory=list)
    copies: set[str] = field(default_factory=set)
    readable: bool = True
    failure: RelearnError | None = None

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        self.adopted.append(source)
        if self.failure is not None:
            raise self.failure
        if not self.readable:
            return None
        if (there := self.head(container, name)) is None:
            self.copies.add(name)
            return self.put(container, name, b"model")
        return there if name in self.copies else None  # another blob is not taken for a copy


@dataclass
class FinishedJob:
    """A training service whose job has the state that the test says."""

    state_: JobState
    results: Mapping[str, SignedBlob] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    blobs: FakeBlobs | None = None

    def prepare(self, request: JobRequest) -> str:
        raise NotImplementedError

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        raise NotImplementedError

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        raise NotImplementedError

    def state(self, handle: str) -> JobState:
        self.asked.append(handle)
        return self.state_

    def cancel(self, handle: str) -> None:
        raise NotImplementedError

    def models(self, job: Finished, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        return self._left.of(job, wanted)

    def register(self, job: Finished, model: ModelRef) -> ModelRef:
        return model

    def named_model(self, name: str) -> ModelRef:
        raise InvalidRequestError(f"{name}: not here")

    def model_again(self, model: ModelRef) -> ModelRef:
        return self._left.again(model)

    def evaluation(self, job: Finished, output: str | None) -> Evaluation:
        return self._left.evaluation(job, output)

    def predictions(self, job: Finished, output: str) -> Evaluation:
        return self._left.evaluation(job, output)

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        return self._left.evaluation_beside(model)

    @property
    def _left(self) -> StudioModels:
        assert self.blobs is not None
        return StudioModels(self.blobs, MODELS, lambda handle: (self.state(handle), self.results))


def left(relative: str, base: str = OWN, sas: str = SAS) -> SignedBlob:
    return SignedBlob(base, relative, sas)


def finished(**results: SignedBlob) -> FinishedJob:
    return FinishedJob(JobState(JobStatus.FINISHED), results)


def wanting(*models: str | None, outputs: Mapping[str, str] | None = None) -> Run:
    """Return a run with one endpoint for each model that is wanted."""
    (one,) = tree()["endpoints"]
    endpoints = [
        {**one, "name": f"e{at}", "update": f"{one['update']}{at}", "model": model}
        for at, model in enumerate(models)
    ]
    config = pipeline(endpoints=endpoints, training__outputs=dict(outputs or {}))
    return run(Phase.TRAINED, config=config)


class _NoStaging:
    """Providers whose endpoints hold one model."""

    plan = Plan()

    def serving(self, endpoint: object) -> "_NoStaging":
        del endpoint
        return self


@dataclass
class Steps:
    """The steps over blobs in memory."""

    blobs: AskedBlobs = field(default_factory=lambda: AskedBlobs(FakeClock()))

    def collect(self, one: Run, job: FinishedJob) -> Event:
        ids = count(1)
        clock = self.blobs.clock
        context = Context(
            ledger=Ledger(MemoryDocuments(clock, Faults())),
            data=self.blobs,
            models=self.blobs,
            data_container="training-data",
            models_container=MODELS,
            queues=FakeQueues(),
            events=event_places(self.blobs, FakeQueues()),
            providers=cast(Providers, _NoStaging()),
            clock=clock,
            new_id=lambda: str(next(ids)),
        )
        job.blobs = self.blobs
        return ModelSteps(context).collect(one, job)

    def written(self, one: Run, file: str, content: bytes = b"model") -> BlobVersion:
        return self.blobs.put(MODELS, path_of(one, file), content)


def path_of(one: Run, file: str) -> str:
    return output_path(one.pipeline, one.run_id, one.attempt, file)
