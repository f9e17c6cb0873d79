"""The management plane: services and endpoints read, created, patched, refreshed, deleted."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from local.studio.catalogue import Catalogue, Service, change_settings
from local.studio.references import BlobReference, output_role, read_reference
from local.studio.refusals import refusal
from local.studio.services import DEFAULT, Endpoint, ModelSlot, ModelVersion, ScoringService
from local.studio.storage import BlobAccess, BlobRefusedError
from local.studio.wire import DONE, Call, WireAnswer, json_answer, members

_SETTINGS = frozenset(
    {
        "Description",
        "ThrottleLevel",
        "MaxConcurrentCalls",
        "PreventUpdate",
        "DiagnosticsTraceLevel",
    }
)
_CREATE_MEMBERS = _SETTINGS | {"WebServiceId", "EndpointName"}
_PATCH_MEMBERS = _SETTINGS | {"Resources"}
_RESOURCE_MEMBERS = frozenset({"Name", "Kind", "Location"})
_NOT_CHANGED = WireAnswer(304)
_TOKEN_ONLY = frozenset({"PUT", "DELETE"})


class Management:
    """Answers the management API (studio-classic §3)."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        storage: BlobAccess,
        clock: Callable[[], datetime],
        switch_delay: timedelta,
        send_resources: bool,
    ) -> None:
        self._catalogue = catalogue
        self._storage = storage
        self._clock = clock
        self._switch_delay = switch_delay
        self._send_resources = send_resources

    def answer(
        self, call: Call, workspace_id: str, rest: Sequence[str], base_url: str
    ) -> WireAnswer:
        """Answer a call below `/workspaces/{id}/webservices`; raises `RefusalError`.

        Args:
            call: the request.
            workspace_id: the workspace its path names.
            rest: the path segments after `webservices`.
            base_url: where the data plane is reached, for `ApiLocation`.
        """
        self._catalogue.check_workspace(workspace_id)
        match rest:
            case [] if call.method == "GET":
                self._require_token(call)
                return json_answer(
                    [self._service_json(item) for item in self._catalogue.services()]
                )
            case [service_id] if call.method == "GET":
                self._require_token(call)
                service = self._catalogue.service(workspace_id, service_id)
                return json_answer(self._service_json(service))
            case [service_id, "endpoints"] if call.method == "GET":
                self._require_token(call)
                service = self._catalogue.service(workspace_id, service_id)
                found = self._catalogue.endpoints(service)
                return json_answer([self._endpoint_json(item, base_url) for item in found])
            case [service_id, "endpoints", name, *action]:
                service = self._catalogue.service(workspace_id, service_id)
                endpoint = self._catalogue.named(service, name)
                self._authorise(call, endpoint)
                if call.method == "PUT" and not action:
                    return self._create(call, service, name, endpoint, base_url)
                return self._at_endpoint(call, endpoint, action, base_url)
            case _:
                raise refusal("OperationNotFound", call.method)

    def _at_endpoint(
        self, call: Call, endpoint: Endpoint | None, action: Sequence[str], base_url: str
    ) -> WireAnswer:
        if endpoint is None:
            raise refusal("WebServiceNotFound")
        match call.method, action:
            case "GET", []:
                return json_answer(self._endpoint_json(endpoint, base_url))
            case "PATCH", []:
                return self._patch(call, endpoint)
            case "POST", ["refresh"]:
                return self._refresh(call, endpoint)
            case "DELETE", []:
                self._catalogue.remove_endpoint(endpoint)
                return DONE
            case _:
                raise refusal("OperationNotFound", call.method)

    def _authorise(self, call: Call, endpoint: Endpoint | None) -> None:
        own = endpoint is not None and call.method not in _TOKEN_ONLY
        if not (own and endpoint is not None and call.bearer in endpoint.keys):
            self._require_token(call)

    def _require_token(self, call: Call) -> None:
        if call.bearer != self._catalogue.workspace_token:
            raise refusal("ManagementRequestUnauthorized")

    def _create(
        self, call: Call, service: Service, name: str, endpoint: Endpoint | None, base_url: str
    ) -> WireAnswer:
        body = call.members(_CREATE_MEMBERS)
        if (
            body.pop("EndpointName", name) != name
            or body.pop("WebServiceId", service.id) != service.id
        ):
            raise refusal("RequestBodyInvalid", "EndpointName or WebServiceId contradicts the URL")
        if endpoint is None:
            created = self._catalogue.add_endpoint(service, name, body)
            return json_answer(self._endpoint_json(created, base_url), 201)
        change_settings(endpoint, body)
        return json_answer(self._endpoint_json(endpoint, base_url))

    def _patch(self, call: Call, endpoint: Endpoint) -> WireAnswer:
        slot = _updatable(endpoint)
        body = call.members(_PATCH_MEMBERS)
        if not body:
            raise refusal("RequestIsEmpty")
        version = (
            self._new_version(body.pop("Resources"), endpoint) if "Resources" in body else None
        )
        change_settings(endpoint, body)
        if version is not None:
            slot.want(version, self._clock() + self._switch_delay)
        return DONE

    def _new_version(self, resources: object, endpoint: Endpoint) -> ModelVersion:
        """Fetch the blob at once: what is deleted or changed later does not matter."""
        if not isinstance(resources, list) or len(resources) != 1:
            raise refusal("RequestBodyInvalid", "Resources must be a list of the one resource")
        resource = members(resources[0], _RESOURCE_MEMBERS, "the resource")
        expected = endpoint.service.resource if isinstance(endpoint.service, ScoringService) else ""
        name = resource.get("Name")
        if name != expected:
            raise refusal("RequestBodyInvalid", f"the endpoint has no resource named {name!r}")
        location = read_reference(resource.get("Location"), output_role(expected))
        try:
            content = self._storage.read(location.url("r", self._clock()))
        except BlobRefusedError as error:
            raise refusal("BlobNotFound", location.relative_location, error.message) from None
        return ModelVersion(content, location)

    def _refresh(self, call: Call, endpoint: Endpoint) -> WireAnswer:
        slot = _updatable(endpoint)
        body = call.members(frozenset({"OverwriteResources"}))
        overwrite = str(body.get("OverwriteResources", False)).lower()
        if overwrite not in {"true", "false"}:
            raise refusal("RequestBodyInvalid", "OverwriteResources must be True or False")
        service = endpoint.service
        if overwrite == "false" or not isinstance(service, ScoringService):
            return _NOT_CHANGED
        if slot.wanted is service.published:
            return _NOT_CHANGED
        slot.want(service.published, self._clock() + self._switch_delay)
        return DONE

    def _service_json(self, service: Service) -> dict[str, Any]:
        return {
            "Id": service.id,
            "Name": service.name,
            "Description": None,
            "CreationTime": _time(service.created_at),
            "WorkspaceId": self._catalogue.workspace_id,
            "DefaultEndpointName": DEFAULT,
            "EndpointCount": len(self._catalogue.endpoints(service)),
        }

    def _endpoint_json(self, endpoint: Endpoint, base_url: str) -> dict[str, Any]:
        workspace = self._catalogue.workspace_id
        service = endpoint.service
        found: dict[str, Any] = {
            "Name": endpoint.name,
            "CreationTime": _time(endpoint.created_at),
            "WorkspaceId": workspace,
            "WebServiceId": service.id,
            "HelpLocation": f"{base_url}/apihelp/workspaces/{workspace}/webservices/{service.id}"
            f"/endpoints/{endpoint.id}",
            "PrimaryKey": endpoint.keys[0],
            "SecondaryKey": endpoint.keys[1],
            "ApiLocation": f"{base_url}/workspaces/{workspace}/services/{endpoint.id}",
            "SampleDataEnabled": False,
            **endpoint.settings,
        }
        if self._send_resources:
            found["Resources"] = self._resources_json(endpoint)
        return found

    def _resources_json(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        if endpoint.slot is None or not isinstance(endpoint.service, ScoringService):
            return []
        location: BlobReference | None = endpoint.slot.wanted.location
        return [
            {
                "Name": endpoint.service.resource,
                "Kind": "TrainedModel",
                "Location": location.answered(self._clock()) if location else None,
            }
        ]


def _updatable(endpoint: Endpoint) -> ModelSlot:
    if endpoint.slot is None:
        raise refusal("UpdateWebServiceResourceFailed", "it has no updatable resources")
    if endpoint.name == DEFAULT:
        raise refusal("UpdateWebServiceResourceFailed", "the default one follows its experiment")
    return endpoint.slot


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
