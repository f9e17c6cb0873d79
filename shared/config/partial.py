"""The configuration as far as it is right: what is wrong in it is `UNKNOWN`.

With that, checks over several fields run in the same round in which single fields are refused.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from shared.config.messages import place_of
from shared.config.scalars import KeyPath
from shared.core.config.cross_field import UNKNOWN, mistakes
from shared.core.config.types import Strict

#: A mistake is left out together with what holds it, so often at most.
_ROUNDS: Final = 10

M = TypeVar("M", bound=BaseModel)


def as_far_as_right(
    model: type[M], tree: Mapping[str, Any], wrong: Iterable[tuple[KeyPath, str]], context: Any
) -> M | None:
    """Return the value with `UNKNOWN` in place of what is wrong; None where nothing is left.

    Args:
        model: what the tree should be.
        tree: as it was read.
        wrong: where something is wrong, and of which kind pydantic says it is.
        context: of the validation.
    """
    left = copy.deepcopy(dict(tree))
    for _ in range(_ROUNDS):
        # A value that may have several forms is refused once for each of them.
        for path, kind in dict(wrong).items():
            if not _leave_out(left, path, unknown_key=kind == "extra_forbidden"):
                return None
        try:
            return model.model_validate(left, context=context)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False)
            wrong = [(place_of(error, left), error["type"]) for error in errors]
    return None


def unfit(model: Strict, path: KeyPath = (), *, partly: bool) -> Iterator[tuple[KeyPath, str]]:
    """Yield every mistake over several fields, of a model and of all its parts, with its path.

    Args:
        model: a configuration.
        path: where it stands.
        partly: whether something in it is `UNKNOWN`.
    """
    for text in mistakes(model, partly=partly):
        field, told = _field_of(type(model), text)
        yield (*path, *field), told
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Strict):
            yield from unfit(value, (*path, name), partly=partly)
        elif isinstance(value, tuple):
            for at, item in enumerate(value):
                if isinstance(item, Strict):
                    yield from unfit(item, (*path, name, at), partly=partly)


def _field_of(model: type[BaseModel], text: str) -> tuple[KeyPath, str]:
    """Return the field that a text begins with, such as `key: …`, and the rest of the text."""
    head, colon, told = text.partition(": ")
    path = tuple(head.split("."))
    return (path, told) if colon and path[0] in model.model_fields else ((), text)


def _leave_out(tree: Any, path: KeyPath, *, unknown_key: bool) -> bool:
    """Have what stands at a path be `UNKNOWN`, or what holds it where it is that already."""
    nodes = [tree]
    for part in path:
        nodes.append(_child(nodes[-1], part))
    while path:
        *_, holder, value = nodes[: len(path) + 1]
        if isinstance(holder, dict) and unknown_key and path[-1] in holder:
            del holder[path[-1]]
            return True
        is_place = isinstance(holder, dict) or (isinstance(holder, list) and value is not None)
        if is_place and value is not UNKNOWN:
            holder[path[-1]] = UNKNOWN
            return True
        path = path[:-1]
    return False


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None
