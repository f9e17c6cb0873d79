"""Rollbacks at an endpoint with a traffic map, also those that the next run makes."""

import pytest

from shared.core.run.commands import Command
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion import Step
from shared.core.run.promotion_events import (
    EndpointLeaseLost,
    FoundBroken,
    InFlightUpdateFound,
    RolledBack,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.record import Origin, Phase
from shared.core.run.retry import RetryRequested
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointLease, Hold
from shared.core.serving.traffic import TrafficMap
from shared.errors import ChangedByOthersError, PermanentError
from shared.execution.promotion import PromotionSteps
from shared.execution.step_failures import StepFailures
from shared.ports.serving import Plan
from tests.fakes.world import RESOURCE
from tests.unit.execution.mapped_worlds import (
    AT_ONCE,
    BLUE,
    CANDIDATE,
    GREEN,
    HOUR,
    NEW,
    OLD,
    OTHERS,
    TENTH,
    Mapped,
    left_at,
    rolling_back,
    served,
    verified,
)
from tests.unit.samples import MODEL, NOW, run


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_rollback_at_any_step_restores_the_map_from_before_the_first_step(
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


def other_run(one: Mapped, phase: Phase, traffic: TrafficMap = TENTH, **promotion: object) -> None:
    """Have another run hold the lease, its model with a tenth of the requests."""
    made = rolling_back(0).promotion.evolve(**promotion)
    parked = {"parked_in": Phase.VERIFYING, "reason": "too few requests"}
    known = parked if phase is Phase.PARKED else {}
    other = run(phase, run_id="sample-8", candidate=CANDIDATE, **{**known, "promotion": made})
    one.ledger.runs.create(other)
    lease = EndpointLease(run_id="sample-8", resource=RESOURCE, model=MODEL, generation=4, at=NOW)
    one.put_endpoint_state(
        resources=one.endpoint_state().resources, generation=4, endpoint_lease=lease
    )
    one.mapped.traffic = traffic


def test_a_run_first_gives_back_the_requests_that_a_parked_one_left_with_its_model() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    other_run(one, Phase.PARKED)
    one.run = one.run.evolve(candidate=one.run.candidate and one.run.candidate.evolve(name="m-2"))
    assert isinstance(one.lease(), InFlightUpdateFound)
    one.roll_back()
    assert one.mapped.traffic == BLUE
    assert isinstance(verified(one), RolledBack)
    assert (one.run.phase, one.run.promotion) == (Phase.PROMOTING, None)
    one.lease()
    assert one.promotion.base == ServingState(traffic=BLUE)


def test_a_run_that_takes_over_restores_the_map_from_which_the_other_was_retried() -> None:
    one = Mapped(AT_ONCE)
    left_at(one, BLUE)
    base = ServingState(traffic=GREEN)
    began = GREEN.giving(NEW, 10)
    step = Step(share=10, before=GREEN, wanted=began)
    other_run(one, Phase.PARKED, began, base=base, steps=(step,))
    one.run = one.run.evolve(candidate=one.run.candidate and one.run.candidate.evolve(name="m-2"))
    assert isinstance(one.lease(), InFlightUpdateFound)
    one.roll_back()
    assert one.mapped.sent == [GREEN]
    assert isinstance(verified(one), RolledBack)


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


def setting_again(origin: Origin) -> Mapped:
    """Return a run that sets a recorded map again, where others have set another one."""
    one = Mapped(Plan(stages=True, shares=(10, 100), bake=HOUR), candidate=None)
    left_at(one, GREEN)
    state = served(GREEN).target_model
    one.run = one.run.evolve(origin=origin, restores=state, model=state.model)
    if origin is Origin.ROLLBACK:
        hold = Hold(run_id=one.run.run_id, to="sample-0", by="ada", at=NOW)
        held = one.endpoint_state().resource(RESOURCE).evolve(held=hold)
        one.put_endpoint_state(resources={RESOURCE: held}, generation=3)
    return one


def test_an_earlier_state_with_any_shares_is_restored_in_one_update() -> None:
    one = setting_again(Origin.ROLLBACK)
    one.lease()
    one.update()
    assert one.mapped.sent == [GREEN]
    assert isinstance(verified(one), VerifiedLive)


def test_a_drift_is_set_right_where_the_traffic_is_still_as_it_was_found() -> None:
    one = setting_again(Origin.DRIFT)
    blocked = one.lease()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == BLUE
    one.fold(RetryRequested(None))
    one.lease()
    one.update()
    assert one.mapped.sent == [GREEN]


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
