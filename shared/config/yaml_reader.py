"""Reads YAML within bounds, by YAML 1.2's core schema: nothing is guessed.

`true`, `false`, `null` and numbers in JSON's form are those; all else is text, as `NO`, `yes`
and `12:30:45`. What the schema takes for a number, a truth or nothing, but would be written
back otherwise, is refused: `01234`, `1.10`, `1e3`, `True`, `~`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import yaml

from shared.core.config.gate_rule import Rule

KeyPath = tuple[str | int, ...]
TAG: Final = "tag:yaml.org,2002:"
_LONGEST_NUMBER: Final = 40
_JSON_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS: Final = {"true": True, "false": False, "null": None, "": None}
_QUOTE: Final = "quote it if it is a text"
#: What the core schema takes for something else than text, by its beginning.
_CORE: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        (
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
)
#: Keys of a rule whose values are numbers and nothing else: there 0.80 can mean but 0.8.
_BOUNDS: Final = frozenset(
    name for name, field in Rule.model_fields.items() if "float" in str(field.annotation).lower()
)
#: Bytes of the pipelines file; one pipeline takes one or two thousand.
#: Values and keys as they are written, and once aliases are expanded.
_MOST_WRITTEN: Final = 20_000
_MOST_EXPANDED: Final = 50_000
_MOST_CHARACTERS: Final = 1_000_000
_DEEPEST: Final = 30
_LONGEST_TEXT: Final = 10_000
_SCALARS: Final = {f"{TAG}{kind}": kind for kind in ("int", "float", "bool", "null")}


class Misread(str):
    """A scalar that would be taken for something else than the written text."""

    __slots__ = ("advice", "what")

    def __new__(cls, text: str, what: str, advice: str) -> Self:
        """Return the text as it is written, with its problem and the advice."""
        made = super().__new__(cls, text)
        made.what, made.advice = what, advice
        return made

    what: str
    advice: str

    def __deepcopy__(self, _: object) -> Self:
        """Return itself: a text never changes."""
        return self


def resolve_by_core(loader: type[yaml.SafeLoader]) -> None:
    """Have a loader give plain scalars their tags by YAML 1.2's core schema."""
    loader.yaml_implicit_resolvers = {}
    for kind, form, begins in _CORE:
        loader.add_implicit_resolver(f"{TAG}{kind}", re.compile(rf"(?:{form})\Z"), list(begins))


def scalar(kind: str, text: str) -> Any:
    """Return the value of a scalar that is not a text.

    Args:
        kind: `bool`, `null`, `int` or `float`, by its tag.
        text: as it is written.
    """
    if kind in ("bool", "null"):
        if text in _WORDS and (kind == "bool") is isinstance(_WORDS[text], bool):
            return _WORDS[text]
        return Misread(
            text, "a word that YAML readers differ on", f"write true, false or null, or {_QUOTE}"
        )
    if len(text) > _LONGEST_NUMBER:
        return Misread(text, f"a number of more than {_LONGEST_NUMBER} digits", _QUOTE)
    if _JSON_INTEGER.fullmatch(text) and str(int(text)) == text:
        return int(text) if kind == "int" else float(text)
    if kind == "float" and _JSON_NUMBER.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return Misread(text, "a number that would not be written back as it is", _QUOTE)


def misread(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Misread]]:
    """Yield each scalar of a pipeline that is refused, with its path.

    A bound of a rule is a number however it is written: the number replaces the text.
    """
    pairs = (
        enumerate(node)
        if isinstance(node, list)
        else list(node.items())
        if isinstance(node, dict)
        else ()
    )
    for key, value in pairs:
        here = (*path, key)
        if not isinstance(value, Misread):
            yield from misread(value, here)
        elif (bound := _bound(here, value)) is not None:
            node[key] = bound
        else:
            yield here, value


def _bound(path: KeyPath, text: Misread) -> float | None:
    """Return the number that a bound of a rule is; None: it is none, or is elsewhere."""
    match path:
        case ("gate", "rules", int(), str(key)) if key in _BOUNDS and _JSON_NUMBER.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else None
    return None


