"""Parameters between pipelines of version 2, and activities that the factory skips."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.repository import (
    file_of,
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

LEFT = ImportOutcome.NOT_CARRIED_OVER
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
    call = _call(parameters={"who": "@item()"})
    found = _called(_each("@activity('look').output.value", call), of=BY_NAME)
    assert "but only once: it is in ForEach `each`" in line(found, "call").text
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
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "in the factory they share it" in said.text


STORES = {"stores": {"type": "array", "defaultValue": ["north", {"name": "south"}]}}


def _each(items: Any, *activities: dict[str, Any]) -> dict[str, Any]:
    typed = {"items": items, "activities": list(activities)}
    return {"name": "each", "type": "ForEach", "typeProperties": typed}


def _of_member(item: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a training and its update whose paths hold an expression for a member."""
    model = f"models/@{{{item}}}.ilearner"
    typed = {
        "webServiceInputs": {"rows": file_of(f"data/@{{{item}}}.csv")},
        "webServiceOutputs": {"model": file_of(model)},
    }
    taken = {**update()["typeProperties"], "trainedModelFilePath": model}
    return training(typeProperties=typed), update(typeProperties=taken)


@pytest.mark.parametrize(
    ("items", "item", "blobs"),
    [
        ({"type": "Expression", "value": "@createArray('a', 2)"}, "item()", ["a.csv", "2.csv"]),
        ("@pipeline().parameters.stores", "item()?.name", ["fill-in/rows.csv", "south.csv"]),
        (["a", "a"], "item()", ["a.csv"]),
        ("@activity('look').output.value", "item()", ["fill-in/rows.csv"]),
        ([], "item()", ["fill-in/rows.csv"]),
        ([*range(21)], "item()", ["fill-in/rows.csv"]),
    ],
)
def test_each_member_of_a_known_list_has_a_pipeline(
    items: Any, item: str, blobs: list[str]
) -> None:
    made = pipeline(_each(items, *_of_member(item)), parameters=STORES)
    found = imported(
        {"pipeline/churn": made, "trigger/daily": schedule_trigger(reference("churn"))}
    )
    of = list(pipelines(found).values())
    assert [one["data"]["blob"] for one in of] == blobs
    for one in of:
        assert "paused" in one["schedule"] if "fill-in" in str(one) else len(one["endpoints"]) == 1
    unknown = blobs == ["fill-in/rows.csv"]
    assert line(found, "train").to_do.startswith("write a pipeline for each") is unknown


def test_updates_of_a_loop_follow_the_one_training_before_it() -> None:
    waits = [{"activity": "train", "dependencyConditions": ["Succeeded"]}]
    alone = {key: value for key, value in update().items() if key != "dependsOn"}
    typed = {**update()["typeProperties"], "trainedModelName": "@item()"}
    loop = _each(["one", "two"], {**alone, "typeProperties": typed})
    found = imported({"pipeline/churn": pipeline(training(), {**loop, "dependsOn": waits})})
    (made,) = pipelines(found).values()
    assert [one["resource"] for one in made["endpoints"]] == ["one", "two"]


def test_a_call_for_each_member_starts_a_pipeline_for_each() -> None:
    call = _call(parameters={"who": "@item()"})
    found = _called(_each(["north", "south"], call), of=BY_NAME)
    made = [one["data"]["blob"] for one in pipelines(found).values()]
    assert made == ["north.csv", "south.csv"]
    assert "only once" not in line(found, "call").text
    assert line(found, "who", "key").outcome is ImportOutcome.MAPPED


def test_a_pipeline_that_is_asked_for_gives_its_parameters() -> None:
    files = {
        "pipeline/outer": pipeline(_call(parameters={"who": "north"})),
        "pipeline/churn": pipeline(BY_NAME, parameters={"who": {"type": "string"}}),
    }
    made = pipelines(imported(files))["churn"]
    assert (made["data"]["blob"], "schedule" in made) == ("north.csv", False)
    files["trigger/daily"] = schedule_trigger(reference("churn", who="south"))
    assert [one["data"]["blob"] for one in pipelines(imported(files)).values()] == ["south.csv"]


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


def _second(first: dict[str, Any], second: dict[str, Any], job: dict[str, Any]) -> Any:
    """Import a call with parameters, and another one that runs after its failure."""
    waits = [{"activity": "one", "dependencyConditions": ["Failed"]}]
    calls = _call("one", parameters=first), _call("two", parameters=second, dependsOn=waits)
    declared = {"who": {"type": "string"}, "k": {"type": "int", "defaultValue": 3}}
    return imported(
        {
            "pipeline/outer": pipeline(*calls),
            "pipeline/churn": pipeline(job, parameters=declared),
            "trigger/daily": schedule_trigger(reference("outer")),
        }
    )


def _with_k() -> dict[str, Any]:
    typed = {**BY_NAME["typeProperties"], "globalParameters": {"K": PASSED}}
    return training(typeProperties=typed)


PASSED = {"type": "Expression", "value": "@pipeline().parameters.k"}
RUN = "ask for a run where it is due: POST /api/pipelines/{pipeline}/runs"


@pytest.mark.parametrize(
    ("first", "second", "to_do"),
    [
        ({"who": "a"}, {"who": "b", "k": 5}, "a pipeline of its own with who: b, k: 5, and"),
        ({"who": "a"}, {"who": "a", "k": 5}, f'{RUN} with `{{"parameters": {{"K": 5}}}}`'),
        ({"who": "a", "k": 7}, {"who": "a"}, f'{RUN} with `{{"parameters": {{"K": 3}}}}`'),
        ({"who": "a"}, {"who": "a"}, f"{RUN}; or write `schedule`"),
    ],
)
def test_a_call_with_other_values_says_how_a_run_has_them(
    first: dict[str, Any], second: dict[str, Any], to_do: str
) -> None:
    found = _second(first, second, _with_k())
    assert len(pipelines(found)) == 1
    assert to_do in line(found, "two").to_do
    ending = "[1].typeProperties.parameters."
    keys = {one.name: one for one in found.report.lines if ending in one.at}
    assert sorted(keys) == sorted(second)
    differ = {key for key, one in keys.items() if "it is the same" not in one.text}
    assert differ == {key for key in second if second[key] != first.get(key, 3)}
    assert all(one.outcome is LEFT for one in keys.values())


def test_a_call_with_the_values_of_another_start_names_it() -> None:
    waits = [{"activity": "one", "dependencyConditions": ["Failed"]}]
    calls = _call("one", parameters={"who": "a"}), _call("three", parameters={"who": "b"})
    found = _called(*calls, _call("two", parameters={"who": "b"}, dependsOn=waits), of=BY_NAME)
    assert len(pipelines(found)) == 2
    assert line(found, "two").to_do == f"{RUN}, of the one that has these values"


def test_the_values_of_a_call_that_alone_starts_a_pipeline_are_to_be_written() -> None:
    call = _call(parameters={"who": "north"}, dependsOn=FAILED)
    found = _called(COPY, call, of=BY_NAME)
    assert line(found, "call").to_do == f"write who: north in churn, and {RUN}"
