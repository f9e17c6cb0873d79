"""The management API of a Classic web service, request by request (studio-classic §3)."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.core.config.studio_endpoint import Create
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.ports.storage import SignedBlob
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from shared.providers.studio.management import ManagedEndpoint, StudioManagement
from tests.unit.scripted import KEY, SAS, Script, call, refuses, says
from tests.unit.vectors import rows

SERVICE = "https://management.azureml.net/workspaces/w1/webservices/s1"
NAME = "production"
RESOURCE = "Census Model [trained model]"
BLOB = SignedBlob("https://account.blob.core.windows.net/", "models/x.ilearner", SAS)
DONE = Answer(200, {}, b"")
TOLD = {
    "Name": NAME,
    "Description": "made by Relearn",
    "ApiLocation": "https://ussouthcentral.services.azureml.net/workspaces/w1/services/e1",
    "PrimaryKey": KEY,
    "SecondaryKey": "b3RoZXI=",
    "HelpLocation": "https://studio.azureml.net/apihelp/workspaces/w1",
    "PreventUpdate": False,
    "MaxConcurrentCalls": 4,
    "ThrottleLevel": "Low",
    "Resources": [
        {
            "Name": RESOURCE,
            "Kind": "?",
            "Location": {
                "BaseLocation": BLOB.base_location,
                "RelativeLocation": BLOB.relative_location,
                "SasBlobToken": SAS,
            },
        }
    ],
}
#: RevolutionAnalytics/AzureML vignettes/getting_started.Rmd: the thirteen members that its
#: print-out has, of a service without a trained model. The values are made up.
PRINTED = {
    "Name": "default",
    "Description": "",
    "CreationTime": "2016-01-29T13:34:50.512Z",
    "WorkspaceId": "w1",
    "WebServiceId": "s1",
    "HelpLocation": "https://studio.azureml.net/apihelp/workspaces/w1/webservices/s1",
    "PrimaryKey": "cHJpbWFyeQ==",
    "SecondaryKey": "c2Vjb25kYXJ5",
    "ApiLocation": "https://ussouthcentral.services.azureml.net/workspaces/w1/services/e1",
    "PreventUpdate": False,
    "MaxConcurrentCalls": 4,
    "DiagnosticsTraceLevel": "None",
    "ThrottleLevel": "Low",
}

Ask = Callable[[StudioManagement], Any]
WRITES: dict[str, Ask] = {
    "create": lambda one: one.create(NAME, Create()),
    "delete": lambda one: one.delete(NAME),
    "refresh": lambda one: one.refresh(NAME),
    "patch": lambda one: one.patch(NAME, {RESOURCE: BLOB}),
}
READS: dict[str, Ask] = {
    "endpoints": lambda one: one.endpoints(),
    "services": lambda one: one.services(),
    "get": lambda one: one.get(NAME),
}


def management(*answers: Answer | RelearnError) -> tuple[StudioManagement, Script]:
    script = Script(list(answers))
    return StudioManagement(call(script, "${ENDPOINT_KEY}"), SERVICE), script


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
                            "BaseLocation": BLOB.base_location,
                            "RelativeLocation": BLOB.relative_location,
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
    one, script = management(says({}, 201))
    one.create("newep01", Create.model_validate(wanted))
    assert script.sent[0].json() == {"EndpointName": "newep01", **wanted}


@pytest.mark.parametrize(
    ("ask", "url", "answer"),
    [
        (READS["endpoints"], f"{SERVICE}/endpoints", says([TOLD])),
        (READS["services"], SERVICE.removesuffix("/s1"), says([{"Id": "s1"}])),
        (READS["get"], f"{SERVICE}/endpoints/{NAME}", says(TOLD)),
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
        one, script = management(says(TOLD))
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
def test_what_is_fine_for_one_write_is_a_refusal_of_another(ask: Ask, status: int) -> None:
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


@pytest.mark.parametrize("ask", READS.values(), ids=READS)
@pytest.mark.parametrize(
    "answer", [Answer(500, {}, b""), OutcomeUnknownError("lost"), Answer(401, {}, b"")]
)
def test_a_read_without_an_answer_may_always_be_repeated(
    ask: Ask, answer: Answer | RelearnError
) -> None:
    with pytest.raises(TransientError):
        ask(management(answer)[0])


@pytest.mark.parametrize("ask", [*READS.values(), *WRITES.values()])
def test_the_wrong_region_is_named_with_its_cure_and_is_final(ask: Ask) -> None:
    real = next(
        row for row in rows("error_real") if row["body"]["error"]["code"] == "GetWorkspaceFailed"
    )
    with pytest.raises(StudioRefusedError, match=r"region in endpoints\[\]\.update"):
        ask(management(says(real["body"], real["http"]))[0])


def test_everything_that_an_endpoint_tells_is_read() -> None:
    assert management(says(TOLD))[0].get(NAME) == ManagedEndpoint(
        name=NAME,
        api_location=str(TOLD["ApiLocation"]),
        primary_key=KEY,
        help_location=str(TOLD["HelpLocation"]),
        description="made by Relearn",
        throttle_level="Low",
        max_concurrent_calls=4,
        prevent_update=False,
        resources={RESOURCE: BLOB},
    )


def test_an_endpoint_without_resources_is_read_as_the_r_client_printed_it() -> None:
    (found,) = management(says([PRINTED]))[0].endpoints()
    assert found.resources is None
    assert (found.name, found.max_concurrent_calls) == ("default", 4)
    assert found.api_location == PRINTED["ApiLocation"]


@pytest.mark.parametrize(
    "body", [{}, [], None, "text", {"Name": None}, {"Name": ""}, {"Resources": None}, {"x": 1}]
)
def test_an_endpoint_that_tells_nothing_has_its_name_and_nothing_else(body: object) -> None:
    assert management(says(body))[0].get(NAME) == ManagedEndpoint(NAME)


@pytest.mark.parametrize(
    ("resources", "read"),
    [
        ([], {}),
        ([None, "text", 1], {}),
        ([{"Name": "a"}], {"a": None}),
        ([{"Name": "a", "Location": None}], {"a": None}),
        ([{"Name": "a", "Location": {}}], {"a": None}),
        ([{"Name": "a", "Location": "text"}], {"a": None}),
        ([{"Name": "a", "Location": {"RelativeLocation": None}}], {"a": None}),
        (
            [{"Name": "a", "Location": {"RelativeLocation": "c/x", "SasBlobToken": None}}],
            {"a": SignedBlob("", "c/x", "")},
        ),
        ([{"Location": {"RelativeLocation": "c/x"}}, {"Name": None}, {"Name": "a"}], {"a": None}),
    ],
)
def test_odd_resources_are_read_as_far_as_they_go(resources: object, read: object) -> None:
    found = management(says({"Resources": resources}))[0].get(NAME)
    assert found is not None
    assert found.resources == read


@pytest.mark.parametrize("value", ["20", 20.5, None, [], {}])
def test_settings_of_another_type_are_not_taken_for_numbers(value: object) -> None:
    found = management(says({"MaxConcurrentCalls": value, "PreventUpdate": "False"}))[0].get(NAME)
    assert found is not None
    assert (found.max_concurrent_calls, found.prevent_update) == (None, None)


@pytest.mark.parametrize("status", [200, 201, 203])
def test_any_2xx_is_an_answer(status: int) -> None:
    found = management(says(TOLD, status))[0].get(NAME)
    assert found is not None
    assert found.name == NAME


def test_an_endpoint_that_is_not_there_is_none_and_a_forbidden_one_is_an_error() -> None:
    assert management(refuses(404, "NotFound"))[0].get(NAME) is None
    with pytest.raises(StudioRefusedError):
        management(Answer(403, {}, b""))[0].get(NAME)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"value": []}', b"null", b'"text"'])
def test_a_list_that_is_none_is_asked_for_again(body: bytes) -> None:
    one, _ = management(Answer(200, {}, body))
    with pytest.raises(TransientError, match="the answer is no list"):
        one.endpoints()
    with pytest.raises(TransientError, match="the answer is no list"):
        one.services()


def test_lists_hold_what_can_be_read_of_them() -> None:
    told = [{"Name": "a"}, None, "text", {"Name": "b"}]
    assert [one.name for one in management(says(told))[0].endpoints()] == ["a", "b"]
    services = [{"Id": "s1", "Name": "same"}, {"Id": "s2", "Name": "same"}, {"Name": "x"}, None]
    assert management(says(services))[0].services() == ["s1", "s2"]
    assert management(says([]))[0].endpoints() == []


def test_no_key_or_signature_is_shown() -> None:
    one, _ = management(DONE)
    shown = repr(one)
    one, _ = management(says(TOLD))
    found = one.get(NAME)
    shown = f"{shown} {found!r} {found}"
    assert NAME in shown
    assert KEY not in shown
    assert "b3RoZXI=" not in shown
    assert "c2lnbmF0dXJl" not in shown


@pytest.mark.parametrize("ask", [*READS.values(), *WRITES.values()])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_error_repeats_no_key_and_no_signature(ask: Ask, status: int) -> None:
    words = f"Bearer {KEY} with {BLOB.base_location}{BLOB.relative_location}{SAS} and {KEY}"
    with pytest.raises(RelearnError) as caught:
        ask(management(refuses(status, "BadArgument", message=words))[0])
    assert KEY not in str(caught.value)
    assert "c2lnbmF0dXJl" not in str(caught.value)
