"""A service for tests: fake clock, counted ids, blobs in memory; called directly or over HTTP."""

import http.client
import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from local.studio import (
    InstantTrainer,
    MemoryBlobs,
    OutputKind,
    Parameter,
    ParameterKind,
    Published,
    Studio,
    Trainer,
    WireAnswer,
    WireRequest,
)

BASE = "https://data.blob.core.windows.net/"
ACCOUNT = f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={'QUJD' * 8}"
CSV = b"age,income,label\n30,10,0\n40,20,1\n50,15,0\n60,30,1\n"
RESOURCE = "Census Model [trained model]"

Send = Callable[[WireRequest], WireAnswer]


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2017, 3, 1, 10, 6, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Bench:
    def __init__(self, *, trainer: Trainer | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.blobs = MemoryBlobs(self.clock)
        self.trainer = trainer or InstantTrainer()
        ids = itertools.count(1)
        self.studio = Studio(
            storage=self.blobs,
            trainer=self.trainer,
            clock=self.clock,
            new_id=lambda: f"{next(ids):032x}",
            **options,
        )
        self.send: Send = self.studio.handle
        self.blobs.contents[f"{BASE}in/census.csv"] = CSV

    def publish_training(self, **options: Any) -> Published:
        settings: dict[str, Any] = {
            "outputs": {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION},
            "parameters": {
                "Regularization": Parameter(ParameterKind.NUMBER, default="1"),
                "Data date": Parameter(),
            },
            **options,
        }
        return self.studio.publish_training("Census [training exp.]", **settings)

    def publish_scoring(self, content: bytes = CSV) -> Published:
        """Publish a scoring service and give its updatable endpoint."""
        model = self.trainer.train({"input1": content}, {}, label=None).model
        service = self.studio.publish_scoring("Census", resource=RESOURCE, model=model)
        return self.studio.add_endpoint(service.web_service_id, "production")

    def sas(self, permission: str = "r", **life: float) -> str:
        expiry = (self.clock() + timedelta(**(life or {"hours": 1}))).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"?sv=2021-08-06&sr=b&se={quote(expiry)}&sp={permission}&sig=U0VDUkVU"

    def reference(self, place: str, permission: str = "r", **life: float) -> dict[str, str | None]:
        return {
            "ConnectionString": None,
            "BaseLocation": BASE,
            "RelativeLocation": place,
            "SasBlobToken": self.sas(permission, **life),
        }

    def order(self, **changes: Any) -> dict[str, Any]:
        return {
            "Inputs": {"input1": self.reference("in/census.csv")},
            "Outputs": {
                "output1": self.reference("out/model.ilearner", "cw"),
                "output2": self.reference("out/evaluation.csv", "cw"),
            },
            "GlobalParameters": {},
            **changes,
        }

    def call(
        self,
        method: str,
        url: str,
        key: str | None = None,
        body: object = None,
        *,
        version: str = "2.0",
        query: str = "",
    ) -> WireAnswer:
        """Ask with JSON, the key as bearer, and on the data plane with an api-version."""
        if "/services/" in url and version:
            url = f"{url}?api-version={version}{query}"
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(WireRequest(method, url, headers, content))

    def submit(self, service: Published, body: object = None) -> WireAnswer:
        content = self.order() if body is None else body
        return self.call("POST", service.jobs_url, service.api_key, content)

    def started(self, service: Published, body: object = None) -> str:
        """Submit and start a job; gives its URL."""
        url = f"{service.jobs_url}/{self.submit(service, body).json()}"
        assert self.call("POST", f"{url}/start", service.api_key).status == 200
        return url

    def finished(self, service: Published, body: object = None) -> Any:
        """Bring a job to its end; gives its status."""
        url = self.started(service, body)
        self.studio.work()
        return self.call("GET", url, service.api_key).json()

    def patch(self, endpoint: Published, location: object, name: str = RESOURCE) -> WireAnswer:
        body = {"Resources": [{"Name": name, "Location": location}]}
        return self.call("PATCH", endpoint.management_url, endpoint.api_key, body)

    def score(self, endpoint: Published, *, query: str = "", **row: object) -> WireAnswer:
        row = row or {"age": 41, "income": 17}
        table = {"ColumnNames": list(row), "Values": [list(row.values())]}
        body = {"Inputs": {"input1": table}, "GlobalParameters": {}}
        return self.call("POST", endpoint.execute_url, endpoint.api_key, body, query=query)


def over_http(url: str) -> Send:
    """Send requests to a server, each on its own connection."""
    host = url.removeprefix("http://")

    def send(request: WireRequest) -> WireAnswer:
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            headers: Mapping[str, str] = request.headers
            connection.request(request.method, request.url, request.body, dict(headers))
            answer = connection.getresponse()
            return WireAnswer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    return send


def detail(answer: WireAnswer) -> tuple[int, str, str]:
    """Give status, class and detail code of an error answer."""
    error = answer.json()["error"]
    return answer.status, error["code"], error["details"][0]["code"]


def message(answer: WireAnswer) -> str:
    text = answer.json()["error"]["details"][0]["message"]
    assert isinstance(text, str)
    return text
