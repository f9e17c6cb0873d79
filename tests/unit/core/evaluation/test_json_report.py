"""Evaluations in JSON, and any bytes: rows, or a ValueError."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.evaluation.json_report import rows_of_json
from shared.core.evaluation.report import Row, metric_in, read_evaluation
from tests.unit.core.evaluation.test_report import document, table


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
def test_a_name_in_metrics_and_beside_it_counts_in_neither(beside: str, name: str) -> None:
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
    """Return the rows, or the message of a ValueError, but of no subclass."""
    try:
        return read_evaluation(content, name)
    except ValueError as error:
        return str(error) if type(error) is ValueError else pytest.fail(repr(error))


@given(st.binary() | LIKELY, st.sampled_from(["e.csv", "e.tsv", "e.json", ""]))
def test_any_bytes_give_rows_or_a_value_error(content: bytes, name: str) -> None:
    found = read_or_refused(content, name)
    assert 0 < len(found) < 400
    rows = found if isinstance(found, tuple) else ()
    assert any(row.labels or row.metrics or row.unusable for row in rows) is bool(rows)
    for row in rows:
        "".join((*row.labels, *row.labels.values(), *row.metrics, *row.unusable)).encode()


CELL = st.text(max_size=8) | st.floats() | st.none()


ANY = st.recursive(
    CELL | st.booleans() | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=8
)


@given(st.lists(st.dictionaries(st.text(max_size=4), ANY, max_size=3), max_size=3) | ANY)
def test_any_json_gives_rows_or_a_value_error(value: object) -> None:
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
def test_a_secret_is_redacted_in_any_form(content: bytes, name: str) -> None:
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


def test_an_object_instead_of_a_number_is_known_by_the_first_of_its_members() -> None:
    (row,) = document('{"AUC": {"macro": 0.9, "micro": 0.8}, "F1": {"value": 0.7, "by": 1}}')
    assert row.unusable == {
        "AUC": "is an object, not a number: name a member of it, such as AUC.macro"
    }
    assert row.metrics == {"AUC.macro": 0.9, "AUC.micro": 0.8, "F1": 0.7, "F1.by": 1.0}


def test_a_name_that_two_members_lead_to_counts_for_neither() -> None:
    (row,) = document('{"a.b": 0.9, "a": {"b": 0.8}, "F1": 0.7}')
    assert row.metrics == {"F1": 0.7}
    assert row.unusable["a.b"] == "is there more than once: rename one"
