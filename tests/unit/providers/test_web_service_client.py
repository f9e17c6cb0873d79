"""A New web service, request by request: all sent, then read back (studio-classic §4)."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import Verify
from shared.core.config.studio_urls import require_https
from shared.core.serving.probes import EndpointCheck, ProbeOutcome, UpdateProgress
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.errors import StudioRefusedError
from shared.providers.studio.web_service import StudioWebService
from tests.fakes.blobs import ACCOUNT, FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import BASE, MODEL_BLOB, blob
from tests.unit.scripted import KEY, SAS, Script, call, refuses, says
from tests.unit.vectors import rows, vector

HOST = "https://management.azure.com"
PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearning/webServices/census"
URL = f"{HOST}{PATH}?api-version=2017-01-01"
OPERATION = f"{HOST}/subscriptions/s/operations/o1?api-version=2017-01-01"
NAME = "Retrain Sample [trained model]"
FIRST = f"{ACCOUNT}experimentoutput/first.ilearner"
SCORING = (
    "https://ussouthcentral.services.azureml.net/subscriptions/subscriptionId/services/serviceId"
)
ROWS = {"Inputs": {"input1": [{"a": "1"}, {"a": "2"}]}}
ARM = "YXJtLXRva2Vu"
GOOD = says({"Results": {"output1": [{"Scored Labels": "0"}, {"Scored Labels": "1"}]}})
KEYS = says({"primary": KEY, "secondary": "b3RoZXI="})
ERRORS = rows("arm_errors")
MEANT = {"park": StudioRefusedError, "repeat": TransientError, "look": OutcomeUnknownError}


def definition(**changes: Any) -> dict[str, Any]:
    """Return the definition with members of its properties changed; None removes one."""
    found: dict[str, Any] = deepcopy(vector("arm_definition")["body"])
    found["properties"].update(changes)
    return found


def naming(uri: str) -> dict[str, Any]:
    found = definition()
    found["properties"]["assets"]["asset3"]["locationInfo"]["uri"] = uri
    return found


def secure(url: str) -> str:
    return require_https(url, development=False)


def service(*answers: Answer | RelearnError, **changes: Any) -> tuple[StudioWebService, Script]:
    script = Script(list(answers))
    known: dict[str, Any] = {
        "call": StudioCall(script, lambda _: ARM, ""),
        "update_url": URL,
        "resource": None,
        "verify": None,
        "models": FakeBlobs(FakeClock()),
        "allowed": secure,
    }
    return StudioWebService(**{**known, **changes}), script


def updated(*answers: Answer | RelearnError, **changes: Any) -> tuple[Any, Script]:
    one, script = service(says(definition()), *answers, **changes)
    return one.update(MODEL_BLOB), script


def checked(operation: Answer, told: dict[str, Any]) -> EndpointCheck:
    return service(operation, says(told))[0].look(OPERATION)


def verify(**changes: Any) -> Verify:
    return Verify.model_validate({"rows": ROWS, **changes})


def test_an_update_is_the_whole_definition_by_patch_with_one_uri_changed() -> None:
    _, script = updated(says(definition(), azure_asyncoperation=OPERATION))
    asked, sent = script.sent
    assert (asked.method, asked.url, asked.body) == ("GET", URL, None)
    assert (sent.method, sent.url) == ("PATCH", URL)
    assert sent.headers == {"Authorization": f"Bearer {ARM}", "Content-Type": "application/json"}
    expected = definition()
    expected["properties"]["assets"]["asset3"]["locationInfo"]["uri"] = (
        f"{ACCOUNT}{MODEL_BLOB.path}"
    )
    assert sent.json() == expected
    assert not [one for one in script.sent if one.method == "PUT"]


def test_the_models_url_is_not_signed() -> None:
    _, script = updated(says({}))
    assert b"sig=" not in (script.sent[1].body or b"")


def test_what_is_new_to_us_in_a_definition_is_sent_back_as_it_came() -> None:
    told = definition(future={"a": [1, 2.5, None, True, "\u00e4 \u2028"]}, readOnly=False)
    told["etag"] = None
    one, script = service(says(told), says({}))
    one.update(MODEL_BLOB)
    sent = script.sent[1].json()
    sent["properties"]["assets"]["asset3"]["locationInfo"]["uri"] = FIRST
    assert sent == told


@pytest.mark.parametrize("key", ["asset1", "asset99", "x y", "\u00e4"])
def test_the_model_is_found_under_any_key_in_any_case(key: str) -> None:
    told: dict[str, Any] = {
        "Properties": {
            "Assets": {
                key: {"Name": NAME, "Type": "RESOURCE", "LocationInfo": {"URI": FIRST}},
                "m": {"Name": "Score", "Type": "Module", "LocationInfo": {"URI": "aml://m"}},
            }
        }
    }
    one, script = service(says(told), says({}))
    one.update(MODEL_BLOB)
    expected = deepcopy(told)
    expected["Properties"]["Assets"][key]["LocationInfo"]["URI"] = f"{ACCOUNT}{MODEL_BLOB.path}"
    assert script.sent[1].json() == expected


def test_the_same_update_twice_sends_the_same_twice() -> None:
    one, script = service(says(definition()), says({}), says(definition()), says({}))
    one.update(MODEL_BLOB)
    one.update(MODEL_BLOB)
    assert script.sent[1].body == script.sent[3].body


@pytest.mark.parametrize(
    "header", ["azure-asyncoperation", "Azure-AsyncOperation", "AZURE-ASYNCOPERATION"]
)
def test_the_operation_is_read_from_its_header_in_any_case(header: str) -> None:
    operation, _ = updated(Answer(200, {header: f" {OPERATION} "}, b""))
    assert operation == OPERATION


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "o1",
        "/subscriptions/s/operations/o1",
        "http://azure.async.operation/status",
        "https://management.azure.com.example/o1",
        "https://evil@management.azure.com/o1",
        "https://management.azure.com@evil.example/o1",
        "https://management.azure.com:8443/o1",
        "http://management.azure.com/o1",
        "//management.azure.com/o1",
        "https://[half.an.address/o1",
    ],
)
def test_the_token_never_follows_an_operation_to_another_place(url: str) -> None:
    operation, _ = updated(Answer(200, {"Azure-AsyncOperation": url}, b""))
    assert operation is None


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", "api-version=2017-01-01"),
        ("?api-version=2016-05-01-preview", "api-version=2016-05-01-preview"),
        ("?API-Version=2016-05-01-preview", "API-Version=2016-05-01-preview"),
        ("?api-version=2020-01-01&t=1&c=MIIH&s=signature&h=hash", "api-version=2020-01-01"),
        ("?t=1&c=MIIH&s=signature&h=hash", "api-version=2017-01-01"),
        ("?sig=signature#sig=signature", "api-version=2017-01-01"),
    ],
)
def test_of_an_operations_query_nothing_is_kept_but_its_version(query: str, kept: str) -> None:
    path = f"{HOST}/subscriptions/s/operations/o1"
    operation, _ = updated(Answer(200, {"Azure-AsyncOperation": f"{path}{query}"}, b""))
    assert operation == f"{path}?{kept}"
    assert "signature" not in operation


@pytest.mark.parametrize("row", rows("arm_operations"), ids=lambda row: str(row["body"])[:60])
def test_what_an_operation_says_is_read_from_either_member(row: dict[str, Any]) -> None:
    look = checked(says(row["body"]), definition())
    assert look.progress is UpdateProgress(row["says"])
    for words in row.get("words", ()):
        assert words in look.detail
    assert "HTTP 200" not in look.detail


@pytest.mark.parametrize(
    "operation",
    [
        Answer(404, {}, b""),
        refuses(404, "OperationNotFound"),
        Answer(202, {}, b""),
        Answer(200, {}, b"<html>"),
        says([]),
        says({"provisioningState": "Succeeded"}),
    ],
)
@pytest.mark.parametrize(
    ("state", "progress"),
    [
        ("Succeeded", UpdateProgress.DONE),
        ("Provisioning", UpdateProgress.PENDING),
        ("Unknown", UpdateProgress.PENDING),
        ("Failed", UpdateProgress.FAILED),
        (None, UpdateProgress.DONE),
    ],
)
def test_the_definition_has_the_last_word(
    operation: Answer, state: str | None, progress: UpdateProgress
) -> None:
    look = checked(operation, definition(provisioningState=state))
    assert look.progress is progress
    assert (look.detail != "") is (progress is not UpdateProgress.DONE)


def test_an_operation_that_has_not_ended_outweighs_the_definition() -> None:
    told = definition(provisioningState="Succeeded")
    assert (
        checked(says({"provisioningState": "Provisioning"}), told).progress
        is UpdateProgress.PENDING
    )
    assert checked(says({"provisioningState": "Failed"}), told).progress is UpdateProgress.FAILED


def test_without_an_operation_the_definition_alone_is_asked() -> None:
    one, script = service(says(definition(provisioningState="Provisioning")))
    assert one.look().progress is UpdateProgress.PENDING
    assert [(sent.method, sent.url) for sent in script.sent] == [("GET", URL)]


def test_the_operation_is_asked_for_where_it_is_and_with_the_token() -> None:
    one, script = service(says({"provisioningState": "Succeeded"}), says(definition()))
    one.look(OPERATION)
    assert [sent.url for sent in script.sent] == [OPERATION, URL]
    assert {sent.headers["Authorization"] for sent in script.sent} == {f"Bearer {ARM}"}


def test_a_reason_holds_no_signature() -> None:
    words = f"Cannot read {FIRST}{SAS}"
    body = {"provisioningState": "Failed", "errorInfo": {"code": "X", "message": words}}
    look = checked(says(body), definition())
    assert FIRST in look.detail
    assert "c2lnbmF0dXJl" not in look.detail


def test_an_update_that_changed_nothing_shows_by_what_the_definition_names() -> None:
    look = checked(says({"provisioningState": "Succeeded"}), definition())
    assert (look.progress, look.configured) == (
        UpdateProgress.DONE,
        "experimentoutput/first.ilearner",
    )
    assert look.configured != MODEL_BLOB.path
    look = checked(says({"provisioningState": "Succeeded"}), naming(f"{ACCOUNT}{MODEL_BLOB.path}"))
    assert look.configured == MODEL_BLOB.path


ODD_NAMES = (
    "runs/sample/r 1/1/model.ilearner",
    "runs/100%/model.ilearner",
    "runs/%41/model.ilearner",
    "runs/a+b&c=d/model.ilearner",
    "runs/a?b#c/model.ilearner",
    "runs/\u00e4\u6587/model.ilearner",
    "runs//model.ilearner",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_of_a_blob_comes_back_as_it_was_sent(name: str) -> None:
    model = blob(name, container="models")
    one, script = service(says(definition()), says({}))
    one.update(model)
    sent = script.sent[1].json()
    uri = sent["properties"]["assets"]["asset3"]["locationInfo"]["uri"]
    assert uri.isascii()
    assert uri.endswith("model.ilearner")
    assert not set(uri.removeprefix("https:")) & set(" ?#")
    assert service(says(sent))[0].look().configured == model.path
    current = service(says(sent))[0].current()
    assert current.location == (ACCOUNT, model.path, "")


@dataclass
class LoopbackBlobs(FakeBlobs):
    """Storage whose account stands in the path, as an emulator's does."""

    account: str = "devstoreaccount1"
    base_location: str = "http://127.0.0.1:10000/devstoreaccount1/"


