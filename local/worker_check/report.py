"""Collects the results of checks and shows them, with the expected value for those that failed."""

import pprint
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was checked."""

    group: str
    what: str
    expected: Any
    came: Any
    kind: str = ""  #: those of one kind that passed are one row of the table

    @property
    def passed(self) -> bool:
        """Whether exactly the expected came."""
        return bool(self.expected == self.came)


@dataclass
class Report:
    """All outcomes, in the order of checking."""

    outcomes: list[Outcome] = field(default_factory=list)
    _group: str = ""

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """Name the group that outcomes now belong to; an error in it is a failed outcome."""
        self._group = name
        try:
            yield
        except Exception as exc:  # noqa: BLE001 -- the groups after it are checked all the same
            self.equal("is checked to its end", None, f"{type(exc).__name__}: {exc}")

    def equal(self, what: str, expected: Any, came: Any, kind: str = "") -> None:
        """Record an outcome.

        Args:
            what: was checked; no other check of its group has this name.
            expected: must have come.
            came: did come.
            kind: of which there are many; those that passed are shown as their number.
        """
        self.outcomes.append(Outcome(self._group, what, expected, came, kind))

    @property
    def failed(self) -> list[Outcome]:
        """The outcomes that were not as expected."""
        return [outcome for outcome in self.outcomes if not outcome.passed]

    @property
    def closing_line(self) -> str:
        """The counts, to be printed."""
        failed = len(self.failed)
        return f"{len(self.outcomes) - failed} passed, {failed} failed"

    def show(self, console: Console) -> None:
        """Print the table, then each failure with both sides."""
        table = Table("checked with", "what", "result", title="The official worker and this app")
        group = ""
        for of_group, what, passed in self._rows():
            shown = "[green]passed" if passed else "[bold red]FAILED"
            table.add_row("" if of_group == group else escape(of_group), escape(what), shown)
            group = of_group
        console.print(table)
        for outcome in self.failed:
            console.print(f"[bold red]FAILED[/] {escape(outcome.group)}: {escape(outcome.what)}")
            console.print(f"  expected: {_shown(outcome.expected)}", markup=False)
            console.print(f"  came:     {_shown(outcome.came)}", markup=False)

    def _rows(self) -> Iterator[tuple[str, str, bool]]:
        """Yield the group, the name and the result of each row: one for a kind that passed."""
        alike = Counter((one.group, one.kind) for one in self.outcomes if one.passed)
        said = set[tuple[str, str]]()
        for one in self.outcomes:
            key = one.group, one.kind
            if not one.kind or not one.passed:
                yield one.group, one.what, one.passed
            elif key not in said:
                said.add(key)
                yield one.group, f"{one.kind}: {alike[key]} as expected", True


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else pprint.pformat(value, width=88, sort_dicts=False)
    return text.replace("\n", "\n            ")
