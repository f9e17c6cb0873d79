"""What pipelines of version 2 give each other, and activities that the factory skips."""

from typing import Any

import pytest

from shared.importers.data_factory.account import Outcome
from tests.unit.importers.repository import (
    imported,
    line,
    pipeline,
    pipelines,
    reference,
    schedule_trigger,
    training,
    update,
    with_input,
)

LEFT = Outcome.NOT_CARRIED_OVER
COPY = {"name": "copy", "type": "Copy", "typeProperties": {}}
BY_NAME = with_input("data/@{pipeline().parameters.who}.csv")


def _call(name: str = "call", **values: Any) -> dict[str, Any]:
    given = values.pop("parameters", {})
    typed = {"pipeline": {"referenceName": "churn"}, "parameters": given}
    return {"name": name, "type": "ExecutePipeline", "typeProperties": typed, **values}


def _called(*outer: dict[str, Any], of: dict[str, Any] | None = None) -> Any:
    return imported(
        {
            "pipeline/outer": pipeline(*outer),
            "pipeline/churn": pipeline(of or training()),
            "trigger/daily": schedule_trigger(reference("outer")),
        }
    )


def test_an_inactive_call_starts_nothing() -> None:
    found = _called(_call(state="Inactive"))
    assert "schedule" not in pipelines(found)["churn"]
    assert line(found, "call").text == "Inactive: the factory skips it"
    assert not line(found, "call").asks


def test_what_a_call_waits_for_is_not_carried_over() -> None:
    waits = [{"activity": "copy", "dependencyConditions": ["Succeeded"]}]
    found = _called(COPY, _call(dependsOn=waits))
    assert "schedule" in pipelines(found)["churn"]
    said = line(found, "dependsOn", "key")
    assert (said.outcome, said.asks) == (LEFT, True)
    assert "waits for `copy` (succeeded)" in said.text


def test_a_call_in_a_loop_starts_one_run() -> None:
    inside = {"activities": [_call(parameters={"who": "@item()"})], "items": ["a", "b"]}
    loop = {"name": "each", "type": "ForEach", "typeProperties": inside}
    found = _called(loop, of=BY_NAME)
    assert "but once alone: it is in ForEach `each`" in line(found, "call").text
    given = line(found, "who", "key")
    assert (given.outcome, "wherever it is used" in given.text) == (LEFT, False)
    assert given.text.startswith("`@item()`: ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"who": "@trigger().name"}, "the value that it is given cannot be carried over"),
        ({}, "it has no default, and nothing that starts the pipeline gives it a value"),
    ],
)
def test_a_parameter_without_a_value_is_not_carried_over(given: dict[str, Any], said: str) -> None:
    made = pipeline(BY_NAME, parameters={"who": {"type": "string"}})
    trigger = schedule_trigger(reference("churn", **given))
    found = imported({"pipeline/churn": made, "trigger/daily": trigger})
    lines = [one for one in found.report.lines if (one.kind, one.name) == ("key", "who")]
    assert {one.outcome for one in lines} == {LEFT}
    assert {one.file: one.text for one in lines}["pipeline/churn.json"] == said
    assert ("`@trigger().name`" in " ".join(one.text for one in lines)) is bool(given)


def test_a_training_inside_of_an_inactive_loop_is_skipped() -> None:
    typed = {"activities": [training(), update()]}
    found = _called(
        {"name": "each", "type": "ForEach", "state": "Inactive", "typeProperties": typed}
    )
    assert "churn-train" not in pipelines(found)
    lines = [one for one in found.report.lines if one.file == "pipeline/outer.json"]
    texts = {one.name: one.text for one in lines if one.kind == "activity"}
    skipped = "Inactive: the factory skips it"
    assert texts == {"each": skipped, "train": skipped, "update": skipped}


@pytest.mark.parametrize(("marked", "made"), [("Failed", []), ("Succeeded", ["churn"])])
def test_what_waits_for_an_inactive_activity_runs_as_that_is_marked(
    marked: str, made: list[str]
) -> None:
    copy = {**COPY, "state": "Inactive", "onInactiveMarkAs": marked}
    waits = [{"activity": "copy", "dependencyConditions": ["Succeeded"]}]
    found = imported({"pipeline/churn": pipeline(copy, training(dependsOn=waits))})
    assert list(pipelines(found)) == made
    assert ("`copy` is Inactive and marked so" in line(found, "train").text) is (not made)


def test_pipelines_that_share_a_limit_have_one_each() -> None:
    made = pipeline(training("a"), training("b"), concurrency=1)
    said = line(imported({"pipeline/churn": made}), "concurrency", "policy")
    assert said.outcome is Outcome.APPROXIMATED
    assert "in the factory they share it" in said.text


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ({"type": "Expression", "value": "@createArray('north', 2)"}, '`"north"`, `2`'),
        ("@pipeline().parameters.stores", '`"south"`'),
        ("@activity('look').output.value", ""),
    ],
)
def test_the_members_of_a_loop_are_named(items: Any, said: str) -> None:
    typed = {"items": items, "activities": [training()]}
    loop = {"name": "each", "type": "ForEach", "typeProperties": typed}
    stores = {"stores": {"type": "array", "defaultValue": ["south"]}}
    found = imported({"pipeline/churn": pipeline(loop, parameters=stores)})
    text = line(found, "train").text.partition("a run has one such job")[2].partition(";")[0]
    assert text == (said and f", and not one for each of {said}")


FAILED = [{"activity": "copy", "dependencyConditions": ["Failed"]}]
IF = {"name": "if", "type": "IfCondition"}


def _set(value: Any, name: str = "set", **more: Any) -> dict[str, Any]:
    typed = {"variableName": "Where", "value": value}
    return {"name": name, "type": "SetVariable", "typeProperties": typed, **more}


@pytest.mark.parametrize(
    ("setters", "blob"),
    [
        ([], "usual/x.csv"),
        ([_set("@formatDateTime(trigger().scheduledTime, 'yyyy')")], "{end:yyyy}/x.csv"),
        ([_set("a"), _set("b", "again")], "fill-in/input1.csv"),
        ([_set("@activity('look').output.x")], "fill-in/input1.csv"),
        ([_set("a", dependsOn=FAILED)], "fill-in/input1.csv"),
        ([_set("a", state="Inactive")], "usual/x.csv"),
        ([{**IF, "typeProperties": {"ifTrueActivities": [_set("a")]}}], "fill-in/input1.csv"),
    ],
)
def test_a_variable_has_the_value_that_is_always_set(setters: list[Any], blob: str) -> None:
    made = with_input("data/@{variables('where')}/x.csv")
    declared = {"where": {"type": "String", "defaultValue": "usual"}}
    found = imported(
        {
            "pipeline/churn": pipeline(*setters, made, variables=declared),
            "trigger/daily": schedule_trigger(reference("churn")),
        }
    )
    assert pipelines(found)["churn"]["data"]["blob"] == blob
    said = "activity" if any("Inactive" not in str(one) for one in setters) else "its default value"
    assert said in line(found, "where", "key").text
