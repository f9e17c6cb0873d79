"""Whole runs whose models are compared on the same rows, some of them with too few to tell."""

import logging
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase, Run
from tests.fakes.faults import Faults, Kind
from tests.unit.execution.gated_worlds import NO_DROP, approve, data, evaluates, opened, trains
from tests.unit.worlds import Observed

MINUTE = timedelta(minutes=1)
#: Equal scores in this many rows are fit by `max_drop: 0.01`; in fewer rows they are unsure.
ROWS = 480


def predictions(noise: float, seed: int = 1) -> bytes:
    """Return what a model says of a holdout; one seed is one model, the noise its errors."""
    drawn = np.random.default_rng(seed)
    lines = [f"{at},{at % 2},{at % 2 + noise * drawn.normal():.6f}" for at in range(ROWS)]
    return "\n".join(["id,label,candidate", *lines, ""]).encode()


LIVE = predictions(0.5)
#: With other errors, so that few rows do not tell which of the two is better.
UNSURE = predictions(0.5, seed=94)
WORSE = predictions(9.0, seed=3)


def world_with(unsure: str, faults: Faults | None = None, **more: Any) -> Observed:
    compare = {"predictions": "output2", "holdout": "evaluation/holdout.csv", "unsure": unsure}
    written = {"rules": [NO_DROP], "first_model": "allow", "compare": {**compare, **more}}
    world = Observed(config={"pipeline": {"gate": written}}, faults=faults or Faults({}))
    trains(world)
    first = world.until_idle(opened(world, 1, LIVE))
    assert first.phase is Phase.PROMOTED
    return world


def settled(world: Observed, number: int, content: bytes, phase: Phase) -> Run:
    return world.until(opened(world, number, content), phase)


def outcome(run: Run) -> RuleOutcome | None:
    assert run.verdict is not None
    return run.verdict.outcome


@pytest.mark.parametrize(
    ("content", "unsure", "said", "phase"),
    [
        (LIVE, "reject", RuleOutcome.FIT, Phase.PROMOTED),
        (WORSE, "promote", RuleOutcome.WORSE, Phase.REJECTED),
        (UNSURE, "promote", RuleOutcome.UNSURE, Phase.PROMOTED),
        (UNSURE, "reject", RuleOutcome.UNSURE, Phase.REJECTED),
        (UNSURE, "ask", RuleOutcome.UNSURE, Phase.AWAITING_APPROVAL),
    ],
)
def test_a_model_is_judged_by_the_rows_that_the_live_model_scored_too(
    content: bytes, unsure: str, said: RuleOutcome, phase: Phase
) -> None:
    world = world_with(unsure)
    run = settled(world, 2, content, phase)
    assert outcome(run) is said
    assert run.verdict is not None
    (compared,) = run.verdict.results[0].comparisons
    live = world.runs()[0]
    assert (compared.run_id, compared.rows, compared.positives) == (live.run_id, ROWS, ROWS // 2)


def test_many_unsure_models_cannot_leave_the_anchor_behind() -> None:
    world = world_with("promote", anchor="pinned")
    second = settled(world, 2, UNSURE, Phase.PROMOTED)
    third = settled(world, 3, UNSURE, Phase.PROMOTED)  # the same as the live one
    assert third.verdict is not None
    by = {one.against: one for one in third.verdict.results[0].comparisons}
    assert (by["live"].run_id, by["live"].outcome) == (second.run_id, RuleOutcome.FIT)
    assert (by["anchor"].run_id, by["anchor"].outcome) == (
        world.runs()[0].run_id,
        RuleOutcome.UNSURE,
    )
    assert outcome(third) is RuleOutcome.UNSURE


def test_an_unsure_model_ends_with_the_promotion_of_the_next_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = world_with("wait")
    waits = settled(world, 2, UNSURE, Phase.AWAITING_APPROVAL)
    assert waits.asks_at is not None
    settled(world, 3, LIVE, Phase.PROMOTED)
    world.idle(11 * MINUTE)
    assert world.now_of(waits).phase is Phase.SUPERSEDED
    assert "RL1009" not in caplog.text


def test_nobody_is_asked_any_longer_about_a_model_that_a_newer_one_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = world_with("ask")
    asked = settled(world, 2, UNSURE, Phase.AWAITING_APPROVAL)
    assert asked.asks_at is None
    settled(world, 3, LIVE, Phase.PROMOTED)
    world.idle(11 * MINUTE)
    ended = world.now_of(asked)
    assert (ended.phase, ended.approval) == (Phase.SUPERSEDED, None)
    assert "a model of newer data serves, while this one was unsure" in str(ended.history[-1].note)
    assert "RL1005" not in caplog.text


@pytest.mark.parametrize(
    ("content", "phase"), [(WORSE, Phase.REJECTED), (UNSURE, Phase.AWAITING_APPROVAL)]
)
def test_an_operator_is_asked_once_the_next_run_settled_nothing(
    content: bytes, phase: Phase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "relearn")
    world = world_with("wait")
    waits = settled(world, 2, UNSURE, Phase.AWAITING_APPROVAL)
    newer = settled(world, 3, content, phase)
    asked = world.now_of(waits)
    assert (asked.asks_at, newer.asks_at) == (None, None)
    alerts = [vars(one)["run_id"] for one in caplog.records if "RL1009" in one.getMessage()]
    assert waits.run_id in alerts
    approve(world, waits)
    assert world.until_idle(waits).phase is Phase.PROMOTED


def test_an_operator_is_asked_when_no_other_run_comes() -> None:
    world = world_with("wait", wait="1h")
    waits = settled(world, 2, UNSURE, Phase.AWAITING_APPROVAL)
    world.idle(59 * MINUTE, MINUTE)
    assert world.now_of(waits).asks_at is not None
    world.idle(2 * MINUTE, MINUTE)
    assert world.now_of(waits).asks_at is None


def test_a_crash_while_an_older_model_is_settled_leaves_none_waiting() -> None:
    def begun(faults: Faults) -> tuple[Observed, Run]:
        world = world_with("wait", faults)
        return world, settled(world, 2, UNSURE, Phase.AWAITING_APPROVAL)

    calm, waits = begun(Faults({}))
    before = len(calm.faults.sites)
    settled(calm, 3, UNSURE, Phase.AWAITING_APPROVAL)
    writes = [
        at
        for at, site in enumerate(calm.faults.sites)
        if at >= before and site in ("replace runs", "replace open")
    ]
    assert writes
    for call in writes:
        world, waits = begun(Faults({call: Kind.CRASH_AFTER}))
        evaluates(world, 3, UNSURE)
        world.upload("3.csv", data(3))
        world.survive(partial(world.deliver, "3.csv"))
        for _ in range(40):
            world.survive(world.tick)
        newer = world.runs()[-1]
        assert [run.phase for run in world.runs()[1:]] == [Phase.AWAITING_APPROVAL] * 2, call
        assert (world.now_of(waits).asks_at, newer.asks_at) == (None, None), call


def test_predictions_that_do_not_match_are_never_a_pass() -> None:
    world = world_with("promote")
    others = LIVE.replace(b"\n1", b"\nother-1")
    run = settled(world, 2, others, Phase.AWAITING_APPROVAL)
    assert outcome(run) is RuleOutcome.UNSURE
    assert "AUC cannot be compared with the live model" in str(run.reason)
    missing = settled(world, 3, b"id,label\n1,0\n", Phase.REJECTED)
    assert outcome(missing) is None
