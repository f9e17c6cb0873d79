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
#: Each habit has one of these.
_WORDS: Final = (
    *("what", "whichever", "whoever", " no ", "alone", "beside", ", else", "stand-in", "so many"),
    "not known",
)
#: The most in each folder, with its subfolders where they are not listed. These only ever fall:
#: write a new text in other words, and lower the number after texts were changed.
FLOORS: Final = MappingProxyType(
    {
        ".": 0,
        "benchmarks": 0,
        "cli": 12,
        "docs": 2,
        "docs/decisions": 2,
        "docs/reference": 34,
        "functions": 1,
        "infra": 3,
        "local": 44,
        "proofs": 10,
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
        "tests": 27,
        "tests/unit": 179,
    }
)
_KINDS: Final = ("py", "md", "bicep", "sh")
#: A first line says what a module does or has: "The links of …", not "What the links …".
_NOT_A_SUBJECT: Final = re.compile(r'\s*"""(?:What|Who|Whose|Whatever|Whoever)\b')
#: How far a number may be above what is counted, so that it is not lowered with each change.
SLACK: Final = 10


def habits_in(text: str) -> list[str]:
    """Return the habits in a text; only the text around certain words is searched, for speed."""
    plain = " ".join(text.lower().split())
    found = {}
    for word in _WORDS:
        at = plain.find(word)
        while at >= 0:
            for match in _HABIT.finditer(plain, max(0, at - 80), at + 30):
                if match.start() <= at < match.end():
                    found[match.start()] = match.group()
            at = plain.find(word, at + 1)
    return list(found.values())


def folder_of(file: Path) -> str:
    """Return the longest listed folder that the file is in; empty: in none."""
    parents = [one.as_posix() for one in file.relative_to(ROOT).parents]
    return next((one for one in parents if one in FLOORS), "")


@cache
def texts() -> dict[Path, str]:
    """Return the texts of the listed folders, and of the documents above them."""
    files = [*ROOT.glob("*.md")]
    for name in {one.partition("/")[0] for one in FLOORS} - {"."}:
        files += [file for kind in _KINDS for file in (ROOT / name).rglob(f"*.{kind}")]
    return {file: file.read_text(encoding="utf-8") for file in files}


@cache
def counts() -> dict[str, int]:
    """Return how many habits each listed folder has."""
    found = dict.fromkeys(FLOORS, 0)
    for file, text in texts().items():
        if folder := folder_of(file):
            found[folder] += len(habits_in(text))
    return found


def test_no_folder_has_more_of_these_habits_than_before() -> None:
    more = {name: n for name, n in counts().items() if n > FLOORS[name]}
    assert more == {}, "write it in other words"


def test_the_numbers_follow_what_is_counted() -> None:
    fewer = {name: n for name, n in counts().items() if n < FLOORS[name] - SLACK}
    assert fewer == {}, "lower the numbers of FLOORS to these"


def test_no_first_line_of_a_module_begins_with_what_or_who() -> None:
    found = [file.name for file, text in texts().items() if _NOT_A_SUBJECT.match(text)]
    assert found == [], "begin with the subject"


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
