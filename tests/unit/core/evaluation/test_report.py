import base64
import json
import math
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.evaluation.json_report import rows_of_json
from shared.core.evaluation.metric_names import short, shown
from shared.core.evaluation.report import Row, choose_row, metric_in, read_evaluation
from shared.core.evaluation.text import first_invisible, looks_like, named

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


def test_texts_are_labels_and_each_cell_is_looked_at_for_itself() -> None:
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
def test_the_suffix_tells_tabs_from_commas(name: str) -> None:
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


def test_a_column_without_a_name_is_named_by_its_place() -> None:
    assert table(",AUC\n0,0.9\n")[0].metrics == {"column 1": 0.0, "AUC": 0.9}
    assert table("AUC,\n0.9,\n")[0].metrics == {"AUC": 0.9}


def test_a_row_without_values_keeps_its_place_so_that_no_other_row_is_taken_for_it() -> None:
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
def test_a_table_that_cannot_be_read_is_refused_with_the_place(
    content: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_evaluation(content, "evaluation.csv")


@pytest.mark.parametrize(
    "text",
    [
        '{"AUC": 0.9, "Model": "left", "Loss": null}',
        '{"metrics": {"AUC": 0.9, "Model": "left"}}',
        '{"metrics": {"AUC": 0.9}, "Model": "left", "Note": ""}',
        '[{"AUC": 0.9, "Model": "left"}]',
        '[{"metrics": {"AUC": "0.9", "Model": "left"}}]',
    ],
)
def test_each_form_of_json_is_read_alike(text: str) -> None:
    assert document(text) == (Row({"Model": "left"}, {"AUC": 0.9}),)


@pytest.mark.parametrize(
    ("text", "unusable"),
    [
        ('{"metrics": {"AUC": 0.9}, "confusion_matrix": [[1, 2], [3, 4]]}', ["confusion_matrix"]),
        ('{"AUC": 0.9, "passed": true}', ["passed"]),
        ('{"metrics": {"AUC": 0.9}, "params": {"depth": 3}}', ["params"]),
        ('{"metrics": {"AUC": 0.9, "folds": [0.8, 1.0]}}', ["folds"]),
        ('{"Metrics": {"AUC": 0.9}}', []),
        ('{"METRICS": {"AUC": 0.9}, "metrics": 3, "passed": false}', ["passed"]),
    ],
)
def test_unusable_members_do_not_hide_numbers(text: str, unusable: list[str]) -> None:
    (row,) = document(text)
    assert metric_in(row, "AUC") == 0.9
    assert list(row.unusable) == unusable
    assert row.labels == {}


@pytest.mark.parametrize("beside", ['"AUC": 0.8', '"auc": 0.8', '"A-U-C": [1]', '"AUC": "x"'])
@pytest.mark.parametrize("name", ["AUC", "auc", "A-U-C"])
def test_a_name_in_metrics_and_beside_it_counts_in_neither_place(beside: str, name: str) -> None:
    for text in (
        f'{{"metrics": {{"AUC": 0.9, "F1": 0.7}}, {beside}}}',
        f'{{{beside}, "metrics": {{"AUC": 0.9, "F1": 0.7}}}}',
    ):
        (row,) = document(text)
        assert metric_in(row, name) is None
        assert metric_in(row, "F1") == 0.7


def test_a_list_that_is_spelled_like_a_number_is_not_passed_by_it() -> None:
    (row,) = document('{"AUC": 0.9, "auc": [0.1]}')
    assert [metric_in(row, name) for name in ("AUC", "auc", "Auc")] == [0.9, None, None]


def test_json_may_hold_several_rows_and_any_number() -> None:
    first, second = document(
        '[{"a": Infinity, "b": -1, "c": "Infinity"}, {"a": NaN, "b": ' + "9" * 5000 + "}]"
    )
    assert first.metrics == {"a": math.inf, "b": -1.0, "c": math.inf}
    assert math.isnan(second.metrics["a"])
    assert second.metrics["b"] == math.inf


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AUC\n0.9\n", "not JSON: .*line 1"),
        ('{"AUC": 0.9', "not JSON"),
        ("", "empty"),
        ("{}", "no rows"),
        ("[]", "no rows"),
        ('{"AUC": null}', "no rows"),
        ("0.9", "write an object"),
        ('"AUC"', "write an object"),
        ("null", "write an object"),
        ("[[1]]", "write an object"),
        ('[{"AUC": 1}, 2]', "write an object"),
        ('{"AUC": 0.9, "AUC": 0.8}', "two members are named AUC"),
        ('{"metrics": {"AUC": 0.9}, "Metrics": {"F1": 0.8}}', "two objects are named metrics"),
        ('{"Model": "\\ud800"}', "half a character"),
        ('{"\\ud800": 1}', "half a character"),
        ("[" * 100_000, "nested too deeply"),
        ('{"metrics":' * 100_000, "nested too deeply"),
    ],
)
def test_json_of_another_shape_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        document(text)


LIKELY = st.text('AUC,"\t\r\n 0.9eE+-{}[]:\\∞\x00metricsNaN', max_size=60).map(str.encode)


