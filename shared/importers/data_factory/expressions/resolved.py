"""The value of an expression: a text with window times, a constant, or why it is neither."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from shared.core.config.setting_references import escape
from shared.importers.data_factory.expressions.moments import Moment
from shared.importers.data_factory.expressions.syntax import (
    MOST_CHARACTERS,
    SecretError,
    UnresolvedError,
)
from shared.importers.data_factory.secrets import is_secret

#: What Relearn replaces within a text, or refuses: `{name}`, `{data.manifest}`, `{start-1d:…}`.
_TOKEN: Final = re.compile(
    r"(?<!\$)\{(?:[A-Za-z_][\w.]*|(?:start|end)[^{}:\"']*:[^{}]*)\}", re.IGNORECASE
)
_BRACES: Final = "it holds braces, which Relearn would take for a token"
_NO_TEXT: Final = "it is a list of parts of a text, of which it takes none"
_TIMES: Final = ("0", "0:0")  #: stand for times, while the text around them is checked
_TOO_LONG: Final = f"it becomes longer than {MOST_CHARACTERS} characters"


@dataclass(frozen=True, slots=True)
class Field:
    """A time that is written in a format."""

    moment: Moment
    form: str  #: a custom .NET date format
    guess: str = ""  #: why the format is a guess, where Data Factory does not say it


@dataclass(frozen=True, slots=True)
class EventPart:
    """The folder or the file of the blob whose event started the pipeline."""

    marker: str  #: what stands for it in a text: one of the three below


#: Container and folder of the blob whose event started the pipeline, its name, and both.
EVENT_FOLDER: Final = EventPart("{event.folder}")
EVENT_FILE: Final = EventPart("{event.file}")
EVENT_PATH: Final = EventPart("{event.path}")

_FOLDERS: Final = re.compile(r"\{event\.folder\.(-?\d{1,3})(:?)\}")
Part = str | Field | EventPart


@dataclass(frozen=True, slots=True)
class Text:
    """A text with times in it."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class EventFolders:
    """The container and the folders of the blob whose event started the pipeline, as a list."""

    first: int = 0  #: how many were left out

    def at(self, index: int) -> Text:
        """Return one of them: `{event.folder.1}`; `{event.folder.-1}` is the last one."""
        return Text((EventPart(f"{{event.folder.{index if index < 0 else self.first + index}}}"),))

    def joined(self) -> Text:
        """Return all of them as a path: `{event.folder}`, or `{event.folder.1:}` from one on."""
        whole = f"{{event.folder.{self.first}:}}" if self.first else EVENT_FOLDER.marker
        return Text((EventPart(whole),))


