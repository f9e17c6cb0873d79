"""The serving port over Studio's endpoints, Classic and New.

Such an endpoint holds one model: there is no candidate beside it and no part of the requests,
so that a promotion is one shift, to 100 percent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.core.config.studio_models import blob_of
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.errors import PermanentError
from shared.ports.serving import Keep, Plan
from shared.providers.studio.baselines import Baselines
from shared.providers.studio.current import StudioEndpoint

_ALL: Final = 100


@dataclass(frozen=True, slots=True)
class StudioServing:
    """One endpoint of Studio.

    Args:
        endpoint: its client.
        baselines: which models it may be given.
        name: the endpoint's, for messages.
        resource: the updatable resource; None: the only one.
    """

    endpoint: StudioEndpoint
    baselines: Baselines
    name: str
    resource: str | None

    @property
    def plan(self) -> Plan:
        """One step, and nothing is staged."""
        return Plan()

    def ensure(self) -> None:
        """Make the endpoint where it is to be made. Raises as the port says."""
        self.endpoint.ensure()

    def current(self, keep: Keep | None = None) -> ServingState | None:
        """Return what serves, kept where it can be; there is nothing to compare without `keep`.

        Raises:
            PermanentError: the endpoint has no such resource.
        """
        current = self.endpoint.current()
        known = current.resources
        if self.resource and known is not None and self.resource not in known:
            there = ", ".join(repr(name) for name in known) or "none: is it a training service?"
            raise PermanentError(
                f"endpoint {self.name} has no updatable resource {self.resource!r}; it has {there}",
                cure="correct `resource` of the endpoint in pipelines.yaml",
            )
        return self.baselines.kept(current, keep) if keep is not None else None

    def restorable(self, state: ServingState) -> bool:
        """Return whether the model of a state is still there. Raises TransientError."""
        return self.baselines.restorable(state)

    def candidate(self, model: ModelRef, run_id: str) -> Candidate:
        """Return the model as a candidate: it has no name of its own at the endpoint.

        Args:
            model: the model.
            run_id: the run.
        """
        del run_id
        return Candidate(name=model.name, state=ServingState(model=model))

    def stage(self, candidate: Candidate) -> None:
        """Do nothing: the endpoint holds one model, the one that serves."""

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        """Return that the candidate is ready: it is nothing but the model."""
        return EndpointCheck(UpdateProgress.DONE, None, configured=candidate.name)

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        """Return the answers of what serves.

        Args:
            rows: the request with the probe rows.
            candidate: the candidate that is to answer; None: what serves.

        Raises:
            PermanentError: a candidate is given, or it is not known where to send the rows.
        """
        if candidate is not None:
            raise PermanentError(f"endpoint {self.name} cannot score with a model beside its own")
        return self.endpoint.score(dict(rows))

    def shift(self, shift: Shift) -> str | None:
        """Update the endpoint to the model. Raises as the port says."""
        if shift.share != _ALL:
            raise PermanentError(f"endpoint {self.name} holds one model: it gets all requests")
        return self.restore(shift.candidate.state)

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        """Return what the service says of its last update, and its answers.

        Args:
            operation: the operation of the last update, where there is one.
            shift: the shift that was asked for, where there is one.
        """
        del shift  # the model that is asked for is named by the record
        return self.endpoint.look(operation)

    def restore(self, state: ServingState) -> str | None:
        """Update the endpoint to a model from before. Raises as the port says."""
        if state.model is None:
            return self.endpoint.refresh()
        model = blob_of(state.model)
        now = self.baselines.models.head(model.container, model.name)
        if now is None or not now.same_bytes_as(model):
            raise PermanentError(
                f"the model {model.path} is {'changed' if now else 'gone'} since it was judged"
            )
        return self.endpoint.update(model)

    def discard(self, candidate: Candidate) -> bool:
        """Return that nothing is left: a model at the endpoint is replaced by the next one."""
        del candidate
        return True
