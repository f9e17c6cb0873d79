"""The stand-in as a process: over a storage server, with tokens of its identity endpoint."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient

from local.azureml.__main__ import main
from local.azureml.answers import WORKSPACE
from local.azureml.process import AzureMlProcess
from local.azureml.sample import COMPONENT
from local.azurite import Azurite, make_container
from local.identity import CERTIFICATE, make_certificate, make_token
from tests.local.azureml.served import installed
from tests.waiting import eventually

VERSION = "api-version=2025-12-01"


@pytest.fixture
def stand_in(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureMlProcess]:
    monkeypatch.setenv("TEST_STORAGE", azurite.connection_string)
    with AzureMlProcess(["--storage", "TEST_STORAGE"]) as process:
        yield process


class Client:
    def __init__(self, process: AzureMlProcess, token: str) -> None:
        self._base, self._headers = process.url + WORKSPACE, {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self._base}/{path}?{VERSION}"
        return requests.request(method, url, json=body, headers=self._headers, timeout=30)


def a_job(order: dict[str, Any]) -> dict[str, Any]:
    place = "azureml://datastores/models/paths/runs/r/1"
    data = "azureml://datastores/training/paths/a.csv"
    outputs = {
        name: {"jobOutputType": "uri_folder", "uri": f"{place}/{name}/"}
        for name in ("model", "evaluation")
    }
    own = {
        "jobType": "Pipeline",
        "componentId": order["component"],
        "jobs": {},
        "inputs": {"training_data": {"jobInputType": "uri_file", "uri": data}},
        "outputs": outputs,
        "settings": {"force_rerun": True, "default_compute": order["compute"]},
    }
    return {"properties": own}


def test_a_job_trains_on_the_storage_server(
    stand_in: AzureMlProcess, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stand_in.environment.items():
        monkeypatch.setenv(name, value)
    with ManagedIdentityCredential() as credential:
        client = Client(
            stand_in, credential.get_token("https://management.azure.com/.default").token
        )
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        rows = b"".join(b"%d,%d\n" % (n % 9, n % 9 > 4) for n in range(90))
        for container in ("training-data", "models"):
            make_container(account.get_container_client(container))
        account.get_blob_client("training-data", "a.csv").upload_blob(b"x,label\n" + rows)
        stand_in.order("datastores", name="training", container="training-data")
        stand_in.order("datastores", name="models", container="models")
        made = stand_in.order("sample")
        assert made["component"].endswith(f"/components/{COMPONENT}/versions/1")
        assert client.ask("PUT", "jobs/j", a_job(made)).status_code == 201
        deadline = time.monotonic() + 60
        while (job := client.ask("GET", "jobs/j").json()["properties"])["status"] != "Completed":
            assert job["status"] not in ("Failed", "Canceled"), stand_in.log
            assert time.monotonic() < deadline
            time.sleep(0.1)
        blob = account.get_blob_client("models", "runs/r/1/evaluation/evaluation.json")
        assert json.loads(blob.download_blob().readall())["AUC"] > 0.9
    (shown,) = stand_in.state["jobs"]
    assert (shown["status"], [one["node"] for one in shown["steps"]]) == ("Completed", ["train"])
    assert stand_in.requests[0] == "PUT job j"


def test_things_go_wrong_on_demand() -> None:
    with AzureMlProcess() as process:
        client = Client(process, make_token("https://management.azure.com"))
        made = process.order("sample")
        process.order("faults", kind="PUT job", fault="lost")
        with pytest.raises(requests.ConnectionError):
            client.ask("PUT", "jobs/j", a_job(made))
        assert client.ask("GET", "jobs/j").status_code == 200
        process.order("delays", match="GET */jobs/j", seconds=0.3)
        began = time.monotonic()
        client.ask("GET", "jobs/j")
        assert time.monotonic() - began > 0.3
        order = process.order("jobs", name="j", status="Failed", message="no such column")
        assert (order["name"], order["orphan"]) == ("j", False)
        assert client.ask("GET", "jobs/j").json()["properties"]["status"] == "Failed"
        assert process.order("jobs", name="j", orphan=True)["orphan"] is True
        process.order("metrics", run="j", key="AUC", value=0.9)
        process.order("switches", roles_late=60, explicit_uri_honoured=False)
        assert client.ask("GET", "jobs/j").status_code == 403
        for what, members in (
            ("switches", {"nothing": 1}),
            ("switches", {"values": "loud"}),
            ("faults", {"kind": "PUT job", "fault": "none"}),
            ("jobs", {"name": "nobody", "status": "Failed"}),
            ("assets", {"kind": "components", "name": "x", "version": "1", "properties": {}}),
            ("nothing", {}),
        ):
            with pytest.raises(ValueError, match="error"):
                process.order(what, **members)


def test_the_identity_endpoint_wants_its_header_and_a_resource() -> None:
    with AzureMlProcess() as process:
        answered = process.environment
        secret = {"X-IDENTITY-HEADER": answered["IDENTITY_HEADER"]}
        for headers, query, status in (({}, "resource=x", 401), (secret, "", 400)):
            url = f"{answered['IDENTITY_ENDPOINT']}?{query}"
            assert requests.get(url, headers=headers, timeout=30).status_code == status


def test_https_and_the_description_of_a_cloud(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    trusted = tmp_path / CERTIFICATE
    with AzureMlProcess(["--certificate", str(tmp_path)], trusted=trusted) as process:
        assert process.url.startswith("https://127.0.0.1:")
        url = f"{process.url}/metadata/endpoints"
        (cloud,) = requests.get(url, verify=str(trusted), timeout=30).json()
        assert cloud["resourceManager"] == process.url
        token = make_token(process.url)
        asked = f"{process.url}{WORKSPACE}?{VERSION}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(asked, headers=headers, verify=str(trusted), timeout=30)
        assert answer.json()["properties"]["discoveryUrl"] == f"{process.url}/discovery"


def test_the_sample_is_ready_to_be_used() -> None:
    with AzureMlProcess(["--sample"]) as process:
        assert process.state["datastores"]["training_data"] == "training-data"
        assert process.state["components"][COMPONENT] == ["1"]
        assert f"workspace: {process.url}{WORKSPACE}" in process.log
        assert process.environment["IDENTITY_HEADER"] not in process.log
        process.order("switches", course=[["Running", 5]], cancelling=1.5)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_no_command_outlives_the_stand_in(how: str, tmp_path: Path) -> None:
    with AzureMlProcess() as process:
        client = Client(process, make_token("https://management.azure.com"))
        seen = tmp_path / "pid"
        line = f"sleep 600 & echo $! > {seen}.new; mv {seen}.new {seen}; wait"
        own = {"jobType": "Command", "command": line, "environmentId": "azureml:e:1"}
        assert client.ask("PUT", "jobs/j", {"properties": own}).status_code == 201
        eventually(seen.exists)
        command = psutil.Process(int(seen.read_text()))
        getattr(process, how)()
        eventually(lambda: not _runs(command))


def test_no_server_of_a_deployment_outlives_the_stand_in(
    stand_in: AzureMlProcess, azurite: Azurite
) -> None:
    installed()
    client = Client(stand_in, make_token("https://management.azure.com"))
    code = stand_in.order("sample")["code"]
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        container = account.get_container_client("served")
        make_container(container)
        container.upload_blob("m/model.json", b'{"features": []}')
    uri = "azureml://datastores/served/paths/m/"
    model = {"properties": {"modelType": "custom_model", "modelUri": uri}}
    assert client.ask("PUT", "models/m/versions/1", model).status_code == 201
    endpoint = {"location": "westus", "properties": {"authMode": "Key"}}
    assert client.ask("PUT", "onlineEndpoints/e1x", endpoint).status_code == 201
    own = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_F4s_v2",
        "model": f"{WORKSPACE}/models/m/versions/1",
        "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
    }
    path, body = "onlineEndpoints/e1x/deployments/blue", {"location": "westus", "properties": own}

    def is_ready() -> bool:
        own = client.ask("GET", path).json()["properties"]
        assert own["provisioningState"] != "Failed", client.ask("POST", f"{path}/getLogs").text
        return bool(own["provisioningState"] == "Succeeded")

    eventually(lambda: client.ask("PUT", path, body).status_code == 201)
    eventually(is_ready)
    servers = psutil.Process(stand_in.pid).children(recursive=True)
    assert servers
    stand_in.kill()
    eventually(lambda: not [one for one in servers if _runs(one)])


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_it_ends_when_it_is_asked_to() -> None:
    with AzureMlProcess(["--real-times"]) as process:
        assert process.stop() == 0


def test_an_option_that_cannot_be_used_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--storage", "NOT_SET_ANYWHERE"]) == 2
    assert "NOT_SET_ANYWHERE" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 2


def test_answers_name_the_server_as_the_request_did_so_that_a_proxy_sees_every_call() -> None:
    with AzureMlProcess() as process:
        for host in ("127.0.0.1:9", urlsplit(process.url).netloc):
            answer = requests.get(
                f"{process.url}/discovery", headers={"Host": host}, timeout=30
            ).json()
            assert answer["api"] == f"http://{host}"
