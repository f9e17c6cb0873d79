"""A world that trains and serves in a workspace of Azure ML, with the app's providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from local.azureml.answers import WORKSPACE
from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from shared.core.config.pipeline import Pipeline
from tests.fakes.azureml_runs import COURSE, AzureMlRuns
from tests.fakes.read_once import pipeline_of

CENSUS = "census"
#: What a test needs to see of times that are minutes at the service.
QUICK: dict[str, Any] = {
    "course": COURSE,
    "provisioning": timedelta(minutes=2),
    "updating_endpoint": timedelta(seconds=20),
    "routing_lag": timedelta(seconds=40),
}
ROWS: dict[str, Any] = {"input_data": {"columns": ["a", "b"], "data": [["1", "2"], ["3", "4"]]}}
#: As `az ml online-deployment create -f` takes it.
FILE: dict[str, Any] = {"instance_type": "Standard_F4s_v2", "instance_count": 1}


@dataclass
class AzureMlWorld(AzureMlRuns):
    """An endpoint of the workspace serves `census/1` by `blue`, and gets what is trained."""

    switches: Switches = field(default_factory=lambda: Switches(**QUICK))
    traffic_rules: Mapping[str, Any] = field(default_factory=dict)  #: `traffic` in the file

    def configured(self) -> Pipeline:
        return with_endpoint(super().configured(), self.config, self.traffic_rules)

    def made(self) -> AzureMl:
        service = super().made()
        service.hooks.add_endpoint(CENSUS)
        service.hooks.add_deployment(CENSUS, "blue", "census/1")
        service.hooks.set_traffic(CENSUS, {"blue": 100})
        return service

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


def with_endpoint(
    known: Pipeline, changes: Mapping[str, Any], traffic: Mapping[str, Any]
) -> Pipeline:
    """Return a pipeline whose only endpoint is an online endpoint of the workspace.

    Args:
        known: the usual pipeline.
        changes: laid over it, as in other worlds.
        traffic: `traffic` of the endpoint, in addition to steps of 10, 50 and 100.
    """
    endpoint = {
        "kind": "azureml",
        "name": "production",
        "workspace": WORKSPACE,
        "endpoint": CENSUS,
        "deployment": FILE,
        "traffic": {"steps": [10, 50, 100], **traffic},
        "verify": {"rows": ROWS, "within": "3m"},
        **changes.get("online", {}),
    }
    tree = {
        **known.model_dump(mode="json"),
        # It is the subject of other tests, and costs each trial here.
        "gate": changes.get("gate", {}),
        "endpoints": [endpoint],
        **changes.get("pipeline", {}),
    }
    return pipeline_of(tree)
