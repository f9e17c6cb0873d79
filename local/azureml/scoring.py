"""Requests to the endpoints: checks the credentials, chooses the deployment, counts the results.

See azure-machine-learning-v2 §5.4: an answer names the deployment that gave it.
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from local.azureml.answers import Answer, RequestBody
from local.azureml.containers import Container, Scored
from local.azureml.credentials import Credentials
from local.azureml.measured import Leaf, Measured
from local.azureml.state import Deployment, Endpoint, State
from local.azureml.traffic import Draw, EvenDraw, deployment_at

DEPLOYMENT: Final = "azureml-model-deployment"
_CLIENT_ID: Final = "x-ms-client-request-id"


@dataclass
class Scoring:
    """Answers requests to the endpoints, and keeps who answered."""

    state: State
    measured: Measured
    credentials: Credentials
    draw: Draw = field(default_factory=EvenDraw)
    #: Lets others in while a container works.
    outside: Callable[[], AbstractContextManager[object]] = nullcontext
    #: Keeps others out.
    inside: Callable[[], AbstractContextManager[object]] = nullcontext
    answered: list[tuple[str, str]] = field(default_factory=list)  #: endpoint, deployment
    mirrored: list[tuple[str, str]] = field(default_factory=list)

    def score(self, endpoint: str, body: RequestBody | bytes, headers: Mapping[str, str]) -> Answer:
        """Answer a request by the deployment that it names, or by the traffic map.

        Args:
            endpoint: that the address belongs to.
            body: the rows.
            headers: `Authorization`, and `azureml-model-deployment` to choose one.

        Returns:
            The model's answer, with the name of the deployment that answered.
        """
        sent = {name.lower(): value for name, value in headers.items()}
        parent = self.state.endpoints.get(endpoint)
        if parent is None:
            return Answer(404, {"error": {"code": "NotFound", "message": "No such endpoint."}})
        if refused := self.credentials.refused(parent, sent.get("authorization", "")):
            return refused
        traffic, mirror = parent.routes(self.state.clock.now())
        name = sent.get(DEPLOYMENT)
        copied: Deployment | None = None
        if name is None:
            place = self.draw()
            name = deployment_at(traffic, place)
            copied = self._copied(parent, mirror, place)
        about = {one: sent[one] for one in sent if one in (_CLIENT_ID, "content-type")}
        answer = self._answer_by(parent, name, body, about)
        if copied is not None:
            self._mirror(parent, copied, body, about)
        echoed = {_CLIENT_ID: sent[_CLIENT_ID]} if _CLIENT_ID in sent else {}
        one = str(uuid.uuid4())
        own = {"x-ms-request-id": one, "x-request-id": one} | echoed
        return Answer(answer.status, answer.body, own | dict(answer.headers))

    def _answer_by(
        self, parent: Endpoint, name: str | None, body: RequestBody | bytes, about: dict[str, str]
    ) -> Answer:
        deployment = parent.deployments.get(name or "")
        if deployment is None or deployment.container is None:
            message = (
                f"No such deployment: {name}." if name else "No deployment has positive traffic."
            )
            return Answer(404, {"error": {"code": "NotFound", "message": message}})
        self.answered.append((parent.name, deployment.name))
        scored = self._asked(deployment.container, body, about)
        self._measure(parent, deployment, scored)
        named = {DEPLOYMENT: deployment.name, "azureml-model-session": deployment.name}
        return Answer(scored.answer.status, scored.answer.body, named | dict(scored.answer.headers))

    def _asked(
        self, container: Container, body: RequestBody | bytes, about: dict[str, str]
    ) -> Scored:
        if container.instant:
            return container.score(body, about)
        with self.outside():
            return container.score(body, about)

    def _measure(self, parent: Endpoint, deployment: Deployment, scored: Scored) -> None:
        leaf = Leaf(deployment.name, str(scored.answer.status), str(scored.model_status))
        self.measured.add(parent.name, leaf, scored.milliseconds)

    def _copied(self, parent: Endpoint, mirror: Mapping[str, int], place: int) -> Deployment | None:
        """Return the deployment that gets a copy of a request; it is counted."""
        for name, share in mirror.items():
            if place < share:
                self.mirrored.append((parent.name, name))
                return parent.deployments.get(name)
        return None

    def _mirror(
        self,
        parent: Endpoint,
        deployment: Deployment,
        body: RequestBody | bytes,
        about: dict[str, str],
    ) -> None:
        """Have a copy answered; nobody gets the answer."""
        container = deployment.container
        if container is None:
            return

        def ask() -> None:
            scored = container.score(body, about)
            if self.state.switches.mirrored_requests == "counted":
                with self.inside():
                    self._measure(parent, deployment, scored)

        if container.instant:
            ask()
        else:
            threading.Thread(target=ask, name="mirrored", daemon=True).start()
