"""Deployments that really serve: Microsoft's inference server runs their scripts and models.

One workspace serves every test; where the server cannot be installed nothing here is checked.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from local.azureml.answers import ARM, WORKSPACE
from local.azureml.calls import Fault
from local.azureml.places import MemoryFiles
from local.azureml.server import AzureMlServer
from local.azureml.service import AzureMl
from local.azureml.switches import quick
from local.identity import make_token
from local.inference.servers import InferenceServers
from local.studio.wire import WireAnswer, WireRequest
from tests.local.azureml.bench import over_http, vector
from tests.local.azureml.served import installed
from tests.waiting import eventually

SCORE = """
import json, os, pathlib, time
def init():
    global factor
    (file,) = pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.json")
    assert str(file).endswith("model/model.json"), file
    factor = json.loads(file.read_text())["factor"]
    print("factor is", factor)
def run(raw_data):
    rows = json.loads(raw_data)["data"]
    if rows == "slow":
        time.sleep(5)
    return [row * factor for row in rows]
"""
BROKEN = "def init():\n    raise KeyError('no such weights')\ndef run(raw_data):\n    pass\n"
LOADER = """
import json, pathlib
class Model:
    def __init__(self, factor):
        self.factor = factor
    def predict(self, frame):
        return frame["a"] * self.factor
def _load_pyfunc(path):
    return Model(json.loads(pathlib.Path(path).read_text())["factor"])
