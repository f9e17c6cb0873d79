"""New (Resource Manager) web services: they are updated by a definition, and provisioned slowly."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from local.studio.references import BlobReference, StorageAccount
from local.studio.services import ModelSlot, ModelVersion
from local.studio.storage import BlobAccess, BlobRefusedError
from local.studio.web_service_json import (
    WebService,
    capitals,
    error_answer,
    failure_of,
    first_definition,
    model_uri,
    not_allowed,
    provisioning,
)
from local.studio.wire import Call, WireAnswer, json_answer

_VERSIONS = ("2016-05-01-preview", "2017-01-01")
_PROVIDER = "Microsoft.MachineLearning"
_OPERATIONS = "webServiceOperations"
_PAGE = 2


@dataclass(slots=True)
class Switches:
    """How the service behaves, where studio-classic §4 leaves it open or describes failures."""

    provision_delay: timedelta = timedelta(seconds=30)
    ignores_updates: bool = False  #: 200, and nothing changes (studio-classic §4)
    fails_updates: str = ""  #: the text of the failure that every update ends in
    upper_case: bool = False  #: members of assets start with capitals, as in some examples
    roles: bool = True  #: whether the caller may do anything here
    names_operation: bool = True  #: whether the header Azure-AsyncOperation is sent


@dataclass(slots=True)
class Operation:
    """One update under way."""

    id: str
    begun: datetime
    ends: datetime
    error: dict[str, Any] | None = None


class ResourceManager:
    """Answers the Resource Manager API (studio-classic §4)."""

    def __init__(
        self,
        *,
        storage: BlobAccess,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        own_account: StorageAccount | None,
        token: str,
    ) -> None:
        self.switches = Switches()
        self.token = token
        self._storage = storage
        self._clock = clock
        self._new_id = new_id
        self._own = own_account
        self._services: dict[str, WebService] = {}
        self._operations: dict[str, Operation] = {}

    def publish(
        self,
        path: str,
        resource: str,
        keys: tuple[str, str],
        model: tuple[bytes, str],
        base_url: str,
    ) -> WebService:
        """Register a service at `path` that scores with `model` (content and URI)."""
        content, uri = model
        version = ModelVersion(content)
        service = WebService(
            id=self._new_id(),
            path=path,
            subscription=path.split("/")[2],
            keys=keys,
            definition={},
            resource=resource,
            slot=ModelSlot(serving=version, wanted=version),
            ready_at=self._clock(),
        )
        service.definition = first_definition(service, uri, base_url, self._own)
        self._services[path.lower()] = service
        return service

    def by_data_plane(self, service_id: str) -> WebService | None:
        """Find a service by the id in its scoring URL."""
        return next((one for one in self._services.values() if one.id == service_id), None)

    def answer(self, call: Call, base_url: str) -> WireAnswer:
        """Answer a call below `/subscriptions/{id}` that is none of the data plane's."""
        if call.bearer != self.token:
            return error_answer(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if call.query.get("api-version") not in _VERSIONS:
            text = f"The api-version is not supported; use {' or '.join(_VERSIONS)}."
            return error_answer(400, "InvalidApiVersionParameter", text)
        if not self.switches.roles:
            text = "The client does not have authorization to perform the action over the scope."
            return error_answer(403, "AuthorizationFailed", text)
        path = "/" + "/".join(call.segments)
        if f"/{_OPERATIONS.lower()}/" in path.lower():
            return self._operation(call.segments[-1])
        if path.lower().endswith("/webservices") and call.method == "GET":
            return self._listed(call, path, base_url)
        keys = path.lower().endswith("/listkeys")
        service = self._services.get((path.rpartition("/")[0] if keys else path).lower())
        if service is None:
            return error_answer(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        if keys:
            primary, secondary = service.keys
            return json_answer({"primary": primary, "secondary": secondary})
        return self._at(call, service, base_url)

    def _at(self, call: Call, service: WebService, base_url: str) -> WireAnswer:
        match call.method:
            case "GET":
                return json_answer(self._shown(service))
            case "PATCH":
                return self._patched(call, service, base_url)
            case "DELETE":
                del self._services[service.path.lower()]
                return WireAnswer(202)
            case _:
                # PUT would lose the keys that GET leaves out.
                return error_answer(
                    405, "MethodNotAllowed", f"{call.method} is not supported here."
                )

    def _patched(self, call: Call, service: WebService, base_url: str) -> WireAnswer:
        sent = call.members(frozenset({"location", "properties", "tags", "id", "name", "type"}))
        properties = sent.get("properties")
        if (refused := not_allowed(properties, service)) is not None:
            return refused
        assets = properties.get("assets") if isinstance(properties, dict) else None
        now = self._clock()
        operation = Operation(self._new_id(), now, now + self.switches.provision_delay)
        self._operations[operation.id] = operation
        if isinstance(assets, dict) and not self.switches.ignores_updates:
            self._take(service, assets, operation)
        path = f"{service.path.partition('/providers/')[0]}/providers/{_PROVIDER}"
        url = f"{base_url}{path}/{_OPERATIONS}/{operation.id}?api-version=2017-01-01&t=signed"
        answer = json_answer({**self._shown(service), **provisioning(self._shown(service))})
        if not self.switches.names_operation:
            return answer
        return WireAnswer(200, {**answer.headers, "azure-asyncoperation": url}, answer.body)

    def _take(self, service: WebService, assets: dict[str, Any], operation: Operation) -> None:
        uri, failure = model_uri(assets, service.resource), self.switches.fails_updates
        error = failure_of("InternalError", failure) if failure else None
        content = b""
        if error is None:
            try:
                content = self._storage.read(self._readable(uri))
            except (BlobRefusedError, ValueError) as refused:
                text = f"Unable to access the provided Azure blob - {uri}: {refused}"
                error = failure_of("BlobNotFound", text)
        service.ready_at, service.failed = operation.ends, error is not None
        if error is not None:
            operation.error = error
            return
        service.definition["properties"]["assets"] = deepcopy(assets)
        service.slot.want(ModelVersion(content), operation.ends)

    def _readable(self, uri: str) -> str:
        """Give the URI as the service reads it: with the key of its own storage account."""
        if self._own is None:
            return uri
        base = self._own.endpoint
        if not uri.startswith(base):
            raise ValueError("it does not lie in the storage account of the web service")
        reference = BlobReference(base, uri.removeprefix(base), account=self._own)
        return reference.url("r", self._clock()).replace("%25", "%")

    def _operation(self, operation_id: str) -> WireAnswer:
        found = self._operations.get(operation_id)
        if found is None:
            return error_answer(404, "OperationNotFound", "There is no such operation.")
        now = self._clock()
        over = now >= found.ends
        state = ("Failed" if found.error else "Succeeded") if over else "Provisioning"
        shown: dict[str, Any] = {
            "id": found.id,
            "name": found.id,
            # Not in `status`, where Resource Manager usually has it.
            "provisioningState": state,
            "startTime": found.begun.isoformat(),
            "endTime": found.ends.isoformat() if over else None,
            "percentComplete": 100 if over else 50,
        }
        if over and found.error:
            shown["errorInfo"] = found.error
        return json_answer(shown)

    def _listed(self, call: Call, path: str, base_url: str) -> WireAnswer:
        scope = path.lower().partition("/providers/")[0] + "/"
        found = [one for key, one in self._services.items() if key.startswith(scope)]
        skip = int(call.query.get("$skiptoken", "0") or 0)
        page = [{"id": one.path, "name": one.path.rpartition("/")[2]} for one in found]
        answer: dict[str, Any] = {"value": page[skip : skip + _PAGE]}
        if skip + _PAGE < len(page):
            version = quote(call.query["api-version"])
            more = f"{path}?api-version={version}&$skiptoken={skip + _PAGE}"
            answer["nextLink"] = base_url + more
        return json_answer(answer)

    def _shown(self, service: WebService) -> dict[str, Any]:
        shown = deepcopy(service.definition)
        state = "Failed" if service.failed else "Succeeded"
        if self._clock() < service.ready_at:
            state = "Provisioning"
        shown["properties"]["provisioningState"] = state
        if self.switches.upper_case:
            assets = shown["properties"].pop("assets")
            shown["properties"]["Assets"] = {key: capitals(one) for key, one in assets.items()}
        return shown


def identity_answer(call: Call, secret: str, token: str, now: datetime) -> WireAnswer:
    """Answer as the identity endpoint of App Service does, for `ManagedIdentityCredential`."""
    if call.identity_header != secret:
        return WireAnswer(401)
    if not call.query.get("resource"):
        return WireAnswer(400)
    expires = int((now + timedelta(hours=1)).timestamp())
    answer = {
        "access_token": token,
        "expires_on": str(expires),
        "resource": call.query["resource"],
        "token_type": "Bearer",
    }
    return json_answer(answer)


def path_of(subscription: str, group: str, name: str) -> str:
    """Give the Resource Manager path of a web service."""
    scope: Sequence[str] = ("subscriptions", subscription, "resourceGroups", group)
    return "/" + "/".join((*scope, "providers", _PROVIDER, "webServices", name))
