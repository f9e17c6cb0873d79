"""A configuration in which every wrong value is `UNKNOWN`, so that the rest of it can be checked.

Mistakes over several fields are then reported together with those in single fields.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from shared.config.messages import path_of
from shared.config.scalars import KeyPath
from shared.core.config.cross_field import UNKNOWN, mistakes
from shared.core.config.problems import Mistake
from shared.core.config.types import Strict

#: How often, at most, what holds a wrong value is left out as well.
_ROUNDS: Final = 10

M = TypeVar("M", bound=BaseModel)


def as_far_as_right(
    model: type[M], tree: Mapping[str, Any], wrong: Iterable[tuple[KeyPath, str]], context: Any
) -> M | None:
    """Return the value with `UNKNOWN` for what is wrong; None if nothing is left.

    Args:
        model: the type of the value.
        tree: the value as it was read.
        wrong: the path of each mistake, and its kind in pydantic's words.
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
            wrong = [(path_of(error, left), error["type"]) for error in errors]
    return None


def all_mistakes(
    model: Strict, path: KeyPath = (), *, partly: bool
) -> Iterator[tuple[KeyPath, Mistake]]:
    """Yield every mistake over several fields, of a model and of all its parts, with its path.

    Args:
        model: a configuration.
        path: its path in the file.
        partly: whether something in it is `UNKNOWN`.
    """
    for mistake in mistakes(model, partly=partly):
        yield (*path, *mistake.at), mistake
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Strict):
            yield from all_mistakes(value, (*path, name), partly=partly)
        elif isinstance(value, tuple):
            for at, item in enumerate(value):
                if isinstance(item, Strict):
                    yield from all_mistakes(item, (*path, name, at), partly=partly)


def _leave_out(tree: Any, path: KeyPath, *, unknown_key: bool) -> bool:
    """Set the value at a path to `UNKNOWN`; what holds it, if the value is `UNKNOWN` already."""
    nodes = [tree]
    for part in path:
        nodes.append(_child(nodes[-1], part))
    while path:
        *_, holder, value = nodes[: len(path) + 1]
        if isinstance(holder, dict) and unknown_key and path[-1] in holder:
            del holder[path[-1]]
            return True
        can_be_set = isinstance(holder, dict) or (isinstance(holder, list) and value is not None)
        if can_be_set and value is not UNKNOWN:
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
