"""Jobs: refusals, and a PUT of a name that exists."""

from datetime import timedelta
from typing import Any

import pytest

from local.azureml.calls import Fault
from tests.local.azureml.bench import DATA, RUN, Bench, codes
from tests.local.azureml.conftest import MakeBench

FILE = {"jobInputType": "uri_file", "uri": DATA}


def refused(bench: Bench, own: dict[str, Any]) -> str:
    """PUT a job that has to be refused, and return why."""
    answer = bench.ask("PUT", "jobs/refused", {"properties": own})
    assert answer.status == 400, answer.body
    assert bench.ask("GET", "jobs/refused").status == 404
    details = answer.json()["error"]["details"]
    return str(details[0]["message"])


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"jobType": "Sweep"}, "jobType"),
        ({"runName": "x"}, "member 'runName'"),
        ({"limits": {"jobLimitsType": "Command"}}, "member 'limits'"),  # no pipeline has any
        ({"componentId": None}, "has jobs, or is a component"),
        ({"tags": {"n": [1]}}, "tags.n"),
        ({"inputs": {"training_data": {"jobInputType": "csv", "uri": "u"}}}, "jobInputType"),
        ({"inputs": {"training_data": FILE | {"job_input_type": "x"}}}, "job_input_type"),
        ({"inputs": {"training_data": FILE | {"mode": "ro_mount"}}}, "mode"),
        ({"inputs": {"training_data": {"jobInputType": "uri_file"}}}, "training_data.uri"),
        ({"inputs": {"training_data": 3}}, "properties.inputs.training_data'"),
        ({"inputs": {}}, "Required input 'training_data'"),
        ({"inputs": {"training_data": FILE, "other": FILE}}, "Unknown input 'other'"),
        ({"outputs": {"other": {"jobOutputType": "uri_folder"}}}, "Unknown output 'other'"),
        ({"outputs": {"model": {"jobOutputType": "folder"}}}, "jobOutputType"),
        ({"outputs": {"model": {"jobOutputType": "uri_folder", "mode": "x"}}}, "mode"),
        ({"outputs": {"model": {"jobOutputType": "uri_folder", "path": "x"}}}, "'path'"),
        ({"outputs": {"model": None}}, "properties.outputs.model'"),
    ],
)
def test_wrong_pipeline_jobs_are_refused(bench: Bench, members: dict[str, Any], why: str) -> None:
    assert why in refused(bench, bench.pipeline(**members))


@pytest.mark.parametrize("value", [5, True, None, ""])
def test_a_literal_is_a_text_that_is_not_empty(bench: Bench, value: object) -> None:
    number = {"jobInputType": "literal", "value": value}
    inputs = {"training_data": FILE, "regularization": number}
    assert "inputs.regularization.value" in refused(bench, bench.pipeline(inputs=inputs))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"command": None}, "properties.command"),
        ({"environmentId": ""}, "properties.environmentId"),
        ({"settings": {}}, "member 'settings'"),
        ({"limits": {"jobLimitsType": "Command", "max": 1}}, "'max'"),
        ({"limits": {"jobLimitsType": "Command", "timeout": "an hour"}}, "is not a duration"),
        ({"queueSettings": {"tier": "Spot"}}, "'tier'"),
        ({"codeId": "azureml:nobody:1"}, "not registered"),
    ],
)
def test_wrong_command_jobs_are_refused(bench: Bench, members: dict[str, Any], why: str) -> None:
    assert why in refused(bench, bench.command(**members))


@pytest.mark.parametrize("name", ["-x", "a b", "x" * 256])
def test_wrong_names_are_refused(bench: Bench, name: str) -> None:
    assert bench.put(name.replace(" ", "%20")).status == 400


def test_a_component_that_is_not_registered_is_refused(bench: Bench) -> None:
    component = bench.sample["component"].replace("versions/1", "versions/9")
    assert "is not registered" in refused(bench, bench.pipeline(componentId=component))


def test_a_job_is_no_command_component(bench: Bench) -> None:
    assert "pipeline component" in refused(bench, bench.pipeline(componentId=bench.sample["step"]))


def test_a_compute_that_is_not_there_is_refused(bench: Bench) -> None:
    answer = bench.put(settings={"default_compute": f"{bench.sample['compute']}x"})
    assert (answer.status, "ComputeNotFound" in codes(answer)) == (400, True)


def test_a_body_that_is_no_json_is_refused(bench: Bench) -> None:
    assert bench.ask("PUT", "jobs/j", []).status == 400
    assert bench.ask("PUT", "jobs/j", {"properties": 3}).status == 400


# A name that exists: azure-machine-learning-v2 §2.4.


def test_a_second_put_replaces_tags_and_is_answered_200(bench: Bench) -> None:
    assert bench.put().status == 201
    answer = bench.put(tags={"other": "1"}, displayName="new", description=None)
    assert (answer.status, answer.json()["properties"]["tags"]) == (200, {"other": "1"})


def test_another_content_is_immutable(bench: Bench) -> None:
    bench.put()
    inputs = {"training_data": FILE | {"uri": f"{DATA}x"}}
    answer = bench.put(inputs=inputs)
    assert (answer.status, "JobPropertyImmutable" in codes(answer)) == (400, True)


