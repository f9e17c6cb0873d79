"""Finds settings without a value: references that were not resolved, and words of the examples."""

import re
from typing import Final

_KEY_VAULT: Final = re.compile(r"\s*@Microsoft\.KeyVault\(", re.IGNORECASE)
_VAULT_CURE: Final = (
    "give the app's identity Key Vault Secrets User on the vault, check the secret's name, and "
    "restart the app"
)
#: As the example files, the documentation and templates write what is to be replaced.
_PLACEHOLDER: Final = re.compile(
    r"\s*(?:<[^<>]+>|\[[^\[\]]+\]|todo|tbd|change[_ -]?me|replace[_ -]?me|x{3,}|\.{3}|…|"
    r"(?:the|your)[_ -](?:.{0,60}[_ -])?(?:key|token|secret|password|string|name)s?)\s*",
    re.IGNORECASE,
)
#: The same within a text that has no use for these signs.
_WITHIN: Final = re.compile(r"<[^<>]+>|\{[^{}]+\}")
#: An id of one digit alone, as the example files have them.
_EXAMPLE_ID: Final = re.compile(
    r"(?<![0-9A-Fa-f-])(?:([0-9])\1{31}|([0-9])\2{7}(?:-\2{4}){3}-\2{12})(?![0-9A-Fa-f-])"
)


def not_filled_in(value: str, *, anywhere: bool = False) -> tuple[str, str] | None:
    """Return the placeholder that a setting still holds, and the cure; None: it holds a value.

    Args:
        value: of the setting.
        anywhere: whether a part in `<>` or `{}` can be nothing but a placeholder.
    """
    if _KEY_VAULT.match(value):
        return "its Key Vault reference is not resolved", _VAULT_CURE
    if _PLACEHOLDER.fullmatch(value) or (anywhere and _WITHIN.search(value)):
        return "still holds a placeholder", "replace it with the value of your own"
    return None


def is_example_id(text: str) -> bool:
    """Whether a text holds an id of the example files, such as 32 zeros."""
    return _EXAMPLE_ID.search(text) is not None
