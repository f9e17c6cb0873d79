"""The configuration of `endpoints[].kind: azureml`: names, steps, and what fits the training."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_endpoint_parts import CreateEndpoint, Traffic
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.endpoint_checks import not_fitting
from shared.core.config.pipeline import Pipeline
from shared.core.serving.traffic_rules import TrafficRules
from tests.unit.core.config.test_azureml_deployment_file import BARE, SCRIPTED
from tests.unit.core.config.test_azureml_training import WS, training
from tests.unit.samples import tree

OTHER = WS.replace("ws1", "ws2")
ENDPOINT: dict[str, Any] = {
    "name": "production",
    "kind": "azureml",
    "workspace": WS,
    "endpoint": "churn-ep",
    "deployment": SCRIPTED,
}


def endpoint(**changes: Any) -> AzureMlEndpoint:
    written = {name: value for name, value in {**ENDPOINT, **changes}.items() if value is not None}
    return AzureMlEndpoint.model_validate(written, context={"development": False})


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        endpoint(**changes)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"


def traffic(**written: Any) -> Traffic:
    return Traffic.model_validate(written, context={"development": False})


def pipeline(*endpoints: dict[str, Any], **changes: Any) -> Pipeline:
    written = {
        "name": "churn",
        "data": {"blob": "{customer}/{name}.csv"},
        "training": {"kind": "azureml", "workspace": WS, "component": "azureml:train:3"},
        "endpoints": list(endpoints),
        **changes,
    }
    return Pipeline.model_validate(written, context={"development": False})


def test_the_proposed_form_is_read_and_stored() -> None:
    made = endpoint(
        traffic={
            "steps": [10, 50, 100],
            "bake": "10m",
            "mirror": 20,
            "min_requests": 100,
            "max_error_rate": "1%",
            "max_latency_increase": "50 %",
        },
        keep_old="1d",
        create=True,
        verify={"rows": {"input_data": [[1.5]]}, "within": "60m"},
    )
    assert made.traffic is not None
    assert made.traffic.rules == TrafficRules(
        min_requests=100, max_error_rate=1.0, max_latency_increase=50.0
    )
    assert made.create == CreateEndpoint()
    assert (made.within, made.rows) == (timedelta(hours=1), {"input_data": [[1.5]]})
    assert made.address == f"https://management.azure.com{WS}/onlineEndpoints/churn-ep"
    assert made.ref.identity == f"{WS}/onlineEndpoints/churn-ep".lower()
    assert AzureMlEndpoint.model_validate_json(made.model_dump_json()) == made


# Names


@pytest.mark.parametrize("name", ["abc", "churn-ep", "a1b", "a" * 32, "x-1-y"])
def test_a_name_that_the_service_takes_is_taken(name: str) -> None:
    assert endpoint(endpoint=name).endpoint == name


@pytest.mark.parametrize("name", ["{customer}", "churn-{customer}", "{customer}-ep", "c{a}{b}"])
def test_a_name_may_be_chosen_by_tokens(name: str) -> None:
    assert endpoint(endpoint=name).tokens


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ab",
            "a" * 33,
            "Churn",
            "churn_ep",
            "1churn",
            "-churn",
            "churn-",
            "a--b",
            "churn ep",
            "",
        ),
        *(
            "Churn-{customer}",
            "{customer}_ep",
            "1{customer}",
            "{customer}-",
            "a" * 32 + "{customer}",
        ),
    ],
)
def test_a_name_that_the_service_refuses_is_refused(name: str) -> None:
    assert "endpoint: cannot name an endpoint: 3 to 32 lower-case letters" in refused(endpoint=name)


@pytest.mark.parametrize(
    ("pasted", "says"),
    [
        (f"{WS}/onlineEndpoints/churn", "is the address of an endpoint: write its name: churn"),
        (
            f"https://management.azure.com{WS}/onlineEndpoints/churn?api-version=x",
            "write its name: churn",
        ),
        ("https://churn.westeurope.inference.ml.azure.com/score", "write its name: churn"),
        (
            "https://churn.westeurope.inference.ml.azure.com/jobs",
            "is a batch endpoint, which is not supported yet: name a managed online endpoint",
        ),
        (f"{WS}/batchEndpoints/churn", "is a batch endpoint, which is not supported yet"),
        ("https://ml.azure.com/endpoints/realtime/churn", "is the address of an endpoint: write"),
    ],
)
def test_an_address_that_stands_for_a_name_is_recognised(pasted: str, says: str) -> None:
    assert says in refused(endpoint=pasted)


def test_tokens_that_make_no_legal_name_are_refused_with_the_reason() -> None:
    chosen = pipeline({**ENDPOINT, "endpoint": "churn-{customer}"})
    assert chosen.key_tokens == ("customer",)
    assert chosen.chosen_by({"customer": "acme", "name": "n"}).endpoints[0].tokens == ()
    for bad in ("Acme", "a_b", "a" * 27, "", "a b", "../x", "{name}"):
        with pytest.raises(ValueError, match=r"cannot name an endpoint: 3 to 32 lower-case"):
            chosen.chosen_by({"customer": bad, "name": "n"})


# Traffic


@pytest.mark.parametrize(
    "steps", [[], [50], [50, 10, 100], [10, 10, 100], [10, 50], [100, 10], [99]]
)
def test_steps_rise_and_end_at_100(steps: list[int]) -> None:
    with pytest.raises(ValidationError, match="steps: the steps must rise, and end at 100"):
        traffic(steps=steps)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"steps": [0, 100]}, "greater than or equal to 1"),
        ({"steps": [10, 101]}, "less than or equal to 100"),
        ({"steps": [10, 50.5, 100]}, "valid integer"),
        ({"mirror": 51, "bake": "10m"}, "less than or equal to 50"),
        ({"mirror": 0, "bake": "10m"}, "greater than or equal to 1"),
        ({"mirror": 20}, "bake: copies are sent for one bake, and bake is 0s: 10m"),
        ({"max_error_rate": 1}, "is not a percentage: write it like 1%"),
        ({"max_error_rate": 0.5}, "is not a percentage: write it like 1%"),
        ({"max_error_rate": "1"}, "is not a percentage: write it like 1%"),
        ({"max_error_rate": "-1%"}, "is not a percentage"),
        ({"max_error_rate": "101%"}, "less than or equal to 100"),
        ({"max_latency_increase": True}, "must be a number, not true or false"),
        (
            {"max_latency_increase": "50%", "steps": [100]},
            "max_latency_increase: compares with the other deployments, and at 100 they have",
        ),
        ({"min_requests": 0}, "greater than or equal to 1"),
        ({"bake": 10}, "not a span of time"),
        ({"give_up_after": "0s"}, "must be longer than 0s"),
    ],
)
def test_steps_that_cannot_be_made_are_refused(written: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        traffic(**written)
    assert says in str(caught.value)


def test_a_rule_about_requests_needs_a_hundred_unless_it_says_otherwise() -> None:
    assert traffic().rules == TrafficRules()
    assert traffic(max_error_rate="0%").rules.min_requests == 100
    assert traffic(max_latency_increase="50%", min_requests=5).rules.min_requests == 5
    assert traffic(min_requests=7).rules.need_data


# Beside the training


def test_an_endpoint_is_in_the_workspace_of_the_training() -> None:
    made = pipeline({**ENDPOINT, "workspace": None} | {"workspace": None}).endpoints[0]
    assert isinstance(made, AzureMlEndpoint)
    assert made.workspace == WS
    same = WS.replace("resourceGroups", "resourcegroups").upper().replace("WS1", "ws1")
    assert pipeline({**ENDPOINT, "workspace": same}).endpoints


@pytest.mark.parametrize("other", [OTHER, f"https://management.azure.cn{WS}"])
def test_an_endpoint_in_another_workspace_is_refused(other: str) -> None:
    what = "endpoints.0.workspace: is another workspace than that of the training, where models"
    with pytest.raises(ValidationError, match=what):
        pipeline({**ENDPOINT, "workspace": other})


def test_a_model_without_a_server_needs_a_script() -> None:
    made = endpoint(deployment=BARE)
    for kind, refused_at in (
        ("custom_model", ("endpoints", 0, "deployment")),
        ("mlflow_model", None),
        ("triton_model", None),
        (None, None),
    ):
        trained = training(register_as={"model": {"name": "churn", "type": kind}})
        found = [one.at for one in not_fitting(trained, (made,))]
        assert found == ([refused_at] if refused_at else [])
        hints = [one.what for one in made.hints(trained)]
        assert bool(hints) is (kind is None)
    assert list(endpoint().hints(training())) == []


def test_what_the_author_may_not_expect_is_said() -> None:
    known = training()
    file = {**SCRIPTED, "name": "blue", "model": "azureml:churn:1", "tags": {}}
    (replaced,) = endpoint(deployment=file).hints(known)
    assert str(replaced) == (
        "deployment: name, model, tags are replaced: each deployment gets its own"
    )
    rules = {"max_error_rate": "1%", "steps": [10, 100]}
    (longer,) = endpoint(traffic=rules).hints(known)
    assert str(longer) == (
        "traffic.bake: a step lasts longer than this, until 100 requests were measured: "
        "measures are 5 minutes late"
    )
    rules["bake"] = "10m"
    assert list(endpoint(traffic=rules).hints(known)) == []
    (short,) = endpoint(traffic={**rules, "give_up_after": "5m"}).hints(known)
    assert str(short) == (
        "traffic.give_up_after: is over before anything is measured, so each step waits for an "
        "operator: write more than 5 minutes: measures are that late"
    )
    assert list(endpoint(traffic={**rules, "give_up_after": "6m"}).hints(known)) == []


def test_one_endpoint_is_named_once() -> None:
    twice = r"b is there twice \(same workspace, endpoint\)"
    with pytest.raises(ValidationError, match=twice):
        pipeline(ENDPOINT, {**ENDPOINT, "name": "b"})
    with pytest.raises(ValidationError, match=r"production is there twice \(same name\)"):
        pipeline(ENDPOINT, {**ENDPOINT, "endpoint": "other"})
    assert len(pipeline(ENDPOINT, {**ENDPOINT, "name": "b", "endpoint": "other"}).endpoints) == 2
    two = pipeline(
        {**ENDPOINT, "endpoint": "churn-{customer}"},
        {**ENDPOINT, "name": "b", "endpoint": "churn-a"},
    )
    with pytest.raises(ValueError, match="two of the endpoints would be the same one"):
        two.chosen_by({"customer": "a", "name": "n"})


def test_services_are_not_mixed() -> None:
    with pytest.raises(ValidationError, match="cannot serve models of azureml: use azureml"):
        pipeline(tree()["endpoints"][0])
    studio = tree(endpoints=[ENDPOINT])
    with pytest.raises(ValidationError, match="cannot serve models of studio: use classic or web"):
        Pipeline.model_validate(studio, context={"development": False})


def test_an_operator_approves_a_model_and_cannot_upload_one() -> None:
    known = pipeline(ENDPOINT, gate={"approval": "required"})
    assert known.gate.approval == "required"
    assert isinstance(known.training, AzureMlTraining)
    assert not known.training.takes_uploads
