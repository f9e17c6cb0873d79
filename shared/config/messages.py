"""Says in plain words what pydantic found: one line for each value of several forms."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import ErrorDetails

from shared.config.scalars import KeyPath
from shared.core.config.pipeline import PIPELINE_NAME
from shared.core.config.studio_endpoint import ENDPOINT_NAME
from shared.core.config.studio_training import POOL_ID

#: How pydantic names one of the forms that a value may have, where no key of the file stands.
_FORM: Final = re.compile(
    r"bool|int|float|str|none|constrained-\w+|function-\w+\[.*|literal\[.*|dict\[.*|tuple\[.*|list\[.*"
    r"|Create|RollOut|Recurrence"
)
_MAPPINGS: Final = frozenset({"Create", "RollOut", "Recurrence"})
#: What a pattern allows, in words: nobody is shown a regular expression.
LEGAL: Final = {
    PIPELINE_NAME: "use up to 40 lower-case letters, digits and dashes; the first and the last "
    "are a letter or a digit",
    ENDPOINT_NAME: "use up to 41 letters, digits, _ and -; the first is a letter or a digit",
    POOL_ID: "use the digits 0 to 9, the letters A to F and dashes, as a GUID has them",
}
_KINDS: Final = {
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "string_type": "must be text: quote it",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "finite_number": "must be a finite number",
    "missing": "is missing",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One mistake: where, of which kind, and in plain words."""

    path: KeyPath
    kind: str  #: as pydantic names it
    what: str
    form: str = ""  #: of the value, where it may have several
    at: KeyPath = ()  #: the value that may have them


def plain_errors(errors: Iterable[ErrorDetails], tree: Any) -> Iterator[Found]:
    """Yield what is wrong, each once.

    Args:
        errors: as pydantic lists them.
        tree: what was read, to tell its keys from the names of forms.
    """
    several: dict[KeyPath, list[Found]] = {}
    for error in errors:
        found = _found(error, tree)
        if not found.form:
            yield found
        else:
            several.setdefault(found.at, []).append(found)
    for at, forms in several.items():
        yield from _of_the_form_meant(at, forms, tree)


def place_of(error: ErrorDetails, tree: Any) -> KeyPath:
    """Return where in the tree an error is, without the names of forms.

    Args:
        error: as pydantic lists it.
        tree: what was read.
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
        if there is _NOTHING and isinstance(part, str) and _FORM.fullmatch(part):
            form, at = part, tuple(path)
            continue
        path.append(part)
        node = there
    what = _KINDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        legal = LEGAL.get(str(error.get("ctx", {}).get("pattern")), "see docs/configuration.md")
        what = f"holds characters that cannot stand here, or too many: {legal}"
    what = re.sub(r"^(?:Input|String) should ", "must ", what)
    return Found(tuple(path), error["type"], what, form, at)


_NOTHING: Final = object()


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part, _NOTHING)
    if isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
        return node[part]
    return _NOTHING


def _of_the_form_meant(at: KeyPath, forms: list[Found], tree: Any) -> Iterator[Found]:
    """Yield the mistakes by the form that the value most likely was meant to have."""
    value = tree
    for part in at:
        value = _child(value, part)
    if isinstance(value, dict):
        meant = [one for one in forms if _is_mapping(one.form)]
    elif isinstance(value, str):
        meant = [one for one in forms if one.kind in ("value_error", "literal_error")]
    else:
        meant = []
    if meant:
        yield from meant
        return
    names = {_name(one.form): None for one in forms}
    yield Found(at, "union", f"must be {' or '.join(names)}")


def _is_mapping(form: str) -> bool:
    return form.rpartition(", ")[2].rstrip("]") in _MAPPINGS


def _name(form: str) -> str:
    if _is_mapping(form) or form.startswith("dict"):
        return "a mapping"
    return {"bool": "true or false", "int": "a number", "float": "a number"}.get(form, "text")
