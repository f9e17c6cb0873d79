"""A step that lasts: its verdicts by requests and by probes."""

from datetime import timedelta

import pytest

from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion_events import (
    FoundBroken,
    ShareReached,
    StepApproved,
    StepBegan,
    StepMeasured,
    UpdateLost,
    VerifiedLive,
)
from shared.core.run.record import Phase
from shared.core.run.retry import RetryRequested
from shared.core.serving.probes import UpdateProgress
from shared.core.serving.state import Hold
from shared.core.serving.traffic_rules import NO_RULES, Measure, TrafficPoint
from shared.errors import PermanentError, TransientError
from shared.ports.serving import Plan
from tests.fakes.world import RESOURCE
from tests.unit.execution.mapped_worlds import (
    ALL_OF_IT,
    BAKE,
    BLUE,
    HALF,
    HOUR,
    MINUTE,
    NEW,
    OLD,
    OTHERS,
    RULES,
    SECOND,
    TENTH,
    Mapped,
    requests,
)
from tests.unit.samples import BROKEN, NOW, SILENT


def ruled(**changes: object) -> Mapped:
    usual = {"stages": True, "shares": (10, 100), "bake": BAKE, "rules": RULES}
    one = Mapped(Plan(**{**usual, **changes}))  # type: ignore[arg-type]
    one.begin()
    return one


# Without rules.


def test_a_step_lasts_from_when_its_share_was_seen_and_the_next_one_follows() -> None:
    one = Mapped()
    one.begin()
    began = one.promotion.step.began_at
    assert began == one.now
    assert isinstance(one.check(BAKE - MINUTE), StepMeasured)
    assert isinstance(one.check(), ShareReached)
    assert one.mapped.queries == []
    assert one.mapped.sent == [TENTH]
    one.update()
    assert one.mapped.sent == [TENTH, HALF]


def test_the_last_step_lasts_too_before_the_model_is_live() -> None:
    one = Mapped()
    one.begin(100)
    assert one.mapped.traffic == ALL_OF_IT
    assert isinstance(one.check(), StepMeasured)
    live = one.check(BAKE)
    assert isinstance(live, VerifiedLive)
    serving = one.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    assert (serving.candidate, serving.target_model.traffic) == (NEW, ALL_OF_IT)
    assert serving.answers is not None


def test_a_probe_without_a_good_answer_keeps_a_step_from_ending() -> None:
    one = Mapped()
    one.begin()
    one.mapped.probe = SILENT
    assert isinstance(one.check(BAKE), StepMeasured)
    one.mapped.probe = None
    assert isinstance(one.check(), ShareReached)


@pytest.mark.parametrize("probe", [SILENT, BROKEN])
def test_a_model_that_does_not_answer_any_more_while_its_step_lasts_is_rolled_back(
    probe: object,
) -> None:
    one = Mapped()
    one.begin()
    one.mapped.probe = probe  # type: ignore[assignment]
    events = [one.check(20 * SECOND) for _ in range(10)]
    assert all(isinstance(event, StepMeasured) for event in events[:-1])
    broken = events[-1]
    assert isinstance(broken, FoundBroken)
    assert "10 % of the requests: no good answer to 10 probes in a row" in broken.reason
    one.roll_back()
    assert one.mapped.traffic == BLUE


# Rules.


def test_too_few_requests_hold_a_step_beyond_its_bake() -> None:
    one = ruled()
    one.mapped.points = [requests(one, 99 + 1)]  # one is the probe that began the step
    assert isinstance(one.check(HOUR), StepMeasured)
    assert one.promotion.step.verdict == "99 requests of the 100 that are needed"
    one.mapped.points = [requests(one, 101)]
    assert isinstance(one.check(), ShareReached)


def test_a_rule_without_a_bake_holds_a_step_as_well() -> None:
    one = ruled(bake=timedelta())
    assert isinstance(one.check(), StepMeasured)
    assert isinstance(one.check(HOUR), StepMeasured)
    one.mapped.points = [requests(one, 200)]
    assert isinstance(one.check(), ShareReached)


def test_too_many_errors_end_a_step_before_its_bake_is_over() -> None:
    one = ruled(bake=HOUR)
    one.mapped.points = [requests(one, 2, "500")]
    found = one.check(8 * MINUTE)
    assert isinstance(found, FoundBroken)
    assert found.reason == "10 % of the requests: 2 of 2 requests failed, more than 1 %"
    assert one.promotion.step.evidence.errors == 2
    assert one.promotion.step.verdict == "2 of 2 requests failed, more than 1 %"
    one.roll_back()
    assert one.mapped.sent == [TENTH, BLUE]


def test_own_probes_are_no_requests_of_the_step() -> None:
    one = ruled(bake=30 * MINUTE)
    sent = []
    for _ in range(120):
        one.check()
        sent.append(one.now)
        one.mapped.points = [TrafficPoint(NEW, at, 1.0, status="200") for at in sent]
    assert one.promotion.step.evidence.requests == 0
    assert one.run.phase is Phase.VERIFYING


@pytest.mark.parametrize("error", [TransientError("busy"), PermanentError("no role")])
def test_metrics_that_cannot_be_read_hold_a_step_only_if_a_rule_needs_them(
    error: TransientError | PermanentError,
) -> None:
    one = ruled()
    one.mapped.points = error
    assert isinstance(one.check(HOUR), StepMeasured)
    assert str(error) in one.promotion.step.verdict
    free = ruled(rules=NO_RULES)
    free.mapped.points = error
    assert isinstance(free.check(HOUR), ShareReached)