def test_an_account_that_stands_in_the_path_is_no_part_of_the_blobs_place() -> None:
    models = LoopbackBlobs(FakeClock())
    told = definition(storageAccount={"name": "devstoreaccount1"})
    one, script = service(says(told), says({}), models=models)
    one.update(MODEL_BLOB)
    sent = script.sent[1].json()
    uri = sent["properties"]["assets"]["asset3"]["locationInfo"]["uri"]
    assert uri == f"http://127.0.0.1:10000/devstoreaccount1/{MODEL_BLOB.path}"
    assert service(says(sent), models=models)[0].look().configured == MODEL_BLOB.path
    current = service(says(sent), models=models)[0].current()
    assert current.location == (models.base_location, MODEL_BLOB.path, "")


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        (FIRST, (ACCOUNT, "experimentoutput/first.ilearner", "")),
        (f"{FIRST}{SAS}", (ACCOUNT, "experimentoutput/first.ilearner", SAS)),
        ("https://other.example/c/x.ilearner", ("https://other.example/", "c/x.ilearner", "")),
        (
            "http://127.0.0.1:10000/another/c/x.ilearner",
            ("http://127.0.0.1:10000/", "another/c/x.ilearner", ""),
        ),
    ],
)
def test_what_served_before_is_told_in_the_three_parts_it_is_copied_by(
    uri: str, location: tuple[str, str, str]
) -> None:
    for models in (FakeBlobs(FakeClock()), LoopbackBlobs(FakeClock())):
        if models.base_location.split("/")[2] in uri:
            break
    current = service(says(naming(uri)), models=models)[0].current()
    assert current.location == location
    assert current.resources == (NAME,)
    assert not current.refreshable
    assert "c2lnbmF0dXJl" not in repr(current)


