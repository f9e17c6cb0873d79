"""JSON with comments and other common errors, and the message if it cannot be read."""

import json
import time
from typing import Any

import pytest

from shared.importers.data_factory.reading.plain_json import DEEPEST
from shared.importers.data_factory.reading.tolerant_json import (
    LARGEST,
    BrokenDefinitionError,
    document,
    parsed,
)

FILE = "pipeline/churn.json"


def read(text: str) -> Any:
    return parsed(text.encode(), FILE)


def refused(text: str | bytes) -> BrokenDefinitionError:
    with pytest.raises(BrokenDefinitionError) as error:
        parsed(text.encode() if isinstance(text, str) else text, FILE)
    return error.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_each_encoding_that_editors_write_is_read(encoding: str) -> None:
    text = '{"name": "Prüfung 模型", /* é */ "properties": {},}'
    assert parsed(text.encode(encoding), FILE) == {"name": "Prüfung 模型", "properties": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, // one\n "b": 2 /* two */}', {"a": 1, "b": 2}),
        ('{"path": "tripdata/*000*", "url": "https://x//y"}', ["tripdata/*000*", "https://x//y"]),
        ('{"a": [1, 2, /* last */ ], }', {"a": [1, 2]}),
        ('{name: "x", $v: 1, a-b: true}', {"name": "x", "$v": 1, "a-b": True}),
        ("{'it': 'says \"so\"', \"b\": 'it\\'s'}", {"it": 'says "so"', "b": "it's"}),
        ('{"sql": "SELECT *\n\tFROM t"}', {"sql": "SELECT *\n\tFROM t"}),
        ('{"sql": "SELECT *\r\nFROM t",}', {"sql": "SELECT *\r\nFROM t"}),
        ('{"text": "it\\\'s"}', {"text": "it's"}),
        ('{\u00a0"a":\u00a01}', {"a": 1}),
        ('{"a": "\\\\", "b": "\\"//", c: "\\u00e9"}', {"a": "\\", "b": '"//', "c": "é"}),
        ("[1e999, NaN, -Infinity, 1.5]", ["1e999", "NaN", "-Infinity", 1.5]),
    ],
)
def test_what_data_factory_reads_is_read(text: str, value: Any) -> None:
    found = read(text)
    assert (list(found.values()) if isinstance(value, list) and "path" in text else found) == value


def test_several_documents_in_one_file_are_a_list() -> None:
    assert read('{"a": 1}\n{"b": 2}') == [{"a": 1}, {"b": 2}]
    assert read('{"a": 1},\n// next\n{"b": 2};') == [{"a": 1}, {"b": 2}]


def test_a_comma_that_is_missing_at_the_end_of_a_line_is_reported() -> None:
    found = document(b'{\n  "a": 1\n  "b": [\n  {}\n  {}]\n}', FILE)
    assert found.root == {"a": 1, "b": [{}, {}]}
    assert found.mended == ((3, 3), (5, 3))


