"""Jobs of both services score the live model and the anchor that they are given."""

from typing import Any

import pytest

from local.studio import OutputKind, Parameter, ParameterKind
from shared.core.config.pipeline import Pipeline
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_world import CENSUS, AzureMlWorld
from tests.fakes.world import pipeline
from tests.unit.execution.gated_worlds import BOSS
from tests.unit.operations.judged_worlds import backtest
from tests.unit.operations.test_doctor import finding
from tests.unit.worlds import Observed

HERE = EndpointAddress("sample", "production")
GATE: dict[str, Any] = {
    "compare": {"predictions": "predictions", "anchor": "pinned"},
    "rules": [{"metric": "AUC", "max_drop": 1.0}],
    "first_model": "allow",
}
STUDIO: dict[str, Any] = {
    "training": {
        "outputs": {"model": "model.ilearner", "predictions": "predictions.csv"},
        "parameters": {"live": "{live.model}", "anchor": "{anchor.model}"},
    },
    "pipeline": {"gate": GATE},
}
MODEL_INPUT = {"type": "mlflow_model", "optional": "True"}
COMPONENT: dict[str, Any] = {
    "type": "command",
    "inputs": {
        "training_data": {"type": "uri_file"},
        "live": MODEL_INPUT,
        "anchor": MODEL_INPUT,
    },
    "outputs": {"model": {"type": "mlflow_model"}, "predictions": {"type": "uri_folder"}},
    "command": "train",
    "environment": "azureml:train_census:1",
}


def data(number: int) -> bytes:
    rows = (f"{at * 7 % 13},{at * number % 11},{at % 2}" for at in range(120))
    return "\n".join(("a,b,label", *rows)).encode()


def studio() -> Observed:
    world = Observed()
    model = Parameter(ParameterKind.MODEL)
    training = world.studio.publish_training(
        "compares",
        outputs={"model": OutputKind.MODEL, "predictions": OutputKind.PREDICTIONS},
        parameters={"live": model, "anchor": model},
    )
    world.environment["TRAINING_KEY"] = training.api_key
    world.pipeline = pipeline(training, world.endpoint, STUDIO)
    world.restart()
    return world


def azureml(traffic: dict[str, int] | None = None) -> Observed:
    inputs = {"training_data": "{data}", "live": "{live.model}", "anchor": "{anchor.model}"}
    training = {
        "component": "azureml:compares:1",
        "inputs": inputs,
        "outputs": {"model": "model", "predictions": "predictions"},
    }
    world = AzureMlWorld()
    tree = world.pipeline.model_dump(mode="json")
    tree |= {"training": {**tree["training"], **training}, "gate": GATE}
    world.pipeline = Pipeline.model_validate(tree, context={"development": False})
    world.restart()
    world.azureml.hooks.add_asset("components", "compares", "1", {"componentSpec": COMPONENT})
    world.azureml.hooks.set_traffic(CENSUS, traffic or {})
    return world


def given(world: Observed, run: Run) -> dict[str, str]:
    """Return the models that the service was told to load, by input or parameter."""
    if isinstance(world, AzureMlWorld):
        job = world.azureml.jobs.all[run.job or ""]
        inputs = job.properties["inputs"].items()
        return {name: one["uri"] for name, one in inputs if name != "training_data"}
    (found,) = [job for job in world.studio.jobs if job.id == run.job]
    return found.parameters


def promoted(world: Observed, number: int) -> Run:
    run = world.next_run(f"{number}.csv", data(number))
    return world.until(run, Phase.PROMOTED, ticks=80)


@pytest.mark.parametrize("service", [studio, azureml])
def test_a_job_gets_the_models_that_serve_and_are_pinned(service: Any) -> None:
    world: Observed = service()
    first = promoted(world, 2)
    assert (given(world, first), first.given_models) == ({}, ())
    second = promoted(world, 3)
    third = promoted(world, 5)

    for run, live in ((second, first), (third, second)):
        models = given(world, run)
        assert f"/{live.run_id}/1/model" in models["live"]
        assert f"/{first.run_id}/1/model" in models["anchor"]
        assert run.verdict is not None
        assert run.verdict.outcome is RuleOutcome.FIT
        found = run.verdict.results[0].comparisons
        assert found[0].rows > 100
        assert (found[0].against, found[0].run_id) == ("live", live.run_id)
    assert third.verdict is not None
    assert [one.run_id for one in third.verdict.results[0].comparisons] == [
        second.run_id,
        first.run_id,
    ]
    assert "sig=" not in world.everything_stored()


