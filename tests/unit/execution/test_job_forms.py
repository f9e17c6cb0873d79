"""Every documented form of a batch job leads to a model that serves (studio-classic §1)."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from local.studio import InstantTrainer
from local.studio.training import Trained
from shared.core.config.pipeline import Pipeline
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase
from shared.errors import NoSuchDataError
from tests.fakes.blobs import ACCOUNT_KEY
from tests.unit.worlds import Observed

CONNECTION = (
    "DefaultEndpointsProtocol=https;AccountName=account;"
    f"AccountKey={ACCOUNT_KEY};EndpointSuffix=core.windows.net"
)


@dataclass
class Forms(Observed):
    """A world that keeps the jobs that were submitted."""

    def submitted(self) -> dict[str, Any]:
        sent = zip(self.http.sent, self.bodies, strict=True)
        found: dict[str, Any] = next(json.loads(b) for one, b in sent if one.endswith("/jobs"))
        return found


def written(**training: Any) -> dict[str, Any]:
    return {"training": training}


def promoted(world: Forms) -> None:
    run = world.until(world.start(), Phase.PROMOTED)
    assert world.serving() == world.model_of(run)


def test_a_service_of_one_input_is_given_input() -> None:
    world = Forms(config=written(input="{data}"))
    promoted(world)
    assert "Inputs" not in world.submitted()
    assert world.submitted()["Input"]["RelativeLocation"] == "training-data/new.csv"


def test_references_by_connection_string_name_a_setting(caplog: pytest.LogCaptureFixture) -> None:
    world = Forms(config=written(connection_string="${STORAGE}"))
    world.environment["STORAGE"] = CONNECTION
    promoted(world)
    reference = world.submitted()["Inputs"]["input1"]
    assert reference["ConnectionString"] == CONNECTION
    assert reference["RelativeLocation"] == "training-data/new.csv"
    assert ACCOUNT_KEY not in world.everything_stored() + caplog.text


def test_outputs_left_to_the_service_are_fetched_and_copied() -> None:
    world = Forms(config=written(outputs={}), own_storage=CONNECTION)
    run = world.until(world.start(), Phase.PROMOTED)
    assert not world.submitted().get("Outputs")
    assert run.model is not None
    assert run.model.name == f"models/runs/sample/{run.run_id}/1/output1.ilearner"
    assert world.serving() == world.model_of(run)
    assert "sig=" not in world.everything_stored()


def test_one_output_may_be_overridden_and_the_model_left() -> None:
    world = Forms(config=written(outputs={"output2": "evaluation.csv"}), own_storage=CONNECTION)
    promoted(world)
    assert set(world.submitted()["Outputs"]) == {"output2"}


def test_a_model_left_to_the_service_is_chosen_by_its_kind_and_not_by_its_name() -> None:
    world = Forms(config=written(outputs={}), own_storage=CONNECTION)
    (endpoint,) = world.pipeline.endpoints
    wrong = endpoint.model_copy(update={"model": "output2"})
    world.pipeline = world.pipeline.model_copy(update={"endpoints": (wrong,)})
    world.restart()
    run = world.until(world.start(), Phase.PARKED)
    assert "output1" in (run.reason or "")


def test_parameters_keep_their_kinds_on_the_wire() -> None:
    parameters = {"text": "x", "whole": 3, "real": 0.5, "yes": True}
    world = Forms(config=written(parameters=parameters))
    world.start()
    assert world.submitted()["GlobalParameters"] == parameters


def test_a_dedicated_pool_is_named() -> None:
    world = Forms(config=written(azure_batch_pool_id="0a1b"))
    promoted(world)
    assert world.submitted()["AzureBatchPoolId"] == "0a1b"


class DatalessTrainer(InstantTrainer):
    """Trains on data that it finds itself, as a service with an Import Data module does."""

    def train(self, inputs: Any, parameters: Any, *, label: str | None) -> Trained:
        assert not inputs
        data = {"input1": b"a,b,label\n4,4,0\n2,1,1\n"}
        return super().train(data, parameters, label=label)


@pytest.fixture
def dataless() -> Forms:
    world = Forms(inputs=(), config={"pipeline": {"data": None}, **written(inputs={})})
    world.studio._board._trainer = DatalessTrainer()
    return world


def test_a_job_without_input_runs_for_an_operator(dataless: Forms) -> None:
    asked = dataless.app.requests
    run = asked.requested(dataless.pipeline, "key", ManualRequest())
    assert run.manifest == ()
    assert "Inputs" not in dataless.submitted()
    assert "Input" not in dataless.submitted()
    dataless.until(run, Phase.PROMOTED)
    with pytest.raises(NoSuchDataError, match="takes no data"):
        asked.requested(dataless.pipeline, "other", ManualRequest(data="new.csv"))


def test_a_job_without_input_runs_at_its_due_times(dataless: Forms) -> None:
    dataless.pipeline = dataless.pipeline.model_copy(update={"schedule": "0 0 * * * *"})
    poll = dataless.another().poll
    poll.tick()
    dataless.clock.move(dataless.limits.keep / 9600)  # an hour
    poll.start_scheduled()
    poll.start_scheduled()
    dataless.restart()
    (run,) = dataless.runs()
    dataless.until(run, Phase.PROMOTED)


def test_data_of_others_opens_no_run_of_a_pipeline_without_data(dataless: Forms) -> None:
    dataless.upload()
    assert dataless.deliver() == []


def test_the_url_may_be_that_of_a_new_service() -> None:
    world = Forms()
    workspace, _, service = world.training.jobs_url.removeprefix("/workspaces/").partition("/")
    url = f"https://studio.example/subscriptions/{workspace}/{service}"
    training = world.pipeline.training.model_copy(update={"service": f"{url}?api-version=2.0"})
    world.pipeline = world.pipeline.model_copy(update={"training": training})
    world.restart()
    promoted(world)


@pytest.mark.parametrize("form", ["numeric", "names"])
def test_states_may_be_numbers_or_names(form: str) -> None:
    world = Forms()
    world.studio._numeric_status = form == "numeric"
    promoted(world)


def test_a_stored_pipeline_of_an_earlier_version_is_still_read() -> None:
    world = Forms()
    reported = json.loads(world.pipeline.model_dump_json())
    for name in ("roll_out", "key"):
        reported.pop(name)
    for name in ("input", "connection_string", "azure_batch_pool_id"):
        reported["training"].pop(name)
    for name in ("workspace_token", "create"):
        reported["endpoints"][0].pop(name)
    assert Pipeline.model_validate(reported) == world.pipeline
