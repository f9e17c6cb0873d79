"""Models of the bodies that the service answers, as plain data with the service's spelling.

Letter case, order and absent members are what a caller must not depend on
(azure-machine-learning-v2 §9).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from local.azureml.switches import Switches

SUBSCRIPTION, GROUP, NAME = "00000000-0000-0000-0000-000000000003", "relearn", "relearn-ws"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.MachineLearningServices/workspaces/{NAME}"
)
#: The same in URIs of `azureml://`, where the service writes it so.
SHORT = f"subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/workspaces/{NAME}"
ARM = "https://management.azure.com"
LOCATION = "westus"
#: The host of the data plane.
API = f"{LOCATION}.api.azureml.ms"
WORKSPACE_ID = "23329d4e-9b5f-403d-a218-c4e4f8323f5a"
OK, CREATED, ACCEPTED = 200, 201, 202

#: When what was there from the start was made.
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

T = TypeVar("T")
Body = dict[str, Any]
#: A body as it is handed in: it is copied, never kept.
RequestBody = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer: HTTP status, body as JSON values, headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class NoAnswerError(Exception):
    """The answer did not arrive: the request may have been done, may be done later, or never."""


def refusal(status: int, code: str, message: str, detail: str = "", *inner: str) -> Answer:
    """Return an error of Resource Manager (azure-machine-learning-v2 §2.8).

    Args:
        status: of HTTP.
        code: the code at the top.
        message: what happened.
        detail: the code in `details`, where there is one.
        inner: the chain of `innerError`, the outermost first.

    Returns:
        The answer.
    """
    chain: Body | None = None
    for name in reversed(inner or (detail or code,)):
        chain = {"code": name, "innerError": chain}
    one = {"code": detail, "message": message, "details": [], "additionalInfo": []}
    details = [one] if detail else []
    more = [{"type": "InnerError", "info": {"value": chain}}]
    error = {"code": code, "message": message, "details": details, "additionalInfo": more}
    return Answer(status, {"error": error})


def unknown_member(name: str, kind: str, path: str = "") -> Answer:
    """Refuse a member that the version does not know.

    Args:
        name: of the member.
        kind: what it is in.
        path: where that is.

    Returns:
        The refusal, in the words of the recording.
    """
    where = f"{path}.{name}" if path else name
    return invalid(f"Could not find member '{name}' on object of type '{kind}'. Path '{where}'.")


def invalid(message: str) -> Answer:
    """Refuse a body that is not what the version knows."""
    general = "Request is invalid and/or missing fields."
    answer = refusal(400, "UserError", general, "RequestInvalid")
    answer.body["error"]["details"][0]["message"] = message
    return answer


def resource(arm_id: str, properties: Body, created: datetime | None = None) -> Body:
    """Return a resource as answers show it.

    Args:
        arm_id: its id, which ends with its name.
        properties: of its kind.
        created: when it was made.

    Returns:
        The body.
    """
    kind = arm_id.partition("/providers/")[2].split("/")
    stamp = (created or BEGINNING).isoformat(timespec="microseconds").replace("+", "7+")
    return {
        "id": arm_id,
        "name": kind[-1],
        "type": "/".join([kind[0], *kind[1::2]]),
        "properties": properties,
        "systemData": {
            "createdAt": stamp,
            "createdBy": "relearn",
            "createdByType": "User",
            "lastModifiedAt": stamp,
        },
    }


def page_of(
    found: list[Body], kind: str, query: Mapping[str, str], most: int, api: str = "2025-12-01"
) -> Answer:
    """Return one page of a listing; its `nextLink` is absolute, and absent on the last page.

    Args:
        found: everything that is listed.
        kind: the last part of the address.
        query: of the request; `$skip` as a `nextLink` has it.
        most: how many are on a page.
        api: the api-version, where the request has none.

    Returns:
        The page.
    """
    skip = int(query.get("$skip") or 0)
    end = skip + most
    body: Body = {"value": found[skip:end]}
    if end < len(found):
        same = {"api-version": api, **query, "$skip": str(end)}
        link = "&".join(f"{name}={value}" for name, value in same.items())
        body["nextLink"] = f"{ARM}{WORKSPACE}/{kind}?{link}"
    return Answer(OK, body)


def conflict() -> Answer:
    """Refuse because another operation runs on the same resource."""
    message = "Another operation on same entity is already running."
    return refusal(409, "Conflict", message)


def missing(message: str, detail: str = "") -> Answer:
    """Say that there is no such resource; `detail` is the code in `details`."""
    return refusal(404, "UserError", message, detail)


@dataclass(frozen=True)
class Shape:
    """The members that one api-version knows."""

    top: frozenset[str]
    properties: frozenset[str]
    read_only: frozenset[str]

    @classmethod
    def of(cls, top: str, properties: str, read_only: str) -> "Shape":
        """Build a shape from names with blanks between them.

        Args:
            top: members of the body.
            properties: members of its `properties`.
            read_only: members of either that only answers have.

        Returns:
            The shape.
        """
        return cls(*(frozenset(names.split()) for names in (top, properties, read_only)))

    def unknown(
        self,
        body: RequestBody,
        *,
        read_only: bool,
        preview: frozenset[str] = frozenset(),
        refused: Collection[str] = (),
    ) -> Answer | None:
        """Refuse a member that this version does not know (azure-machine-learning-v2 §1).

        Args:
            body: what was sent.
            read_only: whether members that only answers have may be sent.
            preview: members that only previews know, where one is spoken.
            refused: members that this one does not know either.

        Returns:
            The refusal, if there is one.
        """
        more = self.read_only if read_only else frozenset[str]()
        if not isinstance(body.get("properties"), Mapping):
            return invalid("Required property 'properties' not found in JSON.")
        wrong = set(body) - self.top - more | set(body).intersection(refused)
        for name in sorted(wrong):
            return unknown_member(name, "Resource")
        own = set(body["properties"])
        wrong = own - self.properties - more - preview | own.intersection(refused)
        for name in sorted(wrong):
            return unknown_member(name, "Properties", "properties")
        return None


#: Members whose values are compared ignoring case.
_VALUES: Final = frozenset(
    {"status", "jobType", "jobInputType", "jobOutputType", "mode", "modelType"}
    | {"provisioningState", "datastoreType", "authMode", "endpointComputeType"}
)
_IDS: Final = frozenset({"id", "componentId", "computeId", "environmentId", "codeId", "modelUri"})


def styled(answer: Answer, switches: Switches) -> Answer:
    """Return an answer as the switches want it spelled.

    Args:
        answer: as the state made it.
        switches: how to spell.

    Returns:
        The answer.
    """
    plain = switches.values == "as_sent" and switches.ids == "as_sent"
    if (plain and switches.members == "as_sent") or not isinstance(answer.body, dict):
        return answer
    return Answer(answer.status, _spelled(answer.body, switches, ""), answer.headers)


def _spelled(value: Any, switches: Switches, name: str) -> Any:
    if isinstance(value, Mapping):
        return _members(value, switches)
    if isinstance(value, list):
        return [_spelled(one, switches, name) for one in value]
    if not isinstance(value, str):
        return value
    if name in _VALUES and switches.values != "as_sent":
        return _VALUE_STYLES[switches.values](value)
    if name in _IDS and switches.ids == "lower":
        return value.replace("/resourceGroups/", "/resourcegroups/").replace(
            f"/{GROUP}/", f"/{GROUP.upper()}/"
        )
    return value


def _members(value: Mapping[str, Any], switches: Switches) -> dict[str, Any]:
    items = [(name, _spelled(one, switches, name)) for name, one in value.items()]
    if switches.members == "reversed":
        items.reverse()
    if switches.members == "no_nulls":
        items = [(name, one) for name, one in items if one is not None]
    if switches.members == "more" and "id" in value:
        items.append(("relearnNeverHeardOf", {"it": ["is", None]}))
    return dict(items)


def _pascal(value: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in value.split("_"))


_VALUE_STYLES: Final = {"pascal": _pascal, "lower": str.lower}


_TREES: Final = (dict, list)


def copied(tree: T) -> T:
    """Return a copy of a JSON tree; the standard library's takes ten times as long."""
    # Without a call for each leaf.
    made: Any = tree
    if isinstance(tree, dict):
        made = {key: copied(one) if isinstance(one, _TREES) else one for key, one in tree.items()}
    elif isinstance(tree, list):
        made = [copied(one) if isinstance(one, _TREES) else one for one in tree]
    return made  # type: ignore[no-any-return]
