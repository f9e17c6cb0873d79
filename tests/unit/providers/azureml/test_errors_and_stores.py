"""Errors sorted by the possible next steps; datastores; tokens of other clouds."""

from datetime import timedelta
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from shared.core.config.azureml_names import workspace_of
from shared.errors import ConfigError, OutcomeUnknownError, PermanentError, TransientError
from shared.providers.azureml.call import AzureMlCall
from shared.providers.azureml.errors import (
    AzureMlRefusedError,
    correlation_of,
    refusal_in,
    sorted_error,
)
from shared.providers.azureml.tokens import Tokens, scopes_of
from shared.providers.http.client import Answer
from tests.fakes.blobs import FakeBlobs
from tests.unit.providers.azureml.service import (
    WS,
    Bench,
    datastore,
    refuses,
    says,
    vector,
)

REPEATED = (409, 423, 425, 429)
UNKNOWN = (408, 500, 502, 503, 504)
NEVER = (400, 402, 404, 405, 410, 412, 422)


@pytest.mark.parametrize("write", [True, False])
def test_every_status_is_sorted(write: bool) -> None:  # noqa: FBT001
    for status in REPEATED:
        assert isinstance(sorted_error(refuses(status, "X"), "do", write=write), TransientError)
    for status in UNKNOWN:
        kind = OutcomeUnknownError if write else TransientError
        assert isinstance(sorted_error(refuses(status, "X"), "do", write=write), kind)
    for status in NEVER:
        error = sorted_error(refuses(status, "X"), "do", write=write)
        assert isinstance(error, AzureMlRefusedError)


def test_every_code_of_an_envelope_is_read() -> None:
    recorded = vector("rec_job_cancel_400_terminal")["response"]["body"]
    assert {"BadArgument", "ArgumentInvalid", "CancelPipelineRunInTerminalStatus"} <= refusal_in(
        says(recorded, 400)
    ).codes
    detailed = vector("rec_model_put_201_and_404")["get_latest_404"]["body"]
    assert "ModelNotFound" in refusal_in(says(detailed, 404)).codes


@pytest.mark.parametrize("body", [b"", b"null", b" NULL \n"])
def test_an_empty_body_says_nothing(body: bytes) -> None:
    refusal = refusal_in(Answer(404, {}, body))
    assert str(refusal) == "no reason given (HTTP 404)"


def test_the_service_says_how_long_to_wait_in_two_ways() -> None:
    busy = refuses(429, "TooManyRequests")
    for headers, span in (
        ({"Retry-After": "7"}, timedelta(seconds=7)),
        ({"x-ms-retry-after-ms": "1500"}, timedelta(milliseconds=1500)),
        ({"X-MS-Retry-After-Ms": "soon"}, None),
    ):
        error = sorted_error(Answer(429, headers, busy.body), "do", write=False)
        assert isinstance(error, TransientError)
        assert error.retry_after == span


def test_the_ids_for_support_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    answer = refuses(400, "UserError")
    headers = {"x-ms-correlation-request-id": "c1"}
    sorted_error(Answer(400, headers, answer.body), "start job x", write=True)
    assert "start job x: HTTP 400, correlation c1 op1 rq1" in caplog.text
    assert correlation_of(Answer(500, {}, b"")) == "unknown"
    for write in (False, True):
        sorted_error(Answer(404, headers, answer.body), "look", write=write)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO", "WARNING"]  # an empty result is not a warning


@pytest.mark.parametrize("code", ["InvalidApiVersionParameter", "NoRegisteredProviderFound"])
def test_an_unknown_api_version_names_the_setting(code: str) -> None:
    error = sorted_error(refuses(400, code, message="Known: 2024-04-01."), "do", write=False)
    assert "Known: 2024-04-01." in str(error)
    assert "set training.api_versions" in str(error)


# Datastores


def test_gen2_stores_count_and_stores_of_files_do_not() -> None:
    gen2 = {"datastoreType": "AzureDataLakeGen2", "containerName": None, "filesystem": "models"}
    for known in (gen2, {"datastoreType": "azure_blob"}):
        bench = Bench()
        bench.workspace.resources["datastores"] = [datastore("x", "models", **known)]
        assert bench.service.prepare(bench.request())
    bench = Bench()
    files = {"datastoreType": "AzureFile", "fileShareName": "models"}
    bench.workspace.resources["datastores"] = [datastore("x", "models", **files)]
    with pytest.raises(PermanentError):
        bench.service.prepare(bench.request())


