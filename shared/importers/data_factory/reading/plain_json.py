"""Makes plain JSON of a text with comments, trailing commas and names without quotes.

It goes by tokens, so what is inside a text in quotes stays as it is: comments become blanks, names
get their quotes. It notes what it moved, so that a place in the result is one in the source.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

#: Definitions nest less than half as deep.
DEEPEST: Final = 100
_TOKEN: Final = re.compile(
    r"""
      "[^"\\]*+(?:\\.[^"\\]*+)*+"?      # a text; its end may be missing
    | '[^'\\]*+(?:\\.[^'\\]*+)*+'?
    | //[^\n]*+
    | /\*(?:[^*]++|\*(?!/))*+(?:\*/)?
    | [^\W\d][\w$-]*+ | \$[\w$-]*+      # a name, or true, false, null
    | [-+.\d][\w.+-]*+                  # a number
    | \S
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANKS: Final = frozenset(" \t\r\n")
_COLON: Final = re.compile(r"\s*+:")
_ESCAPED: Final = re.compile(r"\\(.)|\"", re.DOTALL)
_CONSTANTS: Final = frozenset({"true", "false", "null", "NaN", "Infinity"})


@dataclass(slots=True)
class PlainJson:
    """A text that the parser of the standard library reads, made token by token."""

    source: str
    mended: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)  #: where what is not closed yet begins
    crossing: list[int] = field(default_factory=list)  #: where texts over several lines begin
    too_deep: int | None = None  #: where a value begins that is nested too deep
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0
    _ends: list[int] = field(default_factory=lambda: [0])
    _shifts: list[int] = field(default_factory=lambda: [0])
    _comma: int = -1  #: which piece is the comma before this token
    _after_value: bool = False

    def read(self) -> None:
        """Read all tokens, or those up to a value that is nested too deep."""
        done = 0
        for token in _TOKEN.finditer(self.source):
            start, end = token.span()
            gap = self.source[done:start]
            if gap:
                self._add(gap if _BLANKS.issuperset(gap) else " " * len(gap), len(gap))
            self._token(token[0], start, end)
            done = end
            if self.too_deep is not None:
                return
        self._add(self.source[done:], len(self.source) - done)

    def text(self) -> str:
        """Return the text that was made."""
        return "".join(self._pieces)

    def origin(self, at: int) -> int:
        """Return where in the source something is, by where it is in the text."""
        return min(at - self._shifts[bisect_right(self._ends, at) - 1], len(self.source))

    def _token(self, token: str, start: int, end: int) -> None:
        first = token[0]
        if token.startswith(("//", "/*")) or first == "\ufeff":
            self._add(" " * len(token), len(token))
            return
        if first in "]}":
            self._close()
        elif first not in ",:" and self._after_value and self._is_comma_missing(token, start):
            self.mended.append(start)
            self._add(",", 0)
        self._comma = len(self._pieces) if first == "," else -1
        self._after_value = first not in ",:[{"
        if first in "[{":
            self._open(start)
        elif first in "\"'" and "\n" in token:
            self.crossing.append(start)
        self._add(self._written(token, end), len(token))

    def _written(self, token: str, end: int) -> str:
        first = token[0]
        if first == "'" or (first == '"' and "\\'" in token):
            inner = _ESCAPED.sub(_unescaped, token[1:].removesuffix(first))
            closed = len(token) > 1 and token.endswith(first)
            return f'"{inner}"' if closed else f'"{inner}'
        is_name = (first.isalpha() or first in "_$") and token not in _CONSTANTS
        return f'"{token}"' if is_name and _COLON.match(self.source, end) else token

    def _close(self) -> None:
        if self._comma >= 0:
            self._pieces[self._comma] = " "
        if self.opened:
            self.opened.pop()

    def _open(self, start: int) -> None:
        self.opened.append(start)
        if len(self.opened) > DEEPEST:
            self.too_deep = start

    def _is_comma_missing(self, token: str, start: int) -> bool:
        if not self.opened or not (token[0] in "\"'[{" or token[0].isalnum()):
            return False
        before = self.source[self.source.rfind("\n", 0, start) + 1 : start]
        return not before.strip()

    def _add(self, piece: str, length: int) -> None:
        self._pieces.append(piece)
        self._length += len(piece)
        if len(piece) != length:
            self._ends.append(self._length)
            self._shifts.append(self._shifts[-1] + len(piece) - length)


def _unescaped(found: re.Match[str]) -> str:
    """Return an escape as JSON has it, and a quote inside quotes of the other kind with one."""
    if found[0] == '"':
        return '\\"'
    return found[1] if found[1] == "'" else found[0]


def place(text: str, at: int) -> tuple[int, int]:
    """Return line and column of a place in a text, both from 1.

    Args:
        text: of the file.
        at: the place, in characters from its beginning.
    """
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
