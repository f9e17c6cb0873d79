"""Files of predictions are read in every usual form; an odd file is refused with the reason."""

import math
import re

import pytest

from shared.core.decisions.predictions import MOST_BYTES, Predictions, class_name, read_predictions

WANTED = ("label", "score")
TABLE = b"id,label,score,other\na,1,0.75,x\nb,0,.25,y\n"


def read(content: bytes, name: str = "predictions.csv", texts: tuple[str, ...] = ()) -> Predictions:
    return read_predictions(content, name, "id", WANTED, texts=texts)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TABLE, "predictions.csv"),
        (TABLE, "rows"),
        (b"\xef\xbb\xbf" + TABLE.replace(b"\n", b"\r\n"), "p.csv"),
        (TABLE.decode().encode("utf-16"), "p.csv"),
        (b"#TYPE x\n" + TABLE, "p.csv"),
        (b"\n" + TABLE + b"\n\n", "p.csv"),
        (b'"id", "label", "score"\n"a", "1", "7.5e-1"\n"b", "0", "+0.25"\n', "p.csv"),
        (b"Score\tID\tLabel\n.75\ta\t1\n.25\tb\t0.0\n", "p.tsv"),
        (b'{"id":"a","label":1,"score":0.75}\n{"id":"b","label":0,"score":0.25}\n', "p.jsonl"),
        (b'{"id":"a","label":1,"score":"0.75"}\n\n{"score":0.25,"label":0,"id":"b"}', "p.NDJSON"),
    ],
)
def test_the_usual_forms_say_the_same(content: bytes, name: str) -> None:
    found = read(content, name)

    assert list(found.ids) == ["a", "b"]
    assert list(found.columns["label"]) == [1.0, 0.0]
    assert list(found.columns["score"]) == [0.75, 0.25]


def test_a_cell_with_a_line_break_and_an_odd_separator_of_lines_is_one_cell() -> None:
    found = read('id,label,score,place\n"a\nb",1,1,x\u2028y\nc,0,0,z\n'.encode(), texts=("place",))

    assert list(found.ids) == ["a\nb", "c"]
    assert found.texts["place"] == ["x\u2028y", "z"]


def test_cells_that_are_no_number_are_distinguished() -> None:
    found = read(b"id,label,score\na,yes,\nb,no,NA\nc,True,NaN\nd,7,-inf\ne,8,1_0\n")

    assert list(found.columns["label"]) == ["yes", "no", "True", 7.0, 8.0]
    nothing, na, nan, infinite, text = found.columns["score"]
    assert (nothing, na, infinite, text) == (None, None, -math.inf, "1_0")
    assert isinstance(nan, float)
    assert math.isnan(nan)


def test_json_says_nothing_and_true_as_a_table_does() -> None:
    lines = b'{"id":7,"label":true,"score":null}\n{"id":8,"label":false,"score":NaN}\n{"id":9}'
    found = read(lines, "p.json")

    assert list(found.ids) == ["7", "8", "9"]
    assert list(found.columns["label"]) == ["true", "false", None]
    assert found.columns["score"][0] is None
    assert found.columns["score"][1] != found.columns["score"][1]  # NaN alone


@pytest.mark.parametrize(
    ("values", "name"),
    [((1, 1.0, "1", "1.0", " +1 "), "1"), ((True, "TRUE", "true"), "true"), (("Yes",), "Yes")],
)
def test_one_class_has_one_name_however_it_is_written(
    values: tuple[object, ...], name: str
) -> None:
    assert {class_name(value) for value in values} == {name}


def test_large_whole_numbers_stay_apart_as_classes() -> None:
    assert class_name(2**53 - 1) != class_name(2**53 - 2)
    assert class_name(0.1) != class_name(0.2)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "p.csv", "the file is empty"),
        (b" \n ", "p.csv", "the file is empty"),
        (b"id,label,score\n", "p.csv", "there are no rows"),
        (b"id,label\na,1\n", "p.csv", "there is no column score; there are id, label"),
        (b"id;label;score\na;1;0,5\n", "p.csv", "the columns seem to be separated by ';'"),
        (b"id\tlabel\tscore\na\t1\t5\n", "p.csv", "separated by tabs"),
        (b"id,label,score\na,1\n", "p.csv", "line 2 has 2 cells, but the header has 3"),
        (b"id,label,score\na,1,0,5\n", "p.csv", "line 2 has 4 cells, but the header has 3"),
        (b'id,label,score\na,1,"0.5\n', "p.csv", "line 2: not a table"),
        (b"id,label,score,score\na,1,1,0\n", "p.csv", "two columns are named score"),
        (b"id,label,Score,s_core\na,1,1,0\n", "p.csv", "score could be any of Score, s_core"),
        (b'[{"id":"a"}]', "p.json", "line 1 is not an object: write one object a line"),
        (b'{"id":"a",\n"label":1}', "p.jsonl", "line 1 is not JSON"),
        (b'{"id":"a","label":1}', "p.jsonl", "there is no column score; there are id, label"),
        (b'{"id":"a","label":1,"score":[1]}', "p.jsonl", "score is neither a number nor a text"),
        (b'{"id":1' + b"0" * 5000 + b"}", "p.jsonl", "a number or a nesting that is too long"),
        (b"[" * 100_000, "p.jsonl", "a number or a nesting that is too long"),
        (b"PK\x03\x04", "p.csv", "a ZIP archive or a workbook"),
        (b"id,label,score\n\xff\xfd,1,1\n", "p.csv", "not UTF-8"),
    ],
)
def test_an_odd_file_is_refused(content: bytes, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read(content, name)


def test_no_cell_is_in_a_message() -> None:
    cell = "patient-4711"
    with pytest.raises(ValueError, match="line 3") as error:
        read(f"id,label,score\na,1,1\n{cell},1,1,{cell}\n".encode())

    assert cell not in str(error.value)
    for name in ("p.csv", "p.tsv"):
        rows = f"{cell},1,0.7\nb,0,0.2\n".replace(",", "\t" if name == "p.tsv" else ",")
        with pytest.raises(ValueError, match="none of the names id, label, score") as error:
            read(rows.encode(), name)
        assert cell not in str(error.value)
        assert "0.7" not in str(error.value)
    with pytest.raises(ValueError, match="names id, label: are"):
        read_predictions(b"a,1,0.7\n", "p.csv", "id", ("label", "live"), optional=("live",))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"id,label,Score\na,1,0.7\n", "p.csv"),
        (b'{"id":"a","label":1,"s_core":0.7}', "p.jsonl"),
    ],
)
def test_one_column_is_never_the_score_of_two_models(content: bytes, name: str) -> None:
    wanted = ("label", "score", "SCORE")
    with pytest.raises(ValueError, match="is score and SCORE: one column is needed each"):
        read_predictions(content, name, "id", wanted, optional=("SCORE",))
    both = b"id,label,score,SCORE\na,1,0.7,0.2\n"
    found = read_predictions(both, "p.csv", "id", wanted).columns
    assert (found["score"][0], found["SCORE"][0]) == (0.7, 0.2)


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at most 64 MB are read"):
        read(bytes(MOST_BYTES + 1))
    monkeypatch.setattr("shared.core.decisions.predictions.MOST_ROWS", 2)

    assert len(read(TABLE).ids) == 2
    with pytest.raises(ValueError, match="more than 2 rows: write a sample"):
        read(TABLE + b"c,1,1,z\n")
