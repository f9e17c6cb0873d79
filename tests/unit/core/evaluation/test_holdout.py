"""Rows of a holdout become requests, as models take them."""

import json
from typing import Any

import pytest

from shared.core.config.compare import Compare
from shared.core.decisions.predictions import MOST_BYTES
from shared.core.evaluation.holdout import Holdout, HoldoutProgress, as_lines, read_holdout

TABLE = b"id,age,when,member,label\nr1,40,2026-01-01,true,1\nr2,,2026-01-02,FALSE,0\n"
LINES = b'{"id": 1, "label": true, "age": 40, "tags": ["a"]}\n\n{"id": 2, "label": false}\n'


def read(content: bytes, name: str = "rows.csv", **compare: Any) -> Holdout:
    return read_holdout(content, Compare(holdout=f"evaluation/{name}", **compare))


def only(found: Holdout) -> dict[str, Any]:
    (batch,) = found.batches(0, 100)
    return batch.request


def refusal(content: bytes, name: str = "rows.csv", **compare: Any) -> str:
    with pytest.raises(ValueError, match=r".") as raised:
        read(content, name, **compare)
    return str(raised.value)


def test_a_table_is_sent_as_pandas_reads_it_without_id_and_label() -> None:
    assert only(read(TABLE)) == {
        "input_data": {
            "columns": ["age", "when", "member"],
            "index": [0, 1],
            "data": [[40, "2026-01-01", True], [None, "2026-01-02", False]],
        }
    }


def test_a_column_has_one_type_in_every_request() -> None:
    found = read(b"id,a,b,label\n1,7,1.5,0\n2,8,2,1\n3,x,nan,1\n")
    sent = [batch.request["input_data"]["data"] for batch in found.batches(0, 1)]
    assert sent == [[["7", 1.5]], [["8", 2]], [["x", None]]]


def test_lines_of_json_are_sent_as_they_are() -> None:
    found = read(LINES, "rows.jsonl")
    assert found.facts.rows == 2
    assert only(found)["input_data"]["data"] == [[40, ["a"]], [None, None]]
    (batch,) = found.batches(0, 9)
    assert batch.kept == [("1", "true"), ("2", "false")]


def test_columns_of_slices_are_sent_and_kept_and_costs_are_kept_alone() -> None:
    content = b"Key,region,price,y,a\nr1,north,2,1,5\n"
    (batch,) = read(content, id="key", label="y", slices=("region",), cost="price").batches(0, 9)
    assert batch.kept == [("r1", "1", "2", "north")]
    assert batch.request["input_data"]["columns"] == ["region", "a"]


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ({"data": "{rows}"}, {"data": [[40, "2026-01-01"]]}),
        (
            {"rows": "{records}", "n": ["{index}", "{columns}"]},
            {
                "rows": [{"age": 40, "when": "2026-01-01"}],
                "n": [[0], ["age", "when"]],
            },
        ),
        (
            {"input_data": {"columns": ["when"], "data": "{rows}"}, "params": {"k": 1}},
            {"input_data": {"columns": ["when"], "data": [["2026-01-01"]]}, "params": {"k": 1}},
        ),
    ],
)
def test_a_template_says_where_the_rows_go_and_which_columns(
    template: dict[str, Any], sent: dict[str, Any]
) -> None:
    content = b"id,age,when,label\nr1,40,2026-01-01,1\n"
    assert only(read(content, request=template)) == sent


def test_requests_begin_where_the_last_step_ended_and_stay_small() -> None:
    rows = "\n".join(f"r{at},{at},{'x' * 9_000},{at % 2}" for at in range(250))
    found = read(f"id,at,text,label\n{rows}\n".encode())
    batches = list(found.batches(20, 200))
    numbers = [row[0] for batch in batches for row in batch.request["input_data"]["data"]]
    assert numbers == list(range(20, 250))
    assert max(len(json.dumps(batch.request)) for batch in batches) < 1_000_000
    assert list(found.batches(250, 200)) == []


@pytest.mark.parametrize(
    ("labels", "positive", "position"),
    [
        ("10 9", 10, 1),  # as numbers
        ("10 9", 9, 0),
        ("yes no", "yes", 1),
        ("yes no", "no", 0),
        ("yes no", 1, None),
        ("1 2 3", 1, None),
        ("1 1", 1, None),
    ],
)
def test_two_classes_are_in_the_order_of_models(
    labels: str, positive: str | int, position: int | None
) -> None:
    rows = "".join(f"{at},{label},1\n" for at, label in enumerate(labels.split()))
    assert read(f"id,label,a\n{rows}".encode(), positive=positive).facts.position == position


def test_what_is_known_of_a_holdout_is_not_looked_for_again() -> None:
    known = read(TABLE).facts.evolve(kinds="xxx")
    again = read_holdout(TABLE, Compare(holdout="evaluation/rows.csv"), known)
    assert only(again)["input_data"]["data"][0] == ["40", "2026-01-01", "true"]


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "rows.csv", "the file is empty"),
        (b"", "rows.jsonl", "the file is empty"),
        (b"id,label,a\n", "rows.csv", "there are no rows"),
        (b"id,label\n1,1\n", "rows.csv", "there is no column to send except"),
        (b"id,a\n1,2\n", "rows.csv", "there is no column label; there are id, a"),
        (b"id,label,Label\n1,2,3\n", "rows.csv", ""),
        (b"id;label;a\n1;2;3\n", "rows.csv", "the columns seem to be separated by ';'"),
        (b"id,label,a,a\n1,2,3,4\n", "rows.csv", "two columns are named a: rename one"),
        (b"id,label,a\n1,2\n", "rows.csv", "line 2 has 2 cells, but the header has 3"),
        (b'{"id": 1, "label": 0}\n[]\n', "rows.jsonl", "line 2 is not an object"),
        (b"PK\x03\x04", "rows.csv", "a ZIP archive"),
    ],
)
def test_what_cannot_be_read_says_where(content: bytes, name: str, says: str) -> None:
    if says:
        assert says in refusal(content, name)
    else:  # the name that is written in the file counts
        assert read(content, name).kept == (0, 1)


def test_a_larger_file_than_64_mb_is_refused() -> None:
    assert "at most 64 MB are read" in refusal(b"a" * (MOST_BYTES + 1))


def test_a_template_names_columns_that_are_sent() -> None:
    template = {"columns": ["age", "label"], "data": "{rows}"}
    assert "1 column that are not sent: label" in refusal(TABLE, request=template)


def test_predictions_are_lines_of_a_table() -> None:
    assert as_lines([("r,1", "0"), ('a"b', "0.25")]) == b'"r,1",0\n"a""b",0.25\n'


def test_progress_says_whether_all_rows_are_scored() -> None:
    begun = HoldoutProgress(etag="e", content="c", candidate="m-1", of=read(TABLE).facts)
    assert not begun.is_complete
    assert begun.evolve(rows=2).is_complete


def test_a_first_line_that_is_a_row_is_not_shown() -> None:
    said = refusal(b"r1,40,Ada Lovelace\nr2,41,Grace Hopper\n")
    assert "the first line has none of the names id, label" in said
    assert "Ada" not in said
    assert "there are id, age" in refusal(b"id,age\n1,2\n")
