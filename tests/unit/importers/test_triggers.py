"""Triggers of version 2 become schedules and patterns; their keys are accounted for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.core.config.schedule import Recurrence as Schedule
from shared.core.config.schedule import dues_between
from shared.importers.data_factory.account import Outcome
from shared.importers.data_factory.drafts import ImportContext, ImportOptions
from shared.importers.data_factory.secrets import Secrets
from shared.importers.data_factory.version_2.triggers import Start, report_place, starts
from tests.unit.importers.factory import Factory

NOW = datetime(2026, 11, 27, tzinfo=UTC)
RECURRENCE = {
    "frequency": "Day",
    "interval": 1,
    "startTime": "2026-01-01T03:00:00Z",
    "timeZone": "UTC",
}
WINDOW = {
    "frequency": "Hour",
    "interval": 24,
    "startTime": "2026-01-01T02:00:00Z",
    "delay": "00:10:00",
    "maxConcurrency": 3,
    "retryPolicy": {"count": 2, "intervalInSeconds": 60},
}


def _reference(name: str, **parameters: Any) -> dict[str, Any]:
    reference = {"referenceName": name, "type": "PipelineReference"}
    return {"pipelineReference": reference, "parameters": parameters}


def _factory(kind: str, typed: dict[str, Any], **more: Any) -> Factory:
    factory = Factory()
    factory.add("pipeline", "churn", activities=[])
    pipelines: dict[str, Any] = {
        "pipelines": [_reference("Churn")],
        "runtimeState": "Started",
    }
    if kind == "TumblingWindowTrigger":
        pipelines = {"pipeline": _reference("churn"), "runtimeState": "Started"}
    factory.add("trigger", "nightly", type=kind, typeProperties=typed, **{**pipelines, **more})
    return factory


def _starts(factory: Factory, name: str = "churn") -> list[Start]:
    context = ImportContext(factory.account, Secrets(), ImportOptions(), NOW)
    found = starts(factory.definitions, context)
    for start in found.get(name, []):
        report_place(start, name)
    return found.get(name, [])


def _unread(factory: Factory) -> list[str]:
    lines = (one for one in factory.lines() if one.file.startswith("trigger/"))
    return [one.at for one in lines if "has nothing for this key" in one.text]


def test_a_schedule_trigger_is_a_schedule() -> None:
    factory = _factory("ScheduleTrigger", {"recurrence": RECURRENCE})
    (start,) = _starts(factory)
    assert start.timing.schedule == {"frequency": "Day", "interval": 1, "offset": "3h"}
    (line,) = factory.lines("trigger")
    assert (line.outcome, line.text) == (Outcome.MAPPED, "churn: schedule")
    assert _unread(factory) == []


def test_the_period_of_a_schedule_has_the_due_times_of_the_factory() -> None:
    said = {
        **RECURRENCE,
        "startTime": "2027-01-01T03:00:00Z",
        "endTime": "2027-02-01T12:00:00Z",
    }
    (start,) = _starts(_factory("ScheduleTrigger", {"recurrence": said}))
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["start"] == "2026-12-31T03:00:00Z"
    assert start.timing.schedule["end"] == "2027-02-01T03:00:00Z"


def test_a_stopped_trigger_is_a_paused_schedule() -> None:
    factory = _factory("ScheduleTrigger", {"recurrence": RECURRENCE}, runtimeState="Stopped")
    (start,) = _starts(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    several = {**RECURRENCE, "schedule": {"hours": [3, 9]}}
    factory = _factory("ScheduleTrigger", {"recurrence": several}, runtimeState="Stopped")
    found = [start.timing.schedule for start in _starts(factory)]
    assert found == [
        {"frequency": "Day", "interval": 1, "offset": offset, "paused": True}
        for offset in ("3h", "9h")
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"runtimeState": "Stopped"}, "it is not to run yet"),
        ({"startTime": "2027-02-01T03:00:00Z"}, "it begins at 2027-02-01T03:00:00Z"),
        ({"endTime": "2026-11-01T00:00:00Z"}, "it ended at 2026-11-01T00:00:00Z"),
    ],
)
def test_ncrontab_that_must_not_run_now_is_not_written(more: dict[str, Any], why: str) -> None:
    state = {key: more[key] for key in more if key == "runtimeState"}
    friday = {"monthlyOccurrences": [{"day": "Friday", "occurrence": 1}]}
    said = {**RECURRENCE, **more, "frequency": "Month", "schedule": friday}
    factory = _factory("ScheduleTrigger", {"recurrence": said}, **state)
    (start,) = _starts(factory)
    assert start.timing.schedule == {"frequency": "Day", "interval": 1, "paused": True}
    assert f'{why}: write schedule: "0 0 3 1-7 * FRI"' in factory.said()


def test_ncrontab_that_ends_says_when() -> None:
    friday = {"monthlyOccurrences": [{"day": "Friday", "occurrence": 1}]}
    said = {**RECURRENCE, "frequency": "Month", "schedule": friday, "endTime": "2027-06-01T00:00Z"}
    factory = _factory("ScheduleTrigger", {"recurrence": said})
    (start,) = _starts(factory)
    assert start.timing.schedule == "0 0 3 1-7 * FRI"
    assert "remove it at 2027-06-01T00:00:00Z" in factory.said()


def test_several_due_times_have_the_period_of_their_trigger() -> None:
    said = {
        "frequency": "Week",
        "startTime": "2027-02-01T00:00:00Z",
        "endTime": "2027-02-15T00:00:00Z",
        "schedule": {"weekDays": ["Monday", "Thursday"], "hours": [6]},
    }
    factory = _factory("ScheduleTrigger", {"recurrence": said})
    dues = []
    for start in _starts(factory):
        schedule = Schedule.model_validate(start.timing.schedule)
        dues += [f"{due:%F %H}" for due in dues_between(schedule, NOW, NOW.replace(year=2028), 9)]
    assert sorted(dues) == ["2027-02-01 06", "2027-02-04 06", "2027-02-08 06", "2027-02-11 06"]
    (line,) = (one for one in factory.lines("key") if one.name == "recurrence")
    assert line.outcome is Outcome.MAPPED


def test_a_due_time_outside_of_the_period_has_no_pipeline() -> None:
    said = {
        **RECURRENCE,
        "frequency": "Week",
        "startTime": "2027-02-01T03:00:00Z",  # a Monday
        "endTime": "2027-02-02T03:00:00Z",
        "schedule": {"weekDays": ["Monday", "Thursday"]},
    }
    (start,) = _starts(_factory("ScheduleTrigger", {"recurrence": said}))
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["end"] == "2027-02-01T03:00:00Z"
    said["schedule"] = {"weekDays": ["Thursday"]}
    factory = _factory("ScheduleTrigger", {"recurrence": said})
    (start,) = _starts(factory)
    assert start.timing.schedule == {"frequency": "Day", "interval": 1, "paused": True}
    assert "no due time lies between" in factory.said()


def test_one_trigger_can_need_several_schedules() -> None:
    said = {**RECURRENCE, "frequency": "Month", "schedule": {"monthDays": [1, -1]}}
    found = _starts(_factory("ScheduleTrigger", {"recurrence": said}))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"frequency": "<frequency>"}, "frequency `<frequency>` cannot be read"),
        ({"startTime": "<start>"}, "startTime `<start>` cannot be read"),
        ({"startTime": "0001-01-01T00:00:00+05:00"}, "startTime `0001-01-01T00:00:00+05:00`"),
        ({"endTime": "<end>"}, "endTime `<end>` cannot be read"),
        ({"endTime": RECURRENCE["startTime"]}, "endTime is not after its startTime"),
        ({"interval": "[parameters('i')]"}, "interval `[parameters('i')]` cannot be read"),
        ({"interval": 0}, "interval `0` cannot be read"),
        ({"interval": 99_999, "frequency": "Month"}, "interval `99999` cannot be read"),
        ({"schedule": {"hours": [3, 24]}}, "schedule.hours `[3, 24]` cannot be read"),
        ({"schedule": {"minutes": ["x"]}}, "schedule.minutes `['x']` cannot be read"),
        ({"schedule": {"monthDays": [1]}}, "schedule.monthDays does not go with frequency Day"),
        (
            {"frequency": "Month", "schedule": {"weekDays": ["Monday"]}},
            "schedule.weekDays does not go with frequency Month",
        ),
        (
            {"frequency": "Month", "schedule": {"monthlyOccurrences": [{"day": "x"}]}},
            "schedule.monthlyOccurrences `[{'day': 'x'}]` cannot be read",
        ),
        (
            {
                "frequency": "Month",
                "schedule": {"monthDays": [1], "monthlyOccurrences": [{"day": "Monday"}]},
            },
            "both monthDays and monthlyOccurrences",
        ),
    ],
)
def test_what_is_wrong_in_a_trigger_pauses_its_schedule(more: dict[str, Any], said: str) -> None:
    factory = _factory("ScheduleTrigger", {"recurrence": {**RECURRENCE, **more}})
    (start,) = _starts(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    (line,) = (one for one in factory.lines("key") if one.name == "recurrence")
    assert line.outcome is Outcome.APPROXIMATED
    assert said in line.text
    assert "remove `paused`" in line.to_do


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"frequency": "<frequency>"}, "frequency"),
        ({"interval": "x"}, "interval"),
        ({"startTime": "<start>"}, "startTime"),
        ({"endTime": "<end>"}, "endTime"),
        ({"endTime": WINDOW["startTime"]}, "endTime"),
        ({"delay": "999.00:00:00"}, "delay"),
    ],
)
def test_what_is_wrong_in_a_window_pauses_its_schedule(more: dict[str, Any], key: str) -> None:
    factory = _factory("TumblingWindowTrigger", {**WINDOW, **more})
    (start,) = _starts(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    differ = [one.name for one in factory.lines("key") if one.outcome is Outcome.APPROXIMATED]
    assert differ == [key]


def test_a_trigger_without_a_start_says_what_it_counts_from() -> None:
    factory = _factory("ScheduleTrigger", {"recurrence": {"frequency": "Day"}})
    _starts(factory)
    assert "it has no startTime" in factory.said()
    factory = _factory("TumblingWindowTrigger", {"frequency": "Hour"})
    (start,) = _starts(factory)
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["paused"] is True
    assert "there is no startTime" in factory.said()


def test_times_with_a_zone_are_written_in_utc() -> None:
    said = {**WINDOW, "startTime": "2026-01-01T02:00:00+02:00", "endTime": "2027-01-01T02:00+02:00"}
    (start,) = _starts(_factory("TumblingWindowTrigger", said))
    assert isinstance(start.timing.schedule, dict)
    assert start.timing.schedule["start"] == "2026-01-01T00:00:00Z"
    assert start.timing.schedule["end"] == "2027-01-01T00:00:00Z"
    never = {**RECURRENCE, "endTime": "9999-12-31T23:59:59", "timeZone": "Eastern Standard Time"}
    (start,) = _starts(_factory("ScheduleTrigger", {"recurrence": never}))
    assert isinstance(start.timing.schedule, dict)
    assert "end" not in start.timing.schedule


def test_odd_times_and_intervals_do_no_harm() -> None:
    far = {**RECURRENCE, "startTime": "9999-12-31T00:00:00Z", "interval": 999_999_999}
    (start,) = _starts(_factory("ScheduleTrigger", {"recurrence": far}))
    assert isinstance(start.timing.schedule, dict)
    assert (start.timing.schedule["paused"], start.timing.schedule["interval"]) == (True, 1)
    never = {**WINDOW, "startTime": "9999-12-31T00:00:00Z", "interval": "x"}
    (start,) = _starts(_factory("TumblingWindowTrigger", never))
    assert isinstance(start.timing.schedule, dict)
    assert (start.timing.schedule["paused"], start.timing.schedule["interval"]) == (True, 1)


def test_a_tumbling_window_has_windows_concurrency_and_retries() -> None:
    factory = _factory("TumblingWindowTrigger", WINDOW)
    (start,) = _starts(factory)
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
    assert _unread(factory) == []


def test_a_window_that_waits_for_the_one_before_is_in_a_queue() -> None:
    others = [
        {"type": "SelfDependencyTumblingWindowTriggerReference", "offset": "-1.00:00:00"},
        {
            "type": "TumblingWindowTriggerDependencyReference",
            "referenceTrigger": {"referenceName": "other", "type": "TriggerReference"},
        },
    ]
    factory = _factory("TumblingWindowTrigger", {**WINDOW, "dependsOn": others})
    (start,) = _starts(factory)
    assert (start.timing.when_busy, start.timing.max_parallel) == ("queue", None)
    assert "waits for windows of other" in factory.said()
    assert "one begins after a failed one too" in factory.said()
    assert _unread(factory) == []


@pytest.mark.parametrize(
    ("begins", "ends", "container", "pattern"),
    [
        ("/data/blobs/in/", ".csv", "data", "in/{name}.csv"),
        ("/data/blobs/in/", "", "data", "in/{name}"),
        ("/data/blobs/in/train", ".csv", "data", "in/train{name}.csv"),
        ("/data/blobs/in/train.csv", "", "data", "in/train.csv"),
        ("/data/blobs/in/", "/train.csv", "data", "in/{folder}/train.csv"),
        ("/data/blobs/in/", "train.csv", "data", "in/train.csv"),
        ("/data/", "", "data", "{name}"),
        ("/data/blobs/", ".csv", "data", "{name}.csv"),
        ("", ".csv", "", "{name}.csv"),
        ("", "in/r.csv", "", "in/r.csv"),
        ("", "/c/blobs/r.csv", "c", "r.csv"),
        ("/data/", "/data/blobs/in/r.csv", "data", "in/r.csv"),
    ],
)
def test_a_blob_event_is_a_pattern(begins: str, ends: str, container: str, pattern: str) -> None:
    typed = {
        "blobPathBeginsWith": begins,
        "blobPathEndsWith": ends,
        "ignoreEmptyBlobs": True,
        "scope": "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st",
        "events": ["Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"],
    }
    factory = _factory("BlobEventsTrigger", typed)
    (start,) = _starts(factory)
    assert start.event is not None
    assert (start.event.account, start.event.container) == ("st", container)
    assert start.event.pattern == pattern
    assert ("one folder stands between" in start.event.differs) == ("{folder}" in pattern)
    assert start.timing.opens_runs
    assert "a deleted blob opens no run" in factory.said()
    assert _unread(factory) == []


def test_a_trigger_of_deleted_blobs_alone_is_not_carried_over() -> None:
    typed = {
        "blobPathBeginsWith": "/data/blobs/in/",
        "blobPathEndsWith": ".csv",
        "events": ["Microsoft.Storage.BlobDeleted"],
    }
    factory = _factory("BlobEventsTrigger", typed)
    assert _starts(factory) == []
    (line,) = factory.lines("trigger")
    assert line.outcome is Outcome.NOT_CARRIED_OVER
    assert "a deleted blob opens no run" in line.text
    assert {one.outcome for one in factory.lines() if one.file == line.file} == {line.outcome}


def test_a_stopped_blob_trigger_opens_no_runs() -> None:
    typed = {"folderPath": "data/in", "maxConcurrency": 4, "linkedService": {"referenceName": "st"}}
    factory = _factory("BlobTrigger", typed, runtimeState="Stopped")
    (start,) = _starts(factory)
    assert start.event is not None
    assert (start.event.container, start.event.pattern) == ("data", "in/{name}")
    assert not start.timing.opens_runs
    assert _unread(factory) == []


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
            _reference("north", store="n", day="@trigger().scheduledTime"),
            _reference("south", store="s"),
            _reference("west"),
        ],
        runtimeState="Started",
    )
    north, south = _starts(factory, "north"), _starts(factory, "south")
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
    factory = _factory(kind, {"parameter": 1})
    assert _starts(factory) == []
    (line,) = factory.lines("trigger")
    assert line.outcome is Outcome.NOT_CARRIED_OVER
    assert to_do in line.to_do
