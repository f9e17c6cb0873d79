"""Promotions at an endpoint with a traffic map: lease, updates, rollback, changes by others."""

import pytest

from shared.core.run.commands import Command
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion_events import (
    EndpointLeased,
    EndpointLeaseLost,
    FoundBroken,
    FoundUnchanged,
    InFlightUpdateFound,
    NotYetLive,
    RolledBack,
    ShareReached,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.record import Origin, Phase, Run
from shared.core.run.retry import RetryRequested
from shared.core.serving.probes import EndpointCheck, Failure, UpdateProgress
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointLease, Resource, ServedModel
from shared.core.serving.traffic import TrafficMap
from shared.errors import ChangedByOthersError, OutcomeUnknownError, PermanentError
from shared.execution.promotion import PromotionSteps
from shared.execution.step_failures import StepFailures
from shared.ports.serving import Plan
from tests.fakes.world import RESOURCE
from tests.unit.execution.mapped_worlds import (
    ALL_OF_IT,
    BLUE,
    HALF,
    HOUR,
    NEW,
    OLD,
    SECOND,
    TENTH,
    WELL,
    Mapped,
)
from tests.unit.samples import BROKEN, MODEL, NOW, model_ref, run

AT_ONCE = Plan(stages=True, shares=(10, 50, 100))
OTHERS = TrafficMap.of({OLD: 70, NEW: 30})
GREEN = TrafficMap.of({OLD: 70, "green": 30})


def served(traffic: TrafficMap, **changes: object) -> ServedModel:
    """Return what Relearn left at the endpoint, as its record has it."""
    model = model_ref("old.ilearner")
    known = {
        "model": model,
        "state": ServingState(model=model, traffic=traffic),
        "candidate": traffic.largest,
        "run_id": "sample-0",
        "since": NOW - HOUR,
        "verification": "live",
        "manifest": (),
    }
    return ServedModel.model_validate(known | changes)


def left_at(one: Mapped, traffic: TrafficMap, *previous: TrafficMap) -> None:
    known = Resource(serving=served(traffic), previous=tuple(served(each) for each in previous))
    one.put_endpoint_state(resources={RESOURCE: known}, generation=3)


def verified(one: Mapped) -> object:
    """Check until there is a result."""
    for _ in range(100):
        event = one.check(20 * SECOND)
        if not isinstance(event, NotYetLive):
            return event
    raise AssertionError("no result")


# Lease.


def test_the_map_and_the_answers_from_before_are_known_ahead_of_the_first_update() -> None:
    one = Mapped(AT_ONCE)
    assert isinstance(one.lease(), EndpointLeased)
    promotion = one.promotion
    assert promotion.base == promotion.rollback_target == ServingState(traffic=BLUE)
    assert promotion.before == WELL.evolve(answered_by=OLD)
    assert promotion.steps[0].before == BLUE
    assert one.endpoint_state().resource(RESOURCE).baseline == ServingState(traffic=BLUE)
    assert not promotion.ever_sent
    assert one.mapped.sent == []


def test_a_run_stops_where_others_changed_what_relearn_left() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    one.mapped.traffic = GREEN
    blocked = one.lease()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == GREEN
    assert one.endpoint_state().endpoint_lease is None
    one.fold(RetryRequested(None))
    assert isinstance(one.lease(), EndpointLeased)
    assert one.promotion.steps[0].before == GREEN
    assert one.run.accepts == ()


def test_another_change_than_the_one_that_was_accepted_is_asked_about_again() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    one.mapped.traffic = GREEN
    one.lease()
    one.fold(RetryRequested(None))
    one.mapped.traffic = OTHERS
    blocked = one.lease()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == OTHERS


def test_copies_that_others_make_are_no_change_of_what_serves() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    one.mapped.traffic = TrafficMap.of({OLD: 100}, {"shadow": 20})
    assert isinstance(one.lease(), EndpointLeased)


def test_a_first_model_needs_the_consent_of_the_configuration() -> None:
    one = Mapped(AT_ONCE)
    one.mapped.traffic = TrafficMap()
    blocked = one.lease()
    assert isinstance(blocked, StepBlocked)
    assert "first_model: allow" in blocked.advice


def first_model() -> Mapped:
    one = Mapped(Plan(stages=True, shares=(10, 100), bake=HOUR))
    gate = one.run.config.gate.evolve(first_model="allow")
    one.run = one.run.evolve(config=one.run.config.evolve(gate=gate))
    one.mapped.traffic = TrafficMap()
    one.lease()
    one.update()
    assert one.mapped.sent == [ALL_OF_IT]
    return one


def test_a_first_model_goes_live_in_one_step_and_without_a_bake() -> None:
    one = first_model()
    assert one.promotion.before is None
    assert isinstance(verified(one), VerifiedLive)


def test_a_first_model_that_fails_keeps_its_requests_and_an_operator_is_told() -> None:
    one = first_model()
    one.mapped.probe = BROKEN.evolve(answered_by=NEW)
    assert isinstance(verified(one), FoundBroken)
    blocked = one.roll_back()
    assert isinstance(blocked, StepBlocked)
    assert "there is no earlier one to roll back to" in blocked.reason
    assert one.mapped.sent == [ALL_OF_IT]  # never a map without a deployment


# Updates.


def test_each_step_is_seen_before_the_next_one_and_two_answers_prove_the_last() -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    for wanted in (TENTH, HALF):
        one.update()
        assert one.mapped.traffic == wanted
        assert isinstance(one.check(), ShareReached)
    one.update()
    assert isinstance(one.check(), NotYetLive)
    assert isinstance(one.check(), VerifiedLive)
    assert one.mapped.sent == [TENTH, HALF, ALL_OF_IT]


def test_an_update_that_had_no_effect_is_sent_again_three_times_and_then_given_up() -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    for _ in range(3):
        one.update()
        one.mapped.traffic = BLUE
        assert isinstance(verified(one), UpdateLost)
    one.update()
    one.mapped.traffic = BLUE
    given_up = verified(one)
    assert isinstance(given_up, FoundUnchanged)
    assert "its traffic is still blue 100 %" in given_up.reason


def test_an_update_that_the_service_cancelled_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    one.update()
    cancelled = EndpointCheck(
        UpdateProgress.FAILED, None, traffic=BLUE, failure=Failure.AGAIN, detail="cancelled"
    )
    monkeypatch.setattr(one.mapped, "update_state", lambda *_: cancelled)
    assert isinstance(one.check(), UpdateLost)


def test_a_step_whose_outcome_is_unknown_is_verified_like_any_other() -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    one.mapped.refuses = OutcomeUnknownError("no answer")
    sent = one.update()
    assert isinstance(sent, UpdateSent)
    assert not sent.certain


def test_a_change_by_others_just_ahead_of_an_update_is_found_and_left() -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    one.mapped.traffic = GREEN
    with pytest.raises(ChangedByOthersError) as raised:
        one.update()
    blocked = StepFailures(one.context).event_for(Command.UPDATE_ENDPOINT, one.run, raised.value)
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == GREEN
    assert one.mapped.sent == []


# Rollback.


def rolling_back(position: int) -> Mapped:
    one = Mapped(AT_ONCE)
    one.lease()
    for _ in range(position):
        one.update()
        one.check()
    one.update()
    one.fold(FoundBroken("it fails"))
    return one


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_rollback_restores_the_map_from_before_the_first_step_whichever_step_it_was(
    position: int,
) -> None:
    one = rolling_back(position)
    one.roll_back()
    assert one.mapped.sent[-1] == BLUE
    assert isinstance(verified(one), RolledBack)
    assert one.run.phase is Phase.ROLLED_BACK
    assert one.endpoint_state().endpoint_lease is None


def test_a_rollback_restores_the_map_that_was_accepted_and_not_an_older_one() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    one.mapped.traffic = GREEN
    one.lease()
    one.fold(RetryRequested(None))
    one.lease()
    one.update()
    one.fold(FoundBroken("it fails"))
    one.roll_back()
    assert one.mapped.traffic == GREEN


def test_a_rollback_to_a_map_with_a_deployment_that_is_gone_restores_an_older_one() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, GREEN, BLUE)
    one.mapped.traffic = GREEN
    one.lease()
    one.update()
    one.fold(FoundBroken("it fails"))
    one.mapped.gone = {"green"}
    sent = one.roll_back()
    assert isinstance(sent, UpdateSent)
    assert one.mapped.traffic == BLUE
    assert one.promotion.rollback_target == served(BLUE).target_model


