"""The steps of a run that have to do with its endpoint: reserve, update, prove, put back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from shared.context import Context
from shared.core.facts import (
    EndpointReserved,
    Fact,
    LeftUnsettled,
    ModelBroke,
    NotYetLive,
    Overtaken,
    Returned,
    StayedUnchanged,
    StepRefused,
    UpdateLost,
    UpdateSent,
    WentLive,
)
from shared.core.head import Head, Reservation, head_id, promoted, released, reserved
from shared.core.names import MODEL_SUFFIX, digest
from shared.core.pipeline import Endpoint
from shared.core.proof import Case, Look, ProbeAnswers, Seen, Verdict, judge_return, judge_update
from shared.core.run import Phase, Promotion, Run, WayBack
from shared.errors import OutcomeUnknown, PermanentError, TransientError
from shared.ledger import Stored
from shared.ports import Current, ServingEndpoint

#: Another run's update takes minutes; waiting for it is no trouble of ours.
_TURN: Final = timedelta(days=7)
#: How long to wait for an endpoint's answers from before, ahead of going on without.
_BEFORE: Final = timedelta(minutes=10)
#: An update that was never confirmed is sent again this often.
_RESENDS: Final = 3
_UNVERIFIED: Final = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class PromotionSteps:
    """Gives one endpoint one new model at a time, and the old one back when it must."""

    context: Context

    def reserve(self, run: Run) -> Fact:
        """Make the endpoint ours, once its answers from before and a way back are known."""
        endpoint, serving = self._endpoint(run)
        stored = self._head(endpoint)
        head = stored.record if stored else Head(update=endpoint.update)
        known = head.resource(endpoint.resource)
        if known.newest_data and run.data_time < known.newest_data:
            when = f"{known.newest_data:%Y-%m-%d %H:%M:%S}"
            return Overtaken(f"{endpoint.name} already serves a model of newer data ({when} UTC)")
        left = self._left_behind(run, head)
        current = serving.current()
        if current.resources is not None and endpoint.resource not in current.resources:
            return _no_such_resource(endpoint, current.resources)
        baseline = known.baseline
        if baseline is None and known.serving is None:
            baseline = self._baseline(endpoint, current)
        before = self._before(run, serving, settled=left is None)
        now = self.context.clock.now()
        mine = reserved(head, run, endpoint.resource, baseline, now)
        way_back = mine.way_back(endpoint.resource)
        if way_back is None and run.config.gate.first_model != "allow":
            return _no_way_back(endpoint)
        if stored is None or mine != stored.record:
            expected = stored.etag if stored else None
            self.context.ledger.put_head(head_id(endpoint.update), mine, expected)
        promotion = Promotion(generation=mine.generation, before=before, way_back=way_back)
        if left is None or way_back is None or left.resource != endpoint.resource:
            return EndpointReserved(promotion)
        return LeftUnsettled(promotion.model_copy(update={"before": self._answers_before(left)}))

    def update(self, run: Run) -> Fact | None:
        """Send the update; None when it may have arrived and nothing could show it."""
        endpoint, serving = self._endpoint(run)
        if lost := self._reservation_lost(run, endpoint):
            return lost
        if run.model is None:
            raise PermanentError(f"run {run.run_id} has no model to promote")
        now = self.context.models.head(run.model.container, run.model.name)
        if now is None or not now.same_bytes_as(run.model):
            raise PermanentError(
                f"the model {run.model.path} is {'changed' if now else 'gone'} since it was judged"
            )
        try:
            serving.update(run.model)
        except OutcomeUnknown:
            return self._perhaps_sent(endpoint)
        return UpdateSent(self._deadline(endpoint))

    def put_back(self, run: Run) -> Fact | None:
        """Send the model from before; None when it may have arrived and nothing can show it."""
        endpoint, serving = self._endpoint(run)
        if lost := self._reservation_lost(run, endpoint):
            return lost
        way_back = _promotion(run).way_back
        if way_back is None:
            return _nothing_to_put_back(run)
        try:
            serving.restore(way_back)
        except OutcomeUnknown:
            return self._perhaps_sent(endpoint)
        return UpdateSent(self._deadline(endpoint))

    def look(self, run: Run) -> Fact | None:
        """Look at what the endpoint answers; None when a look adds nothing to the last one."""
        endpoint, serving = self._endpoint(run)
        if lost := self._reservation_lost(run, endpoint):
            return lost
        look = serving.look()
        if run.phase is Phase.RETURNING:
            return self._judge_return(run, endpoint, look)
        return self._judge_update(run, endpoint, look)

    def _judge_update(self, run: Run, endpoint: Endpoint, look: Look) -> Fact | None:
        promotion = _promotion(run)
        judged = judge_update(_case(run), look, self.context.clock.now())
        match judged.verdict:
            case Verdict.WAIT:
                return _still_waiting(promotion, look)
            case Verdict.LIVE:
                self._record_promoted(run, endpoint, judged.why)
                return WentLive(judged.why, look.probe)
            case Verdict.UNCHANGED:
                if not promotion.certain and promotion.resent < _RESENDS:
                    return UpdateLost()
                return StayedUnchanged(judged.why)
            case Verdict.BROKEN:
                return ModelBroke(judged.why)

    def _judge_return(self, run: Run, endpoint: Endpoint, look: Look) -> Fact | None:
        promotion = _promotion(run)
        judged = judge_return(_case(run), look, self.context.clock.now())
        match judged.verdict:
            case Verdict.WAIT:
                return _still_waiting(promotion, look)
            case Verdict.LIVE:
                if promotion.returning_to != "start":
                    self._release(run, endpoint)
                return Returned(judged.why)
            case _:
                if not promotion.certain and promotion.resent < _RESENDS:
                    return UpdateLost()
                advice = "look at the endpoint; retry the run to put the old model back again"
                return StepRefused(f"the old model does not serve again: {judged.why}", advice)

    def _endpoint(self, run: Run) -> tuple[Endpoint, ServingEndpoint]:
        endpoint = run.config.endpoint
        if endpoint is None:
            raise PermanentError(f"run {run.run_id} has no endpoint to give a model to")
        return endpoint, self.context.adapters.endpoint(endpoint)

    def _head(self, endpoint: Endpoint) -> Stored[Head] | None:
        return self.context.ledger.head(head_id(endpoint.update))

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

    def _answers_before(self, left: Reservation) -> ProbeAnswers | None:
        other = self.context.ledger.run(left.run_id)
        return other.record.promotion.before if other and other.record.promotion else None

    def _before(self, run: Run, serving: ServingEndpoint, *, settled: bool) -> ProbeAnswers | None:
        if not settled:
            return None  # what answers now is not known; the run that left it knows better
        before = serving.look().probe
        if before is None or before.seen is not Seen.NO_ANSWER:
            return before
        since = run.trouble.since if run.trouble else self.context.clock.now()
        if self.context.clock.now() - since < _BEFORE:
            raise TransientError(f"the endpoint does not answer the probe: {before.detail}")
        return before

    def _baseline(self, endpoint: Endpoint, current: Current) -> WayBack | None:
        """Return what serves before our first update, as something that can be put back."""
        models = self.context.models
        if current.location is not None:
            base, relative, sas = current.location
            model = models.located(base, relative)
            if model is None:
                # Its signature will not last: keep a copy of our own.
                source = f"{base.rstrip('/')}/{quote(relative.lstrip('/'))}{sas}"
                name = f"{head_id(endpoint.update)}-{digest(endpoint.resource)}{MODEL_SUFFIX}"
                model = models.adopt(source, self.context.models_container, f"baselines/{name}")
            if model is not None:
                return WayBack(model=model)
        return WayBack() if current.refreshable else None

    def _reservation_lost(self, run: Run, endpoint: Endpoint) -> Overtaken | None:
        stored = self._head(endpoint)
        head = stored.record if stored else Head(update=endpoint.update)
        held = head.reservation
        if held and (held.run_id, held.generation) == (run.run_id, _promotion(run).generation):
            return None
        served = head.resource(endpoint.resource).serving
        if held is None and served is not None and served.run_id == run.run_id:
            return None  # we wrote so a moment ago, and then crashed
        if held is None and run.phase is Phase.RETURNING:
            return None  # released a moment ago, and then crashed
        return Overtaken(f"another run has taken {endpoint.name} over")

    def _record_promoted(self, run: Run, endpoint: Endpoint, proof: str) -> None:
        stored = self._head(endpoint)
        if stored is None or stored.record.reservation is None:
            return  # recorded before a crash
        now = self.context.clock.now()
        head = promoted(stored.record, run, endpoint.resource, proof, now)
        self.context.ledger.put_head(head_id(endpoint.update), head, stored.etag)

    def _release(self, run: Run, endpoint: Endpoint) -> None:
        stored = self._head(endpoint)
        if stored is not None and stored.record.reservation is not None:
            head = released(stored.record, run.run_id)
            self.context.ledger.put_head(head_id(endpoint.update), head, stored.etag)

    def _perhaps_sent(self, endpoint: Endpoint) -> Fact | None:
        if endpoint.verify is None:
            return None  # no look could tell: the claim's lease is the time it has to land
        return UpdateSent(self._deadline(endpoint), certain=False)

    def _deadline(self, endpoint: Endpoint) -> datetime:
        within = endpoint.verify.within if endpoint.verify else _UNVERIFIED
        return self.context.clock.now() + within


def _case(run: Run) -> Case:
    promotion = _promotion(run)
    if promotion.sent_at is None or promotion.deadline is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a deadline")
    target = run.model.path if run.model else ""
    final = promotion.deadline + (promotion.deadline - promotion.sent_at)
    return Case(target, promotion.before, promotion.last, promotion.deadline, final)


def _still_waiting(promotion: Promotion, look: Look) -> Fact | None:
    return None if look.probe == promotion.last else NotYetLive(look.probe)


def _promotion(run: Run) -> Promotion:
    if run.promotion is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a promotion")
    return run.promotion


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


def _nothing_to_put_back(run: Run) -> StepRefused:
    return StepRefused(
        f"the new model does not work ({run.reason}) and no earlier one is known",
        "give the endpoint a working model by hand, then cancel the run",
    )
