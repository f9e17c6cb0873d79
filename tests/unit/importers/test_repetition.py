"""A text that is the same for several pipelines is written once in a line."""

import pytest

from shared.importers.data_factory.repetition import without_repetition


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: training; b: training", "a, b: training"),
        ("a: training; a: x; b: training; b: x", "a, b: training; x"),
        ("a: x: 1; b: x: 2", "a: x: 1; b: x: 2"),
        ("a: x; more; b: x; more", "a, b: x; more"),
        ("a: x; of it alone; b: x", "a: x; of it alone; b: x"),
        ("before; a: x; b: x", "before; a, b: x"),
        ("ab: x; b: x", "ab, b: x"),
        ("a: x; a: x", "a: x"),
        ("a: x; a: y", "a: x; a: y"),
        ("waits: at: 5", "waits: at: 5"),
        ("a: in runs/a/<run>; b: in runs/b/<run>", "a, b: in runs/<pipeline>/<run>"),
        ("a: in runs/a/<run>; b: x", "a: in runs/a/<run>; b: x"),
    ],
)
def test_equal_texts_are_written_once(text: str, said: str) -> None:
    assert without_repetition(text, ["a", "b", "ab"]) == said
    assert without_repetition(text, []) == text
