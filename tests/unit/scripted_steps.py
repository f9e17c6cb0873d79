"""Steps of a run against an endpoint and a job with scripted answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.core.blobs import BlobVersion
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.studio_types import model_of
from shared.core.run.record import Run
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import ModelRef, ServingState
from shared.core.serving.state import EndpointLease, EndpointState
from shared.errors import InvalidRequestError, RelearnError
from shared.ports.storage import SignedBlob
from shared.ports.training import Evaluation, FinishedJob, JobRequest, JobState, JobStatus
from shared.providers.studio.models import StudioModels
from shared.providers.studio.scoring import Current
from shared.providers.studio.serving import Baselines, StudioServing
from tests.fakes.blobs import FakeBlobs
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import NOW, ref
from tests.unit.worlds import Observed


@dataclass
class ScriptedEndpoint:
    """An endpoint that answers as a test says, and keeps what it was asked."""

    probe_series: list[EndpointCheck | RelearnError] = field(default_factory=list)
    current_: Current = field(default_factory=lambda: Current(refreshable=True))
    refuses: RelearnError | None = None
    operation: str | None = "op"
    given: list[ServingState] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)  #: operations that a check was for
    ensured: int = 0
    built_for: list[Endpoint] = field(default_factory=list)

    def ensure(self) -> None:
        self.ensured += 1

    def current(self) -> Current:
        return self.current_

    def update(self, model: BlobVersion) -> str | None:
        return self._given(ServingState(model=model_of(model)))

    def refresh(self) -> str | None:
        return self._given(ServingState())

    def score(self, rows: dict[str, Any]) -> ProbeAnswers:
        assert rows
        probe = self.check().probe
        assert probe is not None
        return probe

    def check(self, operation: str | None = None) -> EndpointCheck:
        self.asked.append(operation)
        check = (
            self.probe_series.pop(0)
            if self.probe_series
            else EndpointCheck(UpdateProgress.NOT_REPORTED, None)
        )
        if isinstance(check, RelearnError):
            raise check
        return check

    def _given(self, previous: ServingState) -> str | None:
        self.given.append(previous)
        if self.refuses is not None:
            raise self.refuses
        return self.operation


@dataclass
class ScriptedJob:
    """A training service whose job has the states of a test, one after the other."""

    states: list[JobState | JobStatus | RelearnError] = field(default_factory=list)
    start: RelearnError | None = None
    cancel_: RelearnError | None = None
    calls: list[str] = field(default_factory=list)
    requests: list[JobRequest] = field(default_factory=list)
    blobs: FakeBlobs | None = None
    results: dict[str, SignedBlob] = field(default_factory=dict)

    def prepare(self, request: JobRequest) -> str:
        self.calls.append("prepare")
        self.requests.append(request)
        return "j9"

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        raise NotImplementedError

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        self.calls.append(f"start {handle}")
        self.requests.append(request)
        if self.start is not None:
            raise self.start

    def state(self, handle: str) -> JobState:
        self.calls.append(f"state {handle}")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, RelearnError):
            raise state
        return state if isinstance(state, JobState) else JobState(state)

    def cancel(self, handle: str) -> None:
        self.calls.append(f"cancel {handle}")
        if self.cancel_ is not None:
            raise self.cancel_

    def models(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        return self._left.of(job, wanted)

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        return model

    def named_model(self, name: str) -> ModelRef:
        raise InvalidRequestError(f"{name}: not here")

    def model_again(self, model: ModelRef) -> ModelRef:
        return self._left.again(model)

    def evaluation(self, job: FinishedJob, output: str | None) -> Evaluation:
        return self._left.evaluation(job, output)

    def predictions(self, job: FinishedJob, output: str) -> Evaluation:
        return self._left.evaluation(job, output)

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        return self._left.evaluation_beside(model)

    @property
    def _left(self) -> StudioModels:
        assert self.blobs is not None
        return StudioModels(self.blobs, MODELS, lambda handle: (self.state(handle), self.results))


@dataclass
class _Providers:
    endpoint_: ScriptedEndpoint
    job: ScriptedJob
    blobs: FakeBlobs

    def training(self, training: Training) -> ScriptedJob:
        assert training.address
        return self.job

    def serving(self, endpoint: Endpoint) -> StudioServing:
        self.endpoint_.built_for.append(endpoint)
        new = endpoint.kind == "webservice"
        baselines = Baselines(
            self.blobs, MODELS, endpoint.ref, endpoint.resource_name, named_only=new
        )
        return StudioServing(self.endpoint_, baselines, endpoint.name, endpoint.resource_name)

    def secrets_of(self, pipeline: object) -> tuple[str, ...]:
        del pipeline
        return ()


class Scripted:
    """A world with scripted providers: one endpoint and one job for every request."""

    def __init__(self, **config: Any) -> None:
        self.world = Observed(config=config)
        self.endpoint = ScriptedEndpoint()
        self.job = ScriptedJob(blobs=self.world.blobs)
        self.providers = _Providers(self.endpoint, self.job, self.world.blobs)
        self.context = replace(self.world.context, providers=self.providers)
        self.ledger = self.context.ledger
        self.url = self.world.pipeline.endpoints[0].address

    def model(self, name: str = "runs/sample/sample-1/1/model.ilearner") -> ModelRef:
        return model_of(self.world.blobs.put(MODELS, name, b"model"))

    @property
    def serving(self) -> StudioServing:
        return self.providers.serving(self.world.pipeline.endpoints[0])

    def acquire_lease(self, run: Run, **endpoint_state: Any) -> EndpointState:
        """Have the endpoint leased for a run, as its promotion says."""
        assert run.promotion is not None
        mine = EndpointLease(
            run_id=run.run_id,
            resource=RESOURCE,
            model=run.model,
            generation=run.promotion.generation,
            at=NOW,
        )
        return self.put_endpoint_state(
            **{"generation": 1, "endpoint_lease": mine, **endpoint_state}
        )

    def put_endpoint_state(self, **known: Any) -> EndpointState:
        endpoint_state = EndpointState(ref=ref(self.url), **known)
        stored = self.ledger.endpoint_states.read(ref(self.url).id)
        self.ledger.endpoint_states.put(
            ref(self.url).id, endpoint_state, stored.etag if stored else None
        )
        return endpoint_state

    def endpoint_state(self) -> EndpointState:
        stored = self.ledger.endpoint_states.read(ref(self.url).id)
        assert stored is not None
        return stored.record
