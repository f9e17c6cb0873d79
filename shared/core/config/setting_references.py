"""App settings that a text refers to as `${NAME}`, and those that have no value.

A dollar sign of its own is written `$$`. What comes from elsewhere, such as a blob's name or
a request, is escaped before it is put into such a text: else it could ask for any setting.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from shared.errors import ConfigError

_REFERENCE: Final = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KEY_VAULT: Final = re.compile(r"\s*@Microsoft\.KeyVault\(", re.IGNORECASE)
_VAULT_ADVICE: Final = (
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
#: An id of one repeated digit, as the example files have them.
_EXAMPLE_ID: Final = re.compile(
    r"(?<![0-9A-Fa-f-])(?:([0-9])\1{31}|([0-9])\2{7}(?:-\2{4}){3}-\2{12})(?![0-9A-Fa-f-])"
)


def is_reference(text: str) -> bool:
    """Whether `text` is one reference and nothing else."""
    found = _REFERENCE.fullmatch(text)
    return found is not None and found[1] is not None


def references_in(text: str) -> tuple[str, ...]:
    """Return the names of the app settings that `text` refers to."""
    return tuple(name for name in _REFERENCE.findall(text) if name)


def escape(text: str) -> str:
    """Return `text` so that it refers to nothing."""
    return text.replace("$", "$$")


def replace_references(text: str, value_of: Callable[[str], str]) -> str:
    """Return `text` with each reference replaced by its value; values are not searched again.

    Args:
        text: a text with references.
        value_of: returns the value of a setting by its name.
    """
    return _REFERENCE.sub(lambda found: value_of(found[1]) if found[1] else "$", text)


def resolve(environment: Mapping[str, str], text: str) -> str:
    """Return `text` with each `${NAME}` replaced by that app setting, and `$$` by a dollar.

    Args:
        environment: app setting -> its value.
        text: a text with references.

    Raises:
        ConfigError: a setting is missing; the message names it.
    """
    for name in references_in(text):
        if not environment.get(name):
            raise ConfigError(f"app setting {name} is not set")
    return replace_references(text, environment.__getitem__)


def not_filled_in(value: str, *, anywhere: bool = False) -> tuple[str, str] | None:
    """Return the placeholder that a setting still holds, and the advice; None: it holds a value.

    Args:
        value: of the setting.
        anywhere: whether a part in `<>` or `{}` can be nothing but a placeholder.
    """
    if _KEY_VAULT.match(value):
        return "its Key Vault reference is not resolved", _VAULT_ADVICE
    if _PLACEHOLDER.fullmatch(value) or (anywhere and _WITHIN.search(value)):
        return "still holds a placeholder", "replace it with your own value"
    return None


def is_example_id(text: str) -> bool:
    """Whether a text holds an id of the example files, such as 32 zeros."""
    return _EXAMPLE_ID.search(text) is not None
