"""Accounts for every value of imported definitions: each belongs to one line of the report.

A line is opened for an element (an activity, a dataset, a key). It covers the values below that
element, except those that have a line of their own. Below a definition or an activity a value is
covered only if it was taken; any other gets a line of its own, as not carried over. So a key that
the importer does not know is reported too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

#: The keys of a value from the root of its file.
Path = tuple[str | int, ...]
#: The kinds of lines below which each key has a line of its own, unless it was taken.
_WITH_LINES_BELOW: Final = frozenset(
    {"pipeline", "activity", "dataset", "linked service", "trigger"}
)
_UNKNOWN: Final = "Relearn has nothing for this key"
_CHECK: Final = "see whether the job needs it"
#: How a `to_do` begins that asks the reader for nothing.
_NOTHING: Final = "nothing"


class ImportOutcome(StrEnum):
    """What became of an element."""

    MAPPED = "mapped"
    APPROXIMATED = "approximated"
    NOT_CARRIED_OVER = "not carried over"


class Place(NamedTuple):
    """A value of a definition: its file, and its path there."""

    file: str
    path: Path

    @property
    def at(self) -> str:
        """The path as people write it, such as `properties.activities[0].policy.retry`."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return "".join(parts).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.file}: {self.at}" if self.path else self.file


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report."""

    file: str
    path: Path
    kind: str  #: what it is, such as `activity`, `dataset`, `policy`, `trigger`, `key`
    name: str
    outcome: ImportOutcome
    text: str  #: where it is now, or what differs and why
    to_do: str = ""
    block: str = ""  #: YAML to fill in and copy, where there is such a thing
    whole: bool = True  #: whether it covers what was not taken below it

    @property
    def place(self) -> Place:
        """What it is about."""
        return Place(self.file, self.path)

    @property
    def at(self) -> str:
        """Its path as people write it."""
        return self.place.at

    @property
    def asks(self) -> bool:
        """Whether the reader is asked to do something: not where `to_do` begins with `nothing`."""
        return _asks(self.to_do)


@dataclass(slots=True)
class Account:
    """The lines of all files, and which values were taken."""

    lines: dict[Place, Line] = field(default_factory=dict)
    _taken: set[Place] = field(default_factory=set)

    def add(self, line: Line) -> None:
        """Add a line; the first one for an element counts, and others are added to it.

        A second line for the same element is joined to the first: its outcome is the worse of
        both, and both texts are kept. Safe to repeat.
        """
        known = self.lines.get(line.place)
        self.lines[line.place] = line if known is None else _joined(known, line)

    def take(self, file: str, path: Path) -> None:
        """Note that a value, with all below it, is in the result or is known to mean nothing.

        Args:
            file: where it is.
            path: of the value.
        """
        self._taken.add(Place(file, path))

    def covered_by(self, file: str, path: Path) -> Line | None:
        """Return the line that a value belongs to: that of the nearest element above it.

        Args:
            file: where it is.
            path: of the value.
        """
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(Place(file, path[:length]))) is not None:
                return line
        return None

    def close(self, file: str, root: Any) -> None:
        """Give a line of its own to each value that no line covers.

        An empty value says nothing: it belongs to the line above it. What is beside definitions
        in their file has one line, whatever is below it.

        Args:
            file: where the values are.
            root: the content of the file, as it was parsed.
        """
        known: frozenset[Path] | None = None
        for path, value in leaves(root):
            line = self.covered_by(file, path)
            if line is None:
                known = self._above_lines(file) if known is None else known
                self._add_unknown(
                    file, next((one for one in _above(path) if one not in known), path)
                )
            elif not (line.whole or is_empty(value) or self._was_taken(file, path, line.path)):
                self._add_unknown(file, path)

    def _add_unknown(self, file: str, path: Path) -> None:
        name = str(path[-1]) if path else ""
        self.add(Line(file, path, "key", name, ImportOutcome.NOT_CARRIED_OVER, _UNKNOWN, _CHECK))

    def _above_lines(self, file: str) -> frozenset[Path]:
        """Return the paths of a file at which, or below which, there is a line."""
        mine = (place.path for place in self.lines if place.file == file)
        return frozenset(one for path in mine for one in _above(path))

    def _was_taken(self, file: str, path: Path, above: Path) -> bool:
        lengths = range(len(path), len(above) - 1, -1)
        return any(Place(file, path[:length]) in self._taken for length in lengths)


@dataclass(frozen=True, slots=True)
class Element:
    """A value of a definition, with its place. Names of keys match in any letter case.

    What a definition does not have is an element too: it is false, has no value, and gets no line.
    """

    value: Any
    file: str
    path: Path
    account: Account = field(repr=False, compare=False)
    exists: bool = True

    def __bool__(self) -> bool:
        return self.exists

    def get(self, *names: str) -> "Element":
        """Return the value below keys of these names; it is not taken by that."""
        at = self
        for name in names:
            at = at._named(name)
        return at

    def items(self) -> Iterator[tuple[str, "Element"]]:
        """Yield key and value of an object, in order; nothing for other values."""
        if isinstance(self.value, dict):
            yield from ((key, self._below(key)) for key in self.value)

    def list(self) -> list["Element"]:
        """Return the members of a list; a single value as a list of one, an empty one as none."""
        if is_empty(self.value):
            return []
        if not isinstance(self.value, list):
            return [self]
        return [self._below(at) for at in range(len(self.value))]

    def peek(self) -> str:
        """Return a scalar as text without blanks around it; else an empty text."""
        scalar = self.value is not None and not isinstance(self.value, dict | list)
        return str(self.value).strip() if scalar else ""

    def text(self) -> str:
        """Return what `peek` returns, and take a scalar."""
        if not isinstance(self.value, dict | list) and self.value is not None:
            self.take()
        return self.peek()

    def take_keys(self, *names: str) -> None:
        """Take the values below these keys."""
        for name in names:
            self.get(name).take()

    @property
    def place(self) -> Place:
        """The file that it is in, and its path there."""
        return Place(self.file, self.path)

    def take(self) -> Any:
        """Take the value with all below it, and return it."""
        if self.exists:
            self.account.take(self.file, self.path)
        return self.value

    def mapped(self, kind: str, name: str, text: str, *, whole: bool | None = None) -> None:
        """Report that this is carried over as it is.

        Args:
            kind: what it is.
            name: what it is called.
            text: where it is now, such as `training.attempts: 4`.
            whole: whether that counts for what was not taken below it, too; by default it does
                not for a definition or an activity.
        """
        whole = kind not in _WITH_LINES_BELOW if whole is None else whole
        self._report(kind, name, ImportOutcome.MAPPED, text, whole=whole)

    def approximated(
        self, kind: str, name: str, text: str, to_do: str = "", *, whole: bool | None = None
    ) -> None:
        """Report that this is carried over with a difference.

        Args:
            kind: what it is.
            name: what it is called.
            text: what differs, and why.
            to_do: what the reader can do.
            whole: as for `mapped`.
        """
        whole = kind not in _WITH_LINES_BELOW if whole is None else whole
        self._report(kind, name, ImportOutcome.APPROXIMATED, text, to_do=to_do, whole=whole)

    def left(self, kind: str, name: str, text: str, to_do: str, **more: Any) -> None:
        """Report that this is not carried over, and nothing below it that was not taken.

        Args:
            kind: what it is.
            name: what it is called.
            text: why.
            to_do: what the reader can do.
            more: `block`, YAML to fill in and copy; `whole`, as for `mapped`.
        """
        self._report(kind, name, ImportOutcome.NOT_CARRIED_OVER, text, to_do=to_do, **more)

    def _report(self, kind: str, name: str, outcome: ImportOutcome, text: str, **more: Any) -> None:
        if self.exists:
            self.account.add(Line(self.file, self.path, kind, name, outcome, text, **more))

    def _named(self, name: str) -> "Element":
        if isinstance(self.value, dict):
            if name in self.value:
                return self._below(name)
            for key in self.value:
                if key.casefold() == name.casefold():
                    return self._below(key)
            if name == "typeProperties":
                return self._of_preview()
        return self._absent(name)

    def _of_preview(self) -> "Element":
        """Return what stands for `typeProperties` in definitions of 2014 and 2015."""
        for key in ("transformation", "location"):
            if isinstance(self.value.get(key), dict):
                return self._below(key)
        is_service = str(self.value.get("type", "")).endswith("LinkedService")
        return self if is_service else self._absent("typeProperties")

    def _absent(self, name: str) -> "Element":
        return Element(None, self.file, (*self.path, name), self.account, exists=False)

    def _below(self, key: str | int) -> "Element":
        return Element(self.value[key], self.file, (*self.path, key), self.account)


#: What an activity or a service has as its source where no file has it.
NOWHERE: Final = Element(None, "", (), Account(), exists=False)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each scalar, empty object and empty list below a value, with its path.

    Args:
        value: as it was parsed.
        path: where it is.
    """
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, (*path, key))
    elif isinstance(value, list) and value:
        for at, below in enumerate(value):
            yield from leaves(below, (*path, at))
    else:
        yield path, value