def test_a_rollback_does_not_overwrite_what_others_set_meanwhile() -> None:
    one = rolling_back(1)
    one.mapped.traffic = GREEN
    with pytest.raises(ChangedByOthersError):
        one.roll_back()
    assert one.mapped.traffic == GREEN


def test_a_change_by_others_while_a_rollback_is_verified_stops_the_run() -> None:
    one = rolling_back(1)
    one.roll_back()
    one.mapped.traffic = OTHERS
    blocked = one.check()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == OTHERS
    one.fold(RetryRequested(None))
    one.roll_back()
    assert one.mapped.traffic == BLUE


def test_a_rollback_that_has_no_effect_is_sent_again() -> None:
    one = rolling_back(0)
    one.roll_back()
    one.mapped.traffic = TENTH
    assert isinstance(verified(one), UpdateLost)
    one.roll_back()
    assert isinstance(verified(one), RolledBack)


# Takeover.


def other_run(one: Mapped, phase: Phase, **changes: object) -> Run:
    """Have another run hold the lease, its model with a tenth of the requests."""
    other = run(phase, run_id="sample-8", promotion=rolling_back(0).promotion, **changes)
    one.ledger.runs.create(other)
    known = one.endpoint_state()
    lease = EndpointLease(run_id="sample-8", resource=RESOURCE, model=MODEL, generation=4, at=NOW)
    one.put_endpoint_state(resources=known.resources, generation=4, endpoint_lease=lease)
    one.mapped.traffic = TENTH
    return other


