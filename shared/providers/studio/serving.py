"""The serving port over Studio's endpoints, Classic and New, and baselines to restore.

A service may name any blob. The app gives it no right to one that it had none to: a copy is
made by the signature that the service itself sent, or not at all.

Such an endpoint holds one model: there is no second deployment and no part of the requests,
so that a promotion is one shift, to 100 percent.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from shared.core.blob_locations import escaped
from shared.core.blobs import BlobVersion
from shared.core.config.studio_types import MODEL_SUFFIX, blob_of, is_model_path, model_of
from shared.core.names import digest
from shared.core.service import service
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import Candidate, EndpointRef, ModelRef, ServingState, Shift
from shared.core.serving.traffic import ALL, TrafficMap
from shared.core.serving.traffic_rules import TrafficPoint, TrafficQuery
from shared.errors import PermanentError
from shared.ports.serving import Keep, ModelAnswer, Plan
from shared.ports.storage import Blobs
from shared.providers.studio.scoring import Current, StudioClient

_log: Final = logging.getLogger("relearn")


@service
class Baselines:
    """Which models an endpoint may be given, and copies of those that it names.

    Args:
        models: where models are.
        models_container: the container of the models that may be signed for.
        endpoint: whose baselines.
        resource_name: the resource of the endpoint that is updated.
        named_only: whether the service only gets a name, and opens the blob by its own right.
    """

    models: Blobs
    models_container: str
    endpoint: EndpointRef
    resource_name: str
    named_only: bool = False

    def kept(self, current: Current, keep: Keep) -> ServingState | None:
        """Return what serves as a state that can be restored, after a copy where it needs one.

        Args:
            current: what the endpoint says it was given.
            keep: for whom.

        Raises:
            TransientError: it cannot be copied now.
        """
        if current.location is None:
            return ServingState() if current.refreshable else None
        # What is named serves. To refresh would be another model: better no rollback than that.
        model = self._restorable(keep, *current.location)
        return ServingState(model=model_of(model)) if model is not None else None

    def restorable(self, state: ServingState) -> bool:
        """Whether a state can be restored: models may have been deleted. Raises TransientError."""
        if state.model is None:
            return True
        model = blob_of(state.model)
        if not self._may_be_given(model):
            return False  # an old record must not ask for more than a new one may
        found = self.models.head(model.container, model.name)
        return found is not None and found.same_bytes_as(model)

    def _restorable(self, keep: Keep, base: str, relative: str, sas: str) -> BlobVersion | None:
        """Return the blob to restore: the one that is named, or a copy of it."""
        if self.named_only or self._names_a_model_of_ours(relative):
            found = self._located(base, relative)
            if found is not None and self._may_be_given(found):
                return found
        # Its signature will not last: keep a copy, one for each resource, and only for this run.
        query = f"?{sas.lstrip('?')}" if sas else ""
        source = f"{base.rstrip('/')}/{escaped(relative)}{query}"
        resource_name = digest(self.resource_name, base, relative, keep.run_id)
        name = f"baselines/{self.endpoint.id}-{resource_name}{MODEL_SUFFIX}"
        try:
            return self.models.adopt(source, self.models_container, name, since=keep.since)
        except PermanentError as exc:
            _log.warning("run %s: what serves now cannot be kept: %s", keep.run_id, exc)
            return None

    def _located(self, base: str, relative: str) -> BlobVersion | None:
        """Return the blob at a location when it lies in the account of the models, else None."""
        try:
            there, here = urlsplit(base), urlsplit(self.models.account_url)
        except ValueError:
            return None  # no URL at all
        same_host = there.netloc.lower() == here.netloc.lower()
        if not same_host or there.path.strip("/") != here.path.strip("/"):
            return None
        container, _, name = relative.lstrip("/").partition("/")
        names = dict.fromkeys((name, unquote(name))) if name else {}
        found = (self.models.head(container, written) for written in names)
        return next((blob for blob in found if blob is not None), None)

    def _names_a_model_of_ours(self, relative: str) -> bool:
        """Whether a location may be a model of ours; no other blob is read."""
        written = relative.lstrip("/")
        places = (resource_name.partition("/") for resource_name in (written, unquote(written)))
        container = self.models_container
        return any(one == container and is_model_path(name) for one, _, name in places)

    def _may_be_given(self, model: BlobVersion) -> bool:
        """Whether a model may be set at the endpoint."""
        own = model.container == self.models_container and is_model_path(model.name)
        return own or self.named_only


@service
class StudioServing:
    """One endpoint of Studio.

    Args:
        endpoint: its client.
        baselines: which models it may be given.
        name: the endpoint's, for messages.
        resource: the updatable resource; None: the only one.
    """

    endpoint: StudioClient
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
                advice="correct `resource` of the endpoint in pipelines.yaml",
            )
        return self.baselines.kept(current, keep) if keep is not None else None

    def restorable(self, state: ServingState) -> bool:
        """Return whether the model of a state is still there. Raises TransientError."""
        return self.baselines.restorable(state)

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        """Return the model as a candidate: it has no name of its own at the endpoint.

        Args:
            model: the model.
            run_id: the run.
            again: it cannot fail to be made ready.
        """
        del run_id, again
        return Candidate(name=model.name, state=ServingState(model=model))

    def stage(self, candidate: Candidate) -> None:
        """Do nothing: the endpoint holds one model, the one that serves."""

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        """Return that the candidate is ready: it is nothing but the model."""
        return EndpointCheck(UpdateProgress.DONE, None, configured=candidate.name)

    def log_lines(self, candidate: Candidate) -> str:
        """Return nothing: the endpoint shows no log."""
        del candidate
        return ""

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        """Return the answers of the live model.

        Args:
            rows: the request with the probe rows.
            candidate: the candidate that is to answer; None: what serves.

        Raises:
            PermanentError: a candidate is given, or it is not known where to send the rows.
        """
        if candidate is not None:
            raise PermanentError(
                f"endpoint {self.name} cannot score with a model other than its own"
            )
        return self.endpoint.score(dict(rows))

    def answer(self, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        """Refuse: to score rows by two models needs a candidate, which this endpoint cannot hold.

        Args:
            rows: make no difference.
            name: makes none either.

        Returns:
            Nothing.

        Raises:
            PermanentError: always.
        """
        del rows, name
        raise PermanentError(f"endpoint {self.name} cannot score with a model other than its own")

    def shift(self, shift: Shift) -> str | None:
        """Update the endpoint to the model. Raises as the port says."""
        if shift.share != ALL:
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
        return self.endpoint.check(operation)

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        """Return nothing: the endpoint measures no requests."""
        del query
        return ()

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        """Update the endpoint to a model from before. Raises as the port says.

        Args:
            state: the model.
            known: nothing, for an endpoint with one model.

        Returns:
            The handle of an asynchronous operation, as `shift`, which raises the same.
        """
        del known
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
