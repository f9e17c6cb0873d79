"""The measurements of `max_error_increase` by `make prove`, with fewer trials."""

from dataclasses import replace

import numpy as np
import pytest

from proofs import traffic_errors
from proofs.drawn_requests import Errors, Requests, alone, outages, outages_of, runs_of, waves
from proofs.outcomes import Effort, Outcome
from proofs.traffic_errors import FALSE, FOUND, NO_DATA, RULES, USUAL, WORSE, rolled_back
from shared.core.serving.error_comparison import ErrorComparison
from shared.core.serving.traffic_rules import StepVerdict

FEW = Effort(seed=1, size=5)


def outcomes() -> dict[str, Outcome]:
    return {one.promise: one for one in traffic_errors.part(FEW)}


def test_steps_end_as_promised() -> None:
    found = outcomes()
    assert found.keys() == {FALSE, FOUND, NO_DATA}
    assert [one.violations for one in found.values()] == [(), (), ()]
    assert found[FALSE].notes.count("rolled back") == len(
        [*traffic_errors.equal(), *traffic_errors.long_steps()]
    )


def test_a_rule_that_decides_too_early_breaks_the_first_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ErrorComparison, "is_worse", ErrorComparison.leans)
    assert traffic_errors._false(FEW).violations


def test_a_rule_that_never_decides_breaks_the_second_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ErrorComparison, "is_worse", False)
    assert len(traffic_errors._found(FEW).violations) == 2


def test_a_step_that_passes_without_requests_breaks_the_third_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traffic_errors, "judged", lambda *_: StepVerdict.PASS)
    assert len(traffic_errors._without_data(replace(FEW, size=2)).violations) == 3


def test_a_roll_out_of_a_worse_model_names_the_step_that_found_it() -> None:
    chance = np.random.default_rng(1)
    busy = replace(WORSE, per_minute=1000)
    assert {rolled_back(busy, USUAL, chance) for _ in range(5)} == {10}


@pytest.mark.parametrize(
    "errors", [alone, waves, runs_of(5), runs_of(20)], ids=["alone", "waves", "5", "20"]
)
def test_drawn_errors_are_as_many_as_they_are_to_be(errors: Errors) -> None:
    chance = np.random.default_rng(1)
    counts = Requests("drawn", 1000, 30, 0.02, 0.01, errors=errors).drawn(3000, chance)
    mine, others = sum(one.requests for one in counts), sum(one.other_requests for one in counts)
    assert mine == pytest.approx(900_000, rel=0.01)
    assert others == pytest.approx(2_100_000, rel=0.01)
    rates = (
        sum(one.errors for one in counts) / mine,
        sum(one.other_errors for one in counts) / others,
    )
    assert rates[0] / rates[1] == pytest.approx(2, rel=0.1)
    if errors is not waves:
        assert rates[0] == pytest.approx(0.02, rel=0.1)


def test_outages_hit_both_deployments_in_the_same_minutes() -> None:
    chance = np.random.default_rng(1)
    counts = Requests("drawn", 1000, 50, 0.0, 0.0, errors=outages).drawn(1000, chance)
    hit = [(bool(one.errors), bool(one.other_errors)) for one in counts]
    assert set(hit) == {(False, False), (True, True)}
    assert 10 < hit.count((True, True)) < 60


def test_an_instance_that_is_out_fails_its_part_of_the_requests_of_its_side() -> None:
    chance = np.random.default_rng(1)
    errors = outages_of(4, 0.01, (1, 2))
    counts = Requests("drawn", 1000, 50, 0.0, 0.0, errors=errors).drawn(5000, chance)
    mine = [one.errors / one.requests for one in counts]
    others = [one.other_errors / one.other_requests for one in counts]
    assert set(mine) == {0.0, 1.0}
    assert {round(2 * one) for one in others} == {0, 1, 2}
    for found in (mine, others):
        assert sum(found) / 5000 == pytest.approx(0.039, abs=0.01)
    begins = [at for at in range(1, 5000) if mine[at] > mine[at - 1]]
    assert all(sum(mine[at : at + 4]) == 4 for at in begins if at < 4990)
    assert sum(one > 0 and other > 0 for one, other in zip(mine, others, strict=True)) < 40


def test_each_kind_of_requests_is_rolled_out_once() -> None:
    every = [*traffic_errors.equal(), *traffic_errors.long_steps()]
    named = [f"{rules.max_error_increase} {one}" for rules, one in every]
    assert len(set(named)) == len(named)
    assert RULES.compared_steps == 2
