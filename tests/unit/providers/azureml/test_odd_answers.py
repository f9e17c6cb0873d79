"""Wrong answers of a workspace, and changes of its jobs and blobs by others."""

from datetime import datetime
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.training import JobStatus
from tests.unit.providers.azureml.service import RUN, WS, Bench, datastore, registered, says
from tests.unit.providers.azureml.test_outputs import FOLDER, ONLY, VERSION, elsewhere, trained
from tests.unit.samples import blob

OTHER = "other-0123456789abcdef0123"
HALF = "https://[::1"


# Jobs of others


def test_the_job_of_another_run_is_neither_adopted_nor_cancelled() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.job(handle, "Running", tags={"relearn.run": OTHER})
    state = bench.service.state(handle)
    assert (state.status, state.known) == (JobStatus.NOT_STARTED, False)
    assert "not of this run" in state.details
    bench.service.cancel(handle)
    assert bench.workspace.count("POST", "/cancel") == 0
    assert bench.service.state(handle).status is JobStatus.CANCELLED


def test_a_job_whose_tags_were_taken_off_is_still_followed() -> None:
    bench = Bench()
    handle = bench.started()
    given: tuple[Any, ...] = ({}, None, [], {"relearn.run": RUN}, {"relearn.run": 5})
    for tags in given:
        bench.workspace.job(handle, "Running", tags=tags)
        assert bench.service.state(handle).status is JobStatus.RUNNING


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "UserError", "message": "JobPropertyImmutable: only tags can change."}},
        {"error": {"code": "UserError", "innerError": {"code": "jobpropertyimmutable"}}},
        {"error": {"code": "A", "details": [{"code": "B"}, {"code": "JobPropertyImmutable"}]}},
        {"code": "JobPropertyImmutable", "message": "No."},
    ],
)
@pytest.mark.parametrize("status", [400, 409])
def test_an_immutable_job_is_known_wherever_the_body_says_so(status: int, body: Any) -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.script("PUT", handle, says(body, status))
    ours = {"properties": {"status": "Queued", "tags": {"relearn.run": RUN}}}
    bench.workspace.script("GET", handle, says(None, 404), says(ours))
    bench.service.ensure_started(handle, bench.request())


def test_an_immutable_job_that_cannot_be_seen_may_have_been_started() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.script("PUT", handle, says({"error": {"code": "JobPropertyImmutable"}}, 400))
    bench.workspace.script("GET", handle, says(None, 404), says(None, 404))
    with pytest.raises(OutcomeUnknownError):
        bench.service.ensure_started(handle, bench.request())


# Orphans


@pytest.mark.parametrize("page", [{}, {"value": None}, {"value": {}}, {"value": 5}])
def test_a_job_is_no_orphan_because_its_steps_cannot_be_read(page: dict[str, Any]) -> None:
    bench = Bench()
    handle = bench.started()
    bench.workspace.job(handle, "NotStarted", created="2020-01-01T00:00:00Z")
    bench.workspace.script("GET", "/children", says(page))
    assert bench.service.state(handle).status is JobStatus.RUNNING
    bench.workspace.script("GET", "/children", says({"value": []}))
    assert bench.service.state(handle).status is JobStatus.ORPHANED


@pytest.mark.parametrize("created", ["0001-01-01T00:00:00", "", "yesterday", 5])
def test_a_job_without_a_time_of_creation_is_no_orphan(created: object) -> None:
    bench = Bench()
    handle = bench.started()
    bench.workspace.job(handle, "NotStarted", created=created)
    assert bench.service.state(handle).status is JobStatus.RUNNING


# Unreadable answers


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "x",
        [],
        {"type": "pipeline", "inputs": []},
        {"type": "pipeline", "inputs": {"training_data": [1]}},
        {"type": "pipeline", "outputs": "model"},
        {"type": "pipeline", "outputs": {"model": {"type": ["uri_folder"]}}},
    ],
)
def test_a_component_that_cannot_be_read_is_read_again(spec: object) -> None:
    bench = Bench()
    body = {"properties": {"componentSpec": spec}}
    bench.workspace.script("GET", "/versions/3", says(body), says({"properties": None}))
    for _ in range(2):
        with pytest.raises(TransientError, match="the answer does not say"):
            bench.service.prepare(bench.request())
    assert bench.started()


