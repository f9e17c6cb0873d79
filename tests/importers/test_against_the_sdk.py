"""The importer reads the same values from files of version 2 as Microsoft's own models."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from azure.mgmt.datafactory import models

from shared.core.config.types import parse_duration
from shared.importers.data_factory.account import Account
from shared.importers.data_factory.reading.finder import found
from tests.importers.imported import Imported, run_import
from tests.importers.walked import SAMPLES, definitions, files_of, value_of

FOLDERS: Final = ("v2_repository", "v2_documented", "v2_arm_template")
RESOURCES: Final[dict[str, Any]] = {
    "pipeline": models.PipelineResource,
    "dataset": models.DatasetResource,
    "linked service": models.LinkedServiceResource,
    "trigger": models.TriggerResource,
}
#: A job of Relearn ends earlier, before its signed URLs do.
LONGEST: Final = timedelta(days=6, hours=22)


@dataclass(frozen=True, slots=True)
class Factory:
    """The definitions of a folder as the models read them, and what was imported of them."""

    folder: Path
    parsed: dict[str, dict[str, Any]]  #: kind -> name -> resource
    imported: Imported

    def activities(self, pipeline: Any) -> Iterator[Any]:
        """Yield the activities of a pipeline, or of an activity that holds some."""
        for key in ("activities", "if_true_activities", "if_false_activities", "cases"):
            for activity in getattr(pipeline, key, None) or ():
                if key != "cases":
                    yield activity
                yield from self.activities(activity)
        for activity in getattr(pipeline, "default_activities", None) or ():
            yield activity
            yield from self.activities(activity)

    def made(self) -> Iterator[tuple[dict[str, Any], Any, list[Any]]]:
        """Yield each pipeline of the file, with its job and its updates as the models read them."""
        named = {
            activity.name: activity
            for pipeline in self.parsed["pipeline"].values()
            for activity in self.activities(pipeline)
        }
        for line in self.imported.report["pipelines"]:
            job, *updates = (named[one["name"]] for one in line["activities"])
            yield self.imported.pipelines[line["name"]], job, updates

    def service(self, activity: Any) -> Any:
        """Return the linked service of an activity."""
        name = activity.linked_service_name.reference_name
        return self.parsed["linked service"][name].properties


@pytest.fixture(scope="module", params=FOLDERS)
def factory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    folder = SAMPLES / request.param
    parsed: dict[str, dict[str, Any]] = {kind: {} for kind in RESOURCES}
    for raw in files_of(folder).values():
        for kind, _, body in definitions(raw):
            name = str(body["name"]).removesuffix("')]").rpartition("/")[2]
            resource = RESOURCES[kind].from_dict(in_their_form(body))
            parsed[kind][name] = resource
    return Factory(folder, parsed, run_import(folder, tmp_path_factory.mktemp("sdk") / "result"))


def in_their_form(body: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with a key that is no secret object as one: the models take no text."""
    values = body["properties"].get("typeProperties", {})
    if not isinstance(values.get("apiKey", {}), str):
        return body
    key = {"type": "SecureString", "value": values["apiKey"]}
    properties = {**body["properties"], "typeProperties": {**values, "apiKey": key}}
    return {**body, "properties": properties}


def test_types_and_names_agree(factory: Factory) -> None:
    content = {
        one.relative_to(factory.folder).as_posix(): one.read_bytes()
        for one in sorted(factory.folder.rglob("*"))
        if one.is_file()
    }
    read = found(content, {}, Account())
    kinds = {"linked service": "linkedService"}
    for kind, resources in factory.parsed.items():
        ours = {one.name: one.type for one in read.of(kinds.get(kind, kind))}
        theirs = {
            name: "" if kind == "pipeline" else resource.properties.type
            for name, resource in resources.items()
        }
        assert ours == theirs, kind


def test_each_activity_and_each_key_of_a_policy_has_a_line(factory: Factory) -> None:
    pipelines = factory.parsed["pipeline"].values()
    theirs = [one for pipeline in pipelines for one in factory.activities(pipeline)]
    lines = factory.imported.lines
    ours = [line["name"] for line in lines if line["kind"] == "activity"]
    assert sorted(ours) == sorted(activity.name for activity in theirs)
    policies = [getattr(activity, "policy", None) for activity in theirs]
    values = sum(len(policy.as_dict()) for policy in policies if policy is not None)
    in_activities = (line for line in lines if ".policy." in line["path"])
    assert sum("ctivities[" in line["path"] for line in in_activities) == values


def test_jobs_agree(factory: Factory) -> None:
    for pipeline, job, _ in factory.made():
        training = pipeline["training"]
        assert isinstance(job, models.AzureMLBatchExecutionActivity)
        endpoint = factory.service(job).ml_endpoint
        if not str(endpoint).startswith("["):
            assert training["service"] == f"{endpoint.partition('?')[0]}?api-version=2.0"
        assert set(training.get("inputs", {})) == set(job.web_service_inputs or {})
        assert set(training.get("outputs", {})) == set(job.web_service_outputs or {})
        given = {name: value for name, value in (job.global_parameters or {}).items() if name}
        ours = training.get("parameters", {})
        assert set(ours) == set(given)
        assert {n: v for n, v in given.items() if not is_expression(v)} == {
            n: v for n, v in ours.items() if not is_expression(given[n])
        }


