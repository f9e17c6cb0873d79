"""Checks over several fields of the configuration, which also run if other fields are wrong.

A check that waited until every field is right would report its mistake in a second round. So a
wrong field gets the value `UNKNOWN`, and a check that needs it is skipped.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar

from shared.core.config.problems import Mistake

Check = Callable[[Any], Iterable[Mistake]]
C = TypeVar("C", bound=Check)

#: The key of a validation's context that has the checks left to the caller.
FIELDS_ONLY: Final = "fields_only"
_MARK: Final = "checks_fields_together"


class UnknownValueError(ValueError):
    """A check needs a field that is wrong, so that its value is not known."""


class Unknown:
    """The value of a field that is wrong: all that is known is that the field is given."""

    def _unknown(self, *_: object) -> NoReturn:
        raise UnknownValueError("the value of this field is unknown")

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _unknown
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _unknown
    __str__ = __format__ = __add__ = __radd__ = __sub__ = __rsub__ = __int__ = _unknown

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse every attribute."""
        if name.startswith("__"):  # what Python itself asks for
            raise AttributeError(name)
        self._unknown()

    def __repr__(self) -> str:
        """Return a name for debuggers."""
        return "UNKNOWN"

    def __deepcopy__(self, _: object) -> "Unknown":
        """Return itself: there is only one."""
        return self


UNKNOWN: Final = Unknown()


def is_unknown(value: object) -> bool:
    """Whether a value is of a field that is wrong."""
    return value is UNKNOWN


def together(check: C) -> C:
    """Mark a method of a configuration model as a check, which yields each mistake."""
    setattr(check, _MARK, True)
    return check


def mistakes(model: Any, *, partly: bool = False) -> Iterator[Mistake]:
    """Yield each mistake over several fields of a model, without those of its parts.

    Args:
        model: the value.
        partly: whether fields of it, or of its parts, are `UNKNOWN`.
    """
    # Functions written in C refuse `UNKNOWN` by a TypeError of their own.
    unknown = (UnknownValueError, TypeError) if partly else UnknownValueError
    kind: type = type(model)
    for check in _checks_of(kind):
        try:
            yield from check(model)
        except unknown:
            continue  # checked when that field is right


@lru_cache(maxsize=128)
def _checks_of(model: type) -> tuple[Check, ...]:
    found = {
        name: value
        for cls in reversed(model.__mro__)
        for name, value in vars(cls).items()
        if callable(value) and getattr(value, _MARK, False) is True
    }
    return tuple(found.values())


def known_pairs(items: Any, *names: str) -> list[tuple[Any, ...]]:
    """Return these attributes of each item, leaving out an item of which one is not known.

    Args:
        items: parts of a configuration; nothing is returned where they are not known themselves.
        names: the attributes.
    """
    found: list[tuple[Any, ...]] = []
    for item in () if items is UNKNOWN else items:
        try:
            values = tuple(getattr(item, name) for name in names)
        except UnknownValueError:
            continue
        if all(value is not UNKNOWN for value in values):
            found.append(values)
    return found
