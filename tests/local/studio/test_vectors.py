"""The documented requests, replayed: the stand-in accepts those that the service accepted."""

import json
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from local.studio import InstantTrainer, OutputKind, Parameter, Published, Studio
from local.studio.wire import WireAnswer, WireRequest
from tests.fakes.clock import START, FakeClock
from tests.unit.vectors import FOLDER, vector

SUBMITTED = sorted(file.stem for file in FOLDER.glob("submit_*.json"))
OWN = "DefaultEndpointsProtocol=https;AccountName=own;AccountKey=bWFkZS11cA=="
DATA = b"a,b,label\n1,2,0\n3,4,1\n"


class OpenBlobs:
    """Storage that refuses nobody: the documented signatures ran out long ago."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def read(self, url: str) -> bytes:
        assert url
        return DATA

    def write(self, url: str, content: bytes) -> None:
        assert content
        self.written.append(url.partition("?")[0])


def built() -> tuple[Studio, OpenBlobs]:
    blobs, ids = OpenBlobs(), count(1)
    studio = Studio(
        storage=blobs,
        trainer=InstantTrainer(),
        clock=FakeClock(START).now,
        new_id=lambda: f"{next(ids):032x}",
        own_storage=OWN,
    )
    return studio, blobs


def fitting(studio: Studio, body: dict[str, Any]) -> Published:
    """Publish a training service that wants just what `body` gives it."""
    given = body.get("Inputs") or ({"input1": {}} if body.get("Input") else {})
    outputs = body.get("Outputs") or {"output1": {"RelativeLocation": "x/y.ilearner"}}
    kinds = {
        name: OutputKind.MODEL
        if blob["RelativeLocation"].endswith(".ilearner")
        else OutputKind.EVALUATION
        for name, blob in outputs.items()
    }
    parameters = {name: Parameter() for name in body.get("GlobalParameters") or {}}
    return studio.publish_training(
        "documented", inputs=tuple(given), outputs=kinds, parameters=parameters
    )


def ask(studio: Studio, service: Published, method: str, url: str, body: Any = None) -> WireAnswer:
    key = {"Authorization": f"Bearer {service.api_key}"}
    content = b"" if body is None else json.dumps(body).encode()
    return studio.handle(WireRequest(method, f"{url}?api-version=2.0", key, content))


@pytest.mark.parametrize("form", ["documented", "body"])
@pytest.mark.parametrize("name", SUBMITTED)
def test_a_documented_job_is_taken_started_and_finished(name: str, form: str) -> None:
    body = vector(name)[form]
    studio, blobs = built()
    service = fitting(studio, body)
    made = ask(studio, service, "POST", service.jobs_url, body)
    assert made.status == 200, made.body
    job = made.json()  # a JSON string: the quotes are on the wire
    assert made.body == json.dumps(job).encode()
    assert ask(studio, service, "POST", f"{service.jobs_url}/{job}/start").status == 200
    if not body.get("Input") and not body.get("Inputs"):
        return  # such a service brings its data itself, which this trainer does not
    studio.work()
    reported = ask(studio, service, "GET", f"{service.jobs_url}/{job}").json()
    assert reported["StatusCode"] == "Finished"
    for output, blob in (body.get("Outputs") or {}).items():
        result = reported["Results"][output]
        assert result["RelativeLocation"] == blob["RelativeLocation"].lstrip("/")
        assert result["ConnectionString"] is None
        if blob.get("SasBlobToken"):
            assert result["SasBlobToken"] == blob["SasBlobToken"]  # echoed as it was given
    assert blobs.written


def test_results_without_an_override_are_signed_afresh_for_a_day() -> None:
    studio, _ = built()
    service = studio.publish_training("documented", outputs={"output1": OutputKind.MODEL})
    place = {"ConnectionString": OWN, "RelativeLocation": "c/new.csv"}
    job = ask(studio, service, "POST", service.jobs_url, {"Inputs": {"input1": place}}).json()
    ask(studio, service, "POST", f"{service.jobs_url}/{job}/start")
    studio.work()
    reported = ask(studio, service, "GET", f"{service.jobs_url}/{job}").json()
    result = reported["Results"]["output1"]
    assert result["RelativeLocation"].startswith("experimentoutput/")
    assert result["RelativeLocation"].endswith(".ilearner")
    assert result["BaseLocation"] == "https://own.blob.core.windows.net/"
    start = (START - timedelta(minutes=5)).strftime("st=%Y-%m-%dT%H%%3A%M")
    end = (START + timedelta(days=1)).strftime("se=%Y-%m-%dT%H%%3A%M")
    assert start in result["SasBlobToken"]
    assert end in result["SasBlobToken"]
    assert "sp=r&" in result["SasBlobToken"]


@pytest.mark.parametrize("members", [{"Location": {}}, {"Location": {"ConnectionString": None}}])
def test_the_documented_patch_is_taken_with_and_without_an_empty_connection_string(
    members: dict[str, Any],
) -> None:
    studio, _ = built()
    model = InstantTrainer().train({"input1": DATA}, {}, label=None).model
    scoring = studio.publish_scoring("census", resource="Census Model [trained model]", model=model)
    endpoint = studio.add_endpoint(scoring.web_service_id, "endpoint2")
    location = {
        "BaseLocation": "https://esintussouthsus.blob.core.windows.net/",
        "RelativeLocation": "experimentoutput/8946abfd/8946abfd.ilearner",
        "SasBlobToken": "?sv=2013-08-15&sr=b&sig=made-up&se=2015-04-05T05%3A44%3A55Z&sp=r",
        **members["Location"],
    }
    body = {"Resources": [{"Name": "Census Model [trained model]", "Location": location}]}
    answer = ask(studio, endpoint, "PATCH", endpoint.management_url, body)
    assert 200 <= answer.status < 300
    assert answer.body == b""
