"""Times of windows in the texts of a pipeline: where they are allowed, and their values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import Recurrence, same_boundaries
from shared.core.config.windows import Window, of_any_window
from tests.unit.core.config.test_studio_training import BARE, training
from tests.unit.samples import tree

WINDOW = Window(*(datetime(2024, month, 1, tzinfo=UTC) for month in (2, 3, 3)))
PATH = "census/{start:yyyy/MM}/{name}.csv"
DAILY = {"frequency": "Day"}


def pipeline(blob: str = PATH, **changes: Any) -> Pipeline:
    known = {"schedule": DAILY, "data": {"blob": blob, "opens_runs": False}}
    of_training = {**tree()["training"], **changes.pop("training", {})}
    written = {**tree(), **known, "training": of_training, **changes}
    return Pipeline.model_validate(written, context={"development": False})


def test_all_texts_are_filled_in_and_tokens_stay() -> None:
    made = pipeline(
        training={
            "inputs": {"input1": "{data}", "old": "census/{start-1y:yyyy}/{name}.csv"},
            "parameters": {
                "since": "{start:yyyy-MM-dd}",
                "who": "{name}",
                "json": '{"a":1}',
                "n": 1,
            },
        }
    )
    assert made.uses_windows
    here = made.in_window(WINDOW)
    assert not here.uses_windows
    assert here.data is not None
    assert here.data.blob == "census/2024/02/{name}.csv"
    assert here.training.sources == {"input1": "{data}", "old": "census/2023/{name}.csv"}
    assert here.training.parameters == {
        "since": "2024-02-01",
        "who": "{name}",
        "json": '{"a":1}',
        "n": 1,
    }
    assert made.chosen_by({"name": "x", **WINDOW.tokens()}) == here
    assert made.chosen_by({"name": "x"}) == made


def test_a_single_input_is_filled_in_too() -> None:
    made = pipeline("{name}.csv", training={"input": "census/{end:yyyyMM}.csv", "inputs": {}})
    assert made.in_window(WINDOW).training.sources == {"": "census/202403.csv"}


def test_without_templates_a_pipeline_stays_as_it_is() -> None:
    made = pipeline("{name}.csv")
    assert not made.uses_windows
    assert made.in_window(WINDOW) is made


def test_inputs_of_azure_machine_learning_are_filled_in() -> None:
    made = AzureMlTraining.model_validate(
        {
            "kind": "azureml",
            "workspace": {"subscription": "a" * 8, "resource_group": "g", "name": "work"},
            "component": "azureml:train:1",
            "inputs": {
                "rows": "census/{start:yyyy}/rows.csv",
                "folder": {"path": "census/{start:yyyy/MM}/rows", "type": "uri_folder"},
                "given": "https://a.blob.core.windows.net/c/{end:yyyy}.csv",
                "month": "{start:yyyy-MM}",
            },
        }
    )
    here = made.in_window(WINDOW)
    assert here.inputs["rows"] == "census/2024/rows.csv"
    assert here.input("folder").path == "census/2024/02/rows"
    assert here.input("folder").type == "uri_folder"
    assert here.inputs["given"] == "https://a.blob.core.windows.net/c/2024.csv"
    assert here.parameters == {"month": "2024-02"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": None}, "only a schedule has windows: write a schedule"),
        ({"data": {"blob": PATH}}, "write opens_runs: false"),
        (
            {"data": {"blob": PATH, "opens_runs": False, "backfill": "all"}},
            "write start and backfill: true under schedule",
        ),
        (
            {
                "data": {"blob": "{name}.csv", "opens_runs": False},
                "schedule": None,
                "training": {"inputs": {"a": "{start:yyyy}.csv"}},
            },
            "only a schedule has windows",
        ),
        (
            {
                "data": {"blob": "{name}.csv", "opens_runs": False},
                "schedule": None,
                "training": {"parameters": {"a": "{end:yyyy}"}},
            },
            r"\{end:yyyy\} is a time of a window",
        ),
        ({"training": {"parameters": {"a": "{start}"}}}, "write {start:yyyy/MM/dd} for a time"),
        ({"training": {"parameters": {"a": "{End-1q:yyyy}"}}}, "not a time of a window"),
        ({"training": {"parameters": {"a": "{end:d}"}}}, "write %d"),
        ({"data": {"blob": "{SliceStart:yyyy}/a.csv"}}, "not a time of a window"),
        ({"data": {"blob": "{start:'a*'yyyy}.csv", "opens_runs": False}}, "not supported here"),
        ({"data": {"blob": "/{start:yyyy}.csv", "opens_runs": False}}, "without a leading slash"),
        ({"data": {"blob": "{start:FFF}/a.csv", "opens_runs": False}}, "without a leading slash"),
        ({"training": {"inputs": {"a": "{start:yyyy"}}}, "token"),
        ({"training": {"inputs": {"a": "{start+x:yyyy}.csv"}}}, "not a time of a window"),
    ],
)
def test_a_window_where_there_is_none_is_refused_with_the_advice(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message.replace("{start:", r"\{start:")):
        pipeline(**changes)


def test_an_endpoint_has_no_times_of_windows() -> None:
    update = tree()["endpoints"][0]
    with pytest.raises(ValidationError, match="token"):
        pipeline(endpoints=[{**update, "update": update["update"] + "{start:yyyy}"}])


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("a/{start:yyyy/MM/dd}/{name}.csv", "a/{window_1}/{window_2}/{window_3}/{name}.csv"),
        ("{start:yyyy}/{start:yyyy}{end:MM}", "{window_1}/{window_1}{window_2}"),
        ("a/{name}.csv", "a/{name}.csv"),
    ],
)
def test_the_names_of_every_window_match_one_pattern(pattern: str, name: str) -> None:
    assert of_any_window(pattern) == name


def test_ten_attempts_and_one_more_are_allowed() -> None:
    assert training(attempts=11).attempts == 11
    with pytest.raises(ValidationError, match="attempts"):
        training(attempts=12)


@pytest.mark.parametrize(
    ("changes", "form"),
    [
        ({}, 1),
        ({"schedule": {**DAILY, "interval": 2, "offset": "1h"}}, 1),
        ({"schedule": "0 0 3 * * *"}, 1),
        ({"schedule": {**DAILY, "style": "StartOfInterval"}}, 2),
        ({"schedule": {**DAILY, "delay": "1h"}}, 2),
        ({"schedule": {**DAILY, "end": "2027-01-01"}}, 2),
        ({"schedule": {**DAILY, "paused": True}}, 2),
        ({"schedule": "0 0 3 * * *", "blob": PATH}, 2),
        ({"schedule": None, "training": {"attempts": 10}}, 1),
        ({"schedule": None, "training": {"attempts": 11}}, 2),
    ],
)
def test_the_form_of_a_configuration_is_the_lowest_that_knows_its_keys(
    changes: dict[str, Any], form: int
) -> None:
    made = pipeline(**{"blob": "{name}.csv", **changes})
    assert made.form == form
    assert Pipeline.model_validate_json(made.model_dump_json()) == made


def test_keys_that_are_left_out_are_not_stored() -> None:
    assert "style" not in pipeline().model_dump_json()
    assert BARE.keys().isdisjoint({"start", "end"})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({**DAILY, "style": "StartOfInterval", "delay": "1h", "paused": True}, True),
        ({**DAILY, "start": "2026-01-01", "end": "2027-01-01", "backfill": True}, True),
        ({**DAILY, "offset": "1h"}, False),
        ({**DAILY, "anchor": "2026-01-05"}, False),
        ({**DAILY, "interval": 2}, False),
        ({"frequency": "Week"}, False),
    ],
)
def test_only_what_moves_boundaries_makes_another_schedule(
    other: dict[str, Any],
    same: bool,  # noqa: FBT001
) -> None:
    one = Recurrence.model_validate(DAILY)
    assert same_boundaries(one, Recurrence.model_validate(other)) is same
    assert not same_boundaries(one, "0 0 3 * * *")
    assert same_boundaries("0 0 3 * * *", "0 0 3 * * *")
