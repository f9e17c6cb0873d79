"""The kinds of values that the pipelines file is made of: each checked, each with its own error."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from shared.core.config.cross_field import FIELDS_ONLY, UNKNOWN, mistakes
from shared.core.config.pattern import one_name
from shared.core.config.problems import WrongValueError
from shared.core.config.setting_references import is_reference
from shared.core.frozen import FrozenModel

_UNITS: Final = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_MOST_DAYS: Final = 10_000
_CLOCK: Final = re.compile(r"(?:(\d{1,9})\.)?(\d{1,2}):(\d{2}):(\d{2})")
_NUMBERS: Final = frozenset({int, float})
_SIZES: Final = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
#: The name of an output of the service.
OutputName = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_name)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
#: What a GUID is made of.
GUID_DIGITS: Final = r"^[0-9A-Fa-f-]+$"
Scalar = bool | int | FiniteFloat | str


def parse_duration(text: object) -> timedelta:
    """Return the span that `text` names.

    Raises:
        ValueError: it is none; the message shows how to write one.
    """
    if isinstance(text, timedelta):
        return text
    span = _span_of(text) if isinstance(text, str) else None
    if span is None:
        raise WrongValueError("not a span of time", "write it like 30s, 2m, 1h30m or 3d")
    return span


@lru_cache(maxsize=512)  # each record of a run is read and written with all those of its pipeline
def _span_of(text: str) -> timedelta | None:
    for form in (_UNITS, _CLOCK):
        found = form.fullmatch(text.strip())
        if found and any(found.groups()):
            days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
            if days > _MOST_DAYS or hours > 24 * _MOST_DAYS:
                break
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return None


@lru_cache(maxsize=512)
def show_duration(span: timedelta) -> str:
    """Return `span` as `parse_duration` reads it, to the second."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["30s", "2m", "1h30m", "3d"]}),
]


class Strict(FrozenModel):
    """A frozen part of the configuration that refuses what it does not know."""

    #: Keys that others write here: what is wrong with each, and the advice.
    refused_keys: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType({})

    model_config = ConfigDict(str_strip_whitespace=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _taken_for_nothing_else(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """Refuse what pydantic would read as another kind: `true` as 1, and `"no"` as false."""
        if value is UNKNOWN:
            return value
        if info.context is None or info.field_name is None:
            return handler(value)
        kinds = _kinds_of(cls, info.field_name)
        values = value.values() if isinstance(value, dict) else [value]
        if any(isinstance(one, bool) for one in values) and bool not in kinds and kinds & _NUMBERS:
            raise ValueError(f"must be {'text or ' * (str in kinds)}a number, not true or false")
        if isinstance(value, str) and bool in kinds and str not in kinds:
            raise ValueError("must be true or false, without quotes")
        return handler(value)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        """Refuse fields that do not fit each other, where the caller does not ask for them all.

        A stored record is read without a context: it was checked when its run was opened.
        """
        if info.context is not None and not info.context.get(FIELDS_ONLY):
            found = next(mistakes(self), None)
            if found is not None:
                raise ValueError(str(found))
        return self


@lru_cache(maxsize=512)
def _kinds_of(model: type[BaseModel], name: str) -> frozenset[object]:
    """Return the types that a field's value may have; none where it reads its values itself."""
    field = model.model_fields[name]
    if any(isinstance(one, BeforeValidator) for one in field.metadata):
        return frozenset()
    return frozenset(_leaves(field.annotation))


def _leaves(annotation: object) -> Iterator[object]:
    parts = getattr(annotation, "__args__", ())
    if not parts:
        yield annotation
    for part in parts:
        yield from _leaves(part)


def _checked_reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(
            "name the app setting that holds the key, as ${NAME}; "
            "a key itself does not belong in this file"
        )
    return text


def _checked_size(value: object) -> int:
    found = re.fullmatch(r"(\d+)\s*(B|KB|MB|GB)?", str(value).strip(), re.IGNORECASE)
    if found is None:
        raise WrongValueError("not a size", "write it like 1KB or 10MB")
    return int(found[1]) * _SIZES[(found[2] or "").upper()]


def _checked_span(value: object) -> object:
    span = parse_duration(value)
    if not span:
        raise ValueError("must be longer than 0s")
    return span


SecretReference = Annotated[str, AfterValidator(_checked_reference)]
Size = Annotated[
    int, BeforeValidator(_checked_size, json_schema_input_type=int | str), Field(examples=["1KB"])
]
Span = Annotated[Duration, BeforeValidator(_checked_span)]
