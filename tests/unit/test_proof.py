from dataclasses import replace
from datetime import datetime
from functools import partial
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
from tests.unit.samples import BROKEN, HOUR, NOW, REFUSED, ROWS, SILENT, good

TARGET = "models/new.ilearner"
BEFORE, AFTER, OTHER = good("0.1", "0.2"), good("0.8", "0.9"), good("0.5", "0.5")
EARLY, LATE, FINAL = NOW, NOW + HOUR, NOW + 2 * HOUR


def case(before: ProbeAnswers | None, last: ProbeAnswers | None) -> Case:
    return Case(TARGET, before, last, deadline=LATE, final=FINAL)


def fewer(answers: ProbeAnswers) -> ProbeAnswers:
    """Return these answers as a model gives them that has lost a score column."""
    return answers.model_copy(update={"columns": ("Scored Labels",)})


def more(answers: ProbeAnswers) -> ProbeAnswers:
    rows = tuple((*row, "0.5") for row in answers.rows)
    columns = ("Scored Labels", "Scored Probabilities")
    return answers.model_copy(update={"columns": columns, "rows": rows})


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
        pytest.param(BEFORE, None, SILENT, W, W, id="no answer once"),
        pytest.param(BEFORE, AFTER, SILENT, W, W, id="no answer after a good look"),
        pytest.param(BEFORE, SILENT, SILENT, W, W, id="no answer, though there was one before"),
        pytest.param(BEFORE, BROKEN, SILENT, W, B, id="no answer after a broken one"),
        pytest.param(BEFORE, SILENT, BROKEN, W, B, id="broken after no answer"),
        pytest.param(BEFORE, None, REFUSED, W, W, id="refused once"),
        pytest.param(BEFORE, AFTER, REFUSED, W, W, id="refused after a good look"),
        pytest.param(BEFORE, REFUSED, REFUSED, B, B, id="refused twice running"),
        pytest.param(SILENT, SILENT, SILENT, W, W, id="no answer, as before"),
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


@pytest.mark.parametrize("before", [None, BEFORE, SILENT, BROKEN, more(BEFORE)])
@pytest.mark.parametrize(
    ("last", "now"),
    [
        pytest.param(BEFORE, BEFORE, id="unmoved"),
        pytest.param(AFTER, AFTER, id="moved"),
        pytest.param(OTHER, AFTER, id="moved and differ"),
        pytest.param(SILENT, SILENT, id="no answer"),
        pytest.param(BROKEN, BROKEN, id="broken"),
        pytest.param(REFUSED, REFUSED, id="refused"),
        pytest.param(fewer(AFTER), fewer(AFTER), id="a column is missing"),
    ],
)
def test_two_looks_of_one_kind_running_settle_it_in_the_end(
    before: ProbeAnswers | None, last: ProbeAnswers, now: ProbeAnswers
) -> None:
    judged = judge_update(case(before, last), looked(now), FINAL)
    assert judged.verdict is not Verdict.WAIT


@pytest.mark.parametrize("last", [None, BEFORE, AFTER])
@pytest.mark.parametrize("now", [SILENT, BROKEN, REFUSED])
@pytest.mark.parametrize("at", [EARLY, LATE, FINAL])
def test_a_single_bad_look_never_condemns_a_model(
    last: ProbeAnswers | None, now: ProbeAnswers, at: datetime
) -> None:
    assert judge_update(case(BEFORE, last), looked(now), at).verdict is Verdict.WAIT


@pytest.mark.parametrize("at", [EARLY, LATE, FINAL])
def test_a_score_column_that_is_gone_is_a_broken_model(at: datetime) -> None:
    before, now = more(BEFORE), fewer(AFTER)
    assert judge_update(case(before, None), looked(now), at).verdict is Verdict.WAIT
    judged = judge_update(case(before, now), looked(now), at)
    assert judged.verdict is Verdict.BROKEN
    assert "'Scored Probabilities' is missing" in judged.why


def test_a_new_score_column_is_no_fault() -> None:
    judged = judge_update(case(BEFORE, more(AFTER)), looked(more(AFTER)), EARLY)
    assert judged.verdict is Verdict.LIVE


