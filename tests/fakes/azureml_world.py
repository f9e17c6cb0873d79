"""A world whose pipeline trains and serves with Azure Machine Learning v2, in memory."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.pipeline import Pipeline
from shared.core.redaction import Redactor
from shared.ports.serving import Plan, ServingEndpoint
from shared.ports.training import TrainingService
from shared.providers.redacting import RedactingEndpoint, RedactingTraining
from tests.fakes.azureml_serving import AzureMlServing
from tests.fakes.azureml_training import AzureMlTraining
from tests.fakes.world import MODELS
from tests.unit.worlds import Observed

CENSUS = "census"
#: What a test needs to see of times that are minutes at the service.
QUICK: dict[str, Any] = {
    "provisioning": timedelta(minutes=2),
    "updating_endpoint": timedelta(seconds=20),
    "routing_lag": timedelta(seconds=40),
}


@dataclass
class AzureMlProviders:
    """The app's providers, each part of the configuration by the workspace of the test."""

    world: "AzureMlWorld"
    redactor: Redactor

    def training(self, training: Training) -> TrainingService:
        world = self.world
        service = AzureMlTraining(
            world.azureml, world.blobs, MODELS, world.faults, world.cancelled_jobs
        )
        return RedactingTraining(service, self.redactor)

    def serving(self, endpoint: Endpoint) -> ServingEndpoint:
        rows = endpoint.verify.rows if endpoint.verify else None
        world = self.world
        service = AzureMlServing(world.azureml, CENSUS, rows, world.faults, world.plan)
        return RedactingEndpoint(service, self.redactor)

    def secrets_of(self, pipeline: Pipeline) -> tuple[str, ...]:
        del pipeline
        return ()


@dataclass
class AzureMlWorld(Observed):
    """The usual world over a workspace: an endpoint that serves `census/1` by `blue`."""

    switches: Switches = field(default_factory=lambda: Switches(**QUICK))
    plan: Plan = field(
        default_factory=lambda: Plan(stages=True, shares=(10, 50, 100), keeps=timedelta(days=1))
    )

    def __post_init__(self) -> None:
        self.cancelled_jobs: set[str] = set()
        self.azureml = AzureMl(self.clock, self.switches)
        self.azureml.hooks.add_endpoint(CENSUS)
        self.azureml.hooks.add_deployment(CENSUS, "blue", "census/1")
        self.azureml.hooks.set_traffic(CENSUS, {"blue": 100})
        super().__post_init__()

    def providers(self, redactor: Redactor) -> AzureMlProviders:
        return AzureMlProviders(self, redactor)

    def tick(self, seconds: int = 30) -> None:
        self.azureml.hooks.finish_jobs()
        super().tick(seconds)

    def traffic(self) -> dict[str, int]:
        """Return who gets requests, as the service routes them."""
        endpoint = self.azureml.state.endpoints[CENSUS]
        self.azureml.operations.finish_due()
        return {name: share for name, share in endpoint.traffic.items() if share}

    def deployments(self) -> set[str]:
        self.azureml.operations.finish_due()
        return set(self.azureml.state.endpoints[CENSUS].deployments)
