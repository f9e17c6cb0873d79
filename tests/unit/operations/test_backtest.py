"""A gate is replayed over recorded runs: unchanged rules, unknown results, and limits."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.core.run.replays import Replay
from shared.errors import InvalidRequestError, TransientError
from shared.execution.replays import Replays
from tests.unit.execution.compared_worlds import (
    NO_DROP,
    ONE_FILE,
    TWO_FILES,
    bad,
    better,
    good,
    rows,
    world_with,
)
from tests.unit.execution.gated_worlds import (
    BOSS,
    approve,
    ended_run,
    endpoints_of,
    fleet,
    gated,
    opened,
)
from tests.unit.operations.judged_worlds import (
    AT_LEAST,
    HERE,
    RECORDED,
    ROWS,
    SURE,
    backtest,
    gate_of,
    in_order,
    second_of,
)
from tests.unit.worlds import Observed

# Unchanged rules


THREE: tuple[bytes | float, ...] = (0.9, b"AUC,F1\n0.895,0.5\n", b"AUC,F1\n0.86,0.7\n")


def by_numbers() -> Observed:
    world = gated(NO_DROP, {"metric": "F1", "min_gain": 0.1, "observe": True}, first_model="allow")
    for number, content in enumerate(THREE):
        ended_run(world, number, content)
    return world


def by_odd_numbers() -> Observed:
    world = gated(NO_DROP, {"metric": "F1", "at_least": 0.1}, first_model="allow")
    for number, content in enumerate((b"AUC,F1\n0.9,0.7\n", b"AUC\nNaN\n", b"AUC,F1\n0.9,x\n")):
        ended_run(world, number, content)
    return world


def by_no_evaluation() -> Observed:
    world = gated(NO_DROP, first_model="allow")
    ended_run(world, 1, b"AUC,AUC\n1,2\n")
    return world


def by_one_file() -> Observed:
    world = world_with(ONE_FILE, {"metric": "AUC", "at_least": 0.7}, NO_DROP)
    ended_run(world, 1, rows(candidate=good))
    ended_run(world, 2, rows(candidate=bad, live=good))
    ended_run(world, 3, rows(candidate=better, live=good))
    world.until(opened(world, 4, rows(12, candidate=good, live=better)), Phase.AWAITING_APPROVAL)
    return world


def by_two_files() -> Observed:
    world = world_with({**TWO_FILES, "anchor": "pinned"}, NO_DROP)
    ended_run(world, 1, rows(candidate=good))
    ended_run(world, 2, rows(candidate=better))
    ended_run(world, 3, rows(candidate=better))
    ended_run(world, 4, rows(candidate=bad))
    return world


def half(at: int) -> str:
    return "a" if at < 200 else "b"


def half_as_good(at: int) -> float:
    return better(at) if at < 200 else bad(at)


def by_slices() -> Observed:
    world = world_with({**ONE_FILE, "slices": ["half"]}, NO_DROP)
    ended_run(world, 1, rows(candidate=good, half=half))
    ended_run(world, 2, rows(candidate=half_as_good, live=good, half=half))
    return world


def by_what_went_live_meanwhile() -> Observed:
    """Of three runs the second gets its verdict before the third goes live."""
    world = world_with(TWO_FILES)
    ended_run(world, 1, rows(candidate=good))
    second = world.until(opened(world, 2, rows(12, candidate=good)), Phase.AWAITING_APPROVAL)
    newer = opened(world, 3, rows(candidate=better))
    world.until(newer, Phase.PROMOTED)
    world.until_idle(world.now_of(second))
    return world


def by_a_rollback() -> Observed:
    world = gated(NO_DROP, first_model="allow")
    ended_run(world, 1, 0.8)
    ended_run(world, 2, 0.95)
    world.until(endpoints_of(world).rollback(HERE, None, BOSS), Phase.PROMOTED)
    endpoints_of(world).resume(HERE)
    ended_run(world, 3, 0.85)
    return world


def by_two_endpoints() -> Any:
    world = fleet(NO_DROP, first_model="allow")
    ended_run(world, 1, 0.9)
    ended_run(world, 2, 0.8)
    return world


def by_a_late_approval() -> Observed:
    """Before the third model is approved, the second goes live, which is better."""
    world = gated(NO_DROP, first_model="allow", approval="required")
    for number, auc in enumerate((0.9, 0.95, 0.9)):
        world.until(opened(world, number, auc), Phase.AWAITING_APPROVAL)
        if number == 0:
            approve(world, in_order(world)[0])
            world.until(in_order(world)[0], Phase.PROMOTED)
    second, third = in_order(world)[1:]
    approve(world, second)
    world.until(second, Phase.PROMOTED)
    approve(world, third)
    assert world.until_idle(third).phase is Phase.REJECTED
    return world


@pytest.mark.parametrize(
    "made",
    [
        by_a_late_approval,
        by_numbers,
        by_odd_numbers,
        by_no_evaluation,
        by_one_file,
        by_two_files,
        by_slices,
        by_what_went_live_meanwhile,
        by_a_rollback,
        by_two_endpoints,
    ],
)
def test_unchanged_rules_give_every_verdict_again(made: Callable[[], Any]) -> None:
    world = made()
    judged = [run for run in world.runs() if run.verdict and not run.parent]
    for from_files in (False, True):
        replays = backtest(world, from_files=from_files)
        assert len(replays) == len(judged)
        assert [one.verdict for one in replays] == [one.recorded for one in replays]
        assert not any(one.changed for one in replays)


# What cannot be known


def predictions_in(world: Observed) -> list[str]:
    return [key for key in world.blobs.store.contents if key.endswith("predictions.csv")]


def test_files_that_were_changed_since_are_not_believed() -> None:
    world = second_of(ROWS)
    run = in_order(world)[-1]
    (key,) = [key for key in predictions_in(world) if run.run_id in key]
    world.blobs.store.contents[key] = rows(candidate=good, live=bad)
    (first, second) = backtest(world, gate_of(**{**ROWS, "compare": SURE}))

    assert first.verdict is not None
    assert (second.verdict, second.changed) == (None, False)
    assert second.why.startswith("its files do not give its own verdict again: ")
    assert backtest(world)[1].verdict == run.verdict, "its record does"


def test_files_that_are_gone_are_named() -> None:
    world = second_of(ROWS)
    for key in predictions_in(world):
        del world.blobs.store.contents[key], world.blobs.facts[key]
    for one in backtest(world, gate_of(**{**ROWS, "compare": SURE})):
        assert one.verdict is None
        assert "there are no predictions at runs/" in one.why


OUTPUT = {"predictions": "output2"}
ON_HOLDOUT = {**OUTPUT, "holdout": "training-data/holdout.csv"}
OTHER_HOLDOUT = {**OUTPUT, "holdout": "training-data/other.csv"}


@pytest.mark.parametrize(
    ("own", "wanted", "said"),
    [
        (RECORDED, ON_HOLDOUT, "has none of the names id"),
        (RECORDED, OUTPUT, "its job was given no live model to score"),
        (ROWS, ON_HOLDOUT, "its model was scored on other rows"),
        ({**ROWS, "compare": ON_HOLDOUT}, OTHER_HOLDOUT, "on other rows"),
        ({**ROWS, "compare": ON_HOLDOUT}, OUTPUT, "on other rows"),
        (ROWS, {**OUTPUT, "slices": ["region"]}, "there is no column region"),
    ],
)
def test_rows_that_nobody_scored_say_nothing_of_a_gate_that_wants_them(
    own: dict[str, Any], wanted: dict[str, Any], said: str
) -> None:
    second = backtest(second_of(own), gate_of(**{**ROWS, "compare": wanted}))[-1]
    assert (second.verdict, second.changed) == (None, False)
    assert said in second.why


# Bounds


def test_nothing_is_written_and_nothing_is_sent_to_an_endpoint() -> None:
    world = second_of(ROWS)
    sent, records = list(world.http.sent), dict(world.documents.rows)
    blobs = dict(world.blobs.store.contents)
    backtest(world, gate_of(**{**ROWS, "compare": SURE}))
    backtest(world, from_files=True)
    assert (world.documents.rows, world.blobs.store.contents) == (records, blobs)
    assert not [one for one in world.http.sent[len(sent) :] if not one.startswith("GET ")]


def slowly(world: Observed, monkeypatch: pytest.MonkeyPatch, time: timedelta) -> None:
    replay = Replays.replay

    def slow(*arguments: Any, **how: Any) -> Replay:
        world.clock.move(time)
        return replay(*arguments, **how)

    monkeypatch.setattr(Replays, "replay", slow)


def test_a_page_ends_after_a_minute_and_the_next_one_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = gated(NO_DROP, first_model="allow")
    for number in range(10):
        ended_run(world, number, 0.9)
    backtests = world.app.backtests
    slowly(world, monkeypatch, timedelta(seconds=30))
    gate = world.pipeline.gate
    first = backtests.page(world.pipeline, gate, 50)
    assert (len(first.replays), first.cursor is not None) == (9, True)
    second = backtests.page(world.pipeline, gate, 50, first.cursor)
    assert (len(second.replays), second.cursor) == (1, None)
    ids = [one.run.run_id for one in (*first.replays, *second.replays)]
    assert ids == [run.run_id for run in reversed(in_order(world))]
    assert len(backtests.page(world.pipeline, gate, 3).replays) == 3


def test_where_files_are_read_the_time_is_looked_at_after_each_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = second_of(ROWS)
    slowly(world, monkeypatch, timedelta(minutes=1))
    page = world.app.backtests.page(world.pipeline, world.pipeline.gate, 50, from_files=True)
    assert (len(page.replays), page.cursor is not None) == (1, True)


def test_one_backtest_is_under_way_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = second_of(RECORDED)
    refused: list[str] = []

    def meanwhile(*_: Any, **__: Any) -> Replay:
        with pytest.raises(TransientError) as said:
            world.app.backtests.page(world.pipeline, world.pipeline.gate, 50)
        refused.append(str(said.value))
        raise TransientError("the ledger fails")

    with monkeypatch.context() as patched:
        patched.setattr(Replays, "replay", meanwhile)
        with pytest.raises(TransientError, match="the ledger fails"):
            backtest(world)
    assert refused == ["another backtest is under way here: try again in a minute"]
    assert len(backtest(world)) == 2


def test_runs_that_no_rule_judged_are_counted_alone() -> None:
    world = gated()
    ended_run(world, 1)
    page = world.app.backtests.page(world.pipeline, gate_of(**RECORDED), 50)
    assert (page.replays, page.skipped, page.cursor) == ((), 1, None)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({}, "gate.rules: there are none to replay: write at least one"),
        ({"metrics": "output1", "rules": [AT_LEAST]}, "output1 is a model"),
        ({"metrics": {"mlflow": True}, "rules": [AT_LEAST]}, "logs no metrics with MLflow"),
    ],
)
def test_a_gate_that_the_pipeline_cannot_have_is_refused(gate: dict[str, Any], said: str) -> None:
    world = gated()
    with pytest.raises(InvalidRequestError, match=re.escape(said)):
        backtest(world, gate_of(**gate))
