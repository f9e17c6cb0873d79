"""Every citation of a fact, a rule or a decision leads to a place in this project.

The forms are described in CONTRIBUTING.md: `studio-classic §1.3`, also followed by more
sections and source keys; `design rule 4`; `design C1`; `decision 10`.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
REFERENCE: Final = ROOT / "docs" / "reference"
DESIGN: Final = ROOT / "docs" / "design.md"
DECISIONS: Final = ROOT / "docs" / "decisions"
#: Code and documentation; vectors name the source of each answer, and docstrings become schemas.
FOLDERS: Final = ("functions", "shared", "infra", "local", "proofs", "benchmarks", "tests", "docs")
GENERATED: Final = ("openapi.json", "pipelines.schema.json")
#: It plants what must be found.
THIS: Final = Path(__file__).resolve()

_HEADING: Final = re.compile(r"^#+ (\d+(?:\.\d+)*)\.? ", re.MULTILINE)
_SECTION: Final = r"§ ?(\d+(?:\.\d+)*)"
_KEY: Final = r"[A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*"
#: A page, and behind it sections and keys of its sources.
_CITED: Final = re.compile(
    rf"(?P<page>\b[a-z][a-z0-9]*(?:-[a-z0-9]+)+|\b[Cc]ontract) ?(?P<all>{_SECTION}"
    rf"(?:(?:, | and )(?:{_SECTION}|{_KEY}\b))*)"
)
_PLAIN: Final = re.compile(rf"(?P<all>{_SECTION})")
_FOREIGN: Final = re.compile(rf"\bRFC \d+ {_SECTION}")
_RULE: Final = re.compile(r"(?<![\w-])(?P<owner>design )?rules? (?P<number>\d+)\b", re.IGNORECASE)
_COST: Final = re.compile(r"\bdesign C(?P<number>\d+)\b")
_DECISION: Final = re.compile(r"(?<![\w-])decisions? (?P<number>\d+)\b", re.IGNORECASE)
#: Kinds of keys that stand for a source wherever they are written.
_SOURCE: Final = re.compile(
    r"(?<![\w-])(?:(?:DOC|LEARN|TPL|REF|ST|ML)-[A-Z0-9-]+|SPEC\d\d|NB\d{4})\b"
)
#: One of these is in each of them.
_SOURCES: Final = ("DOC-", "LEARN-", "TPL-", "REF-", "ST-", "ML-", "SPEC", "NB")
#: What was cited while the documents were outside of the project, and a word that is in it.
_OLD: Final = (
    (
        "contract",
        re.compile(
            r"\bcontracts?(?: on)?[:,]? (?:section|studio|azure|data-factory)", re.IGNORECASE
        ),
    ),
    ("section", re.compile(r"\b(?:studio-classic|azure-[a-z]+|data-factory),? sections? \d")),
    ("§", re.compile(r"\bdesign ?§")),
)


@dataclass(frozen=True)
class Targets:
    """What can be cited."""

    sections: dict[str, frozenset[str]]
    keys: dict[str, frozenset[str]]
    rules: frozenset[str]
    costs: frozenset[str]
    decisions: frozenset[str]


@dataclass
class Found:
    """What is wrong in one text."""

    where: str
    starts: list[int]  #: where each line of the text begins in the joined one
    line: str  #: the joined one
    words: str  #: the same in small letters
    wrong: list[str] = field(default_factory=list)

    def matches(self, word: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yield them. Most texts have not even the word of the pattern; that is found much faster.

        Args:
            word: what each match holds, in small letters.
            pattern: what is looked for.
        """
        return pattern.finditer(self.line) if word in self.words else iter(())

    def note(self, at: int, what: str) -> None:
        self.wrong.append(f"{self.where}:{bisect_right(self.starts, at)}: {what}")


def keys_of(page: str) -> frozenset[str]:
    """Return the keys of a page's table of sources: its first column, where several share a row."""
    table = page.partition("## 0. Sources")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return frozenset(key for row in rows for key in row.strip().split(" / "))


def targets() -> Targets:
    pages = {file.stem: file.read_text(encoding="utf-8") for file in REFERENCE.glob("*.md")}
    design = DESIGN.read_text(encoding="utf-8")
    return Targets(
        sections={name: frozenset(_HEADING.findall(text)) for name, text in pages.items()},
        keys={name: keys_of(text) for name, text in pages.items()},
        rules=frozenset(re.findall(r"^### (\d+)\. ", design, re.MULTILINE)),
        costs=frozenset(re.findall(r"^- \*\*C(\d+)\.\*\*", design, re.MULTILINE)),
        decisions=frozenset(str(int(file.name[:4])) for file in DECISIONS.glob("[0-9]*.md")),
    )


TARGETS: Final = targets()


def joined(text: str) -> tuple[str, list[int]]:
    """Return the lines of a text as one, and where each of them begins in it.

    A citation may continue in the next line, behind its indentation and the mark of a comment.
    """
    line, starts = "", []
    for part in text.split("\n"):
        starts.append(len(line))
        line += re.sub(r"^[ \t]*(?:#:? )?", "", part) + " "
    return line, starts


def wrong_in(where: str, text: str, own: str | None = None) -> list[str]:
    """Return each citation in `text` that leads nowhere, with file and line.

    Args:
        where: the file.
        text: what it holds.
        own: the page that it is, so that a section without a page is one of its own.
    """
    line, starts = joined(text)
    found = Found(where, starts, line, line.lower())
    for word, old in _OLD:
        for match in found.matches(word, old):
            found.note(match.start(), f"{match[0]!r} is an old form: see CONTRIBUTING.md")
    _sections(found, line, own)
    _numbered(found)
    everywhere = frozenset().union(*TARGETS.keys.values())
    for match in _SOURCE.finditer(line) if any(one in line for one in _SOURCES) else ():
        if match[0] not in (TARGETS.keys[own] if own else everywhere):
            found.note(match.start(), f"{match[0]} is in no table of sources")
    return found.wrong


