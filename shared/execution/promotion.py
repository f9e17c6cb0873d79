"""The steps that change an endpoint and prove what serves there: update, look, put back."""

from dataclasses import dataclass
from typing import Final

from shared.core.config.studio_endpoint import Endpoint
from shared.core.run.control_events import LEAST_TRIES, Fact, Overtaken, StepRefused
from shared.core.run.promotion_events import (
    ModelBroke,
    NotYetLive,
    ReservationLost,
    Returned,
    StayedUnchanged,
    UpdateLost,
    UpdateSent,
    WentLive,
)
from shared.core.run.record import Phase, Promotion, Run, WayBack
from shared.core.serving.probes import Look, Progress
from shared.core.serving.state import Head, Proven, head_id, promoted, released, settled
from shared.core.serving.verification import Case, Judgement, Verdict, judge_return, judge_update
from shared.errors import OutcomeUnknown, PermanentError, RelearnError, TransientError
from shared.execution.context import Context
from shared.execution.drift_schedule import keep_watch
from shared.execution.endpoint_lease import ReservationSteps
from shared.ledger.records import Stored
from shared.ports.ports import ServingEndpoint
from shared.telemetry import log

#: An update that was never confirmed is sent again this often.
_RESENDS: Final = 3


@dataclass(frozen=True, slots=True)
class PromotionSteps:
    """Gives one endpoint one new model at a time, and the old one back when it must."""

    context: Context

    def reserve(self, run: Run) -> Fact:
        """Make the endpoint ours."""
        return ReservationSteps(self.context).reserve(run)

    def update(self, run: Run) -> Fact | None:
        """Send the update; None when it may have arrived and nothing could show it."""
        endpoint, serving = self._endpoint(run)
        if lost := self._reservation_lost(run, endpoint):
            return lost
        self._still_there(run)
        try:
            operation = serving.restore(run.goal)
        except OutcomeUnknown as exc:
            return self._perhaps_sent(run, endpoint, exc)
        return UpdateSent(operation=operation)

    def _still_there(self, run: Run) -> None:
        if run.model is None:
            if run.origin.repeats:
                return  # back to the model of the endpoint's own service
            raise PermanentError(f"run {run.run_id} has no model to promote")
        now = self.context.models.head(run.model.container, run.model.name)
        if now is None or not now.same_bytes_as(run.model):
            raise PermanentError(
                f"the model {run.model.path} is {'changed' if now else 'gone'} since it was judged"
            )

    def put_back(self, run: Run) -> Fact | None:
        """Send the model from before; None when it may have arrived and nothing can show it.

        Ahead of our own update this is preparation: whatever cannot be put back, the run goes
        on with what answers now.
        """
        endpoint, serving = self._endpoint(run)
        if lost := self._reservation_lost(run, endpoint):
            return lost
        preparing = _promotion(run).returning_to == "start"
        way_back = self._way_back(run, endpoint)
        if way_back is None:
            if preparing:
                return self._prepared(run, endpoint, "nothing to put back first")
            return _nothing_left(run)
        try:
            operation = serving.restore(way_back)
        except OutcomeUnknown as exc:
            return self._perhaps_sent(run, endpoint, exc)
        except (PermanentError, TransientError) as exc:
            if not preparing or self._worth_repeating(run, exc):
                raise
            why = f"the model from before cannot be put back ({exc}): going on"
            return self._prepared(run, endpoint, why)
        return UpdateSent(operation=operation)

    def _worth_repeating(self, run: Run, exc: RelearnError) -> bool:
        if not isinstance(exc, TransientError):
            return False
        if run.trouble is None or run.trouble.count + 1 < LEAST_TRIES:
            return True  # an app that was down in between has not tried all that time
        patience = exc.patience or self.context.limits.patience
        return self.context.clock.now() - run.trouble.since < patience

    def look(self, run: Run) -> Fact | None:
        """Look at what the endpoint answers; None when a look adds nothing to the last one."""
        endpoint, serving = self._endpoint(run)
        if lost := self._reservation_lost(run, endpoint):
            return lost
        every, now = self.context.limits.look_every_min, self.context.clock.now()
        if _promotion(run).looks.too_soon(now, every):
            return None  # two looks of one moment are one look
        look = serving.look(_promotion(run).operation)
        if run.phase is Phase.RETURNING:
            return self._judge_return(run, endpoint, look)
        return self._judge_update(run, endpoint, look)

    def _judge_update(self, run: Run, endpoint: Endpoint, look: Look) -> Fact | None:
        promotion = _promotion(run)
        judged = judge_update(self._case(run, endpoint), look, self.context.clock.now())
        match judged.verdict:
            case Verdict.WAIT:
                return _waiting(look, judged)
            case Verdict.LIVE:
                answers = look.probe if judged.steady else None
                now = self.context.clock.now()
                proven = Proven(judged.why, now, answers, look.configured)
                keep_watch(self.context, run, endpoint)
                self._record_promoted(run, endpoint, proven)
                return WentLive(judged.why, look.probe, judged.looks)
            case Verdict.UNCHANGED:
                if promotion.resent < (_RESENDS if not promotion.certain else _doubtful(run, look)):
                    return UpdateLost()
                why = f"{judged.why}{_answered(promotion)}"
                if run.origin.repeats:
                    return _not_set_again(why)
                return StayedUnchanged(why, can_return=promotion.way_back is not None)
            case Verdict.BROKEN:
                return ModelBroke(f"{judged.why}{_answered(promotion)}")

    def _judge_return(self, run: Run, endpoint: Endpoint, look: Look) -> Fact | None:
        promotion = _promotion(run)
        # Only after a model that was seen to be broken do answers as before prove at once
        # that the old one is back; else the switch to the new one may still come.
        patient = promotion.returning_to != "rolled_back"
        case, now = self._case(run, endpoint), self.context.clock.now()
        judged = judge_return(case, look, now, patient=patient)
        match judged.verdict:
            case Verdict.WAIT:
                return _waiting(look, judged)
            case Verdict.LIVE:
                if promotion.returning_to == "start":
                    return self._prepared(run, endpoint, judged.why)
                self._release(run, endpoint)
                return Returned(judged.why)
            case _:
                return self._not_returned(run, endpoint, f"{judged.why}{_answered(promotion)}")

    def _case(self, run: Run, endpoint: Endpoint) -> Case:
        promotion = _promotion(run)
        return Case(
            target=run.model.path if run.model else "",
            before=promotion.before,
            looks=promotion.looks,
            within=endpoint.within,
            every=self.context.limits.look_every_min,
            expected=promotion.expected,
        )

    def _prepared(self, run: Run, endpoint: Endpoint, why: str) -> Fact:
        """Note that what another run left behind is settled, as far as it can be."""
        stored = self._head(endpoint)
        if stored is not None and stored.record.holds(run.run_id, _promotion(run).generation):
            head = settled(stored.record, run.run_id)
            self.context.ledger.put_head(head_id(endpoint.update), head, stored.etag)
        return Returned(why)

    def _not_returned(self, run: Run, endpoint: Endpoint, why: str) -> Fact:
        promotion = _promotion(run)
        if not promotion.certain and promotion.resent < _RESENDS:
            return UpdateLost()
        if promotion.returning_to == "start":
            why = f"the model from before could not be proved ({why}): going on"
            return self._prepared(run, endpoint, why)
        advice = "look at the endpoint; retry the run to put the old model back again"
        return StepRefused(f"the old model does not serve again: {why}", advice)

    def _endpoint(self, run: Run) -> tuple[Endpoint, ServingEndpoint]:
        endpoint = run.config.endpoint
        if endpoint is None:
            raise PermanentError(f"run {run.run_id} has no endpoint to give a model to")
        other = run.promotion.returning_resource if run.promotion else None
        if run.phase is Phase.RETURNING and other is not None:
            endpoint = endpoint.model_copy(update={"resource": other or None})
        return endpoint, self.context.adapters.endpoint(endpoint)

    def _head(self, endpoint: Endpoint) -> Stored[Head] | None:
        return self.context.ledger.head(head_id(endpoint.update))

    def _way_back(self, run: Run, endpoint: Endpoint) -> WayBack | None:
        stored = self._head(endpoint)
        if stored is None:
            return _promotion(run).way_back
        return ReservationSteps(self.context).way_back(
            stored.record, endpoint.place, instead_of=run
        )

    def _reservation_lost(self, run: Run, endpoint: Endpoint) -> Fact | None:
        """Return what to do when the endpoint is not ours any more; None while it is.

        What we wrote a moment ago, ahead of a crash, is known again by run and generation.
        """
        stored = self._head(endpoint)
        head = stored.record if stored else Head(update=endpoint.update)
        mine = (run.run_id, _promotion(run).generation)
        given_back = head.released
        if head.holds(*mine) or (
            given_back is not None
            and (given_back.run_id, given_back.generation) == mine
            and head.reservation is None
            and run.phase is not Phase.PROMOTING
        ):
            return None
        if run.phase is not Phase.RETURNING:
            return ReservationLost()
        taken = f"another run has taken {endpoint.name} over, and settles it"
        anew = run.parent is None and _promotion(run).returning_to in ("judged", "trained")
        return Returned(taken) if anew else Overtaken(taken)

    def _record_promoted(self, run: Run, endpoint: Endpoint, proven: Proven) -> None:
        stored = self._head(endpoint)
        if stored is None or not stored.record.holds(run.run_id, _promotion(run).generation):
            return  # recorded before a crash
        head = promoted(stored.record, run, endpoint.place, proven)
        self.context.ledger.put_head(head_id(endpoint.update), head, stored.etag)

    def _release(self, run: Run, endpoint: Endpoint) -> None:
        stored = self._head(endpoint)
        if stored is not None and stored.record.holds(run.run_id, _promotion(run).generation):
            head = released(stored.record, run.run_id)
            self.context.ledger.put_head(head_id(endpoint.update), head, stored.etag)

    def _perhaps_sent(self, run: Run, endpoint: Endpoint, exc: OutcomeUnknown) -> Fact | None:
        name = endpoint.name
        log.warning("run %s: whether %s took the update is not known: %s", run.run_id, name, exc)
        if not endpoint.shows:
            return None  # no look could tell: the claim's lease is the time it has to land
        return UpdateSent(certain=False, said=str(exc))


