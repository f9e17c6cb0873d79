"""Encodings, invisible characters and file forms of an evaluation."""

import base64
import re

import pytest

from shared.core.evaluation.report import read_evaluation
from shared.core.text import first_invisible, named, short, shown, visible_text
from tests.unit.core.evaluation.test_report import table


def test_a_text_is_shown_whole_up_to_sixty_characters_and_twenty_names() -> None:
    assert short("x" * 60) == "x" * 60
    assert short("x" * 61) == "x" * 59 + "…"
    key = base64.b64encode(bytes(range(100, 164))).decode()
    assert short(f"AUC {key}") == "AUC ***"
    assert short(f"https://a.example/?sv=1&sig={key}").endswith("?***")
    names = [str(number) for number in range(22)]
    assert shown(names[:20]) == ", ".join(names[:20])
    assert shown(names) == ", ".join([*names[:20], "and 2 more"])


def test_a_character_that_is_not_visible_is_named() -> None:
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
def test_a_text_is_compared_with_a_number_as_it_is_written(text: str, checks: str) -> None:
    assert visible_text(text) == checks


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
