"""Redacts every text from outside before it is stored, shown or logged."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel

from shared.core.secret_shapes import HIDDEN, without_bare, without_shapes

T = TypeVar("T")

#: Shorter values are words; hiding them would tear the text without hiding anything.
_SHORTEST: Final = 4
#: Shorter values are found as a word of their own only, not inside of an id or a number.
_SURE: Final = 8
#: What a name must hold to be the name of a secret.
_SURE_IN_A_NAME: Final = 16
_ANCHOR: Final = 8
_FEW: Final = 64
#: The most secrets that are known; the oldest of those learned is dropped first.
_MOST: Final = 20_000
_LONGEST: Final = 16 * 1024
#: Texts that were redacted, and their length: most are read again and again.
_MOST_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 200
_OURS: Final = "runs/"
_DEEPEST: Final = 60
#: Most members of a value hold no text.
_TEXTLESS: Final = frozenset({type(None), bool, int, float, datetime, timedelta})
_COLLECTIONS: Final = frozenset({list, tuple, set, frozenset})
_WORDS: Final = frozenset({"true", "false", "null", "none", "error", "code", "message"})
_MEMBERS: Final = ("accountkey", "sharedaccesskey", "sharedaccesssignature", "sig")
_RUN: Final = re.compile(r"[A-Za-z0-9]{8}")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_SECRET_NAME: Final = re.compile(
    r"(?:KEY|KEYS|SECRET|SECRETS|TOKEN|PASSWORD|PASSWD|PWD|SAS|SIGNATURE|IDENTITY_HEADER|"
    r"CONNECTION_?STRING)\d*\Z",
    re.IGNORECASE,
)


class Redactor:
    """Redacts texts: secrets that are known by value, and signatures by shape.

    Safe to use from several threads at once.

    Args:
        secrets: values that must stay out of every text.
        public: values that the pipelines file says in clear, so that hiding them hides nothing.
    """

    def __init__(self, *secrets: str, public: frozenset[str] = frozenset()) -> None:
        self._public = public
        self._known: dict[str, None] = {}
        self._texts: dict[str, str] = {}  #: without secrets, by what they were
        self._anchored: dict[str, dict[str, None]] = {}
        self._loose: dict[str, None] = {}
        self._lasting: frozenset[str] = frozenset()
        self.learn(*secrets)
        self._lasting = frozenset(self._known)

    def learn(self, *secrets: str) -> None:
        """Redact these values, and the keys in those that are connection strings."""
        for secret in secrets:
            if secret not in self._known:
                for part in _parts(secret):
                    self._add(part)
                    self._add(part.strip())  # a service may repeat it without a line's end

    def learn_from_service(self, *keys: str) -> None:
        """Redact keys that a service answered with.

        What is shorter than any key, or a path of ours, is not kept: a service could else have
        the app hide from itself what it must compare.
        """
        self.learn(*(key for key in keys if len(key) >= _SURE and _OURS not in key))

    def text(self, text: str) -> str:
        """Return `text` without secrets; a plain number is kept, unless it is one."""
        if len(text) > _LONGEST_REMEMBERED:
            return self._text(text)
        texts = self._texts  # a secret that is learned meanwhile has another one begun
        found = texts.get(text)
        if found is None:
            if len(texts) >= _MOST_REMEMBERED:
                self._texts = texts = {}
            found = texts[text] = self._text(text)
        return found

    def _text(self, text: str) -> str:
        if _NUMBER.fullmatch(text):
            return HIDDEN if len(text) >= _SURE and text in self._known else text
        return without_shapes(self.known(text))

    def known(self, text: str) -> str:
        """Return `text` without known values and bare signatures; no name makes it lose more.

        For what is read as CSV or JSON afterwards: a metric may be named like a signature.
        """
        for secret in self._candidates(text):
            text = _pattern(secret).sub(HIDDEN, text)
        return without_bare(text)

    def publish(self, words: Iterable[str]) -> None:
        """Keep words that the changed pipelines file says in clear."""
        new = frozenset(words) - self._public
        self._public |= new
        for word in new:
            self._forget(word)

    def is_public(self, word: str) -> bool:
        """Whether the pipelines file or a setting says this word in clear."""
        return word in self._public

    def names_secret(self, name: str) -> bool:
        """Whether a name that the app must keep as it is, as that of a blob, holds a secret."""
        found = (one for one in self._candidates(name) if len(one) >= _SURE_IN_A_NAME)
        plain = unquote(name)
        return any(_pattern(one).search(name) for one in found) or without_bare(plain) != plain

    def clean(self, value: T, keep: tuple[type, ...] = ()) -> T:
        """Return `value` with every text in it redacted: fields, members, items and keys.

        Args:
            value: a text, or anything made of dataclasses, models, mappings and sequences.
            keep: types whose values stay as they are.
        """
        cleaned: T = self._cleaned(value, keep, 0)
        return cleaned

    def _add(self, secret: str) -> None:
        if (
            secret in self._known
            or not _SHORTEST <= len(secret) <= _LONGEST
            or secret.lower() in _WORDS
            or secret in self._public
        ):
            return
        if len(self._known) >= _MOST:
            self._drop_oldest()
        self._known[secret] = None
        anchors = _anchors(secret)
        if not anchors:
            self._loose[secret] = None
        for anchor in anchors:
            self._anchored.setdefault(anchor, {})[secret] = None
        self._texts = {}

    def _drop_oldest(self) -> None:
        self._forget(next((one for one in list(self._known) if one not in self._lasting), ""))

    def _forget(self, known: str) -> None:
        self._known.pop(known, None)
        self._loose.pop(known, None)
        for anchor in _anchors(known):
            self._anchored.get(anchor, {}).pop(known, None)
        self._texts = {}

    def _candidates(self, text: str) -> list[str]:
        """Return the secrets that may be in `text`, the longest first."""
        anchors = self._anchored
        if len(anchors) <= _FEW:
            present = [anchor for anchor in list(anchors) if anchor in text]
        else:  # by the length of the text, however many secrets are known
            windows = (text[at : at + _ANCHOR] for at in range(len(text) - _ANCHOR + 1))
            present = list({window for window in windows if window in anchors})
        found = {*self._loose, *(secret for anchor in present for secret in list(anchors[anchor]))}
        return sorted(found, key=len, reverse=True)

    def _cleaned(self, value: Any, keep: tuple[type, ...], depth: int) -> Any:
        if depth > _DEEPEST:
            return HIDDEN
        kind: Any = type(value)
        if kind is str:
            return self.text(value)
        if kind in _TEXTLESS or _is_one_of(kind, keep):
            return value
        if kind in _COLLECTIONS:
            return kind(self._cleaned(one, keep, depth + 1) for one in value)
        if members := _members_of(kind):
            changes = self._changes(value, members, keep, depth)
            return _changed(value, changes) if changes else value
        if isinstance(value, Mapping):
            pairs = value.items()
            return {
                self._cleaned(k, keep, depth + 1): self._cleaned(v, keep, depth + 1)
                for k, v in pairs
            }
        return value

    def _changes(
        self, holder: object, names: Iterable[str], keep: tuple[type, ...], depth: int
    ) -> dict[str, Any]:
        changes = {}
        for name in names:
            was = getattr(holder, name)
            now = self._cleaned(was, keep, depth + 1)
            if now is not was and now != was:
                changes[name] = now
        return changes


@lru_cache(maxsize=1024)  # asked for each member of each value
def _is_one_of(kind: type, kinds: tuple[type, ...]) -> bool:
    return issubclass(kind, kinds)


@lru_cache(maxsize=1024)
def _members_of(kind: type) -> tuple[str, ...]:
    """Return the names of the members of a model or a dataclass; none for another kind."""
    if issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    return tuple(one.name for one in fields(kind) if one.init) if is_dataclass(kind) else ()


def _changed(holder: Any, changes: Mapping[str, Any]) -> Any:
    if isinstance(holder, BaseModel):
        return holder.model_copy(update=changes)
    return replace(holder, **changes)


def redact(text: str, *secrets: str) -> str:
    """Return `text` without signatures, keys, bearer tokens and the given `secrets`.

    Args:
        text: any text.
        secrets: values that must not stay in it.
    """
    return Redactor(*secrets).text(text)


def secrets_among(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of the app settings that are secrets: by their name, or what they hold."""
    for name, value in environment.items():
        named = _SECRET_NAME.search(name) is not None and len(value) >= _SURE
        if value and (named or len(_parts(value)) > 1):
            yield value


