"""Reads the expressions of version 1 (`$$…`), of version 2 (`@…`, `@{…}`) and of templates (`[…]`).

The grammar has six kinds of tokens, and all of them share it, so it is read by hand: a parser
library would be one more dependency for what fits on a page, and its errors would have to be
translated. An expression may come from anywhere: its length and depth are bounded.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from shared.core.counting import counted

MOST_CHARACTERS: Final = 10_000  #: as the pipelines file allows for a text
_MOST_DEPTH: Final = 40
_BLANKS: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?![\w.])")
_NAME: Final = {1: re.compile(r"[A-Za-z_][\w.]*"), 2: re.compile(r"[A-Za-z_]\w*")}
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_MEMBER: Final = re.compile(r"\s*\??\.\s*([A-Za-z_][\w-]*)")
_INDEX: Final = re.compile(r"\s*\??\[")


class UnresolvedError(Exception):
    """An expression has no value here; the message says why, and quotes none of its texts."""


class SecretError(UnresolvedError):
    """An expression stands for a secret, or for a text that holds one."""

    def __init__(self) -> None:
        """Say so, without the secret."""
        super().__init__("it is a secret, or holds one")


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, a number, true, false or null."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A variable of version 1, such as `SliceStart`."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments, such as `Time.AddHours(…)` or `concat(…)`."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Member:
    """What another expression has below a key: `….name` or `…['name']`."""

    of: "Node"
    key: "Node"


Node = Constant | Name | Call | Member


class Parser:
    """Reads one expression from a text, and remembers where it ended."""

    def __init__(
        self, text: str, version: Literal[1, 2], at: int = 0, most: int = MOST_CHARACTERS
    ) -> None:
        """Begin to read.

        Args:
            text: that holds the expression.
            version: of Data Factory, whose names and quotes differ; templates have those of 2.
            at: where the expression begins.
            most: how many characters the text may have.

        Raises:
            UnresolvedError: the text is too long.
        """
        if len(text) > most:
            raise UnresolvedError(f"it is longer than {counted(most, 'character')}")
        self.text, self.at = text, at
        self._first = version == 1
        self._name = _NAME[version]
        self.loose_quotes = False  #: whether a quote within a text was not escaped
        self._depth = 0

    def expression(self) -> Node:
        """Return the expression at the present place.

        Raises:
            UnresolvedError: there is none, or it is nested too deeply.
        """
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UnresolvedError("it is nested too deeply")
        self._skip_blanks()
        node = self._members(self._primary())
        self._depth -= 1
        return node

    def took(self, sign: str) -> bool:
        """Whether the next sign, after blanks, is this one; if so it is passed.

        Args:
            sign: one character.
        """
        self._skip_blanks()
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def at_end(self) -> bool:
        """Whether nothing but blanks is left."""
        self._skip_blanks()
        return self.at == len(self.text)

    def _skip_blanks(self) -> None:
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _primary(self) -> Node:
        if self.took("'"):
            return Constant(self._quoted())
        if (number := _NUMBER.match(self.text, self.at)) is not None:
            self.at = number.end()
            digits = number[0]
            return Constant(float(digits) if "." in digits else int(digits))
        if (name := self._name.match(self.text, self.at)) is None:
            raise UnresolvedError("it is not complete, or not written as Data Factory writes it")
        self.at = name.end()
        if self.took("("):
            return Call(name[0], self._arguments())
        if name[0].lower() in _CONSTANTS:
            return Constant(_CONSTANTS[name[0].lower()])
        if self._first:
            return Name(name[0])
        raise UnresolvedError("a name in it is neither a function nor a constant")

    def _arguments(self) -> tuple[Node, ...]:
        found: list[Node] = []
        if self.took(")"):
            return ()
        while True:
            found.append(self.expression())
            if self.took(")"):
                return tuple(found)
            if not self.took(","):
                raise UnresolvedError("a bracket in it is not closed")

    def _members(self, node: Node) -> Node:
        while not self._first:
            if (member := _MEMBER.match(self.text, self.at)) is not None:
                self.at = member.end()
                node = Member(node, Constant(member[1]))
            elif (index := _INDEX.match(self.text, self.at)) is not None:
                self.at = index.end()
                node = Member(node, self.expression())
                if not self.took("]"):
                    raise UnresolvedError("a bracket in it is not closed")
            else:
                break
        return node

    def _quoted(self) -> str:
        """Return the text up to its closing quote; the opening one was passed."""
        found: list[str] = []
        while (end := self.text.find("'", self.at)) >= 0:
            before = self.text[self.at : end]
            self.at = end + 1
            if not self._first and self.text.startswith("'", self.at):
                found += [before, "'"]
                self.at += 1
            elif self._first and before.endswith("\\"):
                found += [before.rstrip("\\"), "'"]
            elif self._first and not self._closes():
                found += [before, "'"]
                self.loose_quotes = True
            else:
                return "".join((*found, before))
        raise UnresolvedError("a quote in it is not closed")

    def _closes(self) -> bool:
        """Whether a quote of version 1, just passed, closes its text: `,` or `)` follows."""
        after = _BLANKS.match(self.text, self.at)
        at = after.end() if after else self.at
        return at == len(self.text) or self.text[at] in ",)"


def whole(
    text: str, version: Literal[1, 2], at: int = 0, most: int = MOST_CHARACTERS
) -> tuple[Node, Parser]:
    """Return the expression that a text is from `at` to its end, and its parser.

    Args:
        text: that holds it.
        version: of Data Factory.
        at: where it begins.
        most: how many characters the text may have.

    Raises:
        UnresolvedError: the text is something else.
    """
    parser = Parser(text, version, at, most)
    node = parser.expression()
    if not parser.at_end():
        raise UnresolvedError("something follows its end")
    return node, parser


def interpolated(text: str) -> list[str | Node]:
    """Return the parts of a text of version 2: literals, and the expressions in its `@{…}`.

    Args:
        text: in which `@@{` stands for `@{`.

    Raises:
        UnresolvedError: an expression is not complete, or not closed.
    """
    parts: list[str | Node] = []
    at = 0
    while (found := text.find("@{", at)) >= 0:
        if found > at and text[found - 1] == "@":
            parts.append(text[at : found - 1] + "@{")
            at = found + 2
            continue
        parser = Parser(text, 2, found + 2)
        parts += [text[at:found], parser.expression()]
        if not parser.took("}"):
            raise UnresolvedError("an expression in it is not closed with }")
        at = parser.at
    return [part for part in (*parts, text[at:]) if part != ""]
