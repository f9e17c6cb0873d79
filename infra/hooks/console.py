"""Prints the steps of a hook: short lines, a table, and each failure with its advice."""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import Final, TextIO, TypeVar
from urllib.parse import quote

DONE: Final = 0
FAILED: Final = 1  #: something is wrong that the message explains
WRONG_USE: Final = 2  #: the hook could not begin: wrong Python, arguments or variables

#: Where the known failures are explained.
_FAILURES: Final = "docs/deploy.md#failure-"
_HIDDEN: Final = "***"
#: Shorter values would hide ordinary words.
_SHORTEST_SECRET: Final = 6
_PARAMETERS: Final = re.compile(r"(?i)\b(code|sig|key|password|token|secret)(=|%3d)[^&\s\"'<>,;)]+")
_BEARER: Final = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+")
_JWT: Final = re.compile(r"\beyJ[\w-]{8,}(\.[\w-]*){1,2}")
#: An id of a resource, which is kept; or a long word, which is checked.
_WORD: Final = re.compile(r"/?subscriptions/[^\s\"'?]+|[A-Za-z0-9+/_=-]{16,}")
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_KEY: Final = re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9]).*|.*=|.{40,}")
_PROGRESS_SECONDS: Final = 10.0

T = TypeVar("T")


class HookError(Exception):
    """A failure that is explained.

    Args:
        what: the failure, and the thing that it concerns.
        advice: what to do next.
        known: its number among the known failures of docs/deploy.md, if it is one of them.
        exit_code: what the hook ends with.
    """

    def __init__(
        self, what: str, advice: str, known: int | None = None, exit_code: int = FAILED
    ) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.known = known
        self.exit_code = exit_code


def without_keys(text: str) -> str:
    """Return a text of a service without words that may be keys, also unknown ones."""
    return _WORD.sub(lambda found: found[0] if _is_known_form(found[0]) else _HIDDEN, text)


def _is_known_form(word: str) -> bool:
    if word.lstrip("/").startswith("subscriptions/") or _GUID.fullmatch(word):
        return True
    return _KEY.fullmatch(word) is None


@dataclass
class Secrets:
    """Values that must never be printed."""

    _values: set[str] = field(default_factory=set)

    def add(self, value: str) -> str:
        """Keep a value out of everything that is printed; returns it."""
        if len(value) >= _SHORTEST_SECRET:
            self._values |= {value, quote(value, safe=""), quote(value)}
        return value

    def redact(self, text: str) -> str:
        """Return the text without these values, nor anything that has the form of a key."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, _HIDDEN)
        text = _BEARER.sub(f"Bearer {_HIDDEN}", text)
        text = _PARAMETERS.sub(rf"\1\2{_HIDDEN}", text)
        return _JWT.sub(_HIDDEN, text)


@dataclass(frozen=True)
class Clock:
    """The time for a hook; tests pass one that does not wait."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def _standard_output() -> TextIO:
    """Return the standard output, with marks for characters that it cannot show."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


@dataclass
class Console:
    """Prints what a hook does. Every line is redacted."""

    out: TextIO = field(default_factory=_standard_output)
    clock: Clock = field(default_factory=Clock)
    secrets: Secrets = field(default_factory=Secrets)
    _rows: list[tuple[str, str, str]] = field(default_factory=list)
    _advice: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Print a line."""
        print(self.secrets.redact(text), file=self.out, flush=True)

    def step(self, text: str) -> None:
        """Print what begins now."""
        self.line(f"- {text} …")

    def detail(self, text: str) -> None:
        """Print something about the step that runs."""
        self.line(f"    {text}")

    def result(self, what: str, state: str, text: str, advice: str = "") -> None:
        """Keep a row for the table at the end.

        Args:
            what: was done.
            state: `done`, `unchanged`, `note`, `not tried` or `wrong`.
            text: how it went.
            advice: what to do next, if anything.
        """
        self._rows.append((what, state, text))
        self._advice += [f"{what}: {advice}"] if advice else []
        self.detail(f"{state}: {text}")

    def has(self, state: str) -> bool:
        """Whether a row of the table has this state."""
        return any(row[1] == state for row in self._rows)

    def table(self) -> None:
        """Print the rows that were kept."""
        if not self._rows:
            return
        widths = [max(len(row[column]) for row in self._rows) for column in (0, 1)]
        self.line("")
        for what, state, text in self._rows:
            self.line(f"  {what:<{widths[0]}}  {state:<{widths[1]}}  {text}")
        self.line("")
        for advice in self._advice:
            self.line(f"what to do about {advice}")

    def failure(self, error: HookError) -> None:
        """Print what happened, which known failure it is, and what to do."""
        self.line(f"FAILED: {error.what}")
        if error.known is not None:
            self.line(f"  known as: failure {error.known} ({_FAILURES}{error.known})")
        self.line(f"  what to do: {error.advice}")

    def wait_for(
        self, what: str, ask: Callable[[], T | None], most: float, every: float
    ) -> T | None:
        """Ask again and again until there is an answer, and show the progress.

        Args:
            what: is waited for, as a line says it.
            ask: returns the answer, or None while there is none.
            most: after how many seconds it is given up.
            every: how many seconds are between two questions.

        Returns:
            The answer; None if it did not come in time.
        """
        began = said = self.clock.monotonic()
        while (answer := ask()) is None:
            now = self.clock.monotonic()
            if now - began >= most:
                return None
            if now - said >= _PROGRESS_SECONDS or now == began:
                said = now
                self.detail(f"waiting for {what}: {now - began:.0f} s of at most {most:.0f} s")
            self.clock.sleep(min(every, max(0.1, began + most - now)))
        return answer


def ended_with(console: Console, work: Callable[[], None]) -> int:
    """Do the work of a hook, print how it ended, and return the exit code.

    Args:
        console: prints.
        work: raises HookError where it fails.

    Returns:
        The exit code: a row that is `wrong` in the table counts as a failure too.
    """
    try:
        work()
    except HookError as error:
        console.table()
        console.failure(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.table()
        console.line("Stopped. What is in the table was done; the hook can be repeated.")
        return FAILED
    except Exception as error:  # noqa: BLE001 - its traceback could show a URL with a key
        console.table()
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        at = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "?"
        what = f"{type(error).__name__} at {at}: {without_keys(str(error))}"
        console.failure(HookError(what, "this is a defect of the hook: report it with these lines"))
        return FAILED
    console.table()
    return FAILED if console.has("wrong") else DONE
