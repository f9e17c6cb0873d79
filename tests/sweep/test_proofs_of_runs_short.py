"""Short forms of the proofs with random sequences, repeated events, faults and planted bugs."""

import logging
from collections.abc import Iterator

import pytest

from proofs import (
    duplicate_events,
    endpoint_faults,
    fault_sweep,
    random_sequences,
    workspace_faults,
)
from proofs.outcomes import Effort, Part
from proofs.planted import trials as planted
from proofs.planted.bug import Bug
from tests.fakes.faults import Faults, kinds_at


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)  # the parts switch it off


def hold(part: Part, effort: Effort, least: int) -> None:
    outcomes = part(effort)
    assert [violation for one in outcomes for violation in one.violations] == []
    assert sum(one.trials for one in outcomes) >= least


def test_random_sequences_keep_every_promise() -> None:
    hold(random_sequences.part, Effort(seed=5, size=40), 40)


def test_events_in_any_order_to_two_hosts_are_one_run_each() -> None:
    hold(duplicate_events.part, Effort(seed=5, size=40), 40)


def test_a_rollback_survives_every_single_fault() -> None:
    (scenario,) = [one for one in fault_sweep.SCENARIOS if one.name == "rollback"]
    sites, wrong = scenario.carry(Faults({}))
    assert wrong == []
    for at in range(len(sites)):
        for kind in kinds_at(sites, at):
            assert scenario.carry(Faults({at: kind}))[1] == [], (at, kind)


@pytest.mark.parametrize("way", workspace_faults.WAYS)
def test_a_model_is_registered_once_after_pairs_of_faults(way: str) -> None:
    logging.disable(logging.CRITICAL)
    for plan in workspace_faults.pairs(way, seed=5, size=4)[:25]:
        assert workspace_faults.problems(way, plan) == [], plan


def test_a_pair_of_faults_at_a_workspace_can_be_repeated() -> None:
    (outcome, *others) = workspace_faults.part(
        Effort(1, 1, plan="as documented: app 3 PUT job: lost, workspace 4 PUT job: gateway")
    )
    assert (outcome.trials, outcome.violations) == (1, ())
    assert sum(one.trials for one in others) == 0


@pytest.mark.parametrize("course", endpoint_faults.COURSES, ids=lambda course: course.promise)
def test_an_endpoint_serves_what_it_should_after_faults_in_each_way(
    course: endpoint_faults.Course,
) -> None:
    logging.disable(logging.CRITICAL)
    usual, *others = course.ways
    other = others[endpoint_faults.COURSES.index(course) + 1]
    for way, share in ((usual, slice(0, None, 400)), (other, slice(5, None, 20))):
        plans = endpoint_faults.chosen(course, way, Effort(seed=5, size=50))[share]
        assert plans
        for plan in plans:
            assert endpoint_faults.problems(course, way, plan) == [], (way, plan)


def test_what_others_write_ahead_of_a_call_of_an_endpoint_can_be_repeated() -> None:
    written = "new data to all requests / as documented: others 27 GET endpoint: write"
    (outcome, *others) = endpoint_faults.part(Effort(1, 1, plan=written))
    assert (outcome.trials, outcome.violations) == (1, ())
    assert sum(one.trials for one in others) == 0


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_the_code_that_each_planted_bug_replaces_is_there(bug: Bug) -> None:
    text = (planted.ROOT / bug.file).read_text(encoding="utf-8")
    assert planted.planted_in(text, bug) != text
    assert all((planted.ROOT / name).exists() for name in bug.tests)


def test_a_broken_promise_is_reported_with_the_steps_that_repeat_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        random_sequences.RandomSequence, "_problems", lambda _: iter(["each data version: a.csv"])
    )
    (outcome,) = random_sequences.part(Effort(seed=5, size=5))
    (violation,) = outcome.violations
    assert "state.start(mode=" in violation.plan
    assert "a.csv" in violation.what
