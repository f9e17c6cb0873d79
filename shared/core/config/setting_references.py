"""App settings that a text refers to as `${NAME}`, so that no secret need be written down.

A dollar sign of its own is written `$$`. What comes from elsewhere, such as a blob's name or
a request, is escaped before it is put into such a text: else it could ask for any setting.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from shared.errors import ConfigError

_REFERENCE: Final = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


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
