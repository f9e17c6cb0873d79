"""Accounts for every value of imported definitions: each belongs to one line of the report.

A line is opened for an element (an activity, a dataset, a key). It covers the values below that
element, except those that have a line of their own. Below a definition or an activity a value is
covered only once it was taken; what nobody took gets a line of its own, as not carried over. So a
key that the importer does not know is reported too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

#: The keys of a value from the root of its file.
Path = tuple[str | int, ...]
_UNKNOWN: Final = "Relearn has nothing for this key"
_CHECK: Final = "see whether the job needs it"
#: How a `to_do` begins that asks the reader for nothing.
_NOTHING: Final = "nothing"


class Outcome(StrEnum):
    """What became of an element."""

    MAPPED = "mapped"
    APPROXIMATED = "approximated"
    NOT_CARRIED_OVER = "not carried over"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report."""

    file: str
    path: Path
    kind: str  #: what it is, such as `activity`, `dataset`, `policy`, `trigger`, `key`
    name: str
    outcome: Outcome
    text: str  #: where it is now, or what differs and why
    to_do: str = ""
    block: str = ""  #: YAML to fill in and copy, where there is such a thing
    whole: bool = True  #: whether it covers what nobody took below it

    @property
    def at(self) -> str:
        """Return the path as people write it, such as `properties.activities[0].policy.retry`."""
        return shown(self.path)

    @property
    def asks(self) -> bool:
        """Whether the reader is asked to do something: not where `to_do` begins with `nothing`."""
        return _asks(self.to_do)


def shown(path: Path) -> str:
    """Return a path as people write it, such as `properties.activities[0].policy.retry`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


@dataclass(slots=True)
class Account:
    """The lines of all files, and which values were taken."""

    lines: dict[tuple[str, Path], Line] = field(default_factory=dict)
    _taken: set[tuple[str, Path]] = field(default_factory=set)

    def add(self, line: Line) -> None:
        """Add a line; the first one for an element counts, and worse news is added to it.

        A second line for the same element is joined to the first: its outcome is the worse of
        both, and both texts are kept. Safe to repeat.
        """
        known = self.lines.get((line.file, line.path))
        self.lines[line.file, line.path] = line if known is None else _joined(known, line)

    def take(self, file: str, path: Path) -> None:
        """Note that a value, with all below it, is in the result or is known to mean nothing.

        Args:
            file: where it is.
            path: of the value.
        """
        self._taken.add((file, path))

    def covered_by(self, file: str, path: Path) -> Line | None:
        """Return the line that a value belongs to: that of the nearest element above it.

        Args:
            file: where it is.
            path: of the value.
        """
        for length in range(len(path), -1, -1):
            if (line := self.lines.get((file, path[:length]))) is not None:
                return line
        return None

    def close(self, file: str, root: Any) -> None:
        """Give a line of its own to each value that no line covers.

        Args:
            file: where the values are.
            root: the content of the file, as it was parsed.
        """
        for path, _ in leaves(root):
            line = self.covered_by(file, path)
            if line is None or not (line.whole or self._was_taken(file, path, line.path)):
                name = str(path[-1]) if path else ""
                self.add(Line(file, path, "key", name, Outcome.NOT_CARRIED_OVER, _UNKNOWN, _CHECK))

    def _was_taken(self, file: str, path: Path, above: Path) -> bool:
        lengths = range(len(path), len(above) - 1, -1)
        return any((file, path[:length]) in self._taken for length in lengths)


@dataclass(frozen=True, slots=True)
class Element:
    """A value of a definition, with its place. Names of keys match in any letter case."""

    value: Any
    file: str
    path: Path
    account: Account = field(repr=False, compare=False)

    def get(self, *names: str) -> "Element | None":
        """Return the value below keys of these names, or None; it is not taken by that."""
        at = self
        for name in names:
            if not isinstance(at.value, dict):
                return None
            folded = (key for key in at.value if key.casefold() == name.casefold())
            key = name if name in at.value else next(folded, None)
            below = at._of_preview(name) if key is None else at._below(key)
            if below is None:
                return None
            at = below
        return at

    def _of_preview(self, name: str) -> "Element | None":
        """Return what stands for `typeProperties` in definitions of 2014 and 2015."""
        if name != "typeProperties":
            return None
        for key in ("transformation", "location"):
            if isinstance(self.value.get(key), dict):
                return self._below(key)
        is_service = str(self.value.get("type", "")).endswith("LinkedService")
        return self if is_service else None

    def items(self) -> Iterator[tuple[str, "Element"]]:
        """Yield key and value of an object, in order; nothing for other values."""
        if isinstance(self.value, dict):
            yield from ((key, self._below(key)) for key in self.value)

    def list(self) -> list["Element"]:
        """Return the members of a list; a single value as a list of one, None as none."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            return [self]
        return [self._below(at) for at in range(len(self.value))]

    def text(self) -> str:
        """Return a scalar as text without blanks around it, and take it; else an empty text."""
        if isinstance(self.value, dict | list) or self.value is None:
            return ""
        self.take()
        return str(self.value).strip()

    def take(self) -> Any:
        """Take the value with all below it, and return it."""
        self.account.take(self.file, self.path)
        return self.value

    def mapped(self, kind: str, name: str, text: str, *, whole: bool = True) -> None:
        """Report that this is carried over as it is.

        Args:
            kind: what it is.
            name: what it is called.
            text: where it is now, such as `training.attempts: 4`.
            whole: whether that counts for what nobody took below it, too.
        """
        self._report(kind, name, Outcome.MAPPED, text, whole=whole)

    def approximated(
        self, kind: str, name: str, text: str, to_do: str = "", *, whole: bool = True
    ) -> None:
        """Report that this is carried over with a difference.

        Args:
            kind: what it is.
            name: what it is called.
            text: what differs, and why.
            to_do: what the reader can do.
            whole: whether that counts for what nobody took below it, too.
        """
        self._report(kind, name, Outcome.APPROXIMATED, text, to_do=to_do, whole=whole)

    def left(self, kind: str, name: str, text: str, to_do: str, block: str = "") -> None:
        """Report that this is not carried over, nor what nobody took below it.

        Args:
            kind: what it is.
            name: what it is called.
            text: why.
            to_do: what the reader can do.
            block: YAML to fill in and copy.
        """
        self._report(kind, name, Outcome.NOT_CARRIED_OVER, text, to_do=to_do, block=block)

    def _report(self, kind: str, name: str, outcome: Outcome, text: str, **more: Any) -> None:
        self.account.add(Line(self.file, self.path, kind, name, outcome, text, **more))

    def _below(self, key: str | int) -> "Element":
        return Element(self.value[key], self.file, (*self.path, key), self.account)


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


_WORSE: Final = (Outcome.MAPPED, Outcome.APPROXIMATED, Outcome.NOT_CARRIED_OVER)


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
