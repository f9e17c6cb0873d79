"""Both service ports, over every kind of service: Classic and New, in memory and over HTTP; v2."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from local.azureml.state import model_id
from local.studio import InstantTrainer
from local.studio.server import StudioServer
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_types import model_of
from shared.core.redaction import Redactor
from shared.core.serving.probes import ProbeOutcome, UpdateProgress
from shared.core.serving.references import ModelRef, Shift
from shared.ports.serving import Keep, ServingEndpoint
from shared.ports.training import JobRequest, JobStatus, TrainingService
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Http, RequestsHttp
from shared.providers.studio.call import ArmToken
from tests.fakes.azureml_serving import model_ref
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.world import CSV, DATA, MODELS, ROWS, FixedCredential, World
from tests.unit.providers.test_web_services import NewService
from tests.unit.samples import NOW


@dataclass
class Bench:
    training: TrainingService
    endpoint: ServingEndpoint
    request: JobRequest
    finish: Callable[[], object]
    switch: Callable[[], object]
    starts: Callable[[], list[str]]
    model: Callable[[str], ModelRef]


def job_request(data: BlobVersion, config: Pipeline) -> JobRequest:
    outputs = {output: f"runs/x/{file}" for output, file in config.training.outputs.items()}
    return JobRequest("sample-1", 1, {"input1": data}, outputs, {}, config.training)


def studio_bench(world: World, providers: ConfiguredProviders, config: Pipeline) -> Bench:
    def model(name: str) -> ModelRef:
        seed = f"a,b,label\n{len(name)},1,0\n".encode()
        made = InstantTrainer().train({"input1": seed}, {}, label=None).model
        return model_of(world.blobs.put(MODELS, name, made))

    data = world.blobs.put(DATA, "new.csv", CSV)
    assert config.endpoint is not None
    return Bench(
        training=providers.training(config.training),
        endpoint=providers.serving(config.endpoint),
        request=job_request(data, config),
        finish=world.studio.work,
        switch=lambda: world.clock.move(timedelta(minutes=1)),
        starts=lambda: world.starts,
        model=model,
    )


@pytest.fixture(params=["classic memory", "classic http", "new memory", "new http", "azureml"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind, _, where = request.param.partition(" ")
    if kind == "azureml":
        yield azureml_bench()
        return
    world = World() if kind == "classic" else NewService()
    if where == "memory":
        yield studio_bench(world, adapters_over(world, world.http), world.pipeline)
        return
    with StudioServer(world.studio, trainer=InstantTrainer(), queue_delay=None) as server:
        if isinstance(world, NewService):
            reported = world.service.definition["properties"]
            reported["swaggerLocation"] = f"{server.url}{world.service.data_plane}/swagger.json"
        context = {"development": True}
        text = world.pipeline.model_dump_json().replace("https://studio.example", server.url)
        config = Pipeline.model_validate_json(text, context=context)
        http = RequestsHttp()
        yield studio_bench(world, adapters_over(world, http), config)
        http.close()


def adapters_over(world: World, http: Http) -> ConfiguredProviders:
    return ConfiguredProviders(
        http,
        world.environment,
        world.blobs,
        world.blobs,
        MODELS,
        development=True,
        token=ArmToken(FixedCredential(world.studio.arm_token), frozenset({"studio.example"})),
    )


def azureml_bench() -> Bench:
    world = AzureMlWorld()
    endpoint = world.pipeline.endpoint
    assert endpoint is not None
    providers = world.providers(Redactor())
    jobs = world.azureml.jobs

    def model(name: str) -> ModelRef:
        title, version = "sample", name.replace("/", "-").removesuffix(".ilearner")
        uri = f"azureml://datastores/models/paths/{name}"
        body = {"properties": {"modelType": "custom_model", "modelUri": uri}}
        world.azureml.put_model(title, version, body)
        return model_ref(model_id(title, version))

    data = world.blobs.put(DATA, "new.csv", CSV)
    return Bench(
        training=providers.training(world.pipeline.training),
        endpoint=providers.serving(endpoint),
        request=job_request(data, world.pipeline),
        finish=world.azureml.hooks.finish_jobs,
        switch=lambda: world.clock.move(timedelta(minutes=3)),
        starts=lambda: list(jobs.all),
        model=model,
    )


def promote(bench: Bench, name: str) -> Shift:
    """Give the endpoint a model, all steps of it, and return the last one."""
    serving, before = bench.endpoint, 0
    base = serving.current()
    candidate = serving.candidate(bench.model(name), "sample-1")
    serving.stage(candidate)
    if serving.plan.stages:
        bench.switch()
    shift = Shift(candidate=candidate, share=100, base=base)
    for share in serving.plan.shares:
        shift = Shift(candidate=candidate, share=share, before=before, base=base)
        serving.shift(shift)
        bench.switch()
        before = share
    return shift


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
    bench.switch()  # a service may take its time for it
    assert bench.training.state(handle).status is JobStatus.CANCELLED


def test_a_cancelled_job_cannot_be_started(bench: Bench) -> None:
    handle = bench.training.prepare(bench.request)
    bench.training.cancel(handle)
    bench.training.ensure_started(handle, bench.request)  # "already past the start" is no error
    bench.finish()
    assert bench.training.state(handle).status is JobStatus.CANCELLED
    assert bench.starts() == []


def test_an_update_is_asked_for_first_and_live_later(bench: Bench) -> None:
    serving = bench.endpoint
    before = serving.score(ROWS)
    candidate = serving.candidate(bench.model("baselines/new.ilearner"), "sample-1")
    serving.stage(candidate)
    if serving.plan.stages:
        bench.switch()
    shift = Shift(candidate=candidate, share=serving.plan.shares[0], base=serving.current())
    operation = serving.shift(shift)
    at_once = serving.update_state(operation, shift)
    assert before.seen is ProbeOutcome.GOOD
    assert at_once.progress in (UpdateProgress.NOT_REPORTED, UpdateProgress.PENDING)
    bench.switch()
    later = serving.update_state(operation, shift)
    assert later.progress in (UpdateProgress.NOT_REPORTED, UpdateProgress.DONE)
    assert later.probe is not None
    assert later.probe.seen is ProbeOutcome.GOOD
    assert not later.probe.agrees_with(before)
    assert later.configured == candidate.state.name


def test_asking_twice_for_one_share_is_asking_once(bench: Bench) -> None:
    shift = promote(bench, "baselines/twice.ilearner")
    served = bench.endpoint.score(ROWS)
    bench.endpoint.shift(shift)
    bench.endpoint.stage(shift.candidate)
    bench.switch()
    assert bench.endpoint.score(ROWS).agrees_with(served)


def test_a_candidate_is_known_by_the_same_name_each_time(bench: Bench) -> None:
    model = bench.model("baselines/new.ilearner")
    assert bench.endpoint.candidate(model, "sample-1") == bench.endpoint.candidate(
        model, "sample-1"
    )


def test_a_candidate_gets_no_request_before_it_is_given_a_share(bench: Bench) -> None:
    serving = bench.endpoint
    before = serving.score(ROWS)
    candidate = serving.candidate(bench.model("baselines/waits.ilearner"), "sample-1")
    serving.stage(candidate)
    bench.switch()
    assert serving.candidate_state(candidate).progress is UpdateProgress.DONE
    assert serving.score(ROWS).agrees_with(before)


def test_restore_brings_back_the_same_answers(bench: Bench) -> None:
    promote(bench, "baselines/first.ilearner")
    good = bench.endpoint.score(ROWS)
    state = bench.endpoint.current(Keep("sample-2", NOW))
    assert state is not None
    assert bench.endpoint.restorable(state)
    promote(bench, "baselines/second-and-worse.ilearner")
    assert not bench.endpoint.score(ROWS).agrees_with(good)
    operation = bench.endpoint.restore(state)
    bench.switch()
    assert bench.endpoint.update_state(operation).progress in (
        UpdateProgress.NOT_REPORTED,
        UpdateProgress.DONE,
    )
    assert bench.endpoint.score(ROWS).agrees_with(good)


def test_what_served_before_is_known_by_the_state_of_the_endpoint(bench: Bench) -> None:
    shift = promote(bench, "baselines/told.ilearner")
    state = bench.endpoint.current(Keep("sample-2", NOW))
    assert state is not None
    assert state.model is not None
    assert state.model == shift.candidate.state.model


def test_a_state_survives_being_stored(bench: Bench) -> None:
    shift = promote(bench, "baselines/stored.ilearner")
    assert Shift.model_validate_json(shift.model_dump_json()) == shift
    assert "sig=" not in shift.model_dump_json()


def test_making_sure_of_an_endpoint_that_is_there_changes_nothing(bench: Bench) -> None:
    before = bench.endpoint.score(ROWS)
    bench.endpoint.ensure()
    bench.endpoint.ensure()
    bench.switch()
    assert bench.endpoint.score(ROWS).agrees_with(before)


def test_a_discarded_candidate_is_gone_and_discarding_may_be_repeated(bench: Bench) -> None:
    before = bench.endpoint.score(ROWS)
    candidate = bench.endpoint.candidate(bench.model("baselines/x.ilearner"), "sample-1")
    bench.endpoint.stage(candidate)
    bench.switch()
    bench.endpoint.discard(candidate)
    bench.switch()
    assert bench.endpoint.discard(candidate)
    assert bench.endpoint.score(ROWS).agrees_with(before)
