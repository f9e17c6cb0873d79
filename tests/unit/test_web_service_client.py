"""The wire of New web services: what is sent, followed and believed (contract §4)."""

import json
from typing import Any

import pytest

from shared.clients.http import Answer
from shared.clients.studio_call import StudioCall
from shared.clients.web_service import StudioWebService
from shared.core.endpoint import Verify
from shared.core.proof import Progress
from shared.core.run import WayBack
from shared.core.urls import require_https
from shared.errors import OutcomeUnknown, PermanentError, RelearnError, TransientError
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import MODEL, ROWS
from tests.unit.scripted import Script, refuses, says

HOST = "https://management.azure.com"
SERVICE = (
    f"{HOST}/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearning/webServices/new"
    "?api-version=2017-01-01"
)
OPERATION = f"{HOST}/subscriptions/s/operations/1?api-version=2016-05-01-preview&t=1&s=signed"
TOKEN = "the-resource-manager-token"
OLD = f"{ACCOUNT}experimentoutput/old.ilearner"


def definition(uri: str = OLD, **properties: Any) -> dict[str, Any]:
    asset = {"name": "New [trained model]", "type": "Resource", "locationInfo": {"uri": uri}}
    module = {"name": "Score", "type": "Module", "locationInfo": {"uri": "aml://module/1"}}
    usual: dict[str, Any] = {
        "packageType": "Graph",
        "provisioningState": "Succeeded",
        "swaggerLocation": "https://r.services.azureml.net/subscriptions/s/services/i/swagger.json",
        "storageAccount": {"name": "account"},
        "assets": {"asset7": asset, "asset1": module},
        "package": {"nodes": {"node1": {"assetId": "asset7"}}},
    }
    return {"id": "x", "location": "West US", "properties": {**usual, **properties}}


def service(
    *answers: Answer | RelearnError, verify: Verify | None = None
) -> tuple[StudioWebService, Script]:
    script = Script(list(answers))
    call = StudioCall(script, lambda _: TOKEN, "")
    return StudioWebService(call, SERVICE, None, verify, FakeBlobs(FakeClock()), secure), script


def secure(url: str) -> str:
    return require_https(url, development=False)


def accepted(url: str = OPERATION, name: str = "azure-asyncoperation") -> Answer:
    return Answer(200, {name: url}, b"{}")


def operation(**told: Any) -> Answer:
    return says({"id": "1", **told})


def test_the_whole_definition_is_patched_with_the_model_exchanged() -> None:
    new, script = service(says(definition()), accepted())
    new.update(MODEL)
    got, sent = script.sent
    assert (got.method, got.url) == ("GET", SERVICE)
    assert (sent.method, sent.url) == ("PATCH", SERVICE)
    assert sent.json() == definition(f"{ACCOUNT}{MODEL.path}")
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("name", ["azure-asyncoperation", "Azure-AsyncOperation"])
def test_the_operation_is_kept_without_its_signature(name: str) -> None:
    new, _ = service(says(definition()), accepted(name=name))
    kept = f"{HOST}/subscriptions/s/operations/1?api-version=2016-05-01-preview"
    assert new.update(MODEL) == kept


