"""Reads single values of settings, and finds settings whose names are misspelt.

The app reads names as they are written. A name that is almost right would be passed over without
a word, and the usual value would be used.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, TypeVar

from shared.core.config.problems import Problem, WrongValueError
from shared.core.config.schedule import checked_schedule, hints_of
from shared.core.config.setting_references import not_filled_in
from shared.core.config.types import parse_duration

T = TypeVar("T")

_QUOTES: Final = tuple("\"'\u201c\u201d\u2018\u2019")
#: How alike two names are, of 1, when one is taken for the other.
_ALIKE: Final = 0.9
_SCOPE: Final = re.compile(r"[a-z]+://[^\s\"'?#]+/\.default")
_SCOPES: Final = {
    "AZUREML_ARM_SCOPE": "https://management.azure.com/.default",
    "AZUREML_ML_SCOPE": "https://ml.azure.com/.default",
}


def quoted(text: str) -> tuple[str, str] | None:
    """Return what is around a value that must not be there, and the advice; None: nothing is."""
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        return "is in quotes", "remove them"
    return ("has blanks around it", "remove them") if text != text.strip() else None


def misspelt(environment: Mapping[str, str], names: Sequence[str]) -> Iterator[Problem]:
    """Yield the settings that are passed over because of their spelling.

    Args:
        environment: the app settings.
        names: those that the app reads by their own name.
    """
    known = {_letters(name): name for name in names}
    for given, value in environment.items():
        if given in names or not value:
            continue
        close = get_close_matches(_letters(given), known, n=1, cutoff=_ALIKE)
        if close and not environment.get(right := known[close[0]]):
            yield Problem(given, "is not read in this spelling", f"write {right}")


def _letters(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


def duration_in(
    environment: Mapping[str, str], name: str, default: str, problems: list[Problem]
) -> timedelta:
    """Return a span of time; the usual one where the setting is wrong.

    Args:
        environment: the app settings.
        name: of the setting.
        default: the usual value.
        problems: what is wrong is added.
    """
    return _value_in(environment, name, default, problems, longer_than_nothing)


def schedule_in(
    environment: Mapping[str, str], name: str, default: str, problems: list[Problem]
) -> str:
    """Return the schedule of a timer; the host gets what is there, right or wrong.

    Args:
        environment: the app settings.
        name: of the setting.
        default: the usual value.
        problems: what is wrong is added.
    """
    return _value_in(environment, name, default, problems, checked_schedule)


def _value_in(
    environment: Mapping[str, str],
    name: str,
    default: str,
    problems: list[Problem],
    read: Callable[[str], T],
) -> T:
    text = environment.get(name) or default
    wrong = not_filled_in(text) or quoted(text)
    if wrong is None:
        try:
            return read(text)
        except WrongValueError as exc:
            wrong = exc.what, exc.advice
    problems.append(Problem(name, *wrong))
    return read(default)


def schedule_hints(schedules: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what an operator should know of schedules, by the settings that hold them."""
    for name, schedule in schedules.items():
        for hint in hints_of(schedule):
            yield Problem(name, hint)


def longer_than_nothing(text: object) -> timedelta:
    """Return a span of time that is not zero. Raises WrongValueError."""
    span = parse_duration(text)
    if not span:
        raise WrongValueError("must be longer than 0s", "write it like 30s or 2m")
    return span


def scope_problems(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the scopes of tokens for which no identity could give one."""
    for name, example in _SCOPES.items():
        value = environment.get(name)
        if value and not _SCOPE.fullmatch(value):
            yield Problem(name, "is not a scope of a token", f"write it like {example}")
