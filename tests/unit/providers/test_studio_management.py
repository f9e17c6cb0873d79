"""Requests to the management API of a Classic web service (studio-classic §3)."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.core.config.studio_endpoint import Create
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from tests.unit.providers.management_calls import (
    BLOB,
    NAME,
    READS,
    RESOURCE,
    SERVICE,
    SHOWN,
    WRITES,
    Ask,
    management,
)
from tests.unit.scripted import KEY, SAS, answering, refuses

DONE = Answer(200, {}, b"")


@pytest.mark.parametrize(
    ("ask", "method", "url", "body"),
    [
        (
            WRITES["create"],
            "PUT",
            f"{SERVICE}/endpoints/{NAME}",
            {
                "EndpointName": NAME,
                "Description": "made by Relearn",
                "ThrottleLevel": "Low",
                "MaxConcurrentCalls": None,
                "PreventUpdate": False,
            },
        ),
        (
            WRITES["patch"],
            "PATCH",
            f"{SERVICE}/endpoints/{NAME}",
            {
                "Resources": [
                    {
                        "Name": RESOURCE,
                        "Location": {
                            "BaseLocation": BLOB.account_url,
                            "RelativeLocation": BLOB.path,
                            "SasBlobToken": SAS,
                        },
                    }
                ]
            },
        ),
        (
            WRITES["refresh"],
            "POST",
            f"{SERVICE}/endpoints/{NAME}/refresh",
            {"OverwriteResources": "True"},
        ),
        (WRITES["delete"], "DELETE", f"{SERVICE}/endpoints/{NAME}", None),
    ],
    ids=["create", "patch", "refresh", "delete"],
)
def test_each_write_is_the_documented_request(ask: Ask, method: str, url: str, body: Any) -> None:
    one, script = management(DONE)
    ask(one)
    (sent,) = script.sent
    assert (sent.method, sent.url) == (method, url)
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.json() == body
    assert ("Content-Type" in sent.headers) is (body is not None)


def test_the_settings_of_a_new_endpoint_are_sent_as_they_are_written() -> None:
    wanted = {
        "Description": "New Endpoint 01",
        "ThrottleLevel": "High",
        "MaxConcurrentCalls": 20,
        "PreventUpdate": True,
    }
    one, script = management(answering({}, 201))
    one.create("newep01", Create.model_validate(wanted))
    assert script.sent[0].json() == {"EndpointName": "newep01", **wanted}


@pytest.mark.parametrize(
    ("ask", "url", "answer"),
    [
        (READS["endpoints"], f"{SERVICE}/endpoints", answering([SHOWN])),
        (READS["services"], SERVICE.removesuffix("/s1"), answering([{"Id": "s1"}])),
        (READS["get"], f"{SERVICE}/endpoints/{NAME}", answering(SHOWN)),
    ],
    ids=["endpoints", "services", "get"],
)
def test_each_read_is_the_documented_request(ask: Ask, url: str, answer: Answer) -> None:
    one, script = management(answer)
    ask(one)
    (sent,) = script.sent
    assert (sent.method, sent.url, sent.body) == ("GET", url, None)
    assert sent.headers == {"Authorization": f"Bearer {KEY}"}


def test_a_name_can_never_lead_out_of_the_service() -> None:
    for name in ("../../other", "a/b", "a?x=1", "a#b", "a b", "%2e"):
        one, script = management(answering(SHOWN))
        one.get(name)
        path = script.sent[0].url.removeprefix(f"{SERVICE}/endpoints/")
        assert not set(path) & set("/?# ")


@pytest.mark.parametrize("name", ["default", "Default", "DEFAULT"])
@pytest.mark.parametrize("what", list(WRITES))
def test_the_default_endpoint_is_never_written_to(name: str, what: str) -> None:
    one, script = management(DONE)
    asks: dict[str, Callable[[], None]] = {
        "create": lambda: one.create(name, Create()),
        "delete": lambda: one.delete(name),
        "refresh": lambda: one.refresh(name),
        "patch": lambda: one.patch(name, {RESOURCE: BLOB}),
    }
    with pytest.raises(PermanentError, match="follows its experiment"):
        asks[what]()
    assert not script.sent


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 25,
        "Census",
        "census-1",
        "census_1",
        "census 1",
        "zensus\u00e4",
        "a/b",
        "a\n",
        "1²",
    ],
)
def test_a_name_that_no_endpoint_can_have_is_refused_before_it_is_sent(name: str) -> None:
    one, script = management(DONE)
    with pytest.raises(PermanentError, match="at most 24 lower-case letters and digits"):
        one.create(name, Create())
    assert not script.sent


@pytest.mark.parametrize("name", ["a", "0", "a" * 24, "customer0042"])
def test_a_name_that_an_endpoint_can_have_is_sent(name: str) -> None:
    one, script = management(DONE)
    one.create(name, Create())
    assert script.sent[0].url == f"{SERVICE}/endpoints/{name}"


def test_a_refresh_that_changes_nothing_is_done_and_so_is_a_second_delete() -> None:
    management(Answer(304, {}, b""))[0].refresh(NAME)
    management(refuses(404, "NotFound"))[0].delete(NAME)
    management(Answer(404, {}, b"<html>"))[0].delete(NAME)


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (WRITES["create"], 304),
        (WRITES["create"], 404),
        (WRITES["create"], 409),
        (WRITES["patch"], 304),
        (WRITES["patch"], 404),
        (WRITES["refresh"], 404),
        (WRITES["refresh"], 409),
        (WRITES["delete"], 304),
        (WRITES["delete"], 403),
    ],
)
def test_a_status_can_be_good_for_one_write_and_a_refusal_for_another(
    ask: Ask, status: int
) -> None:
    with pytest.raises(StudioRefusedError):
        ask(management(Answer(status, {}, b""))[0])


@pytest.mark.parametrize("ask", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500, {}, b""), OutcomeUnknownError),
        (Answer(502, {}, b"<html>"), OutcomeUnknownError),
        (OutcomeUnknownError("the answer was lost"), OutcomeUnknownError),
        (Answer(401, {}, b""), TransientError),
        (Answer(429, {"Retry-After": "7"}, b""), TransientError),
        (Answer(503, {}, b""), TransientError),
        (TransientError("refused"), TransientError),
    ],
)
def test_a_write_that_fails_says_whether_it_may_have_happened(
    ask: Ask, answer: Answer | RelearnError, error: type[RelearnError]
) -> None:
    with pytest.raises(error):
        ask(management(answer)[0])


def test_no_key_or_signature_is_shown() -> None:
    one, _ = management(DONE)
    shown = repr(one)
    one, _ = management(answering(SHOWN))
    found = one.get(NAME)
    shown = f"{shown} {found!r} {found}"
    assert NAME in shown
    assert KEY not in shown
    assert "b3RoZXI=" not in shown
    assert "c2lnbmF0dXJl" not in shown
