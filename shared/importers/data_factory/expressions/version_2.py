"""Expressions of version 2: `@…`, `@{…}` within a text, `{"type": "Expression", "value": "@…"}`.

They become texts with window times, or constants (data-factory §3.6). A run of a factory begins a
moment after it is due; Relearn knows the due time, which is the end of the window.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from shared.importers.data_factory.account import leaves
from shared.importers.data_factory.expressions.constant_functions import text_of
from shared.importers.data_factory.expressions.moments import Moment
from shared.importers.data_factory.expressions.resolved import (
    EVENT_FILE,
    EVENT_FOLDER,
    EventFolders,
    Field,
    Part,
    Resolved,
    Text,
    Value,
    joined,
    parts_of,
    resolved_by,
)
from shared.importers.data_factory.expressions.syntax import (
    Call,
    Constant,
    Member,
    Node,
    SecretError,
    UnresolvedError,
    interpolated,
    whole,
)
from shared.importers.data_factory.expressions.time_functions import computed
from shared.importers.data_factory.secrets import is_secret

__all__ = ["Resolved", "Scope", "constant", "resolved"]

_MOST_STEPS: Final = 5_000
_MOST_DEPTH: Final = 20  #: of values that are expressions in their turn
_START: Final = Moment("start")
_END: Final = Moment("end")
_WHOLE_SECONDS: Final = "yyyy-MM-dd'T'HH:mm:ss'Z'"
_NO_FORMAT: Final = "it writes a time without a format; Relearn writes it as 2018-01-31T00:00:00Z"
_NOW: Final = "the time at which a run begins becomes the time at which it is due, the window's end"
_DEFAULT: Final = "a variable has its default value"
_SET: Final = "a variable has the value that an activity sets, also before that activity has run"
_SECRETS: Final = ("securestring", "azurekeyvaultsecret")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can refer to, apart from the parameters of its pipeline.

    A value may be a `Resolved` of another scope: what a trigger, a dataset or another pipeline
    passes on. Other values are constants or expressions of the same scope.
    """

    #: What starts the pipeline: empty where that is not known, so that all is taken as it comes.
    trigger: Literal["", "schedule", "window", "blob"] = ""
    #: With their default values, or as `Resolved` what activities set.
    variables: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    service: Mapping[str, Any] = field(default_factory=dict)
    factory_parameters: Mapping[str, Any] = field(default_factory=dict)
    pipeline: str = ""  #: its name
    factory: str = ""  #: its name
    item: Resolved | None = None  #: the member of a ForEach, where that is known


def constant(value: Any) -> Resolved:
    """Return a value that is known, for the scopes that refer to it; it is not an expression."""
    return resolved_by(lambda _: value, value)


def resolved(value: Any, parameters: Mapping[str, Any], scope: Scope | None = None) -> Resolved:
    """Return what a value of version 2 stands for; a value without an expression, as it is.

    Args:
        value: as the definition has it.
        parameters: those of the pipeline with their values, as for the values of `Scope`.
        scope: what else it can refer to.
    """
    return resolved_by(
        lambda notes: _Evaluation(parameters, scope or Scope(), notes).given(value), value
    )


