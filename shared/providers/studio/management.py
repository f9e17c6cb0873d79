"""The management API of a Classic web service: its endpoints, by program (studio-classic §3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from shared.core.config.studio_endpoint import Create
from shared.core.service import service
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.storage import SignedBlob
from shared.providers.http.client import Answer
from shared.providers.studio.call import StudioCall
from shared.providers.studio.errors import StudioRefusedError, sort_refusal

_NAME: Final = re.compile(r"[a-z0-9]{1,24}")
_DEFAULT: Final = "default"
_NOT_FOUND: Final = 404
_NOT_CHANGED: Final = 304


@dataclass(frozen=True, slots=True)
class ManagedEndpoint:
    """An endpoint as the service describes it; every member but the name may be missing.

    See studio-classic §3.
    """

    name: str
    api_location: str = ""  #: base of its data-plane URLs
    primary_key: str = field(default="", repr=False)
    help_location: str = ""
    description: str = ""
    throttle_level: str = ""
    max_concurrent_calls: int | None = None
    prevent_update: bool | None = None
    resources: Mapping[str, SignedBlob | None] | None = None
    """The resources that can be updated, and the location of each, as far as that is known."""


@service
class StudioManagement:
    """The endpoints of one Classic web service.

    `default` exists by itself and follows its experiment: it is never created, updated,
    refreshed or deleted from here (studio-classic §3).

    Args:
        call: with a workspace token; an endpoint's own key does only for that endpoint.
        service: `https://{region.}management.azureml.net/workspaces/{ws}/webservices/{id}`.
    """

    call: StudioCall
    service: str

    def endpoints(self) -> list[ManagedEndpoint]:
        """Return every endpoint. Raises TransientError, PermanentError."""
        reported = self.call.read("GET", f"{self.service}/endpoints", "list the endpoints").json()
        if not isinstance(reported, list):
            raise TransientError("list the endpoints: the answer is not a list")
        return [_read(one) for one in reported if isinstance(one, dict)]

    def services(self) -> list[str]:
        """Return the ids of the workspace's web services. Raises as `endpoints`."""
        url = self.service.rsplit("/", 1)[0]
        reported = self.call.read("GET", url, "list the web services").json()
        if not isinstance(reported, list):
            raise TransientError("list the web services: the answer is not a list")
        return [str(one["Id"]) for one in reported if isinstance(one, dict) and one.get("Id")]

    def get(self, name: str) -> ManagedEndpoint | None:
        """Return one endpoint, or None where there is none. Raises as `endpoints`."""
        answer = self.ask(name)
        if answer.status == _NOT_FOUND:
            return None
        if not answer.ok:
            raise self.refusal(answer, f"check endpoint {name}")
        return read_endpoint(answer, name)

    def ask(self, name: str) -> Answer:
        """Return the answer of the service about one endpoint. Raises TransientError."""
        return self.call.any_answer("GET", self._url(name))

    def refusal(self, answer: Answer, what: str) -> Exception:
        """Return the error that an answer to a request without effect stands for.

        Args:
            answer: the answer.
            what: the purpose of the request, for messages.
        """
        return sort_refusal(answer, what, self.call.clean, write=False)

    def create(self, name: str, wanted: Create) -> None:
        """Make an endpoint, or change its settings where it exists. Safe to repeat.

        Args:
            name: the name of the endpoint.
            wanted: the settings.

        Raises:
            TransientError: it was not made.
            OutcomeUnknownError: it may have been made; read it back.
            PermanentError: the service refuses, or no endpoint can have this name.
        """
        _own(name, "create")
        if not _NAME.fullmatch(name):
            raise PermanentError(
                f"{name!r} cannot name an endpoint: at most 24 lower-case letters and digits"
            )
        body = {"EndpointName": name, **wanted.model_dump()}
        self.call.write("PUT", self._url(name), f"create endpoint {name}", body)

    def delete(self, name: str) -> None:
        """Delete an endpoint; one that is gone already is fine. Raises as `create`."""
        _own(name, "delete")
        try:
            self.call.write("DELETE", self._url(name), f"delete endpoint {name}")
        except StudioRefusedError as exc:
            if exc.refusal.status != _NOT_FOUND:
                raise

    def refresh(self, name: str) -> None:
        """Reset an endpoint to the model of its own service. Safe to repeat.

        Raises as `create` does.
        """
        _own(name, "refresh")
        body = {"OverwriteResources": "True"}  # a string, as every known client sends it
        try:
            self.call.write("POST", f"{self._url(name)}/refresh", "refresh the endpoint", body)
        except StudioRefusedError as exc:
            if exc.refusal.status != _NOT_CHANGED:
                raise

    def patch(self, name: str, resources: Mapping[str, SignedBlob]) -> None:
        """Set these models at resources of an endpoint. Safe to repeat.

        Args:
            name: the name of the endpoint.
            resources: resource -> the signed model.

        Raises as `create` does.
        """
        _own(name, "update")
        listed = [{"Name": one, "Location": _location(blob)} for one, blob in resources.items()]
        what = "update the endpoint"
        answer = self.call.write("PATCH", self._url(name), what, {"Resources": listed})
        if answer.text():
            # So long an answer is not from the service (studio-classic §3).
            raise OutcomeUnknownError(f"{what}: an answer that says something else")

    def _url(self, name: str) -> str:
        return f"{self.service}/endpoints/{quote(name, safe='')}"


def read_endpoint(answer: Answer, name: str) -> ManagedEndpoint:
    """Return the endpoint that a 2xx answer describes.

    Args:
        answer: the answer.
        name: its name where the answer does not say it.
    """
    reported = answer.json()
    reported = reported if isinstance(reported, dict) else {}
    return _read({**reported, "Name": reported.get("Name") or name})


def _read(reported: Mapping[str, Any]) -> ManagedEndpoint:
    calls, prevent = reported.get("MaxConcurrentCalls"), reported.get("PreventUpdate")
    return ManagedEndpoint(
        name=str(reported.get("Name") or ""),
        api_location=str(reported.get("ApiLocation") or ""),
        primary_key=str(reported.get("PrimaryKey") or ""),
        help_location=str(reported.get("HelpLocation") or ""),
        description=str(reported.get("Description") or ""),
        throttle_level=str(reported.get("ThrottleLevel") or ""),
        max_concurrent_calls=calls if isinstance(calls, int) else None,
        prevent_update=prevent if isinstance(prevent, bool) else None,
        resources=_resources(reported.get("Resources")),
    )


def _resources(reported: object) -> dict[str, SignedBlob | None] | None:
    if not isinstance(reported, list):
        return None
    known = [one for one in reported if isinstance(one, dict)]
    return {str(one["Name"]): _located(one.get("Location")) for one in known if one.get("Name")}


def _located(reported: object) -> SignedBlob | None:
    if not isinstance(reported, dict) or not reported.get("RelativeLocation"):
        return None
    parts = ("BaseLocation", "RelativeLocation", "SasBlobToken")
    return SignedBlob(*(str(reported.get(part) or "") for part in parts))


def _location(blob: SignedBlob) -> dict[str, str]:
    return {
        "BaseLocation": blob.account_url,
        "RelativeLocation": blob.path,
        "SasBlobToken": blob.signature,
    }


def _own(name: str, what: str) -> None:
    if name.lower() == _DEFAULT:
        raise PermanentError(
            f"{what} endpoint {name}: the default endpoint follows its experiment: "
            "add an endpoint to the predictive web service and name that one"
        )