def test_one_call_of_the_metrics_is_made_in_a_minute() -> None:
    one = ruled(bake=HOUR)
    one.check(10 * MINUTE)
    for _ in range(8):
        one.check(MINUTE / 4)
    assert len(one.mapped.queries) == 1 + 2
    assert one.mapped.queries[0].deployments == (NEW, OLD)
    assert {query.measure for query in one.mapped.queries} == {Measure.REQUESTS}


def test_what_was_measured_in_a_step_is_not_counted_in_the_next() -> None:
    one = ruled(shares=(10, 50, 100))
    one.mapped.points = [requests(one, 500)]
    assert isinstance(one.check(HOUR), ShareReached)
    one.update()
    assert isinstance(one.check(), StepBegan)
    assert isinstance(one.check(HOUR), StepMeasured)
    assert one.promotion.step.evidence.requests == 0


# Waiting for too long.


def test_a_step_that_gets_no_requests_is_for_an_operator_who_may_let_it_continue() -> None:
    one = ruled(give_up_after=2 * HOUR)
    assert isinstance(one.check(2 * HOUR - MINUTE), StepMeasured)
    given_up = one.check()
    assert isinstance(given_up, StepBlocked)
    assert "for more than 2h: 0 requests of the 100 that are needed" in given_up.reason
    assert "approve it for the next step" in given_up.advice
    one.fold(StepApproved("ada"))
    one.mapped.probe = SILENT
    assert isinstance(one.check(), StepMeasured)  # not given up once more
    one.mapped.probe = None
    reached = one.check()
    assert isinstance(reached, ShareReached)
    assert "as ada approved" in reached.verification


def test_a_step_is_not_given_up_before_its_bake_is_over() -> None:
    one = ruled(bake=2 * HOUR, give_up_after=HOUR)
    assert isinstance(one.check(2 * HOUR - MINUTE), StepMeasured)
    assert isinstance(one.check(), StepBlocked)


def test_an_approval_does_not_save_a_model_whose_requests_fail() -> None:
    one = ruled(give_up_after=2 * HOUR)
    one.check(2 * HOUR)
    one.fold(StepApproved("ada"))
    one.mapped.points = [requests(one, 50, "500")]
    assert isinstance(one.check(), FoundBroken)


def test_a_step_that_was_given_up_is_held_again_by_a_retry() -> None:
    one = ruled(give_up_after=2 * HOUR)
    one.check(2 * HOUR)
    one.fold(RetryRequested(None))
    one.begin()
    assert one.mapped.sent == [TENTH]
    assert one.promotion.step.began_at == one.now
    assert isinstance(one.check(HOUR), StepMeasured)


# The endpoint meanwhile.


@pytest.mark.parametrize("progress", [UpdateProgress.PENDING, UpdateProgress.FAILED])
def test_a_step_neither_ends_nor_lasts_forever_at_an_endpoint_that_is_not_ready(
    progress: UpdateProgress,
) -> None:
    one = Mapped()
    one.begin()
    one.mapped.progress, one.mapped.detail = progress, "scaling"
    events = [one.check(20 * SECOND) for _ in range(91)]
    assert all(isinstance(event, StepMeasured) for event in events[:-1])
    assert one.promotion.step.verdict == "the endpoint is not ready: scaling"
    blocked = events[-1]
    assert isinstance(blocked, StepBlocked)
    assert "not ready: scaling, for more than 30m" in blocked.reason
    assert one.run.left_requests


def test_an_operators_rollback_ends_the_steps_of_a_run() -> None:
    one = Mapped()
    one.begin()
    known = one.endpoint_state()
    hold = Hold(run_id="sample-9", to="baseline", by="ada", at=NOW)
    held = known.resource(RESOURCE).evolve(held=hold)
    one.put_endpoint_state(
        resources={RESOURCE: held},
        generation=known.generation,
        endpoint_lease=known.endpoint_lease,
    )
    stopped = one.check()
    assert isinstance(stopped, FoundBroken)
    assert stopped.reason == "ada rolled the endpoint back meanwhile"


def test_a_step_that_the_service_undid_is_carried_out_again_three_times_at_most() -> None:
    one = Mapped()
    one.begin()
    for _ in range(3):
        one.mapped.traffic = BLUE
        assert isinstance(one.check(), UpdateLost)
        assert one.promotion.sent_at is None
        one.begin()
    one.mapped.traffic = BLUE
    given_up = one.check()
    assert isinstance(given_up, FoundBroken)
    assert "undid the update each time" in given_up.reason
    assert one.mapped.sent == [TENTH] * 4


def test_a_change_by_others_while_a_step_lasts_stops_the_run_and_is_not_overwritten() -> None:
    one = Mapped()
    one.begin()
    one.mapped.traffic = OTHERS
    blocked = one.check()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == OTHERS
    assert "its traffic is blue 70 %, m-new 30 %" in blocked.reason
    assert "it was to be blue 90 %, m-new 10 %" in blocked.reason
    assert one.mapped.traffic == OTHERS


def test_all_requests_given_back_by_others_after_the_first_step_are_their_change() -> None:
    one = Mapped()
    one.begin(50)
    one.mapped.traffic = BLUE
    blocked = one.check()
    assert isinstance(blocked, StepBlocked)
    assert blocked.found == BLUE
    assert one.mapped.traffic == BLUE


def test_the_log_of_a_model_that_failed_among_requests_is_in_the_reason() -> None:
    one = ruled()
    one.mapped.points, one.mapped.log = [requests(one, 50, "500")], "KeyError: 'age'"
    found = one.check(HOUR)
    assert isinstance(found, FoundBroken)
    assert found.reason.endswith("failed, more than 1 %; its log ends: KeyError: 'age'")
