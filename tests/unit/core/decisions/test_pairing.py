"""Two models are compared on rows that are certainly the same, or not at all."""

from typing import Any

import pytest

from shared.core.decisions.pairing import Columns, NotPaired, paired
from shared.core.decisions.predictions import Predictions, read_predictions
from shared.core.decisions.rows import PairedRows

TWO = Columns(label="y", candidate="mine", other="live", positive=1)
NUMBERS = Columns(label="y", candidate="mine", other="live")
OWN = Columns(label="y", candidate="mine", other="mine", positive=1)

Row = tuple[object, ...]


def table(header: str, rows: list[Row]) -> Predictions:
    names = header.split(",")
    lines = (",".join(map(str, row)) for row in rows)
    content = "\n".join((header, *lines)).encode()
    texts = tuple(name for name in names if name == "region")
    columns = tuple(set(names) - {"id", *texts})
    return read_predictions(content, "p.csv", "id", columns, texts=texts)


def together(rows: list[Row], meaning: Columns = TWO) -> PairedRows | NotPaired:
    return paired(table("id,y,mine,live", rows), None, meaning)


def refusal(found: PairedRows | NotPaired) -> str:
    assert isinstance(found, NotPaired)
    return found.reason


def rows_of(found: PairedRows | NotPaired) -> PairedRows:
    assert isinstance(found, PairedRows), found
    return found


def own(count: int, score: float, name: str = "row") -> list[Row]:
    return [(f"{name}{at}", at % 2, score + at / 10_000) for at in range(count)]


def files(mine: list[Row], theirs: list[Row]) -> PairedRows | NotPaired:
    return paired(table("id,y,mine", mine), table("id,y,mine", theirs), OWN)


def test_both_scores_of_a_row_stay_together() -> None:
    found = rows_of(together([("b", 1, 0.9, 0.8), ("a", 0, 0.1, 0.3)]))

    assert found == PairedRows(
        ids=["b", "a"],
        labels=[1.0, 0.0],
        candidate=[0.9, 0.1],
        other=[0.8, 0.3],
        classes=("0", "1"),
    )


def test_two_files_are_matched_by_id_and_not_by_position() -> None:
    mine, theirs = own(200, 0.1), own(200, 0.5)
    theirs.sort(key=lambda row: str(row[0])[::-1])

    found = rows_of(files(mine, theirs))

    assert list(found.ids) == [row[0] for row in mine]
    assert list(found.other) == pytest.approx([score + 0.4 for score in found.candidate])
    assert found.note == ""


def test_a_hundredth_of_the_ids_may_be_without_a_match_and_is_named() -> None:
    mine, theirs = own(200, 0.1), own(198, 0.5)

    found = rows_of(files(mine, theirs))

    assert len(found.ids) == 198
    assert found.note == "left out: ids of the candidate without a match: 2 of 200 (1.0 %)"


@pytest.mark.parametrize("shorter", ["mine", "theirs"])
def test_more_than_a_hundredth_without_a_match_is_no_comparison(shorter: str) -> None:
    pair = {"mine": own(200, 0.1), "theirs": own(200, 0.5)}
    pair[shorter] = pair[shorter][:197]

    said = refusal(files(**pair))

    assert "more than 1 % of the rows cannot be matched" in said
    assert "3 of 200 (1.5 %)" in said


def test_files_of_other_rows_have_nothing_in_common() -> None:
    said = refusal(files(own(10, 0.1), own(10, 0.1, "other")))

    assert "ids of the candidate without a match: 10 of 10 (100.0 %)" in said


