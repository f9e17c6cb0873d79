"""An endpoint `census` that serves the model `census/1` by the deployment `blue`."""

from datetime import timedelta
from typing import Any

from local.azureml.answers import Answer, Body
from local.azureml.service import AzureMl
from local.azureml.state import model_id
from local.azureml.switches import Switches
from local.azureml.traffic import Draw, EvenDraw
from tests.fakes.clock import FakeClock

ROWS = {"input_data": {"columns": ["a"], "index": [0, 1], "data": [[1], [2]]}}
KEY = {"Authorization": "Bearer key-0"}
WHO = "azureml-model-deployment"


class Bench:
    def __init__(self, draw: Draw | None = None, **switches: Any) -> None:
        self.clock = FakeClock()
        self.service = AzureMl(self.clock, Switches(**switches), draw or EvenDraw())
        self.calls, self.hooks = self.service.calls, self.service.hooks
        self.hooks.add_endpoint("census")
        self.hooks.add_deployment("census", "blue", "census/1")
        self.hooks.set_traffic("census", {"blue": 100})

    def wait(self, **span: float) -> None:
        self.clock.move(timedelta(**span))

    def endpoint(self) -> Body:
        body: Body = self.service.get_endpoint("census").body
        return body

    def put_traffic(self, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> Answer:
        """GET, change, PUT, as the contract's loop does it."""
        return self.service.put_endpoint("census", self.changed(traffic, mirror))

    def changed(self, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> Body:
        body = self.endpoint()
        body["properties"] |= {"traffic": traffic, "mirrorTraffic": mirror or {}}
        return body

    def shift(self, traffic: dict[str, int]) -> None:
        assert self.put_traffic(traffic).status == 200
        self.wait(seconds=20)
        assert self.traffic() == traffic

    def traffic(self) -> dict[str, int]:
        shown: dict[str, int] = self.endpoint()["properties"]["traffic"]
        return shown

    def put_green(self, version: str = "2", **properties: Any) -> Answer:
        uri = f"azureml://datastores/models/paths/census/{version}"
        model = {"properties": {"modelType": "custom_model", "modelUri": uri}}
        self.service.put_model("census", version, model)
        return self.service.put_deployment("census", "green", deployment(version, **properties))

    def green(self) -> None:
        assert self.put_green().status == 201
        self.wait(minutes=10)
        assert self.state() == "Succeeded"

    def state(self, name: str = "green") -> str:
        answer = self.service.get_deployment("census", name)
        return (
            "gone" if answer.status == 404 else str(answer.body["properties"]["provisioningState"])
        )

    def score(self, deployment: str | None = None) -> Answer:
        named = {WHO: deployment} if deployment else {}
        return self.service.score("census", ROWS, KEY | named)

    def who(self, times: int) -> list[str]:
        return [self.score().headers[WHO] for _ in range(times)]

    def operation(self, answer: Answer) -> Body:
        read: Body = self.service.get_operation(answer.headers["Azure-AsyncOperation"]).body
        return read


def deployment(version: str, **properties: Any) -> Body:
    own: Body = {"endpointComputeType": "Managed", "instanceType": "Standard_F4s_v2"}
    own |= {"model": model_id("census", version), "scaleSettings": {"scaleType": "Default"}}
    sku = {"name": "Default", "capacity": 1}
    return {"location": "westus", "tags": {}, "sku": sku, "properties": own | properties}


def codes(answer: Answer) -> list[str]:
    """Return every code of an error, of `details` and down the chain of `innerError`."""
    error = answer.body["error"]
    found = [error["code"], *(detail["code"] for detail in error["details"])]
    inner = next(m["info"]["value"] for m in error["additionalInfo"] if m["type"] == "InnerError")
    while inner:
        found.append(inner["code"])
        inner = inner["innerError"]
    return found
