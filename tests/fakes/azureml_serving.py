"""The serving port over Azure Machine Learning v2 in memory: deployments and a traffic map.

See azure-machine-learning-v2 §5. The endpoint's body is read before each PUT, since the
service has no ETag: what is there must be what the app knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from local.azureml.answers import LOCATION, Answer, Body, NoAnswerError
from local.azureml.service import AzureMl
from shared.core.names import digest
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficPoint, TrafficQuery
from shared.errors import ChangedByOthersError, OutcomeUnknownError, PermanentError, TransientError
from shared.ports.serving import Keep, Plan
from tests.fakes.faults import Faults

WHO: Final = "azureml-model-deployment"
PROVIDER: Final = "azureml"
_BUSY: Final = frozenset({"creating", "updating", "deleting", "scaling"})
_FAILED: Final = frozenset({"failed", "canceled"})
_ALL: Final = 100
_READ_ONLY: Final = ("id", "name", "type", "kind", "systemData")
_READ_ONLY_PROPERTIES: Final = ("scoringUri", "swaggerUri", "provisioningState", "properties")


def model_ref(arm_id: str) -> ModelRef:
    """Return the reference to a version of a model."""
    parts = arm_id.split("/")
    name = f"{parts[-3]}/{parts[-1]}"
    return ModelRef(
        provider=PROVIDER, name=name, digest=digest(arm_id.lower()), reference={"id": arm_id}
    )


@dataclass
class AzureMlServing:
    """One online endpoint.

    Args:
        service: the workspace.
        endpoint: the name of the endpoint.
        rows: the probe; None: nothing is scored.
        faults: what goes wrong at each write.
        plan: how a model is promoted.
    """

    service: AzureMl
    endpoint: str
    rows: Mapping[str, Any] | None = None
    faults: Faults = field(default_factory=Faults)
    plan: Plan = field(
        default_factory=lambda: Plan(stages=True, shares=(10, 50, 100), keeps=timedelta(days=1))
    )

    def ensure(self) -> None:
        if self.service.get_endpoint(self.endpoint).status != 404:
            return
        own = {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}}
        body = {"location": LOCATION, "identity": {"type": "SystemAssigned"}, "properties": own}
        self._write("PUT endpoint", lambda: self.service.put_endpoint(self.endpoint, body))

    def current(self, keep: Keep | None = None) -> ServingState | None:
        del keep  # the bodies of the deployments last
        return self._state(self._traffic(self._ready_endpoint()))

    def log_lines(self, candidate: Candidate) -> str:
        return str(self.service.get_logs(self.endpoint, candidate.name).body["content"])

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        del query
        return ()

    def restorable(self, state: ServingState) -> bool:
        for name, body in state.body.get("deployments", {}).items():
            there = self.service.get_deployment(self.endpoint, name)
            title, version = model_ref(body["properties"]["model"]).name.split("/")
            known = there.status == 200 or self.service.get_model(title, version).status == 200
            if not known:
                return False
        return bool(state.traffic)

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        name = f"m-{digest(run_id, model.digest, str(again))}"
        properties = {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_F4s_v2",
            "model": model.reference["id"],
            "scaleSettings": {"scaleType": "Default"},
        }
        sku = {"name": "Default", "capacity": 1}
        tags = {"relearn.run": run_id}
        body = {"location": LOCATION, "tags": tags, "sku": sku, "properties": properties}
        state = ServingState(
            model=model, traffic=TrafficMap.of({name: _ALL}), body={"deployments": {name: body}}
        )
        return Candidate(name=name, state=state)

    def stage(self, candidate: Candidate) -> None:
        self._make(candidate.name, candidate.state.body["deployments"][candidate.name])

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        answer = self._read(self.service.get_deployment(self.endpoint, candidate.name))
        if answer is None:
            return EndpointCheck(UpdateProgress.PENDING, None, detail="it is not there yet")
        state = str(answer["properties"]["provisioningState"]).lower()
        if state in _FAILED:
            return EndpointCheck(UpdateProgress.FAILED, None, detail=self._why(answer))
        progress = UpdateProgress.DONE if state == "succeeded" else UpdateProgress.PENDING
        return EndpointCheck(progress, None, configured=candidate.state.name, detail=state)

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        request = digest(str(rows))
        try:
            key = self.service.list_keys(self.endpoint).body["primaryKey"]
            named = {WHO: candidate.name} if candidate else {}
            headers = {"Authorization": f"Bearer {key}", **named}
            answer = self.service.score(self.endpoint, _body(rows), headers)
        except (NoAnswerError, TypeError) as exc:
            return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=str(exc), request=request)
        detail = f"HTTP {answer.status}"
        if answer.status == 424:
            return ProbeAnswers(seen=ProbeOutcome.BROKEN, detail=detail, request=request)
        if answer.status != 200:
            return ProbeAnswers(seen=ProbeOutcome.NO_ANSWER, detail=detail, request=request)
        scores = tuple((str(one),) for one in answer.body)
        return ProbeAnswers(
            seen=ProbeOutcome.GOOD,
            columns=("Scored",),
            rows=scores,
            request=request,
            answered_by=answer.headers.get(WHO, ""),
        )

    def shift(self, shift: Shift) -> str | None:
        body = self._ready_endpoint()
        assert shift.wanted is not None
        self._to(body, shift.wanted, (shift.before,))
        return None

    def _to(self, body: Body, wanted: TrafficMap, known: tuple[TrafficMap | None, ...]) -> None:
        now = self._traffic(body)
        if now == wanted:
            return
        if now not in known:
            text = f"others changed endpoint {self.endpoint}: its traffic is {now}, not {known}"
            raise ChangedByOthersError(text, now.model_dump())
        self._put_traffic(body, wanted.shares)

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        del operation  # the endpoint's state is the truth
        body = self._endpoint()
        now = self._traffic(body)
        state = str(body["properties"]["provisioningState"]).lower()
        if state in _BUSY:
            return EndpointCheck(UpdateProgress.PENDING, None, detail=state, traffic=now)
        if state in _FAILED:
            why = self._why(body)
            return EndpointCheck(UpdateProgress.FAILED, None, detail=why, traffic=now)
        if shift is None:
            serving = self._state(now)
            named = serving.name if serving is not None else None
            probe = self._probe(None)
            return EndpointCheck(UpdateProgress.DONE, probe, configured=named, traffic=now)
        # While others answer too, the candidate is asked by its name.
        pinned = shift.candidate if shift.share < _ALL else None
        return EndpointCheck(UpdateProgress.DONE, self._probe(pinned), traffic=now)

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        assert state.traffic is not None
        for name in state.traffic.shares:
            there = self._read(self.service.get_deployment(self.endpoint, name))
            if there is None:
                self._make(name, state.body["deployments"][name])
            ready = str(there["properties"]["provisioningState"]).lower() if there else ""
            if ready in _FAILED:
                raise PermanentError(f"deployment {name} cannot be made again")
            if ready != "succeeded":
                wait = timedelta(hours=1)
                raise TransientError(f"deployment {name} is being made again", patience=wait)
        self._to(self._ready_endpoint(), state.traffic, known)
        return None

    def discard(self, candidate: Candidate) -> bool:
        if self._read(self.service.get_deployment(self.endpoint, candidate.name)) is None:
            return True
        if self._traffic(self._ready_endpoint()).shares.get(candidate.name):
            raise PermanentError(f"deployment {candidate.name} has traffic")
        delete = self.service.delete_deployment
        self._write("DELETE deployment", lambda: delete(self.endpoint, candidate.name))
        return False

    # What is sent.

    def _make(self, name: str, body: Body) -> None:
        if self._read(self.service.get_deployment(self.endpoint, name)) is None:
            put = self.service.put_deployment
            self._write("PUT deployment", lambda: put(self.endpoint, name, body))

    def _put_traffic(self, body: Body, wanted: Mapping[str, int]) -> None:
        sent = {name: one for name, one in body.items() if name not in _READ_ONLY}
        sent["identity"] = {"type": body["identity"]["type"]}
        own = body["properties"]
        kept = {name: one for name, one in own.items() if name not in _READ_ONLY_PROPERTIES}
        sent["properties"] = {**kept, "traffic": dict(wanted), "mirrorTraffic": {}}
        self._write("PUT endpoint", lambda: self.service.put_endpoint(self.endpoint, sent))

    def _write(self, site: str, do: Callable[[], Answer]) -> None:
        answered(site, self.faults, do)

    # What is read.

    def _endpoint(self) -> Body:
        body = self._read(self.service.get_endpoint(self.endpoint))
        if body is None:
            raise PermanentError(f"there is no endpoint {self.endpoint}")
        return body

    def _ready_endpoint(self) -> Body:
        body = self._endpoint()
        state = str(body["properties"]["provisioningState"])
        if state.lower() in _BUSY:
            raise TransientError(f"endpoint {self.endpoint} is {state}")
        return body

    def _read(self, answer: Answer) -> Body | None:
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise TransientError(f"endpoint {self.endpoint}: HTTP {answer.status}")
        body: Body = answer.body
        return body

    def _traffic(self, body: Body) -> TrafficMap:
        own = body["properties"]
        return TrafficMap.of(own["traffic"], own.get("mirrorTraffic"))

    def _state(self, traffic: TrafficMap) -> ServingState | None:
        if not traffic.shares:
            return None
        deployments = {}
        for name in traffic.shares:
            shown = self._read(self.service.get_deployment(self.endpoint, name)) or {}
            own = shown.get("properties", {})
            kept = ("endpointComputeType", "instanceType", "model", "scaleSettings")
            deployments[name] = {
                "location": shown.get("location", LOCATION),
                "tags": shown.get("tags", {}),
                "sku": shown.get("sku", {}),
                "properties": {key: own[key] for key in kept if key in own},
            }
        model = deployments[traffic.largest]["properties"].get("model")
        body = {"deployments": deployments}
        return ServingState(model=model_ref(model) if model else None, traffic=traffic, body=body)

    def _probe(self, candidate: Candidate | None) -> ProbeAnswers | None:
        return self.score(self.rows, candidate) if self.rows is not None else None

    def _why(self, body: Body) -> str:
        url = body["properties"]["properties"].get("AzureAsyncOperationUri", "")
        reported = self.service.get_operation(url) if url else Answer(404)
        error = (reported.body or {}).get("error") or {}
        return f"{error.get('code', 'no reason')}: {error.get('message', '')}"


def answered(site: str, faults: Faults, do: Callable[[], Answer]) -> Answer:
    """Do a write, and return its answer; every way in which it may fail is an error of the app's.

    Raises:
        TransientError: it was not done.
        OutcomeUnknownError: it may have been done.
        PermanentError: it is refused.
    """
    try:
        answer = faults.effect(site, do, _torn)
    except NoAnswerError as exc:
        raise OutcomeUnknownError(str(exc)) from exc
    if answer.status in (409, 429):
        raise TransientError(f"{site}: HTTP {answer.status}")
    if answer.status >= 500 or (answer.status < 300 and answer.body is _TORN):
        raise OutcomeUnknownError(f"{site}: HTTP {answer.status}")
    if answer.status >= 400:
        raise PermanentError(f"{site}: {answer.body['error']['message']}")
    return answer


_TORN: Final = object()


def _torn(answer: Answer) -> Answer:
    return Answer(answer.status, _TORN, answer.headers)


def _body(rows: Mapping[str, Any]) -> Body:
    """Return the probe rows of a pipeline, as this service takes them."""
    (table,) = rows["Inputs"].values()
    return {"input_data": {"columns": table["ColumnNames"], "data": table["Values"]}}