@pytest.mark.parametrize("uri", ["https://[half.an.address/x.ilearner", "text", "//", "?"])
def test_a_uri_that_is_none_is_told_and_stops_nothing(uri: str) -> None:
    one, script = service(says(naming(uri)), says(naming(uri)), says(naming(uri)), says({}))
    one.current()
    assert one.look().configured != MODEL_BLOB.path
    one.update(MODEL_BLOB)
    assert script.sent[3].method == "PATCH"


def test_a_model_without_a_uri_is_no_location() -> None:
    current = service(says(naming("")))[0].current()
    assert (current.location, current.resources) == (None, (NAME,))
    assert service(says(naming("")))[0].look().configured is None


READ_ONLY = definition(readOnly=True)
ELSEWHERE = definition(storageAccount={"name": "differentaccount"})
HIDDEN = definition(payloadsInBlobStorage=True, assets=None)
NO_MODEL = definition(assets={})


@pytest.mark.parametrize(
    ("told", "resource", "words"),
    [
        (READ_ONLY, None, "readOnly"),
        (ELSEWHERE, None, "differentaccount"),
        (ELSEWHERE, None, "ModelsStorage"),
        (HIDDEN, None, "definition in blob storage"),
        (HIDDEN, NAME, "definition in blob storage"),
        (NO_MODEL, None, "0 trained models"),
        (definition(), "Other [trained model]", NAME),
        (definition(), NAME.lower(), "correct `resource`"),
    ],
)
def test_what_can_never_be_updated_is_said_before_anything_is_sent(
    told: dict[str, Any], resource: str | None, words: str
) -> None:
    one, script = service(says(told), resource=resource)
    with pytest.raises(PermanentError) as caught:
        one.update(MODEL_BLOB)
    assert words in str(caught.value)
    assert [sent.method for sent in script.sent] == ["GET"]


