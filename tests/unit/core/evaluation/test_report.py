"""Evaluations as tables: the values that are read, and the refusals."""

import math

import pytest

from shared.core.evaluation.report import Row, read_evaluation

#: A real run: the whole content of the output (studio-classic §7).
REGRESSION = (
    "Negative Log Likelihood,Mean Absolute Error,Root Mean Squared Error,Relative Absolute Error,"
    "Relative Squared Error,Coefficient of Determination\n"
    "Infinity,0.0912634519229332,0.107777663489987,1.23406681461624E-06,1.66834112858664E-12,"
    "0.999999999998332\n"
    "761.748085547315,2269.32795754446,2379.65491644217,0.0306859127600318,0.000813308466497854,"
    "0.999186691533502\n"
)


#: Inferred from the documented names of the metrics (studio-classic §7).
BINARY = "Accuracy,Precision,Recall,F-Score,AUC,Average Log Loss,Training Log Loss\n"


def table(text: str, name: str = "evaluation.csv") -> tuple[Row, ...]:
    return read_evaluation(text.encode(), name)


def document(text: str) -> tuple[Row, ...]:
    return read_evaluation(text.encode(), "evaluation.json")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "\n", "\n \n\n"])
def test_the_real_evaluation_of_two_models_is_read_to_the_last_digit(end: str, last: str) -> None:
    first, second = table((REGRESSION + last).replace("\n", end))
    assert first.labels == second.labels == {}
    assert list(first.metrics.items()) == [
        ("Negative Log Likelihood", math.inf),
        ("Mean Absolute Error", 0.0912634519229332),
        ("Root Mean Squared Error", 0.107777663489987),
        ("Relative Absolute Error", 1.23406681461624e-06),
        ("Relative Squared Error", 1.66834112858664e-12),
        ("Coefficient of Determination", 0.999999999998332),
    ]
    assert second.metrics["Negative Log Likelihood"] == 761.748085547315


def test_a_last_line_needs_no_end() -> None:
    assert table(REGRESSION.rstrip()) == table(REGRESSION)


def test_the_metrics_of_a_classifier_are_read() -> None:
    (row,) = table(BINARY + "0.9,0.8,0.7,0.75,0.95,0.2,62.5\n")
    assert row.metrics["F-Score"] == 0.75
    assert row.metrics["Training Log Loss"] == 62.5


def test_a_header_alone_is_no_evaluation() -> None:
    with pytest.raises(ValueError, match="no rows"):
        table(BINARY)


def test_texts_are_labels_and_each_cell_is_checked_for_itself() -> None:
    rows = table("Fold Number,Model,AUC\n0,A,0.9\nMean,A,NA\n,,0.8\n")
    assert rows == (
        Row({"Model": "A"}, {"Fold Number": 0.0, "AUC": 0.9}),
        Row({"Fold Number": "Mean", "Model": "A", "AUC": "NA"}, {}),
        Row({}, {"AUC": 0.8}),
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1.0),
        ("-1.5", -1.5),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("1.23406681461624E-06", 1.23406681461624e-06),
        ("1e3", 1000.0),
        ("1e999", math.inf),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("inf", math.inf),
        ("∞", math.inf),
        ("-∞", -math.inf),
        (" 0.5 ", 0.5),
        ('"0.5"', 0.5),
    ],
)
def test_numbers_are_read_as_services_write_them(text: str, number: float) -> None:
    assert table(f"AUC,x\n{text},1\n")[0].metrics["AUC"] == number


@pytest.mark.parametrize("text", ["NaN", "nan", "-nan"])
def test_what_is_not_a_number_is_known_as_such(text: str) -> None:
    assert math.isnan(table(f"AUC\n{text}\n")[0].metrics["AUC"])


@pytest.mark.parametrize(
    "text", ["1,234", "1.234,5", "1 234", "1_234", "95%", "0x10", "\u0661", "1e", "e5", ".", "NA"]
)
def test_what_only_may_be_a_number_stays_a_text(text: str) -> None:
    assert table(f'AUC\n"{text}"\n') == (Row({"AUC": text}, {}),)


def test_a_byte_order_mark_and_quotes_are_no_part_of_a_name() -> None:
    content = b'\xef\xbb\xbf"AUC", "a, b"\n0.9, "left, or ""so"""\n'
    assert read_evaluation(content, "e.csv") == (Row({"a, b": 'left, or "so"'}, {"AUC": 0.9}),)


