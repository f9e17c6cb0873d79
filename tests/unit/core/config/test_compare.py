"""How a gate says on which rows two models are compared."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.compare import Compare, Way
from shared.core.config.gate import Gate
from shared.core.config.pipeline import Pipeline
from tests.unit.samples import pipeline

NO_DROP = {"metric": "AUC", "max_drop": 0.01}
ONE_FILE: dict[str, Any] = {"predictions": "scores/predictions.csv"}
TWO_FILES: dict[str, Any] = {**ONE_FILE, "holdout": "evaluation/holdout.csv"}
SCORED: dict[str, Any] = {"holdout": "evaluation/holdout.csv"}


def compare(**written: Any) -> Compare:
    return Compare.model_validate(written, context={})


def gate(*rules: dict[str, Any], **compared: Any) -> Gate:
    written = {"rules": rules or (NO_DROP,), "compare": compared or ONE_FILE}
    return Gate.model_validate(written, context={})


@pytest.mark.parametrize(
    ("written", "way"),
    [(ONE_FILE, Way.ONE_FILE), (TWO_FILES, Way.TWO_FILES), (SCORED, Way.SCORED)],
)
def test_what_is_named_says_who_scores_the_rows(written: dict[str, Any], way: Way) -> None:
    assert compare(**written).way is way


def test_what_is_left_out_has_its_usual_name() -> None:
    known = compare(**ONE_FILE)
    columns = (known.id, known.label, known.candidate, known.live_column, known.column_of_anchor)
    assert columns == ("id", "label", "candidate", "live", "anchor")
    assert (known.level, known.unsure, known.min_rows, known.threshold) == (0.9, "ask", 50, 0.5)


def test_a_holdout_that_the_app_scores_has_no_column_of_scores() -> None:
    known = compare(**SCORED, candidate="label", slices=["region"], cost="price")
    assert known.scores == "candidate"
    assert known.unsent_columns == ("id", "label", "price")
    assert known.kept_columns == ("id", "label", "price", "region")
    assert compare(**TWO_FILES, candidate="new").scores == "new"


@pytest.mark.parametrize(
    ("written", "share"), [("90%", 0.9), ("99.9%", 0.999), ("50 %", 0.5), ("99.125%", 0.99125)]
)
def test_a_level_is_a_percentage(written: str, share: float) -> None:
    known = compare(**ONE_FILE, level=written)
    assert known.level == share
    assert Compare.model_validate_json(known.model_dump_json()) == known


def test_classes_of_a_cost_matrix_may_be_written_as_numbers() -> None:
    known = compare(**ONE_FILE, cost={0: {1: 1}, "1": {0: 5.5}})
    assert known.cost == {"0": {"1": 1}, "1": {"0": 5.5}}
    assert Compare.model_validate_json(known.model_dump_json()) == known


def test_an_unsure_model_waits_for_a_week_at_most() -> None:
    assert compare(**ONE_FILE, unsure="wait").waits_at_most == timedelta(days=7)
    assert compare(**ONE_FILE, unsure="wait", wait="2h").waits_at_most == timedelta(hours=2)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({}, "predictions: there are no rows to compare on"),
        ({**ONE_FILE, "level": 90}, "is not a percentage: write it like 90%"),
        ({**ONE_FILE, "level": "100%"}, "is not a percentage"),
        ({**ONE_FILE, "level": "99.95%"}, "is not a useful level: write 50% to 99.9%"),
        ({**ONE_FILE, "level": "40%"}, "is not a useful level"),
        ({**TWO_FILES, "live": "old"}, "live: with a holdout the live model's scores are in no"),
        ({**ONE_FILE, "anchor_column": "a"}, "anchor_column: .*: write anchor: pinned"),
        ({**TWO_FILES, "anchor": "pinned", "anchor_column": "a"}, "anchor_column: .*: remove it"),
        ({**ONE_FILE, "request": "mlflow"}, "request: the job scores the rows"),
        ({**SCORED, "request": {"a": 1}}, "request: .*: write {rows} or {records} where they"),
        ({**SCORED, "label": "live"}, "label: live is another column that the app writes"),
        ({**SCORED, "slices": ["candidate"]}, "slices: candidate is another column that the app"),
        ({**SCORED, "id": "LIVE"}, "id: LIVE is another column that the app writes"),
        ({**ONE_FILE, "wait": "1d"}, "wait: nothing waits: write unsure: wait"),
        ({**ONE_FILE, "unsure": "wait", "wait": "8d"}, "wait: at most 7d"),
        ({**ONE_FILE, "unsure": "maybe"}, "unsure"),
        ({**ONE_FILE, "label": "id"}, "label: id is the column of id already"),
        ({**ONE_FILE, "candidate": "live"}, "live: live is the column of candidate already"),
        (
            {**ONE_FILE, "candidate": "scored probabilities", "live": "Scored_Probabilities"},
            "live: Scored_Probabilities is the column of candidate already",
        ),
        ({**ONE_FILE, "slices": ["a", "a"]}, "slices: a is the column of slices already"),
        ({**ONE_FILE, "cost": "label"}, "cost: label is the column of label already"),
        ({**ONE_FILE, "anchor": "pinned", "label": "anchor"}, "anchor_column: anchor is the"),
        ({"holdout": "holdout.csv"}, "does not name a blob: write <container>/<path>"),
        ({"holdout": "evaluation/{date}.csv"}, "does not name a blob"),
        ({**ONE_FILE, "cost": {}}, "cost"),
        ({**ONE_FILE, "cost": {"a": {"b": -1}}}, "greater than or equal to 0"),
        ({**ONE_FILE, "quantile": 1}, "less than 1"),
        ({**ONE_FILE, "min_rows": 5}, "greater than or equal to 10"),
        ({**ONE_FILE, "positive": True}, "not true or false"),
        ({**ONE_FILE, "threshold": float("nan")}, "finite"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(written: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        compare(**written)


@pytest.mark.parametrize(
    ("rules", "compared", "says"),
    [
        ([{"metric": "AUC", "at_least": 0.8}], ONE_FILE, "rules: no rule compares on rows"),
        ([{**NO_DROP, "against": "recorded"}], ONE_FILE, "rules: no rule compares on rows"),
        (
            [{"metric": "AUC", "min_gain": 0}],
            {**ONE_FILE, "slices": ["region"]},
            "compare.slices: slices are checked for rules with max_drop",
        ),
        (
            [{"metric": "Precision", "max_drop": 0.1}],
            ONE_FILE,
            "rules.0.metric: Precision is not computed from rows: use one of AUC, accuracy, F1, ",
        ),
        (
            [NO_DROP, {"metric": "Precision", "at_least": 0.1}],
            ONE_FILE,
            "rules.1.metric: .*, or name the output with an evaluation as `metrics`",
        ),
        (
            [{**NO_DROP, "direction": "lower"}],
            ONE_FILE,
            "rules.0.direction: of AUC, lower is not better: remove it",
        ),
        (
            [{"metric": "Quantile Loss", "max_drop": 0.1}],
            ONE_FILE,
            "compare.quantile: the predicted quantile is unknown",
        ),
        (
            [{"metric": "cost", "max_drop": 0.1}],
            ONE_FILE,
            "compare.cost: the cost of a wrong answer is unknown",
        ),
        (
            [NO_DROP, {"metric": "RMSE", "at_most": 0.1}],
            ONE_FILE,
            "rules.1.metric: RMSE and AUC cannot be of the same rows: RMSE needs numbers",
        ),
        (
            [{"metric": "MAE", "max_drop": 0.1}, {"metric": "F1", "max_drop": 0.1}],
            ONE_FILE,
            "rules.1.metric: .*: MAE needs numbers as labels, F1 classes: remove one",
        ),
        (
            [{"metric": "AUC", "at_least": 0.8, "against": "rows"}],
            ONE_FILE,
            "against: only max_drop and min_gain compare",
        ),
    ],
)
def test_a_comparison_without_its_rule_is_refused(
    rules: list[dict[str, Any]], compared: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        gate(*rules, **compared)


def test_slices_need_one_rule_with_max_drop_and_no_more() -> None:
    known = gate(NO_DROP, {"metric": "F1", "min_gain": 0}, **ONE_FILE, slices=["region"])
    assert known.row_rules == (0, 1)


def test_a_metric_that_is_recorded_need_not_be_computed_of_rows() -> None:
    rules = [NO_DROP, {"metric": "Precision", "at_least": 0.5}]
    written = {"metrics": "output2", "rules": rules, "compare": ONE_FILE}
    assert Gate.model_validate(written, context={}).row_rules == (0,)


@pytest.mark.parametrize(("metrics", "recorded"), [("output2", True), (None, False)])
def test_a_metric_that_rows_do_not_say_may_be_recorded_where_there_is_an_evaluation(
    metrics: str | None,
    recorded: bool,  # noqa: FBT001 - a column of the table
) -> None:
    rules = [{"metric": "Precision", "max_drop": 0.1}]
    written = {"metrics": metrics, "rules": rules, "compare": ONE_FILE}
    with pytest.raises(ValidationError) as caught:
        Gate.model_validate(written, context={})
    assert ("or write against: recorded" in str(caught.value)) is recorded


def test_a_rule_on_rows_without_rows_is_refused() -> None:
    written = {"rules": [{**NO_DROP, "against": "rows"}]}
    with pytest.raises(ValidationError, match="nothing says which: write gate"):
        Gate.model_validate(written, context={})


def test_a_rule_compares_on_rows_unless_it_says_otherwise() -> None:
    known = gate(NO_DROP, {**NO_DROP, "against": "recorded"}, {"metric": "AUC", "at_least": 0.8})
    assert [known.on_rows(rule) for rule in known.rules] == [True, False, False]


def test_an_endpoint_without_candidates_cannot_score_a_holdout() -> None:
    with pytest.raises(ValidationError, match="production cannot hold a candidate next to the"):
        pipeline(gate={"rules": [NO_DROP], "compare": SCORED})


def test_predictions_are_no_model() -> None:
    compared = {"predictions": "output1"}
    with pytest.raises(ValidationError, match=r"compare\.predictions: output1 is a model"):
        pipeline(gate={"rules": [NO_DROP], "compare": compared})


def test_an_output_that_the_job_file_lacks_is_a_slip() -> None:
    gate = Gate.model_validate(
        {"metrics": "said/auc.json", "rules": [NO_DROP], "compare": {"predictions": "scores/p.csv"}}
    )
    assert not list(gate.unusable_outputs(("model",), ("model", "said", "scores")))
    assert not list(gate.unusable_outputs(("model",), ()))
    found = [str(one) for one in gate.unusable_outputs(("model",), ("model", "score"))]
    assert found == [
        "gate.metrics: the job file has no output said; it has model, score",
        "gate.compare.predictions: the job file has no output scores; it has model, score",
    ]


@pytest.mark.parametrize(
    "gate",
    [
        {"rules": [NO_DROP], "compare": SCORED | {"predictions": "output2"}},
        {"rules": [{**NO_DROP, "observe": True}]},
        {"rules": [{**NO_DROP, "against": "recorded"}]},
    ],
)
def test_a_comparison_needs_a_record_that_the_release_before_refuses(gate: dict[str, Any]) -> None:
    known: Pipeline = pipeline(gate=gate)
    assert known.form == 2
    assert Pipeline.model_validate_json(known.model_dump_json()) == known


def test_a_gate_without_one_keeps_its_form() -> None:
    known: Pipeline = pipeline(gate={"rules": [NO_DROP]})
    assert known.form == 1
    assert known.gate.model_dump_json().count("compare") == 0
    assert known.gate.rules[0].model_dump().keys().isdisjoint({"observe", "against"})


@pytest.mark.parametrize(
    ("compared", "given", "says"),
    [
        (ONE_FILE, {}, "the live model, and does not get it: give {live.model} to an input"),
        (ONE_FILE, {"a": "{anchor.model}"}, "the live model, and does not get it"),
        (
            {**ONE_FILE, "anchor": "pinned"},
            {"a": "{live.model}"},
            "the anchor, and does not get it",
        ),
    ],
)
def test_a_job_that_scores_another_model_is_given_it(
    compared: dict[str, Any], given: dict[str, str], says: str
) -> None:
    written = {"rules": [NO_DROP], "compare": compared}
    with pytest.raises(ValidationError) as caught:
        pipeline(gate=written, training__parameters=given)
    assert says in str(caught.value)
    both = {"live": "{live.model}", "anchor": "{anchor.model}"}
    assert pipeline(gate=written, training__parameters=both).gate.compare is not None
