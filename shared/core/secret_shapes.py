"""Finds signatures and keys in text by their shape, without knowing their values.

A service may answer with a signature that another process drew, before a restart or on
another host, so no list of values can hold it. A signature is found next to its name, in the
spellings of URLs, JSON and headers, percent-encoded up to three times; and by itself where it
is the base64 of 32 bytes (a storage signature) or of 64 bytes (an account key).

Each expression takes time only by the length of the text: no two repetitions that are
side by side can match the same character, and each run is begun at its start only. `re` compiles
an expression when it is first used, since they are long and a text seldom needs all of them.
"""

import re
from collections.abc import Callable
from typing import Final

HIDDEN: Final = "***"


def _encoded(*codes: str) -> str:
    """Return an expression for characters as percent-encoding, JSON or HTML write them."""
    some = "|".join(codes)
    return rf"(?:%(?:25){{0,3}}(?:{some})|\\{{1,4}}u00(?:{some})|&#x(?:{some});)"


#: Blanks and quotes that may be around what joins a name and its value. Nothing of it is
#: given back once it is taken (`*+`), so that no text can have it tried in many ways.
_BLANK: Final = rf"[\s\"'+]|&quot;|{_encoded('20', '22', '27')}|\\(?!\\{{0,3}}u00)"
_JOINED: Final = rf"[=:]|&#61;|&equals;|{_encoded('3D', '3A')}"
_JOINT: Final = rf"(?:{_BLANK})*+(?:{_JOINED})(?:{_BLANK}|{_JOINED}|>)*+"
_APART: Final = rf"(?:{_BLANK}|{_JOINED})++"
#: Where a word begins: after what is not a letter, or after a character that is written encoded.
_START: Final = (
    r"(?:(?<![A-Za-z])|(?<=%[2-5][0-9A-F])|(?<=%25[2-5][0-9A-F])|(?<=\\u00[2-5][0-9A-F]))"
)
#: One character of base64, of either alphabet, as it is or encoded.
_DIGIT: Final = (
    r"(?:[A-Za-z0-9+/_-]|%(?:25){0,3}2[BbFf]|\\{1,4}u002[BbFf]|\\{1,4}/|&#(?:43|47|x2[BbFf]);)"
)
_PAD: Final = r"(?:=|%(?:25){0,3}3[Dd]|\\{1,4}u003[Dd]|&#(?:61|x3[Dd]);)"
#: A signature, or an account key, in which a form made a blank of each `+`.
_BLANKS: Final = rf"(?:(?:{_DIGIT}|[ ]){{43}}|(?:{_DIGIT}|[ ]){{86}}{_PAD}){_PAD}"
_VALUE: Final = rf"(?:{_BLANKS}|(?:[^\s\"'<>&;,(){{}}\[\]|]|&#(?:43|47|61|x2[BF]|x3D);)+)"
_NAMED: Final = rf"(?i)({_START}sig{_JOINT}){_VALUE}"
_KEYED: Final = (
    rf"(?i)((?:AccountKey|SharedAccessKey|SharedAccessSignature){_JOINT})"
    rf"(?:{_BLANKS}|[^\s\"'<>;,(){{}}\[\]|]+)"
)
#: Words that also occur in sentences: what follows must be as long as a key.
_WORDY: Final = (
    rf"(?i)({_START}(?:signature|(?:primary|secondary|api|access)[ _-]?key|client_?secret|"
    rf"authorization|x-functions-key){_JOINT})[^\s\"'<>&;,(){{}}\[\]|]{{16,}}"
)
_BEARER: Final = rf"(?i)({_START}Bearer{_APART})[^\s\"'<>;,]+"
_BASIC: Final = rf"(?i)({_START}Basic{_APART})[A-Za-z0-9+/_=%-]{{16,}}"
_SHARED: Final = rf"(?i)(SharedKey(?:Lite)?{_APART}[A-Za-z0-9_-]{{1,80}}{_JOINT})[^\s\"'<>;,]+"
#: A token of JSON, as RFC 7519 has it.
_JWT: Final = (
    r"(?:(?<![A-Za-z0-9_-])|(?<=%[2-5][0-9A-Fa-f]))eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+){1,4}"
)
#: Tokens of services that begin with letters of their own.
_ISSUED: Final = (
    r"(?<![A-Za-z0-9])(?:gh[opsur]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|"
    r"glpat-[A-Za-z0-9_-]{16,}|(?:xox[a-z]|xapp)-[A-Za-z0-9-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|"
    r"AIza[A-Za-z0-9_-]{30,})|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/_-]+"
)
_ISSUERS: Final = (
    "gh",
    "github_pat_",
    "glpat-",
    "xox",
    "xapp-",
    "akia",
    "asia",
    "aiza",
    "hooks.slack",
)
_ALONE: Final = r"(?:(?<![A-Za-z0-9])|(?<=%[2-5][0-9A-Fa-f])|(?<=\\u00[2-5][0-9A-Fa-f]))"
#: The last digit of 32 bytes ends with two bits that are zero, that of 64 bytes with four.
_BASE64: Final = (
    rf"{_ALONE}{_DIGIT}{{42}}(?:[AEIMQUYcgkosw048]{_PAD}|{_DIGIT}{{43}}[AQgw]{_PAD}{{2}})"
    r"(?![A-Za-z0-9=])"
)
#: Where a URL may be, its query, and what makes that a signed one.
_WORD: Final = r"[^\s\"'<>]+"
_QUERY: Final = r"(?i)\?|%(?:25){0,3}3F|\\{1,4}u003F"
_SIGNED: Final = rf"(?i){_START}(?:sig|signature|x-amz-signature)(?:=|{_encoded('3D')})"