def test_a_key_that_occurs_twice_is_reported_where_its_values_differ() -> None:
    found = document(b'{"p": [{"retry": 1, "x": 0, "x": 0, "retry": 2}]}', FILE)
    assert found.root == {"p": [{"retry": 2, "x": 0}]}
    assert found.doubled == (("p", 0, "retry"),)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('{"a": 1 "b": 2}', 1, 9, "a comma"),
        ('{\n "a": "é" "b"}', 2, 11, "a comma"),
        ("// c\n{name: 'x',\n  n:: 2}", 3, 5, "a value"),
        ('/* a\n b */ {"a": <date>}', 2, 13, "a value"),
        ('{"a": [1,\n {"b": 2,', 2, 10, "what is opened in line 2, column 2 is not closed"),
        ('{"a": "b\n, "c": 1}', 2, 4, "the text that begins in line 1 has a line break"),
        ('{"a":\n "b}', 2, 2, "no closing quote"),
        ('{"a": 1}}', 1, 9, "the JSON is complete before this"),
        ("{\u201ca\u201d: 1}", 1, 2, "straight quote"),
        ('{"a": "C:\\data"}', 1, 10, "write a backslash"),
        (" \n", 1, 1, "the file is empty"),
        ("hello", 1, 1, "a value is expected"),
        ("[1,,2]", 1, 4, "a value is expected"),
        ("[" + "1" * 5000 + "]", 1, 2, "more than 4300 digits"),
        ("{a: 1,\n<<<<<<< HEAD\nb: 2}", 2, 1, "a mark of a merge conflict in git"),
        ("{a: 1,\r\n=======\r\nb: 2}", 2, 1, "a mark of a merge conflict in git"),
        ("{a: 1,\n/* never closed", 2, 16, "what is opened in line 1, column 1 is not closed"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_broken_json_is_reported_by_line_and_column_of_the_file(
    text: str, line: int, column: int, words: str, encoding: str
) -> None:
    error = refused(text.encode(encoding))
    assert (error.file, error.line, error.column) == (FILE, line, column), error
    assert words in error.what
    assert str(error) == f"{FILE}: line {line}, column {column}: {error.what}"


def test_no_error_repeats_what_is_in_the_file() -> None:
    for text in ('{"apiKey": "s3cr3t+key" s3cr3t}', '{"apiKey": "s3cr3t', "s3cr3t"):
        assert "s3cr3t" not in str(refused(text))


def test_another_encoding_is_reported() -> None:
    error = refused('{"a":\n "é"}'.encode("cp1252"))
    assert (error.line, error.column) == (2, 3)
    assert "save it as UTF-8" in error.what
    like_utf_16 = refused(b'{\x00"a": 1}')
    assert (like_utf_16.line, like_utf_16.column) == (1, 2)


def test_values_nested_too_deep_are_reported() -> None:
    for text in ("[" * 100_000, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000):
        error = refused(text)
        assert f"nested more than {DEEPEST} deep" in error.what
        assert error.column == 1 + DEEPEST * (5 if text[0] == "{" else 1)
    most = "[" * DEEPEST + "]" * DEEPEST
    assert json.dumps(read(most)) == most


def test_a_file_that_is_too_large_is_reported_without_reading_it() -> None:
    error = refused(b"[" + b" " * LARGEST)
    assert (error.line, str(error)) == (0, f"{FILE}: the file is larger than 16 MB; split it")


def test_a_lone_surrogate_does_not_reach_a_report() -> None:
    found = document(b'{"a\\ud800": "\\udfff", "a\\ud800": "x\\ud83d\\ude00"}', FILE)
    assert found.root == {"a\ufffd": "x\U0001f600"}
    assert found.doubled == (("a\ufffd",),)
    assert json.dumps(found.root, ensure_ascii=False).encode()


MANY = 60_000
HOSTILE = (
    "//" * MANY,
    "/*" * MANY,
    '"' * MANY + '"',
    "'" * MANY + "'",
    "a" * MANY,
    "," * MANY,
    "\\" * MANY,
    '["' + "\\" * MANY,
    "{a:" * MANY,
    "[1\n" * 90 + "1\n" * MANY,
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:3])
def test_a_hostile_text_takes_time_by_its_length_alone(text: str) -> None:
    begun = time.process_time()
    assert refused(text).what
    assert time.process_time() - begun < 3


def test_a_template_of_a_megabyte_is_read_in_a_moment() -> None:
    activity = {"name": "a", "typeProperties": {"text": "x" * 50, "deep": [1, {"a": None}]}}
    plain = json.dumps([{"properties": {"activities": [activity] * 4}}] * 2000, indent=1)
    assert len(plain) > 1_000_000
    begun = time.process_time()
    assert read("// exported\n" + plain.replace('"name":', "name:")) == json.loads(plain)
    assert time.process_time() - begun < 5
