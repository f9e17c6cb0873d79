"""The services, endpoints and keys of the workspace, by id."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from local.studio.references import BlobReference
from local.studio.refusals import refusal
from local.studio.services import (
    DEFAULT,
    Endpoint,
    ModelSlot,
    ModelVersion,
    OutputKind,
    Parameter,
    Published,
    ScoringService,
    TrainingService,
)

Service = TrainingService | ScoringService

# The name of an endpoint: studio-classic §3.
_ENDPOINT_NAME = re.compile(r"[a-z0-9]{1,24}")
_LOW_CALLS = 4
_MOST_CALLS = 200


class Catalogue:
    """One workspace. Ids and keys come from `new_id`, so equal ids give equal workspaces."""

    def __init__(self, *, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_id = new_id
        self.workspace_id = new_id()
        self.workspace_token = secret_key("workspace", new_id())
        self._services: dict[str, Service] = {}
        self._endpoints: dict[str, Endpoint] = {}

    def publish_training(
        self,
        name: str,
        inputs: Sequence[str],
        outputs: Mapping[str, OutputKind],
        parameters: Mapping[str, Parameter],
        label: str | None,
    ) -> Published:
        """Register a training service with its default endpoint."""
        service = TrainingService(
            id=self._new_id(),
            name=name,
            created_at=self._clock(),
            inputs=tuple(inputs),
            outputs=dict(outputs),
            parameters=dict(parameters),
            label=label,
        )
        return self._publish(service)

    def publish_scoring(
        self, name: str, resource: str, model: bytes, location: BlobReference | None
    ) -> Published:
        """Register a scoring service with its default endpoint."""
        version = ModelVersion(model, location)
        service = ScoringService(self._new_id(), name, self._clock(), resource, version)
        return self._publish(service)

    def services(self) -> list[Service]:
        """Give every service, oldest first."""
        return list(self._services.values())

    def service(self, workspace_id: str, service_id: str) -> Service:
        """Find a service by its id; raises `RefusalError` (404) when there is none."""
        self.check_workspace(workspace_id)
        try:
            return self._services[service_id]
        except KeyError:
            raise refusal("WebServiceIdNotFoundInWorkspace", service_id) from None

    def endpoint(self, workspace_id: str, endpoint_id: str) -> Endpoint:
        """Find an endpoint by its id, as the data plane does; raises `RefusalError` (404)."""
        self.check_workspace(workspace_id)
        try:
            return self._endpoints[endpoint_id]
        except KeyError:
            raise refusal("WebServiceNotFound") from None

    def endpoints(self, service: Service) -> list[Endpoint]:
        """Give the endpoints of a service, oldest first."""
        return [item for item in self._endpoints.values() if item.service is service]

    def named(self, service: Service, name: str) -> Endpoint | None:
        """Find an endpoint by its name, as the management plane does."""
        return next((item for item in self.endpoints(service) if item.name == name), None)

    def add_endpoint(
        self, service: Service, name: str, settings: Mapping[str, object] | None = None
    ) -> Endpoint:
        """Create an endpoint with the published model; raises `RefusalError` for a bad name."""
        if not _ENDPOINT_NAME.fullmatch(name):
            raise refusal("WebServiceIdInvalid", name, "use at most 24 lower-case letters, digits")
        if self.named(service, name) is not None:
            raise refusal("WebServiceIdInvalid", name, "the service has this endpoint already")
        endpoint_id = self._new_id()
        slot = None
        if isinstance(service, ScoringService):
            slot = ModelSlot(serving=service.published, wanted=service.published)
        endpoint = Endpoint(
            id=endpoint_id,
            name=name,
            service=service,
            keys=(secret_key("primary", self._new_id()), secret_key("secondary", self._new_id())),
            created_at=self._clock(),
            slot=slot,
            settings={},
        )
        change_settings(endpoint, settings or {})
        self._endpoints[endpoint_id] = endpoint
        return endpoint

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint; raises `RefusalError` for the default one while there are others."""
        if endpoint.name == DEFAULT and len(self.endpoints(endpoint.service)) > 1:
            raise refusal("UpdateWebServiceResourceFailed", "the default endpoint is deleted last")
        del self._endpoints[endpoint.id]

    def published(self, endpoint: Endpoint) -> Published:
        """Return what the publisher of an endpoint needs to know."""
        service = endpoint.service
        return Published(
            workspace_id=self.workspace_id,
            web_service_id=service.id,
            endpoint_id=endpoint.id,
            endpoint_name=endpoint.name,
            api_key=endpoint.keys[0],
            resource=service.resource if isinstance(service, ScoringService) else None,
        )

    def check_workspace(self, workspace_id: str) -> None:
        """Raise `RefusalError` (404) for any workspace but this one."""
        if workspace_id != self.workspace_id:
            raise refusal("WorkspaceNotFound")

    def _publish(self, service: Service) -> Published:
        self._services[service.id] = service
        return self.published(self.add_endpoint(service, DEFAULT))


def change_settings(endpoint: Endpoint, changes: Mapping[str, object]) -> None:
    """Set an endpoint's throttle and texts, all or none.

    A low throttle always means 4 calls at once, a high one 1 to 200 (studio-classic
    §3, standard workspace).

    Raises:
        RefusalError: A value is not valid.
    """
    settings = {
        "Description": "",
        "ThrottleLevel": "Low",
        "MaxConcurrentCalls": None,
        "PreventUpdate": False,
        "DiagnosticsTraceLevel": "None",
        **endpoint.settings,
        **changes,
    }
    if settings["ThrottleLevel"] not in ("Low", "High"):
        raise refusal("RequestBodyInvalid", "ThrottleLevel must be Low or High")
    calls = settings["MaxConcurrentCalls"]
    if settings["ThrottleLevel"] == "Low" or calls is None:
        calls = _LOW_CALLS
    elif isinstance(calls, bool) or not isinstance(calls, int) or not 1 <= calls <= _MOST_CALLS:
        raise refusal("WebServiceConcurrentRequestRequirementInvalid", 1, _MOST_CALLS)
    endpoint.settings = {**settings, "MaxConcurrentCalls": calls}


def secret_key(purpose: str, identity: str) -> str:
    """Make a key of the real one's form: base64 of 64 bytes, which ends in two equal signs."""
    return base64.b64encode(hashlib.sha512(f"{purpose}:{identity}".encode()).digest()).decode()