class Loader(yaml.SafeLoader):
    """Composes one document, and gives up as soon as a bound is reached."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._written = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node.

        Raises:
            ValueError: there are too many, or they are nested too deeply.
        """
        self._written += 1
        self._depth += 1
        if self._written > _MOST_WRITTEN:
            raise ValueError(f"it holds more than {_MOST_WRITTEN} keys and values")
        if self._depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def root(self) -> yaml.Node | None:
        """Return the one document of the text, small enough to be expanded.

        Raises:
            yaml.YAMLError, ValueError: it is not YAML, or beyond a bound.
        """
        node: yaml.Node | None = self.get_single_node()
        if node is not None:
            _Sizes().of(node)
        return node

    def plain(self, node: yaml.Node) -> Any:
        """Return the content of a node as dictionaries, lists and scalars.

        Keys are texts as they are written. Scalars are read by `config_scalars`.

        Raises:
            yaml.YAMLError, ValueError: it holds what a configuration cannot hold.
        """
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            return {key.value: self.plain(value) for key, value in self.pairs(node)}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            return [self.plain(value) for value in node.value]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise ValueError(f"line {line_of(node)}: a tag that is not plain YAML")

    def pairs(self, node: yaml.MappingNode) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        """Return the keys and values of a mapping, with those that it merges.

        Raises:
            yaml.YAMLError, ValueError: a key is not a word, or `<<` merges what is not a mapping.
        """
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {line_of(key)}: a key must be a word")  # noqa: TRY004 -- the file's fault
        self.flatten_mapping(node)
        merged: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {line_of(key)}: a key must be a word")  # noqa: TRY004 -- as above
            merged[key.value] = (key, value)  # what it merges comes first
        return list(merged.values())

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        line = f"line {line_of(node)}"
        if len(node.value) > _LONGEST_TEXT:
            raise ValueError(f"{line}: a text of more than {_LONGEST_TEXT} characters")
        if not _is_text(node.value):
            raise ValueError(f"{line}: half a character")
        if node.tag == f"{TAG}str":
            return node.value
        if node.tag not in _SCALARS:
            raise ValueError(f"{line}: a tag that is not plain YAML")
        return scalar(_SCALARS[node.tag], node.value)


resolve_by_core(Loader)


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a node is once aliases are expanded."""

    nodes: int
    characters: int
    height: int


class _Sizes:
    """Measures each node once, however many aliases name it."""

    def __init__(self) -> None:
        self._known: dict[int, _Size | None] = {}  #: by identity; None: being measured

    def of(self, node: yaml.Node) -> _Size:
        """Return the size of a node.

        Raises:
            ValueError: it is too large, or holds itself.
        """
        if (name := id(node)) in self._known:
            known = self._known[name]
            if known is None:
                raise ValueError(f"line {line_of(node)}: an alias is inside what it names")
            return known
        self._known[name] = None
        nodes, characters, height = 1, 0, 1
        if isinstance(node, yaml.ScalarNode):
            characters = len(node.value)
        for child in _children(node):
            size = self.of(child)
            nodes, characters = nodes + size.nodes, characters + size.characters
            height = max(height, size.height + 1)
            if nodes > _MOST_EXPANDED or characters > _MOST_CHARACTERS:
                raise ValueError(
                    f"line {line_of(node)}: aliases make it larger than {_MOST_EXPANDED} keys and "
                    f"values, or {_MOST_CHARACTERS} characters"
                )
        if height > _DEEPEST:
            raise ValueError(f"line {line_of(node)}: it is nested too deeply")
        found = self._known[name] = _Size(nodes, characters, height)
        return found


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def line_of(node: yaml.Node) -> int:
    """Return the line that a node begins at, as people count them."""
    return int(node.start_mark.line) + 1


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def where_it_breaks(exc: Exception) -> str:
    """Return where and why the text cannot be read, without repeating any of its content."""
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem_mark is not None:
        line = f"line {exc.problem_mark.line + 1}"
        if isinstance(exc, yaml.composer.ComposerError):  # its text repeats what follows the *
            return f"{line}: {_not_composed(exc)}"
        known = not isinstance(exc, yaml.constructor.ConstructorError)
        return f"{line}: {exc.problem if known else 'a tag or value that is not plain YAML'}"
    if isinstance(exc, yaml.YAMLError):
        return "it holds characters that are not allowed in YAML"
    return str(exc) if isinstance(exc, ValueError) else "it holds a key that is not a word"


def _not_composed(exc: yaml.composer.ComposerError) -> str:
    if str(exc.problem).startswith("found undefined alias"):
        return "an alias that stands for nothing: quote a value that begins with *"
    if str(exc.context).startswith("expected a single document"):
        return "a second document begins: remove the line ---"
    return "an anchor of this name is written above already: rename one"