@pytest.mark.parametrize("account", ["account", "ACCOUNT", "", None])
def test_an_account_in_another_case_or_not_told_is_no_other_one(account: str | None) -> None:
    one, script = service(says(definition(storageAccount={"name": account})), says({}))
    one.update(MODEL_BLOB)
    assert script.sent[1].method == "PATCH"


def test_of_several_models_the_named_one_alone_is_changed() -> None:
    told = definition()
    told["properties"]["assets"]["other"] = {
        "name": "Other [trained model]",
        "type": "Resource",
        "locationInfo": {"uri": f"{ACCOUNT}c/other.ilearner"},
    }
    with pytest.raises(PermanentError, match="2 trained models"):
        service(says(told))[0].update(MODEL_BLOB)
    one, script = service(says(told), says({}), resource="Other [trained model]")
    one.update(MODEL_BLOB)
    assets = script.sent[1].json()["properties"]["assets"]
    assert assets["asset3"]["locationInfo"]["uri"] == FIRST
    assert assets["other"]["locationInfo"]["uri"] == f"{ACCOUNT}{MODEL_BLOB.path}"
    current = service(says(told), resource=NAME)[0].current()
    assert current.resources == (NAME, "Other [trained model]")
    assert current.location == (ACCOUNT, "experimentoutput/first.ilearner", "")


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row["body"]["error"]["code"])
def test_a_refused_update_says_what_it_proves_and_what_to_do(row: dict[str, Any]) -> None:
    retry = {"Retry-After": row["retry_after"]} if "retry_after" in row else {}
    answer = replace(says(row["body"], row["http"]), headers=retry)
    with pytest.raises(MEANT[row["means"]]) as caught:
        updated(answer)
    for words in row["words"]:
        assert words in str(caught.value)
    if retry:
        assert isinstance(caught.value, TransientError)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == int(row["retry_after"])


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row["body"]["error"]["code"])
def test_a_refused_look_is_final_only_where_asking_again_cannot_help(row: dict[str, Any]) -> None:
    final = row["means"] == "park"
    with pytest.raises(StudioRefusedError if final else TransientError):
        service(says(row["body"], row["http"]))[0].look()
    if row["http"] != 404:  # an operation that is forgotten is another matter
        with pytest.raises(StudioRefusedError if final else TransientError):
            checked(says(row["body"], row["http"]), definition())


