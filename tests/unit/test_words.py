"""Habits of wording that a reader of English as a second language stumbles over become rarer."""

import re
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_BEFORE_WHAT: Final = (
    r"\b(?:about|after|against|as|at|before|beside|between|by|for|from|in|into|of|on|over|than|to"
    r"|under|with|without) what\b"
)
#: Each has a plainer form: the answer of the service, not a name, only, next to, otherwise, …
HABITS: Final = (
    _BEFORE_WHAT,
    r"\b(?:whatever|whichever|whoever)\b",
    r"(?<!there )\b(?:is|are|was|were|names) no (?!longer|more)",
    r"\balone\b",
    r"\bbeside\b",
    r", else\b",
    r"\bstand-ins? of\b",
    r"\bso many\b",
    r"\bwhether [^.:;]{1,60} (?:is|was) not known\b",
)
_HABIT: Final = re.compile("|".join(HABITS))
#: The most in each folder, with its subfolders where they are not listed. These only ever fall:
#: write a new text in other words, and lower the number after texts were changed.
FLOORS: Final = MappingProxyType(
    {
        ".": 0,
        "cli": 12,
        "docs": 3,
        "docs/decisions": 3,
        "docs/reference": 34,
        "functions": 1,
        "shared": 3,
        "shared/config": 2,
        "shared/core": 39,
        "shared/execution": 1,
        "shared/importers": 58,
        "shared/intake": 2,
        "shared/ledger": 1,
        "shared/maintenance": 0,
        "shared/operations": 0,
        "shared/ports": 0,
        "shared/providers": 15,
    }
)
#: How far a number may be above what is counted, so that it is not lowered with each change.
SLACK: Final = 10


def habits_in(text: str) -> list[str]:
    return _HABIT.findall(" ".join(text.lower().split()))


def folder_of(file: Path) -> str:
    """Return the longest listed folder that the file is in; empty: in none."""
    parents = [one.as_posix() for one in file.relative_to(ROOT).parents]
    return next((one for one in parents if one in FLOORS), "")


@cache
def counts() -> dict[str, int]:
    """Return how many habits each listed folder has."""
    found = dict.fromkeys(FLOORS, 0)
    files = [*ROOT.glob("*.md")]
    for name in {one.partition("/")[0] for one in FLOORS} - {"."}:
        files += [*(ROOT / name).rglob("*.py"), *(ROOT / name).rglob("*.md")]
    for file in files:
        if folder := folder_of(file):
            found[folder] += len(habits_in(file.read_text(encoding="utf-8")))
    return found


def test_no_folder_has_more_of_these_habits_than_before() -> None:
    more = {name: n for name, n in counts().items() if n > FLOORS[name]}
    assert more == {}, "write it in other words"


def test_the_numbers_follow_what_is_counted() -> None:
    fewer = {name: n for name, n in counts().items() if n < FLOORS[name] - SLACK}
    assert fewer == {}, "lower the numbers of FLOORS to these"


@pytest.mark.parametrize(
    "text",
    [
        "is derived from what opened it",
        "a number that is no\ncount",
        "it names no blob",
        "for terminals alone",
        "by name, else by position",
        "a stand-in of the service",
        "So many requests a step waits for",
        "whether the job was started is not known",
        "whatever the metric",
        "the file beside it",
    ],
)
def test_habits_are_found(text: str) -> None:
    assert len(habits_in(text)) == 1


@pytest.mark.parametrize("text", ["there is no blob", "it is no longer live", "what it says"])
def test_usual_english_is_none_of_them(text: str) -> None:
    assert habits_in(text) == []
