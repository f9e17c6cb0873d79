"""Drives online endpoints by azure-ai-ml, and checks the answers.

A part of `driver.py`, which imports it.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

_SECONDS = 60
_NAME = "by-the-client"


class EndpointSteps:
    """The checks of endpoints, one step after the other.

    Args:
        client: of the workspace.
        order: where the stand-in is, and what was made there by others.
    """

    def __init__(self, client: MLClient, order: dict[str, Any]) -> None:
        self._order, self._examples = order, Path(order["examples"])
        self._endpoints, self._deployments = client.online_endpoints, client.online_deployments
        self._request = str(self._examples / "request.json")

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the steps by name; later ones use what earlier ones made."""
        return [
            ("deploys two models", self.deploy),
            ("moves traffic, scores and reads logs", self.score),
            ("reads the endpoint that the app makes", self.of_the_app),
            ("deletes deployments and an endpoint", self.delete),
        ]

    def deploy(self) -> None:
        """Make an endpoint with two deployments: one of registered code, one of a local folder."""
        endpoint = load_online_endpoint(self._examples / "endpoint.yml")
        endpoint.name = _NAME
        made = self._endpoints.begin_create_or_update(endpoint).result(_SECONDS)
        holds(made.provisioning_state == "Succeeded", made.provisioning_state)
        green = self._template("green")
        green.code_configuration = CodeConfiguration(
            code=str(self._examples / "src"), scoring_script="score.py"
        )
        going = [
            self._deployments.begin_create_or_update(one) for one in (self._template("blue"), green)
        ]
        for one in going:
            one.wait(_SECONDS)
        states = {one.name: one.provisioning_state for one in self._deployments.list(_NAME)}
        holds(states == {"blue": "Succeeded", "green": "Succeeded"}, states)

    def score(self) -> None:
        """Give blue all requests, and ask it, and green by its name."""
        endpoint = self._endpoints.get(_NAME)
        endpoint.traffic = {"blue": 100}
        self._endpoints.begin_create_or_update(endpoint).wait(_SECONDS)
        shown = self._endpoints.get(_NAME)
        holds(shown.traffic == {"blue": 100, "green": 0}, shown.traffic)  # it adds the others
        told = [
            self._endpoints.invoke(_NAME, request_file=self._request, **named)
            for named in ({}, {"deployment_name": "green"})
        ]
        scores = [json.loads(one) for one in told]
        holds(scores[0] == scores[1], scores)  # one model
        holds(all(0 <= score <= 1 for score in scores[0]), scores)
        log = self._deployments.get_logs("green", _NAME, lines=50)
        holds("POST /score 200" in log, log)
        holds(self._endpoints.get_keys(_NAME).primary_key)

    def of_the_app(self) -> None:
        """Read an endpoint, a deployment and its traffic that were PUT as the app does."""
        print("the app: serve", flush=True)
        sys.stdin.readline()
        name = self._order["endpoint"]
        shown = self._endpoints.get(name)
        (deployment,) = self._deployments.list(name)
        holds(shown.traffic == {deployment.name: 100}, shown.traffic)
        holds(deployment.tags["relearn.run"], deployment.tags)
        holds(deployment.instance_type and deployment.code_configuration.scoring_script)
        model = "/models/" + self._order["model"].replace("/", "/versions/")
        holds(str(deployment.model).endswith(model), deployment.model)
        # Named, since this client goes on naming the deployment that it was given last.
        named = {"deployment_name": deployment.name, "request_file": self._request}
        scores = json.loads(self._endpoints.invoke(name, **named))
        holds(all(0 <= score <= 1 for score in scores), scores)

    def delete(self) -> None:
        """Delete a deployment without traffic, be refused one with it, and delete the endpoint."""
        is_refused(lambda: self._deployments.begin_delete("blue", _NAME).wait(_SECONDS))
        self._deployments.begin_delete("green", _NAME).wait(_SECONDS)
        holds([one.name for one in self._deployments.list(_NAME)] == ["blue"])
        self._endpoints.begin_delete(_NAME).wait(_SECONDS)
        is_missing(lambda: self._endpoints.get(_NAME))

    def _template(self, name: str) -> ManagedOnlineDeployment:
        deployment = load_online_deployment(self._examples / "deployment.yml")
        deployment.name, deployment.endpoint_name = name, _NAME
        deployment.model = "azureml:" + self._order["model"].replace("/", ":")
        return deployment


def holds(truth: object, *seen: object) -> None:
    """Raise an error unless something is true.

    Args:
        truth: the thing.
        seen: what to say else.

    Raises:
        AssertionError: it is not.
    """
    if not truth:
        raise AssertionError(*seen)


def is_refused(do: Callable[[], object]) -> None:
    """Raise an error unless a call is refused."""
    _raises(HttpResponseError, do, "it was not refused")


def is_missing(do: Callable[[], object]) -> None:
    """Raise an error unless what a call asks for does not exist."""
    _raises(ResourceNotFoundError, do, "it was found")


def _raises(kind: type[Exception], do: Callable[[], object], otherwise: str) -> None:
    try:
        do()
    except kind:
        return
    raise AssertionError(otherwise)
