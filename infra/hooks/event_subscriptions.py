"""Makes the event subscriptions of the blob triggers, which call the app's webhook.

The address in a webhook subscription holds the key of the app's webhook. Event Grid calls the
address when the subscription is made and at every update. So it can be made only when the app runs,
and is updated only if it differs (azure-deploy §1.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from app_functions import BLOB_FUNCTIONS, EventFunction
from calls import ACCEPTED, NOT_FOUND, Answer
from console import Console, HookError
from environment import SCRATCH_FOLDER, Deployment
from resource_manager import EVENT_GRID, ResourceManager

#: Operations that store a whole blob; infra/modules/storage-events.bicep has the same ones, and
#: renames, which blob triggers do not take. Where folders are real, an empty `CreateFile` comes
#: first: it is not among them.
_APIS: Final = ("PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit")
#: The subscription to the queue that takes the scratch blob where a filter of the user is set.
_QUEUE_SCRATCH: Final = "scratch"
_SUCCEEDED: Final = "Succeeded"
#: The platform could not verify the address, or gave up.
_ENDED_BADLY: Final = ("Failed", "Canceled", "AwaitingManualAction")
#: Seconds ahead of each further try after the address could not be verified: ten minutes in all.
_WAITS: Final = (10.0, 20.0, 40.0, 80.0, 160.0, 290.0)
#: How a refusal says that the address could not be verified.
_HANDSHAKE: Final = ("esvalidation", "handshake", "endpoint validation", "url validation")
#: How a refusal says that the topic's identity may not write dead letters, and how the hook does.
_MANAGED_IDENTITY: Final = "managed identity authorization"
_NOT_YET: Final = "the topic's identity may not write dead letters yet"
_MOST_SECONDS: Final = 180.0
_CONFLICT: Final = 409
_BAD_REQUEST: Final = 400


@dataclass(frozen=True)
class Wanted:
    """An event subscription that must exist."""

    topic: str
    name: str
    function: str
    subject_begins: str
    subject_ends: str


def webhooks(deployment: Deployment) -> list[Wanted]:
    """Return the subscriptions of the blob triggers.

    The blob by which the way of events is tried passes no filter of an operator, so it has a
    subscription of its own where there are filters.
    """
    found, ours = [], deployment["EVENT_SUBSCRIPTION_PREFIX"]
    for one in BLOB_FUNCTIONS:
        # Without `/blobs/` at its end, containers whose names begin alike would match too.
        begins = f"/blobServices/default/containers/{deployment[one.container]}/blobs/"
        prefix, suffix = _filters(deployment, one)
        topic = deployment[one.topic]
        name = f"{ours}{one.subscription}"
        found.append(Wanted(topic, name, one.name, begins + prefix, suffix))
        if one == BLOB_FUNCTIONS[0] and (prefix or suffix):
            scratch = f"{begins}{SCRATCH_FOLDER}/"
            found.append(Wanted(topic, f"{name}-scratch", one.name, scratch, ""))
    return found


def left_over(deployment: Deployment) -> list[tuple[str, str]]:
    """Return topic and name of each subscription that is not to be there any more."""
    data, models = BLOB_FUNCTIONS
    of_data = [data.subscription, f"{data.subscription}-scratch"]
    of_models = [models.subscription]
    there = set[str]()
    if deployment.by_blob_trigger:
        there = {one.name for one in webhooks(deployment)}
        of_data += [data.queue_subscription, _QUEUE_SCRATCH]
        of_models += [models.queue_subscription]
    elif not any(_filters(deployment, data)):
        of_data += [_QUEUE_SCRATCH]
    ours = deployment["EVENT_SUBSCRIPTION_PREFIX"]
    pairs = [(deployment.get(data.topic), ours + name) for name in of_data]
    pairs += [(deployment.get(models.topic), ours + name) for name in of_models]
    return [(topic, name) for topic, name in pairs if topic and name not in there]


def _filters(deployment: Deployment, function: EventFunction) -> tuple[str, str]:
    """Return which blobs send events: how their paths begin, and how they end."""
    output = function.container.removesuffix("_CONTAINER")
    return deployment.get(f"{output}_PREFIX"), deployment.get(f"{output}_SUFFIX")


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


def properties_of(deployment: Deployment, wanted: Wanted, url: str) -> dict[str, Any]:
    """Return the properties of a subscription.

    Args:
        deployment: says where dead letters go.
        wanted: the subscription.
        url: its webhook.
    """
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
            "subjectBeginsWith": wanted.subject_begins,
            "subjectEndsWith": wanted.subject_ends,
            "isSubjectCaseSensitive": False,
            "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
            "advancedFilters": [
                {"operatorType": "StringIn", "key": "data.api", "values": list(_APIS)}
            ],
        },
        "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        "deadLetterWithResourceIdentity": {
            "identity": {"type": "SystemAssigned"},
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
    if isinstance(want, str) and isinstance(found, str) and want.startswith("/subscriptions/"):
        return want.lower() != found.lower()
    return (want or None) != (found or None)


@dataclass(frozen=True)
class Subscriptions:
    """Makes the event subscriptions of the blob triggers, and deletes them."""

    manager: ResourceManager
    deployment: Deployment
    console: Console

    def ensure(self, wanted: Wanted, key: str) -> str:
        """Make or update a subscription if it is not as it is to be.

        Args:
            wanted: the subscription.
            key: of the app's webhook.

        Returns:
            `done` or `unchanged`.

        Raises:
            HookError: the address could not be verified, or the topic's identity may not write dead
                letters, within ten minutes; Azure refused; or the subscription is another app's.
        """
        host, secrets = self.deployment["FUNCTION_APP_HOST"], self.console.secrets
        url = secrets.add(webhook_of(host, wanted.function, secrets.add(key)))
        properties = properties_of(self.deployment, wanted, url)
        if self._is_there(wanted, properties, url):
            return "unchanged"
        why = self._put(wanted, properties)
        for wait in _WAITS:
            if why is None:
                return "done"
            self.console.detail(f"{wanted.name}: {why}; trying again in {wait:.0f} s")
            self.console.clock.sleep(wait)
            why = self._put(wanted, properties)
        if why is None:
            return "done"
        if why == _NOT_YET:
            raise HookError(
                f"the event subscription {wanted.name}: {why}",
                "run `azd provision`, which gives it its roles, then repeat this hook",
                known=22,
            )
        raise HookError(
            f"Event Grid could not verify the webhook of {wanted.function}: {why}",
            "look at `GET /api/health` and the app's log: it must answer within 30 s. Then repeat"
            " this hook; nothing is lost meanwhile, since the app's search finds the data within"
            " 25 minutes",
            known=5,
        )

    def delete(self, topic: str, name: str) -> bool:
        """Delete a subscription of this app; return whether there was one.

        Args:
            topic: the id of its topic.
            name: of the subscription.

        Raises:
            HookError: Azure refused.
        """
        path = _path(topic, name)
        found = self._properties(path)
        if found is None or not self._is_own(found):
            return False
        answer = self.manager.send("DELETE", path, EVENT_GRID)
        if answer.status not in (*ACCEPTED, NOT_FOUND):
            raise _refused(name, answer)
        return True

    def _properties(self, path: str) -> dict[str, Any] | None:
        """Return the properties of a subscription; None if there is none."""
        answer = self.manager.send("GET", path, EVENT_GRID)
        if answer.status == NOT_FOUND:
            return None
        if answer.status not in ACCEPTED:
            raise _refused(path.rpartition("/")[2], answer)
        return dict(answer.json().get("properties") or {})

    def _is_own(self, found: Mapping[str, Any]) -> bool:
        """Whether a subscription delivers to this app: to its webhook, or to its queue."""
        by_identity = found.get("deliveryWithResourceIdentity") or {}
        target = found.get("destination") or by_identity.get("destination") or {}
        told = target.get("properties") or {}
        if account := told.get("resourceId"):
            return str(account).lower() == self.deployment.get("DEAD_LETTER_ACCOUNT_ID").lower()
        host = self.deployment["FUNCTION_APP_HOST"].lower()
        return str(told.get("endpointBaseUrl")).lower().startswith(f"https://{host}/")

    def _is_there(self, wanted: Wanted, properties: dict[str, Any], url: str) -> bool:
        path = _path(wanted.topic, wanted.name)
        found = self._properties(path)
        if found is None:
            return False
        if not self._is_own(found):
            raise HookError(
                f"the event subscription {wanted.name} of {wanted.topic} is another app's",
                "nothing else may use this name. If the other app is gone, delete the subscription"
                " (`az eventgrid system-topic event-subscription delete`), then repeat",
            )
        if found.get("provisioningState") != _SUCCEEDED or differs(properties, found):
            return False
        # The resource shows its address without the key; this call shows it whole.
        full = self.manager.send("POST", f"{path}/getFullUrl", EVENT_GRID)
        return full.status in ACCEPTED and full.json().get("endpointUrl") == url

    def _put(self, wanted: Wanted, properties: dict[str, Any]) -> str | None:
        """Write a subscription; return None if it is in effect, or why it may be tried again."""
        path = _path(wanted.topic, wanted.name)
        answer = self.manager.send("PUT", path, EVENT_GRID, {"properties": properties})
        if answer.status in ACCEPTED:
            return self._settled(path)
        said = answer.body.decode(errors="replace").lower()
        if _MANAGED_IDENTITY in said:
            return _NOT_YET
        if answer.status == _CONFLICT or _is_handshake(answer.status, said):
            return answer.error
        raise _refused(wanted.name, answer)

    def _settled(self, path: str) -> str | None:
        """Wait for the end of a write; return None if it is in effect, or its result."""

        def ask() -> str | None:
            found = self._properties(path)
            if found is None:
                return "gone again"
            state = str(found.get("provisioningState", ""))
            return state if state in (_SUCCEEDED, *_ENDED_BADLY) else None

        what = f"the event subscription {path.rpartition('/')[2]}"
        state = self.console.wait_for(what, ask, _MOST_SECONDS, every=5.0)
        if state == _SUCCEEDED:
            return None
        return f"its state is {state}" if state else f"no end within {_MOST_SECONDS:.0f} s"


def _path(topic: str, name: str) -> str:
    return f"{topic}/eventSubscriptions/{name}"


def _refused(name: str, answer: Answer) -> HookError:
    return HookError(
        f"the event subscription {name}: {answer.error}",
        "if the topic does not exist, run `azd provision`; otherwise follow the message",
    )


def _is_handshake(status: int, said: str) -> bool:
    """Whether a refusal says that the address could not be verified.

    Args:
        status: of the answer.
        said: the answer, in small letters.
    """
    return status == _BAD_REQUEST and any(words in said for words in _HANDSHAKE)
