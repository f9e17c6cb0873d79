"""A stand-in for the services that the hooks call: Resource Manager, the function app, storage.

Time moves only when a hook waits. Every refusal repeats the request with its secrets, as careless
services do: so a test finds a hook that prints an answer as it is.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from local.studio.wire import WireAnswer, WireRequest, json_answer

#: Far from the time of this machine, by which nothing may be judged.
START: Final = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
GROUP: Final = "/subscriptions/0000/resourceGroups/rg-relearn/providers"
SITE: Final = f"{GROUP}/Microsoft.Web/sites/func-relearn"
TOPIC: Final = f"{GROUP}/Microsoft.EventGrid/systemTopics/evgt-storage"
ACCOUNT: Final = f"{GROUP}/Microsoft.Storage/storageAccounts/strelearn"
DATA_ACCOUNT: Final = f"{GROUP}/Microsoft.Storage/storageAccounts/stdata"
#: Nothing of these may ever be printed.
KEYS: Final = {
    "masterKey": "MASTERkey0123456789==",
    "functionKeys": {"default": "FUNCTIONkey/0123456789=="},
    "systemKeys": {"blobs_extension": "BLOBSkey+/0123456789=="},
}
TOKENS: Final = {"": "armTOKENarmTOKEN.one", "https://storage.azure.com/.default": "storeTOKEN.one"}
SECRETS: Final = (
    "MASTERkey0123456789",
    "FUNCTIONkey",
    "BLOBSkey",
    "armTOKENarmTOKEN",
    "storeTOKEN",
    "eyJhbGciOiJub25lIn0",
)
VERSIONS: Final = {
    "Microsoft.Web": "2024-11-01",
    "Microsoft.EventGrid": "2025-02-15",
    "Microsoft.Authorization": "2022-04-01",
}
HEALTHY: Final = {"status": "healthy", "version": "0.1.0", "problems": {}}

#: Answers a request in place of the stand-in; None drops the connection.
Fault = Callable[[WireRequest], WireAnswer | None]


@dataclass
class Azure:
    """What the services know, and how they behave; a test changes it."""

    functions: dict[str, bool]  #: name -> disabled
    host: str = ""
    after_syncs: int = 0  #: the functions are known once the triggers were synchronised as often
    key_after: float = 0.0
    verified_after: float = 0.0
    unverified: str = "refused"  #: or the state in which a subscription ends
    health: dict[str, Any] | None = field(default_factory=lambda: dict(HEALTHY))
    healthy_after: float = 0.0
    roles: dict[str, list[float]] = field(default_factory=dict)  #: scope -> ages at the start
    storage: str = "open"  #: or the error code with which it refuses
    event_after: float = 3.0
    lost_events: int = 0
    host_key: str = KEYS["systemKeys"]["blobs_extension"]  # type: ignore[index]
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    seconds: float = 0.0
    syncs: int = 0
    last_event: dict[str, Any] | None = None
    undelivered: dict[str, Any] | None = None
    problems: list[str] = field(default_factory=list)
    by_queue: bool = True
    valid_tokens: set[str] = field(default_factory=lambda: set(TOKENS.values()))
    _due: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def answer(self, request: WireRequest) -> WireAnswer | None:
        path = urlsplit(request.url).path
        headers = {name.lower(): value for name, value in request.headers.items()}
        request = replace(request, headers=headers)
        call = f"{request.method} {path}"
        self.calls.append(call)
        for at, (part, fault) in enumerate(self.faults):
            if part in call:
                del self.faults[at]
                return fault(request)
        if path.startswith("/subscriptions/"):
            return self._resource_manager(request, path)
        if path.startswith("/api/"):
            return self._app(request, path)
        return self._storage(request, path.strip("/"))

    def refusal(self, request: WireRequest, status: int, code: str, text: str = "") -> WireAnswer:
        """Repeat every secret that came in, and those that are kept here."""
        sent = f"{dict(request.headers)} {request.body.decode()}"
        told = f"{text} you sent {sent}; keys are {KEYS}; eyJhbGciOiJub25lIn0.e30.x"
        return json_answer({"error": {"code": code, "message": told}}, status)

    def called(self, part: str) -> int:
        return sum(part in call for call in self.calls)

    def _resource_manager(self, request: WireRequest, path: str) -> WireAnswer:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._arm():
            return self.refusal(request, 401, "ExpiredAuthenticationToken")
        provider = path.rpartition("/providers/")[2].partition("/")[0]
        version = parse_qs(urlsplit(request.url).query).get("api-version")
        if version != [VERSIONS[provider]]:
            return self.refusal(request, 400, "InvalidApiVersionParameter")
        if path.endswith("/host/default/sync"):
            self.syncs += 1
            return WireAnswer(204)
        if path == f"{SITE}/functions":
            known = self.functions if self.syncs >= self.after_syncs else {}
            return json_answer({"value": [_function(*one) for one in known.items()]})
        if path.endswith("/host/default/listkeys"):
            return json_answer(self._keys())
        if path.endswith("/roleAssignments"):
            return json_answer({"value": list(self._assignments(path))})
        if "/eventSubscriptions/" in path:
            return self._subscription(request, path)
        return self.refusal(request, 404, "ResourceNotFound")

    def _arm(self) -> set[str]:
        return {token for token in self.valid_tokens if token.startswith("arm")}

    def _keys(self) -> dict[str, Any]:
        if self.seconds < self.key_after:
            return {"masterKey": KEYS["masterKey"], "functionKeys": {}, "systemKeys": {}}
        return {**KEYS, "systemKeys": {"blobs_extension": self.host_key}}

    def _assignments(self, path: str) -> Iterable[dict[str, Any]]:
        scope = path.partition("/providers/Microsoft.Authorization")[0]
        for age in self.roles.get(scope, []):
            given = (START - timedelta(seconds=age)).isoformat().replace("+00:00", "0Z")
            yield {"properties": {"createdOn": "2020-01-01T00:00:00.1234567Z", "updatedOn": given}}

    def _subscription(self, request: WireRequest, path: str) -> WireAnswer:
        name = path.removesuffix("/getFullUrl")
        found = self.subscriptions.get(name)
        if request.method == "PUT":
            return self._put(request, name)
        if found is None:
            return self.refusal(request, 404, "ResourceNotFound")
        if request.method == "DELETE":
            del self.subscriptions[name]
            return WireAnswer(202)
        if path.endswith("/getFullUrl"):
            return json_answer({"endpointUrl": found["destination"]["properties"]["endpointUrl"]})
        if found["provisioningState"] == "Updating":
            found["provisioningState"] = found.pop("becomes")
        return json_answer({"properties": _shown(found)})

    def _put(self, request: WireRequest, name: str) -> WireAnswer:
        wanted = json.loads(request.body)["properties"]
        verified = self.seconds >= self.verified_after
        if not verified and self.unverified == "refused":
            text = (
                "The attempt to validate the provided endpoint failed; https://aka.ms/esvalidation"
            )
            return self.refusal(request, 400, "InvalidRequest", text)
        becomes = "Succeeded" if verified else self.unverified
        wanted |= {"provisioningState": "Updating", "becomes": becomes, "topic": TOPIC.upper()}
        self.subscriptions[name] = wanted
        return json_answer({"properties": _shown(wanted)}, 201)

    def _app(self, request: WireRequest, path: str) -> WireAnswer:
        if "authorization" in request.headers:
            return self.refusal(request, 400, "TokenSentToTheApp")
        shown = self.health if self.seconds >= self.healthy_after else None
        status = 200 if shown and shown["status"] == "healthy" else 503
        if path == "/api/health":
            return json_answer(shown, status) if shown else WireAnswer(503, {}, b"starting")
        if request.headers.get("x-functions-key") != KEYS["functionKeys"]["default"]:  # type: ignore[index]
            return self.refusal(request, 401, "Unauthorized")
        while self._due and self._due[0][0] <= self.seconds:
            self.last_event = self._due.pop(0)[1]
        full: dict[str, Any] = {**(shown or {}), "last_event": self.last_event}
        full |= {"undelivered": self.undelivered, "problems": self.problems}
        return json_answer(full, status)

    def _storage(self, request: WireRequest, path: str) -> WireAnswer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token.startswith("store") or "x-ms-version" not in request.headers:
            return self.refusal(request, 401, "InvalidAuthenticationInfo")
        if self.storage != "open":
            body = f"<Error><Message>{request.headers}</Message></Error>".encode()
            return WireAnswer(403, {"x-ms-error-code": self.storage}, body)
        if request.method == "DELETE":
            found = path in self.blobs
            self.blobs.discard(path)
            return WireAnswer(202 if found else 404)
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            return self.refusal(request, 400, "MissingRequiredHeader")
        self.blobs.add(path)
        self._deliver(path)
        return WireAnswer(201)

    def _deliver(self, path: str) -> None:
        """Have an event reach the functions that are subscribed to it; some are lost."""
        if self.lost_events:
            self.lost_events -= 1
            return
        container, _, name = path.partition("/")
        subject = f"/blobServices/default/containers/{container}/blobs/{name}"
        getting = ["on_storage_events"] if self.by_queue else list(self._called(subject))
        for function in getting:
            event = {"at": self.now().isoformat(), "blob": name, "function": function}
            self._due.append((self.seconds + self.event_after, event))

    def _called(self, subject: str) -> Iterable[str]:
        """Yield the functions that webhooks reach; another name is answered 202 and lost."""
        for one in self.subscriptions.values():
            wanted, target = one["filter"], one["destination"]["properties"]["endpointUrl"]
            fits = subject.startswith(wanted["subjectBeginsWith"]) and subject.endswith(
                wanted.get("subjectEndsWith") or ""
            )
            name = parse_qs(urlsplit(target).query)["functionName"][0].rpartition(".")[2]
            if fits and name in self.functions and target.endswith(quote(self.host_key, safe="")):
                yield name


def _function(name: str, disabled: bool) -> dict[str, Any]:  # noqa: FBT001 - as it is kept
    properties = {"name": name, "isDisabled": disabled, "language": "python"}
    return {"id": f"{SITE}/functions/{name}", "name": f"func/{name}", "properties": properties}


def _shown(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription as the service shows it: the address without its query."""
    shown: dict[str, Any] = json.loads(json.dumps(stored))
    shown.pop("becomes", None)
    if target := shown.get("destination"):
        url = target["properties"].pop("endpointUrl")
        target["properties"]["endpointBaseUrl"] = url.partition("?")[0]
    return shown