@pytest.mark.parametrize("where", ["mine", "theirs"])
def test_ids_that_repeat_are_left_out_or_refused_by_their_share_of_rows(where: str) -> None:
    pair = {"mine": own(200, 0.1), "theirs": own(200, 0.5)}
    rows = pair[where]
    rows[6] = (rows[4][0], *rows[6][1:])

    # The one id is in two rows with one label, and a row of the other file has lost its match.
    found = rows_of(files(**pair))
    assert "with an id that repeats: 2 of 200 (1.0 %)" in found.note
    assert set(found.ids) == {f"row{at}" for at in range(200)} - {"row4", "row6"}
    rows[10] = (rows[8][0], *rows[10][1:])
    assert "with an id that repeats: 4 of 200 (2.0 %)" in refusal(files(**pair))


def test_one_id_in_half_of_the_rows_is_not_one_faulty_row() -> None:
    rows: list[Row] = [(f"row{at}", at % 2, 0.1, 0.2) for at in range(100)]
    rows += [("again", at % 2, 0.1, 0.2) for at in range(100)]

    assert "with an id that repeats: 100 of 200 (50.0 %)" in refusal(together(rows))


def test_rows_without_an_id_cannot_be_matched() -> None:
    rows: list[Row] = [(f"row{at}", at % 2, 0.1, 0.2) for at in range(150)]
    rows[3] = ("", *rows[3][1:])

    assert rows_of(together(rows)).note == "left out: rows without an id: 1 of 150 (0.67 %)"
    rows[4] = ("", *rows[4][1:])
    assert "rows without an id: 2 of 150 (1.3 %)" in refusal(together(rows))


def test_an_id_with_two_labels_is_not_the_same_row() -> None:
    mine, theirs = own(200, 0.1), own(200, 0.5)
    theirs[8] = (theirs[8][0], 1, 0.3)

    assert "ids with two labels: 1 of 200 (0.5 %)" in rows_of(files(mine, theirs)).note
    turned: list[Row] = [(name, 1 - int(str(label)), score) for name, label, score in theirs]
    assert "ids with two labels" in refusal(files(mine, turned))


def test_labels_that_differ_by_how_they_are_written_are_the_same() -> None:
    mine: list[Row] = [("a", 0.1 + 0.2, 1), ("b", 2, 2), ("c", "True", 3)]
    theirs: list[Row] = [("a", 0.3, 1), ("b", "2.0", 2), ("c", "true", 3)]

    numbers = Columns(label="y", candidate="mine", other="mine")
    assert "with a text" in refusal(
        paired(table("id,y,mine", mine), table("id,y,mine", theirs), numbers)
    )
    rest = paired(table("id,y,mine", mine[:2]), table("id,y,mine", theirs[:2]), numbers)
    assert rows_of(rest).ids == ["a", "b"]


@pytest.mark.parametrize(
    ("place", "cell", "said"),
    [
        (1, "", "rows without a label: 1 of 1000 (0.1 %); column y, row 18 first"),
        (1, "nan", "rows with a label that is NaN or infinite: 1 of 1000 (0.1 %)"),
        (2, "", "rows without a score of the candidate: 1 of 1000 (0.1 %); column mine"),
        (2, "NaN", "rows with a score of the candidate that is NaN or infinite: 1 of 1000"),
        (2, "-inf", "rows with a score of the candidate that is NaN or infinite: 1 of 1000"),
        (3, "NA", "rows without a score of the other model: 1 of 1000 (0.1 %); column live"),
        (3, "1e999", "rows with a score of the other model that is NaN or infinite"),
    ],
)
@pytest.mark.parametrize("meaning", [TWO, NUMBERS])
def test_one_row_without_its_label_or_score_is_no_comparison(
    place: int, cell: str, said: str, meaning: Columns
) -> None:
    rows = [[f"row{at}", at % 2, at / 1000, at / 2000] for at in range(1000)]
    rows[17][place] = cell

    assert said in refusal(together([tuple(row) for row in rows], meaning))


def test_one_class_only_is_no_comparison() -> None:
    said = refusal(together([(at, 1, at / 10, at / 20) for at in range(10)]))

    assert said == "all rows have the same label, so nothing can be compared"