def _above(path: Path) -> Iterator[Path]:
    """Yield the paths of what a value is in, from the whole file down to itself."""
    yield from (path[:length] for length in range(len(path) + 1))


def is_empty(value: Any) -> bool:
    """Whether a value is null, an empty text, an empty object or an empty list."""
    return value in (None, "", [], {})


_WORSE: Final = (ImportOutcome.MAPPED, ImportOutcome.APPROXIMATED, ImportOutcome.NOT_CARRIED_OVER)


def _joined(known: Line, other: Line) -> Line:
    """Return two lines for one element as one."""
    outcome = max(known.outcome, other.outcome, key=_WORSE.index)
    texts = _together(known.text, other.text)
    to_dos = both_to_do(known.to_do, other.to_do)
    return Line(
        known.file,
        known.path,
        known.kind,
        known.name,
        outcome,
        texts,
        to_dos,
        known.block or other.block,
        known.whole and other.whole,
    )


def _asks(to_do: str) -> bool:
    return bool(to_do) and not to_do.startswith(_NOTHING)


def both_to_do(one: str, other: str) -> str:
    """Return two texts of what to do as one; `nothing` is left out where the other one asks.

    Args:
        one: the first.
        other: the second.
    """
    asked = [text for text in (one, other) if _asks(text)]
    return _together(asked[0], asked[-1]) if asked else one or other


def _together(known: str, other: str) -> str:
    """Return two texts as one; the other is left out where it is in the first already."""
    if not known or not other or other in known:
        return known or other
    return f"{known}; {other}"
