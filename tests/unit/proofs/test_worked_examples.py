"""The worked examples of docs/deciding.md are those that its script makes."""

import re

import pytest

from proofs.worked_examples import DRAWINGS, EXAMPLES, PAGE, drawings, page
from shared.core.decisions.comparison import RuleOutcome

SHOWS = {
    "few-rows": ("worse", RuleOutcome.UNSURE),
    "many-rows": ("worse", RuleOutcome.FIT),
    "one-region": ("fit", RuleOutcome.WORSE),
}


def test_the_page_holds_what_is_made() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: make schema"
    made = re.findall(r"^<!-- made: ([\w-]+) -->$", text, re.MULTILINE)
    assert sorted(made) == sorted(["noise", "unsure", *EXAMPLES])


def test_the_drawings_are_those_of_the_verdicts() -> None:
    found = {file.name: file.read_text(encoding="utf-8") for file in DRAWINGS.iterdir()}
    assert found == drawings(), "run: make schema"


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_shows_what_its_text_says(name: str) -> None:
    example = EXAMPLES[name]()
    recorded, outcome = SHOWS[name]
    assert example.recorded.startswith(f"**{recorded}**")
    assert example.verdict.outcome is outcome


def test_a_part_that_is_not_known_is_no_silent_gap() -> None:
    with pytest.raises(KeyError):
        page("<!-- made: nothing -->\n<!-- end -->\n")