@pytest.mark.parametrize("name", ["e.tsv", "E.TSV"])
def test_the_suffix_distinguishes_tabs_from_commas(name: str) -> None:
    assert table("AUC\ta,b\n0.9\t1,5\n", name) == (Row({"a,b": "1,5"}, {"AUC": 0.9}),)


@pytest.mark.parametrize("cells", ["0.91;0.8", "0,91;0,8", "0,91;0,8;1"])
@pytest.mark.parametrize(
    ("header", "other"), [("AUC;Acc", "';'"), ('"AUC";"Acc"', "';'"), ("sep=;\nAUC;Acc", "';'")]
)
@pytest.mark.parametrize(("name", "wanted"), [("e.csv", "commas"), ("e.tsv", "tabs")])
def test_a_table_with_another_separator_is_refused_with_the_one_to_write(
    cells: str, header: str, other: str, name: str, wanted: str
) -> None:
    said = f"the columns seem to be separated by {other}: write {wanted}"
    with pytest.raises(ValueError, match=said):
        table(f"\n{header}\n{cells}\n", name)


def test_tabs_in_a_table_of_commas_are_named() -> None:
    for text in ("AUC\tAcc\n0.91\t0.8\n", "\tAUC\n0\t0,91\n", "sep=\t\nAUC\tAcc\n1\t2\n"):
        with pytest.raises(ValueError, match="separated by tabs: write commas"):
            table(text)


def test_a_separator_inside_quotes_or_beside_the_right_one_is_part_of_a_name() -> None:
    assert table('"AUC; all"\n0.9\n') == (Row({}, {"AUC; all": 0.9}),)
    assert table("AUC; all,F1\n0.9,0.8\n") == (Row({}, {"AUC; all": 0.9, "F1": 0.8}),)


def test_the_line_by_which_a_spreadsheet_says_its_separator_is_no_header() -> None:
    assert table("sep=,\r\nAUC,F1\r\n0.9,0.8\r\n") == table("AUC,F1\n0.9,0.8\n")
    assert table("sep=\t\nAUC\n0.9\n", "e.tsv") == table("AUC\n0.9\n")
    with pytest.raises(ValueError, match="line 3: 3 cells"):
        table("sep=,\nAUC,F1\n1,2,3\n")


def test_a_first_line_that_is_a_comment_is_named_and_no_other() -> None:
    with pytest.raises(ValueError, match="line 1 seems to be a comment: remove it"):
        table("# made by x\nAUC,F1\n0.9,0.8\n")
    with pytest.raises(ValueError, match="line 2: 2 cells, but the header has 1; quote a cell"):
        table("AUC\n0.9,0.8\n")
    with pytest.raises(ValueError, match="line 2: 3 cells"):
        table("#,AUC\n1,2,3\n")


def test_a_column_without_a_name_is_named_by_its_position() -> None:
    assert table(",AUC\n0,0.9\n")[0].metrics == {"column 1": 0.0, "AUC": 0.9}
    assert table("AUC,\n0.9,\n")[0].metrics == {"AUC": 0.9}


def test_a_row_without_values_keeps_its_position_so_that_no_other_row_is_taken_for_it() -> None:
    empty, full = Row({}, {}), Row({}, {"AUC": 0.9, "F1": 0.8})
    assert table("AUC,F1\n,\n0.9,0.8\n") == (empty, full)
    assert table("AUC,F1\n0.9,0.8\n,\n") == (full, empty)
    assert document('[{}, {"AUC": 0.9, "F1": 0.8}]') == (empty, full)
    assert table("\nAUC,F1\n\n0.9,0.8\n \n") == (full,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \r\n\t\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b",,\n", "no header line"),
        (b"AUC\n\n\n", "no rows"),
        (b"AUC,F1\n,\n", "no rows"),
        ("AUC\n0.9".encode("utf-16") + b"\x00", "not UTF-16: byte .*save it as UTF-8"),
        (b"AUC\n\xe9\n", "not UTF-8: byte 5 "),
        (b"AUC,F1\n0.9,0.8\n0,9,0,8\n", "line 3: 4 cells, but the header has 2"),
        (b'AUC,x\n0.9,"two\nlines"\n1,2,3\n', "line 4: 3 cells"),
        (b"AUC,F1, AUC \n1,2,3\n", "two columns are named AUC: rename one"),
        (b'AUC,F1\n0.9,"0.8\n', "line 2: not a table"),
        (b'AUC\n"0.9"9\n', "line 2: not a table"),
        (b"A" * 200_000 + b"\n0.9\n", "line 1: not a table"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_the_position(
    content: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_evaluation(content, "evaluation.csv")
