"""Both service ports, over every kind of service: Classic and New, in memory and over HTTP; v2."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from local.studio import InstantTrainer
from local.studio.server import StudioServer
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import RollbackTarget
from shared.core.serving.probes import ProbeOutcome, UpdateProgress
from shared.errors import PermanentError
from shared.ports.ports import JobRequest, JobStatus, ServingEndpoint, TrainingService
from shared.providers.http.client import Http, RequestsHttp
from shared.providers.studio.arm_token import ArmToken
from shared.providers.studio.factory import StudioProviders
from tests.fakes.clock import FakeClock
from tests.fakes.v2 import V2Endpoint, V2Jobs
from tests.fakes.world import CSV, DATA, MODELS, FixedCredential, World, pipeline
from tests.unit.providers.test_web_services import NewService


@dataclass
class Bench:
    training: TrainingService
    endpoint: ServingEndpoint
    request: JobRequest
    finish: Callable[[], object]
    switch: Callable[[], object]
    starts: Callable[[], list[str]]
    model: Callable[[str], BlobVersion]


def job_request(data: BlobVersion, config: Pipeline) -> JobRequest:
    outputs = {output: f"runs/x/{file}" for output, file in config.training.outputs.items()}
    return JobRequest("sample-1", 1, {"input1": data}, outputs, {}, config.training)


def studio_bench(world: World, providers: StudioProviders, config: Pipeline) -> Bench:
    def model(name: str) -> BlobVersion:
        seed = f"a,b,label\n{len(name)},1,0\n".encode()
        made = InstantTrainer().train({"input1": seed}, {}, label=None).model
        return world.blobs.put(MODELS, name, made)

    data = world.blobs.put(DATA, "new.csv", CSV)
    assert config.endpoint is not None
    return Bench(
        training=providers.jobs(config.training.service, config.training.api_key),
        endpoint=providers.endpoint(config.endpoint),
        request=job_request(data, config),
        finish=world.studio.work,
        switch=lambda: world.clock.move(timedelta(minutes=1)),
        starts=lambda: world.starts,
        model=model,
    )


@pytest.fixture(params=["classic memory", "classic http", "new memory", "new http", "v2"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind, _, where = request.param.partition(" ")
    if kind == "v2":
        yield v2_bench()
        return
    world = World() if kind == "classic" else NewService()
    if where == "memory":
        yield studio_bench(world, adapters_over(world, world.http), world.pipeline)
        return
    with StudioServer(world.studio, trainer=InstantTrainer(), queue_delay=None) as server:
        if isinstance(world, NewService):
            told = world.service.definition["properties"]
            told["swaggerLocation"] = f"{server.url}{world.service.data_plane}/swagger.json"
        context = {"development": True}
        text = world.pipeline.model_dump_json().replace("https://studio.example", server.url)
        config = Pipeline.model_validate_json(text, context=context)
        http = RequestsHttp()
        yield studio_bench(world, adapters_over(world, http), config)
        http.close()


def adapters_over(world: World, http: Http) -> StudioProviders:
    return StudioProviders(
        http,
        world.environment,
        world.blobs,
        world.blobs,
        MODELS,
        development=True,
        token=ArmToken(FixedCredential(world.studio.arm_token), frozenset({"studio.example"})),
    )


def v2_bench() -> Bench:
    world, clock, jobs = World(), FakeClock(), V2Jobs()
    config = pipeline(world.training, world.endpoint, {})
    assert config.endpoint is not None
    data = world.blobs.put(DATA, "new.csv", CSV)
    return Bench(
        training=jobs,
        endpoint=V2Endpoint(clock, config.endpoint.verify),
        request=job_request(data, config),
        finish=jobs.finish,
        switch=lambda: clock.move(timedelta(minutes=6)),
        starts=lambda: jobs.starts,
        model=lambda name: world.blobs.put(MODELS, name, name.encode()),
    )


def test_a_prepared_job_does_not_start_by_itself(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.finish()
    assert bench.training.state(handle).status is JobStatus.NOT_STARTED
    assert bench.starts() == []


def test_starting_twice_starts_once(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.finish()
    bench.training.ensure_started(handle, bench.request)
    assert bench.training.state(handle).status is JobStatus.FINISHED
    assert len(bench.starts()) == 1


def test_a_cancelled_job_ends_and_cancelling_may_be_repeated(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.ensure_started(handle, bench.request)
    bench.training.cancel(handle)
    bench.training.cancel(handle)
    assert bench.training.state(handle).status is JobStatus.CANCELLED


def test_a_cancelled_job_cannot_be_started(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.cancel(handle)
    bench.training.ensure_started(handle, bench.request)  # "already past the start" is a fact
    bench.finish()
    assert bench.training.state(handle).status is JobStatus.CANCELLED
    assert bench.starts() == []


def test_an_update_is_asked_for_first_and_live_later(bench: Bench) -> None:
    before = bench.endpoint.look().probe
    operation = bench.endpoint.update(bench.model("baselines/new.ilearner"))
    at_once = bench.endpoint.look(operation)
    bench.switch()
    later = bench.endpoint.look(operation)
    assert before is not None
    assert before.seen is ProbeOutcome.GOOD
    assert at_once.probe == before
    assert at_once.progress in (UpdateProgress.NOT_REPORTED, UpdateProgress.PENDING)
    assert later.progress in (UpdateProgress.NOT_REPORTED, UpdateProgress.DONE)
    assert later.probe is not None
    assert not later.probe.agrees_with(before)
    assert later.configured == "models/baselines/new.ilearner"


def test_restore_brings_back_the_same_answers(bench: Bench) -> None:
    first = bench.model("baselines/first.ilearner")
    bench.endpoint.update(first)
    bench.switch()
    good = bench.endpoint.look().probe
    bench.endpoint.update(bench.model("baselines/second-and-worse.ilearner"))
    bench.switch()
    bench.endpoint.restore(RollbackTarget(model=first))
    bench.switch()
    again = bench.endpoint.look().probe
    assert good is not None
    assert again is not None
    assert again.agrees_with(good)


def test_making_sure_of_an_endpoint_that_is_there_changes_nothing(bench: Bench) -> None:
    before = bench.endpoint.look().probe
    bench.endpoint.ensure()
    bench.endpoint.ensure()
    bench.switch()
    after = bench.endpoint.look().probe
    assert before is not None
    assert after is not None
    assert after.agrees_with(before)


def test_an_endpoint_tells_what_it_was_last_given(bench: Bench) -> None:
    bench.endpoint.update(bench.model("baselines/told.ilearner"))
    location = bench.endpoint.current().location
    assert location is not None
    assert location[1] == "models/baselines/told.ilearner"


def test_what_cannot_be_restored_is_refused() -> None:
    with pytest.raises(PermanentError):
        V2Endpoint(FakeClock(), None).restore(RollbackTarget())