def test_a_component_of_a_kind_that_cannot_be_run_is_not_remembered() -> None:
    bench = Bench()
    odd = {"properties": {"componentSpec": {"type": "x", "inputs": {"training_data": {}}}}}
    bench.workspace.script("GET", "/versions/3", says(odd))
    with pytest.raises(PermanentError):
        bench.service.prepare(bench.request(parameters={}))
    assert bench.service.prepare(bench.request())


@pytest.mark.parametrize("page", [{}, {"value": None}, {"value": "x"}])
def test_a_listing_without_a_list_says_nothing(page: dict[str, Any]) -> None:
    bench = Bench()
    bench.workspace.script("GET", "datastores", says(page))
    with pytest.raises(TransientError, match="the answer holds no list"):
        bench.service.prepare(bench.request())


def test_addresses_that_are_none_are_refused_and_break_nothing() -> None:
    bench = Bench()
    bench.workspace.script("GET", "datastores", says({"value": [], "nextLink": HALF}))
    with pytest.raises(PermanentError, match="on another host"):
        bench.service.prepare(bench.request())
    bench = Bench()
    bench.workspace.resources[""]["properties"] = {"mlFlowTrackingUri": HALF}
    bench.workspace.job("rl-1", "Completed")
    assert "could not be read" in bench.service.state("rl-1").note
    bench, job = Bench(), Bench().finished()
    elsewhere(bench, job)
    bench.workspace.history["places"] = {"azureml://a/1": {"uri": HALF}}
    with pytest.raises(TransientError, match="has no file"):
        registered(bench.service, job, ONLY)


def test_what_the_history_names_is_a_part_of_a_url() -> None:
    bench = Bench()
    handle = bench.started()
    bench.workspace.job(handle, "Completed")
    token = "a+b/=&x= y"
    first = {"value": [], "continuationToken": token}
    bench.workspace.script("GET", "/children", says(first), says({"value": []}))
    assert bench.service.state(handle).status is JobStatus.FINISHED
    listed = bench.workspace.calls("GET", "/children")[-1]
    assert listed.url.endswith("?continuationToken=a%2Bb%2F%3D%26x%3D%20y")


def test_metrics_without_a_name_do_not_count() -> None:
    bench, job = trained()
    logged = [{"value": 3}, {"key": None, "value": 1}, {"key": "AUC"}, {"key": "n", "value": 0}]
    bench.workspace.history["get"] = {"run": {"data": {"metrics": logged}}}
    assert bench.service.evaluation(job, "mlflow:").content == b'{"n": 0.0}'


# Secrets, and tokens


def test_what_a_model_says_of_itself_is_redacted() -> None:
    bench, job = trained()
    other = "azureml://subscriptions/sig=abc/resourcegroups/x/workspaces/y"
    uri = f"{other}/datastores/modelstore/paths/{FOLDER}"
    token = "token for https://management.azure.com/.default"
    known = {"properties": {"modelUri": uri, "modelType": token}}
    bench.workspace.resources[f"models/census/versions/{VERSION}"] = known
    reference = registered(bench.service, job, ONLY)["production"].reference
    assert token not in str(reference)
    assert "sig=abc" not in str(reference)
    assert f"{WS.rpartition('/')[2]}/datastores/modelstore/paths/{FOLDER}" in reference["uri"]


def test_no_token_travels_to_a_host_that_is_no_storage() -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job)
    place = "https://a.blob.evil.example/models/azureml/step-1/model"
    bench.workspace.history["places"] = {"azureml://a/1": {"uri": place}}
    with pytest.raises(PermanentError, match="which the app does not read"):
        registered(bench.service, job, ONLY)
    place = place.replace("evil.example", "core.windows.net")
    bench.workspace.history["places"] = {"azureml://a/1": {"uri": place}}
    assert registered(bench.service, job, ONLY)


# Outputs and inputs


