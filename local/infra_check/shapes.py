"""Models of the values of Bicep: their kind, allowed values and members."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from local.infra_check.tree import Node

Kind = Literal["any", "string", "int", "bool", "null", "object", "array", "one_of"]


@dataclass(frozen=True, slots=True)
class Member:
    """One property of an object.

    Args:
        shape: of its value; a function, because types of resources contain themselves.
        required: whether an object must have it.
        read_only: whether only the service sets it.
        node: the key, where the object is written out.
        value: the value, likewise.
        computed: whether the key contains an interpolation.
    """

    shape: Callable[[], "Shape"]
    required: bool = False
    read_only: bool = False
    node: Node | None = None
    value: Node | None = None
    computed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The values that are allowed in one place.

    Args:
        kind: of the value; `one_of` has `choices`.
        values: the allowed ones, or those that it can have; none: not known.
        limits: of a string's length and pattern, and of a number.
        members: of an object.
        other: the shape of every other member; None: an object has no other.
        item: of an array.
        told_by: the member that tells the variants of an object apart.
        variants: value of `told_by` -> the further members.
        choices: of `one_of`.
        called: what messages call it.
        resource: the type of a resource, or what a scope is, if it is one.
        loose: whether members may be absent (a merged or conditional object).
    """

    kind: Kind
    values: tuple[str, ...] = ()
    limits: Mapping[str, int | str] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    other: Callable[[], "Shape"] | None = None
    item: Callable[[], "Shape"] | None = None
    told_by: str = ""
    variants: Mapping[str, Callable[[], "Shape"]] = field(default_factory=dict)
    choices: tuple["Shape", ...] = ()
    called: str = ""
    resource: str = ""
    loose: bool = False


ANY: Final = Shape("any")
STRING: Final = Shape("string")
INT: Final = Shape("int")
BOOL: Final = Shape("bool")
NULL: Final = Shape("null")
ANY_MEMBER: Final[Callable[[], Shape]] = lambda: ANY  # noqa: E731 -- a constant, not a function
OBJECT: Final = Shape("object", other=ANY_MEMBER)
ARRAY: Final = Shape("array", item=lambda: ANY)


def array_of(shape: Shape) -> Shape:
    """Return an array of such values."""
    return Shape("array", item=lambda: shape)


def object_of(called: str, **members: Shape) -> Shape:
    """Return an object.

    Args:
        called: what messages call it.
        members: their shapes.
    """
    return Shape("object", members={n: member(s) for n, s in members.items()}, called=called)


def member(shape: Shape) -> Member:
    """Return a property with a value of this shape."""
    return Member(lambda: shape)


def one_of(choices: Iterable[Shape]) -> Shape:
    """Return what a value may be that is one of several."""
    flat: list[Shape] = []
    for choice in choices:
        flat += choice.choices if choice.kind == "one_of" else (choice,)
    flat = [one for one in flat if one.kind != "null"] or flat
    kinds = {one.kind for one in flat}
    if not flat or "any" in kinds:
        return ANY
    if kinds == {"null"}:
        return NULL
    if len(flat) == 1:
        return flat[0]
    if kinds == {"array"}:
        return array_of(one_of(items_of(one) for one in flat))
    if len(kinds) == 1 and flat[0].kind in ("string", "int", "bool"):
        values = tuple(dict.fromkeys(v for one in flat for v in one.values))
        known = Shape(flat[0].kind, values)
        open_ = next((one for one in flat if not one.values), None)
        if open_ is None or not values:
            return open_ or known
        return Shape("one_of", choices=(known, open_))
    return Shape("one_of", choices=tuple(flat))


def merged(shapes: Iterable[Shape]) -> Shape:
    """Return the object that `union` makes of objects; anything else is not known."""
    members: dict[str, Member] = {}
    other: Callable[[], Shape] | None = None
    for shape in shapes:
        whole = shape
        if shape.kind == "one_of":
            whole = _either(shape.choices)
        if whole.kind == "any":
            other = ANY_MEMBER
            continue
        if whole.kind != "object":
            return ANY
        members |= whole.members
        other = whole.other or other
    return Shape("object", members=members, other=other, loose=True)


def _either(choices: Iterable[Shape]) -> Shape:
    """Return an object that has what any of the choices has."""
    members: dict[str, Member] = {}
    for choice in choices:
        if choice.kind != "object":
            return ANY
        members |= {name: replace(one, required=False) for name, one in choice.members.items()}
    return Shape("object", members=members, loose=True)


def items_of(shape: Shape) -> Shape:
    """Return the shape of an array's items."""
    if shape.kind == "one_of":
        return one_of(items_of(one) for one in shape.choices)
    return shape.item() if shape.kind == "array" and shape.item else ANY


def known_values(shape: Shape) -> tuple[str, ...]:
    """Return the values that a value may have; there may be others if it is one of several."""
    if shape.kind == "one_of":
        return tuple(value for one in shape.choices for value in known_values(one))
    return shape.values


def values_of(shape: Shape) -> Shape:
    """Return the shape of the values of an object's members."""
    if shape.kind != "object":
        return ANY
    found = [one.shape() for one in shape.members.values()]
    if shape.other is not None:
        found.append(shape.other())
    return one_of(found)
