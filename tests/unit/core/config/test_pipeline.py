"""The configuration of one pipeline: its refusals, and the meaning of its parts together."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.gate import Gate
from shared.core.config.pipeline import Budget, Pipeline, RollOut, WaitForData
from tests.unit.samples import BASE, UPDATE, pipeline, tree

ENDPOINT: dict[str, Any] = tree()["endpoints"][0]
KEYED = {**ENDPOINT, "api_key": None, "workspace_token": "${TOKEN}", "verify": None}
RULE = {"metric": "AUC", "at_least": 0.8}
COMPARING = {"metric": "AUC", "max_drop": 0.1}


def endpoint(name: str, **changes: Any) -> dict[str, Any]:
    return {**ENDPOINT, "name": name, "update": UPDATE.replace("production", name), **changes}


def by_token(token: str = "name", **changes: Any) -> dict[str, Any]:
    return {**KEYED, "update": UPDATE.replace("production", f"{{{token}}}"), **changes}


MODELS = {"output1": "a.ilearner", "output2": "b.ilearner", "output3": "evaluation.csv"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training__outputs": MODELS},
            "production needs `model:`, the name of one of the .ilearner outputs output1, output2",
        ),
        (
            {"training__outputs": MODELS, "endpoints": [endpoint("a", model="output3")]},
            "a.model does not name a .ilearner output; there is output1, output2",
        ),
        (
            {
                "training__outputs": {"output3": "evaluation.csv"},
                "endpoints": [endpoint("a", model="output3")],
            },
            "a.model does not name a .ilearner output; there is none",
        ),
        (
            {"endpoints": [endpoint("a"), endpoint("b"), endpoint("a")]},
            "a is there twice (same name)",
        ),
        (
            {"endpoints": [endpoint("a"), {**endpoint("a"), "name": "b"}]},
            "b is there twice (same update, resource)",
        ),
        ({"data": None}, "data is missing: name the blobs to train on"),
        (
            {
                "data": None,
                "training__inputs": {},
                "training__parameters": {"a": "{data.manifest}"},
            },
            "data is missing: name the blobs to train on",
        ),
        (
            {"training__parameters": {"a": "{other}"}},
            "training.parameters: unknown token {other}; data.blob captures name",
        ),
        (
            {"training__inputs": {"input1": "{z}/{a}.csv"}},
            "training.inputs: unknown token {a}; data.blob captures name",
        ),
        ({"endpoints": [by_token("x")]}, "endpoints: unknown token {x}"),
        ({"key": "{x}"}, "key: unknown token {x}; data.blob captures name"),
        (
            {"data": {"blob": "{b}/{a}.csv"}, "key": "x"},
            "key: unknown token {x}; data.blob captures a, b",
        ),
        ({"data": {"blob": "a.csv"}, "key": "x"}, "data.blob captures none"),
        (
            {"data": {"blob": "{a}/{name}.csv"}, "key": "a", "endpoints": [by_token()]},
            "key: must hold name, because an endpoint is chosen by it",
        ),
        (
            {"data": {"blob": "{name}", "marker": True}},
            "the blob is a marker, name the data by a path with its tokens",
        ),
        ({"gate": {"metrics": "output1", "rules": [RULE]}}, "output1 is a model"),
        ({"gate": {"metrics": "output2"}}, "rules: an evaluation is only read for rules"),
        ({"gate": {"row": {"Model": "left"}}}, "row: a row is only chosen for rules"),
        (
            {"endpoints": [], "gate": {"approval": "required"}},
            "gate.approval: approval",
        ),
        (
            {"endpoints": [], "gate": {"rules": [RULE, COMPARING]}},
            "gate.rules: max_drop compares with the live model",
        ),
        ({"skip_if_no_new_data": True}, "need a schedule and data"),
        ({"wait_for_data": {"at_most": "1h"}}, "need a schedule and data"),
        (
            {
                "skip_if_no_new_data": True,
                "schedule": "0 3 * * *",
                "data": None,
                "training__inputs": {},
            },
            "need a schedule and data",
        ),
    ],
)
def test_an_impossible_value_is_refused_with_its_correction(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        pipeline(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"training__outputs": MODELS, "endpoints": [endpoint("a", model="output2")]},
        {"training__outputs": MODELS, "endpoints": []},
        {"endpoints": [endpoint("a", model="elsewhere")]},
        {"endpoints": [endpoint("a"), {**endpoint("a"), "name": "b", "resource": "Other"}]},
        {"data": None, "training__inputs": {}},
        {"training__parameters": {"a": "{data} {data.manifest} {name}", "b": 1}},
        {"training__inputs": {"input1": "{data}", "input2": "{data.manifest}", "c": "x/{name}"}},
        {"data": {"blob": "{a}/{name}.csv"}, "key": ["name", "a"], "endpoints": [by_token()]},
        {
            "data": {"blob": "{name}/_SUCCESS", "marker": True},
            "training__inputs": {"input1": "{name}/data.csv"},
        },
        {"gate": {"metrics": "output2", "rules": [RULE], "row": {"Model": "left"}}},
        {"gate": {"metrics": "elsewhere", "rules": [RULE]}},
        {"endpoints": [], "gate": {"rules": [RULE]}},
        {"gate": {"rules": [COMPARING], "approval": "required"}},
        {"skip_if_no_new_data": True, "schedule": "0 3 * * *"},
        {"wait_for_data": {"at_most": "1h"}, "schedule": "0 3 * * *"},
    ],
)
def test_a_possible_value_is_accepted(changes: dict[str, Any]) -> None:
    assert pipeline(**changes).name == "sample"


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": {"row": {"Model": "left"}}},
        {"endpoints": [], "gate": {"approval": "required"}},
        {"endpoints": [], "gate": {"rules": [COMPARING]}},
    ],
)
def test_a_stored_pipeline_is_read_though_it_would_be_refused_today(
    changes: dict[str, Any],
) -> None:
    assert Pipeline.model_validate(tree(**changes)).name == "sample"


@pytest.mark.parametrize("name", ["a", "census-2026", "0", "a" * 40])
def test_a_pipeline_has_a_plain_name(name: str) -> None:
    assert pipeline(name=name).name == name
    for other in (f"{name}-", f"-{name}", f"{name}_", name.upper() + "A", "a" * 41, ""):
        with pytest.raises(ValidationError, match="name"):
            pipeline(name=other)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("name", ("name",)),
        ("{name}", ("name",)),
        (["{name}", "a"], ("name", "a")),
        ([], ()),
    ],
)
def test_a_key_is_written_as_one_token_or_several(written: object, key: tuple[str, ...]) -> None:
    assert pipeline(data={"blob": "{a}/{name}.csv"}, key=written).key == key


@pytest.mark.parametrize("written", [5, [5], {"a": 1}, ["name", 5]])
def test_what_is_no_key_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="key"):
        pipeline(key=written)


def test_customers_are_distinguished_by_the_key_or_by_what_chooses_their_endpoints() -> None:
    both = {"blob": "{b}/{a}/{name}.csv"}
    assert pipeline(data=both).key_tokens == ()
    assert pipeline(data=both).captured == ("b", "a", "name")
    chosen = [by_token("a"), by_token("b", name="other", resource="Of {b}")]
    assert pipeline(data=both, endpoints=chosen).key_tokens == ("b", "a")
    assert pipeline(data=both, key=["name", "b"]).key_tokens == ("name", "b")
    assert pipeline(data=both, key=[]).key_tokens == ()
    assert pipeline(data=None, training__inputs={}).captured == ()


@pytest.mark.parametrize(
    ("changes", "at_once"),
    [
        ({}, True),
        ({"when_busy": "queue"}, False),
        ({"when_busy": "newest"}, False),
        ({"budget": {"most_per_day": 5}}, False),
        ({"max_parallel": 5}, False),
        ({"training__max_parallel": 5}, False),
        ({"pause_after": 5}, False),
        ({"data": {"blob": "{name}.csv", "settle": "5m"}}, False),
        ({"data": None, "training__inputs": {}}, True),
    ],
)
def test_a_run_begins_at_once_where_nothing_limits_it(
    changes: dict[str, Any], *, at_once: bool
) -> None:
    assert pipeline(**changes).at_once is at_once


def test_a_roll_out_goes_one_by_one_unless_it_says_otherwise() -> None:
    assert pipeline().rolls == RollOut(first=1, then=1)
    assert pipeline(roll_out={"first": 2, "then": 20}).rolls == RollOut(first=2, then=20)


def test_only_a_pipeline_with_one_endpoint_has_the_endpoint() -> None:
    one = pipeline()
    assert one.endpoint == one.endpoints[0]
    assert pipeline(endpoints=[]).endpoint is None
    assert pipeline(endpoints=[endpoint("a"), endpoint("b")]).endpoint is None


def test_tokens_choose_the_endpoints_and_the_key_stays_what_it_was() -> None:
    known = pipeline(endpoints=[by_token(), endpoint("b")])
    chosen = known.chosen_by({"name": "acme"})
    assert [one.address for one in chosen.endpoints] == [
        UPDATE.replace("production", "acme"),
        UPDATE.replace("production", "b"),
    ]
    assert chosen.key == chosen.key_tokens == ("name",)
    with pytest.raises(ValueError, match="two of the endpoints would be the same one"):
        known.chosen_by({"name": "b"})
    seen = known.only(chosen.endpoints[0])
    assert (seen.endpoints, seen.key) == (chosen.endpoints[:1], ("name",))


def test_the_outputs_that_are_models_are_those_whose_files_are() -> None:
    known = pipeline(training__outputs=MODELS, endpoints=[])
    assert known.training.models == ("output1", "output2")


@pytest.mark.parametrize(
    ("gate", "asks"),
    [({}, False), ({"rules": [RULE]}, True), ({"approval": "required"}, True)],
)
def test_a_gate_asks_by_rules_or_for_an_operator(gate: dict[str, Any], *, asks: bool) -> None:
    assert Gate.model_validate(gate).asks is asks


@pytest.mark.parametrize(
    ("part", "name", "least", "most", "more"),
    [
        (Budget, "most_per_day", 1, 1000, {}),
        (RollOut, "first", 1, 200, {}),
        (RollOut, "then", 1, 200, {}),
        (Pipeline, "catch_up_most", 1, 1000, tree()),
        (Pipeline, "max_parallel", 1, 1000, tree()),
        (Pipeline, "pause_after", 1, 100, tree()),
    ],
)
def test_a_number_is_taken_within_its_bounds(
    part: type[Budget], name: str, least: int, most: int, more: dict[str, Any]
) -> None:
    for number in (least, most):
        assert getattr(part.model_validate({**more, name: number}), name) == number
    for number in (least - 1, most + 1):
        with pytest.raises(ValidationError, match=name):
            part.model_validate({**more, name: number})


def test_what_is_left_out_of_the_file_has_its_documented_default() -> None:
    known = pipeline()
    assert (known.catch_up, known.catch_up_most, known.order) == ("latest", 24, "oldest_first")
    assert Pipeline.model_validate({**tree(), "when_busy": "newest"}).when_busy == "newest"
    gate = known.gate
    assert (gate.approval, gate.on_expiry, gate.first_model) == ("none", "reject", None)
    assert gate.expires.days == 3
    waits = WaitForData.model_validate({"at_most": "1h"})
    assert waits.every.total_seconds() == 600
    bare = tree()
    del bare["when_busy"]
    assert Pipeline.model_validate(bare).when_busy == "newest"
    assert known.training.address == f"{BASE}/jobs?api-version=2.0"