"""
MLMODEL = {
    "flavors": {
        "python_function": {
            "loader_module": "relearn_loader",
            "code": "code",
            "data": "model.json",
            "env": {},
        }
    }
}
CODE = f"{WORKSPACE}/codes/score/versions/1"
ENVIRONMENT = f"{WORKSPACE}/environments/served/versions/1"


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Served:
    service: AzureMl
    url: str

    def ask(self, method: str, path: str, body: object = None) -> WireAnswer:
        url = f"{WORKSPACE}/onlineEndpoints/{path}?api-version=2025-12-01"
        sent = {"Authorization": f"Bearer {make_token(ARM)}"}
        content = b"" if body is None else json.dumps(body).encode()
        return over_http(self.url)(WireRequest(method, url, sent, content))

    def deploy(self, name: str, **own: Any) -> None:
        about = {"endpointComputeType": "Managed", "instanceType": "Standard_F4s_v2"}
        body = {"location": "westus", "sku": {"capacity": 1}, "properties": about | own}
        assert self.ask("PUT", f"census/deployments/{name}", body).status in (200, 201)

    def state(self, name: str) -> str:
        answer = self.ask("GET", f"census/deployments/{name}").json()
        return str(answer["properties"]["provisioningState"])

    def ended(self, name: str) -> str:
        deadline = time.monotonic() + 30
        while (state := self.state(name)) == "Updating" and time.monotonic() < deadline:
            time.sleep(0.05)
        return state

    def log(self, name: str, **asked: object) -> str:
        answer = self.ask("POST", f"census/deployments/{name}/getLogs", asked)
        return str(answer.json()["content"])

    def operation(self, name: str) -> dict[str, Any]:
        deployment = self.service.state.endpoints["census"].deployments[name]
        found: dict[str, Any] = self.service.get_operation(deployment.operation).body
        return found

    def processes(self) -> list[str]:
        """Return the servers that run, by their folders."""
        folders = []
        for one in psutil.Process().children():
            with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
                folders.append(one.cwd())  # else it has ended, and nobody has asked for it yet
        return [folder for folder in folders if "azureml-deployment-" in folder]

    def score(self, body: object, name: str = "", **more: str) -> WireAnswer:
        headers = {"Authorization": "Bearer key-0"} | more
        headers |= {"azureml-model-deployment": name} if name else {}
        content = json.dumps(body).encode()
        return over_http(self.url)(WireRequest("POST", "/scoring/census/score", headers, content))


def custom(script: str, **more: Any) -> dict[str, Any]:
    code = {"codeId": CODE, "scoringScript": script}
    model = f"{WORKSPACE}/models/census/versions/1"
    return {"model": model, "codeConfiguration": code, "environmentId": ENVIRONMENT} | more


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    installed()
    files = MemoryFiles()
    for name, content in {
        "m/1/model/model.json": '{"factor": 3}',
        "m/2/model/MLmodel": json.dumps(MLMODEL),
        "m/2/model/model.json": '{"factor": 5}',
        "m/2/model/code/relearn_loader.py": LOADER,
        "code/1/score.py": SCORE,
        "code/1/broken.py": BROKEN,
    }.items():
        files.write("models", name, content.encode())
    service = AzureMl(
        Now(),
        quick(timedelta(seconds=0.1)),
        files=files,
        containers=InferenceServers(start_seconds=30),
    )
    for version, kind in (("1", "custom_model"), ("2", "mlflow_model")):
        uri = f"azureml://datastores/models/paths/m/{version}/model/"
        service.put_model("census", version, {"properties": {"modelUri": uri, "modelType": kind}})
    service.hooks.add_asset(
        "codes", "score", "1", {"codeUri": "azureml://datastores/models/paths/code/1/"}
    )
    service.switches.lock = "resource"  # they come up together
    service.hooks.add_endpoint("census")
    with AzureMlServer(service) as server:
        served = Served(service, server.url)
        served.deploy("blue", **custom("score.py"))
        served.deploy("flow", model=f"{WORKSPACE}/models/census/versions/2")
        served.deploy("broken", **custom("broken.py"))
        yield served


def test_a_scoring_script_serves_and_its_log_is_shown(served: Served) -> None:
    assert served.ended("blue") == "Succeeded"
    answer = served.score({"data": [1, 2]}, "blue", **{"x-ms-client-request-id": "mine"})
    assert (answer.status, answer.json()) == (200, [3, 6])
    headers = {name.lower(): value for name, value in answer.headers.items()}
    recorded = vector("pub_scoring_answer_headers_200")["response"]["headers"]
    assert set(recorded) - set(headers) == {"connection"}
    assert headers["azureml-model-deployment"] == headers["azureml-model-session"] == "blue"
    assert headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"
    assert headers["x-ms-client-request-id"] == "mine"
    assert "factor is 3" in served.log("blue", tail=50)
    assert len(served.log("blue", tail=2).splitlines()) == 2
    assert "paths/code/1/" in served.log("blue", containerType="StorageInitializer")
    assert (
        served.ask("POST", "census/deployments/blue/getLogs", {"containerType": "x"}).status == 400
    )


def test_an_mlflow_model_needs_no_script(served: Served) -> None:
    assert served.ended("flow") == "Succeeded", served.log("flow")
    rows = {"input_data": {"columns": ["a"], "index": [0, 1], "data": [[1], [2]]}}
    answer = served.score(rows, "flow")
    assert (answer.status, answer.json()) == (200, [5, 10])


def test_a_script_that_raises_in_init_never_gets_ready(served: Served) -> None:
    assert served.ended("broken") == "Failed"
    log = served.log("broken")
    assert "KeyError: 'no such weights'" in log
    assert "Worker failed to boot" in log
    told = served.operation("broken")
    assert (told["status"], told["error"]["code"]) == ("Failed", "ResourceNotReady")
    assert "KeyError" not in told["error"]["message"]  # only the log says it
    assert served.score({"data": [1]}, "broken").status == 404


@pytest.mark.parametrize(("fault", "status"), [("cut", 200), ("html", 502), ("throttled", 429)])
def test_what_is_between_may_fail_as_well(served: Served, fault: str, status: int) -> None:
    assert served.ended("blue") == "Succeeded"
    calls = served.service.calls
    calls.fault_on("POST score", Fault(fault), calls.count("POST score"))
    answer = served.score({"data": [1, 2]}, "blue")
    assert (answer.status, answer.body == b"[3, 6]") == (status, False)


def test_a_custom_model_needs_a_script(served: Served) -> None:
    served.deploy("plain", model=f"{WORKSPACE}/models/census/versions/1")
    assert served.ended("plain") == "Failed"
    assert served.operation("plain")["error"]["code"] == "BadArgument"


def test_a_script_that_raises_in_run_is_the_models_fault_and_a_slow_one_is_ended(
    served: Served,
) -> None:
    served.deploy("slow", **custom("score.py", requestSettings={"requestTimeout": "PT0.3S"}))
    assert served.ended("blue") == "Succeeded"
    answer = served.score({"rows": []}, "blue")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert (answer.status, headers["ms-azureml-model-error-statuscode"]) == (424, "500")
    assert headers["azureml-model-deployment"] == "blue"
    assert headers["x-ms-run-function-failed"] == "True"
    assert "unexpected error occurred in scoring script" in answer.json()["message"]
    assert served.ended("slow") == "Succeeded"
    assert served.score({"data": "slow"}, "slow").status == 408
    assert served.score({"data": [1]}, "slow").json() == [3]


def test_traffic_is_split_and_a_deleted_deployment_has_no_process(served: Served) -> None:
    assert [served.ended(name) for name in ("blue", "flow")] == ["Succeeded"] * 2
    served.service.hooks.set_traffic("census", {"blue": 50, "flow": 50})
    answers = [served.score({"data": [1]}) for _ in range(10)]
    who = [answer.headers["azureml-model-deployment"] for answer in answers]
    assert {"blue", "flow"} == set(who)
    assert {answer.status for answer in answers} == {200, 424}  # a body that only one of them takes
    before = served.processes()
    served.service.hooks.set_traffic("census", {"blue": 100})
    assert served.ask("DELETE", "census/deployments/flow").status == 202
    eventually(lambda: len(served.processes()) < len(before))
