"""The rules of size, names and docstrings that every file keeps."""

import ast
from pathlib import Path

import pytest

from tests.unit import house
from tests.unit.house import name_of


def test_a_file_has_at_most_250_code_lines() -> None:
    assert house.too_long() == {}


def test_public_functions_with_two_or_more_parameters_are_described() -> None:
    assert house.without_description() == {}


def test_every_module_of_the_product_begins_with_a_short_sentence() -> None:
    wrong = [
        name_of(file)
        for file in house.files()
        if not name_of(file).startswith("tests/") and not is_described(file)
    ]
    assert wrong == []


def is_described(file: Path) -> bool:
    first = house.summary_of(house.text_of(file))
    return first is None or (0 < len(first) <= 100 and first[-1:] in ".`:")


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert [name_of(file) for file in house.files() if file.stem in vague] == []


def test_every_exception_is_named_error() -> None:
    excused = "noqa: " + "N818"
    assert [name_of(f) for f in house.files() if excused in house.text_of(f)] == []


MODULE = """
'''A docstring.'''

# a comment
x = 1


def f() -> None:
    '''Another.

    One.'''
"""


def test_docstrings_comments_and_blank_lines_are_no_code_lines() -> None:
    assert house.code_lines(MODULE) == 2


def function(
    docstring: str, body: str = "pass", signature: str = "f(a: int, b: int) -> int"
) -> str:
    return f"def {signature}:\n    '''{docstring}'''\n    {body}"


ARGS = "\n\n    Args:\n        a: x.\n    "


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        (function("Return it."), ["f"]),
        (function("Return it.", signature="f(a: int) -> int"), []),
        (function(f"Return it.{ARGS}"), []),
        (function(f"Do it.{ARGS}"), ["f"]),
        (function(f"Do it.{ARGS}", signature="f(a: int, b: int) -> None"), []),
        (function(f"Return it.{ARGS}", "raise ValueError(a)"), ["f"]),
        (function(f"Return it.{ARGS}Raises:\n    ValueError: x.", "raise ValueError(a)"), []),
        (function(f"Return it.{ARGS}", "raise"), []),
        (function("Do it.", signature="_f(a: int, b: int) -> int"), []),
    ],
)
def test_a_description_names_parameters_result_and_errors(code: str, lacks: list[str]) -> None:
    assert house.undescribed(ast.parse(code)) == lacks


def test_methods_of_public_classes_are_described_too() -> None:
    method = "    def f(self, a: int, b: int) -> None:\n        '''Do it.'''"
    assert house.undescribed(ast.parse(f"class A:\n{method}")) == ["f"]
    assert house.undescribed(ast.parse(f"class _A:\n{method}")) == []


def test_a_method_of_an_abstract_class_is_described_there() -> None:
    module = ast.parse(
        f"class Child(Parent):\n    {function('Short.').replace(chr(10), chr(10) + '    ')}"
    )
    assert house.undescribed(module, {"Parent": frozenset({"f"})}) == []
    assert house.undescribed(module, {"Parent": frozenset({"g"})}) == ["f"]
    assert "fold" in house.abstract_methods()["Event"]
