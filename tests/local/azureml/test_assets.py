"""Registered assets: components, code, datastores and models."""

from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import SHORT, WORKSPACE
from local.azureml.places import AccountFiles, NoSuchPlaceError
from tests.local.azureml.bench import Bench, codes, vector
from tests.local.azureml.conftest import MakeBench

SPEC = {
    "type": "command",
    "command": "true",
    "inputs": {"n": {"type": "number", "optional": True, "default": 10.99}},
    "resources": {"instance_count": 1},
}


def put(bench: Bench, version: str, **spec: Any) -> int:
    body = {"properties": {"componentSpec": SPEC | spec}}
    return bench.ask("PUT", f"components/own/versions/{version}", body).status


def test_numbers_and_booleans_of_a_component_are_text(bench: Bench) -> None:
    put(bench, "1")
    shown = bench.ask("GET", "components/own/versions/1").json()["properties"]["componentSpec"]
    assert shown["inputs"]["n"] == {"type": "number", "optional": "True", "default": "10.99"}
    assert (shown["is_deterministic"], shown["resources"]) == ("True", {"instance_count": "1"})


def test_a_required_input_says_so(bench: Bench) -> None:
    shown = bench.ask("GET", "components/train_census/versions/1").json()
    spec = shown["properties"]["componentSpec"]
    assert spec["inputs"]["training_data"]["optional"] == "False"
    assert "default" not in spec["inputs"]["training_data"]
    assert "jobs" not in spec


def test_the_newest_version_is_found_by_order_by_label_and_by_the_container(bench: Bench) -> None:
    for version in ("9", "10"):
        put(bench, version)
        bench.clock.move(timedelta(minutes=1))
    path = "components/own/versions?$orderBy=createdtime%20desc&$top=1"
    (newest,) = bench.ask("GET", path).json()["value"]
    assert newest["name"] == "10"
    for label in ("default", "latest"):
        assert bench.ask("GET", f"components/own/labels/{label}").json()["name"] == "10"
    container = bench.ask("GET", "components/own").json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == ("10", "11")


def test_what_is_not_registered_is_named_in_the_details(bench: Bench) -> None:
    for path in ("components/x", "components/x/versions", "components/x/versions/1"):
        answer = bench.ask("GET", path)
        assert (answer.status, "ComponentNotFound" in codes(answer)) == (404, True)
    assert bench.ask("GET", "components/train_census/labels/other").status == 404


@pytest.mark.parametrize(
    "spec", [{"type": "sweep"}, {"command": ""}, {"type": "pipeline", "jobs": {}}]
)
def test_wrong_components_are_refused(bench: Bench, spec: dict[str, Any]) -> None:
    assert put(bench, "1", **spec) == 400


def test_an_anonymous_component_gets_a_version_of_the_services(bench: Bench) -> None:
    body = {"properties": {"componentSpec": SPEC, "isAnonymous": True}}
    first = bench.ask("PUT", "components/azureml_anonymous/versions/0", body)
    again = bench.ask("PUT", "components/azureml_anonymous/versions/1", body)
    assert (first.status, again.status) == (201, 200)
    assert first.json()["name"] == again.json()["name"] not in ("0", "1")


def test_code_with_any_name_is_found_by_its_hash(bench: Bench) -> None:
    recorded = vector("rec_code_versions_by_hash_200")
    wanted = recorded["response"]["body"]["value"][0]["properties"]
    own = {"codeUri": "https://x/y", "properties": wanted["properties"]}
    bench.ask("PUT", "codes/other/versions/2", {"properties": own})
    (found,) = bench.ask("GET", recorded["request"]["path"]).json()["value"]
    assert found["id"].endswith("/codes/other/versions/2")
    assert found["properties"]["properties"] == wanted["properties"]


def test_the_share_of_files_comes_before_the_default_datastore(bench: Bench) -> None:
    stores = bench.ask("GET", "datastores").json()["value"]
    kinds = [one["properties"]["datastoreType"] for one in stores]
    assert (kinds[0], kinds.count("AzureBlob")) == ("AzureFile", len(kinds) - 1)
    (default,) = bench.ask("GET", "datastores?isDefault=true").json()["value"]
    assert default["name"] == "workspaceblobstore"
    assert bench.ask("GET", "datastores/nobody").status == 404
    assert bench.ask("POST", "datastores/nobody/listSecrets").status == 404


