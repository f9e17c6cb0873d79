"""The serving port over one managed online endpoint (azure-machine-learning-v2 §5).

A candidate is a deployment; the endpoint's traffic map says which of them get requests.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from shared.core.config.azureml_endpoint_parts import CreateEndpoint
from shared.core.config.azureml_models import model_asset
from shared.core.service import service
from shared.core.serving.probes import CandidateFailure, EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.core.serving.traffic import ALL, TrafficMap
from shared.core.serving.traffic_rules import TrafficPoint, TrafficQuery
from shared.errors import PermanentError, TransientError
from shared.ports.serving import Keep, ModelAnswer, Plan
from shared.providers.azureml.deployment_bodies import (
    DEPLOYMENTS,
    INCOMPLETE,
    bodies_in,
    candidate_of,
    is_custom,
    model_of,
)
from shared.providers.azureml.deployment_errors import failure_of
from shared.providers.azureml.endpoint_bodies import new_endpoint, recorded
from shared.providers.azureml.endpoint_calls import EndpointCalls
from shared.providers.azureml.online_resources import ShownDeployment, ShownEndpoint
from shared.providers.azureml.scoring import Scoring
from shared.providers.azureml.traffic_metrics import measured_requests
from shared.providers.azureml.traffic_updates import TrafficUpdates

#: How long an endpoint that is made may take (azure-machine-learning-v2 §5.2).
_MADE_WITHIN: Final = timedelta(minutes=30)
_LOG_LINES: Final = 50
_LONGEST_LOG: Final = 4_000
_ONE_OF_THEM: Final = "give one deployment 100 % of the traffic"


@service
class AzureMlServing:
    """One managed online endpoint.

    Args:
        calls: the calls of the endpoint.
    """

    calls: EndpointCalls

    @property
    def plan(self) -> Plan:
        """The steps of `traffic`; without it, all requests at once."""
        usual = Plan(stages=True, keeps=self.calls.endpoint.keep_old)
        wanted = self.calls.endpoint.traffic
        if wanted is None:
            return usual
        return replace(
            usual,
            shares=wanted.steps,
            bake=wanted.bake,
            mirror=wanted.mirror or 0,
            rules=wanted.rules,
            give_up_after=wanted.give_up_after,
        )

    def ensure(self) -> None:
        """Make the endpoint, without traffic, where there is none and `create` says to.

        Raises:
            TransientError: it is being made, or the workspace gives no usable answer now.
            OutcomeUnknownError: it may be.
            PermanentError: there is none and none is to be made, or it is not a managed one.
        """
        found, create = self.calls.find(), self.calls.endpoint.create
        name = self.calls.name
        if found is None and isinstance(create, CreateEndpoint):
            body = new_endpoint(create, self.calls.workspace_location())
            self.calls.put_endpoint(body)
            text = f"endpoint {name} is being made: waiting for it"
            raise TransientError(text, patience=_MADE_WITHIN)
        if found is None:
            found = self.calls.read()  # says what to do
        if found.scoring_uri and not found.is_being_deleted:
            return
        if found.is_failed:
            failed = failure_of(self.calls.call, found)
            advice = (
                f"{failed.advice or 'see its operation'}; delete the endpoint to have it made anew"
            )
            text = f"endpoint {name} could not be made: {failed}"
            raise PermanentError(f"{text}: {advice}", advice=advice)
        text = f"endpoint {name} is {found.state}, and takes no model yet: waiting for it"
        raise TransientError(text, patience=_MADE_WITHIN)

    def current(self, keep: Keep | None = None) -> ServingState | None:
        """Return the traffic, and the bodies of the deployments that get it.

        Args:
            keep: makes no difference: deployments last until they are deleted.

        Returns:
            The state; None where no deployment gets requests.

        Raises:
            TransientError: it cannot be read now, or an update runs.
            PermanentError: several deployments that are not of this app get requests.
        """
        del keep
        endpoint = self.calls.settled()
        traffic = self.calls.traffic_of(endpoint)
        if not traffic.shares:
            return None
        shown = {name: self._served_by(name) for name in (*traffic.shares, *traffic.mirror)}
        others = [name for name in traffic.shares if not shown[name].is_ours]
        if len(others) > 1:
            text = (
                f"endpoint {endpoint.name} sends requests to {' and '.join(sorted(others))}, "
                "which are not of this app"
            )
            raise PermanentError(f"{text}: {_ONE_OF_THEM}", advice=_ONE_OF_THEM)
        bodies, incomplete = {}, {}
        for name, deployment in shown.items():
            bodies[name], lost = recorded(deployment, self.calls.call.clean)
            if lost:
                incomplete[name] = list(lost)
        body: dict[str, Any] = {DEPLOYMENTS: bodies}
        if incomplete:
            body[INCOMPLETE] = incomplete
        model = self._model(shown[traffic.largest])
        return ServingState(model=model, traffic=traffic, body=body)

    def restorable(self, state: ServingState) -> bool:
        """Return whether each deployment of a state is there, or can be made again.

        Raises TransientError, PermanentError.
        """
        return self._updates.restorable(state)

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        """Return a model as a deployment with a derived name.

        Args:
            model: the model.
            run_id: the run that brings it.
            again: how many candidates of this run could not be made ready before.
        """
        return candidate_of(
            model, run_id, again, self.calls.endpoint.deployment, self.calls.call.workspace
        )

    def stage(self, candidate: Candidate) -> None:
        """Make the deployment of a candidate, without traffic; one that is there is kept.

        Raises:
            TransientError: it was not made.
            OutcomeUnknownError: it may have been; ask again.
            PermanentError: the service refuses it, or one of that name is not of this run.
        """
        body = self._body(candidate)
        there = self.calls.deployment(candidate.name)
        if there is None:
            self._require_fitting(candidate, body)
            self.calls.put_deployment(candidate.name, body, answered=False)
            return
        if there.is_being_deleted:
            raise TransientError(f"deployment {candidate.name} is being deleted: waiting for it")
        if not there.is_made_by(body):
            text = f"a deployment {candidate.name} is there that is not of this run"
            raise self.calls.refused(text, "delete that deployment")

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        """Return whether the deployment of a candidate has succeeded, by one GET while it works.

        Raises TransientError, PermanentError.
        """
        there = self.calls.deployment(candidate.name)
        if there is None:
            return EndpointCheck(UpdateProgress.PENDING, None, detail="it is not there yet")
        if there.is_failed:
            return self._failed(there)
        if there.is_being_deleted:
            return EndpointCheck(
                UpdateProgress.FAILED,
                None,
                detail=f"deployment {candidate.name} is being deleted",
                failure=CandidateFailure.PARK,
                advice="see who deletes it",
            )
        progress = UpdateProgress.DONE if there.is_ready else UpdateProgress.PENDING
        named = self._named(there, candidate) if there.is_ready else None
        return EndpointCheck(progress, None, configured=named, detail=there.state)

    def log_lines(self, candidate: Candidate) -> str:
        """Return the last lines that the container of a candidate wrote.

        Raises TransientError, PermanentError.
        """
        text = self.calls.call.clean(self.calls.log(candidate.name, _LOG_LINES))
        lines = [line.rstrip() for line in text.splitlines() if line.strip()][-_LOG_LINES:]
        return "\n".join(lines)[-_LONGEST_LOG:]

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        """Return the answers for probe rows. No usable answer is one too, and no error.

        Args:
            rows: the body of the request.
            candidate: the candidate that is to answer; None: whichever gets the request.

        Raises PermanentError when it is not known where to send them.
        """
        return self._scoring.score(rows, candidate.name if candidate else "")

    def answer(self, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        """Return the whole answer for rows. No usable answer is one too, and no error.

        Args:
            rows: the body of the request.
            name: the deployment that is to answer; empty: whichever gets the request.

        Raises PermanentError when it is not known where to send them.
        """
        return self._scoring.answer(rows, name)

    def shift(self, shift: Shift) -> str | None:
        """Give a candidate a share of the requests; there is no handle. Raises as the port says."""
        self._updates.shift(shift)
        return None

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        """Return the state of the endpoint, its traffic, and the probe's answers.

        Args:
            operation: makes no difference: the state of the endpoint is the truth.
            shift: what was asked for; without all of the requests its candidate is probed by name.

        Raises TransientError, PermanentError.
        """
        del operation
        endpoint = self.calls.read()
        traffic = self.calls.traffic_of(endpoint)
        detail = "; ".join(part for part in (endpoint.state, self.calls.left_out) if part)
        if endpoint.is_failed:
            return self._failed(endpoint, traffic)
        if not endpoint.is_ready:
            return EndpointCheck(UpdateProgress.PENDING, None, detail=detail, traffic=traffic)
        pinned = shift.candidate if shift is not None and shift.share < ALL else None
        rows = self.calls.endpoint.rows
        probe = self.score(rows, pinned) if rows is not None else None
        named = self._serving_name(traffic) if shift is None else _shifted_name(shift, traffic)
        return EndpointCheck(UpdateProgress.DONE, probe, named, detail, traffic)

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        """Return what the monitor measured of requests. Raises as the port says."""
        return measured_requests(self.calls, query)

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        """Give a state its traffic again. Raises as the port says.

        Args:
            state: what the endpoint is to serve.
            known: the traffic that it may have now, apart from that of the state.

        Returns:
            None: the state of the endpoint says how it goes on.
        """
        self._updates.restore(state, known)
        return None

    def discard(self, candidate: Candidate) -> bool:
        """Delete the deployment of a candidate, if it has the tag of this app and no traffic.

        Raises TransientError, OutcomeUnknownError, PermanentError.
        """
        there = self.calls.deployment(candidate.name)
        if there is None or not there.is_ours:
            return True
        if there.is_being_deleted:
            return False
        traffic = self.calls.traffic_of(self.calls.settled())
        if candidate.name in (*traffic.shares, *traffic.mirror):
            text = f"deployment {candidate.name} gets requests, and is not deleted"
            raise self.calls.refused(text, "give its traffic to another deployment first")
        return self.calls.delete_deployment(candidate.name)

    def _served_by(self, name: str) -> ShownDeployment:
        found = self.calls.deployment(name)
        if found is None:
            text = f"deployment {name}, which gets requests, is not there: {_ONE_OF_THEM}"
            raise TransientError(f"endpoint {self.calls.name}: {text}")
        return found

    def _serving_name(self, traffic: TrafficMap) -> str | None:
        """Return the name of the model of the deployment with the most requests."""
        found = self.calls.deployment(traffic.largest) if traffic.shares else None
        model = self._model(found) if found is not None else None
        return model.name if model is not None else None

    def _model(self, deployment: ShownDeployment) -> ModelRef | None:
        if self.calls.call.redactor.names_secret(deployment.model):
            raise TransientError(f"deployment {deployment.name}: the id of its model is a secret")
        return model_of(deployment.model, self.calls.call.workspace)

    def _named(self, there: ShownDeployment, candidate: Candidate) -> str | None:
        if there.is_made_by(self._body(candidate)):
            return candidate.state.name
        model = self._model(there)
        return model.name if model is not None else None

    def _failed(
        self, resource: ShownEndpoint | ShownDeployment, traffic: TrafficMap | None = None
    ) -> EndpointCheck:
        failed = failure_of(self.calls.call, resource)
        return EndpointCheck(
            UpdateProgress.FAILED,
            None,
            detail=str(failed),
            traffic=traffic,
            failure=failed.failure,
            advice=failed.advice,
        )

    def _body(self, candidate: Candidate) -> dict[str, Any]:
        body = bodies_in(candidate.state).get(candidate.name)
        if body is None:
            raise PermanentError(f"candidate {candidate.name} is not a deployment of this endpoint")
        return body

    def _require_fitting(self, candidate: Candidate, body: Mapping[str, Any]) -> None:
        """Refuse a model that is not in this workspace, or that nothing would serve."""
        model = candidate.state.model
        try:
            where, _ = model_asset(model) if model else (self.calls.call.workspace, None)
        except ValueError as exc:
            raise PermanentError(f"endpoint {self.calls.name}: {exc}") from None
        if where.identity != self.calls.call.workspace.identity:
            text = f"the model is registered in workspace {where.name}, not in that of the endpoint"
            advice = "train in the workspace of the endpoint, or name an endpoint of that workspace"
            raise self.calls.refused(text, advice)
        if is_custom(model) and not body["properties"].get("environmentId"):
            text = f"{candidate.state.name} is a custom_model, which has no server of its own"
            advice = (
                "give environment and code_configuration in the deployment file, or register the "
                "model as an mlflow_model"
            )
            raise self.calls.refused(text, advice)

    @property
    def _scoring(self) -> Scoring:
        return Scoring(self.calls)

    @property
    def _updates(self) -> TrafficUpdates:
        return TrafficUpdates(self.calls)


def _shifted_name(shift: Shift, traffic: TrafficMap) -> str | None:
    """Return the name of the candidate's model, where the traffic is what was asked for."""
    return shift.candidate.state.name if traffic == shift.wanted else None
