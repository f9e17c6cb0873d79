"""Collects the models that a finished job, or an operator, left for the endpoints of a run."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.run.control_events import Event, ModelCollected, ModelsCollected, NothingToPromote
from shared.core.run.gate_events import NO_ENDPOINT
from shared.core.run.record import Run
from shared.errors import PermanentError
from shared.execution.context import Context
from shared.execution.inputs import request_of
from shared.ports.training import Job, TrainingService

#: How long a job's record or its output blob may become visible late.
LATE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
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
                    "the endpoints want different models, and one was put by hand: "
                    "give each of them a pipeline of its own for that"
                )
            model = service.model_again(run.model)
            models = dict.fromkeys([e.name for e in endpoints] or [""], model)
        else:
            wanted = {endpoint.name: endpoint.model for endpoint in endpoints}
            models = dict(service.models(finished_job(run), wanted or {"": None}))
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


def finished_job(run: Run) -> Job:
    """Return the job of a run's present attempt, by the reference of its service."""
    return Job(run.job or "", run.job_at, request_of(run))
