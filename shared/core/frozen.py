"""The bases of every value that is stored or configured: frozen, and changed by `evolve`."""

from functools import partial
from operator import eq
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

#: The member of a document in addition to its value: the version of the product that wrote it.
WRITTEN_BY: Final = "app_version"


T = TypeVar("T")


class Same(Generic[T]):
    """A frozen value as an argument of a cached function, by its identity.

    To hash or compare all that a configuration holds would cost what the cache is to save.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def left_out(default: Any = None, **more: Any) -> Any:
    """Return a field that is not stored while it has its default, so that an older form stays.

    Args:
        default: what it means to leave it out.
        more: other arguments of `pydantic.Field`.
    """
    return Field(default=default, exclude_if=partial(eq, default), **more)


class FrozenModel(BaseModel):
    """A value that never changes and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def constant(cls, **fields: Any) -> Self:
        """Return a value that is not validated: for the constants and defaults of modules.

        Otherwise its validator would be built while the app starts, though the validators of the
        values that hold it do without.

        Args:
            fields: the fields by name, apart from those with their defaults.
        """
        return cls.model_construct(**fields)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return this value, which never changes."""
        del memo
        return self

    def evolve(self, **changes: object) -> Self:
        """Return this value with other fields, validated as if it was made anew.

        Nested values are not validated again, so that it costs little: 30 µs for a run.

        Args:
            changes: the fields by name, with their new values.

        Raises:
            TypeError: there is no such field.
            ValueError: a value does not fit its field, or the fields do not fit each other.
        """
        if unknown := [name for name in changes if name not in self.__dict__]:
            raise TypeError(f"{type(self).__name__} has no field {min(unknown)!r}")
        return type(self).model_validate(self.__dict__ | changes)


class RecordModel(FrozenModel):
    """A value with a document of its own in the ledger.

    The ledger stores with it which version of the product wrote it (`app_version`). That is
    for an operator who reads the document; no decision depends on it, so the value leaves it out.
    """

    schema_version: StrictInt = 1
    newest_form: ClassVar[int] = 1  #: the highest schema version that is read

    @property
    def form(self) -> int:
        """The lowest schema version that has all members of this value."""
        return 1

    @model_validator(mode="after")
    def _of_the_lowest_form(self) -> Self:
        """Say the lowest schema version that fits, so that an earlier release reads it if it can.

        The model is frozen, and this is still its construction.
        """
        if not 1 <= self.schema_version <= self.newest_form:
            raise ValueError(f"schema_version {self.schema_version} is unknown")
        if self.schema_version != self.form:
            self.__dict__["schema_version"] = self.form
        return self

    @model_validator(mode="before")
    @classmethod
    def _without_writer(cls, value: Any) -> Any:
        if isinstance(value, dict) and WRITTEN_BY in value:
            value = value.copy()
            del value[WRITTEN_BY]
        return value
