"""Blob patterns such as `census/{date}/{name}.csv`, and the wildcards of other tools.

There `*` and the like would be taken for text, and name something that does not exist.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from shared.core.blobs import RESERVED, is_folded, is_reserved
from shared.core.config.problems import WrongValueError

_ADVICE: Final = (
    "write {name}, a token that data.blob captures; a token is a name of letters, digits and _"
)
_FORMS: Final = (
    (re.compile(r"\$\{"), "app settings are not filled in here", "write the text itself"),
    (re.compile(r"@\{|@[a-z]+\(", re.IGNORECASE), "expressions are not supported here", ""),
    (re.compile(r"\(\.[*+]\)|\.[*+]|\\[dwsDWS]"), "regular expressions are not supported here", ""),
    (re.compile(r"\*"), "* stands for itself here", ""),
    (re.compile(r"<[^<>/]+>"), "holds a placeholder in <>", "replace it with your own value"),
)
#: A percent sign that encodes nothing, in a URL; `%NAME%` anywhere else.
_SETTING_IN_URL: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SETTING: Final = re.compile(r"%[A-Za-z_][A-Za-z0-9_]*%")
_NO_SETTING: Final = "%NAME% is not replaced by a setting here"
#: `${NAME}` is an app setting, not a token.
_TOKEN: Final = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WRITE: Final = "write {name} for a part that varies; a token never crosses a /"
#: What other tools write, which would be taken for text here and match nothing.
_FOREIGN: Final = (
    (
        re.compile(r"\$\{"),
        "app settings are not put into patterns",
        "write the text itself, or a {token}",
    ),
    (re.compile(r"^[a-z]+://", re.IGNORECASE), "this is a URL", "start below the container"),
    (
        re.compile(r"\*\*"),
        "** does not stand for folders here",
        "write a {token} for each of them, as {folder}/{name}; a token never crosses a /",
    ),
    (
        re.compile(r"\([^()]*[*+?|\\][^()]*\)|\\[dwsDWS.]|\[[^\]/]*\]|^\^|\$$|\.[*+]"),
        "regular expressions are not supported here",
        _WRITE,
    ),
    (re.compile(r"[*?]"), "* and ? are not supported here", _WRITE),
    (
        re.compile(r"%[A-Za-z](?![A-Za-z])"),
        "% does not stand for a part of a date here",
        "write {date}, or {year}/{month}",
    ),
    (
        re.compile(r"%[^%/]+%"),
        "%NAME% is not replaced by a setting here",
        "write the text itself, or {name} for a part that varies",
    ),
    (re.compile(r"@\{|@[a-z]+\("), "expressions are not supported here", _WRITE),
    (re.compile(r"<[^<>/]+>"), "<name> stands for itself here", _WRITE),
    (re.compile(r"\\"), "a backslash does not separate folders here", "write /"),
)


def refuse_foreign(text: str, *, url: bool = False, tokens: bool = True) -> None:
    """Refuse a text in which a part is written to vary, unless that is a `{token}`.

    Args:
        text: a URL's path, or a name that may hold tokens.
        url: whether it is a URL's path, where `%20` stands for a blank.
        tokens: whether a token may be there.

    Raises:
        ValueError: it says what to write.
    """
    usual = _ADVICE if tokens else "write it out"
    for form, what, advice in _FORMS:
        if form.search(text):
            raise WrongValueError(what, advice or usual)
    if (_SETTING_IN_URL if url else _SETTING).search(text):
        raise WrongValueError(_NO_SETTING, usual)
    if tokens and re.search(r"[{}]", _TOKEN.sub("", text)):
        raise WrongValueError("a brace here begins or ends a {token}", _ADVICE)


def one_name(text: str) -> str:
    """Return a text that names one thing, such as an output or a file.

    Raises:
        ValueError: it is written as a pattern.
    """
    refuse_foreign(text, tokens=False)
    if re.search(r"[{}?]", text):
        raise WrongValueError("names one thing, and is not a pattern", "write the name itself")
    return text


def tokens_of(text: str) -> tuple[str, ...]:
    """Return the names of the `{tokens}` in `text`, in order, each once."""
    return tuple(dict.fromkeys(_TOKEN.findall(text)))


def checked_pattern(pattern: str) -> str:
    """Return `pattern` when it is made of text and tokens, and could match a blob.

    Raises:
        ValueError: it is written as other tools write patterns, or can match nothing; the message
            says what to write.
    """
    for form, what, advice in _FOREIGN:
        if form.search(pattern):
            raise WrongValueError(what, advice)
    if re.search(r"[{}]", _TOKEN.sub("", pattern)):
        raise ValueError("a {token} is a name of letters, digits and _ between braces")
    if pattern.endswith("/"):
        raise WrongValueError("names a folder", "write folder/{name} for the blobs in it")
    if is_folded(pattern):
        raise WrongValueError(
            "a part . or .. matches no blob", "write the path below the container"
        )
    if is_reserved(pattern):
        raise WrongValueError(
            f"blobs below {RESERVED} belong to the app, and are not data", "write another folder"
        )
    return pattern


def literal_prefix(pattern: str) -> str:
    """Return what every match starts with, to list no more blobs than needed."""
    return pattern.partition("{")[0]


def match(pattern: str, name: str) -> dict[str, str] | None:
    """Return what the tokens captured, or None when `name` does not match.

    A token stands for one or more characters of one path segment. Where a segment could be
    divided in several ways, the earlier token takes as much as it can. A token written twice
    must capture the same text twice. The uploader chooses the name, so no name may take long:
    a segment is divided in one pass, from its end.

    A segment `.` or `..` never matches: HTTP clients remove it, and reach another blob. Nor does
    a blob of the app's own.

    Args:
        pattern: the pattern of the pipeline.
        name: the name of the blob.
    """
    segments, parts = _segments_of(pattern), name.split("/")
    if len(segments) != len(parts) or is_folded(name) or is_reserved(name):
        return None
    captured: dict[str, str] = {}
    for at, pieces in segments:
        found = _divided(pieces, parts[at], captured)
        if found is None:
            return None
        captured |= found
    return captured


def fill(template: str, tokens: Mapping[str, str]) -> str:
    """Return `template` with each known `{token}` replaced; unknown ones stay as they are.

    Args:
        template: a text with tokens.
        tokens: token -> its value.
    """
    return _TOKEN.sub(lambda found: tokens.get(found[1], found[0]), template)


@lru_cache(maxsize=256)  # a pattern is matched with every name that there is
def _segments_of(pattern: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return the segments of a pattern by their places, each in pieces: text, token, text, ...

    First those with few tokens: where there is one way to divide them, they say what the same
    tokens are elsewhere.
    """
    pieces = [tuple(_TOKEN.split(segment)) for segment in pattern.split("/")]
    return tuple(sorted(enumerate(pieces), key=lambda one: len(one[1])))


def _divided(pieces: Sequence[str], part: str, known: Mapping[str, str]) -> dict[str, str] | None:
    first, *rest = pieces
    literals, tokens = [first], list[str]()
    for token, literal in zip(rest[::2], rest[1::2], strict=True):
        if token in known:
            literals[-1] += known[token] + literal
        else:
            tokens.append(token)
            literals.append(literal)
    if not tokens:
        return {} if part == "".join(literals) else None
    if not part.endswith(literals[-1]):
        return None
    end = len(part) - len(literals[-1])
    found: dict[str, str] = {}
    for at in reversed(range(len(tokens))):
        literal = literals[at]
        # One character at least is the token's own.
        start = part[: end - 1].rfind(literal) if at else 0
        value = part[start + len(literal) : end]
        if start < 0 or not value or found.setdefault(tokens[at], value) != value:
            return None
        end = start
    return found if part.startswith(literals[0]) else None