def _waiting(look: Look, judged: Judgement) -> NotYetLive:
    # What answers while the service is at work on an update is not what it will lead to.
    pending = look.progress is Progress.PENDING
    return NotYetLive(None if pending else look.probe, judged.looks)


def _answered(promotion: Promotion) -> str:
    """Return what the service answered to an update that it did not confirm, for a reason."""
    return f" (the update was answered: {promotion.said})" if promotion.said else ""


def _doubtful(run: Run, look: Look) -> int:
    """Return how often an update is sent again that was accepted, and names another model."""
    target = run.model.path if run.model else None
    untold = look.progress is Progress.UNTOLD and look.configured not in (None, target)
    return 1 if untold else 0


def _promotion(run: Run) -> Promotion:
    if run.promotion is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a promotion")
    return run.promotion


def _not_set_again(why: str) -> StepRefused:
    return StepRefused(
        f"the earlier model does not serve: {why}",
        "see who else updates this endpoint, then retry the run, or cancel it",
    )


def _nothing_left(run: Run) -> StepRefused:
    if _promotion(run).returning_to in ("judged", "trained"):
        return StepRefused(
            "the configuration changed since this model was judged, its update may have reached "
            "the endpoint, and no earlier model is known that could be put back first",
            "give the endpoint a working model by hand, then cancel the run",
        )
    return StepRefused(
        f"the model does not work ({run.reason or 'see the history'}), "
        "and no earlier one can be put back",
        "give the endpoint a working model by hand, then cancel the run",
    )