@pytest.mark.parametrize("kept", [BEFORE, more(BEFORE), AFTER, BROKEN])
@pytest.mark.parametrize("at", [EARLY, LATE])
def test_answers_to_other_probe_rows_are_never_compared(kept: ProbeAnswers, at: datetime) -> None:
    now = AFTER.model_copy(update={"request": "other rows"})
    judged = judge_update(case(kept, kept), looked(now), at)
    assert judged == judge_update(case(None, None), looked(now), at)
    assert judged.verdict is not Verdict.UNCHANGED
    returned = judge_return(case(kept, kept), looked(now), at, patient=False)
    assert returned == judge_return(case(None, None), looked(now), at, patient=False)


@pytest.mark.parametrize("last", [None, OTHER, SILENT, BROKEN])
def test_answers_that_moved_are_never_called_unchanged(last: ProbeAnswers | None) -> None:
    judged = judge_update(case(BEFORE, last), looked(AFTER), LATE)
    assert judged.verdict is not Verdict.UNCHANGED
    assert "stayed the same" not in judged.why


def test_before_the_deadline_only_two_looks_running_settle_anything() -> None:
    for probe in (BEFORE, AFTER, BROKEN, SILENT):
        assert judge_update(case(BEFORE, None), looked(probe), EARLY).verdict is Verdict.WAIT


@pytest.mark.parametrize(
    ("progress", "verdict"), [(Progress.UNTOLD, Verdict.UNCHANGED), (Progress.DONE, Verdict.LIVE)]
)
def test_when_nothing_moved_a_read_back_of_our_model_counts_only_with_the_services_word(
    progress: Progress, verdict: Verdict
) -> None:
    look = Look(progress, BEFORE, configured=TARGET)
    assert judge_update(case(BEFORE, BEFORE), look, EARLY).verdict is Verdict.WAIT
    assert judge_update(case(BEFORE, BEFORE), look, LATE).verdict is verdict


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
    judged = judge_update(case(before, last), looked(last), FINAL)
    assert judged.verdict is Verdict.LIVE
    assert "unproven" in judged.why


def test_an_update_that_failed_at_the_service_is_broken_with_its_reason() -> None:
    look = Look(Progress.FAILED, AFTER, detail="BlobNotFound")
    judged = judge_update(case(BEFORE, AFTER), look, EARLY)
    assert judged.verdict is Verdict.BROKEN
    assert "BlobNotFound" in judged.why


@pytest.mark.parametrize("judge", [judge_update, partial(judge_return, patient=True)])
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
        pytest.param(BEFORE, None, BEFORE, W, W, id="as before, once"),
        pytest.param(BEFORE, AFTER, BEFORE, W, W, id="as before, after other answers"),
        pytest.param(BEFORE, AFTER, AFTER, W, B, id="still the new answers"),
        pytest.param(BEFORE, None, AFTER, W, W, id="other answers, once"),
        pytest.param(BEFORE, BEFORE, AFTER, W, W, id="other answers after those from before"),
        pytest.param(BEFORE, None, BROKEN, W, W, id="broken, once"),
        pytest.param(BEFORE, BROKEN, BROKEN, W, B, id="still broken"),
        pytest.param(BROKEN, BROKEN, BROKEN, L, L, id="broken as before"),
        pytest.param(BROKEN, OTHER, AFTER, L, L, id="mended: it was broken before"),
        pytest.param(BROKEN, SILENT, SILENT, W, W, id="no answer, though it was broken before"),
        pytest.param(BEFORE, SILENT, SILENT, W, W, id="no answer"),
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
    known, look = case(before, last), looked(now)
    assert judge_return(known, look, EARLY, patient=False).verdict is early
    assert judge_return(known, look, LATE, patient=False).verdict is late
    # While an update may still be on its way, nothing is proved until it has had its time.
    assert judge_return(known, look, EARLY, patient=True).verdict is Verdict.WAIT
    assert judge_return(known, look, LATE, patient=True).verdict is late


