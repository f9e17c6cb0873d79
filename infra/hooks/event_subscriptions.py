"""The event subscriptions of the blob triggers, with their webhook: made after the code is there.

A webhook subscription holds the key of the app's webhook in its address. Event Grid calls the
address when the subscription is made and at every update, so it can be made only once the app
runs, and is updated only if it differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from app_functions import EventFunction
from calls import ACCEPTED, NOT_FOUND, Answer
from console import Console, HookError
from environment import Deployment
from resource_manager import EVENT_GRID, ResourceManager

#: What stores the whole blob. Where folders are real, an empty `CreateFile` comes first.
_APIS: Final = ("PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose")
_SUCCEEDED: Final = "Succeeded"
#: The platform could not verify the address, or gave up.
_ENDED_BADLY: Final = ("Failed", "Canceled", "AwaitingManualAction")
#: Seconds ahead of each further try after the address could not be verified: ten minutes in all.
_WAITS: Final = (10.0, 20.0, 40.0, 80.0, 160.0, 290.0)
_MOST_SECONDS: Final = 180.0
_CONFLICT: Final = 409
_BAD_REQUEST: Final = 400


def webhook_of(host: str, function: str, key: str) -> str:
    """Return the address that Event Grid calls for a blob trigger; it holds the key.

    Args:
        host: of the function app.
        function: its name.
        key: the system key `blobs_extension`.
    """
    name = quote(f"Host.Functions.{function}")
    code = quote(key, safe="")
    return f"https://{host}/runtime/webhooks/blobs?functionName={name}&code={code}"


def wanted(deployment: Deployment, function: EventFunction, url: str) -> dict[str, Any]:
    """Return the properties of a subscription.

    Args:
        deployment: names the container, and where dead letters go.
        function: takes the events.
        url: its webhook.
    """
    container = deployment[function.container]
    return {
        "destination": {
            "endpointType": "WebHook",
            "properties": {
                "endpointUrl": url,
                "maxEventsPerBatch": 1,
                "preferredBatchSizeInKilobytes": 64,
            },
        },
        "eventDeliverySchema": "EventGridSchema",
        "filter": {
            # Without `/blobs/` at its end, containers whose names begin alike would match too.
            "subjectBeginsWith": f"/blobServices/default/containers/{container}/blobs/",
            "isSubjectCaseSensitive": False,
            "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
            "advancedFilters": [
                {"operatorType": "StringIn", "key": "data.api", "values": list(_APIS)}
            ],
        },
        "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        "deadLetterWithResourceIdentity": {
            "identity": {
                "type": "UserAssigned",
                "userAssignedIdentity": deployment["EVENTS_IDENTITY_ID"],
            },
            "deadLetterDestination": {
                "endpointType": "StorageBlob",
                "properties": {
                    "resourceId": deployment["DEAD_LETTER_ACCOUNT_ID"],
                    "blobContainerName": deployment["DEAD_LETTER_CONTAINER"],
                },
            },
        },
    }


def differs(want: object, found: object) -> bool:
    """Whether something that is wanted is not there; what the service adds does not count.

    Args:
        want: is to be there. The address of a webhook is compared elsewhere: it is not shown.
        found: what the service has. Ids may be written with other capitals.
    """
    if isinstance(want, Mapping):
        return not isinstance(found, Mapping) or any(
            differs(value, found.get(name)) for name, value in want.items() if name != "endpointUrl"
        )
    if isinstance(want, list):
        if not isinstance(found, list) or len(want) != len(found):
            return True
        return any(differs(*pair) for pair in zip(want, found, strict=True))
    if isinstance(want, str) and isinstance(found, str) and want.startswith("/"):
        return want.lower() != found.lower()
    return want != found


@dataclass(frozen=True)
class Subscriptions:
    """Makes the event subscriptions of the blob triggers, and deletes them."""

    manager: ResourceManager
    deployment: Deployment
    console: Console

    def ensure(self, function: EventFunction, key: str) -> str:
        """Make or update a subscription if it is not as it is to be.

        Args:
            function: takes the events.
            key: of its webhook.

        Returns:
            `done` or `unchanged`.

        Raises:
            HookError: the address could not be verified within ten minutes, or Azure refused.
        """
        secrets = self.console.secrets
        url = secrets.add(
            webhook_of(self.deployment["FUNCTION_APP_HOST"], function.name, secrets.add(key))
        )
        properties = wanted(self.deployment, function, url)
        if self._is_there(function, properties, url):
            return "unchanged"
        why = self._put(function, properties)
        for wait in _WAITS:
            if why is None:
                return "done"
            self.console.detail(f"{function.subscription}: {why}; trying again in {wait:.0f} s")
            self.console.clock.sleep(wait)
            why = self._put(function, properties)
        if why is None:
            return "done"
        raise HookError(
            f"Event Grid could not verify the webhook of {function.name}: {why}",
            "look at `GET /api/health` and the app's log: it must answer within 30 s. Then repeat"
            " this hook; nothing is lost meanwhile, since the app's search finds the data within"
            " 15 minutes",
            known=5,
        )

    def delete(self, function: EventFunction) -> bool:
        """Delete the subscription of a blob trigger; return whether there was one.

        Args:
            function: took the events.

        Raises:
            HookError: Azure refused.
        """
        path = self._path(function)
        answer = self.manager.send("GET", path, EVENT_GRID)
        if answer.status == NOT_FOUND:
            return False
        if answer.status in ACCEPTED:
            answer = self.manager.send("DELETE", path, EVENT_GRID)
        if answer.status not in (*ACCEPTED, NOT_FOUND):
            raise self._refused(function, answer)
        return True

    def _path(self, function: EventFunction) -> str:
        return f"{self.deployment[function.topic]}/eventSubscriptions/{function.subscription}"

    def _is_there(self, function: EventFunction, properties: dict[str, Any], url: str) -> bool:
        path = self._path(function)
        answer = self.manager.send("GET", path, EVENT_GRID)
        if answer.status == NOT_FOUND:
            return False
        if answer.status not in ACCEPTED:
            raise self._refused(function, answer)
        found = answer.json().get("properties") or {}
        if found.get("provisioningState") != _SUCCEEDED or differs(properties, found):
            return False
        # The resource shows its address without the key; this call shows it whole.
        full = self.manager.send("POST", f"{path}/getFullUrl", EVENT_GRID)
        return full.status in ACCEPTED and full.json().get("endpointUrl") == url

    def _put(self, function: EventFunction, properties: dict[str, Any]) -> str | None:
        """Write a subscription; return None if it is in effect, else why it may be tried again."""
        answer = self.manager.send(
            "PUT", self._path(function), EVENT_GRID, {"properties": properties}
        )
        if answer.status in ACCEPTED:
            return self._settled(function)
        if answer.status == _CONFLICT or _is_handshake(answer):
            return answer.error
        raise self._refused(function, answer)

    def _settled(self, function: EventFunction) -> str | None:
        state = self.console.wait_for(
            f"the event subscription {function.subscription}",
            lambda: self._end_state(function),
            _MOST_SECONDS,
            every=5.0,
        )
        if state == _SUCCEEDED:
            return None
        return f"its state is {state}" if state else f"no end within {_MOST_SECONDS:.0f} s"

    def _end_state(self, function: EventFunction) -> str | None:
        """Return the state that will not change by itself; None while it is being made."""
        answer = self.manager.send("GET", self._path(function), EVENT_GRID)
        if answer.status == NOT_FOUND:
            return "gone again"
        if answer.status not in ACCEPTED:
            raise self._refused(function, answer)
        state = str((answer.json().get("properties") or {}).get("provisioningState", ""))
        return state if state in (_SUCCEEDED, *_ENDED_BADLY) else None

    @staticmethod
    def _refused(function: EventFunction, answer: Answer) -> HookError:
        return HookError(
            f"the event subscription {function.subscription}: {answer.error}",
            "if the topic does not exist, run `azd provision`; otherwise follow the message",
        )


def _is_handshake(answer: Answer) -> bool:
    """Whether a refusal says that the address could not be verified."""
    said = f"{answer.error_code} {answer.body.decode(errors='replace')}".lower()
    return answer.status == _BAD_REQUEST and ("validat" in said or "handshake" in said)