def read_or_refused(content: bytes, name: str) -> tuple[Row, ...] | str:
    """Return the rows, or the message of a ValueError that is no other error in disguise."""
    try:
        return read_evaluation(content, name)
    except ValueError as error:
        return str(error) if type(error) is ValueError else pytest.fail(repr(error))


@given(st.binary() | LIKELY, st.sampled_from(["e.csv", "e.tsv", "e.json", ""]))
def test_whatever_the_bytes_there_are_rows_or_a_value_error(content: bytes, name: str) -> None:
    found = read_or_refused(content, name)
    assert 0 < len(found) < 400
    rows = found if isinstance(found, tuple) else ()
    assert any(row.labels or row.metrics or row.unusable for row in rows) is bool(rows)
    for row in rows:
        "".join((*row.labels, *row.labels.values(), *row.metrics, *row.unusable)).encode()


CELL = st.text(max_size=8) | st.floats() | st.none()
ANY = st.recursive(CELL | st.booleans() | st.integers(), lambda inner: st.lists(inner, max_size=3))


@given(st.lists(st.dictionaries(st.text(max_size=4), ANY, max_size=3), max_size=3) | ANY)
def test_whatever_the_json_there_are_rows_or_a_value_error(value: object) -> None:
    assert read_or_refused(json.dumps(value).encode(), "e.json")


@given(st.floats())
def test_every_number_comes_back_as_it_was_written(number: float) -> None:
    for row in (*table(f"AUC\n{number!r}\n"), *document(json.dumps({"AUC": number}))):
        found = row.metrics["AUC"]
        assert found == number or (math.isnan(found) and math.isnan(number))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Model,AUC\nsesame,0.9\n", "e.csv"),
        ("Model,AUC\nsesame,0.9\n".encode("utf-16"), "e.csv"),
        ("Model,AUC\nsesame,0.9\n".encode("utf-16-le"), "e.csv"),
        (b'{"Model": "sesame", "AUC": 0.9}', "e.json"),
        (b'{"Model": "\\u0073esame", "AUC": 0.9}', "e.json"),
    ],
)
def test_a_secret_is_taken_out_in_whatever_form_it_is_written(content: bytes, name: str) -> None:
    def redact(text: str) -> str:
        return text.replace("sesame", "***")

    assert read_evaluation(content, name, redact) == (Row({"Model": "***"}, {"AUC": 0.9}),)


def test_a_secret_that_is_a_name_is_in_no_message() -> None:
    twice = b'{"\\u0073esame": 1, "sesam\\u0065": 2}'
    with pytest.raises(ValueError, match=r"two members are named \*\*\*"):
        read_evaluation(twice, "e.json", lambda text: text.replace("sesame", "***"))


def test_numbers_of_json_are_kept_as_they_are_written_and_texts_are_redacted() -> None:
    (cells,) = rows_of_json('{"AUC": 0.50, "Model": "left"}', lambda text: f"{text}+")
    assert cells == [("AUC+", "0.50"), ("Model+", "left+")]


def test_an_object_is_read_by_the_names_that_lead_to_its_members_eight_levels_deep() -> None:
    def nested(levels: int) -> str:
        return '{"a": ' * levels + "1" + "}" * levels

    assert document(nested(9))[0].metrics == {".".join("a" * 9): 1.0}
    deeper = document(nested(10))[0]
    assert deeper.metrics == {}
    assert deeper.unusable[".".join("a" * 9)] == "is an object, not a number"


@pytest.mark.parametrize(
    "name",
    [
        *("metrics", "regression_metrics", "classification metrics", "binaryClassificationMetrics"),
        *("multiclass-classification-metrics", "multilabel_classification_metrics"),
        *("clusteringMetrics", "forecasting_metrics", "ranking_metrics", "evaluation_metrics"),
        "model_metrics",
    ],
)
def test_an_object_of_metrics_is_read_as_if_it_was_not_there(name: str) -> None:
    assert document(f'{{"{name}": {{"AUC": 0.9}}}}')[0].metrics == {"AUC": 0.9}
    assert document(f'{{"test_{name}": {{"AUC": 0.9}}}}')[0].metrics == {f"test_{name}.AUC": 0.9}


@pytest.mark.parametrize("value", ["value", "Value", "numberValue"])
def test_a_list_of_names_and_values_is_read_as_an_object(value: str) -> None:
    listed = f'[{{"name": "AUC", "{value}": 0.9}}, {{"name": "F1", "{value}": 0.8}}]'
    assert document(f'{{"metrics": {listed}}}')[0].metrics == {"AUC": 0.9, "F1": 0.8}
    (row,) = document(f'{{"metrics": [{{"name": "AUC", "{value}": 0.9, "numbervalue": 1}}]}}')
    assert row.unusable.keys() == {"metrics"} or value == "numbervalue"
    assert document(f'{{"AUC": {{"{value}": 0.9}}}}')[0].metrics == {"AUC": 0.9}