def test_a_lost_answer_to_the_patch_leaves_open_whether_it_happened() -> None:
    with pytest.raises(OutcomeUnknownError):
        updated(OutcomeUnknownError("the answer was lost"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500, {}, b"<html>oops</html>"), OutcomeUnknownError),
        (Answer(502, {}, b""), OutcomeUnknownError),
        (Answer(503, {}, b""), TransientError),
        (Answer(401, {}, b""), TransientError),
        (Answer(302, {"Location": "https://elsewhere.example/"}, b""), StudioRefusedError),
    ],
)
def test_an_update_without_a_reason_proves_as_much_as_its_status(
    answer: Answer, error: type[RelearnError]
) -> None:
    with pytest.raises(error):
        updated(answer)


def test_a_lost_answer_to_the_look_before_it_proves_that_nothing_happened() -> None:
    one, script = service(OutcomeUnknownError("the answer was lost"))
    with pytest.raises(TransientError):
        one.update(MODEL_BLOB)
    assert len(script.sent) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"properties": []}'])
def test_a_definition_that_is_none_is_asked_for_again(body: bytes) -> None:
    one, script = service(Answer(200, {}, body))
    asks: tuple[Callable[[], object], ...] = (one.look, one.current, lambda: one.update(MODEL_BLOB))
    for ask in asks:
        with pytest.raises(TransientError, match="the answer is no definition"):
            ask()
    assert {sent.method for sent in script.sent} == {"GET"}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_an_accepted_update_whatever_its_body(status: int) -> None:
    operation, _ = updated(Answer(status, {"Azure-AsyncOperation": OPERATION}, b"<html>"))
    assert operation == OPERATION


def test_a_model_from_before_is_patched_in_and_a_refresh_is_refused() -> None:
    one, script = service(says(definition()), says({}, azure_asyncoperation=OPERATION))
    assert one.update(MODEL_BLOB) == OPERATION
    assert MODEL_BLOB.path in (script.sent[1].body or b"").decode()
    one, script = service(says(definition()))
    with pytest.raises(PermanentError, match="cannot be refreshed"):
        one.refresh()
    assert not script.sent


def test_nothing_is_made() -> None:
    one, script = service(Answer(404, {}, b""))
    one.ensure()
    assert not script.sent


def test_a_look_scores_with_the_key_that_list_keys_gives() -> None:
    one, script = service(says(definition()), KEYS, GOOD, verify=verify())
    look = one.look()
    assert look.probe is not None
    assert (look.probe.seen, look.probe.rows) == (ProbeOutcome.GOOD, (("0",), ("1",)))
    _, keys, scored = script.sent
    listed = f"{HOST}{PATH}/listKeys?api-version=2017-01-01"
    assert (keys.method, keys.url, keys.body) == ("GET", listed, None)
    assert keys.headers["Authorization"] == f"Bearer {ARM}"
    swagger = f"{SCORING}/execute?api-version=2.0&details=true&format=swagger"
    assert (scored.method, scored.url) == ("POST", swagger)
    assert scored.headers["Authorization"] == f"Bearer {KEY}"
    assert scored.json() == ROWS