def test_policies_agree(factory: Factory) -> None:
    retries = {
        trigger.pipeline.pipeline_reference.reference_name: trigger.retry_policy.count
        for trigger in triggers(factory, models.TumblingWindowTrigger)
    }
    for pipeline, job, _ in factory.made():
        training, policy = pipeline["training"], job.policy or models.ActivityPolicy()
        again = next((n for name, n in retries.items() if job in self_of(factory, name)), 0)
        if not is_expression(policy.retry):
            attempts = (int(str(policy.retry or 0)) + 1) * (again + 1)
            assert training.get("attempts", 1) == attempts, job.name
        if training.get("attempts", 1) > 1:
            assert parse_duration(training["pause"]).total_seconds() == (
                policy.retry_interval_in_seconds or 30
            )
        said = policy.timeout or "0.12:00:00"
        assert parse_duration(training["timeout"]) == min(parse_duration(said), LONGEST)


def test_updates_agree(factory: Factory) -> None:
    for pipeline, _, updates in factory.made():
        endpoints = pipeline.get("endpoints", [])
        assert [one["resource"] for one in endpoints] == [one.trained_model_name for one in updates]
        for endpoint, one in zip(endpoints, updates, strict=True):
            theirs = factory.service(one).update_resource_endpoint
            assert str(theirs).startswith("[") or endpoint["update"] == theirs
            is_new = "management.azure.com" in str(theirs)
            assert endpoint.get("kind", "classic") == ("webservice" if is_new else "classic")


@pytest.mark.parametrize("factory", ["v2_repository", "v2_arm_template"], indirect=True)
def test_recurrences_agree(factory: Factory) -> None:
    for trigger in triggers(factory, models.ScheduleTrigger):
        recurrence = trigger.recurrence
        for pipeline, schedule in started_by(factory, trigger):
            ours = pipeline["schedule"]
            assert (ours["frequency"], ours.get("interval", 1)) == (
                recurrence.frequency,
                recurrence.interval,
            )
            assert ours.get("paused", False) is (trigger.runtime_state == "Stopped")
            for window in schedule["windows"]:
                assert is_due(recurrence, datetime.fromisoformat(window["due"])), window
    for trigger in triggers(factory, models.TumblingWindowTrigger):
        for pipeline, _ in started_by(factory, trigger):
            ours = pipeline["schedule"]
            assert (ours["frequency"], ours["interval"]) == (trigger.frequency, trigger.interval)
            assert datetime.fromisoformat(ours["start"]) == trigger.start_time
            assert datetime.fromisoformat(ours["end"]) == trigger.end_time
            assert parse_duration(ours["delay"]) == parse_duration(trigger.delay)


@pytest.mark.parametrize("factory", ["v2_repository"], indirect=True)
def test_blob_events_agree(factory: Factory) -> None:
    (trigger,) = triggers(factory, models.BlobEventsTrigger)
    folder = trigger.blob_path_begins_with.partition("/blobs/")[2]
    started = [pipeline["data"] for pipeline, _ in started_by(factory, trigger)]
    (data,) = (one for one in started if one.get("opens_runs", True))
    assert data["blob"].startswith(folder)
    assert data["blob"].endswith(trigger.blob_path_ends_with)


def triggers(factory: Factory, kind: type[Any]) -> list[Any]:
    found = (one.properties for one in factory.parsed["trigger"].values())
    return [one for one in found if type(one) is kind]


def self_of(factory: Factory, name: str) -> list[Any]:
    return list(factory.activities(factory.parsed["pipeline"][name]))


def started_by(factory: Factory, trigger: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the pipelines of the file that a trigger starts, each with its schedule."""
    references = getattr(trigger, "pipelines", None) or [trigger.pipeline]
    schedules = {one["pipeline"]: one for one in factory.imported.report["schedules"]}
    for reference in references:
        mine = self_of(factory, reference.pipeline_reference.reference_name)
        for line in factory.imported.report["pipelines"]:
            if any(one.name == line["activities"][0]["name"] for one in mine):
                pipeline = factory.imported.pipelines[line["name"]]
                yield pipeline, schedules.get(line["name"], {"windows": []})


def is_due(recurrence: Any, due: datetime) -> bool:
    """Whether a time fits a recurrence: its time of day and day, by its standard time."""
    hours = {"W. Europe Standard Time": 1, "UTC": 0}[recurrence.time_zone]
    local = due + timedelta(hours=hours)
    plan = recurrence.schedule
    if plan is None:
        return bool(local.time() == recurrence.start_time.time())
    fits = local.hour in plan.hours and local.minute in plan.minutes
    if plan.month_days == [-1]:
        return bool(fits) and (local + timedelta(days=1)).day == 1
    return bool(fits) and local.strftime("%A") in plan.week_days


def is_expression(value: Any) -> bool:
    """Whether a value is computed by the factory."""
    text = value_of(value, "value") if isinstance(value, dict) else value
    return isinstance(text, str) and ("@" in text or text.startswith("["))
