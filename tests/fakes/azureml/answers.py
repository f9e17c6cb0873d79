"""The answers of the service as plain data, and the form of its bodies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WORKSPACE = (
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
)
ARM = "https://management.azure.com"
LOCATION = "westus"

Body = dict[str, Any]
#: A body as it is handed in: it is copied, never kept.
RequestBody = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
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
    details = [{"code": detail, "message": message, "details": []}] if detail else []
    more = [{"type": "InnerError", "info": {"value": chain}}]
    error = {"code": code, "message": message, "details": details, "additionalInfo": more}
    return Answer(status, {"error": error})


def invalid(message: str) -> Answer:
    return refusal(400, "UserError", message, "RequestInvalid")


def conflict() -> Answer:
    message = "Another operation on same entity is already running."
    return refusal(409, "Conflict", message)


def missing(message: str, detail: str = "") -> Answer:
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

    def unknown(self, body: RequestBody, *, read_only: bool) -> Answer | None:
        """Refuse a member that this version does not know (azure-machine-learning-v2 §1).

        Args:
            body: what was sent.
            read_only: whether members that only answers have may be sent.

        Returns:
            The refusal, if there is one.
        """
        more = self.read_only if read_only else frozenset[str]()
        for name in (*(set(body) - self.top - more), *self._inner(body, more)):
            return invalid(f"Could not find member '{name}' on object.")
        return None

    def _inner(self, body: RequestBody, more: frozenset[str]) -> set[str]:
        return set(body.get("properties") or {}) - self.properties - more
