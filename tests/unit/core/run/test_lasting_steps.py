"""Steps of a promotion that last: their clock, and the commands of an operator."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run import promotion_events as updates
from shared.core.run.commands import Command, Event
from shared.core.run.control_events import CancelRequested, StepBlocked, StepFailed
from shared.core.run.gate_events import Approved
from shared.core.run.machine import apply, next_command
from shared.core.run.promotion import Promotion, Step
from shared.core.run.record import Origin, Phase, Run
from shared.core.run.retry import RetryRequested
from shared.core.run.waiting import Waits, waits_of
from shared.core.serving.probes import NO_PROBES
from shared.core.serving.references import Candidate, ServingState
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficEvidence
from shared.errors import InvalidTransitionError
from tests.unit.samples import HOUR, MODEL, NOW, good, promotion, run

MINUTE = timedelta(minutes=1)
NEW = "m-new"
CANDIDATE = Candidate(name=NEW, state=ServingState(model=MODEL, traffic=TrafficMap.of({NEW: 100})))
BLUE, TENTH, HALF, ALL_OF_IT = (
    TrafficMap.of({"blue": 100}),
    TrafficMap.of({"blue": 90, NEW: 10}),
    TrafficMap.of({"blue": 50, NEW: 50}),
    TrafficMap.of({NEW: 100}),
)
OTHERS = TrafficMap.of({"blue": 70, NEW: 30})
MAPS = (BLUE, TENTH, HALF, ALL_OF_IT)
PLAN = tuple(
    Step(share=share, before=before, wanted=wanted, bake=HOUR)
    for share, before, wanted in zip((10, 50, 100), MAPS[:-1], MAPS[1:], strict=True)
)
EVIDENCE = TrafficEvidence(until=NOW, requests=70)


def promoting(position: int = 0, phase: Phase = Phase.PROMOTING, **changes: Any) -> Run:
    """Return a run whose step at a position is due."""
    back = ServingState(traffic=BLUE)
    known: dict[str, Any] = {
        "steps": PLAN,
        "position": position,
        "sent_at": None,
        "after_rollback": None,
        "rollback_target": back,
        "base": back,
        "ever_sent": position > 0,
    }
    made: Promotion = promotion(**{**known, **changes.pop("promotion", {})})
    return run(phase, promotion=made, candidate=CANDIDATE, **changes)


def after(first: Run, *events: Event, at: timedelta = timedelta()) -> Run:
    for event in events:
        first = apply(first, event, NOW + at)
    return first


SENT = updates.UpdateSent(operation="op")
BEGAN = updates.StepBegan("answers well", good("0.8", "0.9"))
MEASURED = updates.StepMeasured(EVIDENCE, "70 requests of the 100", None, NO_PROBES)
HELD = StepBlocked("too few requests", "retry, approve or cancel")
CHANGED = StepBlocked("others changed it", "retry or cancel", OTHERS)


def lasting(position: int = 0) -> Run:
    return after(promoting(position), SENT, BEGAN, MEASURED)


def now_of(one: Run) -> Step:
    assert one.promotion is not None
    return one.promotion.step


def waits(one: Run) -> Waits:
    found = waits_of(one)
    assert found is not None
    return found


# The clock.


def test_the_clock_of_a_step_starts_when_it_is_carried_out_and_not_when_it_is_sent() -> None:
    sent = after(promoting(), SENT)
    assert now_of(sent).began_at is None
    assert not sent.step_bakes
    began = after(sent, BEGAN, at=7 * MINUTE)
    assert now_of(began).began_at == NOW + 7 * MINUTE
    assert began.step_bakes


def test_a_step_that_is_sent_again_has_neither_a_clock_nor_evidence_of_the_last_time() -> None:
    undone = after(lasting(), updates.UpdateLost())
    again = after(undone, SENT, at=HOUR)
    step = now_of(again)
    assert (step.began_at, step.evidence, step.verdict) == (None, TrafficEvidence(), "")
    assert not again.step_bakes


def test_the_evidence_of_a_step_is_no_evidence_of_the_next_one() -> None:
    reached = after(lasting(), updates.ShareReached("0 of 100 requests failed"))
    assert (reached.phase, now_of(reached).share) == (Phase.PROMOTING, 50)
    assert now_of(after(reached, SENT)).evidence == TrafficEvidence()
    assert reached.promotion is not None
    assert reached.promotion.probe_series == NO_PROBES


def test_a_step_that_is_undone_time_and_again_is_counted() -> None:
    one = lasting()
    for _ in range(3):
        one = after(one, updates.UpdateLost(), SENT, BEGAN)
    assert one.promotion is not None
    assert one.promotion.resent == 3
    reached = after(one, updates.ShareReached("well"))
    assert reached.promotion is not None
    assert reached.promotion.resent == 0


def test_a_step_that_lasts_is_checked_and_nothing_is_sent() -> None:
    assert next_command(lasting(), NOW + 9 * HOUR) is Command.CHECK_ENDPOINT


# Approval.


def test_an_operator_lets_the_next_step_follow_without_enough_requests() -> None:
    parked = after(lasting(), HELD)
    approved = after(parked, updates.StepApproved("ada", "sunday"))
    assert approved.phase is Phase.VERIFYING
    assert (approved.reason, approved.advice, approved.parked_in) == (None, None, None)
    assert now_of(approved).approved_by == "ada"
    assert now_of(approved).began_at == now_of(parked).began_at
    assert "approved by ada: sunday" in [entry.note for entry in approved.history]


def test_an_approval_counts_for_its_step_alone() -> None:
    approved = after(lasting(), HELD, updates.StepApproved("ada"))
    assert now_of(after(approved, updates.ShareReached("approved"))).approved_by == ""


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(lasting(), id="it is not parked"),
        pytest.param(after(lasting(), CHANGED), id="others changed the traffic"),
        pytest.param(after(promoting(), SENT, HELD), id="the step was not carried out"),
        pytest.param(after(promoting(1), HELD), id="nothing is sent yet"),
        pytest.param(after(lasting(), HELD, RetryRequested(None), SENT, HELD), id="sent again"),
        pytest.param(after(lasting(), HELD, CancelRequested(), HELD), id="it rolls back"),
    ],
)
def test_only_a_step_that_lasted_and_was_parked_is_approved(one: Run) -> None:
    with pytest.raises(InvalidTransitionError, match="cannot be approved"):
        after(one, updates.StepApproved("ada"))


def test_an_approval_of_a_model_is_none_of_a_step() -> None:
    with pytest.raises(InvalidTransitionError, match="cannot be approved"):
        after(after(lasting(), HELD), Approved("ada"))


# Retry.


def test_a_retry_of_a_step_holds_it_again_from_the_beginning() -> None:
    again = after(lasting(), HELD, RetryRequested(None))
    assert (again.phase, now_of(again).share) == (Phase.PROMOTING, 10)
    sent = after(again, SENT)
    assert (now_of(sent).began_at, now_of(sent).evidence) == (None, TrafficEvidence())


def test_a_retry_after_a_change_by_others_continues_from_what_was_found_and_plans_again() -> None:
    again = after(lasting(1), CHANGED, RetryRequested(None))
    assert (again.phase, again.promotion, again.found) == (Phase.PROMOTING, None, None)
    assert set(again.accepts) == {OTHERS, TENTH, HALF}


def test_a_retry_of_another_problem_accepts_nothing() -> None:
    again = after(lasting(1), HELD, RetryRequested(None))
    assert (again.found, again.accepts) == (None, ())


def test_a_retry_of_a_rollback_after_a_change_by_others_accepts_what_was_found() -> None:
    rolling_back = after(lasting(1), updates.FoundBroken("it fails"), SENT)
    again = after(rolling_back, CHANGED, RetryRequested(None))
    assert again.phase is Phase.ROLLING_BACK
    assert OTHERS in again.accepts
    assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT


def test_what_was_accepted_counts_until_the_next_lease_and_no_longer() -> None:
    again = after(lasting(1), CHANGED, RetryRequested(None))
    assert again.promotion is None
    assert after(again, updates.EndpointLeased(promotion())).accepts == ()
    judged = after(
        promoting(1, Phase.ROLLING_BACK, promotion={"after_rollback": "judged"}),
        CHANGED,
        RetryRequested(None),
        SENT,
        updates.RolledBack("blue answers"),
    )
    assert (judged.phase, judged.accepts) == (Phase.JUDGED, ())


# Cancel.

CANCELLED = CancelRequested("ada", "sales fell")


def rolls_back_first(one: Run) -> bool:
    assert one.promotion is not None
    return (one.phase, one.promotion.after_rollback, one.promotion.sent_at) == (
        Phase.ROLLING_BACK,
        "cancelled",
        None,
    )


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(lasting(), id="while it lasts"),
        pytest.param(after(lasting(), HELD), id="parked while it lasted"),
        pytest.param(after(promoting(1), HELD), id="parked between two steps"),
        pytest.param(after(promoting(), SENT, HELD), id="parked while it was verified"),
    ],
)
def test_a_cancel_gives_all_requests_back_first(one: Run) -> None:
    cancelled = after(one, CANCELLED)
    assert rolls_back_first(cancelled)
    assert next_command(cancelled, NOW) is Command.ROLL_BACK_ENDPOINT
    assert cancelled.reason == "cancelled by ada: sales fell"
    ended = after(cancelled, SENT, updates.RolledBack("blue answers"))
    assert (ended.phase, ended.cancelled) == (Phase.CANCELLED, "cancelled by ada: sales fell")


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(after(lasting(), CHANGED), id="others changed the traffic"),
        pytest.param(after(promoting(), HELD), id="nothing was sent"),
        pytest.param(after(lasting(), CANCELLED, HELD), id="the rollback is not possible"),
        pytest.param(
            after(promoting(1, origin=Origin.DRIFT), HELD), id="it sets an earlier model again"
        ),
    ],
)
def test_a_cancel_leaves_the_endpoint_as_it_is(one: Run) -> None:
    assert after(one, CANCELLED).phase is Phase.CANCELLED


def test_a_cancel_is_refused_while_an_update_is_on_its_way() -> None:
    for one in (promoting(), promoting(1), after(promoting(), SENT)):
        with pytest.raises(InvalidTransitionError, match="wait until its step lasts"):
            after(one, CANCELLED)


def test_a_second_cancel_is_refused_while_the_first_is_carried_out() -> None:
    with pytest.raises(InvalidTransitionError, match="wait for its end"):
        after(lasting(), CANCELLED, CANCELLED)


# What it waits for.


def test_a_step_says_since_when_it_lasts_how_long_it_will_and_what_its_requests_show() -> None:
    said = waits(lasting())
    assert said.waits_for == (
        "endpoint production: 10 % of the requests since 2026-03-01 12:00 UTC, "
        "for at least 1h: 70 requests of the 100"
    )
    assert said.until == NOW + HOUR


def test_copies_of_requests_are_called_so() -> None:
    copies = Step(share=0, mirror=20, before=BLUE, wanted=BLUE, bake=HOUR)
    one = after(promoting(promotion={"steps": (copies, *PLAN)}), SENT, BEGAN)
    assert "copies of 20 % of the requests since" in waits(one).waits_for


def test_a_step_that_is_not_carried_out_yet_says_which_share_is_to_reach_the_model() -> None:
    said = waits(after(promoting(), SENT)).waits_for
    assert "whether 10 % of the requests reach the new model; no probe" in said


def test_a_step_that_ends_by_its_requests_has_no_time_at_which_it_ends() -> None:
    ruled = tuple(step.evolve(ruled=True) for step in PLAN)
    assert waits(after(promoting(promotion={"steps": ruled}), SENT, BEGAN)).until is None


def test_a_parked_step_says_what_its_operator_can_do() -> None:
    said = waits(after(lasting(), HELD))
    assert said.waits_for == "an operator, who retries, approves or cancels it: too few requests"
    assert said.to_do == "retry, approve or cancel"
    changed = waits(after(lasting(), CHANGED)).waits_for
    assert changed == "an operator, who retries or cancels it: others changed it"


def test_the_line_of_a_parked_run_says_its_reason_once() -> None:
    assert waits(after(lasting(), HELD)).line.count("too few requests") == 1


def test_a_change_that_was_found_is_forgotten_with_the_next_reason_to_park() -> None:
    failed = StepFailed("busy", NOW, timedelta())
    again = after(lasting(), CHANGED, RetryRequested(None))
    for _ in range(3):
        again = after(again, failed)
    assert (again.phase, again.found) == (Phase.PARKED, None)
