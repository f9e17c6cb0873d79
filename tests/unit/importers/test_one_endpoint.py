"""Pipelines that update one endpoint at the same times: their order is said to be lost."""

from typing import Any

import pytest

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

LOST = "no order of the factory is kept"


def _each(*members: str) -> dict[str, Any]:
    inside = [with_input("data/@{item()}.csv"), update()]
    typed = {"items": list(members), "isSequential": True, "activities": inside}
    return {"name": "each", "type": "ForEach", "typeProperties": typed}


@pytest.mark.parametrize(("members", "lost"), [(("a", "b"), True), (("a",), False)])
def test_the_order_of_a_loop_is_said_to_be_lost(members: tuple[str, ...], *, lost: bool) -> None:
    trigger = schedule_trigger(reference("churn"))
    found = imported({"pipeline/churn": pipeline(_each(*members)), "trigger/daily": trigger})
    assert len(pipelines(found)) == len(members)
    said = line(found, "update")
    assert (LOST in said.text, "schedule.delay" in said.to_do) == (lost, lost)


@pytest.mark.parametrize(
    ("hour", "resource", "lost"),
    [("03", "Churn [trained model]", True), ("04", "Churn [trained model]", False), ("03", "x", 0)],
)
def test_another_time_or_another_model_is_no_lost_order(
    hour: str, resource: str, lost: object
) -> None:
    outputs = {"output1": file_of("models/two/churn.ilearner")}
    second = training(typeProperties={**training()["typeProperties"], "webServiceOutputs": outputs})
    other = update("other")
    other["typeProperties"] = {
        **other["typeProperties"],
        "trainedModelName": resource,
        "trainedModelFilePath": "models/two/churn.ilearner",
    }
    found = imported(
        {
            "pipeline/one": pipeline(training(), update()),
            "pipeline/two": pipeline(second, other),
            "trigger/one": schedule_trigger(reference("one")),
            "trigger/two": schedule_trigger(
                reference("two"), startTime=f"2026-01-01T{hour}:00:00Z"
            ),
        }
    )
    for name in ("update", "other"):
        assert (LOST in line(found, name).text) is bool(lost)
