"""Promotions at an endpoint with a traffic map: lease, updates, rollback, changes by others."""

import pytest

from shared.core.run.commands import Command
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion_events import (
    EndpointLeased,
    FoundBroken,
    FoundUnchanged,
    NotYetLive,
    ShareReached,
    StepMeasured,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.retry import RetryRequested
from shared.core.serving.probes import CandidateFailure, EndpointCheck, UpdateProgress
from shared.core.serving.references import ServingState
from shared.core.serving.traffic import TrafficMap
from shared.errors import ChangedByOthersError, OutcomeUnknownError
from shared.execution.step_failures import StepFailures
from shared.ports.serving import Plan
from tests.fakes.world import RESOURCE
from tests.unit.execution.mapped_worlds import (
    ALL_OF_IT,
    AT_ONCE,
    BAKE,
    BLUE,
    GREEN,
    HALF,
    HOUR,
    MINUTE,
    NEW,
    OLD,
    OTHERS,
    RULES,
    SECOND,
    TENTH,
    WELL,
    Mapped,
    left_at,
    requests,
    verified,
)
from tests.unit.samples import BROKEN

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


def test_a_first_model_that_fails_keeps_its_requests_and_an_operator_is_asked() -> None:
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
        UpdateProgress.FAILED,
        None,
        traffic=BLUE,
        failure=CandidateFailure.AGAIN,
        detail="cancelled",
    )
    monkeypatch.setattr(one.mapped, "update_state", lambda *_: cancelled)
    assert isinstance(one.check(), UpdateLost)


def test_an_update_that_is_under_way_for_more_than_half_an_hour_is_rolled_back() -> None:
    one = Mapped(AT_ONCE)
    one.lease()
    one.update()
    one.mapped.progress = UpdateProgress.PENDING
    assert all(isinstance(one.check(20 * SECOND), NotYetLive) for _ in range(90))
    broken = one.check(20 * SECOND)
    assert isinstance(broken, FoundBroken)
    assert "has not come to an end" in broken.reason


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


# Copies.


def test_copies_of_requests_decide_nothing_where_the_service_does_not_count_them() -> None:
    one = Mapped(Plan(stages=True, shares=(10, 100), bake=BAKE, mirror=20, rules=RULES))
    one.begin(0)
    assert one.mapped.traffic == TrafficMap.of({OLD: 100}, {NEW: 20})
    assert isinstance(one.check(BAKE - MINUTE), StepMeasured)
    assert isinstance(one.check(), ShareReached)


def test_copies_that_fail_end_the_promotion_before_it_gets_a_request() -> None:
    one = Mapped(Plan(stages=True, shares=(10, 100), bake=BAKE, mirror=20, rules=RULES))
    one.begin(0)
    one.mapped.points = [requests(one, 50, "500")]
    assert isinstance(one.check(BAKE), FoundBroken)
    one.roll_back()
    assert one.mapped.traffic == BLUE
