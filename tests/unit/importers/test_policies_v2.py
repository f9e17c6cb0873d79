"""Policies of jobs of version 2: their fields in the file, and the report about the rest."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.values import timespan
from shared.importers.data_factory.version_2.policies import policy, report_policy
from shared.importers.data_factory.version_2.triggers import Start
from tests.unit.importers.factory import Factory

EXPRESSION = {"type": "Expression", "value": "@activity('a').output.n"}


def _read(said: dict[str, Any], start: Start | None = None) -> tuple[Any, dict[str, Any]]:
    factory = Factory()
    body = factory.add("pipeline", "p", activities=[{"name": "a", "policy": said}]).body
    activity = body.get("properties", "activities").list()[0]
    found = policy(
        activity, start or Start(), lambda one: None if isinstance(one.value, dict) else one.value
    )
    report_policy(activity, "a", found, "p")
    return found, {one.name: one for one in factory.lines("policy")}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("retry", EXPRESSION, "training.attempts: 1: `@activity('a').output.n` cannot be read"),
        ("retry", -1, "`-1` cannot be read"),
        ("retry", 20, "training.attempts: 11: the most, where the factory has 21"),
        ("timeout", EXPRESSION, "training.timeout: 12h: `@activity('a').output.n` cannot be read"),
        ("timeout", "-1.00:00:00", "training.timeout: 12h: `-1.00:00:00` cannot be read"),
        ("secureInput", True, "no content of either"),
        ("secureOutput", EXPRESSION, "no content of either"),
    ],
)
def test_what_is_not_in_the_file_is_not_mapped(key: str, value: Any, text: str) -> None:
    _, lines = _read({"timeout": "01:00:00", key: value})
    assert lines[key].outcome is ImportOutcome.APPROXIMATED
    assert text in lines[key].text


@pytest.mark.parametrize(
    ("seconds", "pause", "outcome"),
    [
        (60, "1m", ImportOutcome.MAPPED),
        (-5, "30s", ImportOutcome.APPROXIMATED),
        (10**9, "30s", ImportOutcome.APPROXIMATED),
    ],
)
def test_the_pause_is_that_of_the_activity(
    seconds: int, pause: str, outcome: ImportOutcome
) -> None:
    found, lines = _read({"retry": 2, "retryIntervalInSeconds": seconds})
    assert (found.attempts, found.pause) == (3, pause)
    assert lines["retryIntervalInSeconds"].outcome is outcome
    assert f"training.pause: {pause}" in lines["retryIntervalInSeconds"].text


def test_retries_of_the_trigger_are_not_those_of_the_activity() -> None:
    said = {"retry": 0, "retryIntervalInSeconds": 10}
    found, lines = _read(said, Start(retries=3, pause="1m"))
    assert (found.attempts, found.pause) == (4, "1m")
    assert lines["retry"].outcome is ImportOutcome.APPROXIMATED
    assert "for each retry of the trigger" in lines["retry"].text
    assert lines["retryIntervalInSeconds"].text.startswith("no effect")


def test_a_key_that_is_null_is_one_that_is_missing() -> None:
    found, lines = _read({"timeout": None, "retry": None})
    assert (found.attempts, found.timeout) == (1, timespan("12:00:00"))
    assert lines == {}
