"""Reads scalars by YAML 1.2's core schema: what is written is what is meant, or it is refused.

`true`, `false`, `null` and numbers in JSON's form are those; all else is text, as `NO`, `yes`
and `12:30:45`. What the schema takes for a number, a truth or nothing, but would be written
back otherwise, is refused: `01234`, `1.10`, `1e3`, `True`, `~`.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final, Self

import yaml

from shared.core.evaluation.gate import Rule

KeyPath = tuple[str | int, ...]
TAG: Final = "tag:yaml.org,2002:"
_LONGEST_NUMBER: Final = 40
_JSON_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS: Final = {"true": True, "false": False, "null": None, "": None}
_QUOTE: Final = "quote it if it is a text"
#: What the core schema takes for something else than text, by what it begins with.
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


class Misread(str):
    """A scalar that would be taken for something else than what is written."""

    __slots__ = ("cure", "what")

    def __new__(cls, text: str, what: str, cure: str) -> Self:
        """Return the text as it is written, with what is wrong with it and the cure."""
        made = super().__new__(cls, text)
        made.what, made.cure = what, cure
        return made

    what: str
    cure: str

    def __deepcopy__(self, _: object) -> Self:
        """Return itself: a text never changes."""
        return self


def resolve_by_core(loader: type[yaml.SafeLoader]) -> None:
    """Have a loader give plain scalars their tags by YAML 1.2's core schema."""
    loader.yaml_implicit_resolvers = {}
    for kind, form, begins in _CORE:
        loader.add_implicit_resolver(f"{TAG}{kind}", re.compile(rf"(?:{form})\Z"), list(begins))


def scalar(kind: str, text: str) -> Any:
    """Return the value of a scalar that is no text.

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
    return Misread(text, "a number that would not be written back as it stands", _QUOTE)


def misread(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Misread]]:
    """Yield each scalar of a pipeline that is refused, with its path.

    A bound of a rule is a number however it is written: it is put in its place.
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
    """Return the number that a bound of a rule is; None: it is none, or stands elsewhere."""
    match path:
        case ("gate", "rules", int(), str(key)) if key in _BOUNDS and _JSON_NUMBER.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else None
    return None
