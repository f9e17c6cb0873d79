"""The YAML of an import reads back exactly, by the app's own reader and by others."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.config.yaml_reader import Loader, misread
from shared.importers.data_factory.entries import entries
from shared.importers.data_factory.yaml_text import dumped, yaml_text
from tests.unit.importers.drafted import Drafted

ODD = [
    "01234",
    "1.10",
    "NO",
    "yes",
    "y",
    "~",
    "null",
    "True",
    "1e3",
    "12:30:45",
    "2026-01-05",
    "",
    " ",
]
ODD += [
    "<<",
    "=",
    "*a",
    "&a",
    "!x",
    "- a",
    "a: b",
    "a #b",
    "{start:yyyy/MM/dd}",
    "@{x}",
    "0x1F",
    "+5",
]
ODD += [
    "a\nb",
    "a\n\n b ",
    "\ttab",
    "é",
    "\u2028",
    "\ufeffx",
    "x" * 300,
    "a " * 200,
    "'",
    '"',
    ".inf",
]


def read_back(text: str) -> Any:
    loader = Loader(text)
    root = loader.root()
    assert root is not None
    found = {"root": loader.plain(root)}
    assert not list(misread(found))
    return found["root"]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_text_stays_a_text(text: str) -> None:
    tree = {"a": text, "list": [text, {"b": text}]}
    assert read_back(dumped(tree)) == tree
    assert read_back(dumped({text: 1})) == {text: 1}
    assert yaml.safe_load(dumped(tree)) == tree


_TEXTS = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
)
_SCALARS = st.one_of(
    _TEXTS,
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(_TEXTS, _TREES, min_size=1, max_size=3))
def test_any_value_is_read_back_exactly(tree: dict[str, Any]) -> None:
    found = read_back(dumped(tree))
    assert found == tree
    assert repr(found) == repr(tree), "of the same types too"


def test_numbers_and_truths_are_no_texts() -> None:
    tree = {"a": 5, "b": 0.5, "c": True, "d": 1e20, "e": -0.0, "f": 1e-9}
    assert read_back(dumped(tree)) == tree


def test_plain_words_and_settings_stand_without_quotes() -> None:
    text = dumped({"api_key": "${CENSUS_KEY}", "kind": "classic", "url": "https://a.b/c?d=e"})
    assert text == "api_key: ${CENSUS_KEY}\nkind: classic\nurl: https://a.b/c?d=e\n"


def test_the_file_says_where_each_pipeline_came_from() -> None:
    drafted = Drafted()
    made = entries([drafted.draft(), drafted.draft("other")], drafted.context)
    text = yaml_text(made)
    assert read_back(text) == {
        "pipelines": {name: entry.tree for name, entry in made.pipelines.items()}
    }
    assert "  # From pipeline/churn.json: activities Retrain, UpdateModel\n  churn:\n" in text
    assert "# 2 pipelines.\n" in text
