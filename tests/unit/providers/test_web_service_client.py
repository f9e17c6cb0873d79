"""A New web service, request by request: all sent, then read back (studio-classic §4)."""

from copy import deepcopy
from typing import Any

import pytest

from shared.core.serving.probes import UpdateProgress
from shared.providers.http.client import Answer
from tests.fakes.blobs import ACCOUNT
from tests.unit.providers.web_service_scripts import (
    ARM,
    FIRST,
    HOST,
    NAME,
    OPERATION,
    URL,
    checked,
    definition,
    naming,
    service,
    updated,
)
from tests.unit.samples import MODEL_BLOB
from tests.unit.scripted import SAS, answering, refuses
from tests.unit.vectors import rows


def test_an_update_is_the_whole_definition_by_patch_with_one_uri_changed() -> None:
    _, script = updated(answering(definition(), azure_asyncoperation=OPERATION))
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
    _, script = updated(answering({}))
    assert b"sig=" not in (script.sent[1].body or b"")


def test_what_is_new_to_us_in_a_definition_is_sent_back_as_it_came() -> None:
    reported = definition(future={"a": [1, 2.5, None, True, "\u00e4 \u2028"]}, readOnly=False)
    reported["etag"] = None
    one, script = service(answering(reported), answering({}))
    one.update(MODEL_BLOB)
    sent = script.sent[1].json()
    sent["properties"]["assets"]["asset3"]["locationInfo"]["uri"] = FIRST
    assert sent == reported


@pytest.mark.parametrize("key", ["asset1", "asset99", "x y", "\u00e4"])
def test_the_model_is_found_under_any_key_in_any_case(key: str) -> None:
    reported: dict[str, Any] = {
        "Properties": {
            "Assets": {
                key: {"Name": NAME, "Type": "RESOURCE", "LocationInfo": {"URI": FIRST}},
                "m": {"Name": "Score", "Type": "Module", "LocationInfo": {"URI": "aml://m"}},
            }
        }
    }
    one, script = service(answering(reported), answering({}))
    one.update(MODEL_BLOB)
    expected = deepcopy(reported)
    expected["Properties"]["Assets"][key]["LocationInfo"]["URI"] = f"{ACCOUNT}{MODEL_BLOB.path}"
    assert script.sent[1].json() == expected


def test_the_same_update_twice_sends_the_same_twice() -> None:
    one, script = service(
        answering(definition()), answering({}), answering(definition()), answering({})
    )
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
def test_the_token_never_follows_an_operation_to_another_host(url: str) -> None:
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
    check = checked(answering(row["body"]), definition())
    assert check.progress is UpdateProgress(row["says"])
    for words in row.get("words", ()):
        assert words in check.detail
    assert "HTTP 200" not in check.detail


@pytest.mark.parametrize(
    "operation",
    [
        Answer(404, {}, b""),
        refuses(404, "OperationNotFound"),
        Answer(202, {}, b""),
        Answer(200, {}, b"<html>"),
        answering([]),
        answering({"provisioningState": "Succeeded"}),
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
    check = checked(operation, definition(provisioningState=state))
    assert check.progress is progress
    assert (check.detail != "") is (progress is not UpdateProgress.DONE)


def test_an_operation_that_has_not_ended_outweighs_the_definition() -> None:
    reported = definition(provisioningState="Succeeded")
    assert (
        checked(answering({"provisioningState": "Provisioning"}), reported).progress
        is UpdateProgress.PENDING
    )
    assert (
        checked(answering({"provisioningState": "Failed"}), reported).progress
        is UpdateProgress.FAILED
    )


def test_without_an_operation_the_definition_alone_is_asked() -> None:
    one, script = service(answering(definition(provisioningState="Provisioning")))
    assert one.check().progress is UpdateProgress.PENDING
    assert [(sent.method, sent.url) for sent in script.sent] == [("GET", URL)]


def test_the_operation_is_asked_for_where_it_is_and_with_the_token() -> None:
    one, script = service(answering({"provisioningState": "Succeeded"}), answering(definition()))
    one.check(OPERATION)
    assert [sent.url for sent in script.sent] == [OPERATION, URL]
    assert {sent.headers["Authorization"] for sent in script.sent} == {f"Bearer {ARM}"}


def test_a_reason_holds_no_signature() -> None:
    words = f"Cannot read {FIRST}{SAS}"
    body = {"provisioningState": "Failed", "errorInfo": {"code": "X", "message": words}}
    check = checked(answering(body), definition())
    assert FIRST in check.detail
    assert "c2lnbmF0dXJl" not in check.detail


def test_an_update_that_changed_nothing_shows_by_what_the_definition_names() -> None:
    check = checked(answering({"provisioningState": "Succeeded"}), definition())
    assert (check.progress, check.configured) == (
        UpdateProgress.DONE,
        "experimentoutput/first.ilearner",
    )
    assert check.configured != MODEL_BLOB.path
    check = checked(
        answering({"provisioningState": "Succeeded"}), naming(f"{ACCOUNT}{MODEL_BLOB.path}")
    )
    assert check.configured == MODEL_BLOB.path
