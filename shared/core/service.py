"""The decorator of services: classes that hold what they work with, and that nobody compares."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(eq_default=False, frozen_default=True, field_specifiers=(field,))
def service(cls: type[T]) -> type[T]:
    """Give a class an `__init__` that takes its fields, and nothing else.

    A frozen dataclass also has methods that compare, hash, show and protect it. Python compiles
    each of them when the app starts: for the services, which need none, that was 4 % of its
    instructions. mypy refuses an assignment to a field of a service, as to one of a frozen class.
    Without a `repr` no log shows the secrets that some services hold, so give a service none.
    """
    return dataclass(slots=True, eq=False, repr=False)(cls)