def test_datastores_come_in_pages(make_bench: MakeBench) -> None:
    bench = make_bench(datastores_a_page=2)
    first = bench.ask("GET", "datastores").json()
    rest = first["nextLink"][first["nextLink"].index("/subscriptions") :]
    second = bench.ask("GET", rest).json()["value"]
    assert {one["name"] for one in first["value"]} & {one["name"] for one in second} == set()
    assert len(second) == 2


def test_a_gen2_datastore_names_its_file_system(bench: Bench) -> None:
    bench.hooks.add_datastore("lake", "models", kind="AzureDataLakeGen2")
    shown = bench.ask("GET", "datastores/lake").json()["properties"]
    assert (shown["filesystem"], "containerName" in shown) == ("models", False)


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/models/paths/a/b",
        f"azureml://{SHORT}/datastores/models/paths/a/b",
        f"azureml://{SHORT.upper()}/datastores/models/paths/a/b",
        f"{WORKSPACE}/datastores/models/paths/a/b",
        "https://relearndata.blob.core.windows.net/models/a/b",
        "http://127.0.0.1:10000/relearndata/models/a/b",
    ],
)
def test_the_forms_of_a_place(uri: str) -> None:
    assert Bench().service.datastores.place(uri) == ("models", "a/b")


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/nobody/paths/a",
        "azureml://datastores/foreign/paths/a",
        "https://other.blob.core.windows.net/models/a",
        "azureml:data:1",
    ],
)
def test_uris_that_name_no_place_are_refused(uri: str) -> None:
    bench = Bench()
    bench.hooks.add_datastore("foreign", "models", account="other")
    with pytest.raises(NoSuchPlaceError):
        bench.service.datastores.place(uri)


def test_an_account_on_loopback_is_served_by_its_host_name() -> None:
    parts = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5;"
    files = AccountFiles(f"{parts}BlobEndpoint=https://127.0.0.1:10000/acct;")
    assert (files.account, files.endpoint, files.protocol) == ("acct", "localhost:10000", "https")
    assert "sp=rwdlcu" in files.sas()
    assert AccountFiles(parts + "EndpointSuffix=core.windows.net").endpoint == "core.windows.net"


# Models: azure-machine-learning-v2 §4.


def model(bench: Bench, version: str, **members: Any) -> Any:
    own = {"modelUri": "azureml://datastores/models/paths/a/", "modelType": "custom_model"}
    return bench.ask("PUT", f"models/m/versions/{version}", {"properties": own | members})


def test_a_repeat_of_a_version_is_a_200(bench: Bench) -> None:
    assert model(bench, "r-1", tags={"relearn.run": "r"}, jobName="j").status == 201
    answer = model(bench, "r-1", tags={"relearn.run": "r"}, jobName="j")
    assert (answer.status, answer.json()["properties"]["jobName"]) == (200, "j")


@pytest.mark.parametrize(("switch", "status"), [("refused", 400), ("taken", 200)])
def test_another_uri_of_a_version_is_a_choice(
    make_bench: MakeBench, switch: str, status: int
) -> None:
    bench = make_bench(changed_model_uri=switch)
    model(bench, "1")
    place = "azureml://datastores/models/paths"
    assert model(bench, "1", modelUri=f"{place}/b/").status == status
    assert model(bench, "2", modelUri=f"{place}/a/").status == 201
    assert model(bench, "2", modelUri=f"{place.upper().replace('PATHS', 'paths')}/a/").status == 200


def test_models_are_listed_and_archived_ones_left_out(bench: Bench) -> None:
    for version in ("1", "2"):
        model(bench, version)
    model(bench, "1", isArchived=True)

    def listed(query: str) -> list[str]:
        found = bench.ask("GET", f"models/m/versions?{query}").json()["value"]
        return [one["name"] for one in found]

    assert listed("") == ["2"]
    assert listed("listViewType=All") == ["2", "1"]
    assert listed("listViewType=ArchivedOnly") == ["1"]
    assert [one["name"] for one in bench.ask("GET", "models").json()["value"]] == ["m"]
    assert bench.ask("GET", "models/m").json()["properties"]["nextVersion"] == "3"
    assert bench.ask("GET", "models/m/versions/9").status == 404
    assert model(bench, "3", modelUri="").status == 400
    assert model(bench, "3", colour="red").status == 400


def test_code_is_uploaded_where_the_service_says(bench: Bench) -> None:
    answer = bench.ask("POST", "codes/new/versions/1/startPendingUpload", {})
    place = answer.json()["blobReferenceForConsumption"]
    assert place["credential"]["sasUri"].startswith(f"{place['blobUri']}?")
    container, _ = bench.service.datastores.place(f"{place['blobUri']}/code/x.py")
    assert container == "azureml-blobstore-1"
