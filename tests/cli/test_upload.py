"""`relearn upload`: only to the local storage, with a name that a pipeline takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.storage.blob import BlobServiceClient

from cli import upload
from local.azurite import Azurite, make_container
from tests.cli.conftest import PIPELINES, Relearn, write_settings

NO_APP = "http://127.0.0.1:1"


@pytest.fixture
def storage(folder: Path, azurite: Azurite) -> Iterator[BlobServiceClient]:
    write_settings(
        folder,
        AzureWebJobsStorage=azurite.connection_string,
        TRAINING_DATA_CONTAINER="uploads",
    )
    (folder / "new.csv").write_text("a,b\n1,2\n")
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        make_container(account.get_container_client("uploads"))
        yield account
        account.delete_container("uploads")


def names(account: BlobServiceClient) -> list[str]:
    return list(account.get_container_client("uploads").list_blob_names())


def test_the_name_is_below_the_folder_of_the_pattern(
    storage: BlobServiceClient, relearn: Relearn
) -> None:
    said = relearn("upload", "new.csv", "--url", NO_APP)
    assert said.code == 0
    assert names(storage) == ["census/new.csv"]
    assert "uploaded 8 bytes to uploads/census/new.csv" in said.out
    assert f"no app answers at {NO_APP}" in said.out


@pytest.mark.parametrize("name", ["", "../x", "a//b", "x" * 1025])
def test_a_name_that_no_blob_has_is_a_usage_error(relearn: Relearn, name: str) -> None:
    said = relearn("upload", "new.csv", "--name", name)
    assert said.code == 2
    assert "is not a name of a blob: write it like new.csv" in said.err


def test_a_name_may_be_given_and_json_says_who_takes_it(
    storage: BlobServiceClient, relearn: Relearn
) -> None:
    said = relearn("upload", "new.csv", "--name", "census/b.csv", "--url", NO_APP, "--json")
    assert said.code == 0
    assert names(storage) == ["census/b.csv"]
    shown = {name: said.json[name] for name in ("container", "name", "size", "pipelines", "app")}
    assert shown == {
        "container": "uploads",
        "name": "census/b.csv",
        "size": 8,
        "pipelines": ["census"],
        "app": False,
    }


def test_a_file_that_no_pipeline_takes_is_refused_with_the_patterns(
    folder: Path, storage: BlobServiceClient, relearn: Relearn
) -> None:
    (folder / "new.txt").write_text("x")
    said = relearn("upload", "new.txt", "--url", NO_APP)
    assert said.code == 1
    assert "write --name NAME that fits a pattern of pipelines.yaml (census/{name}.csv)" in said.err
    assert not names(storage)


def test_data_of_a_window_opens_no_run_and_says_what_the_schedule_waits_for(
    folder: Path, storage: BlobServiceClient, relearn: Relearn
) -> None:
    period = "{frequency: Week, start: 2016-02-13, end: 2016-02-14}"
    windowed = (
        f"census/{{start:yyyy/MM}}/{{name}}.csv\n      opens_runs: false\n    schedule: {period}"
    )
    text = PIPELINES.replace("census/{name}.csv", windowed)
    (folder / "pipelines.yaml").write_text(text)
    said = relearn("upload", "new.csv", "--name", "census/2016/02/new.csv", "--url", NO_APP)
    assert said.code == 0
    assert names(storage) == ["census/2016/02/new.csv"]
    assert (
        "it is data of census, of which new data opens no run (`opens_runs: false`); its schedule "
        "waits for nothing: its active period was over at 2016-02-14 00:00 UTC"
    ) in said.out


def test_several_names_that_fit_are_asked_for(
    folder: Path, storage: BlobServiceClient, relearn: Relearn
) -> None:
    second = PIPELINES.partition("\n")[2].replace("census", "other")
    (folder / "pipelines.yaml").write_text(PIPELINES + second)
    said = relearn("upload", "new.csv", "--url", NO_APP)
    assert said.code == 1
    assert "write --name" in said.err
    assert "census/new.csv" in said.err
    assert "other/new.csv" in said.err
    assert not names(storage)


def test_an_account_in_the_cloud_gets_nothing(folder: Path, relearn: Relearn) -> None:
    (folder / "new.csv").write_text("a")
    write_settings(
        folder, AzureWebJobsStorage="AccountName=mine;AccountKey=a2V5;EndpointSuffix=x.example"
    )
    said = relearn("upload", "new.csv", "--url", NO_APP)
    assert said.code == 1
    assert "az storage blob upload" in said.err


def test_a_missing_file_or_setting_is_reported(folder: Path, relearn: Relearn) -> None:
    assert "none.csv cannot be read" in relearn("upload", "none.csv", "--url", NO_APP).err
    (folder / "new.csv").write_text("a")
    write_settings(folder, MODELS_CONTAINER="")
    assert "a setting is wrong: MODELS_CONTAINER" in relearn("upload", "new.csv").err
    (folder / "local.settings.json").unlink()
    said = relearn("upload", "new.csv")
    assert said.code == 1
    assert "cp local.settings.example.json local.settings.json" in said.err


def test_the_run_that_opens_is_shown(
    storage: BlobServiceClient, relearn: Relearn, monkeypatch: pytest.MonkeyPatch
) -> None:
    del storage
    old = {"run_id": "census-1", "line": "older", "data": "uploads/census/new.csv"}
    new = {"run_id": "census-2", "line": "opened by data", "data": "uploads/census/new.csv"}
    other = {"run_id": "census-3", "line": "another", "data": "uploads/census/x.csv"}
    answers = iter([[old], [old], [old, other], [new, old, other]])

    class App:
        def __init__(self, url: str) -> None:
            assert url == NO_APP

        def ask(self, *_: object) -> dict[str, object]:
            return {"runs": next(answers)}

    monkeypatch.setattr(upload, "RemoteApp", App)
    monkeypatch.setattr(upload, "_ASK_EVERY", 0)
    said = relearn("upload", "new.csv", "--url", NO_APP)
    assert said.code == 0
    assert "run census-2: opened by data" in said.out
    assert f"watch it: {NO_APP}/api/runs/census-2" in said.out
    assert "census-1" not in said.out


def test_settings_of_make_run_lead_to_its_storage(
    folder: Path, storage: BlobServiceClient, azurite: Azurite, relearn: Relearn
) -> None:
    kept = folder / ".local" / "azurite"
    kept.mkdir(parents=True)
    ports = {"blob_port": azurite.blob_endpoint, "queue_port": azurite.queue_endpoint}
    said = {name: urlsplit(url).port for name, url in ports.items()}
    (kept / "server.json").write_text(json.dumps({"starter": 1, **said}) + "\n")
    write_settings(
        folder,
        AzureWebJobsStorage="UseDevelopmentStorage=true",
        TRAINING_DATA_CONTAINER="uploads",
    )
    assert relearn("upload", "new.csv", "--url", NO_APP).code == 0
    assert names(storage) == ["census/new.csv"]