@dataclass(slots=True)
class _Evaluation:
    """One evaluation: what can be referred to, and how the result differs."""

    parameters: Mapping[str, Any]
    scope: Scope
    notes: list[str]
    steps: int = 0
    depth: int = 0

    def given(self, value: Any) -> Value:
        """Return the value of something that a definition holds."""
        if isinstance(value, Resolved):
            return self._known(value)
        kind, inner = _typed(value)
        if kind == "expression":
            return self.given(inner)
        if kind in _SECRETS:
            raise SecretError
        if isinstance(value, dict | list):
            _refuse_inner(value)
        if not isinstance(value, str):
            constant: Value = value
            return constant
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise UnresolvedError("the values that it refers to refer to each other")
        result = self._text(value)
        self.depth -= 1
        return result

    def _text(self, value: str) -> Value:
        if value.startswith("@") and value[1:2] not in ("@", "{"):
            return self.value(whole(value, 2, 1)[0])
        escaped = value.startswith("@@") and not value.startswith("@@{")
        found = interpolated(value[2:] if escaped else value)
        parts: list[Part] = ["@"] if escaped else []
        for one in found:
            parts += [one] if isinstance(one, str) else parts_of(self.value(one))
        return joined(parts)

    def _known(self, value: Resolved) -> Value:
        """Return the value of what was resolved in another scope."""
        if value.is_secret:
            raise SecretError
        if value.text is None:
            raise UnresolvedError(f"a value that it refers to cannot be carried over: {value.why}")
        self.notes += value.notes
        return value.parts

    def value(self, node: Node) -> Value:
        """Return the value of a part of an expression."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise UnresolvedError("it takes too many steps")
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Member):
            return self._member(node)
        if isinstance(node, Call):
            return self._called(node)
        raise UnresolvedError("a name in it is neither a function nor a constant")

    def _called(self, call: Call) -> Value:
        name, count = call.name.casefold(), len(call.arguments)
        if name == _ITEM and self.scope.item is not None:
            return self._known(self.scope.item)
        if name == "if" and count == 3:  # noqa: PLR2004
            condition = self.value(call.arguments[0])
            if not isinstance(condition, bool):
                raise UnresolvedError("its condition is unknown before a run")
            return self.value(call.arguments[1 if condition else 2])
        if name == "coalesce":
            found = (self.value(one) for one in call.arguments)
            return next((one for one in found if one is not None), None)
        values = [self.value(one) for one in call.arguments]
        if name == "variables" and count == 1:
            value = _looked_up(self.scope.variables, text_of(values[0]))
            self.notes.append(_SET if isinstance(value, Resolved) else _DEFAULT)
            return self.given(value)
        if name in _FROM_NOW:
            name, values = _FROM_NOW[name], [self._now(), *values]
        if name in _AHEAD:
            raise UnresolvedError(_AHEAD[name])
        return computed(name, values)

    def _member(self, node: Member) -> Value:
        """Return what a call such as `pipeline()` has below keys, or what a constant has."""
        keys, root = self._keys(node)
        if isinstance(root, Call) and (found := _ROOTS.get(root.name.casefold())) is not None:
            return _below(*found(self, [str(key) for key in keys]), keys)
        name = root.name.casefold() if isinstance(root, Call) else ""
        if name in _AHEAD and not (name == _ITEM and self.scope.item):
            raise UnresolvedError(_AHEAD[name])
        return _below(self.value(root), 0, keys)

    def _keys(self, node: Node) -> tuple[list[Any], Node]:
        keys: list[Any] = []
        while isinstance(node, Member):
            keys.insert(0, self.value(node.key))
            node = node.of
        return keys, node

    def _now(self) -> Value:
        self.notes.append(_NOW)
        return self._time(_END)

    def _time(self, moment: Moment) -> Value:
        if self.scope.trigger == "blob":
            raise UnresolvedError("a pipeline that a blob starts has no window, and so no time")
        return Text((Field(moment, _WHOLE_SECONDS, _NO_FORMAT),))

    def of_pipeline(self, keys: list[str]) -> tuple[Value, int]:
        """Return what `pipeline()` has, and how many keys that took."""
        first = keys[0].casefold() if keys else ""
        if first in ("parameters", "globalparameters") and len(keys) > 1:
            known = self.parameters if first == "parameters" else self.scope.factory_parameters
            return self.given(_looked_up(known, keys[1])), 2
        if first == "triggertime":
            return self._now(), 1
        name = {"pipeline": self.scope.pipeline, "datafactory": self.scope.factory}.get(first)
        if first == "triggerevent":
            return self.of_body(keys[1:2])[0], 2
        if not name:
            raise UnresolvedError("Relearn has nothing for this property of pipeline()")
        return name, 1

    def of_trigger(self, keys: list[str]) -> tuple[Value, int]:
        """Return what `trigger()` has, and how many keys that took."""
        path = tuple(key.casefold() for key in keys)
        if path[:1] == ("starttime",):
            return self._now(), 1
        if path[:1] == ("scheduledtime",):
            return (self._now() if self.scope.trigger == "window" else self._time(_END)), 1
        if path[:2] in _WINDOW:
            if self.scope.trigger == "schedule":
                raise UnresolvedError("it uses the window of a trigger that has none")
            return self._time(_WINDOW[path[:2]]), 2
        if path[:2] == ("outputs", "body"):
            return self.of_body(keys[2:])[0], 3
        raise UnresolvedError("Relearn has nothing for this property of trigger()")

    def of_body(self, keys: list[str]) -> tuple[Value, int]:
        """Return what `triggerBody()` has, and how many keys that took."""
        part = {"folderpath": EVENT_FOLDER, "filename": EVENT_FILE}.get("".join(keys).casefold())
        if part is None or self.scope.trigger in ("schedule", "window"):
            raise UnresolvedError("it uses a blob event that does not start the pipeline")
        return Text((part,)), 1

    def of_reference(self, given: Mapping[str, Any], keys: list[str]) -> tuple[Value, int]:
        """Return a parameter of what a reference names, and how many keys that took."""
        return self.given(_looked_up(given, "".join(keys[:1]))), 1


_WINDOW: Final[dict[tuple[str, ...], Moment]] = {
    ("outputs", "windowstarttime"): _START,
    ("outputs", "windowendtime"): _END,
}
_ROOTS: Final[dict[str, Callable[[_Evaluation, list[str]], tuple[Value, int]]]] = {
    "pipeline": _Evaluation.of_pipeline,
    "trigger": _Evaluation.of_trigger,
    "triggerbody": _Evaluation.of_body,
    "dataset": lambda one, keys: one.of_reference(one.scope.dataset, keys),
    "linkedservice": lambda one, keys: one.of_reference(one.scope.service, keys),
}
#: Functions that begin with the present time, and what they do with it.
_FROM_NOW: Final = {
    "utcnow": "formatdatetime",
    "getpasttime": "subtractfromtime",
    "getfuturetime": "addtotime",
}
_ITEM: Final = "item"
_ACTIVITY: Final = "it uses what another activity gives; Relearn does not run that activity"
#: What is known at run time alone.
_AHEAD: Final = {
    "activity": _ACTIVITY,
    "body": _ACTIVITY,
    _ITEM: "it uses the member of a ForEach; write a pipeline for each member",
    "guid": "it makes a new value for each run",
    "newguid": "it makes a new value for each run",
    "rand": "it makes a new value for each run",
}


def _typed(value: Any) -> tuple[str, Any]:
    """Return the type of an object such as an expression or a secret, and its value."""
    if not isinstance(value, dict):
        return "", None
    lower = {str(key).casefold(): one for key, one in value.items()}
    return str(lower.get("type", "")).casefold(), lower.get("value")


def _refuse_inner(value: Any) -> None:
    """Refuse an object or a list that holds expressions."""
    texts = (one for _, one in leaves(value) if isinstance(one, str))
    if any("@{" in text or (text.startswith("@") and text[1:2] != "@") for text in texts):
        raise UnresolvedError("an expression is within an object or a list")


def _looked_up(known: Mapping[str, Any], name: str) -> Any:
    """Return a value by its name, in any letter case."""
    folded = (key for key in known if key.casefold() == name.casefold())
    key = name if name in known else next(folded, None)
    if key is None:
        raise UnresolvedError("something that it refers to has no value: no default, and none set")
    value = known[key]
    if is_secret(name, value.value if isinstance(value, Resolved) else value):
        raise SecretError
    return value


def _below(value: Value, taken: int, keys: list[Any]) -> Value:
    """Return what a constant has below the keys that are left."""
    found: Any = value
    for key in keys[taken:]:
        if isinstance(found, EventFolders) and isinstance(key, int):
            found = found.at(key)
        elif isinstance(found, list) and isinstance(key, int):
            found = found[key] if -len(found) <= key < len(found) else None
        elif isinstance(found, dict):
            found = found.get(key)
        else:
            raise UnresolvedError("it asks a value for a part that it does not have")
        if is_secret(str(key), found):
            raise SecretError
    below: Value = found
    return below
