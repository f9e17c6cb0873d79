"""Reads JSON as people keep it: with comments, trailing commas and names without quotes.

The parser of the standard library reads a text as it is, or after `plain_json` made it plain: an
error names the line and column of the original all the same. Packages for JSON5 were tried. None
takes a line break inside a text, which templates of public samples have; none reports a key that
occurs twice. Those in Python need seconds for a template of 1 MB, and the fast one names
no line. This reader accepts what the JSON reader of Data Factory accepts, and a missing comma at
the end of a line.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from shared.importers.data_factory.account import Path
from shared.importers.data_factory.reading.plain_json import DEEPEST, PlainJson, place
from shared.importers.data_factory.values import NoNumber

#: A template that Azure takes has at most 4 MB.
LARGEST: Final = 16 * 1024 * 1024
_LONE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HUGE: Final = re.compile(r"\d{4301,}")
_CONFLICT: Final = re.compile(r"^(?:<{7}|={7}|>{7})(?:[ \r]|$)", re.MULTILINE)
_CURLY: Final = frozenset("\u201c\u201d\u2018\u2019")
_WORDS: Final = (
    ("Expecting property name", "a name in quotes, or the end of the object, is expected here"),
    ("Expecting ','", "a comma, or the end of the object or list, is expected here"),
    ("Expecting ':'", "a colon is expected here"),
    ("Expecting value", "a value is expected here"),
    ("Unterminated string", "the text that begins here has no closing quote"),
    ("Invalid \\u", "four hexadecimal digits are expected after \\u"),
    ("Invalid \\escape", "no JSON has this escape; write a backslash as \\\\"),
)


class BrokenDefinitionError(ValueError):
    """A file can't be read as JSON.

    Args:
        file: which one.
        line: where, from 1; 0 where the whole file is meant.
        column: where in the line, in characters from 1.
        what: what is wrong, and how to correct it; nothing of the content.
    """

    def __init__(self, file: str, line: int, column: int, what: str) -> None:
        place = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{file}: {place}{what}")
        self.file, self.line, self.column, self.what = file, line, column, what


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """The content of a file; a list of them where the file has several documents."""

    root: Any
    #: Keys that occur twice in their object, with different values: the last one counts.
    doubled: tuple[Path, ...] = ()
    #: Line and column of each comma that is missing.
    mended: tuple[tuple[int, int], ...] = ()


def parsed(content: bytes, file: str) -> Any:
    """Return the content of a file of JSON.

    Args:
        content: of the file, in UTF-8 or UTF-16.
        file: its name, for the error.

    Raises:
        BrokenDefinitionError: it is not JSON, or too large or too deep.
    """
    return document(content, file).root


def document(content: bytes, file: str) -> JsonDocument:
    """Return the content of a JSON file, and its deviations from JSON.

    Args:
        content: of the file, in UTF-8 or UTF-16.
        file: its name, for the error.

    Raises:
        BrokenDefinitionError: it is not JSON, or too large or too deep.
    """
    text = decoded(content, file)
    reader = _Reader()
    mended: tuple[tuple[int, int], ...] = ()
    try:
        root = reader.decoder.decode(text)
        tolerate = _is_deep(root)
    except (ValueError, RecursionError):
        tolerate = True
    if tolerate:
        reader = _Reader()
        plain = PlainJson(text)
        plain.read()
        if plain.too_deep is not None:
            line, column = place(text, plain.too_deep)
            what = f"the values are nested more than {DEEPEST} deep"
            raise BrokenDefinitionError(file, line, column, what)
        root = _documents(plain, reader, file)
        mended = tuple(place(text, at) for at in plain.mended)
    if _LONE.search(text):
        root = _without_surrogates(root)
    return JsonDocument(root, tuple(_doubled(root)) if reader.saw_doubled else (), mended)


def decoded(content: bytes, file: str) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a byte order mark.

    Args:
        content: of the file.
        file: its name, for the error.

    Raises:
        BrokenDefinitionError: it is too large, or in another encoding.
    """
    if len(content) > LARGEST:
        most = LARGEST // 1024 // 1024
        raise BrokenDefinitionError(file, 0, 0, f"the file is larger than {most} MB; split it")
    encoding = json.detect_encoding(content)
    if encoding.startswith(("utf-16", "utf-32")):
        with suppress(UnicodeDecodeError):
            return content.decode(encoding)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        line, column = place(before, len(before))
        what = "the file has a character that is not UTF-8; save it as UTF-8"
        raise BrokenDefinitionError(file, line, column, what) from None