@pytest.mark.parametrize("patient", [True, False])
@pytest.mark.parametrize("now", [AFTER, BROKEN, SILENT, REFUSED])
def test_a_return_that_comes_and_goes_is_given_up_in_the_end(
    now: ProbeAnswers, *, patient: bool
) -> None:
    known = case(BEFORE, BEFORE)
    assert judge_return(known, looked(now), LATE, patient=patient).verdict is Verdict.WAIT
    assert judge_return(known, looked(now), FINAL, patient=patient).verdict is Verdict.BROKEN


@pytest.mark.parametrize("patient", [True, False])
@pytest.mark.parametrize("now", [BEFORE, AFTER, BROKEN, SILENT, REFUSED])
@pytest.mark.parametrize("at", [EARLY, LATE, FINAL])
def test_a_single_look_settles_no_return(now: ProbeAnswers, at: datetime, *, patient: bool) -> None:
    judged = judge_return(case(BEFORE, None), looked(now), at, patient=patient)
    assert judged.verdict is Verdict.WAIT


def test_a_return_that_failed_at_the_service_is_broken() -> None:
    look = Look(Progress.FAILED, BEFORE, detail="gone")
    judged = judge_return(case(BEFORE, BEFORE), look, EARLY, patient=False)
    assert judged.verdict is Verdict.BROKEN


def test_a_return_without_probe_rows_is_called_unproven() -> None:
    judged = judge_return(case(None, None), looked(None), EARLY, patient=False)
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


def test_scores_that_differ_in_their_seventh_digit_are_those_of_two_models() -> None:
    assert not good("0.3000001").agrees_with(good("0.3"))
    assert not good("1000.0001").agrees_with(good("1000"))


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


def test_broken_answers_are_broken_whatever_the_service_names() -> None:
    case = Case("models/new", good("1"), BROKEN, NOW + HOUR, NOW + 2 * HOUR)
    look = Look(Progress.DONE, BROKEN, configured="models/old")
    assert judge_update(case, look, NOW).verdict is Verdict.BROKEN


def test_an_accepted_update_that_is_not_named_is_not_live_whatever_the_answers_do() -> None:
    case = Case("models/new", good("1"), good("2"), NOW + HOUR, NOW + 2 * HOUR)
    look = Look(Progress.DONE, good("2"), configured="models/old")
    assert judge_update(case, look, NOW).verdict is Verdict.WAIT
    late = judge_update(case, look, NOW + HOUR)
    assert late.verdict is Verdict.UNCHANGED
    assert "still names models/old" in late.why


def test_a_model_that_is_set_again_must_answer_as_it_did_when_it_was_proved() -> None:
    expected = good("7")
    case = Case("models/old", good("1"), good("7"), NOW + HOUR, NOW + 2 * HOUR, expected)
    assert judge_update(case, Look(Progress.UNTOLD, good("7")), NOW).verdict is Verdict.LIVE
    other = replace(case, last=good("8"))
    assert judge_update(other, Look(Progress.UNTOLD, good("8")), NOW).verdict is Verdict.WAIT
    late = judge_update(other, Look(Progress.UNTOLD, good("8")), NOW + HOUR)
    assert late.verdict is Verdict.UNCHANGED
    same = replace(case, before=good("7"))
    assert judge_update(same, Look(Progress.UNTOLD, good("7")), NOW).verdict is Verdict.WAIT
    assert judge_update(same, Look(Progress.UNTOLD, good("7")), NOW + HOUR).verdict is Verdict.LIVE


@pytest.mark.parametrize("answer", [{"error": {}}, {"Results": 7}, [1, 2], "text", None])
def test_an_answer_that_no_model_gives_says_nothing_of_the_model(answer: object) -> None:
    assert read_answers(ROWS, answer, 2).seen is Seen.NO_ANSWER


def test_silence_settles_nothing_before_all_time_is_over() -> None:
    silent = case(BEFORE, SILENT)
    assert judge_update(silent, looked(SILENT), LATE).verdict is Verdict.WAIT
    assert judge_update(silent, looked(SILENT), FINAL).verdict is Verdict.BROKEN
    assert judge_return(silent, looked(SILENT), LATE, patient=False).verdict is Verdict.WAIT
    assert judge_return(silent, looked(SILENT), FINAL, patient=False).verdict is Verdict.BROKEN
