"""Blob patterns such as `census/{date}/{name}.csv`: matching, and filling in what was captured."""

import re
from collections.abc import Mapping
from typing import Final

#: `${NAME}` is an app setting, not a token.
_TOKEN: Final = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")


def tokens_of(text: str) -> tuple[str, ...]:
    """Return the names of the `{tokens}` in `text`, in order, each once."""
    return tuple(dict.fromkeys(_TOKEN.findall(text)))


def checked_pattern(pattern: str) -> str:
    """Return `pattern` when every brace in it belongs to a token.

    Raises:
        ValueError: it holds a brace that opens or closes no token.
    """
    if re.search(r"[{}]", _TOKEN.sub("", pattern)):
        raise ValueError("a {token} is a name of letters, digits and _ between braces")
    return pattern


def literal_prefix(pattern: str) -> str:
    """Return what every match starts with, to list no more blobs than needed."""
    first = _TOKEN.search(pattern)
    return pattern if first is None else pattern[: first.start()]


def match(pattern: str, name: str) -> dict[str, str] | None:
    """Return what the tokens captured, or None when `name` does not match.

    A token stands for one or more characters of one path segment; a token written twice
    must capture the same text twice.
    """
    found = _compiled(pattern).fullmatch(name)
    return None if found is None else dict(found.groupdict())


def fill(template: str, tokens: Mapping[str, str]) -> str:
    """Return `template` with each known `{token}` replaced; unknown ones stay as they are."""
    return _TOKEN.sub(lambda found: tokens.get(found[1], found[0]), template)


def _compiled(pattern: str) -> re.Pattern[str]:
    built, seen, at = [], set[str](), 0
    for found in _TOKEN.finditer(pattern):
        name = found[1]
        built.append(re.escape(pattern[at : found.start()]))
        built.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
        seen.add(name)
        at = found.end()
    built.append(re.escape(pattern[at:]))
    return re.compile("".join(built), re.DOTALL)  # names may hold line breaks; re caches