def test_the_positive_class_is_one_of_the_two() -> None:
    said = refusal(together([("a", "yes", 0.1, 0.2), ("b", "no", 0.1, 0.2)]))

    assert "neither is `positive`" in said


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_the_positive_class_is_last(positive: str) -> None:
    meaning = Columns(label="y", candidate="mine", other="live", positive=positive)
    found = rows_of(together([("a", "yes", 0.1, 0.2), ("b", "no", 0.3, 0.4)], meaning))

    assert found.classes[1] == positive
    assert [found.classes[int(at)] for at in found.labels] == ["yes", "no"]
    assert (list(found.candidate), found.predicts_classes) == ([0.1, 0.3], False)


@pytest.mark.parametrize("positive", [1, "true"])
def test_truth_is_positive_where_nothing_else_is_said(positive: Any) -> None:
    meaning = Columns(label="y", candidate="mine", other="live", positive=positive)
    found = rows_of(together([("a", "True", 0.1, 0.2), ("b", "FALSE", 0.3, 0.4)], meaning))

    assert (found.classes, list(found.labels)) == (("false", "true"), [1.0, 0.0])


CLASSES: list[tuple[str, list[Row], Any, list[str] | None]] = [
    ("texts", [("a", "cat", "cat", "dog"), ("b", "dog", "dog", "dog")], "cat", ["cat", "dog"]),
    ("numbers", [("a", 1, 1, 2), ("b", 2, 2, 2)], 2, ["1", "2"]),
    ("zero is positive", [("a", 1, 1, 0), ("b", 0, 0, 0)], 0, ["1", "0"]),
    ("zero and one are scores", [("a", 1, 1, 0), ("b", 0, 0, 0)], 1, None),
    ("three", [("a", 1, 1, 2), ("b", 2, 3, 2), ("c", 3, 3, 3)], 1, ["1", "3", "3"]),
    ("one that no label has", [("a", "x", "x", "x"), ("b", "y", "z", "y")], "y", ["x", "z"]),
]


@pytest.mark.parametrize(
    ("rows", "positive", "said"), [case[1:] for case in CLASSES], ids=[case[0] for case in CLASSES]
)
def test_predicted_classes_are_distinguished_from_scores(
    rows: list[Row], positive: Any, said: list[str] | None
) -> None:
    meaning = Columns(label="y", candidate="mine", other="live", positive=positive)
    found = rows_of(together(rows, meaning))

    assert found.predicts_classes == (said is not None)
    if said is not None:
        assert [found.classes[int(at)] for at in found.candidate] == said


@pytest.mark.parametrize(
    "rows",
    [
        [("a", 1, 0.2, 0.3), ("b", 2, 2, 2), ("c", 3, 3, 3)],
        [("a", 1, "1", "yes"), ("b", 0, 0.4, "no")],
    ],
    ids=["three classes", "one model has scores and the other classes"],
)
def test_a_score_among_classes_is_no_comparison(rows: list[Row]) -> None:
    said = refusal(together(rows))

    assert "not one of the" in said
    assert "write the predicted class" in said


@pytest.mark.parametrize("place", [2, 3])
def test_scores_that_are_written_as_texts_are_no_classes(place: int) -> None:
    rows = [[f"row{at}", at % 2, at / 100, at / 200] for at in range(100)]
    for at, row in enumerate(rows):
        row[place] = f'"0,{at:02}"'

    said = refusal(together([tuple(row) for row in rows]))

    column = ("mine", "live")[place - 2]
    assert said == (
        "rows with a text that is not one of the 2 classes: write a score as 0.5, or write the "
        f"predicted class as labels do: 100 of 100 (100.0 %); column {column}, row 1 first"
    )


def test_a_label_that_is_no_class_is_named_and_not_the_scores_of_all_rows() -> None:
    rows: list[Row] = [(f"row{at}", at % 2, at / 100, at / 200) for at in range(100)]
    rows[6] = ("row6", "?", 0.1, 0.2)

    said = refusal(together(rows))

    assert "correct column y if there are two classes: the rarest has 1 row, row 7 first" in said
    assert "?" not in said


