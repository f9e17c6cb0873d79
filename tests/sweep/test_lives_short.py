"""The short, seeded form of what `make prove` measures over whole lives of the app."""

import logging
from collections.abc import Iterator

import pytest

from proofs import duplicates, faults, planted, sequences
from proofs.bug import Bug
from proofs.trial import DueTimePart, Effort
from tests.fakes.faults import Faults, kinds_at


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)  # the parts switch it off


def hold(part: DueTimePart, effort: Effort, least: int) -> None:
    outcomes = part(effort)
    assert [violation for one in outcomes for violation in one.violations] == []
    assert sum(one.trials for one in outcomes) >= least


def test_random_lives_keep_every_promise() -> None:
    hold(sequences.part, Effort(seed=5, size=40), 40)


def test_events_in_any_order_to_two_hosts_are_one_run_each() -> None:
    hold(duplicates.part, Effort(seed=5, size=40), 40)


def test_a_way_back_survives_every_single_fault() -> None:
    (scenario,) = [one for one in faults.SCENARIOS if one.name == "back to an earlier model"]
    sites, wrong = scenario.carry(Faults({}))
    assert wrong == []
    for at in range(len(sites) + 2):
        for kind in kinds_at(sites, at):
            assert scenario.carry(Faults({at: kind}))[1] == [], (at, kind)


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_each_planted_bug_has_its_place_in_the_code(bug: Bug) -> None:
    text = (planted.ROOT / bug.file).read_text(encoding="utf-8")
    assert planted.planted_in(text, bug) != text
    assert all((planted.ROOT / name).exists() for name in bug.tests)


def test_a_broken_promise_is_told_with_what_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences.Life, "_problems", lambda _: iter(["each data version: a.csv"]))
    (outcome,) = sequences.part(Effort(seed=5, size=5))
    (violation,) = outcome.violations
    assert "state.start(mode=" in violation.plan
    assert "a.csv" in violation.what
