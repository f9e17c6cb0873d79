"""Every kind of service, ready for the contract suites of both ports."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.azureml.answers import WORKSPACE
from local.azureml.server import AzureMlServer
from local.studio import InstantTrainer
from local.studio.server import StudioServer
from shared.core.blobs import BlobVersion
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_models import registered_model
from shared.core.config.azureml_names import Asset
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_types import model_of
from shared.core.names import output_path
from shared.core.serving.references import ModelRef
from shared.ports.serving import ServingEndpoint
from shared.ports.training import JobRequest, TrainingService
from shared.providers.azureml.tokens import Tokens
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Http, RequestsHttp
from shared.providers.studio.call import ArmToken
from tests.fakes.azureml_http import Identity
from tests.fakes.azureml_world import ROWS as SAMPLE_ROWS
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.wire import FixedCredential
from tests.fakes.world import CSV, DATA, MODELS, ROWS, World
from tests.unit.providers.test_web_services import NewService

#: What the suites of both ports run over.
SERVICES = (
    "classic memory",
    "classic http",
    "new memory",
    "new http",
    "workspace memory",
    "workspace http",
)


@dataclass
class Bench:
    """A service that trains, an endpoint, and what only a test can do to them."""

    training: TrainingService
    request: JobRequest
    finish: Callable[[], object]
    switch: Callable[[], object]
    starts: Callable[[], list[str]]
    endpoint: ServingEndpoint
    model: Callable[[str], ModelRef]
    rows: dict[str, Any]


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
        rows=ROWS,
    )


@contextmanager
def bench_of(name: str) -> Iterator[Bench]:
    """Serve one of `SERVICES` for as long as the block lasts."""
    kind, _, where = name.partition(" ")
    if kind == "workspace":
        with workspace_of_kind(where) as made:
            yield made
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


@contextmanager
def workspace_of_kind(where: str) -> Iterator[Bench]:
    """Serve a workspace in memory, or over HTTP, for as long as the block lasts."""
    world = AzureMlWorld()
    if where == "memory":
        yield workspace_bench(world, world.wire, world.pipeline, nullcontext())
        return
    with AzureMlServer(world.azureml) as server:
        text = world.pipeline.model_dump_json()
        text = text.replace(f'"{WORKSPACE}"', f'"{server.url}{WORKSPACE}"')
        config = Pipeline.model_validate_json(text, context={"development": True})
        http = RequestsHttp()
        # It also works on jobs by itself.
        yield workspace_bench(world, http, config, server.lock)
        http.close()


def workspace_bench(
    world: AzureMlWorld, http: Http, config: Pipeline, lock: AbstractContextManager[object]
) -> Bench:
    providers = ConfiguredProviders(
        http,
        world.environment,
        world.blobs,
        world.blobs,
        MODELS,
        development=True,
        tokens=Tokens(Identity()),
    )
    assert isinstance(config.endpoint, AzureMlEndpoint)
    place = config.endpoint.workspace_parts

    def model(name: str) -> ModelRef:
        asset = Asset("sample", name.replace("/", "-").removesuffix(".ilearner"))
        uri = f"azureml://datastores/models/paths/{name}"
        body = {"properties": {"modelType": "custom_model", "modelUri": uri}}
        with lock:
            world.azureml.put_model(asset.name, asset.version, body)
        return registered_model(asset, place)

    def finish() -> None:
        with lock:
            world.azureml.hooks.finish_jobs()

    data = world.blobs.put(DATA, "new.csv", CSV)
    inputs = {"training_data": data}
    return Bench(
        training=providers.training(config.training),
        request=JobRequest("sample-1", 1, inputs, outputs_of(config), {}, config.training),
        finish=finish,
        switch=lambda: world.clock.move(timedelta(minutes=3)),
        starts=lambda: list(world.azureml.jobs.all),
        endpoint=providers.serving(config.endpoint),
        model=model,
        rows=SAMPLE_ROWS,
    )