def _numbered(found: Found) -> None:
    for match in found.matches("rule", _RULE):
        if not match["owner"] or match["number"] not in TARGETS.rules:
            found.note(match.start(), f"{match[0]!r}: write `design rule N`, one of docs/design.md")
    numbered = (("design c", _COST, TARGETS.costs), ("decision", _DECISION, TARGETS.decisions))
    for word, pattern, known in numbered:
        for match in found.matches(word, pattern):
            if match["number"] not in known:
                found.note(match.start(), f"{match[0]!r} does not exist")


def _sections(found: Found, line: str, own: str | None) -> None:
    if "§" not in line:
        return
    seen = [match.span() for match in _FOREIGN.finditer(line)]
    for match in _CITED.finditer(line):
        seen.append(match.span())
        page = match["page"]
        if page not in TARGETS.sections:
            found.note(match.start(), f"{page!r} is no page of docs/reference")
            continue
        _resolve(found, match.start(), page, match["all"])
    for match in _PLAIN.finditer(line):
        if any(start <= match.start() < end for start, end in seen):
            continue
        if own is None:
            found.note(match.start(), f"{match[0]}: of which page of docs/reference?")
        else:
            _resolve(found, match.start(), own, match["all"])


def _resolve(found: Found, at: int, page: str, cited: str) -> None:
    for number in re.findall(_SECTION, cited):
        if number not in TARGETS.sections[page]:
            found.note(at, f"docs/reference/{page}.md has no section {number}")
    for key in re.findall(rf"(?<![\w-]){_KEY}\b", cited):
        if key not in TARGETS.keys[page]:
            found.note(at, f"docs/reference/{page}.md has no source {key}")


def texts() -> Iterator[Path]:
    """Yield what may cite."""
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")
        yield from (ROOT / folder).rglob("*.md")
    yield from (ROOT / "tests" / "vectors").glob("*.json")
    yield from ROOT.glob("*.py")
    yield from ROOT.glob("*.md")
    yield from (ROOT / name for name in GENERATED)


def test_every_citation_leads_somewhere() -> None:
    wrong, read = [], 0
    for file in sorted({*texts()} - {THIS}):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
        own = file.stem if file.parent == REFERENCE else None
        wrong += wrong_in(file.relative_to(ROOT).as_posix(), text, own)
        read += 1
    assert not wrong, "\n".join(wrong)
    assert read > 300


def test_pages_have_a_table_of_sources_and_numbered_sections() -> None:
    assert {"studio-classic", "azure-functions", "azure-storage", "data-factory"} <= {
        *TARGETS.sections
    }
    for page, sections in TARGETS.sections.items():
        assert {"0", "1", "2"} <= sections, page
        assert len(TARGETS.keys[page]) > 5, page
    assert {*map(int, TARGETS.rules)} == {*range(1, 17)}
    assert {"1", "2"} <= TARGETS.costs


@pytest.mark.parametrize(
    "text",
    [
        "see studio-classic §1.3",
        "# (studio-classic §1.2,\n#: §1.3 and §2, DOC-EVAL).",
        "(studio-classic\n    §0.1, §3); more",
        "design rule 4, design rule 16, design C1 and decision 10",
        "(design\n    rule 4)",
        "RFC 9110 §13.1.1",
        "a rule of the gate, 3 decisions, the contract suite of a port",
    ],
)
def test_the_forms_that_are_described_are_understood(text: str) -> None:
    assert wrong_in("x.py", text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb (contract §3)", "x.py:2: 'contract' is no page"),
        ("(contract studio-classic §3)", "old form"),
        ("(contract: studio-classic section 3)", "old form"),
        ("(contract: section 3)", "old form"),
        ("(contract azureml-v2)", "old form"),
        ("(contract\n    studio-classic §7)", "old form"),
        ("as studio-classic, section 4 says", "old form"),
        ("a\n\n# b (§1.3)", "x.py:3: §1.3: of which page"),
        ("design §6", "old form"),
        ("studio-classic §1.99", "x.py:1: docs/reference/studio-classic.md has no section 1.99"),
        ("studio-classic §1.2, §77", "no section 77"),
        ("studio-modern §1", "'studio-modern' is no page"),
        ("studio-classic §7, DOC-NONE", "no source DOC-NONE"),
        ("studio-classic §4, WHATEVER", "no source WHATEVER"),
        ("said by DOC-NONE", "DOC-NONE is in no table"),
        ("(rule 4)", "write `design rule N`"),
        ("design rule 17", "write `design rule N`"),
        ("design C99", "'design C99' does not exist"),
        ("decision 99", "'decision 99' does not exist"),
    ],
)
def test_a_citation_that_leads_nowhere_is_reported_with_file_and_line(
    text: str, message: str
) -> None:
    assert message in "\n".join(wrong_in("x.py", text))


def test_a_page_may_cite_itself_and_its_own_sources_alone() -> None:
    assert wrong_in("p.md", "as §1.3 says (D DOC-EVAL)", "studio-classic") == []
    wrong = wrong_in("p.md", "as §1.99 says (D DOC-EVAL)", "studio-classic")
    assert wrong == ["p.md:1: docs/reference/studio-classic.md has no section 1.99"]
    assert "DOC-EVAL is in no table" in wrong_in("p.md", "D DOC-EVAL", "azure-functions")[0]
