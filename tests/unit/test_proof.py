from typing import Any

import pytest

from shared.core.proof import (
    Case,
    Look,
    ProbeAnswers,
    Progress,
    Seen,
    Verdict,
    judge_return,
    judge_update,
    read_answers,
)
from tests.unit.samples import BROKEN, HOUR, NOW, ROWS, SILENT, good

TARGET = "models/new.ilearner"
BEFORE, AFTER, OTHER = good("0.1", "0.2"), good("0.8", "0.9"), good("0.5", "0.5")
EARLY, LATE, FINAL = NOW, NOW + HOUR, NOW + 2 * HOUR


def case(before: ProbeAnswers | None, last: ProbeAnswers | None) -> Case:
    return Case(TARGET, before, last, deadline=LATE, final=FINAL)


def looked(probe: ProbeAnswers | None, configured: str | None = None) -> Look:
    return Look(Progress.UNTOLD, probe, configured)


W, L, U, B = Verdict.WAIT, Verdict.LIVE, Verdict.UNCHANGED, Verdict.BROKEN


@pytest.mark.parametrize(
    ("before", "last", "now", "early", "late"),
    [
        pytest.param(BEFORE, None, BEFORE, W, U, id="the same answers"),
        pytest.param(BEFORE, BEFORE, BEFORE, W, U, id="the same answers twice"),
        pytest.param(BEFORE, None, AFTER, W, W, id="moved, one look"),
        pytest.param(BEFORE, OTHER, AFTER, W, L, id="moved, two looks that differ"),
        pytest.param(BEFORE, AFTER, AFTER, L, L, id="moved, two looks that agree"),
        pytest.param(BEFORE, SILENT, AFTER, W, W, id="moved, after no answer"),
        pytest.param(BEFORE, None, BROKEN, W, W, id="broken once"),
        pytest.param(BEFORE, AFTER, BROKEN, W, W, id="broken after a good look"),
        pytest.param(BEFORE, BROKEN, BROKEN, B, B, id="broken twice running"),
        pytest.param(BEFORE, None, SILENT, W, B, id="no answer, though there was one before"),
        pytest.param(BEFORE, BROKEN, SILENT, W, B, id="no answer after a broken one"),
        pytest.param(SILENT, None, SILENT, W, L, id="no answer, as before"),
        pytest.param(None, AFTER, AFTER, W, L, id="nothing before to compare with"),
        pytest.param(SILENT, AFTER, AFTER, W, L, id="no answer before to compare with"),
        pytest.param(BROKEN, AFTER, AFTER, L, L, id="mended: it was broken before"),
        pytest.param(BROKEN, BROKEN, BROKEN, B, B, id="broken before and after"),
    ],
)
def test_what_looks_say_of_a_new_model(
    before: ProbeAnswers | None,
    last: ProbeAnswers | None,
    now: ProbeAnswers,
    early: Verdict,
    late: Verdict,
) -> None:
    assert judge_update(case(before, last), looked(now), EARLY).verdict is early
    assert judge_update(case(before, last), looked(now), LATE).verdict is late


@pytest.mark.parametrize("last", [None, BEFORE, AFTER, OTHER, SILENT, BROKEN])
@pytest.mark.parametrize("now", [BEFORE, AFTER, SILENT, BROKEN])
def test_whatever_varies_is_settled_in_the_end(
    last: ProbeAnswers | None, now: ProbeAnswers
) -> None:
    judged = judge_update(case(BEFORE, last), looked(now), FINAL)
    assert judged.verdict is not Verdict.WAIT


@pytest.mark.parametrize("last", [None, OTHER, SILENT, BROKEN])
def test_answers_that_moved_are_never_called_unchanged(last: ProbeAnswers | None) -> None:
    judged = judge_update(case(BEFORE, last), looked(AFTER), LATE)
    assert judged.verdict is not Verdict.UNCHANGED
    assert "stayed the same" not in judged.why


def test_before_the_deadline_only_two_looks_running_settle_anything() -> None:
    for probe in (BEFORE, AFTER, BROKEN, SILENT):
        assert judge_update(case(BEFORE, None), looked(probe), EARLY).verdict is Verdict.WAIT


