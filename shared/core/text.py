"""Decodes the text of files from outside, and compares and shows what is in it."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from shared.core.secret_shapes import without_bare, without_shapes

#: Invisible characters: byte order marks, zero-width blanks and joiners, marks of direction.
_HIDDEN: Final = r"\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
INVISIBLE: Final = re.compile(f"[{_HIDDEN}]")
_RUN: Final = re.compile(f"[{_HIDDEN}]++")
_BESIDE: Final = re.compile(r"[\s,;:\"'{}\[\]]?")
_TYPE_LINE: Final = re.compile(r"\s*#type\b[^\r\n]*", re.IGNORECASE)
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: In small letters.
_FORMS: Final = (
    (b"pk\x03\x04", "a ZIP archive or a workbook (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "a workbook (.xls)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"par1\x15", "a Parquet file"),
    (b"%pdf-", "a PDF file"),
    (b"<?xml", "XML"),
    (b"<!doctype", "HTML"),
    (b"<html", "HTML"),
)
_NUL: Final = "\x00"
_SHOWS: Final = 32
_JOINTS: Final = re.compile(rf"(?:[\s_-]|{INVISIBLE.pattern})+")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LONGEST: Final = 60
_MOST: Final = 20
#: Significant digits of a number in a sentence; more where two would look the same.
_DIGITS: Final = (6, 9, 12, 15)


def text_of(content: bytes) -> str:
    """Return the text: UTF-8, or UTF-16 and UTF-32 where that is certain.

    UTF-16 without a byte order mark is certain where each of the first characters is next to
    a zero byte, on the same side of it.

    Raises:
        ValueError: it is in no such form; the message names what is wrong.
    """
    _refuse_forms(content)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    encoding = encoding or _unmarked(content) or "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} does not belong there"
        raise ValueError(f"not {encoding.upper()}: {what}; save it as UTF-8") from None
    if _NUL in text:
        line = text.count("\n", 0, text.index(_NUL)) + 1
        raise ValueError(f"line {line} holds {named(_NUL)}: save it as UTF-8 text")
    return text


def without_edges(text: str) -> str:
    """Return the text without invisible characters next to blanks, separators, quotes and ends.

    Between two letters or digits they stay: these might be one number or two.
    """

    def kept(run: re.Match[str]) -> str:
        before, after = text[max(run.start() - 1, 0) : run.start()], text[run.end() : run.end() + 1]
        return "" if _BESIDE.fullmatch(before) or _BESIDE.fullmatch(after) else run[0]

    return _RUN.sub(kept, text)


def without_type_line(text: str) -> str:
    """Return the text with an empty line for a first `#TYPE …`, as PowerShell writes it."""
    found = _TYPE_LINE.match(text)
    return text if found is None else text[: found.start()] + text[found.end() :]


def named(character: str) -> str:
    """Return how a message names a character that might not be seen."""
    name = unicodedata.name(character, "null" if character == _NUL else "a control character")
    return f"U+{ord(character):04X} ({name.lower()})"


def first_invisible(text: str) -> str | None:
    """Return the name of the first invisible character, None if there is none."""
    found = INVISIBLE.search(text)
    return named(found[0]) if found else None


def visible_text(text: str) -> str:
    """Return the text as it is displayed, its digits and signs in ASCII."""
    plain = unicodedata.normalize("NFKC", INVISIBLE.sub("", text))
    return "".join(_plain(character) for character in plain)


def _plain(character: str) -> str:
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    return "-" if unicodedata.category(character) == "Pd" or character == "\u2212" else character


def _refuse_forms(content: bytes) -> None:
    start = content[:64].lstrip().lower()
    for sign, form in _FORMS:
        if start.startswith(sign):
            raise ValueError(f"it seems to be {form}: write CSV or JSON")


def _unmarked(content: bytes) -> str | None:
    """Return which UTF-16 it is, if zero bytes show it; else None."""
    start = content[:_SHOWS]
    for encoding, zeros, letters in (
        ("utf-16-le", start[1::2], start[0::2]),
        ("utf-16-be", start[0::2], start[1::2]),
    ):
        if len(content) % 2 == 0 and zeros and not any(zeros) and all(letters):
            return encoding
    return None


def named_like(names: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the names that `name` can mean: itself, or all that are spelled like it.

    Case, blanks, `_`, `-` and invisible characters make no difference: the spelling of most
    headers is not known from a real run (studio-classic §7).

    Args:
        names: that exist.
        name: as it is written in the pipelines file.
    """
    known = tuple(names)
    if name in known:
        return (name,)
    return tuple(one for one in known if folded(one) == folded(name))


def folded(name: str) -> str:
    """Return the name of a metric or column without the characters that make no difference."""
    return _JOINTS.sub("", name).casefold() or name


def require_distinct(names: Iterable[str], what: str) -> None:
    """Refuse two names that read the same.

    Args:
        names: in their order.
        what: they are the names of.

    Raises:
        ValueError: there are two, or one holds half a character.
    """
    seen: set[str] = set()
    for name in names:
        visible = INVISIBLE.sub("", readable(name))
        if visible in seen:
            raise ValueError(f"two {what} are named {short(visible)}: rename one")
        seen.add(visible)


def readable(text: str) -> str:
    """Return the text; half a character, as JSON can escape it, fits into no record.

    Raises:
        ValueError: the text holds one.
    """
    if _SURROGATE.search(text):
        raise ValueError("not UTF-8: half a character is escaped in a text; write it whole")
    return text


def shown(texts: Sequence[str]) -> str:
    """Return the texts as a list for a message, shortened if it is long."""
    listed = [short(text) for text in texts[:_MOST]]
    more = len(texts) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed)


def short(text: str) -> str:
    """Return the text so short that it fits into a message, without keys and signatures.

    They are removed first: a part of a secret would not be recognised.
    """
    text = without_bare(without_shapes(text))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def distinguished(one: float, other: float) -> tuple[str, str]:
    """Return two numbers as texts, with as many digits as it takes to see that they differ.

    Args:
        one: a number.
        other: another one, or the same.
    """
    for digits in _DIGITS:
        rounded = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if rounded[0] != rounded[1]:
            return rounded
    return (repr(one), repr(other)) if one != other else (plain(one), plain(other))


def plain(number: float) -> str:
    """Return a number in a few digits."""
    return f"{number:.{_DIGITS[0]}g}"