@pytest.mark.parametrize("url", ["https://elsewhere/x", "http://management.azure.com/x", "", "x"])
def test_an_operation_elsewhere_is_not_followed_with_our_token(url: str) -> None:
    new, _ = service(says(definition()), accepted(url))
    assert new.update(MODEL) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (OutcomeUnknown("PATCH: the answer was lost"), OutcomeUnknown),
        (Answer(500, {}, b"<html>oops</html>"), OutcomeUnknown),
        (Answer(503, {}, b""), TransientError),
        (Answer(429, {"Retry-After": "30"}, b""), TransientError),
        (refuses(400, "BadRequest", "CannotChangeStorageAccount"), PermanentError),
        (refuses(403, "AuthorizationFailed"), PermanentError),
    ],
)
def test_what_an_update_that_failed_proves(
    answer: Answer | RelearnError, error: type[RelearnError]
) -> None:
    new, _ = service(says(definition()), answer)
    with pytest.raises(error) as caught:
        new.update(MODEL)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("properties", "says_"),
    [
        ({"readOnly": True}, "readOnly"),
        ({"storageAccount": {"name": "other"}}, "other"),
        ({"assets": {}}, "0 trained models"),
    ],
)
def test_what_cannot_be_updated_is_told_before_anything_is_sent(
    properties: dict[str, Any], says_: str
) -> None:
    new, script = service(says(definition(**properties)))
    with pytest.raises(PermanentError, match=says_):
        new.update(MODEL)
    assert [sent.method for sent in script.sent] == ["GET"]


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        ({"provisioningState": "Provisioning"}, Progress.PENDING),
        ({"provisioningState": "Unknown"}, Progress.PENDING),
        ({"status": "InProgress"}, Progress.PENDING),
        ({"provisioningState": "Succeeded"}, Progress.DONE),
        ({"status": "Succeeded"}, Progress.DONE),
        ({"provisioningState": "Failed"}, Progress.FAILED),
    ],
)
def test_an_operation_is_followed_by_its_provisioning_state(
    told: dict[str, Any], progress: Progress
) -> None:
    new, script = service(operation(**told), says(definition()))
    look = new.look(OPERATION)
    assert look.progress is progress
    assert script.sent[0].url == OPERATION


def test_the_reason_of_a_failed_operation_is_the_services_own() -> None:
    info = {"code": "Bad", "message": "No.", "details": [{"code": "X", "message": "Too big."}]}
    failed = operation(provisioningState="Failed", errorInfo=info)
    look = service(failed, says(definition()))[0].look(OPERATION)
    assert "No. Too big." in look.detail


@pytest.mark.parametrize(
    ("state", "progress"),
    [("Provisioning", Progress.PENDING), ("Failed", Progress.FAILED), ("Succeeded", Progress.DONE)],
)
def test_a_forgotten_operation_leaves_the_last_word_to_the_definition(
    state: str, progress: Progress
) -> None:
    new, _ = service(Answer(404, {}, b""), says(definition(provisioningState=state)))
    assert new.look(OPERATION).progress is progress


def test_the_model_that_is_named_is_read_back() -> None:
    look = service(says(definition(f"{ACCOUNT}{MODEL.path}")))[0].look()
    assert (look.progress, look.configured) == (Progress.DONE, MODEL.path)
    ignored = service(says(definition()))[0].look()
    assert ignored.configured == "experimentoutput/old.ilearner"


def test_the_scoring_url_and_key_are_the_services_own() -> None:
    keys = says({"primary": "cHJpbWFyeQ==", "secondary": "x"})
    scored = says({"Results": {"output1": {"value": {"ColumnNames": ["Scored"], "Values": []}}}})
    verify = Verify.model_validate({"rows": ROWS})
    new, script = service(says(definition()), keys, scored, verify=verify)
    new.look()
    _, listed, sent = script.sent
    assert (listed.method, "/listKeys?" in listed.url) == ("GET", True)
    base = "https://r.services.azureml.net/subscriptions/s/services/i"
    assert sent.url == f"{base}/execute?api-version=2.0&details=true"
    assert sent.headers["Authorization"] == "Bearer cHJpbWFyeQ=="


def test_a_scoring_url_that_may_not_be_called_is_refused() -> None:
    swagger = "http://169.254.169.254/swagger.json"
    verify = Verify.model_validate({"rows": ROWS})
    new, script = service(says(definition(swaggerLocation=swagger)), verify=verify)
    with pytest.raises(PermanentError, match="https is required"):
        new.look()
    assert len(script.sent) == 1


def test_a_service_cannot_be_refreshed() -> None:
    new, script = service(says(definition()))
    with pytest.raises(PermanentError, match="cannot be refreshed"):
        new.restore(WayBack())
    assert script.sent == []


@pytest.mark.parametrize("answer", [says([]), says({}), Answer(200, {}, b"<html>"), says(None)])
def test_an_answer_that_is_no_definition_is_looked_for_again(answer: Answer) -> None:
    with pytest.raises(TransientError):
        service(answer)[0].current()


def test_nothing_shows_the_token() -> None:
    new, _ = service(says(definition()))
    assert TOKEN not in repr(new)
    assert "sig" not in json.dumps(definition())