def test_a_read_back_that_names_our_model_is_live_at_the_deadline_although_nothing_moved() -> None:
    look = looked(BEFORE, configured=TARGET)
    assert judge_update(case(BEFORE, BEFORE), look, LATE).verdict is Verdict.LIVE


def test_a_read_back_of_another_model_proves_nothing() -> None:
    look = looked(BEFORE, configured="models/old.ilearner")
    assert judge_update(case(BEFORE, BEFORE), look, LATE).verdict is Verdict.UNCHANGED


@pytest.mark.parametrize("configured", [None, TARGET])
def test_without_probe_rows_a_model_is_live_and_called_unproven(configured: str | None) -> None:
    judged = judge_update(case(None, None), looked(None, configured), EARLY)
    assert judged.verdict is Verdict.LIVE
    assert "unproven" in judged.why


@pytest.mark.parametrize(("before", "last"), [(None, AFTER), (SILENT, AFTER), (SILENT, SILENT)])
def test_what_cannot_be_compared_is_called_unproven(
    before: ProbeAnswers | None, last: ProbeAnswers
) -> None:
    judged = judge_update(case(before, last), looked(last), LATE)
    assert judged.verdict is Verdict.LIVE
    assert "unproven" in judged.why


def test_an_update_that_failed_at_the_service_is_broken_with_its_reason() -> None:
    look = Look(Progress.FAILED, AFTER, detail="BlobNotFound")
    judged = judge_update(case(BEFORE, AFTER), look, EARLY)
    assert judged.verdict is Verdict.BROKEN
    assert "BlobNotFound" in judged.why


@pytest.mark.parametrize("judge", [judge_update, judge_return])
def test_a_pending_operation_is_waited_for_until_the_deadline(judge: Any) -> None:
    look = Look(Progress.PENDING, AFTER, configured=TARGET)
    assert judge(case(BEFORE, AFTER), look, EARLY).verdict is Verdict.WAIT
    assert judge(case(BEFORE, AFTER), look, LATE).verdict is Verdict.BROKEN


def test_a_finished_operation_is_still_judged_by_its_answers() -> None:
    look = Look(Progress.DONE, BEFORE)
    assert judge_update(case(BEFORE, BEFORE), look, EARLY).verdict is Verdict.WAIT


@pytest.mark.parametrize(
    ("before", "last", "now", "early", "late"),
    [
        pytest.param(BEFORE, BEFORE, BEFORE, L, L, id="as before, twice"),
        pytest.param(BEFORE, None, BEFORE, W, B, id="as before, once"),
        pytest.param(BEFORE, AFTER, AFTER, W, B, id="still the new answers"),
        pytest.param(BEFORE, BROKEN, BROKEN, W, B, id="still broken"),
        pytest.param(BEFORE, SILENT, SILENT, W, B, id="no answer"),
        pytest.param(None, OTHER, OTHER, L, L, id="nothing known from before"),
        pytest.param(SILENT, OTHER, OTHER, L, L, id="no answer known from before"),
    ],
)
def test_what_looks_say_of_the_model_that_was_put_back(
    before: ProbeAnswers | None,
    last: ProbeAnswers | None,
    now: ProbeAnswers,
    early: Verdict,
    late: Verdict,
) -> None:
    assert judge_return(case(before, last), looked(now), EARLY).verdict is early
    assert judge_return(case(before, last), looked(now), LATE).verdict is late


def test_a_return_that_failed_at_the_service_is_broken() -> None:
    look = Look(Progress.FAILED, BEFORE, detail="gone")
    assert judge_return(case(BEFORE, BEFORE), look, EARLY).verdict is Verdict.BROKEN


def test_a_return_without_probe_rows_is_called_unproven() -> None:
    judged = judge_return(case(None, None), looked(None), EARLY)
    assert judged.verdict is Verdict.LIVE
    assert "unproven" in judged.why


def table(columns: list[str], *rows: list[Any]) -> dict[str, Any]:
    value = {"ColumnNames": columns, "Values": list(rows)}
    return {"Results": {"output1": {"type": "table", "value": value}}}


def objects(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"Results": {"output1": list(rows)}}


SCORED = ["a", "Scored Labels", "Scored Probabilities"]


