"""In which form a secret stands in a definition: readable, encrypted, masked, or elsewhere."""

import re
from enum import Enum
from typing import Any, Final

from shared.core.config.setting_references import not_filled_in
from shared.core.secret_shapes import HIDDEN, without_bare, without_shapes

#: A secret within an expression, of which it is a constant.
_WITHIN: Final = re.compile(
    r"(?<![a-z])(?:AccountKey|SharedAccess\w*|Password|Pwd|(?:client)?secret|sig(?:nature)?)"
    r"\s*=\s*[^;\s&'\"@{}\[\]<>*(),]{4,}",
    re.IGNORECASE,
)
#: A block in a text that is filled in when a run begins.
_BLOCK: Final = re.compile(r"@\{(?:'[^']*'|[^{}'])*+\}")
_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'")
_BETWEEN: Final = re.compile(r"'\s*+,\s*+'")
_CALLED: Final = re.compile(r"\b\w++(?=\s*+\()")
#: Functions whose result is known from the texts in them.
_OF_TEXTS: Final = frozenset(
    {"concat", "string", "trim", "tolower", "toupper", "replace", "base64", "json"}
)
#: A constant that is the name of something, such as `activity('A')` or `headers['b']`.
_NAME: Final = re.compile(
    r"(?:\b(?:activity|variables|parameters|items?|listKeys|reference|resourceId)\s*+\(|(?<=[\w)\]?])\[)\s*+$",
    re.IGNORECASE,
)
_LONGEST_CALL: Final = 40
#: A part of a secret that is joined with the rest when a run begins; a format of a time is none.
_PART: Final = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])\S{8,}")
_VAULT: Final = "AzureKeyVaultSecret"


class Form(Enum):
    """In which form a secret stands in a definition."""

    ABSENT = "is not in the file"
    CLEAR = "stands here in clear text"
    VAULT = "is in a vault"
    ENCRYPTED = "is encrypted here only for the factory"
    MASKED = "is masked here"
    PARAMETER = "is an expression of the template here"
    EXPRESSION = "is an expression that is known when a run begins"
    PLACEHOLDER = "is a placeholder here"


#: A text, and the form that it shows; the first that fits counts.
_FORMS: Final = (
    (re.compile(r"^[*•]{3,}$"), Form.MASKED),
    (re.compile(r"^\[(?!\[).*\]$", re.DOTALL), Form.PARAMETER),
    (re.compile(r"^\$EncryptedString\$"), Form.ENCRYPTED),
    (
        re.compile(
            r"(?:AccountKey|SharedAccessSignature|Password|Pwd)\s*=\s*(?:[*•]{3,}|<[^<>;]*>)",
            re.IGNORECASE,
        ),
        Form.MASKED,
    ),
    (re.compile(r"^@(?!@|Microsoft)|@\{", re.DOTALL), Form.EXPRESSION),
)


def form_of(value: Any) -> Form:
    """Return in which form a secret stands: a text, or an object that holds or names one."""
    if isinstance(value, dict):
        by_name = {str(key).casefold(): one for key, one in value.items()}
        if str(by_name.get("type", "")).casefold() == _VAULT.casefold():
            return Form.VAULT
        if str(by_name.get("type", "")).casefold() == "expression":
            readable = form_of(by_name.get("value")) is Form.CLEAR
            return Form.CLEAR if readable else Form.EXPRESSION
        return form_of(by_name.get("value"))
    text = "" if value is None else str(value).strip()
    if not text:
        return Form.ABSENT
    form = next((form for pattern, form in _FORMS if pattern.search(text)), None)
    if form in (Form.PARAMETER, Form.EXPRESSION) and _is_readable(text):
        return Form.CLEAR
    if form is not None:
        return form
    return Form.PLACEHOLDER if not_filled_in(text) else Form.CLEAR


def has_shape(text: str) -> bool:
    """Whether a text, or a constant of an expression, has the shape of a secret."""
    return any(without_bare(without_shapes(one)) != one for one in {text, joined(text)})


def joined(expression: str) -> str:
    """Return an expression in which constants that stand side by side are one."""
    return _BETWEEN.sub("", expression) if "'" in expression else expression


def constants(text: str) -> list[str]:
    """Return the constants of an expression, or of those in a text; else the text itself."""
    if not _is_whole(text) and "@{" not in text:
        return [text]
    outside = [] if _is_whole(text) else [_BLOCK.sub("", text)]
    return [one.replace("''", "'") for one in _LITERAL.findall(joined(text))] + outside


def without_constants(expression: str) -> str:
    """Return an expression without its constants, but for those that are names."""
    found = _LITERAL.sub(lambda one: one[0] if _is_name(one) else "'***'", expression)
    if _is_whole(expression):
        return found
    blocks = _BLOCK.findall(found)
    return " ".join(blocks) or HIDDEN


def _is_name(constant: re.Match[str]) -> bool:
    begun = constant.start()
    return _NAME.search(constant.string, max(0, begun - _LONGEST_CALL), begun) is not None


def _is_whole(expression: str) -> bool:
    begun = expression.lstrip()
    return begun.startswith(("@", "[")) and not begun.startswith(("@{", "@@", "[["))


def _is_readable(expression: str) -> bool:
    """Whether an expression has a secret among its constants, or is nothing but constants."""
    whole, text = _is_whole(expression), joined(expression)
    for one in [text] if whole else _BLOCK.findall(text):
        called = {name.casefold() for name in _CALLED.findall(_LITERAL.sub("", one))}
        said = any(literal.strip() for literal in _LITERAL.findall(one))
        if said and called <= _OF_TEXTS:
            return True
    texts = [one[1] for one in _LITERAL.finditer(text) if one[1].strip() and not _is_name(one)]
    if any(map(_PART.fullmatch, texts)):
        return True
    texts += [] if whole else [_BLOCK.sub(",", text)]
    return _WITHIN.search(text) is not None or any(map(has_shape, texts))
