"""Turns the errors of pydantic into plain words: one for each value, of any form."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import ErrorDetails

from shared.config.yaml_reader import KeyPath
from shared.core.config.endpoint import ENDPOINT_NAME
from shared.core.config.kinds import KIND_ERRORS, TRAINING_KINDS, unknown_kind
from shared.core.config.pipeline import PIPELINE_NAME
from shared.core.config.problems import WrongValueError
from shared.core.config.types import GUID_DIGITS

#: The tag of a union by `kind`: it is not a key of the file either, and only one form was tried.
_TAGS: Final = frozenset(TRAINING_KINDS)
#: The forms that are mappings.
_MAPPINGS: Final = frozenset(
    {"Create", "RollOut", "Recurrence", "LoggedMetrics", "AzureMlInput", "Registration"}
    | {"CreateEndpoint"}
)
#: How pydantic names one of the forms that a value may have; it is not a key of the file.
_FORM: Final = re.compile(
    r"bool|int|float|str|none|constrained-\w+|function-\w+\[.*|literal\[.*|dict\[.*|tuple\[.*|list\[.*"
    rf"|{'|'.join(_MAPPINGS)}"
)
#: What a pattern allows, in words, instead of the regular expression.
LEGAL: Final = {
    PIPELINE_NAME: "use up to 40 lower-case letters, digits and dashes; the first and the last "
    "are a letter or a digit",
    ENDPOINT_NAME: "use up to 41 letters, digits, _ and -; the first is a letter or a digit",
    GUID_DIGITS: "use the digits 0 to 9, the letters A to F and dashes, as a GUID has them",
}
_MAPPING: Final = ("must be a mapping", "")
_WHOLE: Final = ("must be a whole number", "")
_TRUTH: Final = ("must be true or false", "")
#: What is wrong, and the advice, for the errors of pydantic.
_KINDS: Final = {
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "string_type": ("must be text", "quote it"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": ("must be a number, without quotes", ""),
    "float_parsing": ("must be a number", ""),
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "tuple_type": ("must be a list", ""),
    "finite_number": ("must be a finite number", ""),
    "missing": ("is missing", ""),
}
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Found:
    """One mistake: where, of which kind, and in plain words."""

    path: KeyPath
    kind: str  #: as pydantic names it
    what: str
    advice: str = ""
    form: str = ""  #: the form that the value should have, if it may have several
    at: KeyPath = ()  #: the value that may have several forms

    @property
    def text(self) -> str:
        """What is wrong, with the advice."""
        return f"{self.what}: {self.advice}" if self.advice else self.what


def plain_errors(errors: Iterable[ErrorDetails], tree: Any) -> Iterator[Found]:
    """Yield each mistake once.

    Args:
        errors: as pydantic lists them.
        tree: the value that was read; it shows which parts of a path are keys, and which are
            names of forms.
    """
    several: dict[KeyPath, list[Found]] = {}
    for error in errors:
        found = _found(error, tree)
        if not found.form:
            yield found
        else:
            several.setdefault(found.at, []).append(found)
    for at, forms in several.items():
        yield from _of_the_likely_form(at, forms, tree)


def path_of(error: ErrorDetails, tree: Any) -> KeyPath:
    """Return the path of an error in the tree, without the names of forms.

    Args:
        error: as pydantic lists it.
        tree: the value that was read.
    """
    return _found(error, tree).path


def _found(error: ErrorDetails, tree: Any) -> Found:
    path: list[str | int] = []
    node, form = tree, ""
    at: KeyPath = ()
    for part in error["loc"]:
        if part == "[key]":
            continue
        there = _child(node, part)
        if there is _NOTHING and part in _TAGS:
            continue
        if there is _NOTHING and isinstance(part, str) and _FORM.fullmatch(part):
            form, at = part, tuple(path)
            continue
        path.append(part)
        node = there
    what, advice = _words(error)
    if error["type"] in KIND_ERRORS and (kind := _child(node, "kind")) is not _NOTHING:
        path.append("kind")
        what, advice = unknown_kind(KIND_ERRORS[error["type"]], kind)
    return Found(tuple(path), error["type"], what, advice, form, at)


def _words(error: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong, and the advice."""
    context = error.get("ctx", {})
    if isinstance(wrong := context.get("error"), WrongValueError):
        return wrong.what, wrong.advice
    if error["type"] == "string_pattern_mismatch":
        legal = LEGAL.get(str(context.get("pattern")), "see docs/configuration.md")
        return "has characters that are not allowed here, or too many", legal
    what = error["msg"].removeprefix("Value error, ")
    return _KINDS.get(error["type"]) or (
        re.sub(r"^(?:Input|String|Dictionary|Tuple) should ", "must ", what),
        "",
    )


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part, _NOTHING)
    if isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
        return node[part]
    return _NOTHING


def _of_the_likely_form(at: KeyPath, forms: list[Found], tree: Any) -> Iterator[Found]:
    """Yield the mistakes for the form that the value most likely should have."""
    value = tree
    for part in at:
        value = _child(value, part)
    if isinstance(value, dict):
        likely = [one for one in forms if _is_mapping(one.form)]
    elif isinstance(value, str):
        likely = [one for one in forms if one.kind in ("value_error", "literal_error")]
    else:
        likely = []
    if likely:
        yield from likely
        return
    names = {_name(one.form): None for one in forms}
    yield Found(at, "union", f"must be {' or '.join(names)}")


def _is_mapping(form: str) -> bool:
    return form.rpartition(", ")[2].rstrip("]") in _MAPPINGS


def _name(form: str) -> str:
    if _is_mapping(form) or form.startswith("dict"):
        return "a mapping"
    return {"bool": "true or false", "int": "a number", "float": "a number"}.get(form, "text")