def test_a_run_first_gives_back_the_requests_that_a_parked_one_left_with_its_model() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    other_run(one, Phase.PARKED, parked_in=Phase.VERIFYING, reason="too few requests")
    one.run = one.run.evolve(candidate=one.run.candidate and one.run.candidate.evolve(name="m-2"))
    assert isinstance(one.lease(), InFlightUpdateFound)
    one.roll_back()
    assert one.mapped.traffic == BLUE
    assert isinstance(verified(one), RolledBack)
    assert (one.run.phase, one.run.promotion) == (Phase.PROMOTING, None)
    one.lease()
    assert one.promotion.base == ServingState(traffic=BLUE)


def test_what_others_set_after_a_parked_run_is_not_overwritten_by_the_next_one() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    other_run(one, Phase.CANCELLED)
    one.mapped.traffic = GREEN
    assert isinstance(one.lease(), InFlightUpdateFound)
    prepared = one.roll_back()
    assert isinstance(prepared, RolledBack)
    blocked = one.lease()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == GREEN
    assert one.mapped.sent == []


def test_a_run_whose_lease_was_taken_over_sends_nothing_more() -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    one.update()
    other_run(one, Phase.PROMOTING)
    lost = one.check()
    assert isinstance(lost, EndpointLeaseLost)
    assert one.run.promotion is None
    assert one.mapped.sent == [TENTH]


def test_a_model_that_has_a_share_already_counts_as_sent() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    one.mapped.traffic = TENTH
    one.run = one.run.evolve(accepts=(TENTH,))
    one.lease()
    assert one.promotion.ever_sent
    assert [step.share for step in one.promotion.steps] == [50, 100]
    assert one.promotion.rollback_target == ServingState(traffic=BLUE)


# Restoring.


def test_an_earlier_state_is_restored_in_one_update_whatever_its_shares_are() -> None:
    one = Mapped(Plan(stages=True, shares=(10, 100), bake=HOUR), candidate=None)
    left_at(one, BLUE)
    state = served(GREEN).target_model
    one.run = one.run.evolve(origin=Origin.DRIFT, restores=state, model=state.model)
    known = one.endpoint_state().resource(RESOURCE)
    again = known.evolve(serving=served(GREEN))
    one.put_endpoint_state(resources={RESOURCE: again}, generation=3)
    one.lease()
    one.update()
    assert one.mapped.sent == [GREEN]
    assert isinstance(verified(one), VerifiedLive)


def test_a_state_that_cannot_be_restored_is_not_sent() -> None:
    one = rolling_back(0)
    one.mapped.gone = {OLD}
    blocked = one.roll_back()
    assert isinstance(blocked, StepBlocked)
    assert one.mapped.sent == [TENTH]


def test_an_error_of_the_service_is_no_rollback() -> None:
    one = rolling_back(0)
    one.mapped.refuses = PermanentError("HTTP 400")
    with pytest.raises(PermanentError):
        PromotionSteps(one.context).roll_back(one.run)
    event = StepFailures(one.context).event_for(
        Command.ROLL_BACK_ENDPOINT, one.run, PermanentError("HTTP 400")
    )
    assert isinstance(event, StepBlocked)
