"""The definitions of a factory, by kind and name.

Of several of one name, that of the nearest folder counts.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any, Final

from shared.importers.data_factory.account import Account, Element, ImportOutcome, Line, Place
from shared.importers.data_factory.reading import arm
from shared.importers.data_factory.secrets import is_secret

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
#: Of a dataset that is not carried over, no value is used.
_UNUSED: Final = ("dataset", ImportOutcome.NOT_CARRIED_OVER)
_GIVE: Final = "give it with --parameters"
NOT_COUNTED: Final = ": that one counts"


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline, dataset, linked service or trigger of a factory."""

    kind: str  #: `pipeline`, `dataset`, `linkedService` or `trigger`
    name: str
    version: int  #: of Data Factory: 1 or 2
    body: Element  #: its `{name, properties}`
    type: str  #: of the properties, such as `AzureBlob`; empty for a pipeline
    file: str
    apart: str = ""  #: its folder, where a definition of another folder has the same name

    @property
    def place(self) -> Place:
        """Return the file that it is in, and its path there: no other definition has both."""
        return self.body.place

    @property
    def properties(self) -> Element:
        """Return what is below `properties`; all of it where there is no such key."""
        return self.body.get("properties") or self.body


@dataclass(slots=True)
class Definitions:
    """All definitions that count, and the content of all files."""

    all: list[Definition] = field(default_factory=list)
    #: File -> its content, with the values of parameters in place of expressions.
    roots: dict[str, Any] = field(default_factory=dict)
    #: What was reported of files, doubles and broken definitions; the account has it too.
    problems: list[Line] = field(default_factory=list)
    #: File -> the expressions of its templates that have no value.
    unresolved: dict[str, list[arm.Unresolved]] = field(default_factory=dict)
    factory: str = ""  #: its name, where the files say it
    #: Global parameters of the factory, by their names.
    factory_parameters: dict[str, Any] = field(default_factory=dict)
    #: Those that have the name of another one, in another folder.
    doubles: list[Definition] = field(default_factory=list)
    _named: dict[tuple[str, str], list[Definition]] = field(default_factory=dict)
    _count: int = -1

    def of(self, kind: str) -> list[Definition]:
        """Return the definitions of a kind, in the order in which they were found."""
        return [one for one in self.all if one.kind == kind]

    def named(self, kind: str, name: str, near: str = "") -> Definition | None:
        """Return a definition; letter case and blanks at the ends do not count.

        Of several ones, that of the nearest folder counts, otherwise the first.

        Args:
            kind: what it is.
            name: what it is called.
            near: the file that names it.
        """
        found = self._all_named(kind, name)
        chosen = max(found, key=lambda one: _in_common(one.file, near), default=None)
        if chosen is not None and any(one is chosen for one in self.doubles):
            self._use(chosen)
        return chosen

    def has(self, kind: str, name: str) -> bool:
        """Whether there is a definition of a name; letter case and blanks do not count.

        Args:
            kind: what it is.
            name: what it is called.
        """
        return bool(self._all_named(kind, name))

    def other_name(self, kind: str, name: object) -> str:
        """Return the name of a definition that is named in another way; empty where it is not.

        Args:
            kind: what it is.
            name: as a reference has it.
        """
        found = self._all_named(kind, name) if isinstance(name, str) else []
        return found[0].name if found and name not in [one.name for one in found] else ""

    def _all_named(self, kind: str, name: str) -> list[Definition]:
        if self._count != len(self.all):
            self._count, self._named = len(self.all), {}
            for one in [*self.all, *self.doubles]:
                self._named.setdefault((one.kind, folded(one.name)), []).append(one)
        return self._named.get((kind, folded(name)), [])

    def _use(self, double: Definition) -> None:
        """Let a double count, since a file of its own folder names it."""
        self.doubles = [one for one in self.doubles if one is not double]
        self.all.append(double)
        account = double.body.account
        of_it = [one for one in self.problems if one.place == double.place]
        account.lines.pop(double.place, None)
        for line in of_it:
            if line.text.endswith(NOT_COUNTED):
                self.problems.remove(line)
            else:
                account.add(line)

    def close(self, account: Account, secret: Collection[Place] = ()) -> None:
        """Report each expression without a value, and each value that no line covers.

        Args:
            account: with the lines of all other parts.
            secret: the places of secrets, which an app setting stands for.
        """
        for file, unresolved in self.unresolved.items():
            for one in unresolved:
                above = account.covered_by(file, one.path)
                if above is not None and (above.kind, above.outcome) == _UNUSED:
                    continue
                if above is not None and above.place in secret:
                    continue
                name = str(one.path[-1]) if one.path else ""
                outcome, to_do = _told(one, name, above)
                why = one.why if to_do.endswith(_GIVE) else one.why.removesuffix(f": {_GIVE}")
                text = f"the expression {one.shown} {_stands(name)}: {why}"
                account.add(Line(file, one.path, "key", name, outcome, text, to_do))
        for file, root in self.roots.items():
            account.close(file, root)


def _told(one: arm.Unresolved, name: str, above: Line | None) -> tuple[ImportOutcome, str]:
    """Return what becomes of an expression without a value, and what to do about it.

    Args:
        one: the expression.
        name: of its key.
        above: the line of what it belongs to.
    """
    left = above is not None and above.outcome is ImportOutcome.NOT_CARRIED_OVER
    if above is not None and left and (above.kind == "linked service" or not above.asks):
        return ImportOutcome.NOT_CARRIED_OVER, "nothing to do: nothing of the file needs it"
    if "copyindex(" in one.text.casefold():
        return (
            ImportOutcome.APPROXIMATED,
            "write each copy as a resource of its own, without copyIndex()",
        )
    if is_secret(name, one.text):
        return ImportOutcome.APPROXIMATED, f"{_GIVE}, but for secrets"
    return ImportOutcome.APPROXIMATED, f"write the value in its place, or {_GIVE}"


def _stands(key: str) -> str:
    """Return what becomes of an expression without a value."""
    return "counts as true" if key.casefold() == "condition" else "has no value here"


def clean(name: str) -> str:
    """Return a name without control characters, and without blanks at its ends."""
    return _CONTROL.sub(" ", name).strip()


def folded(name: str) -> str:
    """Return a name for comparison."""
    return clean(name).casefold()


def _in_common(file: str, other: str) -> int:
    """Return how many folders two files have in common, from the top."""
    pairs = zip(PurePosixPath(file).parts[:-1], PurePosixPath(other).parts[:-1], strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
