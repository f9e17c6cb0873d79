"""Problems of several fields together are reported with those of single fields."""

import json
import re
from typing import Any

import pytest

from shared.config.pipeline_reader import all_mistakes
from shared.core.config.configuration import Configuration
from tests.unit.config.pipelines_file import Change, Load, both, drop, put, written
from tests.unit.config.test_mistakes import CASES
from tests.unit.samples import UPDATE, tree
from tests.unit.written_yaml import yaml_of

ON = True


#: Problems of several fields, each with only the fields that it needs, and a part of its text.
SEVERAL: tuple[tuple[Change, str], ...] = (
    (put("data.settle", "1h"), "must not be longer than settle_at_most"),
    (put("training.timeout", "7d"), "at most 6d22h"),
    (put("training.outputs", {"a": "m.csv", "b": "m.csv"}), "two outputs cannot be written"),
    (put("training.input", "{data}"), "a job is given one of the two"),
    (put("gate", {"metrics": "output2"}), "write at least one"),
    (put("gate", {"row": {"number": 1}}), "write `rules` for it"),
    (put("gate", {"rules": [{"metric": "AUC"}]}), "name one of at_least"),
    (put("gate", {"rules": [{"metric": "x", "max_drop": 1}]}), "unknown whether more or less"),
    (drop("endpoints.0.resource"), "resource is missing"),
    (drop("endpoints.0.api_key"), "api_key or workspace_token is missing"),
    (put("endpoints.0.create", ON), "create needs a workspace_token"),
    (put("endpoints.0.model", "output2"), "model does not name a .ilearner output"),
    (put("skip_if_no_new_data", ON), "need a schedule and data"),
    (put("key", ["who"]), "key: unknown token {who}"),
    (put("training.parameters", {"p": "{who}"}), "parameters: unknown token {who}"),
    (put("training.inputs", {"i": "{who}.csv"}), "inputs: unknown token {who}"),
)


#: Mistakes of single fields, which none of the others needs.
SINGLE: tuple[tuple[Change, str], ...] = (
    (put("colour", "x"), "colour: unknown key"),
    (put("training.attempts", 99), "training.attempts"),
    (put("training.pause", "soon"), "training.pause"),
    (put("when_busy", "later"), "when_busy"),
    (put("budget", {"most_per_day": 0}), "budget.most_per_day"),
    (put("training.api_key", "${NOT_SET}"), "NOT_SET"),
    (put("endpoints.0.verify.rows", "none.json"), "none.json"),
    (drop("training.service"), "training.service"),
    (put("endpoints.0.verify.within", "0s"), "verify.within"),
)


def reported(configuration: Configuration) -> list[str]:
    """What is said, without the lines, which other mistakes move."""
    return [re.sub(r"^pipelines\.yaml:\d+: ", "", str(one)) for one in configuration.problems]


def nothing(_: dict[str, Any]) -> None:
    """Change nothing."""


def inputs_apart(one: dict[str, Any]) -> None:
    one["training"].setdefault("inputs", {"input1": "{data}"})


@pytest.mark.parametrize(("change", "message"), SEVERAL, ids=[message for _, message in SEVERAL])
def test_a_problem_of_several_fields_is_reported_with_any_of_a_single_one(
    load: Load, change: Change, message: str
) -> None:
    several = both(inputs_apart, change)
    (alone,) = [text for text in reported(load(several)) if message in text]
    for single, names in SINGLE:
        found = reported(load(both(several, single)))
        assert alone in found, names
        assert any(names in text for text in found), names


#: A value that may have several forms is refused once for each: of all of them it is left out once.
OF_SEVERAL_FORMS: tuple[tuple[Change, str], ...] = (
    (put("schedule", "0 0 3 ? * L"), "day: ? is of Quartz"),
    (put("training.parameters", {"p": [1]}), "training.parameters.p"),
    (put("roll_out", 5), "roll_out"),
)


@pytest.mark.parametrize(("change", "message"), OF_SEVERAL_FORMS)
def test_a_wrong_value_of_several_forms_hides_no_mistake_over_several_fields(
    load: Load, change: Change, message: str
) -> None:
    found = "\n".join(reported(load(both(put("key", ["who"]), change))))
    assert message in found
    assert "key: unknown token {who}" in found