@pytest.mark.parametrize(
    "answer",
    [
        table(SCORED, ["1", "0", "0.25"], ["2", "1", "0.75"]),
        objects(
            dict(zip(SCORED, ["1", "0", "0.25"], strict=True)),
            dict(zip(SCORED, ["2", "1", "0.75"], strict=True)),
        ),
    ],
    ids=["table", "row objects"],
)
def test_both_documented_forms_give_the_same_scores(answer: object) -> None:
    seen = read_answers(ROWS, answer, 2)
    assert seen.seen is Seen.GOOD
    assert seen.columns == ("Scored Labels", "Scored Probabilities")
    assert seen.rows == (("0", "0.25"), ("1", "0.75"))


def test_the_documented_types_and_extra_members_are_no_hindrance() -> None:
    answer = table(["a", "Scored Labels"], ["1", "5"], ["2", "6"])
    answer["Results"]["output1"]["type"] = "DataTable"
    answer["Results"]["output1"]["value"]["ColumnTypes"] = ["Numeric", "Numeric"]
    answer["GlobalParameters"] = {}
    assert read_answers(ROWS, answer, 2).seen is Seen.GOOD


def test_without_a_scored_column_those_that_were_not_sent_are_the_scores() -> None:
    seen = read_answers(ROWS, table(["a", "Assignments"], ["1", "3"], ["2", "4"]), 2)
    assert (seen.seen, seen.columns) == (Seen.GOOD, ("Assignments",))


def test_numbers_of_json_are_read_like_texts() -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], [1, 0.5], [2, 1]), 2)
    assert seen.rows == (("0.5",), ("1",))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(table(["a"], ["1"], ["2"]), id="no score column"),
        pytest.param(table(["a", "Scored Labels"], ["1", "0"]), id="too few rows"),
        pytest.param(table(["a", "Scored Labels"], *[["1", "0"]] * 3), id="too many rows"),
        pytest.param(table(["a", "Scored Labels"]), id="no rows"),
        pytest.param(table(["a", "Scored Labels"], ["1", "0"], ["2"]), id="a short row"),
        pytest.param(objects({"a": "1", "Scored Labels": "1"}, {"a": "2"}), id="a missing score"),
        pytest.param(objects(), id="an empty list"),
        pytest.param({"Results": {}}, id="no results"),
        pytest.param({"Results": {"output1": {"value": {"Values": [["1"]]}}}}, id="no names"),
        pytest.param({"Results": {"output1": {"value": "?"}}}, id="a value that is no table"),
        pytest.param({"error": {}}, id="no Results"),
        pytest.param([1, 2], id="a list"),
        pytest.param("text", id="a text"),
    ],
)
def test_an_answer_without_the_wanted_scores_is_a_broken_model(answer: object) -> None:
    seen = read_answers(ROWS, answer, 2)
    assert seen.seen is Seen.BROKEN
    assert seen.detail


@pytest.mark.parametrize("cell", ["NaN", "nan", "Infinity", "-Infinity", "INF", "", " ", None])
def test_a_score_that_is_empty_or_not_finite_is_a_broken_model(cell: object) -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], ["1", "0"], ["2", cell]), 2)
    assert seen.seen is Seen.BROKEN


def test_a_label_in_words_is_a_score() -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], ["1", ">50K"], ["2", "<=50K"]), 2)
    assert seen.seen is Seen.GOOD


def test_an_infinite_value_among_the_sent_columns_says_nothing() -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], ["Infinity", "0"], ["NaN", "1"]), 2)
    assert seen.seen is Seen.GOOD


def test_the_last_digits_of_a_float_do_not_count() -> None:
    assert good("0.30000000000000004").agrees_with(good("0.3"))
    assert good("1E-06").agrees_with(good("0.000001"))
    assert not good("0.3001").agrees_with(good("0.3"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (good("1"), good("1", "1")),
        (good("yes"), good("no")),
        (good("1"), good("yes")),
        (good("1"), good("1").model_copy(update={"columns": ("Scored Probabilities",)})),
    ],
)
def test_answers_of_another_shape_or_other_words_do_not_agree(
    one: ProbeAnswers, other: ProbeAnswers
) -> None:
    assert one.agrees_with(one)
    assert not one.agrees_with(other)
    assert not other.agrees_with(one)
