"""Compares and shows the names of metrics and columns."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shared.core.evaluation.text import INVISIBLE
from shared.core.secret_shapes import without_bare, without_shapes

_JOINTS: Final = re.compile(rf"(?:[\s_-]|{INVISIBLE.pattern})+")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LONGEST: Final = 60
_MOST: Final = 20


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
        looks = INVISIBLE.sub("", readable(name))
        if looks in seen:
            raise ValueError(f"two {what} are named {short(looks)}: rename one")
        seen.add(looks)


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
