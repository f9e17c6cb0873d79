"""Doctor over HTTP: its lines, its bounds, and an app whose settings are wrong."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from cli.doctor import shown
from functions.api_models.doctor import DoctorReport
from functions.doctor import doctor
from shared.app import SystemClock, Unusable, build
from shared.config.settings import Problem
from shared.core.findings import CheckedLine, CheckOutcome, Findings, ok, wrong
from shared.providers.http.client import RequestsHttp
from tests.fakes.world import World
from tests.functions.calls import Api
from tests.functions.conftest import Serve, secrets_of


def asked(body: dict[str, Any] | None = None) -> Any:
    sent = b"" if body is None else json.dumps(body).encode()
    answer = doctor(func.HttpRequest("POST", "http://localhost/api/doctor", body=sent))
    return answer.status_code, json.loads(answer.get_body())


def test_a_sound_app_is_well(world: World, api: Api) -> None:
    del api
    status, found = asked()
    assert (status, found["result"], found["wrong"]) == (200, "ok", 0)
    assert [line["part"] for line in found["lines"]] == [
        "settings",
        *["events"] * 5,
        "services",
        "endpoints",
        "endpoints",
        "timers",
    ]
    assert found["ok"] == len(found["lines"]) - found["not_checked"]
    assert not [one for one in secrets_of(world) if one in json.dumps(found)]


def test_each_wrong_line_has_advice(world: World, api: Api) -> None:
    del api
    world.environment.pop("TRAINING_KEY")
    status, found = asked({"seconds": 10})
    assert (status, found["result"], found["wrong"]) == (200, "wrong", 1)
    (line,) = [line for line in found["lines"] if line["result"] == "wrong"]
    assert "TRAINING_KEY" in line["text"]
    assert line["to_do"]


def test_fewer_endpoints_may_be_asked_for(api: Api) -> None:
    del api
    _, found = asked({"endpoints": 0})
    (line,) = [line for line in found["lines"] if line["part"] == "endpoints"]
    assert (line["check"], line["result"]) == ("others", "not_checked")
    assert asked({"endpoints": 51})[0] == asked({"seconds": 181})[0] == 400


def test_wrong_settings_are_listed_and_what_can_be_checked_is(serve: Serve) -> None:
    serve(Unusable((Problem("MODELS_CONTAINER", "not set", "name it"),)))
    status, found = asked()
    assert (status, found["result"]) == (200, "wrong")
    assert found["lines"][0]["to_do"] == "name it"
    assert {line["result"] for line in found["lines"][1:]} == {"not_checked"}


def test_with_one_wrong_setting_the_services_are_checked_all_the_same(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # the SDK's pauses between calls
    (tmp_path / "pipelines.yaml").write_text(
        "pipelines:\n  a:\n    schedule: '0 0 3 * * *'\n    training:\n      inputs: {}\n"
        "      service: https://localhost:1/workspaces/w/services/e/jobs\n"
        "      api_key: ${KEY}\n"
    )
    settings = {
        "TRAINING_DATA_CONTAINER": "training-data",
        "MODELS_CONTAINER": "models",
        "LEDGER_CONTAINER": "ledger",
        "AzureWebJobsStorage": "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
        "BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "KEY": "c2VjcmV0c2VjcmV0",
        "CLAIM_LEASE": "1s",
    }
    built = build(settings, tmp_path, RequestsHttp(), SystemClock(), datetime.now(UTC))
    assert isinstance(built, Unusable)
    serve(built)
    _, found = asked({"seconds": 20})
    results = {(line["part"], line["result"]) for line in found["lines"]}
    assert ("settings", "wrong") in results
    assert ("storage", "wrong") in results
    (service,) = [line for line in found["lines"] if line["part"] == "services"]
    assert service["result"] == "wrong"
    assert "cannot be reached" in service["text"]


def test_the_command_line_writes_the_form_of_the_http_api() -> None:
    lines = (
        CheckedLine("storage", "a", ok("well")),
        CheckedLine("storage", "b", wrong("no role", "give it")),
    )
    report = Findings(lines)
    assert report.counted(CheckOutcome.NOT_CHECKED) == 0
    model = DoctorReport.of(report).model_dump(mode="json", exclude_none=True)
    assert shown(report) == model
