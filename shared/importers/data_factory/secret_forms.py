"""In which form a secret stands in a definition: readable, encrypted, masked, or elsewhere."""

import re
from enum import Enum
from typing import Any, Final

from shared.core.config.setting_references import not_filled_in
from shared.core.secret_shapes import without_bare, without_shapes

#: A secret within an expression, of which it is a constant.
_WITHIN: Final = re.compile(
    r"(?<![a-z])(?:AccountKey|SharedAccess\w*|Password|Pwd|(?:client)?secret|sig(?:nature)?)"
    r"\s*=\s*[^;\s&'\"@{}\[\]<>*(),]{4,}",
    re.IGNORECASE,
)
#: A block in a text that is filled in when a run begins.
_BLOCK: Final = re.compile(r"@\{[^{}]*\}")
_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'")
_BETWEEN: Final = re.compile(r"'\s*+,\s*+'")
_CALLED: Final = re.compile(r"\b\w++(?=\s*+\()")
#: Functions whose result is known from the texts in them.
_OF_TEXTS: Final = frozenset(
    {"concat", "string", "trim", "tolower", "toupper", "replace", "base64", "json"}
)
_VAULT: Final = "AzureKeyVaultSecret"


class Form(Enum):
    """In which form a secret stands in a definition."""

    ABSENT = "is not in the file"
    CLEAR = "stands here in clear text"
    VAULT = "is in a vault"
    ENCRYPTED = "is encrypted here for the factory alone"
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
    return any(without_bare(without_shapes(one)) != one for one in {text, _joined(text)})


def _joined(expression: str) -> str:
    """Return an expression in which constants that stand side by side are one."""
    return _BETWEEN.sub("", expression)


def _is_readable(expression: str) -> bool:
    """Whether an expression has a secret among its constants, or is nothing but constants."""
    joined = _joined(expression)
    texts = [*(one for one in _LITERAL.findall(joined) if one.strip())]
    called = {one.casefold() for one in _CALLED.findall(_LITERAL.sub("", joined))}
    whole = expression.lstrip().startswith(("@", "[")) and not expression.lstrip().startswith("@{")
    if whole and texts and called and called <= _OF_TEXTS:
        return True
    texts += [] if whole else [_BLOCK.sub(",", expression)]
    return _WITHIN.search(expression) is not None or any(map(has_shape, texts))