def test_a_number_to_quote_hides_no_mistake_over_several_fields(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        put("training.timeout", "soon")(one)
        put("key", ["who"])(one)
        put("training.parameters", {"zip": "ZIP"})(one)

    text = yaml_of({"pipelines": {"census": written(change)}}).replace("ZIP", "01234")
    found = "\n".join(reported(load(text)))
    for message in ("quote it if it is a text", "not a span of time", "key: unknown token {who}"):
        assert message in found, found
    assert "plain YAML" not in found


def test_a_mistake_over_several_fields_is_reported_at_the_line_of_its_field(load: Load) -> None:
    text = yaml_of({"pipelines": {"census": written(put("key", ["who"]))}})
    line = text.splitlines().index("    key:") + 1
    (problem,) = load(text).problems
    assert str(problem).startswith(f"pipelines.yaml:{line}: pipelines.census.key: unknown token")


def test_mistakes_over_several_fields_are_all_reported_at_once(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        inputs_apart(one)
        for several, _ in SEVERAL:
            if several is not SEVERAL[2][0]:  # its outputs are wrong for others
                several(one)

    found = "\n".join(reported(load(change)))
    # The last change of each key counts.
    for message in (
        "must not be longer than settle_at_most",
        "at most 6d22h",
        "a job is given one of the two",
        "unknown whether more or less",
        "resource is missing",
        "api_key or workspace_token is missing",
        "create needs a workspace_token",
        "model does not name a .ilearner output",
        "need a schedule and data",
        "key: unknown token {who}",
        "parameters: unknown token {who}",
    ):
        assert message in found, message


@pytest.mark.parametrize(
    ("change", "path", "message"), CASES, ids=[f"{p}: {s}" for _, p, s in CASES]
)
def test_one_more_mistake_hides_none(load: Load, change: Change, path: str, message: str) -> None:
    alone, more = reported(load(change)), reported(load(both(change, put("colour", "x"))))
    assert set(alone) <= set(more), (path, message)
    assert len(more) == len(set(more)) > 0


def test_a_check_does_not_invent_missing_values(load: Load) -> None:
    """A field that is wrong is neither taken as missing nor by its default."""
    found = reported(load(both(put("schedule", "later"), put("skip_if_no_new_data", ON))))
    assert not [text for text in found if "need a schedule" in text]
    found = reported(load(both(put("data", "x"), put("key", ["name"]))))
    assert not [text for text in found if "unknown token" in text or "data is missing" in text]
    found = reported(load(both(put("endpoints.0.kind", "new"), nothing)))
    assert len(found) == 1


def test_an_endpoint_that_may_be_anothers_is_reported_with_other_problems(load: Load) -> None:
    other = UPDATE.replace("azureml.net", "example.com")

    def text(*, spoilt: bool) -> str:
        first, second = tree(), tree()
        for one in (first, second):
            del one["name"]
            one["endpoints"][0].pop("verify")
        second["endpoints"][0]["update"] = other
        if spoilt:
            second["colour"] = "x"
        return json.dumps({"pipelines": {"first": first, "second": second}})

    (alone,) = reported(load(text(spoilt=False)))
    assert "may be the same web service" in alone
    assert alone in reported(load(text(spoilt=True)))


def test_a_sound_pipeline_is_not_refused_for_the_endpoint_of_one_with_an_error(load: Load) -> None:
    first, second = tree(), tree()
    for one in (first, second):
        del one["name"]
        one["endpoints"][0].pop("verify")
    first["colour"] = "x"
    second["endpoints"][0]["update"] = UPDATE.replace("azureml.net", "example.com")
    found = load(json.dumps({"pipelines": {"first": first, "second": second}}))
    assert set(found.pipelines) == {"second"}


def test_a_sound_file_is_read_as_ever(load: Load) -> None:
    found = load()
    assert found.problems == ()
    assert list(all_mistakes(found.pipelines["census"], partly=False)) == []


# What other tools write, elsewhere than in data.blob

STAR = "* stands for itself here: write {name}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("endpoints.0.update", UPDATE.replace("production", "*")), STAR),
        (put("endpoints.0.update", UPDATE.replace("production", "{name*}")), STAR),
        (put("endpoints.0.update", UPDATE.replace("production", "{name:[a-z]+}")), "a brace here"),
        (put("endpoints.0.update", UPDATE.replace("production", "%NAME%")), "%NAME% is not"),
        (put("endpoints.0.update", UPDATE.replace("production", "%DATA%")), "%NAME% is not"),
        (put("endpoints.0.update", UPDATE.replace("production", "${NAME}")), "write the text"),
        (put("endpoints.0.update", UPDATE.replace("w1", "<ws>")), "placeholder in <>"),
        (put("endpoints.0.update", UPDATE.replace("production", "@{name}")), "expressions"),
        (
            put("endpoints.0.verify.score", "https://a.example/workspaces/*/services/e/execute"),
            STAR,
        ),
        (
            put("training.service", "https://a.example/workspaces/w/services/*/jobs"),
            "* stands for itself here: write it out",
        ),
        (put("endpoints.0.resource", "Census * [trained model]"), STAR),
        (put("endpoints.0.resource", "{name*} [trained model]"), STAR),
        (put("endpoints.0.resource", "{name [trained model]"), "a brace here"),
        (put("endpoints.0.resource", "%MODEL% [trained model]"), "%NAME% is not"),
        (put("endpoints.0.resource", "${MODEL} [trained model]"), "write the text"),
        (put("endpoints.0.model", "*"), "write it out"),
        (put("training.outputs", {"o": "*.ilearner"}), "write it out"),
        (put("training.outputs", {"o": "model-{name}.ilearner"}), "not a pattern"),
        (put("endpoints.0.verify.rows", "*.json"), "write it out"),
        (put("endpoints.0.verify.rows", "probes/{name}.json"), "not a pattern"),
        (
            put("gate", {"metrics": "*", "rules": [{"metric": "AUC", "at_least": 1}]}),
            "write it out",
        ),
    ],
)
def test_a_pattern_of_another_tool_is_refused_wherever_it_is(
    load: Load, change: Change, message: str
) -> None:
    found = reported(load(change))
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    "change",
    [
        put("endpoints.0.resource", "Census (2) [trained model], 100 % new"),
        put("endpoints.0.update", UPDATE.replace("s1", "s%201")),
        put("training.outputs", {"o": "model (1).ilearner"}),
    ],
)
def test_what_only_looks_like_a_pattern_is_taken(load: Load, change: Change) -> None:
    assert reported(load(change)) == []


def test_no_check_over_several_fields_repeats_a_secret(load: Load) -> None:
    secret = (
        "https://account.blob.core.windows.net/x?sv=2020&sig=AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
    )
    gate = {"metrics": "output2", "rules": [{"metric": secret, "max_drop": 1}]}
    found = load(put("gate", gate))
    (problem,) = map(str, found.problems)
    assert "holds what looks like a signature or a key" in problem
    assert "sig=" not in problem
