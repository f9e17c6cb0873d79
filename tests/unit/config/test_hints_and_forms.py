"""Hints about valid pipelines, patterns of other tools, and values of several forms."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.config.loader import load_pipelines
from tests.unit.config.pipelines_file import ENVIRONMENT, Change, Load, only, put, written
from tests.unit.samples import ROWS, UPDATE
from tests.unit.written_yaml import yaml_of


def test_two_pipelines_whose_endpoints_may_be_one_at_another_host_are_refused(load: Load) -> None:
    def file(host: str) -> str:
        other = UPDATE.replace("https://management.azureml.net", host)
        two = {
            "census": written(lambda _: None),
            "churn": written(put("endpoints.0.update", other)),
        }
        return yaml_of({"pipelines": two}, sort_keys=False)

    (problem,) = load(file("https://gateway.example")).problems
    assert "churn.production may be the same web service as census.production" in str(problem)
    assert "write the same host in both" in str(problem)
    both = load(file("https://ussouthcentral.management.azureml.net"))
    assert not both.problems
    assert set(both.pipelines) == {"census", "churn"}


def test_a_schedule_that_does_less_than_it_seems_has_a_hint_and_is_used(load: Load) -> None:
    found = load(put("schedule", "0 */90 * * * *"))
    assert found.problems == ()
    (hint,) = found.hints
    assert "pipelines.census.schedule" in hint.where
    assert "minute: */90 fires only at 0" in hint.what


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        ("*.csv", "write {name}"),
        ("census/*", "write {name}"),
        ("census/{date}/?.csv", "write {name}"),
        ("**/data.csv", "{folder}/{name}; a token never crosses a /"),
        ("census/**", "a token never crosses a /"),
        ("census/(.*).csv", "regular expressions"),
        ("census/(.+)", "regular expressions"),
        ("census/(a|b).csv", "regular expressions"),
        (r"census/\d+.csv", "regular expressions"),
        ("census/[0-9].csv", "regular expressions"),
        ("^census/{name}.csv", "regular expressions"),
        ("census/{name}.csv$", "regular expressions"),
        ("%FOLDER%/{name}.csv", "%NAME% is not replaced"),
        ("census/%Y-%m/{name}.csv", "write {date}"),
        ("${TRAINING_KEY}/{name}.csv", "write the text itself"),
        ("@{pipeline().x}/{name}.csv", "expressions"),
        ("@dataset().folder", "expressions"),
        ("<folder>/{name}.csv", "<name> stands for itself"),
        (r"census\{name}.csv", "write /"),
        ("https://a.blob.core.windows.net/training-data/x.csv", "this is a URL"),
        ("wasbs://training-data@a/x.csv", "this is a URL"),
        ("census/", "names a folder"),
        ("./census/{name}.csv", "a part . or .."),
        ("census/../{name}.csv", "a part . or .."),
        ("census/{rand-guid}.csv", "a {token} is a name"),
        ("census/{name:[a-z]+}.csv", "regular expressions"),
        ("census/{}.csv", "a {token} is a name"),
    ],
)
def test_a_pattern_of_another_tool_is_refused_with_what_to_write(
    load: Load, blob: str, message: str
) -> None:
    text = only(load(put("data.blob", blob)))
    assert "pipelines.census.data.blob: " in text
    assert message in text
    path = only(load(put("training.inputs", {"input1": blob})))
    assert "pipelines.census.training.inputs" in path


@pytest.mark.parametrize(
    "blob",
    [
        "100%/{name}.csv",
        "a (1)/{name}.csv",
        "a.b-c_d/{x}~{y}.csv",
        "{a}",
        "år/{name}.csv",
        "a+b/{n}",
    ],
)
def test_a_pattern_of_plain_text_and_tokens_is_taken(load: Load, blob: str) -> None:
    assert load(put("data.blob", blob)).problems == ()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (put("schedule", 5), "schedule: must be text or a mapping"),
        (put("schedule", "0 3 * *"), "schedule: not a schedule: not six fields"),
        (put("roll_out", 5), "roll_out: must be text or a mapping"),
        (put("training.parameters", {"x": [1]}), "parameters.x: must be true or false or a number"),
        (put("training.parameters", {"int": None}), "parameters.int: must be true or false or"),
        (
            put("gate", {"row": {"v": [1]}, "rules": [{"metric": "A", "at_least": 1}]}),
            "row.v: must",
        ),
        (put("endpoints.0.create", [1]), "create: must be true or false or a mapping"),
    ],
)
def test_a_value_of_several_forms_has_one_line_without_internals(
    load: Load, change: Change, line: str
) -> None:
    text = only(load(change))
    assert line in text
    for internal in ("function-", "constrained", "Input should", "instance of", "literal["):
        assert internal not in text


def test_mistakes_are_listed_in_the_order_of_the_file(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["when_busy"] = "later"
        one["training"]["attempts"] = "two"
        one["training"]["api_key"] = "${NOT_SET}"
        one["endpoints"][0]["verify"]["rows"] = "none.json"
        one["colour"] = "x"

    lines = [int(one.where.split(":")[1]) for one in load(change).problems]
    assert len(lines) == 5
    assert lines == sorted(lines)


def test_a_setting_that_nobody_filled_in_is_named(tmp_path: Path) -> None:
    (tmp_path / "probe.json").write_text(json.dumps(ROWS))
    file = tmp_path / "pipelines.yaml"
    file.write_text(yaml_of({"pipelines": {"census": written(lambda _: None)}}))
    for value in ("@Microsoft.KeyVault(SecretUri=https://v/s)", "the training service's API key"):
        environment = {**ENVIRONMENT, "TRAINING_KEY": value}
        reported = str(load_pipelines(file, environment, development=False).problems)
        assert "app setting TRAINING_KEY" in reported
        assert value not in reported


def test_a_second_document_is_named_where_it_begins(load: Load) -> None:
    for text in ("pipelines: {a: 1}\n---\n", "a: 1\n---\nb: *x\n", "a: 1\n...\n---\nb: 2\n"):
        (problem,) = load(text).problems
        assert "a second document begins: remove the line ---" in str(problem)


def test_an_id_of_the_example_file_has_a_hint(load: Load) -> None:
    service = f"https://h.services.azureml.net/workspaces/{'0' * 32}/services/e1/jobs"
    found = load(put("training.service", service))
    assert found.problems == ()
    (hint,) = found.hints
    assert hint.where.endswith("pipelines.census.training.service")
    assert "id of the example file" in hint.what
