"""The value of a wrong field is UNKNOWN: no check fails because of it."""

from typing import Any

import pytest

from local.pipelines_schema import json_schema
from shared.config.messages import LEGAL
from shared.config.pipeline_reader import all_mistakes, as_far_as_right
from shared.core.config.cross_field import (
    FIELDS_ONLY,
    UNKNOWN,
    Unknown,
    UnknownValueError,
    known_pairs,
    mistakes,
)
from shared.core.config.pipeline import Pipeline
from tests.unit.config.pipelines_file import Change, Load, put
from tests.unit.config.test_cross_field import reported
from tests.unit.samples import ROWS, tree

# UNKNOWN


@pytest.mark.parametrize(
    "use",
    [
        bool,
        len,
        list,
        hash,
        str,
        lambda one: one == 1,
        lambda one: one < 1,
        lambda one: 1 in one,
        lambda one: one.name,
        lambda one: one[0],
        lambda one: f"{one}",
        lambda one: one(),
        lambda one: {one: 1},
    ],
)
def test_nothing_can_be_asked_of_a_value_that_is_not_known(use: Any) -> None:
    with pytest.raises(UnknownValueError):
        use(UNKNOWN)


def test_to_be_given_is_all_that_is_known_of_it() -> None:
    assert UNKNOWN is not None
    assert isinstance(UNKNOWN, Unknown)
    assert repr(UNKNOWN) == "UNKNOWN"
    assert known_pairs(UNKNOWN, "name") == []


@pytest.mark.parametrize("path", [("training",), ("data",), ("gate",), ("endpoints",), ("key",)])
def test_no_check_fails_because_of_an_unknown_value(path: tuple[str, ...]) -> None:
    known = tree(data__settle="1s", gate={"rules": [{"metric": "AUC", "max_drop": 1}]})
    known["endpoints"][0]["verify"]["rows"] = ROWS
    partly = as_far_as_right(Pipeline, known, [(path, "missing")], {FIELDS_ONLY: True})
    assert partly is not None
    assert list(all_mistakes(partly, partly=True)) == []
    assert list(mistakes(partly, partly=True)) == []


# What is legal


def patterns(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {one for part in schema for one in patterns(part)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    return own | {one for part in schema.values() for one in patterns(part)}


def test_every_pattern_of_the_file_is_reported_in_words() -> None:
    assert patterns(json_schema()) <= set(LEGAL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("endpoints.0.name", "two words"), "letters, digits, _ and -"),
        (put("endpoints.0.name", "x" * 42), "up to 41"),
        (put("training.azure_batch_pool_id", "my pool"), "the letters A to F"),
    ],
)
def test_no_regular_expression_is_shown(load: Load, change: Change, message: str) -> None:
    (text,) = reported(load(change))
    assert message in text
    assert "pattern" not in text
    assert "^" not in text