def test_a_key_and_a_url_that_are_configured_are_asked_of_nobody() -> None:
    one, script = service(says(definition(swaggerLocation=None)), GOOD)
    given = verify(score=f"{BASE}/execute?api-version=2.0")
    one = replace(one, verify=given, scoring=call(script, "${SCORE_KEY}"))
    assert one.look().probe is not None
    assert [sent.url for sent in script.sent] == [URL, f"{BASE}/execute?api-version=2.0"]
    assert script.sent[1].headers["Authorization"] == "Bearer c2NvcmU="


def test_rows_as_a_table_are_scored_without_asking_for_objects() -> None:
    table = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"], ["2"]]}}}
    one, script = service(says(definition()), KEYS, GOOD, verify=verify(rows=table))
    one.look()
    assert script.sent[2].url == f"{SCORING}/execute?api-version=2.0&details=true"


@pytest.mark.parametrize(
    "swagger", [f"{SCORING}/swagger.json", f"{SCORING}/Swagger.JSON?api-version=2.0&sig=x"]
)
def test_the_scoring_url_is_where_the_swagger_file_lies(swagger: str) -> None:
    told = definition(swaggerLocation=swagger)
    one, script = service(says(told), KEYS, GOOD, verify=verify())
    one.look()
    assert script.sent[2].url.startswith(f"{SCORING}/execute?api-version=2.0")
    assert "sig=x" not in script.sent[2].url


@pytest.mark.parametrize(
    ("swagger", "words"),
    [
        (None, "write `verify.score`"),
        ("", "write `verify.score`"),
        (SCORING, "write `verify.score`"),
        ("http://ussouthcentral.services.azureml.net/s/swagger.json", "https is required"),
        ("http://127.0.0.1:8080/s/swagger.json", "https is required"),
        ("http://169.254.169.254/swagger.json", "https is required"),
        ("ftp://ussouthcentral.services.azureml.net/s/swagger.json", "https is required"),
        ("file:///etc/swagger.json", "https is required"),
        ("https://[half.an.address/swagger.json", "tells a scoring URL"),
    ],
)
def test_no_key_is_sent_to_a_scoring_url_that_is_not_secure(
    swagger: str | None, words: str
) -> None:
    one, script = service(says(definition(swaggerLocation=swagger)), KEYS, GOOD, verify=verify())
    with pytest.raises(PermanentError) as caught:
        one.look()
    assert words in str(caught.value)
    assert not [sent for sent in script.sent if sent.method == "POST"]


@pytest.mark.parametrize("body", [{}, [], None, "text", {"primary": None}, {"primary": ["x"]}])
def test_a_service_that_tells_no_key_is_named_with_the_cure(body: object) -> None:
    one, _ = service(says(definition()), says(body), verify=verify())
    with pytest.raises(PermanentError, match=r"write `verify\.api_key`"):
        one.look()


def test_a_probe_without_an_answer_is_a_look() -> None:
    one, _ = service(says(definition()), KEYS, Answer(503, {}, b""), verify=verify())
    look = one.look()
    assert look.probe is not None
    assert look.probe.seen is ProbeOutcome.NO_ANSWER


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_no_token_or_key_stands_in_what_is_said(status: int) -> None:
    words = f"Bearer {ARM} and key {KEY} may not read {FIRST}{SAS}; token {ARM}"
    refusal = refuses(status, "AuthorizationFailed", message=words)
    asks: tuple[Callable[[], object], ...] = (
        service(refusal)[0].look,
        service(refusal)[0].current,
        lambda: updated(refusal),
        lambda: checked(refusal, definition()),
    )
    for ask in asks:
        with pytest.raises(RelearnError) as caught:
            ask()
        assert ARM not in str(caught.value)
        assert "c2lnbmF0dXJl" not in str(caught.value)
    one, _ = service(says(definition()), KEYS, refusal, verify=verify())
    look = one.look()
    assert look.probe is not None
    assert KEY not in repr(look)
    one, _ = service(says(definition()))
    assert ARM not in repr(one)


def test_a_model_is_any_blob_of_the_services_own_account() -> None:
    model: BlobVersion = blob("x.ilearner", container="elsewhere")
    one, script = service(says(definition()), says({}))
    one.update(model)
    sent = script.sent[1].json()["properties"]["assets"]["asset3"]["locationInfo"]["uri"]
    assert sent == f"{ACCOUNT}elsewhere/x.ilearner"
