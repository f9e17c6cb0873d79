"""Steps whose errors are compared with those of other deployments: at a service, in the record."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.decisions.sequential import RequestCounts
from shared.core.run.promotion_events import FoundBroken, ShareReached, StepMeasured
from shared.core.run.record import Phase, Run
from shared.core.serving.error_comparison import ErrorComparison
from shared.core.serving.traffic_rules import TrafficPoint, TrafficRules
from shared.ports.serving import Plan
from tests.unit.execution.lasting_steps import baking
from tests.unit.execution.mapped_worlds import BLUE, HOUR, MINUTE, NEW, OLD, SECOND, TENTH, Mapped

RULES = TrafficRules(min_requests=100, max_error_increase=20.0, compared_steps=1)
COMPARED: dict[str, Any] = {
    "max_error_rate": None,
    "max_error_increase": "20%",
    "give_up_after": "3h",
}


def ruled(**changes: object) -> Mapped:
    usual = {"stages": True, "shares": (10, 100), "bake": HOUR, "rules": RULES}
    one = Mapped(Plan(**{**usual, **changes}))  # type: ignore[arg-type]
    one.begin()
    return one


def serve(one: Mapped, mine: tuple[int, int], others: tuple[int, int], minutes: int) -> None:
    """Have the service measure a number of minutes: good answers, and failed ones."""
    began = one.promotion.step.began_at
    assert began is not None
    first = began.replace(second=0, microsecond=0) + MINUTE
    one.mapped.points = [
        TrafficPoint(who, first + minute * MINUTE, requests=number, status=status)
        for minute in range(minutes)
        for who, counts in ((NEW, mine), (OLD, others))
        for number, status in zip(counts, ("200", "500"), strict=True)
        if number
    ]


def comparison_of(one: Mapped) -> ErrorComparison:
    found = one.promotion.step.evidence.error_comparison
    assert found is not None
    return found


def test_a_candidate_that_fails_more_often_is_rolled_back_before_its_bake_is_over() -> None:
    one = ruled(bake=5 * HOUR)
    serve(one, (20, 5), (225, 0), 200)
    found = one.check(HOUR)
    assert isinstance(found, FoundBroken)
    assert "10 % of the requests: " in found.reason
    assert "failed, at the other deployments 0 of " in found.reason
    assert found.verdict.endswith("it fails more than 20 % more often")
    assert comparison_of(one).is_worse
    one.roll_back()
    assert one.mapped.sent == [TENTH, BLUE]


def test_errors_of_both_alike_pass_at_the_end_of_the_bake() -> None:
    one = ruled()
    serve(one, (5, 5), (45, 45), 200)
    assert isinstance(one.check(HOUR - MINUTE), StepMeasured)
    reached = one.check()
    assert isinstance(reached, ShareReached)
    assert (
        "not shown to be worse; 75 % of errors instead of 50 % would show" in reached.verification
    )


def test_a_candidate_that_looks_worse_is_held_beyond_its_bake() -> None:
    one = ruled()
    serve(one, (9, 1), (89, 1), 11)
    assert isinstance(one.check(2 * HOUR), StepMeasured)
    assert "it may be worse; there is not enough evidence yet" in one.promotion.step.verdict
    serve(one, (10, 0), (89, 1), 60)
    assert isinstance(one.check(), StepMeasured)  # what was compared is compared
    assert comparison_of(one).minutes == 11


def test_without_requests_a_step_is_neither_passed_nor_rolled_back() -> None:
    one = ruled(give_up_after=timedelta(days=30))
    for _ in range(48):
        assert isinstance(one.check(HOUR), StepMeasured)
    assert comparison_of(one).total == RequestCounts()


def test_own_probes_are_not_compared_however_many_there_are() -> None:
    one, sent = ruled(bake=timedelta(days=1)), []
    for _ in range(300):
        one.check(30 * SECOND)
        sent.append(one.now)
        beside = [TrafficPoint(OLD, at, 90.0, status="200") for at in sent]
        one.mapped.points = [*beside, *(TrafficPoint(NEW, at, 1.0, status="200") for at in sent)]
    assert comparison_of(one).total == RequestCounts()
    assert len(comparison_of(one).own) <= 1


def test_the_next_step_is_compared_again() -> None:
    one = ruled(shares=(10, 50, 100))
    serve(one, (10, 0), (89, 1), 200)
    one.check(HOUR)
    one.mapped.points = []
    one.begin(50)
    one.check(10 * MINUTE)
    assert comparison_of(one).total == RequestCounts()


def test_the_last_step_has_no_comparison_and_needs_only_its_requests() -> None:
    one = ruled()
    serve(one, (10, 0), (89, 1), 200)
    one.check(HOUR)
    one.mapped.points = []
    one.begin(100)
    assert isinstance(one.check(HOUR), StepMeasured)
    assert one.promotion.step.verdict == "0 requests of the 100 that are needed"


@pytest.mark.parametrize("compares", [True, False])
def test_a_record_with_a_comparison_has_the_second_form(*, compares: bool) -> None:
    one = ruled(rules=RULES if compares else RULES.evolve(max_error_increase=None))
    assert one.run.form == 1
    one.check(HOUR)
    assert one.run.form == (2 if compares else 1)
    assert Run.model_validate_json(one.run.model_dump_json()) == one.run


# Over the stand-in for a workspace.


def test_errors_that_other_deployments_do_not_have_roll_back() -> None:
    world = baking(requests=100, **COMPARED)
    world.fail_for_clients()
    ended = world.ended()
    assert ended.phase is Phase.ROLLED_BACK
    assert "it fails more than 20 % more often" in (ended.reason or "")
    assert world.traffic() == {world.old: 100}
    assert ended.schema_version == 2
    world.safe()


def test_a_model_that_fails_no_more_often_is_promoted() -> None:
    world = baking(requests=100, **COMPARED)
    endpoint = world.pipeline.endpoints[0]
    assert isinstance(endpoint, AzureMlEndpoint)
    assert endpoint.traffic is not None
    assert endpoint.traffic.rules.compared_steps == 2
    ended = world.ended()
    assert ended.phase is Phase.PROMOTED
    assert ended.promotion is not None
    said = [step.verdict for step in ended.promotion.steps]
    assert ["not shown to be worse" in one for one in said] == [True, True, False]
    world.safe()
