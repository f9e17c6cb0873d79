"""Requests to an endpoint's scoring address (azure-machine-learning-v2 §5.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.azureml.answers import Answer, RequestBody
from local.azureml.state import Endpoint, State, hashed_scores
from local.azureml.traffic import Draw, EvenDraw, deployment_at

DEPLOYMENT = "azureml-model-deployment"
_BEARER = "Bearer "


@dataclass
class Scoring:
    """Answers requests to the endpoints, and keeps who answered."""

    state: State
    draw: Draw = field(default_factory=EvenDraw)
    answered: list[tuple[str, str]] = field(default_factory=list)  #: endpoint, deployment
    mirrored: list[tuple[str, str]] = field(default_factory=list)

    def score(self, endpoint: str, body: RequestBody, headers: Mapping[str, str]) -> Answer:
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
            return Answer(404)
        if not self._is_authorized(parent, sent.get("authorization", "")):
            return Answer(401)
        traffic, mirror = parent.routes(self.state.clock.now())
        name = sent.get(DEPLOYMENT)
        if name is None:
            place = self.draw()
            name = deployment_at(traffic, place)
            self._mirror(endpoint, mirror, place)
        if name is None:
            return Answer(404)
        answer = self._answer_by(parent, name, body)
        same = {"x-ms-client-request-id": sent.get("x-ms-client-request-id", "made-up")}
        return Answer(answer.status, answer.body, same | dict(answer.headers))

    def _answer_by(self, parent: Endpoint, name: str, body: RequestBody) -> Answer:
        deployment = parent.deployments.get(name)
        if deployment is None or deployment.model is None:
            return Answer(404)
        model = deployment.model
        self.answered.append((parent.name, name))
        answer = self.state.scores.get(model.lower(), hashed_scores(model))(body)
        about = {DEPLOYMENT: name, "azureml-model-session": name, "x-ms-run-fn-exec-ms": "3.1"}
        return Answer(answer.status, answer.body, about | dict(answer.headers))

    def _is_authorized(self, parent: Endpoint, authorization: str) -> bool:
        if not authorization.startswith(_BEARER):
            return False
        said = authorization.removeprefix(_BEARER)
        if parent.properties.get("authMode") == "Key":
            return said in (parent.key, f"{parent.key}-second")
        return self.state.clock.now() < parent.tokens.get(said, self.state.clock.now())

    def _mirror(self, endpoint: str, mirror: Mapping[str, int], place: int) -> None:
        for name, share in mirror.items():
            if place < share:
                self.mirrored.append((endpoint, name))