@pytest.mark.parametrize("status", [400, 409])
def test_an_identical_put_may_be_judged_different(make_bench: MakeBench, status: int) -> None:
    bench = make_bench(identical_job="immutable", immutable_status=status)
    bench.put()
    answer = bench.put()
    assert (answer.status, "JobPropertyImmutable" in codes(answer)) == (status, True)


@pytest.mark.parametrize(
    ("fault", "there", "ends"),
    [
        (Fault.GATEWAY, True, "NotStarted"),
        (Fault.GATEWAY_DONE, True, "Completed"),
        (Fault.GATEWAY_UNDONE, False, ""),
    ],
)
def test_a_time_out_of_the_gateway_leaves_a_job_an_orphan_or_none(
    bench: Bench, fault: Fault, ends: str, *, there: bool
) -> None:
    bench.calls.fault_on("PUT job", fault)
    answer = bench.put()
    assert (answer.status, answer.json()["error"]["code"]) == (504, "GatewayTimeout")
    assert (bench.ask("GET", "jobs/j").status == 200) is there
    if there:
        assert bench.ended() == ends
        assert bool(bench.children()) is (ends == "Completed")


def test_an_orphan_is_found_again_and_its_cancel_never_ends(bench: Bench) -> None:
    bench.calls.fault_on("PUT job", Fault.GATEWAY)
    bench.put()
    assert bench.put().status == 200
    assert bench.ask("POST", "jobs/j/cancel").status == 200
    assert bench.ended() == "NotStarted"


def test_over_capacity_wraps_a_503(bench: Bench) -> None:
    bench.calls.fault_on("PUT job", Fault.OVER_CAPACITY)
    answer = bench.put()
    assert (answer.status, answer.headers["x-ms-retry-after-ms"]) == (500, "2000")
    assert "DatabaseOverCapacity" in codes(answer)
    assert bench.put().status == 201


@pytest.mark.parametrize("wins", [True, False])
def test_a_cancelled_job_may_still_complete(make_bench: MakeBench, *, wins: bool) -> None:
    bench = make_bench(cancel_wins=wins, cancel_status=202)
    bench.put()
    bench.clock.move(timedelta(minutes=23, seconds=50))
    answer = bench.ask("POST", "jobs/j/cancel")
    assert (answer.status, answer.headers["Retry-After"]) == (202, "5")
    assert bench.job()["status"] == "CancelRequested"
    assert bench.ended() == ("Canceled" if wins else "Completed")


def test_jobs_are_listed_by_type_tag_and_archiving(bench: Bench) -> None:
    bench.put("p")
    bench.ask("PUT", "jobs/c", {"properties": bench.command()})
    bench.put("old", isArchived=True)
    bench.put("own", tags={}, properties={"a": "b", "c": "d"})

    def listed(query: str) -> list[str]:
        return [one["name"] for one in bench.ask("GET", f"jobs?{query}").json()["value"]]

    assert listed("") == ["p", "c", "own"]
    assert listed("properties=a,c=d") == ["own"]
    assert listed("properties=a=x") == listed("properties=z") == []
    assert listed("jobType=Command") == ["c"]
    assert listed("tag=relearn.run") == ["p"]
    assert listed("listViewType=ArchivedOnly") == ["old"]
    assert listed("listViewType=All") == ["p", "c", "old", "own"]


def test_only_an_ended_job_is_deleted(bench: Bench) -> None:
    bench.put()
    assert bench.ask("DELETE", "jobs/j").status == 400
    bench.ended()
    answer = bench.ask("DELETE", "jobs/j")
    assert (answer.status, answer.body) == (202, b"null")


# Reuse: azure-machine-learning-v2 §2.3.


@pytest.mark.parametrize(
    ("settings", "switch", "reused"),
    [
        ({}, "as_documented", True),
        ({"force_rerun": True}, "as_documented", False),
        ({"force_rerun": True}, "always", True),
        ({}, "never", False),
    ],
)
def test_a_step_with_the_same_inputs_is_reused(
    make_bench: MakeBench, settings: dict[str, object], switch: str, *, reused: bool
) -> None:
    bench = make_bench(reuse=switch)
    bench.put("first", outputs={})
    assert bench.ended("first") == "Completed"
    (older,) = bench.children("first")
    bench.put("second", settings=settings)
    assert bench.ended("second") == "Completed"
    (step,) = bench.children("second")
    about = step["properties"]
    assert about.get("azureml.isreused") == ("true" if reused else None)
    assert about.get("azureml.reusedrunid") == (older["runId"] if reused else None)
    written = [path for _, path in bench.files.contents if path.startswith("runs/census/r7k2")]
    assert bool(written) is not reused
    assert RUN.endswith("runs/census/r7k2/1")


def test_a_step_with_other_data_is_not_reused(bench: Bench) -> None:
    bench.put("first")
    bench.ended("first")
    other = {"training_data": FILE | {"uri": DATA.replace("a.csv", "b.csv")}}
    bench.put("second", settings={}, inputs=other)
    bench.ended("second")
    (step,) = bench.children("second")
    assert "azureml.isreused" not in step["properties"]
