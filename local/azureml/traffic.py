"""Traffic and mirror: their rules, and who answers (azure-machine-learning-v2 §5.3, §5.4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.azureml.answers import Answer, RequestBody
from local.azureml.state import Deployment, Endpoint, State, hashed_scores

DEPLOYMENT = "azureml-model-deployment"
_BEARER = "Bearer "
#: Which of 100 positions on the traffic map the next request takes.
Draw = Callable[[], int]
_WHOLE = 100
_MIRROR_MOST = 50


@dataclass
class EvenDraw:
    """A deterministic draw: 100 requests in a row take each of 100 positions once."""

    drawn: int = 0

    def __call__(self) -> int:
        """Return the next position."""
        position = self.drawn * 37 % _WHOLE
        self.drawn += 1
        return position


@dataclass
class ScriptedDraw:
    """The positions that a test gives, one after another; then 0."""

    places: list[int] = field(default_factory=list)

    def __call__(self) -> int:
        """Return the next place."""
        return self.places.pop(0) if self.places else 0


def deployment_at(traffic: Mapping[str, int], position: int) -> str | None:
    """Return the deployment at a position of the map, in the order of their names.

    Args:
        traffic: shares; their sum is 0 or 100.
        position: from 0 to 99.

    Returns:
        Its name; none when nothing has traffic.
    """
    for name in sorted(traffic):
        if position < traffic[name]:
            return name
        position -= traffic[name]
    return None


@dataclass(frozen=True)
class TrafficRequest:
    """The traffic that a PUT asks for."""

    traffic: dict[str, Any]  #: not checked yet
    mirror: dict[str, Any]

    def problem(self, *, kubernetes: bool) -> str | None:
        """Say what is wrong with the numbers themselves, if anything is."""
        shares = [*self.traffic.values(), *self.mirror.values()]
        if any(not isinstance(share, int) or not 0 <= share <= _WHOLE for share in shares):
            return "Traffic must be whole numbers from 0 to 100."
        if sum(self.traffic.values()) not in (0, _WHOLE):
            return "The sum of traffic must be 0 or 100."
        mirrored = {name for name, share in self.mirror.items() if share}
        if mirrored and kubernetes:
            return "Mirror traffic is for managed endpoints."
        if len(mirrored) > 1:
            return "Mirror traffic can go to one deployment."
        if any(share > _MIRROR_MOST for share in self.mirror.values()):
            return "Mirror traffic can be 50 percent at most."
        if any(self.traffic.get(name) for name in mirrored):
            return "A deployment with live traffic cannot be mirrored to."
        return None

    def unknown(self, known: Mapping[str, Deployment]) -> str | None:
        """Name a deployment that does not exist."""
        return next((n for n in (*self.traffic, *self.mirror) if n not in known), None)

    def unready(self, known: Mapping[str, Deployment]) -> str | None:
        """Name a deployment that shall get requests and has not succeeded."""
        shares = (*self.traffic.items(), *self.mirror.items())
        asked = (name for name, share in shares if share)
        return next((name for name in asked if known[name].state != "Succeeded"), None)


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
