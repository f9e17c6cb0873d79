"""Makes an endpoint ours for one update: whose turn it is, what answers now, and the way back."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from shared.context import Context
from shared.core.blobs import BlobVersion
from shared.core.facts import EndpointReserved, Fact, LeftUnsettled, Overtaken, StepRefused
from shared.core.head import Head, Reservation, head_id, reserved
from shared.core.names import MODEL_SUFFIX, digest
from shared.core.pipeline import Endpoint
from shared.core.proof import ProbeAnswers, Seen
from shared.core.run import Phase, Promotion, Run, WayBack
from shared.errors import PermanentError, TransientError
from shared.ports import Current, ServingEndpoint

#: Another run's update takes minutes; waiting for it is no trouble of ours.
_TURN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ReservationSteps:
    """Reserves endpoints (rule 8)."""

    context: Context

    def reserve(self, run: Run) -> Fact:
        """Make the endpoint ours, once its answers from before and a way back are known."""
        endpoint = run.config.endpoint
        if endpoint is None:
            raise PermanentError(f"run {run.run_id} has no endpoint to give a model to")
        serving = self.context.adapters.endpoint(endpoint)
        stored = self.context.ledger.head(head_id(endpoint.update))
        head = stored.record if stored else Head(update=endpoint.update)
        newest = head.resource(endpoint.resource).newest_data
        if newest and run.data_time < newest:
            when = f"{newest:%Y-%m-%d %H:%M:%S}"
            return Overtaken(f"{endpoint.name} already serves a model of newer data ({when} UTC)")
        left = self._left_behind(run, head)
        current = serving.current()
        if current.resources is not None and endpoint.resource not in current.resources:
            return _no_such_resource(endpoint, current.resources)
        # What answers while an earlier update is unsettled says nothing; its own run knows.
        before = self._before(serving) if left is None else None
        baseline = self._baseline(endpoint, current, head)
        mine = reserved(head, run, endpoint.resource, baseline, self.context.clock.now())
        way_back = self.way_back(mine, endpoint.resource)
        if way_back is None and run.config.gate.first_model != "allow":
            return _no_way_back(endpoint)
        if stored is None or mine != stored.record:
            expected = stored.etag if stored else None
            self.context.ledger.put_head(head_id(endpoint.update), mine, expected)
        generation = mine.reservation.generation if mine.reservation else mine.generation
        promotion = Promotion(generation=generation, before=before, way_back=way_back)
        return EndpointReserved(promotion) if left is None else self._settle(left, mine, promotion)

    def way_back(self, head: Head, resource: str) -> WayBack | None:
        """Return the best of what can still be put back; models may have been deleted."""
        for way in head.ways_back(resource):
            if way.model is None:
                return way
            found = self.context.models.head(way.model.container, way.model.name)
            if found is not None and found.same_bytes_as(way.model):
                return way
        return None

    def _settle(self, left: Reservation, head: Head, promotion: Promotion) -> Fact:
        way_back = self.way_back(head, left.resource)
        if way_back is None:
            return EndpointReserved(promotion)
        other = self.context.ledger.run(left.run_id)
        known = other.record.promotion.before if other and other.record.promotion else None
        changes = {"way_back": way_back, "before": known, "returning_resource": left.resource}
        return LeftUnsettled(promotion.model_copy(update=changes))

    def _left_behind(self, run: Run, head: Head) -> Reservation | None:
        """Return a reservation that its run will do nothing about any more.

        Raises:
            TransientError: another run is at work on this endpoint; its turn comes first.
        """
        left = head.reservation
        if left is None or left.run_id == run.run_id:
            return None
        other = self.context.ledger.run(left.run_id)
        if other and not other.record.phase.ended and other.record.phase is not Phase.PARKED:
            raise TransientError(f"run {left.run_id} is updating this endpoint", patience=_TURN)
        return left

    def _before(self, serving: ServingEndpoint) -> ProbeAnswers | None:
        """Return what the endpoint answers now; nothing is sent while that is not known.

        Raises:
            TransientError: it does not answer now.
            PermanentError: the probe's own URL or key is refused.
        """
        before = serving.look().probe
        if before is None or before.seen in (Seen.GOOD, Seen.BROKEN):
            return before
        if before.seen is Seen.NO_ANSWER:
            raise TransientError(f"the endpoint does not answer the probe: {before.detail}")
        raise PermanentError(
            f"the probe is refused: {before.detail}: correct `verify.score`, or the key"
        )

    def _baseline(self, endpoint: Endpoint, current: Current, head: Head) -> WayBack | None:
        """Return what serves before our first update, as something that can be put back."""
        known = head.resource(endpoint.resource)
        if known.baseline is not None or known.serving is not None:
            return known.baseline
        if current.location is not None:
            model = self._own_copy(endpoint, *current.location)
            if model is not None:
                return WayBack(model=model)
        return WayBack() if current.refreshable else None

    def _own_copy(
        self, endpoint: Endpoint, base: str, relative: str, sas: str
    ) -> BlobVersion | None:
        models = self.context.models
        if (model := models.located(base, relative)) is not None:
            return model
        # Its signature will not last: keep a copy of our own, one for each place.
        source = f"{base.rstrip('/')}/{quote(relative.lstrip('/'))}{sas}"
        place = digest(endpoint.resource, base, relative)
        name = f"baselines/{head_id(endpoint.update)}-{place}{MODEL_SUFFIX}"
        return models.adopt(source, self.context.models_container, name)


def _no_such_resource(endpoint: Endpoint, names: tuple[str, ...]) -> StepRefused:
    there = ", ".join(repr(name) for name in names) or "none: is it a training service?"
    return StepRefused(
        f"endpoint {endpoint.name} has no updatable resource {endpoint.resource!r}; it has {there}",
        "correct `resource` of the endpoint in pipelines.yaml, then retry the run",
    )


def _no_way_back(endpoint: Endpoint) -> StepRefused:
    return StepRefused(
        f"nothing is known that could be put back at {endpoint.name} if the new model failed",
        "set `gate: {first_model: allow}` in pipelines.yaml, then retry the run",
    )
