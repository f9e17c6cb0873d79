"""Other rules are replayed over recorded runs: the verdicts that a pipeline would have had."""

from typing import Any

import pytest

from shared.core.run.replays import GateAction
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
    ended_run,
    gated,
)
from tests.unit.operations.judged_worlds import (
    ASKED,
    AUC,
    HERE,
    NO,
    ON,
    OTHER_ROWS,
    RECALL,
    RECORDED,
    ROWS,
    SLICED,
    SURE,
    WAITS,
    backtest,
    gate_of,
    in_order,
    second_of,
)
from tests.unit.operations.test_backtest import by_numbers


@pytest.mark.parametrize(
    ("own", "wanted", "by", "was", "would_be"),
    [
        (RECORDED, {"rules": [{"metric": "auc", "max_drop": 0.03}]}, "record", NO, ON),
        (RECORDED, {"rules": [NO_DROP, {"metric": "F1", "at_least": 0.6}]}, "record", NO, NO),
        (RECORDED, {"rules": [{"metric": "F1", "min_gain": 0.01}]}, "files", NO, ON),
        (RECORDED, {"rules": [{**NO_DROP, "observe": True}]}, "record", NO, ON),
        (RECORDED, {"rules": [{"metric": "F1", "at_most": 0.8}]}, "record", NO, ON),
        (RECORDED, {"rules": [NO_DROP, RECALL]}, "files", NO, NO),
        (ROWS, {"rules": [{**AUC, "max_drop": 0.2}]}, "record", ASKED, ON),
        (ROWS, {"rules": [{**AUC, "max_drop": 0.03}]}, "record", ASKED, ASKED),
        (ROWS, {"rules": [{**AUC, "min_gain": 0.1}]}, "record", ASKED, NO),
        (ROWS, {"compare": {**ONE_FILE, "unsure": "reject"}}, "record", ASKED, NO),
        (ROWS, {"compare": {**ONE_FILE, "unsure": "wait"}}, "record", ASKED, WAITS),
        (ROWS, {"rules": [{**NO_DROP, "observe": True}, OTHER_ROWS]}, "files", ASKED, NO),
        (ROWS, {"rules": [{"metric": "log loss", "max_drop": 0.2}]}, "files", ASKED, ON),
        (ROWS, {"compare": SURE}, "files", ASKED, NO),
        (ROWS, {"compare": SLICED}, "files", ASKED, ASKED),
    ],
)
def test_other_rules_say_what_a_pipeline_with_them_would_have_said(
    own: dict[str, Any], wanted: dict[str, Any], by: str, was: GateAction, would_be: GateAction
) -> None:
    there, elsewhere = second_of(own), second_of({**own, **wanted})
    second, judged = backtest(there, elsewhere.pipeline.gate)[-1], in_order(elsewhere)[-1]

    assert judged.run_id == second.run.run_id
    assert second.verdict == judged.verdict
    assert (second.by, second.recorded_action, second.action) == (by, was, would_be)
    assert second.changed is (was is not would_be)


def test_an_approval_that_is_required_asks_for_every_model_that_passes() -> None:
    replays = backtest(by_numbers(), gate_of(**RECORDED, approval="required"))
    assert [one.action for one in replays] == [ASKED, ASKED, NO]


def test_a_gate_that_is_tried_for_the_first_time_is_compared_with_what_served_then() -> None:
    """The runs had no rules that compare, so that their records do not say what served."""
    world = gated({"metric": "AUC", "at_least": 0.1})
    for number, auc in enumerate((0.9, 0.8, 0.85)):
        ended_run(world, number, auc)
    replays = backtest(world, gate_of(**{**RECORDED, "rules": [{**AUC, "min_gain": 0.01}]}))
    assert [(one.by, one.action) for one in replays] == [
        ("files", ON),
        ("files", NO),
        ("files", ON),
    ]
    lives = [one.verdict.results[0].live for one in replays if one.verdict]
    assert lives == [None, 0.9, 0.8]


def test_an_anchor_that_was_pinned_by_then_is_compared_where_the_other_gate_asks_for_it() -> None:
    worlds = [world_with(how) for how in (TWO_FILES, {**TWO_FILES, "anchor": "pinned"})]
    for world in worlds:
        ended_run(world, 1, rows(candidate=good))
        if world is worlds[0]:
            world.app.endpoints.pin(HERE)
        ended_run(world, 2, rows(candidate=better))
        ended_run(world, 3, rows(candidate=bad))
    replays = backtest(worlds[0], worlds[1].pipeline.gate)
    assert [one.verdict for one in replays] == [run.verdict for run in in_order(worlds[1])]
    assert {one.by for one in replays} == {"files"}