#: What a text must hold to be worth a search, in small letters; most texts hold none of it.
_SEARCHES: Final = (
    ("sig", (_NAMED,)),
    ("key", (_KEYED, _SHARED)),
    ("sharedaccess", (_KEYED,)),
    ("bearer", (_BEARER,)),
    ("basic", (_BASIC,)),
)
_WORDY_PARTS: Final = ("key", "secret", "signature", "authorization")
_PADS: Final = ("=", "3d", "#61")


def without_shapes(text: str) -> str:
    """Return `text` without signatures, account keys, bearer tokens and signed queries."""
    small = text.lower()
    for part, patterns in _SEARCHES:
        if part in small:
            for pattern in patterns:
                text = re.sub(pattern, _behind_its_name, text)
    if "sig" in small:
        text = re.sub(_WORD, _without_query, text)
    if any(part in small for part in _WORDY_PARTS):
        text = re.sub(_WORDY, _behind_its_name, text)
    if any(part in small for part in _ISSUERS):
        text = re.sub(_ISSUED, HIDDEN, text)
    return re.sub(_JWT, HIDDEN, text) if "eyj" in small else text


def without_bare(text: str) -> str:
    """Return `text` without values that have the shape of a signature or an account key."""
    padded = any(pad in text.lower() for pad in _PADS)
    return re.sub(_BASE64, _unless_a_word, text) if padded else text


def _behind_its_name(found: re.Match[str]) -> str:
    return f"{found[1]}{HIDDEN}"


def _unless_a_word(found: re.Match[str]) -> str:
    """Keep what a path or a sentence may be: random bytes have capitals and small letters."""
    value = found[0]
    random = value != value.lower() and value != value.upper()
    return HIDDEN if random else value


def _without_query(found: re.Match[str]) -> str:
    word = found[0]
    query = re.search(_QUERY, word)
    if query is None or re.compile(_SIGNED).search(word, query.start()) is None:
        return word
    return f"{word[: query.start()]}?{HIDDEN}"


Cleaner = Callable[[str], str]
"""Returns a text without secrets."""
