"""Takes secrets out of text that came from elsewhere, before anyone keeps or shows it."""

import json
import re
from typing import Final
from urllib.parse import quote

_HIDDEN: Final = "***"
#: Where a URL may stand. Each expression here takes time by the length of the text alone.
_WORD: Final = re.compile(r"[^\s\"'<>]+")
_QUERY: Final = re.compile(r"\?|%3F", re.IGNORECASE)
_SIGNATURE: Final = re.compile(
    r"((?:(?<![A-Za-z])|(?<=%3F))sig(?:=|%3D))[^&\s\"'<>]+", re.IGNORECASE
)
_KEYED: Final = re.compile(
    r"(AccountKey=|SharedAccessSignature=|Bearer\s+)[^;\s\"'<>]+", re.IGNORECASE
)
#: Shorter values are words; hiding them would tear the text without hiding anything.
_SHORTEST: Final = 4


def redact(text: str, *secrets: str) -> str:
    """Return `text` without signatures, keys, bearer tokens and the given `secrets`.

    A secret is found as it is and in the forms that a URL or JSON gives it.
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            for form in _forms(secret):
                text = text.replace(form, _HIDDEN)
    text = _WORD.sub(lambda word: _without_query(word[0]), text)
    text = _SIGNATURE.sub(rf"\1{_HIDDEN}", text)
    return _KEYED.sub(rf"\1{_HIDDEN}", text)


def _without_query(word: str) -> str:
    """Return `word` without its query, where that is signed."""
    query = _QUERY.search(word)
    if query is None or _SIGNATURE.search(word, query.start()) is None:
        return word
    return f"{word[: query.start()]}?{_HIDDEN}"


def _forms(secret: str) -> set[str]:
    in_json = json.dumps(secret)[1:-1]
    in_url = quote(secret, safe="")
    return {secret, in_url, in_url.lower(), quote(secret), in_json, in_json.replace("/", "\\/")}


def one_line(text: str) -> str:
    """Return `text` with what cannot be printed shown as an escape, so that it stays one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
