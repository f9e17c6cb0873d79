"""Prints the results of commands: lines for people, or JSON for programs."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES: Final = {
    "ok": "green",
    "wrong": "bold red",
    "not checked": "yellow",
    "hint": "cyan",
    "mapped": "green",
    "approximated": "yellow",
    "not carried over": "bold red",
}
_WIDTH: Final = 11
_OUTCOMES: Final = ("mapped", "approximated", "not carried over")
_WIDE: Final = max(map(len, _OUTCOMES))
#: Of a table where there is no terminal.
_WIDEST: Final = 1000


class CommandError(Exception):
    """A command cannot do what it was asked for; the message says what to do.

    Args:
        message: what happened, and what to do; never a secret.
        code: the exit code.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Output:
    """Where a command prints. Colours and progress are only for terminals.

    Args:
        as_json: whether the result is printed as JSON, and nothing else is.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True, file=sys.stdout)
        self._progress = Console(highlight=False, file=sys.stderr)

    def heading(self, text: str) -> None:
        """Print the heading of a group of lines."""
        self._print(Text(printable(text), style="bold"))

    def result(self, result: str, text: str, to_do: str = "") -> None:
        """Print one result.

        Args:
            result: `ok`, `wrong`, `not checked`, `hint`, or an outcome of an import.
            text: what was found.
            to_do: what to do about it.
        """
        width = _WIDE if result in _OUTCOMES else _WIDTH
        line = Text(f"  {result:<{width}} ").append(printable(text))
        line.stylize(_STYLES.get(result, ""), 2, 2 + len(result))
        self._print(line)
        if to_do:
            self._print(Text(f"  {'':<{width}} To do: {printable(to_do)}", style="default"))

    def line(self, text: str) -> None:
        """Print a line."""
        self._print(Text(printable(text)))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table: as wide as the terminal, and a line for each row elsewhere.

        Args:
            heads: of the columns.
            rows: a text for each column.
        """
        if self.as_json:
            return
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 2), header_style="bold")
        for head in heads:
            table.add_column(printable(head), overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(text)) for text in row))
        width = None if self._console.is_terminal else _WIDEST
        Console(highlight=False, file=sys.stdout, width=width).print(table)

    def json(self, result: Mapping[str, Any]) -> None:
        """Print the result for programs."""
        print(json.dumps(result, indent=2))  # noqa: T201 -- no terminal has to wrap it

    @contextmanager
    def working(self, text: str) -> Iterator["Working"]:
        """Show on a terminal that something takes its time."""
        if not self._progress.is_terminal or self.as_json:
            yield Working(None, text)
            return
        with self._progress.status(printable(text)) as status:
            yield Working(status.update, text)

    def _print(self, text: Text) -> None:
        if not self.as_json:
            self._console.print(text)


class Working:
    """Something that takes its time, and how far it is."""

    def __init__(self, update: Any, text: str) -> None:
        self._update, self._text = update, text
        self._done = 0

    def step(self, of: int) -> None:
        """Count one more part of all of them; safe to call from several threads."""
        self._done += 1
        if self._update is not None:
            self._update(printable(f"{self._text} {self._done} of {of}"))


def printable(text: str) -> str:
    """Return a text without characters that move the cursor: a service may have written it."""
    return "".join(one if one.isprintable() else " " for one in text)