#: What an expression can stand for, while it is evaluated.
Value = Text | EventFolders | Moment | str | int | float | bool | list[Any] | dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an expression stands for.

    `text` is None where it cannot be said; then `why` says the reason. Otherwise `text` is a
    text with window times, and `value` is what to write: `text` itself, or the constant that the
    expression is, where that is not a text: a number, true, false, null, a list or an object. So
    the type of a parameter is kept. `why` never quotes the expression; `verbatim` is the
    expression.
    """

    text: str | None = field(repr=False)
    exact: bool  #: false where the result can differ from that of Data Factory; `why` says how
    why: str
    verbatim: str = field(repr=False)
    value: Any = field(default=None, repr=False)
    parts: Value = field(default=None, repr=False, compare=False)  #: for what refers to it
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)  #: and how that differs
    is_secret: bool = False  #: whether it was left out because it is a secret, or holds one

    @property
    def uses_window(self) -> bool:
        """Whether it holds the start or the end of a window, so that it needs a schedule."""
        fields = (part for part in _parts_of(self.parts) if isinstance(part, Field))
        return any(isinstance(one.moment.base, str) for one in fields)

    @property
    def parameter(self) -> Any:
        """The value as a parameter of a job: a dollar sign of its own is written `$$`."""
        return escape(self.value) if isinstance(self.value, str) else self.value

    def as_path(self) -> "Resolved":
        """Return it for a place where any brace begins a token, such as a path."""
        literals = (part for part in _parts_of(self.parts) if isinstance(part, str))
        if self.text is None or set("".join(literals)).isdisjoint("{}"):
            return self
        return replace(self, text=None, exact=False, why=_BRACES, value=None)


def event_filled(text: str, folder: str, file: str) -> str:
    """Return a text with the parts of the blob event replaced; what the folder has not, stays.

    Args:
        text: of a `Resolved` that uses the event.
        folder: container and folder of the blob, as the event says them.
        file: the name of the blob.
    """
    folders = folder.split("/")

    def one(found: re.Match[str]) -> str:
        index = int(found[1])
        if not -len(folders) <= index < len(folders):
            return found[0]
        return "/".join(folders[index:]) if found[2] else folders[index]

    text = _FOLDERS.sub(one, text)
    for part, known in (
        (EVENT_PATH, f"{folder}/{file}"),
        (EVENT_FOLDER, folder),
        (EVENT_FILE, file),
    ):
        text = text.replace(part.marker, known)
    return text


def unresolved(why: str, verbatim: str) -> Resolved:
    """Return that an expression cannot be carried over.

    Args:
        why: in words that quote nothing of it.
        verbatim: the expression.
    """
    return Resolved(None, exact=False, why=why, verbatim=verbatim)


def resolved_by(evaluate: Callable[[list[str]], Value], verbatim: Any) -> Resolved:
    """Return what an evaluation gives, or why it gives nothing; nothing is raised.

    Args:
        evaluate: is given a list to which it adds how the result differs.
        verbatim: what is evaluated.
    """
    shown = verbatim if isinstance(verbatim, str) else ""
    notes: list[str] = []
    try:
        shown = verbatim if isinstance(verbatim, str) else _json(verbatim)
        value = evaluate(notes)
        kept = tuple(notes)
        text = _written(value, notes)
        _refuse_secret(text)
    except SecretError as error:
        shown = "" if is_secret("", shown) else shown
        return replace(unresolved(str(error), shown), is_secret=True)
    except UnresolvedError as error:
        return unresolved(str(error), shown)
    except (ArithmeticError, ValueError, TypeError, RecursionError):
        return unresolved("it computes something that has no value", shown)
    why = "; ".join(dict.fromkeys(notes))
    constant = value if not isinstance(value, Text) else text
    return Resolved(text, not why, why, shown, constant, value, kept)


def joined(parts: Iterable[Part]) -> Text | str:
    """Return parts as one text; without times it is a constant.

    Args:
        parts: in order.

    Raises:
        UnresolvedError: the text is too long.
    """
    merged: list[Part] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
        if merged[-3:] == [EVENT_FOLDER, "/", EVENT_FILE]:
            merged[-3:] = [EVENT_PATH]
    if sum(len(part) for part in merged if isinstance(part, str)) > MOST_CHARACTERS:
        raise UnresolvedError(_TOO_LONG)
    if all(isinstance(part, str) for part in merged):
        return "".join(part for part in merged if isinstance(part, str))
    return Text(tuple(merged))


def parts_of(value: Value) -> tuple[Part, ...]:
    """Return a value as parts of a text, as .NET writes it."""
    if isinstance(value, Text):
        return value.parts
    if value is None or isinstance(value, Moment):
        return ()
    if isinstance(value, EventFolders):
        raise UnresolvedError(_NO_TEXT)
    if isinstance(value, list | dict):
        return (_json(value),)
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value),)


def _parts_of(value: Value) -> tuple[Part, ...]:
    return value.parts if isinstance(value, Text) else (value,) if isinstance(value, str) else ()


def _written(value: Value, notes: list[str]) -> str:
    """Return a value as a text, and note where a format is a guess."""
    if not isinstance(value, Text):
        _refuse_tokens([str(value)] if isinstance(value, str) else [])
        return "".join(str(part) for part in parts_of(value))
    written = []
    for part in value.parts:
        if isinstance(part, Field):
            if part.guess:
                notes.append(part.guess)
            written.append(part.moment.written(part.form))
        else:
            written.append(part if isinstance(part, str) else part.marker)
    for time in _TIMES:
        _refuse_tokens([part if isinstance(part, str) else time for part in value.parts])
    if any(one == "$" and isinstance(two, Field) for one, two in pairwise(_ends(value.parts))):
        raise UnresolvedError("a dollar sign stands directly before a time")
    text = "".join(written)
    if len(text) > MOST_CHARACTERS:
        raise UnresolvedError(_TOO_LONG)
    return text


def _refuse_secret(text: str) -> None:
    if is_secret("", text):
        raise SecretError


def _refuse_tokens(literals: list[str]) -> None:
    """Refuse braces of the definition's own that Relearn would replace.

    Args:
        literals: the text, with a character in place of each time.
    """
    if _TOKEN.search("".join(literals)):
        raise UnresolvedError(_BRACES)


def _ends(parts: tuple[Part, ...]) -> Iterator[Part]:
    """Yield the last character of each literal, and the other parts."""
    yield from (part[-1:] if isinstance(part, str) else part for part in parts)


def _json(value: Any) -> str:
    def odd(part: object) -> str:
        if isinstance(part, Text | EventFolders):
            raise UnresolvedError(_NO_TEXT)
        return str(part)

    return json.dumps(value, ensure_ascii=False, default=odd, separators=(",", ":"))