class _Doubled(dict[str, Any]):
    """An object with keys that occur twice."""

    earlier: tuple[str, ...] = ()


class _Reader:
    """The parser of the standard library, which notes keys that occur twice."""

    def __init__(self) -> None:
        self.saw_doubled = False
        self.decoder = json.JSONDecoder(
            strict=False,
            object_pairs_hook=self._object,
            parse_constant=NoNumber,
            parse_float=_number,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        doubled = _Doubled(found)
        doubled.earlier = tuple(dict.fromkeys(k for k, value in pairs if value != found[k]))
        self.saw_doubled = True
        return doubled


def _number(text: str) -> float | str:
    """Return a number; as text where it is larger than any that JSON can be written with."""
    number = float(text)
    return NoNumber(text) if number in (float("inf"), float("-inf")) else number


def _documents(plain: PlainJson, reader: _Reader, file: str) -> Any:
    """Return what a text has; a list where it has several documents."""
    text = plain.text()
    roots: list[Any] = []
    at = begin = _between(text, 0, " \t\r\n")
    try:
        while not roots or at < len(text):
            begin = at
            root, at = reader.decoder.raw_decode(text, at)
            roots.append(root)
            at = _between(text, at, " \t\r\n,;")
    except json.JSONDecodeError as error:
        _refuse(plain, error, file, is_behind=bool(roots) and error.pos == begin)
    except ValueError:  # more digits than a number may have
        huge = _HUGE.search(plain.source)
        line, column = place(plain.source, huge.start() if huge else 0)
        what = "the number that begins here has more than 4300 digits"
        raise BrokenDefinitionError(file, line, column, what) from None
    return roots[0] if len(roots) == 1 else roots


def _between(text: str, at: int, blanks: str) -> int:
    """Return where the next document begins, or the length of the text."""
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _refuse(
    plain: PlainJson, error: json.JSONDecodeError, file: str, *, is_behind: bool
) -> NoReturn:
    """Say what is wrong, by line and column of the source.

    Args:
        plain: the text.
        error: of the parser.
        file: its name.
        is_behind: whether it is at the beginning of what follows a whole document.

    Raises:
        BrokenDefinitionError: always.
    """
    source = plain.source
    at = plain.origin(error.pos)
    found = (words for start, words in _WORDS if error.msg.startswith(start))
    what = next(found, "this is not JSON")
    if not source.strip():
        at, what = 0, "the file is empty"
    elif not source[at:].strip():
        at = len(source.rstrip())
        what = "the file ends too early"
        if plain.opened:
            line, column = place(source, plain.opened[-1])
            what += f": what is opened in line {line}, column {column} is not closed"
    elif source[at] in _CURLY:
        what = "a straight quote is expected here, not a curly one"
    elif is_behind:
        what = "the JSON is complete before this; nothing, or another document, may follow"
    begin = source.rfind("\n", 0, at) + 1
    if _CONFLICT.match(source, begin):
        at, what = begin, "this is a mark of a merge conflict in git, which has to be resolved"
    crossing = [start for start in plain.crossing if start < at]
    if crossing:
        line, _ = place(source, crossing[-1])
        what += f"; the text that begins in line {line} has a line break: is its quote missing?"
    line, column = place(source, at)
    raise BrokenDefinitionError(file, line, column, what) from None


def _is_deep(root: Any) -> bool:
    """Whether values nest deeper than they may."""
    level = [root]
    for _ in range(DEEPEST + 1):
        below = (
            one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            for one in level
        )
        level = [one for many in below for one in many if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _doubled(value: Any, path: Path = ()) -> list[Path]:
    """Return the paths of the keys that occur twice."""
    if isinstance(value, list):
        return [path_ for at, one in enumerate(value) for path_ in _doubled(one, (*path, at))]
    if not isinstance(value, dict):
        return []
    own = [(*path, key) for key in value.earlier] if isinstance(value, _Doubled) else []
    return own + [below for key, one in value.items() for below in _doubled(one, (*path, key))]


def _without_surrogates(value: Any) -> Any:
    """Return a value in whose texts each lone surrogate, which no file can hold, is replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    if not isinstance(value, _Doubled):
        return made
    doubled = _Doubled(made)
    doubled.earlier = tuple(_without_surrogates(key) for key in value.earlier)
    return doubled