def test_a_part_of_a_copied_output_is_never_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job)
    whole, copied = bench.blobs.adopt, list[str]()

    def adopt(
        source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        copied.append(name)
        if len(copied) == 2:
            raise TransientError("the storage is busy")
        return whole(source, container, name, since)

    monkeypatch.setattr(bench.blobs, "adopt", adopt)
    with pytest.raises(TransientError, match="busy"):
        registered(bench.service, job, ONLY)
    history = dict(bench.workspace.history)
    bench.workspace.history = {"places": {}}  # and for a while it does not say where it is
    with pytest.raises(TransientError, match="is not complete yet"):
        registered(bench.service, job, ONLY)
    bench.workspace.history = history
    assert registered(bench.service, job, ONLY)
    assert bench.blobs.read("models", f"{FOLDER}/MLmodel", 9) == b"m"
    assert bench.blobs.read("models", f"{FOLDER}/data/model.pkl", 9) == b"p"
    before = len(copied)
    assert registered(bench.service, job, ONLY)
    assert len(copied) == before


def test_a_table_of_many_blobs_costs_one_listing_of_datastores() -> None:
    bench = Bench(inputs={"training_data": "{data.mltable}"})
    bench.workspace.resources["datastores"] = [datastore("modelstore", "models")]
    names = "".join(f"training-data,b{number}.csv,0x1\n" for number in range(500))
    listed = bench.blobs.put("models", "list.csv", f"Container,Name,ETag\n{names}".encode())
    bench.service.prepare(bench.request(inputs={"training_data": listed}))
    assert bench.workspace.count("GET", "/datastores?") <= 2


def test_an_input_that_was_a_literal_of_the_old_job_is_a_file() -> None:
    bench = Bench(component=None, like="old", inputs={"d": "{data}"}, outputs={"model": "model"})
    known = {"jobType": "Command", "command": "x", "environmentId": "e", "computeId": "c"}
    literal = {"d": {"jobInputType": "literal", "value": "x"}}
    outputs = {"model": {"jobOutputType": "uri_folder"}}
    old = {**known, "inputs": literal, "outputs": outputs}
    bench.workspace.resources["jobs/old"] = {"properties": old}
    request = bench.request(inputs={"d": blob("a.csv")})
    bench.service.ensure_started(bench.service.prepare(request), request)
    assert bench.body()["inputs"]["d"]["jobInputType"] == "uri_file"


def test_what_the_old_job_was_not_given_is_left_out() -> None:
    bench = Bench(component=None, like="old", inputs={"d": "{data}"}, outputs={"model": "model"})
    known = {"jobType": "Command", "command": "x", "environmentId": "e", "computeId": "c"}
    unset: dict[str, Any] = {"a": None, "b": {"jobInputType": "literal", "value": None}}
    unset |= {"c": {"jobInputType": "literal", "value": ""}, "d": {"jobInputType": "uri_file"}}
    given = {"e": {"jobInputType": "literal", "value": "0"}}
    old = {**known, "inputs": {**unset, **given}, "outputs": {"model": {}}}
    bench.workspace.resources["jobs/old"] = {"properties": old}
    request = bench.request(inputs={"d": blob("a.csv")})
    bench.service.ensure_started(bench.service.prepare(request), request)
    assert set(bench.body()["inputs"]) == {"d", "e"}


def test_the_newest_version_of_data_in_a_job_file_is_looked_up() -> None:
    newest = {"type": "uri_folder", "path": "azureml:ref@latest"}
    steps = {"a": {"component": "azureml:c:1", "inputs": {"r": newest}}}
    for own in ({"jobs": steps}, {"command": "x", "environment": "azureml:e:1"}):
        inputs = {"training_data": {"type": "uri_file"}, "ref": newest}
        file = {**own, "inputs": inputs, "outputs": {"model": {}}}
        data = {"training_data": "{data}"}
        bench = Bench(component=None, job=file, outputs={"model": "model"}, inputs=data)
        bench.workspace.resources["data/ref/versions"] = [{"name": "7", "properties": {}}]
        bench.started()
        assert bench.body()["inputs"]["ref"]["uri"] == "azureml:ref:7"
        for step in bench.body().get("jobs", {}).values():
            assert step["inputs"]["r"]["uri"] == "azureml:ref:7"
