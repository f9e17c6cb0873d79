"""Endpoints and web services at the management plane (studio-classic §3)."""

from typing import Any

import pytest

from tests.local.studio.bench import Bench, detail


def test_the_endpoint_object_has_the_recorded_fields(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    found = bench.call("GET", endpoint.management_url, endpoint.api_key).json()
    assert found["Name"] == "production"
    assert found["CreationTime"] == "2017-03-01T10:06:12.000Z"
    assert found["WorkspaceId"] == endpoint.workspace_id
    assert found["WebServiceId"] == endpoint.web_service_id
    assert found["PrimaryKey"] == endpoint.api_key
    assert found["PrimaryKey"].endswith("==")
    assert found["SecondaryKey"].endswith("==")
    assert found["ApiLocation"] == bench.studio.base_url + endpoint.execute_url.removesuffix(
        "/execute"
    )
    assert found["HelpLocation"].endswith(f"/endpoints/{endpoint.endpoint_id}")
    expected = {
        "Description": "",
        "PreventUpdate": False,
        "SampleDataEnabled": False,
        "MaxConcurrentCalls": 4,
        "DiagnosticsTraceLevel": "None",
        "ThrottleLevel": "Low",
    }
    assert found.items() >= expected.items()


def test_both_keys_of_an_endpoint_are_as_good(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    found = bench.call("GET", endpoint.management_url, endpoint.api_key).json()
    answer = bench.call("GET", endpoint.management_url, found["SecondaryKey"])
    assert answer.json() == found


def test_endpoints_are_created_listed_changed_and_deleted(bench: Bench) -> None:
    token = bench.studio.workspace_token
    service = bench.publish_scoring()
    url = service.management_url.replace("production", "newep01")
    body: dict[str, Any] = {
        "WebServiceId": service.web_service_id,
        "EndpointName": "newep01",
        "Description": "New Endpoint 01",
        "ThrottleLevel": "High",
        "MaxConcurrentCalls": 20,
        "PreventUpdate": False,
    }
    created = bench.call("PUT", url, token, body)
    assert created.status == 201
    assert created.json()["MaxConcurrentCalls"] == 20
    listed = bench.call("GET", url.rpartition("/")[0], token).json()
    assert [item["Name"] for item in listed] == ["default", "production", "newep01"]
    again = bench.call("PUT", url, token, {"ThrottleLevel": "Low", "MaxConcurrentCalls": None})
    assert again.status == 200
    assert again.json()["MaxConcurrentCalls"] == 4
    assert bench.call("PATCH", url, token, {"Description": "other"}).status == 200
    assert bench.call("GET", url, token).json()["Description"] == "other"
    assert bench.call("DELETE", url, token).status == 200
    assert detail(bench.call("GET", url, token)) == (404, "NotFound", "WebServiceNotFound")


@pytest.mark.parametrize("name", ["Production", "a-b", "x" * 25, "%C3%A9", "a%2Fb"])
def test_a_name_the_service_does_not_allow_is_refused(bench: Bench, name: str) -> None:
    service = bench.publish_scoring()
    url = service.management_url.replace("production", name)
    answer = bench.call("PUT", url, bench.studio.workspace_token, {})
    assert detail(answer) == (400, "BadArgument", "WebServiceIdInvalid")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"ThrottleLevel": "Huge"}, "RequestBodyInvalid"),
        ({"ThrottleLevel": []}, "RequestBodyInvalid"),
        (
            {"ThrottleLevel": "High", "MaxConcurrentCalls": 201},
            "WebServiceConcurrentRequestRequirementInvalid",
        ),
        ({"EndpointName": "other"}, "RequestBodyInvalid"),
        ({"Descripton": "x"}, "RequestBodyInvalid"),
    ],
)
def test_settings_that_are_not_valid_create_nothing(
    bench: Bench, body: dict[str, Any], code: str
) -> None:
    service = bench.publish_scoring()
    url = service.management_url.replace("production", "new")
    token = bench.studio.workspace_token
    assert detail(bench.call("PUT", url, token, body)) == (400, "BadArgument", code)
    assert bench.call("GET", url, token).status == 404


def test_the_default_endpoint_is_deleted_last(bench: Bench) -> None:
    token = bench.studio.workspace_token
    service = bench.publish_scoring()
    default = service.management_url.replace("production", "default")
    assert bench.call("DELETE", default, token).status == 400
    assert bench.call("DELETE", service.management_url, token).status == 200
    assert bench.call("DELETE", default, token).status == 200


def test_services_are_listed_as_recorded(bench: Bench) -> None:
    service = bench.publish_scoring()
    token = bench.studio.workspace_token
    root = f"/workspaces/{service.workspace_id}/webservices"
    (found,) = bench.call("GET", root, token).json()
    assert found == {
        "Id": service.web_service_id,
        "Name": "Census",
        "Description": None,
        "CreationTime": "2017-03-01T10:06:12.000Z",
        "WorkspaceId": service.workspace_id,
        "DefaultEndpointName": "default",
        "EndpointCount": 2,
    }
    assert bench.call("GET", f"{root}/{service.web_service_id}", token).json() == found
    unknown = bench.call("GET", f"{root}/{'0' * 32}", token)
    assert detail(unknown) == (404, "NotFound", "WebServiceIdNotFoundInWorkspace")


def test_what_is_the_workspaces_own_needs_its_token(bench: Bench) -> None:
    service = bench.publish_scoring()
    root = f"/workspaces/{service.workspace_id}/webservices"
    denied = (401, "Unauthorized", "ManagementRequestUnauthorized")
    for method, url in (
        ("GET", root),
        ("GET", f"{root}/{service.web_service_id}"),
        ("GET", f"{root}/{service.web_service_id}/endpoints"),
        ("PUT", service.management_url),
        ("DELETE", service.management_url),
    ):
        for key in (None, service.api_key):
            assert detail(bench.call(method, url, key, {})) == denied


def test_the_key_of_another_endpoint_is_not_let_in(bench: Bench) -> None:
    service, other = bench.publish_scoring(), bench.publish_scoring()
    for method in ("GET", "PATCH"):
        answer = bench.call(method, service.management_url, other.api_key, {})
        assert answer.status == 401