def test_an_object_in_place_of_a_number_is_told_by_the_first_of_its_members() -> None:
    (row,) = document('{"AUC": {"macro": 0.9, "micro": 0.8}, "F1": {"value": 0.7, "by": 1}}')
    assert row.unusable == {
        "AUC": "is an object, not a number: name a member of it, such as AUC.macro"
    }
    assert row.metrics == {"AUC.macro": 0.9, "AUC.micro": 0.8, "F1": 0.7, "F1.by": 1.0}


def test_a_name_that_two_members_lead_to_counts_for_neither() -> None:
    (row,) = document('{"a.b": 0.9, "a": {"b": 0.8}, "F1": 0.7}')
    assert row.metrics == {"F1": 0.7}
    assert row.unusable["a.b"] == "is there more than once: rename one"


def test_a_text_is_shown_whole_up_to_sixty_characters_and_twenty_names() -> None:
    assert short("x" * 60) == "x" * 60
    assert short("x" * 61) == "x" * 59 + "…"
    key = base64.b64encode(bytes(range(100, 164))).decode()
    assert short(f"AUC {key}") == "AUC ***"
    assert short(f"https://a.example/?sv=1&sig={key}").endswith("?***")
    names = [str(number) for number in range(22)]
    assert shown(names[:20]) == ", ".join(names[:20])
    assert shown(names) == ", ".join([*names[:20], "and 2 more"])


def test_a_character_that_nobody_sees_is_named() -> None:
    assert named("\x00") == "U+0000 (null)"
    assert named("\x01") == "U+0001 (a control character)"
    assert named("\u200b") == "U+200B (zero width space)"
    assert first_invisible("a\u200bb\ufeff") == "U+200B (zero width space)"
    assert first_invisible("ab") is None


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("\uff10.\uff19", "0.9"),
        ("\u22121", "-1"),
        ("\u20131", "-1"),
        ("\u0663", "3"),
        ("0\u200b9", "09"),
        ("a+", "a+"),
    ],
)
def test_a_text_is_compared_with_a_number_by_its_looks(text: str, checks: str) -> None:
    assert looks_like(text) == checks


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b"PK\x03\x04", "a ZIP archive or a workbook (.xlsx)"),
        (b"\xd0\xcf\x11\xe0", "a workbook (.xls)"),
        (b"\x1f\x8b", "a gzip file"),
        (b"PAR1\x15", "a Parquet file"),
        (b"%PDF-1.7", "a PDF file"),
        (b" \n<?xml ?>", "XML"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"<HTML>", "HTML"),
    ],
)
def test_a_file_of_another_form_is_named(start: bytes, form: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"it seems to be {form}: write CSV or JSON")):
        read_evaluation(start, "evaluation.csv")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"])
def test_a_text_is_read_in_each_form_that_is_certain(encoding: str) -> None:
    for text in ("AUC\n0.9\n", "AUC,F1\n0.9,0.8\n0.5,0.25\n"):
        assert read_evaluation(text.encode(encoding), "e.csv") == table(text)
        for order in ("utf-16-be", "utf-32-be", "utf-32-le"):
            assert read_evaluation(f"\ufeff{text}".encode(order), "e.csv") == table(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"AUC\n0.\x009\n", r"line 2 holds U\+0000 \(null\)"),
        (b"A\x00U\x00C", "line 1 holds"),
        (b"\x00A\x00\x00", "line 1 holds"),
    ],
)
def test_a_text_with_zero_bytes_that_is_in_no_form_is_refused_with_the_line(
    content: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_evaluation(content, "e.csv")


def test_a_line_that_names_a_type_is_left_out_and_no_other() -> None:
    for line in ("#TYPE System.Object", "  #type x"):
        assert table(f"{line}\nAUC\n0.9\n") == table("AUC\n0.9\n")
    assert table("#TYPED\n0.9\n")[0].metrics == {"#TYPED": 0.9}


def test_a_long_run_of_invisible_characters_costs_no_time() -> None:
    assert table("AUC\nx" + "\u200b" * 120_000 + "x\n")[0].labels["AUC"]


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
    bare = Row({}, {"Trees": 8.0})  # as a record has it, without what was written
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
def test_a_row_is_chosen_by_what_it_holds_or_its_place(wanted: Mapping[str, str | int]) -> None:
    assert choose_row([LEFT, RIGHT], wanted) is RIGHT


def test_the_row_over_all_clusters_is_chosen_by_its_description() -> None:
    rows = table(CLUSTERS)
    assert choose_row(rows, {"Result Description": "combined evaluation"}) is rows[0]


def test_a_column_of_cells_of_both_kinds_can_choose() -> None:
    rows = table("Fold Number,AUC\n0,0.9\n1,0.8\nMean,0.85\n")
    assert choose_row(rows, {"Fold Number": "Mean"}) is rows[2]
    assert choose_row(rows, {"Fold Number": 1}) is rows[1]


def test_a_column_named_number_is_meant_before_the_place() -> None:
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
def test_the_place_of_a_row_always_chooses_that_row_alone(rows: list[Row], place: int) -> None:
    if 1 <= place <= len(rows):
        assert choose_row(rows, {"number": place}) is rows[place - 1]
    else:
        with pytest.raises(ValueError, match="no row fits"):
            choose_row(rows, {"number": place})


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
