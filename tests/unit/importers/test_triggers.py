"""Triggers of version 2 become schedules; their keys are accounted for."""

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.factory import Factory
from tests.unit.importers.triggers import (
    RECURRENCE,
    WINDOW,
    reference,
    starts_of,
    trigger_factory,
    unread_of,
)


def test_a_schedule_trigger_is_a_schedule() -> None:
    factory = trigger_factory("ScheduleTrigger", {"recurrence": RECURRENCE})
    (start,) = starts_of(factory)
    assert start.timing.schedule == {"frequency": "Day", "interval": 1, "offset": "3h"}
    (line,) = factory.lines("trigger")
    assert (line.outcome, line.text) == (ImportOutcome.MAPPED, "churn: schedule")
    assert unread_of(factory) == []


def test_one_trigger_can_need_several_schedules() -> None:
    said = {**RECURRENCE, "frequency": "Month", "schedule": {"monthDays": [1, -1]}}
    found = starts_of(trigger_factory("ScheduleTrigger", {"recurrence": said}))
    assert len(found) == 2


def test_a_tumbling_window_has_windows_concurrency_and_retries() -> None:
    factory = trigger_factory("TumblingWindowTrigger", WINDOW)
    (start,) = starts_of(factory)
    assert start.timing.schedule == {
        "frequency": "Hour",
        "interval": 24,
        "anchor": "2026-01-01T02:00:00Z",
        "start": "2026-01-01T02:00:00Z",
        "delay": "10m",
    }
    timing = start.timing
    assert (timing.when_busy, timing.max_parallel, timing.catch_up) == ("parallel", 3, "all")
    assert (start.retries, start.pause) == (2, "1m")
    assert unread_of(factory) == []


def test_a_window_that_waits_for_the_one_before_is_in_a_queue() -> None:
    others = [
        {"type": "SelfDependencyTumblingWindowTriggerReference", "offset": "-1.00:00:00"},
        {
            "type": "TumblingWindowTriggerDependencyReference",
            "referenceTrigger": {"referenceName": "other", "type": "TriggerReference"},
        },
    ]
    factory = trigger_factory("TumblingWindowTrigger", {**WINDOW, "dependsOn": others})
    (start,) = starts_of(factory)
    assert (start.timing.when_busy, start.timing.max_parallel) == ("queue", None)
    assert "waits for windows of other" in factory.said()
    assert "one begins after a failed one too" in factory.said()
    assert unread_of(factory) == []


def test_each_pipeline_of_a_trigger_has_parameters_of_its_own() -> None:
    factory = Factory()
    for name in ("north", "south"):
        factory.add("pipeline", name, activities=[])
    factory.add(
        "trigger",
        "nightly",
        type="ScheduleTrigger",
        typeProperties={"recurrence": RECURRENCE},
        pipelines=[
            reference("north", store="n", day="@trigger().scheduledTime"),
            reference("south", store="s"),
            reference("west"),
        ],
        runtimeState="Started",
    )
    north, south = starts_of(factory, "north"), starts_of(factory, "south")
    assert [start.parameters["store"].text for start in (*north, *south)] == ["n", "s"]
    assert north[0].parameters["day"].uses_window
    assert "pipeline west is not among the files" in factory.said()
    assert len(factory.lines("trigger")) == 1


@pytest.mark.parametrize(
    ("kind", "to_do"),
    [
        ("CustomEventsTrigger", "POST /api/pipelines/{pipeline}/runs"),
        ("ChainingTrigger", "a run opens when the blob arrives"),
        ("RerunTumblingWindowTrigger", "manual run"),
        ("SomethingNew", "POST"),
    ],
)
def test_other_triggers_are_reported(kind: str, to_do: str) -> None:
    factory = trigger_factory(kind, {"parameter": 1})
    assert starts_of(factory) == []
    (line,) = factory.lines("trigger")
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert to_do in line.to_do
