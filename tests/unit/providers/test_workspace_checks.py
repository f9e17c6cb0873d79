"""Each wrong part of a workspace, and doctor's line about it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from shared.core.findings import CheckOutcome, Finding
from shared.errors import TransientError
from shared.operations.doctor_runner import Bounds, results_of
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Answer
from tests.fakes.azureml_world import AzureMlWorld

Script = Callable[[str, str], Answer | None]
QUICK = Bounds(whole=20.0, each=10.0)


class Workspace:
    """The checks of a workspace, some of whose answers a test writes."""

    def __init__(self, **config: Any) -> None:
        self.world = AzureMlWorld(config=config)
        self.script: Script = lambda _method, _url: None
        send = self.world.wire.send

        def scripted(
            method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
        ) -> Answer:
            return self.script(method, url) or send(method, url, headers, body)

        self.world.wire.send = scripted  # type: ignore[method-assign]
        providers = self.world.context.providers
        assert isinstance(providers, ConfiguredProviders)
        self.providers = providers

    def training(self, **changes: Any) -> dict[str, Finding]:
        training = self.world.pipeline.training.evolve(**changes)
        return self._found(self.providers.training_checks(training))

    def serving(self) -> dict[str, Finding]:
        return self._found(self.providers.serving_checks(self.world.pipeline.endpoints[0]))

    def _found(self, checks: Any) -> dict[str, Finding]:
        found = results_of(checks, QUICK)
        names = [one.name.partition(": ")[2] for one in checks]
        return dict(zip(names, found, strict=True))


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


def refusal(status: int, code: str, message: str = "words of the service") -> Answer:
    body = {"error": {"code": code, "message": message}}
    return Answer(status, {}, json.dumps(body).encode())


def wrong(found: Mapping[str, Finding]) -> dict[str, Finding]:
    return {name: one for name, one in found.items() if one.outcome is CheckOutcome.WRONG}


def test_a_sound_workspace_is_ok_and_nothing_is_written(workspace: Workspace) -> None:
    found = {**workspace.training(), **workspace.serving()}
    assert not wrong(found)
    assert list(found) == [
        "read",
        "compute cpu-cluster",
        "component azureml:train_census:1",
        "datastore of account/models",
        "data plane",
        "endpoint census, deployments",
        "endpoint census, metrics",
    ]
    assert "blue Succeeded 100 %" in found["endpoint census, deployments"].text
    assert not [one for one in workspace.world.wire.sent if not one.startswith("GET ")]


def test_a_missing_role_is_reported_with_the_role(workspace: Workspace) -> None:
    workspace.script = lambda _method, _url: refusal(403, "AuthorizationFailed")
    found = workspace.training()
    assert set(wrong(found)) == {"read"}  # a cause is told once
    assert {one.outcome for name, one in found.items() if name != "read"} == {
        CheckOutcome.NOT_CHECKED
    }
    assert "AzureML Data Scientist" in found["read"].advice
    assert "AuthorizationFailed" in found["read"].text


def test_a_missing_monitoring_role_has_advice_of_its_own(workspace: Workspace) -> None:
    workspace.script = lambda _method, url: (
        refusal(403, "AuthorizationFailed") if "/metrics" in url else None
    )
    found = workspace.serving()
    assert list(wrong(found)) == ["endpoint census, metrics"]
    assert "Monitoring Reader on the workspace" in found["endpoint census, metrics"].advice


@pytest.mark.parametrize(
    ("code", "status", "advice"),
    [
        ("ResourceNotFound", 404, "correct training.workspace"),
        ("ResourceGroupNotFound", 404, "correct the resource group in training.workspace"),
        ("SubscriptionNotFound", 404, "correct the subscription in training.workspace"),
        ("InvalidAuthenticationTokenTenant", 401, "an identity of that tenant"),
    ],
)
def test_a_wrong_workspace_is_reported_by_its_part(
    workspace: Workspace, code: str, status: int, advice: str
) -> None:
    workspace.script = lambda _method, _url: refusal(status, code)
    assert advice in workspace.training()["read"].advice


def test_a_host_that_cannot_be_reached_is_named(workspace: Workspace) -> None:
    def unreachable(_method: str, _url: str) -> Answer | None:
        raise TransientError("GET: no host is known by the name of the service")

    workspace.script = unreachable
    found = workspace.training()
    assert "no host is known" in found["read"].text
    assert "management.azure.com" in found["read"].advice


def test_what_a_job_names_and_is_not_there_is_reported_with_the_command_that_makes_it(
    workspace: Workspace,
) -> None:
    found = workspace.training(
        component="azureml:nothing:1", compute="no-cluster", datastore="other"
    )
    assert set(wrong(found)) == {
        "component azureml:nothing:1",
        "compute no-cluster",
        "datastore of account/models",
    }
    assert "az ml component create" in found["component azureml:nothing:1"].advice
    assert "az ml compute create" in found["compute no-cluster"].advice
    assert "az ml datastore create" in found["datastore of account/models"].advice


def test_a_datastore_of_another_account_is_reported(workspace: Workspace) -> None:
    workspace.world.azureml.hooks.add_datastore("theirs", "models", account="another")
    found = workspace.training(datastore="theirs", data_datastore="nowhere")
    assert (
        "covers another/models, and not account/models" in found["datastore of account/models"].text
    )
    assert found["datastore nowhere"].outcome is CheckOutcome.WRONG


def test_a_check_does_not_use_cached_values(workspace: Workspace) -> None:
    assert not wrong(workspace.training())
    workspace.script = lambda _method, url: (
        refusal(404, "NotFound") if "/computes/" in url else None
    )
    assert list(wrong(workspace.training())) == ["compute cpu-cluster"]


def test_a_deployment_with_traffic_that_failed_is_reported(workspace: Workspace) -> None:
    blue = workspace.world.azureml.state.endpoints["census"].deployments["blue"]
    blue.state = "Failed"
    found = workspace.serving()["endpoint census, deployments"]
    assert found.outcome is CheckOutcome.WRONG
    assert "blue Failed 100 %" in found.text
    assert "--endpoint-name census --name blue" in found.advice


def _echo(value: Any, words: str) -> Any:
    """Return an answer in which each text also repeats something, or only that."""
    if isinstance(value, dict):
        return {name: _echo(one, words) for name, one in value.items()} | {words: words}
    if isinstance(value, list):
        return [_echo(one, words) for one in value]
    return f"{value} {words}" if isinstance(value, str) else value


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409, 500])
def test_no_token_that_the_workspace_repeats_is_shown(workspace: Workspace, status: int) -> None:
    world, send, tokens = workspace.world, workspace.world.wire.send, set[str]()

    def echoing(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        answer, token = send(method, url, headers, body), headers.get("Authorization", "")
        tokens.update(part for part in token.removeprefix("Bearer ").split(".") if len(part) > 20)
        if status == 200:
            content = json.dumps(_echo(answer.json(), token)).encode()
            return Answer(answer.status, {**answer.headers, "x-echo": token}, content)
        error = {"error": {"code": token, "message": f"{'x' * 480} {token}"}}
        return Answer(status, {"x-ms-request-id": token}, json.dumps(error).encode())

    world.wire.send = echoing  # type: ignore[method-assign]
    shown = str(replace(world.app.doctor, bounds=QUICK).report())
    assert tokens
    assert not [token for token in tokens if token in shown or token[:40] in shown]


def test_an_endpoint_that_the_first_promotion_makes_is_not_wrong() -> None:
    workspace = Workspace(online={"endpoint": "later", "create": True})
    assert {one.outcome for one in workspace.serving().values()} == {CheckOutcome.NOT_CHECKED}
    workspace = Workspace(online={"endpoint": "later"})
    assert set(wrong(workspace.serving())) == set(workspace.serving())
