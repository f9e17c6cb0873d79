"""The findings of doctor: one line for each check: ok, wrong with its advice, or not checked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from shared.errors import RelearnError

#: Of a text that a service said; a line stays readable.
_LONGEST: Final = 600
_LONGEST_NAME: Final = 200
_USUAL_ADVICE: Final = (
    "run doctor again in a minute; if it is wrong again, look for this text in docs/runbook.md"
)


class CheckOutcome(StrEnum):
    """The result of a check."""

    OK = "ok"
    WRONG = "wrong"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    outcome: CheckOutcome
    text: str  #: what was found, what happened, or why it was not checked
    advice: str = ""  #: what an operator can do where it is wrong
    is_usual: bool = False  #: not checked, and nothing has to be done about that

    @property
    def hinders(self) -> bool:
        """Whether what needs this cannot work, or is not known to."""
        left = self.outcome is CheckOutcome.NOT_CHECKED and not self.is_usual
        return left or self.outcome is CheckOutcome.WRONG

    def within(self, clean: Callable[[str], str]) -> "Finding":
        """Return the finding without secrets, on one line and cut short.

        A secret is taken out before a text is cut: a part of one would not be recognised.
        """
        text, advice = (_line(clean(one), _LONGEST) for one in (self.text, self.advice))
        return replace(self, text=text, advice=advice)


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """One line of a report: which check, and what it found."""

    part: str  #: of the app, such as `storage`
    check: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that doctor found, in a fixed order."""

    lines: tuple[CheckedLine, ...]

    def counted(self, outcome: CheckOutcome) -> int:
        """Return how many lines have this result."""
        return sum(line.finding.outcome is outcome for line in self.lines)

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counted(CheckOutcome.WRONG)


def ok(text: str) -> Finding:
    """Return that what was checked works."""
    return Finding(CheckOutcome.OK, text)


def wrong(text: str, advice: str = "") -> Finding:
    """Return that something is wrong.

    Args:
        text: what happened.
        advice: what an operator can do; empty: the usual.
    """
    return Finding(CheckOutcome.WRONG, text, advice or _USUAL_ADVICE)


def not_checked(why: str, *, is_usual: bool = False) -> Finding:
    """Return that something was not checked.

    Args:
        why: it was not.
        is_usual: whether nothing has to be done about that.
    """
    return Finding(CheckOutcome.NOT_CHECKED, why, is_usual=is_usual)


def of_error(error: RelearnError, usual: str = "") -> Finding:
    """Return what an error says; its message may hold the advice too, which is then said once.

    Args:
        error: what a check raised.
        usual: the advice where the error names none.
    """
    text = str(error)
    if error.advice and error.advice in text:
        text = text.replace(error.advice, "").rstrip().rstrip(":;,").rstrip()
    return wrong(text or error.kind, error.advice or usual)


def shown_name(name: str, clean: Callable[[str], str]) -> str:
    """Return the name of a check without secrets, on one line and cut short.

    Args:
        name: may hold names of the configuration, and of services.
        clean: takes secrets out.
    """
    return _line(clean(name), _LONGEST_NAME)


def _line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
