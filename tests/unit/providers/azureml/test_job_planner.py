"""Where the inputs of a job are: in a datastore, by URL, as a copy, or as a list."""

import json

import pytest

from shared.errors import TransientError
from tests.unit.providers.azureml.service import MLTABLE_TEXT, RUN, Bench, datastore
from tests.unit.samples import blob


def test_data_that_no_datastore_covers_is_named_by_its_url() -> None:
    bench = Bench()
    bench.workspace.resources["datastores"] = [datastore("modelstore", "models")]
    handle = bench.service.prepare(bench.request())
    given = {"training_data": blob("census/a b.csv")}
    bench.service.ensure_started(handle, bench.request(inputs=given))
    uri = bench.body()["inputs"]["training_data"]["uri"]
    assert uri == "https://account.blob.core.windows.net/training-data/census/a%20b.csv"


def test_a_pinned_input_is_copied_before_the_job_is_named() -> None:
    bench = Bench()
    there = bench.blobs.put("training-data", "census/a.csv", b"a,b")
    request = bench.request(inputs={"training_data": there}, pin=True)
    handle = bench.service.prepare(request)
    bench.service.ensure_started(handle, request)
    uri = bench.body()["inputs"]["training_data"]["uri"]
    store = "azureml://datastores/modelstore/paths/"
    assert uri.startswith(f"{store}runs/census/{RUN}/inputs/")
    assert bench.blobs.read("models", uri.removeprefix(store), 9) == b"a,b"
    assert bench.service.prepare(request) == handle


def test_a_copy_of_bytes_that_changed_meanwhile_is_not_used() -> None:
    bench = Bench()
    was = bench.blobs.put("training-data", "census/a.csv", b"a,b")
    bench.blobs.put("training-data", "census/a.csv", b"newer")
    with pytest.raises(TransientError, match="was changed while it was copied"):
        bench.service.prepare(bench.request(inputs={"training_data": was}, pin=True))


def test_a_burst_is_a_table_of_paths() -> None:
    bench = Bench(inputs={"training_data": "{data.mltable}"})
    listed = bench.blobs.put("models", f"runs/census/{RUN}/manifest.csv", MLTABLE_TEXT.encode())
    request = bench.request(inputs={"training_data": listed})
    bench.service.ensure_started(bench.service.prepare(request), request)
    given = bench.body()["inputs"]["training_data"]
    folder = f"runs/census/{RUN}/inputs/mltable/"
    assert given == {
        "jobInputType": "mltable",
        "uri": f"azureml://datastores/modelstore/paths/{folder}",
    }
    table = json.loads(bench.blobs.read("models", f"{folder}MLTable", 9999) or b"")
    long = "azureml://subscriptions/s1/resourcegroups/rg1/workspaces/ws1/datastores/landing/paths/"
    assert table == {
        "type": "mltable",
        "paths": [{"file": f"{long}{n}"} for n in ("a b.csv", "c.csv")],
    }


def test_the_list_of_a_burst_is_read_in_the_models_container() -> None:
    bench = Bench(inputs={"training_data": "{data.manifest}"})
    listed = blob(f"runs/census/{RUN}/manifest.csv", container="models")
    request = bench.request(inputs={"training_data": listed})
    bench.service.ensure_started(bench.service.prepare(request), request)
    uri = bench.body()["inputs"]["training_data"]["uri"]
    assert uri == f"azureml://datastores/modelstore/paths/{listed.name}"


def test_uris_are_passed_on_and_the_newest_of_a_data_asset_is_fixed() -> None:
    bench = Bench(inputs={"training_data": "azureml:lookup@latest"})
    bench.workspace.resources["data/lookup/versions"] = [
        {"name": "6", "properties": {}, "systemData": {"createdAt": "2026-01-01T00:00:00Z"}},
        {"name": "7", "properties": {}, "systemData": {"createdAt": "2026-02-01T00:00:00Z"}},
    ]
    bench.started()
    assert bench.body()["inputs"]["training_data"]["uri"] == "azureml:lookup:7"