def words_in(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, and the parts of those that are paths."""
    if isinstance(value, str):
        yield value
        yield from value.split("/")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from words_in(name)
            yield from words_in(member)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from words_in(one)


def one_line(text: str) -> str:
    """Return `text` with escapes for unprintable characters, so that it stays one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _parts(secret: str) -> list[str]:
    """Return a secret, and the keys and signatures that it holds where it is made of members."""
    members = (member.partition("=") for member in re.split(r"[;&?]", secret))
    held = [v.strip() for name, _, v in members if name.strip().lower() in _MEMBERS and v.strip()]
    whole = re.search(r"SharedAccessSignature\s*=\s*([^;]+)", secret, re.IGNORECASE)
    if whole is not None:
        held.append(whole[1].strip())
    return list(dict.fromkeys([secret, *held, *(unquote(one) for one in held)]))


def _anchors(secret: str) -> frozenset[str]:
    """Return pieces of which one is in every text that holds the secret; none, if any text may."""
    forms = (secret, *_in_base64(secret)) if len(secret) >= _SURE else (secret,)
    found = [run[0] for run in map(_RUN.search, forms) if run]
    return frozenset(found) if len(found) == len(forms) else frozenset()


@lru_cache(maxsize=4096)
def _pattern(secret: str) -> re.Pattern[str]:
    """Return what finds a secret as it is, percent-encoded, in JSON or HTML, or in base64."""
    body = secret.rstrip("=")
    pads = len(secret) - len(body) if len(body) >= _SURE else 0
    body = body if pads else secret
    written = "".join(map(_written, body)) + (f"(?:{_written('=')}){{0,{pads}}}" if pads else "")
    if len(secret) < _SURE:
        return re.compile(rf"(?<![A-Za-z0-9]){written}(?![A-Za-z0-9])")
    return re.compile("|".join((written, *map(re.escape, _in_base64(secret)))))


def _written(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    utf8 = character.encode(errors="surrogatepass")
    percent = "".join(f"%(?:25){{0,3}}{_hex(f'{byte:02x}')}" for byte in utf8)
    forms = [rf"\\{{0,4}}{re.escape(character)}", percent]
    forms.append(rf"\\{{1,4}}u{_hex(f'{ord(character):04x}')}")
    forms.append(f"&#(?:{ord(character)}|x{_hex(f'{ord(character):x}')});")
    # A form writes a blank as `+`, which comes back as one; base64 of URLs has `-` and `_`.
    others = {"+": "[ -]", "/": "_", " ": r"\+", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
    others |= {'"': "&quot;", "'": "&apos;"}
    others |= {"\n": r"\\{1,4}n", "\r": r"\\{1,4}r", "\t": r"\\{1,4}t"}
    if character in others:
        forms.append(others[character])
    return f"(?:{'|'.join(forms)})"


def _hex(digits: str) -> str:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits)


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what a secret is inside of base64, wherever among three bytes it begins."""
    data = secret.encode(errors="surrogatepass")
    for before, cut in enumerate((0, 2, 3)):
        whole = base64.b64encode(b"\0" * before + data).rstrip(b"=").decode()
        inner = whole[cut:-1] if (before + len(data)) % 3 else whole[cut:]
        if len(inner) >= _SURE:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
