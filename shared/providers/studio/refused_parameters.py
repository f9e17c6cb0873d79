"""Which parameters of a job a refusal of Studio is about."""

import re
from collections.abc import Iterable
from typing import Final

from shared.errors import RefusedParameters
from shared.providers.studio.errors import Refusal

#: The codes of a parameter that is one too many, or has a wrong value (studio-classic §5).
_CODES: Final = frozenset({"UnexpectedParameter", "UserParameterInvalid", "BadParameterValue"})


def refused_parameters(
    refusal: Refusal, what: str, parameters: Iterable[str]
) -> RefusedParameters | None:
    """Return the parameters that a refusal names; all, if by its code it is about one of them.

    Args:
        refusal: of a job.
        what: was asked for.
        parameters: that the job was given.

    Returns:
        The parameters; None where the refusal is about something else.
    """
    words, given = str(refusal), tuple(parameters)
    named = tuple(name for name in given if _names(words, name))
    if not named and not refusal.codes & _CODES:
        return None
    if "parameter" not in words.lower():
        return None
    return RefusedParameters(named or given, f"{what}: {refusal}")


def _names(words: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words) is not None
