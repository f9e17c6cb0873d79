"""Calls one online endpoint and its deployments (azure-machine-learning-v2 §5).

Nothing waits, and no call decides anything: an answer is read, or a whole body is PUT.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_names import asset_of, escaped_name
from shared.core.counting import counted
from shared.core.service import service
from shared.core.serving.traffic import TrafficMap
from shared.errors import PermanentError, TransientError
from shared.providers.azureml.call import AzureMlCall, Memory, text_of
from shared.providers.azureml.endpoint_bodies import may_leave_out, without_members
from shared.providers.azureml.errors import AzureMlRefusedError, refusal_in, unknown_member
from shared.providers.azureml.online_resources import ShownDeployment, ShownEndpoint
from shared.providers.http.client import Answer
from shared.telemetry import log

#: Members that one api-version answers and does not take, at most.
_MOST_LEFT_OUT: Final = 5
_MAKE: Final = (
    "make it with `az ml online-endpoint create`, or write `create: true` at the endpoint in "
    "pipelines.yaml"
)
#: Codes of a 404 that are not about the endpoint itself.
_ABOVE: Final = frozenset(
    {"ResourceGroupNotFound", "SubscriptionNotFound", "InvalidSubscriptionId"}
)
#: The logs of the server that runs the model, and of the one that fetches the model first.
_CONTAINERS: Final = ("InferenceServer", "StorageInitializer")


@service
class EndpointCalls:
    """The calls of one endpoint.

    Args:
        call: calls the workspace.
        endpoint: as it is configured.
        memory: what this process knows of it.
    """

    call: AzureMlCall
    endpoint: AzureMlEndpoint
    memory: Memory

    @property
    def name(self) -> str:
        """The name of the endpoint."""
        return self.endpoint.endpoint

    def find(self) -> ShownEndpoint | None:
        """Return the endpoint; None where there is none.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: it refuses.
        """
        what = f"GET endpoint {self.name}"
        answer = self.call.any_answer(self._url())
        if answer.status == HTTPStatus.NOT_FOUND and not self._names_no_workspace(answer):
            return None
        shown = ShownEndpoint(self.name, self.call.object_in(answer, what))
        self._require_managed(shown)
        if shown.location:
            self.memory.keep(self._key("location"), shown.location)
        self.memory.keep(self._key("address"), (shown.scoring_uri, shown.auth_mode))
        return shown

    def read(self) -> ShownEndpoint:
        """Return the endpoint.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: there is none, or it is of a kind that is not supported.
        """
        found = self.find()
        if found is None:
            text = f"the workspace has no endpoint {self.name}"
            raise PermanentError(f"{text}: {_MAKE}", advice=_MAKE)
        return found

    def settled(self) -> ShownEndpoint:
        """Return the endpoint while no operation runs on it: else its traffic is an old one.

        Raises:
            TransientError: one runs, or the workspace gives no usable answer now.
            PermanentError: there is none, or it is of a kind that is not supported.
        """
        found = self.read()
        if found.is_busy:
            raise TransientError(f"endpoint {self.name} is {found.state}: waiting for it")
        return found

    def traffic_of(self, endpoint: ShownEndpoint) -> TrafficMap:
        """Return who gets which share of the requests: a map that may be recorded.

        Raises:
            TransientError: the answer does not say it in a way that can be relied on.
        """
        found = endpoint.traffic
        if any(map(self.call.redactor.names_secret, (*found.shares, *found.mirror))):
            raise TransientError(f"endpoint {self.name}: its traffic names a secret")
        return found

    def address(self) -> tuple[str, str]:
        """Return where requests go and how they authenticate, as it was read last.

        Raises TransientError, PermanentError.
        """
        known = self.memory.known(self._key("address"), tuple)
        if known is None or not known[0]:
            shown = self.read()
            return shown.scoring_uri, shown.auth_mode
        return str(known[0]), str(known[1])

    def forget_address(self) -> None:
        """Read the address again next time: an endpoint that was made again has another one."""
        self.memory.forget(self._key("address"))

    def key(self, action: str, member: str) -> str:
        """Return the key or token for requests; it stays in this process.

        Args:
            action: how it is asked for, `listKeys` or `token`.
            member: of the answer.

        Raises TransientError, PermanentError.
        """
        key = self.memory.known(self._key("key"), str)
        if key is None:
            what = f"read the key of endpoint {self.name}"
            key = text_of(self.call.ask(self._url(f"/{action}"), what).get(member))
            if not key:
                raise TransientError(f"endpoint {self.name}: the answer holds no {member}")
            self.call.redactor.learn_from_service(key)
            self.memory.keep(self._key("key"), key)
        return key

    def forget_key(self) -> None:
        """Forget the key or token: it was refused."""
        self.memory.forget(self._key("key"))

    def location(self) -> str:
        """Return the region of the endpoint. Raises TransientError, PermanentError."""
        return self.memory.known(self._key("location"), str) or self.read().location

    def workspace_location(self) -> str:
        """Return the region of the workspace.

        Raises TransientError, PermanentError.
        """
        what = "GET workspace"
        found = self.call.read(self.call.url("", self.endpoint.api_versions.endpoints), what)
        location = text_of(found.get("location"))
        if not location:
            raise TransientError(f"{what}: the answer holds no location")
        return location

    def deployment(self, name: str) -> ShownDeployment | None:
        """Return a deployment; None where there is none.

        Raises TransientError, PermanentError.
        """
        found = self.call.found(self._of(name), f"GET deployment {name}")
        return None if found is None else ShownDeployment(name, found)

    def deployments(self) -> dict[str, ShownDeployment]:
        """Return all deployments by their names in lower case.

        Raises TransientError, PermanentError.
        """
        url = self._url("/deployments", self.endpoint.api_versions.deployments)
        pages = self.call.pages(url, f"list the deployments of {self.name}")
        names = ((str(one.get("name") or "").rpartition("/")[2], one) for one in pages)
        shown = [ShownDeployment(name, one) for name, one in names]
        return {one.name.lower(): one for one in shown}

    def put_endpoint(self, body: Mapping[str, Any]) -> None:
        """PUT the whole endpoint; a member that the api-version does not know is left out.

        Raises TransientError, OutcomeUnknownError, PermanentError.
        """
        self._put(self._url(), f"update endpoint {self.name}", body, "endpoints")

    def put_deployment(self, name: str, body: Mapping[str, Any], *, answered: bool) -> None:
        """PUT a whole deployment.

        Args:
            name: of the deployment.
            body: its body; the location is that of the endpoint.
            answered: whether the body came from an answer, so that a member that the
                api-version does not know is left out.

        Raises:
            TransientError: it was not made.
            OutcomeUnknownError: it may have been.
            PermanentError: the service refuses it.
        """
        whole = {**body, "location": self.location()}
        what = f"make deployment {name}"
        if answered:
            self._put(self._of(name), what, whole, "deployments")
        else:
            self.call.write("PUT", self._of(name), what, whole)

    def delete_deployment(self, name: str) -> bool:
        """Delete a deployment; return whether it is gone already.

        Raises TransientError, OutcomeUnknownError, PermanentError.
        """
        try:
            answer = self.call.write("DELETE", self._of(name), f"delete deployment {name}")
        except AzureMlRefusedError as exc:
            if exc.refusal.status == HTTPStatus.NOT_FOUND:
                return True
            raise
        return answer.status == HTTPStatus.NO_CONTENT

    def log(self, name: str, lines: int) -> str:
        """Return the last lines that a deployment wrote; empty where there are none.

        Args:
            name: of the deployment.
            lines: how many of them.

        Raises TransientError, PermanentError.
        """
        url = self._of(name, "/getLogs")
        for container in _CONTAINERS:
            wanted = {"containerType": container, "tail": lines}
            try:
                answer = self.call.ask(url, f"read the log of {name}", wanted)
            except AzureMlRefusedError as exc:
                if exc.refusal.status != HTTPStatus.NOT_FOUND:
                    raise
                return ""
            if (content := text_of(answer.get("content"))).strip():
                return content
        return ""

    def has_model(self, model_id: str) -> bool:
        """Whether the version of a model is still registered; one of a registry counts as such.

        Raises TransientError, PermanentError.
        """
        try:
            asset = asset_of(model_id, "model")
        except ValueError:
            return True
        path = f"models/{escaped_name(asset.name)}/versions/{escaped_name(asset.version)}"
        url = self.call.url(path, self.endpoint.api_versions.deployments)
        return self.call.found(url, f"GET model {asset}") is not None

    def metrics(self, query: str) -> Answer:
        """Return the monitor's answer about the endpoint, of any status.

        Args:
            query: the parameters, with an ampersand first.

        Raises TransientError.
        """
        version = self.endpoint.api_versions.metrics
        url = self._url("/providers/Microsoft.Insights/metrics", version) + query
        return self.call.any_answer(url)

    def refused(self, what: str, advice: str) -> PermanentError:
        """Return the error to raise where something is wrong that an operator can correct.

        Args:
            what: is wrong.
            advice: what the operator can do.
        """
        return PermanentError(f"endpoint {self.name}: {what}: {advice}", advice=advice)

    @property
    def left_out(self) -> str:
        """What is not sent back since the api-version does not know it, for people; or empty."""
        names = sorted(self._unknown("endpoints") | self._unknown("deployments"))
        return f"sent without {', '.join(names)}" if names else ""

    def _put(self, url: str, what: str, body: Mapping[str, Any], kind: str) -> None:
        for _ in range(_MOST_LEFT_OUT):
            unknown = self._unknown(kind)
            try:
                self.call.write("PUT", url, what, without_members(body, unknown))
            except AzureMlRefusedError as exc:
                name = unknown_member(exc.refusal)
                if name is None or name in unknown or not may_leave_out(name, body):
                    raise
                log.warning("%s: the api-version does not know %s: sent without it", what, name)
                self.memory.keep(self._key("unknown", kind), unknown | {name})
            else:
                return
        text = f"the api-version does not know {counted(_MOST_LEFT_OUT, 'member')} it answers"
        advice = "set endpoints[].api_versions to a newer one"
        raise PermanentError(f"{what}: {text}: {advice}", advice=advice)

    def _unknown(self, kind: str) -> frozenset[str]:
        return self.memory.known(self._key("unknown", kind), frozenset) or frozenset()

    def _names_no_workspace(self, answer: Answer) -> bool:
        """Whether a 404 says that nothing above the endpoint is there."""
        return bool(refusal_in(answer, self.call.clean).codes & _ABOVE)

    def _require_managed(self, shown: ShownEndpoint) -> None:
        if shown.is_kubernetes:
            advice = "name a managed online endpoint"
            raise self.refused("Kubernetes is not supported yet", advice)

    def _key(self, *of: str) -> tuple[str, ...]:
        return ("endpoint", self.endpoint.ref.identity, *of)

    def _url(self, below: str = "", version: str = "") -> str:
        path = f"onlineEndpoints/{escaped_name(self.name)}{below}"
        return self.call.url(path, version or self.endpoint.api_versions.endpoints)

    def _of(self, name: str, below: str = "") -> str:
        path = f"/deployments/{escaped_name(name)}{below}"
        return self._url(path, self.endpoint.api_versions.deployments)
