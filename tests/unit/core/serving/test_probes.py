from typing import Any

import pytest

from shared.core.serving.probes import ProbeAnswers, ProbeOutcome
from shared.providers.studio.scoring import read_answers
from tests.unit.samples import ROWS, good


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
    assert seen.seen is ProbeOutcome.GOOD
    assert seen.columns == ("Scored Labels", "Scored Probabilities")
    assert seen.rows == (("0", "0.25"), ("1", "0.75"))


def test_the_documented_types_and_extra_members_block_nothing() -> None:
    answer = table(["a", "Scored Labels"], ["1", "5"], ["2", "6"])
    answer["Results"]["output1"]["type"] = "DataTable"
    answer["Results"]["output1"]["value"]["ColumnTypes"] = ["Numeric", "Numeric"]
    answer["GlobalParameters"] = {}
    assert read_answers(ROWS, answer, 2).seen is ProbeOutcome.GOOD


def test_without_a_scored_column_those_that_were_not_sent_are_the_scores() -> None:
    seen = read_answers(ROWS, table(["a", "Assignments"], ["1", "3"], ["2", "4"]), 2)
    assert (seen.seen, seen.columns) == (ProbeOutcome.GOOD, ("Assignments",))


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
        pytest.param({"Results": {"output1": {"value": "?"}}}, id="a value that is not a table"),
    ],
)
def test_an_answer_without_the_wanted_scores_is_a_broken_model(answer: object) -> None:
    seen = read_answers(ROWS, answer, 2)
    assert seen.seen is ProbeOutcome.BROKEN
    assert seen.detail


@pytest.mark.parametrize("cell", ["NaN", "nan", "Infinity", "-Infinity", "INF", "", " ", None])
def test_a_score_that_is_empty_or_not_finite_is_a_broken_model(cell: object) -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], ["1", "0"], ["2", cell]), 2)
    assert seen.seen is ProbeOutcome.BROKEN


def test_a_label_in_words_is_a_score() -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], ["1", ">50K"], ["2", "<=50K"]), 2)
    assert seen.seen is ProbeOutcome.GOOD


def test_an_infinite_value_among_the_sent_columns_says_nothing() -> None:
    seen = read_answers(ROWS, table(["a", "Scored Labels"], ["Infinity", "0"], ["NaN", "1"]), 2)
    assert seen.seen is ProbeOutcome.GOOD


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


@pytest.mark.parametrize("bad", [ProbeOutcome.BROKEN, ProbeOutcome.NO_ANSWER, ProbeOutcome.REFUSED])
def test_bad_answers_agree_with_none_and_not_with_themselves(bad: ProbeOutcome) -> None:
    known = good("1")
    unfit = known.model_copy(update={"seen": bad})
    assert not unfit.agrees_with(known)
    assert not known.agrees_with(unfit)
    assert not unfit.agrees_with(unfit)


@pytest.mark.parametrize("answer", [{"error": {}}, {"Results": 7}, [1, 2], "text", None])
def test_an_answer_that_no_model_gives_says_nothing_of_the_model(answer: object) -> None:
    assert read_answers(ROWS, answer, 2).seen is ProbeOutcome.NO_ANSWER


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (table(["a"], ["1"], ["2"]), "the answer holds no score column"),
        (table(["a", "Scored Labels"], ["1", "0"]), "1 row came back for 2 probe rows"),
        (
            table(["a", "Scored Labels"], ["1", "0"], ["2"]),
            "a row has another length than the header",
        ),
        (
            table(["a", "Scored Labels"], ["1", "0"], ["2", "NaN"]),
            "a score is empty or not a finite number",
        ),
        ({"Results": {}}, "the answer holds no table of results"),
        ({"Results": {"o": {"value": "?"}}}, "the answer holds no table of results"),
        ({"Results": {"o": ["1", "2"]}}, "the answer holds no table of results"),
        (
            {"Results": {"o": {"value": {"ColumnNames": "a", "Values": []}}}},
            "the answer holds no table of results",
        ),
        (
            {"Results": {"o": {"value": {"ColumnNames": ["a"], "Values": "1"}}}},
            "the answer holds no table of results",
        ),
        (
            {"Results": {"o": {"value": {"ColumnNames": ["Scored"], "Values": ["1", ["2"]]}}}},
            "a row has another length than the header",
        ),
        ({"Results": 7}, "the answer is not one of a model"),
        ("text", "the answer is not one of a model"),
    ],
)
def test_an_answer_that_holds_no_scores_says_why(answer: object, detail: str) -> None:
    assert read_answers(ROWS, answer, 2).detail == detail


def test_of_several_outputs_the_first_with_good_scores_counts() -> None:
    def results(*outputs: dict[str, Any]) -> dict[str, Any]:
        named = {f"o{at}": one["Results"]["output1"] for at, one in enumerate(outputs)}
        return {"Results": named}

    bad = table(["a", "Scored Labels"], ["1", "0"])
    good_, other = (table(["a", "Scored Labels"], ["1", s], ["2", s]) for s in ("5", "6"))
    assert read_answers(ROWS, results(bad, good_, other), 2).rows == (("5",), ("5",))
    assert read_answers(ROWS, results(bad, table(["a"])), 2).detail == (
        "1 row came back for 2 probe rows"
    )


def test_scores_are_known_by_their_name_before_what_was_not_sent() -> None:
    seen = read_answers(ROWS, table(["other", "SCORED Labels"], ["1", "5"], ["2", "6"]), 2)
    assert (seen.columns, seen.rows) == (("SCORED Labels",), (("5",), ("6",)))
    unnamed = read_answers(ROWS, table(["a", "Scored"], ["1", "5"], ["2", "6"]), 2)
    assert unnamed.columns == ("Scored",)


def test_a_request_of_row_objects_says_what_was_sent_by_its_first_row() -> None:
    request = {"Inputs": {"input1": [{"a": "1"}, {"a": "2", "c": "3"}], "input2": [{"b": "1"}]}}
    seen = read_answers(request, objects({"a": "1", "b": "5"}, {"a": "2", "b": "6"}), 2)
    assert (seen.columns, seen.rows) == (("b",), (("5",), ("6",)))


def test_row_objects_are_read_in_the_order_of_the_first_one() -> None:
    first = {"a": "1", "Scored Labels": "5", "Scored Probabilities": "0.5"}
    other = {"Scored Probabilities": "0.6", "Scored Labels": "6", "a": "2"}
    seen = read_answers(ROWS, objects(first, other), 2)
    assert seen.columns == ("Scored Labels", "Scored Probabilities")
    assert seen.rows == (("5", "0.5"), ("6", "0.6"))


def test_a_score_that_differs_by_more_than_a_billionth_is_another() -> None:
    assert good("1.0000000005").agrees_with(good("1"))
    assert not good("1.000000003").agrees_with(good("1"))
    assert good("a", "1").agrees_with(good("a", "1.0"))
    uneven = good("1", "1").model_copy(update={"rows": (("1",), ("1", "2"))})
    assert not uneven.agrees_with(good("1", "1"))