def test_a_first_model_is_not_promoted_over_a_deployment_that_no_job_could_score() -> None:
    world = azureml({"blue": 100})
    run = world.until(world.next_run("2.csv", data(2)), Phase.AWAITING_APPROVAL, ticks=80)
    verdict = run.verdict
    assert verdict is not None
    serves = "the model of deployment blue of model azureml:census:1 serves now"
    assert f"{serves}, and this one was not compared" in verdict.reason
    assert "a new run is compared" not in str(run.advice)
    for from_files in (False, True):
        (replay,) = backtest(world, world.pipeline.gate, from_files=from_files)
        assert replay.verdict == verdict
    world.run_operations.approve(run.run_id, OperatorCommand("ada", "good"))
    world.until(run, Phase.PROMOTED, ticks=80)


def test_an_endpoint_of_several_that_is_not_there_yet_holds_no_verdict() -> None:
    training = {
        "component": "azureml:compares:1",
        "inputs": {"training_data": "{data}"},
        "outputs": {"model": "model", "predictions": "predictions"},
    }
    world = AzureMlWorld()
    tree = world.pipeline.model_dump(mode="json")
    (one,) = tree["endpoints"]
    second = {**one, "name": "second", "endpoint": "census-two", "create": True}
    compare = {"predictions": "predictions", "holdout": "training-data/holdouts/rows.csv"}
    tree |= {
        "training": {**tree["training"], **training},
        "gate": {"compare": compare, "rules": GATE["rules"], "first_model": "allow"},
        "endpoints": [one, second],
    }
    world.pipeline = Pipeline.model_validate(tree, context={"development": False})
    world.restart()
    inputs = {"training_data": COMPONENT["inputs"]["training_data"]}
    spec = {"componentSpec": {**COMPONENT, "inputs": inputs}}
    world.azureml.hooks.add_asset("components", "compares", "1", spec)
    run = world.next_run("2.csv", data(2))
    assert world.until(run, Phase.PROMOTED, ticks=120).deliveries


def test_a_model_that_requests_were_moved_from_is_not_the_live_one() -> None:
    world = azureml()
    promoted(world, 2)
    run = world.until(world.next_run("3.csv", data(3)), Phase.TRAINING, ticks=40)
    assert isinstance(world, AzureMlWorld)
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100})
    run = world.until(run, Phase.AWAITING_APPROVAL, ticks=80)
    assert run.verdict is not None
    assert run.verdict.outcome is RuleOutcome.UNSURE
    assert run.verdict.uncompared == ("deployment blue of model azureml:census:1",)


def test_a_pinned_model_is_given_from_the_next_job_on() -> None:
    world = studio()
    promoted(world, 2)
    second = promoted(world, 3)
    third = promoted(world, 5)
    world.app.endpoints.pin(HERE, second.run_id, BOSS)
    fourth = promoted(world, 7)

    assert f"/{third.run_id}/1/model" in given(world, fourth)["live"]
    assert f"/{second.run_id}/1/model" in given(world, fourth)["anchor"]


@pytest.mark.parametrize(("number", "what"), [(0, "the anchor"), (1, "the live model")])
def test_a_model_whose_files_are_gone_is_named_before_a_job_fails_for_it(
    number: int, what: str
) -> None:
    world = studio()
    runs = [promoted(world, 2), promoted(world, 3)]
    deleted = runs[number]
    world.blobs.remove("models", f"runs/sample/{deleted.run_id}/1/model.ilearner")
    run = world.until(world.next_run("5.csv", data(5)), Phase.PARKED, ticks=80)

    assert f"the job cannot be given {what} (run {deleted.run_id}): there is no model at" in str(
        run.reason
    )
    assert (run.job, run.advice is not None) == (None, True)
    notes = world.app.pipelines.preview("sample", None).notes
    assert [note for note in notes if what in note and "cannot be made" in note]
    if what == "the anchor":
        assert "pin another model" in str(run.advice)
        outcome, text, advice = finding(world, "endpoints", "sample/production: anchor")
        assert (outcome, deleted.run_id in text, "pin another" in advice) == ("wrong", True, True)
        world.app.endpoints.pin(HERE, runs[1].run_id, BOSS)
        world.app.run_operations.retry(run.run_id)
        assert world.until(run, Phase.PROMOTED, ticks=80).given_models[1].run_id == runs[1].run_id


def test_doctor_looks_for_the_anchor_and_says_what_would_delete_it() -> None:
    world = studio()
    first, name = promoted(world, 2), "sample/production: anchor"
    outcome, text, _ = finding(world, "endpoints", name)
    assert (outcome, f"the model of run {first.run_id} is 0 days old" in text) == ("ok", True)
    assert "MODEL_RETENTION_DAYS" in text
    world.app.endpoints.unpin(HERE, BOSS)
    assert finding(world, "endpoints", name)[1].startswith("no model is pinned yet")
