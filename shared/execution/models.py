"""The steps of a trained model before its verdict: it is collected, and staged at its endpoint."""

from datetime import timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.config.types import show_duration
from shared.core.run.commands import Event
from shared.core.run.control_events import (
    ModelCollected,
    ModelsCollected,
    NothingToPromote,
    StepBlocked,
)
from shared.core.run.gate_events import (
    NO_ENDPOINT,
    CandidateFailed,
    CandidateLost,
    CandidateReady,
    CandidateStaged,
)
from shared.core.run.record import Run
from shared.core.service import service
from shared.core.serving.due_candidates import staged
from shared.core.serving.probes import CandidateFailure, EndpointCheck, UpdateProgress
from shared.core.serving.references import Candidate
from shared.core.serving.state import EndpointState
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.drift_schedule import schedule_drift_check
from shared.execution.inputs import request_of
from shared.execution.leased_endpoint import endpoint_of
from shared.ports.serving import ServingEndpoint
from shared.ports.training import FinishedJob, TrainingService

#: How long a job's record or its output blob may become visible late.
LATE: Final = timedelta(minutes=10)
#: A service may need this long to make a candidate ready (azure-machine-learning-v2 §5.2).
READY_WITHIN: Final = timedelta(hours=1)
#: How often a candidate is made anew where the service failed, and not the model.
_AGAIN: Final = 2


@service
class ModelSteps:
    """Finds the model of each endpoint."""

    context: Context

    def collect(self, run: Run, service: TrainingService) -> Event:
        """Return the models for the run's endpoints.

        Args:
            run: the run, its job finished.
            service: the training service.

        Returns:
            The event with the models.

        Raises:
            TransientError: a model is not there yet.
            PermanentError: it is empty, or it is not clear which output is the model.
        """
        endpoints = run.config.endpoints
        if run.model is not None:  # uploaded by an operator
            if len({endpoint.model for endpoint in endpoints}) > 1:
                raise PermanentError(
                    "the endpoints want different models, and one is an operator's model: "
                    "give each of them a pipeline of its own for that"
                )
            model = service.model_again(run.model)
            models = dict.fromkeys([e.name for e in endpoints] or [""], model)
        else:
            wanted = {endpoint.name: endpoint.model for endpoint in endpoints}
            job = finished_job(run)
            models = dict(service.models(job, wanted or {"": None}))
            if endpoints or not run.config.gate.rules:  # else after the verdict
                models = {name: service.register(job, model) for name, model in models.items()}
        if not models:
            return NothingToPromote("the job makes no model")
        if not endpoints:
            first = next(iter(models.values()))
            if run.config.gate.rules:  # a consumer of the model needs the verdict
                return ModelCollected(first)
            return NothingToPromote(f"trained; {NO_ENDPOINT}", first)
        if len(endpoints) == 1:
            (endpoint,) = endpoints
            stages = self.context.providers.serving(endpoint).plan.stages
            return ModelCollected(models[endpoint.name], stages)
        return ModelsCollected(models)


def finished_job(run: Run) -> FinishedJob:
    """Return the job of a run's present attempt, by the reference of its service."""
    return FinishedJob(run.job or "", run.job_at, request_of(run))


def log_lines_of(serving: ServingEndpoint, candidate: Candidate | None) -> str:
    """Return the last lines of a candidate as a part of a reason; empty where there are none.

    Args:
        serving: its endpoint.
        candidate: the candidate; None: the model was not staged, and has no log.
    """
    if candidate is None:
        return ""
    try:
        lines = serving.log_lines(candidate)
    except (TransientError, PermanentError) as exc:
        lines = f"not readable: {exc}"
    return f"; its log ends: {lines}" if lines else ""


@service
class StagingSteps:
    """Stages the model of a run at its endpoint. The serving state is not changed."""

    context: Context

    def stage(self, run: Run) -> Event:
        """Stage the model, after the endpoint state says so. Safe to repeat."""
        endpoint = endpoint_of(run)
        if run.model is None:
            raise PermanentError(f"run {run.run_id} has no model to promote")
        serving = self.context.providers.serving(endpoint)
        candidate = serving.candidate(run.model, run.run_id, run.stagings)
        # Before the call: the candidate is discarded later, however this run ends.
        self._announce(run, endpoint, candidate)
        serving.ensure()
        serving.stage(candidate)
        return CandidateStaged(candidate)

    def check(self, run: Run) -> Event | None:
        """Return whether the candidate is ready; None while it is not.

        Raises:
            PermanentError: it is not ready after so long.
        """
        endpoint, candidate = endpoint_of(run), run.candidate
        if candidate is None:
            raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a candidate")
        serving = self.context.providers.serving(endpoint)
        found = serving.candidate_state(candidate)
        match found.progress:
            case UpdateProgress.FAILED:
                return _failed(run, serving, candidate, found)
            case UpdateProgress.PENDING:
                now = self.context.clock.now()
                if now - (run.staged_at or now) >= READY_WITHIN:
                    raise PermanentError(
                        f"candidate {candidate.name} is not ready after "
                        f"{show_duration(READY_WITHIN)}: {found.detail}",
                        advice="check its state at its service",
                    )
                return None
            case _:
                return CandidateReady()

    def _announce(self, run: Run, endpoint: Endpoint, candidate: Candidate) -> None:
        def with_candidate(known: EndpointState | None) -> EndpointState:
            known = known or EndpointState(ref=endpoint.ref)
            return staged(known, run.run_id, endpoint.resource_name, candidate)

        self.context.ledger.endpoint_states.update(endpoint.ref.id, with_candidate)
        schedule_drift_check(self.context, run, endpoint)  # which discards it


def _failed(
    run: Run, serving: ServingEndpoint, candidate: Candidate, found: EndpointCheck
) -> Event:
    """Return what follows when the service could not make a candidate ready."""
    why = f"candidate {candidate.name} cannot be made ready: {found.detail}"
    if found.failure is CandidateFailure.AGAIN and run.stagings < _AGAIN:
        return CandidateLost(why)
    if found.failure in (CandidateFailure.AGAIN, CandidateFailure.PARK):
        advice = found.advice or "check its state at its service"
        advice = f"{advice}, then retry the run, or cancel it"
        return StepBlocked(why, advice, staged_again=True)
    return CandidateFailed(f"{why}{log_lines_of(serving, candidate)}")
