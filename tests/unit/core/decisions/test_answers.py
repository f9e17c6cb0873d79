"""The scores for rows are read from the answers of model servers."""

from typing import Any

import pytest

from shared.core.decisions.answers import scores_in


def scores(answer: object, rows: int = 2, column: str = "candidate", **known: Any) -> list[str]:
    return scores_in(answer, rows, column, **{"positive": 1, "position": 1, **known})


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([0.25, 1], ["0.25", "1"]),
        ([[0.25], [1]], ["0.25", "1"]),
        (["yes", "no"], ["yes", "no"]),
        ([True, None], ["true", ""]),
        ({"predictions": [0.25, 1]}, ["0.25", "1"]),
        ({"a": {"b": [0.25, 1]}}, ["0.25", "1"]),
        ('{"result": [0.25, 1]}', ["0.25", "1"]),
        ([{"score": 0.25}, {"score": 1}], ["0.25", "1"]),
        ([[0.75, 0.25], [0, 1]], ["0.25", "1"]),
        ({"probabilities": [[0.75, 0.25], [0, 1]]}, ["0.25", "1"]),
        ([{"0": 0.75, "1": 0.25}, {"0": 0, "1": 1}], ["0.25", "1"]),
        ([{"1": 0.25, "0": 0.75}, {"1": 1, "0": 0}], ["0.25", "1"]),
        ([{"label": 0, "Candidate": 0.25}, {"label": 1, "Candidate": 1}], ["0.25", "1"]),
        ({"label": [0, 1], "candidate": [0.25, 1]}, ["0.25", "1"]),
        ([float("nan"), 1], ["nan", "1"]),
        ({"1": 1, "0": 0.25}, ["0.25", "1"]),  # as pandas writes a series
        ({"candidate": {"1": 1, "0": 0.25}}, ["0.25", "1"]),
        ({"label": {"0": 0, "1": 1}, "candidate": {"1": 1, "0": 0.25}}, ["0.25", "1"]),
        ({"0": [0.75, 0], "1": [0.25, 1]}, ["0.25", "1"]),  # columns, not rows
    ],
)
def test_each_row_has_its_score(answer: object, found: list[str]) -> None:
    assert scores(answer) == found


def test_a_column_of_several_is_named() -> None:
    answer = [{"label": 0, "probability": {"yes": 0.25, "no": 0.75}}]
    assert scores(answer, 1, "probability.yes") == ["0.25"]
    assert scores([[0.1, 0.2, 0.7]], 1, "2") == ["0.7"]


def test_probabilities_are_in_the_order_of_the_classes() -> None:
    answer = [[0.75, 0.25], [0, 1]]
    assert scores(answer, positive="yes") == ["0.25", "1"]
    assert scores(answer, positive="no", position=0) == ["0.75", "0"]
    assert scores(answer, positive=1, position=0) == ["0.75", "0"]  # the classes are 1 and 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([0.1], "the answer has 1 row for 2"),
        ([0.1, 0.2, 0.3], "the answer has 3 rows for 2"),
        ([], "the answer has 0 rows for 2"),
        ("busy", "the answer is not a list of rows"),
        (None, "the answer is not a list of rows"),
        ({"error": "KeyError: Jane Doe"}, "the answer is an object with error"),
        ({"Jane": 0.1, "John": 0.2}, "the answer is an object with 2 members"),
        ({"Jane": 0.1, "a": 1, "b": 2, "c": 3}, "the answer is an object with 4 members"),
        ({"1": 0.1, "2": 0.2}, "the answer is an object with 2 members"),
        ([[0.5, 0.6], [0.5, 0.6]], "the answer has the columns 0, 1: name the one that counts"),
        ([[0.1, 0.2, 0.7]] * 2, "the answer has the columns 0, 1, 2"),
        ([{"pass": 0.4, "fail": 0.6}] * 2, "the answer has the columns pass, fail"),
        ([{"a": 1}, {"b": 1}], "the rows of the answer have different columns"),
        ([[], []], "the answer has 0 columns"),
        ([[[1], [2]], [[1], [2]]], "a row of the answer is nested too deeply"),
    ],
)
def test_an_answer_without_a_score_for_each_row_is_refused(answer: object, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        scores(answer)
    assert says in str(raised.value)
    assert "Jane" not in str(raised.value)


def test_without_two_classes_no_column_is_guessed() -> None:
    with pytest.raises(ValueError, match=r"gate\.compare\.candidate"):
        scores([[0.75, 0.25]] * 2, position=None)
