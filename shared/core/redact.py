"""Takes secrets out of text that came from elsewhere, before anyone keeps or shows it."""

import re
from typing import Final

_HIDDEN: Final = "***"
_SIGNED: Final = re.compile(r"\?[^\s\"'<>]*\bsig=[^\s\"'<>]*", re.IGNORECASE)
_SIGNATURE: Final = re.compile(r"(?<![A-Za-z])(sig=)[^&\s\"'<>]+", re.IGNORECASE)
_KEYED: Final = re.compile(
    r"(AccountKey=|SharedAccessSignature=|Bearer\s+)[^;\s\"'<>]+", re.IGNORECASE
)


def redact(text: str, *secrets: str) -> str:
    """Return `text` without signatures, keys, bearer tokens and the given `secrets`."""
    for secret in filter(None, secrets):
        text = text.replace(secret, _HIDDEN)
    text = _SIGNED.sub(f"?{_HIDDEN}", text)
    text = _SIGNATURE.sub(rf"\1{_HIDDEN}", text)
    return _KEYED.sub(rf"\1{_HIDDEN}", text)