def test_a_text_among_scores_is_named_and_not_the_scores_of_the_other_model() -> None:
    rows: list[Row] = [(f"row{at}", at % 2, at / 100, at / 200) for at in range(100)]
    rows[3] = ("row3", 1, 0.03, "missing")

    said = refusal(together(rows))

    assert said.startswith("rows with a text that is not one of the 2 classes")
    assert said.endswith("1 of 100 (1.0 %); column live, row 4 first")


def test_numbers_are_read_as_they_are_and_texts_refused() -> None:
    found = rows_of(together([("a", 3.5, 3, 4), ("b", 3.5, -1, 1e3)], NUMBERS))

    assert (found.labels, found.candidate, found.other) == ([3.5, 3.5], [3.0, -1.0], [4.0, 1000.0])
    assert found.classes == ()
    said = refusal(together([("a", 3.5, 1, 4), ("b", 1, "1_0", 2)], NUMBERS))
    assert "rows with a text in place of a number" in said


def test_costs_and_slices_come_from_the_candidates_file() -> None:
    meaning = Columns(
        label="y", candidate="mine", other="live", positive=1, cost="cost", slices=("region",)
    )
    header = "id,y,mine,live,cost,region"
    rows: list[Row] = [("a", 1, 0.1, 0.2, 5, "north"), ("b", 0, 0.1, 0.2, 0.5, "")]

    found = rows_of(paired(table(header, rows), None, meaning))

    assert (list(found.costs), dict(found.slices)) == ([5.0, 0.5], {"region": ["north", ""]})
    lacking: list[Row] = [*rows, ("c", 0, 0.1, 0.2, "", "south")]
    assert "rows without a cost" in refusal(paired(table(header, lacking), None, meaning))


def test_no_cell_is_in_a_reason() -> None:
    secret = "patient-4711"
    for rows in ([(secret, 1, "", 0.1)] * 3, [(secret, secret, 0.1, 0.2), ("b", "", 0.1, 0.1)]):
        assert secret not in refusal(together([tuple(row) for row in rows]))


HUGE: list[tuple[str, int, str, str]] = [
    ("label", 1, "a label", "y"),
    ("candidate", 2, "a score of the candidate", "mine"),
    ("other model", 3, "a score of the other model", "live"),
]


@pytest.mark.parametrize("size", [1e101, -1e200, 1.7e308])
@pytest.mark.parametrize(
    ("place", "what", "column"), [case[1:] for case in HUGE], ids=[case[0] for case in HUGE]
)
def test_numbers_that_no_metric_can_compute_with_are_named(
    place: int, what: str, column: str, size: float
) -> None:
    rows = [[f"row{at}", at / 10, at / 9, at / 8] for at in range(200)]
    rows[6][place] = size

    said = refusal(together([tuple(row) for row in rows], NUMBERS))

    share = "1 of 200 (0.5 %)"
    assert (
        said == f"rows with {what} too large to compute with: {share}; column {column}, row 7 first"
    )
    rows[6][place] = 1e100
    rows_of(together([tuple(row) for row in rows], NUMBERS))


def test_scores_for_a_class_are_compared_by_their_order_however_large() -> None:
    rows: list[Row] = [(f"row{at}", at % 2, at * 1e300, at / 200) for at in range(100)]

    assert rows_of(together(rows)).candidate[-1] == 99 * 1e300


def test_a_metric_of_two_classes_is_named_where_there_are_three() -> None:
    rows: list[Row] = [(f"row{at}", at % 3, at / 100, at / 200) for at in range(100)]
    meaning = Columns(label="y", candidate="mine", other="live", positive=1, of_two="AUC")

    said = refusal(together(rows, meaning))

    assert said.startswith("AUC is for two classes, and there are 3; rows with a number that is")
    assert "AUC" not in refusal(together(rows))