def test_without_a_datastore_the_line_that_makes_one_is_given() -> None:
    bench = Bench()
    bench.workspace.resources["datastores"] = [datastore("d", "models", accountName="other")]
    for attempt in (bench.service.prepare, bench.service.preview):
        with pytest.raises(PermanentError, match="no datastore of the workspace covers") as caught:
            attempt(bench.request())
        assert caught.value.advice == (
            r"make one: printf 'type: azure_blob\nname: relearn_models\naccount_name: account\n"
            r"container_name: models\n' > relearn_models.yml && az ml datastore create "
            "--file relearn_models.yml --subscription s1 --resource-group rg1 "
            "--workspace-name ws1"
        )
    bench.workspace.resources["datastores"].append(datastore("now", "models"))
    assert bench.service.prepare(bench.request())  # advice is seen at once


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"datastore": "landing"}, "landing covers Account/training-data, and not account/models"),
        ({"datastore": "nothing"}, "no datastore 'nothing' that holds blobs"),
        ({"data_datastore": "modelstore"}, "correct training.data_datastore, or leave it out"),
    ],
)
def test_a_named_datastore_must_cover_the_container(changes: dict[str, Any], says: str) -> None:
    bench = Bench(**changes)
    with pytest.raises(PermanentError, match=says):
        bench.service.prepare(bench.request())


def test_of_several_the_first_by_name_is_used_and_pages_are_followed() -> None:
    bench = Bench()
    later = says({"value": [datastore("a", "models")]})
    first = {
        "value": [datastore("z", "models"), datastore("landing", "training-data")],
        "nextLink": f"https://management.azure.com{WS}/datastores?api-version=v&$skip=2",
    }
    bench.workspace.script("GET", "/datastores", says(first), later)
    bench.started()
    assert bench.body()["outputs"]["model"]["uri"].startswith("azureml://datastores/a/paths/")


def test_a_next_page_on_another_host_is_not_followed() -> None:
    bench = Bench()
    page = {"value": [], "nextLink": "https://evil.example/x"}
    bench.workspace.script("GET", "/datastores", says(page))
    with pytest.raises(PermanentError, match="on another host"):
        bench.service.prepare(bench.request())


def test_a_uri_leads_to_an_account() -> None:
    bench = Bench()
    stores = bench.service._planner.stores
    recorded = vector("rec_datastore_get_200")["response"]["body"]
    bench.workspace.resources["datastores/workspaceblobstore"] = recorded
    found = stores.located("azureml://datastores/workspaceblobstore/paths/azureml/x/")
    assert found == (
        "https://Sanitized.blob.core.windows.net/",
        "azureml-blobstore-23329d4e-9b5f-403d-a218-c4e4f8323f5a",
        "azureml/x/",
    )
    assert stores.located("https://a.blob.core.windows.net/c/d%20e/f") == (
        "https://a.blob.core.windows.net/",
        "c",
        "d e/f",
    )
    assert stores.located("https://a.example/c/d") is None
    assert stores.located("azureml:data:1") is None


# Tokens


@pytest.mark.parametrize(
    ("host", "environment", "ml"),
    [
        ("", {}, "https://ml.azure.com/.default"),
        ("https://management.chinacloudapi.cn", {}, "https://ml.azure.cn/.default"),
        ("https://management.usgovcloudapi.net", {}, "https://ml.azure.us/.default"),
        ("http://127.0.0.1:8080", {}, "https://ml.azure.com/.default"),
        (
            "https://arm.example",
            {"AZUREML_ARM_SCOPE": "https://arm.example/.default", "AZUREML_ML_SCOPE": "x"},
            "x",
        ),
    ],
)
def test_each_cloud_has_its_scopes(host: str, environment: dict[str, str], ml: str) -> None:
    workspace = workspace_of(f"{host}{WS}")
    assert scopes_of(workspace, environment).ml == ml
    if host.startswith("https"):
        assert scopes_of(workspace, environment).arm == f"{host}/.default"


def test_no_token_travels_to_a_host_that_nothing_describes() -> None:
    with pytest.raises(ConfigError, match=r"arm\.example is not a Resource Manager"):
        scopes_of(workspace_of(f"https://arm.example{WS}"), {"AZUREML_ARM_SCOPE": "x"})


class Refused:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        raise ClientAuthenticationError("many\nlines")


def test_an_identity_that_may_not_sign_in_is_named_with_the_advice() -> None:
    with pytest.raises(TransientError, match="no identity may sign in for x: assign a managed"):
        Tokens(Refused())("x")


def test_another_cloud_is_a_matter_of_the_workspaces_url() -> None:
    bench = Bench(workspace=f"https://management.chinacloudapi.cn{WS}")
    bench.service.state("x")
    assert bench.workspace.sent[0].url.startswith("https://management.chinacloudapi.cn/subs")
    assert bench.identity.asked == ["https://management.chinacloudapi.cn/.default"]


def test_two_workspaces_are_apart() -> None:
    bench = Bench()
    other = bench.connections.training(bench.training.evolve(workspace=WS.replace("ws1", "ws2")))
    assert isinstance(other.call, AzureMlCall)
    name = bench.service.prepare(bench.request())
    bench.service.cancel(name)
    assert other.state(name).known is False
    assert isinstance(bench.blobs, FakeBlobs)
