"""Answers and states that are rare: parts that are missing, limits, copies that stop halfway."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.azureml_models import model_asset, registered_model
from shared.core.config.azureml_names import Asset, workspace_of
from shared.core.serving.references import ModelRef
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.storage import Access, SignedBlob
from shared.providers.azureml import outputs as of_outputs
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.jobs import AzureMlJobs
from tests.fakes.blobs import FakeBlobs
from tests.unit.providers.azureml.service import (
    RUN,
    WS,
    Bench,
    component,
    refuses,
    registered,
    says,
)
from tests.unit.providers.azureml.test_outputs import FOLDER, ONLY, elsewhere

JOB = "rl-census-1"


# Copies


def test_a_copy_that_stopped_halfway_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job)
    adopt = bench.blobs.adopt

    def one_only(source: str, container: str, name: str, since: Any = None) -> Any:
        if name.endswith(".pkl"):
            raise TransientError("the copy is under way")
        return adopt(source, container, name, since)

    monkeypatch.setattr(bench.blobs, "adopt", one_only)
    for _ in range(2):
        with pytest.raises(TransientError, match="under way"):
            registered(bench.service, job, ONLY)
    assert bench.blobs.read("models", f"{FOLDER}/MLmodel", 9) == b"m"
    monkeypatch.setattr(bench.blobs, "adopt", adopt)
    assert registered(bench.service, job, ONLY)
    assert bench.blobs.read("models", f"{FOLDER}/data/model.pkl", 9) == b"p"


def test_an_account_that_opens_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job)
    monkeypatch.setattr(bench.blobs, "adopt", lambda *_, **__: None)
    with pytest.raises(TransientError, match="Storage Blob Data Reader on account account"):
        registered(bench.service, job, ONLY)


def other_account(bench: Bench, asked: list[str], *, opens: bool) -> AzureMlJobs:
    """Return the service of a workspace whose jobs wrote to an account of its own."""
    store = bench.workspace.resources["datastores/modelstore"]
    other = {**store, "properties": {**store["properties"], "accountName": "other"}}
    uri = "azureml://datastores/otherstore/paths/azureml/step-1/model"
    bench.workspace.resources["datastores/otherstore"] = other
    bench.workspace.history["places"] = {"azureml://a/1": {"uri": uri}}

    def account(url: str) -> FakeBlobs:
        asked.append(url)
        return bench.blobs

    storage = Storage(bench.blobs, bench.blobs, "models", account if opens else None)
    return replace(bench.service, storage=storage)


def test_an_account_of_its_own_is_opened_by_the_apps_identity() -> None:
    bench, asked = Bench(), list[str]()
    job = bench.finished()
    elsewhere(bench, job)
    assert registered(other_account(bench, asked, opens=True), job, ONLY)
    assert asked == ["https://other.blob.core.windows.net/"]


def test_an_account_that_the_app_does_not_read_is_said() -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job)
    with pytest.raises(PermanentError, match="which the app does not read"):
        registered(other_account(bench, [], opens=False), job, ONLY)


def test_outputs_of_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job)
    monkeypatch.setattr(of_outputs, "_MOST_COPIED", 1)
    with pytest.raises(PermanentError, match="holds more than 1 files"):
        registered(bench.service, job, ONLY)
    monkeypatch.setattr(of_outputs, "_MOST_SEEN", 0)
    with pytest.raises(PermanentError, match="holds more than 0 files"):
        registered(bench.service, job, ONLY)


def test_a_history_that_refuses_leaves_the_usual_places() -> None:
    bench = Bench()
    job = bench.finished()
    bench.workspace.script("POST", "/rundata", refuses(400, "UserError"))
    with pytest.raises(TransientError, match="has no file"):
        registered(bench.service, job, ONLY)


# Inputs


def test_a_copy_of_an_input_that_is_refused_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    there = bench.blobs.put("training-data", "census/a.csv", b"x")

    def unsigned(container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        del access, valid
        return SignedBlob(bench.blobs.account_url, f"{container}/{name}", "?sig=none")

    monkeypatch.setattr(bench.blobs, "sign", unsigned)
    with pytest.raises(TransientError, match="cannot be copied"):
        bench.service.prepare(bench.request(inputs={"training_data": there}, pin=True))


def test_data_that_a_run_lacks_and_a_list_that_is_not_there_are_said() -> None:
    bench = Bench()
    with pytest.raises(PermanentError, match="has no data for the input 'training_data'"):
        bench.service.prepare(bench.request(inputs={}))
    table = Bench(inputs={"training_data": "{data.mltable}"})
    with pytest.raises(TransientError, match="the list of the run's data is not at"):
        table.service.prepare(table.request())


def test_a_table_names_urls_where_no_datastore_covers_the_data() -> None:
    bench = Bench(inputs={"training_data": "{data.mltable}"})
    bench.workspace.resources["datastores"].pop()
    listed = bench.blobs.put("models", "list.csv", b"Container,Name\ntraining-data,a b.csv\n")
    bench.service.prepare(bench.request(inputs={"training_data": listed}))
    table = bench.blobs.read("models", f"runs/census/{RUN}/inputs/mltable/MLTable", 999)
    assert b"https://account.blob.core.windows.net/training-data/a%20b.csv" in (table or b"")


# Answers


def test_without_a_compute_none_is_sent() -> None:
    bench = Bench(compute=None)
    bench.started()
    assert "default_compute" not in bench.body()["settings"]
    assert bench.workspace.count("GET", "/computes/") == 0


def test_steps_come_in_pages() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Completed")
    reused = {"displayName": "fit", "properties": {"azureml.isreused": "true"}}
    bench.workspace.script(
        "GET",
        "/children",
        says({"value": [], "continuationToken": "t1"}),
        says({"value": [reused], "nextLink": None}),
    )
    assert bench.service.state(JOB).note.endswith("it took the result of an older run")
    assert bench.workspace.calls("GET", "/children?continuationToken=t1")


def test_a_next_page_of_steps_on_the_same_host_is_followed() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Completed")
    first, second = (f"https://{host}/x/children" for host in ("westus.api.azureml.ms", "evil.x"))
    bench.workspace.script("GET", "/children", says({"value": [], "nextLink": first}))
    bench.workspace.script("GET", "/children", says({"value": [], "nextLink": second}))
    bench.service.state(JOB)
    assert bench.workspace.count("GET", "evil.x") == 0
    assert bench.workspace.count("GET", "/x/children") == 1


def test_a_history_that_refuses_the_steps_says_nothing_of_them() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Completed")
    bench.workspace.script("GET", "/children", *[refuses(400, "UserError")] * 2)
    assert "could not be read" in bench.service.state(JOB).note


def test_a_job_without_times_is_no_orphan() -> None:
    for made in ({}, {"createdAt": "some time ago"}, None):
        bench = Bench()
        bench.workspace.job(JOB, "NotStarted")
        bench.workspace.resources[f"jobs/{JOB}"]["systemData"] = made
        bench.clock.move(timedelta(days=1))
        assert bench.service.state(JOB).known


def test_times_of_the_service_have_up_to_seven_decimals() -> None:
    for text in ("2026-03-01T12:00:00.0783907+00:00", "2026-03-01T12:00:00.078Z"):
        bench = Bench()
        bench.workspace.job(JOB, "NotStarted")
        bench.workspace.resources[f"jobs/{JOB}"]["systemData"] = {"createdAt": text}
        bench.clock.move(timedelta(minutes=16))
        assert bench.service.state(JOB).status == "orphaned"


def test_an_immutable_job_that_cannot_be_found_may_have_worked() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.script("PUT", handle, refuses(400, "UserError", "JobPropertyImmutable"))
    with pytest.raises(OutcomeUnknownError):
        bench.service.ensure_started(handle, bench.request())


def test_which_version_a_job_ran_decides_its_outputs() -> None:
    bench = Bench(component="azureml:train-census@latest", outputs={})
    resources = bench.workspace.resources
    resources["components/train-census/versions"] = [{"name": "3"}]
    job = bench.finished()
    ran = f"{WS}/components/train-census/versions/2"
    steps = {"a": {"componentId": "oddly named"}, "b": {"componentId": ran}}
    bench.workspace.job(job.handle, "Completed", jobs=steps)
    resources["components/train-census/versions/2"] = component(
        outputs={"trained": {"type": "MLFlowModel"}, "x": {"type": "uri_file"}}
    )
    bench.write("trained/MLmodel", b"m")
    model = registered(bench.service, job, ONLY)["production"]
    assert str(model.reference["uri"]).endswith("/1/trained")


def test_a_job_of_which_nothing_else_is_known_has_no_model() -> None:
    bench = Bench(component=None, like="old-job", outputs={})
    bench.workspace.job("old-job", "Completed", inputs={"training_data": {}, "epochs": {}})
    job = bench.finished()
    assert registered(bench.service, job, ONLY) == {}


def test_an_attempt_whose_versions_are_taken_is_said() -> None:
    bench = Bench()
    job = bench.finished()
    bench.write("model/x", b"x")
    for end in ("", "-2", "-3", "-4", "-5"):
        path = f"models/census/versions/0123456789abcdef0123-1{end}"
        bench.workspace.resources[path] = {"properties": {"modelUri": "azureml://x"}}
    with pytest.raises(PermanentError, match="hold other models"):
        registered(bench.service, job, ONLY)


def test_a_model_of_another_provider_is_no_registered_one() -> None:
    made = registered_model(Asset("a", "1"), workspace_of(WS))
    assert model_asset(made)[1] == Asset("a", "1")
    with pytest.raises(ValueError, match="is a model of studio, and not a registered one"):
        model_asset(ModelRef(provider="studio", name="x", digest="d", reference={}))


# Calls


def test_a_listing_without_an_end_is_given_up() -> None:
    bench = Bench()
    more = f"https://management.azure.com{WS}/datastores?more"
    bench.workspace.script("GET", "/datastores", *[says({"value": [], "nextLink": more})] * 60)
    with pytest.raises(PermanentError, match="more than 50 pages"):
        bench.service.prepare(bench.request())


def test_a_lost_answer_of_the_data_plane_is_asked_for_again() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Completed")
    lost = OutcomeUnknownError("GET: the answer was lost")
    bench.workspace.script("GET", "/children", lost)
    assert bench.service.state(JOB).note == ""
    assert bench.workspace.count("GET", "/children") == 2


def test_a_discovery_that_fails_is_said() -> None:
    for answer in (OutcomeUnknownError("GET: the answer was lost"), refuses(500, "Busy")):
        bench = Bench()
        discovery = {"discoveryUrl": "https://westus.api.azureml.ms/discovery"}
        bench.workspace.resources[""] = {"properties": discovery}
        bench.workspace.script("GET", "/discovery", *[answer] * 2)
        bench.workspace.job(JOB, "Failed")
        assert "its reason could not be read" in bench.service.state(JOB).details


def test_what_a_datastore_leaves_out_is_as_usual() -> None:
    bench = Bench()
    known = {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c"}
    bench.workspace.resources["datastores/bare"] = {"name": "bare", "properties": known}
    located = bench.service._planner.stores.located
    assert located("azureml://datastores/bare/paths/x") == (
        "https://a.blob.core.windows.net/",
        "c",
        "x",
    )
    assert located("azureml://datastores/nothing/paths/x") is None
    assert located("not a uri") is None
