"""Every kind of service, ready for the contract suites of both ports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from local.azureml.answers import WORKSPACE
from local.azureml.server import AzureMlServer
from local.azureml.state import model_id
from local.studio import InstantTrainer
from local.studio.server import StudioServer
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_types import model_of
from shared.core.names import output_path
from shared.core.redaction import Redactor
from shared.core.serving.references import ModelRef
from shared.ports.serving import ServingEndpoint
from shared.ports.training import JobRequest, TrainingService
from shared.providers.azureml.tokens import Tokens
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Http, RequestsHttp
from shared.providers.studio.call import ArmToken
from tests.fakes.azureml_http import Identity
from tests.fakes.azureml_runs import AzureMlRuns
from tests.fakes.azureml_serving import model_ref
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.world import CSV, DATA, MODELS, FixedCredential, World
from tests.unit.providers.test_web_services import NewService

#: What the suite of both ports runs over; of `azureml` the test's own provider, for both.
SERVICES = ("classic memory", "classic http", "new memory", "new http", "azureml")
#: The app's own provider for jobs, over the workspace in memory and over HTTP.
WORKSPACES = ("workspace memory", "workspace http")


@dataclass
class TrainingBench:
    """A service that trains, and what only a test can do to it."""

    training: TrainingService
    request: JobRequest
    finish: Callable[[], object]
    switch: Callable[[], object]
    starts: Callable[[], list[str]]


@dataclass
class Bench(TrainingBench):
    """The same with an endpoint."""

    endpoint: ServingEndpoint
    model: Callable[[str], ModelRef]


def job_request(data: BlobVersion, config: Pipeline) -> JobRequest:
    return JobRequest("sample-1", 1, {"input1": data}, outputs_of(config), {}, config.training)


def outputs_of(config: Pipeline) -> dict[str, str]:
    named = config.training.outputs.items()
    return {output: output_path("sample", "sample-1", 1, file) for output, file in named}


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


@contextmanager
def bench_of(name: str) -> Iterator[Bench]:
    """Serve one of `SERVICES` for as long as the block lasts."""
    kind, _, where = name.partition(" ")
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


@contextmanager
def training_bench_of(name: str) -> Iterator[TrainingBench]:
    """Serve one of `SERVICES` or `WORKSPACES` for as long as the block lasts."""
    if name not in WORKSPACES:
        with bench_of(name) as bench:
            yield bench
        return
    world = AzureMlRuns()
    if name == "workspace memory":
        yield workspace_bench(world, world.wire, world.pipeline)
        return
    with AzureMlServer(world.azureml) as server:
        text = world.pipeline.model_dump_json().replace(WORKSPACE, f"{server.url}{WORKSPACE}")
        config = Pipeline.model_validate_json(text, context={"development": True})
        http = RequestsHttp()
        made = workspace_bench(world, http, config)

        def finish() -> None:
            with server.lock:  # it also works on jobs by itself
                world.azureml.hooks.finish_jobs()

        made.finish = finish
        yield made
        http.close()


def workspace_bench(world: AzureMlRuns, http: Http, config: Pipeline) -> TrainingBench:
    providers = ConfiguredProviders(
        http,
        world.environment,
        world.blobs,
        world.blobs,
        MODELS,
        development=True,
        tokens=Tokens(Identity()),
    )
    data = world.blobs.put(DATA, "new.csv", CSV)
    inputs = {"training_data": data}
    return TrainingBench(
        training=providers.training(config.training),
        request=JobRequest("sample-1", 1, inputs, outputs_of(config), {}, config.training),
        finish=world.azureml.hooks.finish_jobs,
        switch=lambda: world.clock.move(timedelta(minutes=3)),
        starts=lambda: list(world.azureml.jobs.all),
    )
