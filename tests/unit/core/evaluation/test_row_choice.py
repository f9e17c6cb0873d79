"""One row is chosen by rule, never guessed; and how names of metrics are compared."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.evaluation.report import Row, choose_row, metric_in
from tests.unit.core.evaluation.test_report import REGRESSION, table

#: As documented for clustering: a row over all, and one for each cluster (DOC-EVAL).
CLUSTERS = (
    "Result Description,Average Distance to Cluster Center,Average Distance to Other Center,"
    "Number of Points,Maximal Distance To Cluster Center\n"
    "Combined Evaluation,55.915068,169.897505,538,303.545166\n"
    "Evaluation For Cluster No.0,0,1,570,0\n"
    "Evaluation For Cluster No.1,0,1,178,0\n"
)


LEFT = Row({"Model": "left"}, {"AUC": 0.9, "Trees": 8.0})


RIGHT = Row({"Model": "right"}, {"AUC": 0.8, "Trees": 16.0})


BARE = (Row({}, {"AUC": 0.9}), Row({}, {"AUC": 0.8}))


def test_one_row_needs_no_choice() -> None:
    assert choose_row([LEFT], {}) is LEFT


def test_several_rows_without_a_rule_are_never_guessed() -> None:
    with pytest.raises(
        ValueError,
        match=r"2 rows: row 1 \(Model: left\), row 2 \(Model: right\); "
        r'gate.row must choose one, such as row: {Model: "left"}$',
    ):
        choose_row([LEFT, RIGHT], {})
    with pytest.raises(ValueError, match=r"2 rows: row 1, row 2; .*such as row: {number: 1}$"):
        choose_row(table(REGRESSION), {})


def test_a_choice_is_advised_as_it_is_written_in_the_file() -> None:
    rows = (Row({"Größe: x": "größer"}, {}), Row({"Größe: x": "kleiner"}, {}))
    with pytest.raises(ValueError, match=r'such as row: {"Größe: x": "größer"}$'):
        choose_row(rows, {})


def test_a_choice_that_fits_nothing_shows_the_numbers_that_were_asked_for() -> None:
    rows = table("Model,Trees,AUC\nleft,8.0,0.9\nright,16.0,0.8\n")
    said = r"there are: row 1 \(Trees: 8.0, Model: left\), row 2 \(Trees: 16.0, Model: right\)$"
    with pytest.raises(ValueError, match=said):
        choose_row(rows, {"trees": 9})


def test_a_number_is_chosen_as_it_is_written_or_by_its_value() -> None:
    rows = table("Trees,AUC\n8.0,0.9\nInfinity,0.8\n")
    assert choose_row(rows, {"Trees": 8}) is rows[0]
    assert choose_row(rows, {"Trees": "8.0"}) is rows[0]
    assert choose_row(rows, {"Trees": "infinity"}) is rows[1]
    with pytest.raises(ValueError, match="no row fits"):
        choose_row(rows, {"Trees": "8"})
    bare = Row({}, {"Trees": 8.0})  # as a record has it, without the text of the file
    assert choose_row([bare], {"Trees": "8.0"}) is bare


def test_an_advised_choice_is_one_that_works() -> None:
    rows = (Row({"Model": "a", "Part: x": "1st"}, {}), Row({"Model": "A", "Part: x": "2nd"}, {}))
    with pytest.raises(ValueError, match=r'such as row: {"Part: x": "1st"}$'):
        choose_row(rows, {})
    assert choose_row(rows, {"Part: x": "1st"}) is rows[0]
    counted = (Row({}, {"Number": 4.0}), Row({}, {"Number": 5.0}))
    with pytest.raises(ValueError, match=r"such as row: {column: value}$"):
        choose_row(counted, {})


@pytest.mark.parametrize(
    "wanted",
    [
        {"Model": "right"},
        {" model ": " RIGHT"},
        {"Trees": 16},
        {"trees": "16.0"},
        {"number": 2},
        {"Number": " 2 "},
        {"Model": "right", "Trees": 16, "number": 2},
    ],
)
def test_a_row_is_chosen_by_what_it_holds_or_its_position(wanted: Mapping[str, str | int]) -> None:
    assert choose_row([LEFT, RIGHT], wanted) is RIGHT


def test_the_row_over_all_clusters_is_chosen_by_its_description() -> None:
    rows = table(CLUSTERS)
    assert choose_row(rows, {"Result Description": "combined evaluation"}) is rows[0]


def test_a_column_of_cells_of_both_kinds_can_choose() -> None:
    rows = table("Fold Number,AUC\n0,0.9\n1,0.8\nMean,0.85\n")
    assert choose_row(rows, {"Fold Number": "Mean"}) is rows[2]
    assert choose_row(rows, {"Fold Number": 1}) is rows[1]


def test_a_column_named_number_is_meant_before_the_position() -> None:
    rows = table("Number,AUC\n2,0.9\n1,0.8\n")
    assert choose_row(rows, {"number": 1}) is rows[1]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"Model": "middle"}, r"no row fits gate.row {Model: middle}; .*row 2 \(Model: right\)"),
        ({"number": 3}, "no row fits .*row 1 .*row 2 "),
        ({"number": 0}, "no row fits"),
        ({"number": "first"}, "no row fits"),
        ({"Modle": "left"}, "no column is named like Modle; there are: Model, AUC, Trees"),
        ({"Model": "left", "Trees": 16}, "no row fits gate.row {Model: left, Trees: 16}"),
    ],
)
def test_a_choice_that_fits_no_row_says_what_there_is(
    wanted: Mapping[str, str | int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        choose_row([LEFT, RIGHT], wanted)


def test_a_choice_that_fits_several_rows_is_not_made() -> None:
    with pytest.raises(ValueError, match=r"2 rows fit gate.row {Model: left}"):
        choose_row([LEFT, LEFT], {"Model": "left"})
    twice = Row({"Model": "left", "MODEL": "right"}, {})
    with pytest.raises(ValueError, match="several columns are named like model"):
        choose_row([twice], {"model": "left"})


def test_a_choice_also_binds_where_there_is_one_row() -> None:
    assert choose_row([LEFT], {"Model": "left"}) is LEFT
    with pytest.raises(ValueError, match="no row fits"):
        choose_row([LEFT], {"Model": "right"})


def test_what_is_not_there_is_never_chosen() -> None:
    with pytest.raises(ValueError, match="no row fits"):
        choose_row([], {})
    with pytest.raises(ValueError, match="no row fits"):
        choose_row(table("Model,AUC\nleft,NaN\n"), {"AUC": "NaN"})
    with pytest.raises(ValueError, match="no row fits"):
        choose_row([LEFT, Row({}, {"AUC": 0.8})], {"Model": ""})


def test_a_long_evaluation_makes_no_long_message() -> None:
    rows = [Row({f"{'name' * 99}": "text" * 99}, {}) for _ in range(999)]
    with pytest.raises(ValueError, match=r"row 20 .*, and 979 more; ") as caught:
        choose_row(rows, {})
    assert len(str(caught.value)) < 3000


@given(st.lists(st.sampled_from([LEFT, RIGHT, *BARE]), max_size=4), st.integers(-1, 5))
def test_the_position_of_a_row_always_chooses_that_row_alone(
    rows: list[Row], position: int
) -> None:
    if 1 <= position <= len(rows):
        assert choose_row(rows, {"number": position}) is rows[position - 1]
    else:
        with pytest.raises(ValueError, match="no row fits"):
            choose_row(rows, {"number": position})


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("AUC", "auc"),
        ("Mean Absolute Error", "mean_absolute_error"),
        ("F-Score", "fscore"),
        ("AUC_weighted", "AUC weighted"),
        ("_", "_"),
    ],
)
def test_the_spelling_of_a_metric_makes_no_difference(header: str, name: str) -> None:
    assert metric_in(Row({}, {"other": 1.0, header: 0.5}), name) == 0.5


def test_a_metric_that_could_be_two_is_neither_unless_it_is_spelled_out() -> None:
    row = Row({}, {"AUC": 0.9, "a-u-c": 0.1})
    assert metric_in(row, "auc") is None
    assert metric_in(row, "AUC") == 0.9
    assert metric_in(row, "F1") is None
    assert metric_in(Row({}, {"_": 0.5}), "-") is None
