"""A registered model that an operator names: it is promoted without a job, and never twice."""

import logging
from typing import Any

import pytest

from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Origin, Phase
from shared.errors import IdempotencyConflictError, InvalidRequestError
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_runs import AzureMlRuns
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.world import MODELS, World

NAMED = ManualRequest(model="azureml:census:2")
RULES = {"gate": {"rules": [{"metric": "AUC", "at_least": 0.5}]}}


def world_with(pipeline: dict[str, Any] | None = None) -> AzureMlWorld:
    """Return a world whose workspace has versions 1 and 2 of the model `census`."""
    world = AzureMlWorld(config={"pipeline": pipeline or {}})
    known = {"modelType": "mlflow_model", "modelUri": "azureml://datastores/models/paths/2"}
    world.azureml.put_model("census", "2", {"properties": known})
    return world


def ask(world: World, request: ManualRequest = NAMED, key: str = "k") -> Any:
    return world.app.requests.requested(world.pipeline, key, request)


def test_it_is_promoted_without_a_job() -> None:
    world = world_with()
    run = ask(world)
    assert run.origin is Origin.MODEL
    assert world.until(run, Phase.PROMOTED, ticks=60).job is None
    assert world.azureml.jobs.all == {}


def test_rules_cannot_be_checked_so_that_an_operator_is_asked() -> None:
    world = world_with(RULES)
    run = world.until(ask(world), Phase.AWAITING_APPROVAL)
    assert run.unchecked is not None
    assert "not checked" in run.unchecked
    world.run_operations.approve(run.run_id, OperatorCommand(by="ada"))
    world.until(run, Phase.PROMOTED, ticks=60)


def test_the_same_request_is_one_run_and_another_model_another_request() -> None:
    world = world_with()
    assert ask(world).run_id == ask(world).run_id
    assert len(world.runs()) == 1
    with pytest.raises(IdempotencyConflictError):
        ask(world, ManualRequest(model="azureml:census:1"))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (ManualRequest(model="azureml:census:7"), "no model"),
        (ManualRequest(model="azureml:census@latest"), "name the version"),
        (ManualRequest(model="a.pkl"), "azureml:"),
        (ManualRequest(model="azureml:census:2", data="a.csv"), "leave data, parameters and due"),
        (
            ManualRequest(model="azureml:census:2", parameters={"x": 1}),
            "leave data, parameters and due",
        ),
    ],
)
def test_a_request_that_names_no_model_version_is_refused(
    request_: ManualRequest, says: str
) -> None:
    world = world_with()
    with pytest.raises(InvalidRequestError, match=says):
        ask(world, request_)
    assert world.runs() == []


def test_a_pipeline_without_an_endpoint_has_nothing_to_promote_it_to() -> None:
    with pytest.raises(InvalidRequestError, match="has no endpoint for it"):
        ask(AzureMlRuns())


def test_studio_takes_uploads_and_no_names() -> None:
    with pytest.raises(InvalidRequestError, match=rf"upload it to {MODELS}/promote/<pipeline>"):
        ask(World())


def test_an_upload_for_a_pipeline_that_takes_names_is_answered_with_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = AzureMlRuns()
    with caplog.at_level(logging.INFO):
        for name in ("promote/sample/MLmodel", "promote/sample/model.ilearner"):
            world.blobs.put(MODELS, name, b"x")
            assert world.app.model_events.model_arrived(name) is None
    (line,) = [one for one in caplog.messages if "promote/sample" in one]
    assert 'POST /api/pipelines/sample/runs with {"model": "azureml:<name>:<version>"}' in line
    assert world.runs() == []
