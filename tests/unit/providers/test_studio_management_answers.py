"""Answers of the management API of a Classic web service (studio-classic §3)."""

import pytest

from shared.errors import OutcomeUnknownError, RelearnError, TransientError
from shared.ports.storage import SignedBlob
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from shared.providers.studio.management import ManagedEndpoint
from tests.unit.providers.management_calls import (
    BLOB,
    NAME,
    READS,
    RESOURCE,
    SHOWN,
    WRITES,
    Ask,
    management,
)
from tests.unit.scripted import KEY, SAS, answering, refuses
from tests.unit.vectors import rows

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
def test_the_wrong_region_is_named_with_its_advice_and_is_final(ask: Ask) -> None:
    real = next(
        row for row in rows("error_real") if row["body"]["error"]["code"] == "GetWorkspaceFailed"
    )
    with pytest.raises(StudioRefusedError, match=r"region in endpoints\[\]\.update"):
        ask(management(answering(real["body"], real["http"]))[0])


def test_everything_that_an_endpoint_reports_is_read() -> None:
    assert management(answering(SHOWN))[0].get(NAME) == ManagedEndpoint(
        name=NAME,
        api_location=str(SHOWN["ApiLocation"]),
        primary_key=KEY,
        help_location=str(SHOWN["HelpLocation"]),
        description="made by Relearn",
        throttle_level="Low",
        max_concurrent_calls=4,
        prevent_update=False,
        resources={RESOURCE: BLOB},
    )


def test_an_endpoint_without_resources_is_read_as_the_r_client_printed_it() -> None:
    (found,) = management(answering([PRINTED]))[0].endpoints()
    assert found.resources is None
    assert (found.name, found.max_concurrent_calls) == ("default", 4)
    assert found.api_location == PRINTED["ApiLocation"]


@pytest.mark.parametrize(
    "body", [{}, [], None, "text", {"Name": None}, {"Name": ""}, {"Resources": None}, {"x": 1}]
)
def test_an_endpoint_that_says_nothing_has_its_name_and_nothing_else(body: object) -> None:
    assert management(answering(body))[0].get(NAME) == ManagedEndpoint(NAME)


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
    found = management(answering({"Resources": resources}))[0].get(NAME)
    assert found is not None
    assert found.resources == read


@pytest.mark.parametrize("value", ["20", 20.5, None, [], {}])
def test_settings_of_another_type_are_not_taken_for_numbers(value: object) -> None:
    found = management(answering({"MaxConcurrentCalls": value, "PreventUpdate": "False"}))[0].get(
        NAME
    )
    assert found is not None
    assert (found.max_concurrent_calls, found.prevent_update) == (None, None)


@pytest.mark.parametrize("status", [200, 201, 203])
def test_any_2xx_is_an_answer(status: int) -> None:
    found = management(answering(SHOWN, status))[0].get(NAME)
    assert found is not None
    assert found.name == NAME


def test_an_endpoint_that_is_not_there_is_none_and_a_forbidden_one_is_an_error() -> None:
    assert management(refuses(404, "NotFound"))[0].get(NAME) is None
    with pytest.raises(StudioRefusedError):
        management(Answer(403, {}, b""))[0].get(NAME)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"value": []}', b"null", b'"text"'])
def test_a_list_that_is_none_is_asked_for_again(body: bytes) -> None:
    one, _ = management(Answer(200, {}, body))
    with pytest.raises(TransientError, match="the answer is not a list"):
        one.endpoints()
    with pytest.raises(TransientError, match="the answer is not a list"):
        one.services()


def test_lists_hold_what_can_be_read_of_them() -> None:
    reported = [{"Name": "a"}, None, "text", {"Name": "b"}]
    assert [one.name for one in management(answering(reported))[0].endpoints()] == ["a", "b"]
    services = [{"Id": "s1", "Name": "same"}, {"Id": "s2", "Name": "same"}, {"Name": "x"}, None]
    assert management(answering(services))[0].services() == ["s1", "s2"]
    assert management(answering([]))[0].endpoints() == []


@pytest.mark.parametrize("ask", [*READS.values(), *WRITES.values()])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_error_repeats_no_key_and_no_signature(ask: Ask, status: int) -> None:
    words = f"Bearer {KEY} with {BLOB.account_url}{BLOB.path}{SAS} and {KEY}"
    with pytest.raises(RelearnError) as caught:
        ask(management(refuses(status, "BadArgument", message=words))[0])
    assert KEY not in str(caught.value)
    assert "c2lnbmF0dXJl" not in str(caught.value)
