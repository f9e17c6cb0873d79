"""Reads ARM templates: which resources they have, with the values of their parameters.

Expressions are replaced by their values in place, so that every value keeps its path in the file.
What has no value here stays, and is reported. The value of a secret parameter is never read
into a resource.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.core.secret_shapes import without_bare, without_shapes
from shared.importers.data_factory.account import Element, Path
from shared.importers.data_factory.expressions.syntax import SecretError, UnresolvedError
from shared.importers.data_factory.reading.arm_expressions import (
    OpenText,
    evaluated,
    is_expression,
    literal,
)
from shared.importers.data_factory.reading.plain_json import DEEPEST
from shared.importers.data_factory.reading.shapes import READ, kind_of_type
from shared.importers.data_factory.secret_forms import without_constants
from shared.importers.data_factory.secrets import is_secret

_SECURE: Final = frozenset({"securestring", "secureobject"})
_TYPED: Final = frozenset({"type", "apiversion"})
_GIVEN: Final = frozenset({"value", "reference"})
_EVALUATED: Final = frozenset({"name", "properties", "condition"})
_DEPLOYMENTS: Final = "microsoft.resources/deployments"
_LITERALS: Final = re.compile(r"'((?:[^']|'')+)'")
_CONNECTION: Final = re.compile(
    r"(?:DefaultEndpointsProtocol=https?;)?AccountName=[\w.-]+;AccountKey=<\w+>[\w;=.:/-]*",
    re.IGNORECASE,
)
_ACCOUNT: Final = re.compile(r"AccountName=([\w.-]+)", re.IGNORECASE)
_OF_FACTORIES: Final = "Microsoft.DataFactory/factories"
_FILE: Final = re.compile(r"([\w.-]+\.json)\b")
_DEEPEST: Final = 30
_MOST_NODES: Final = 20_000
_OF_MEMBER: Final = 32
#: What may be put in place of the expressions of one template, in characters.
_MOST_PUT: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class ArmResource:
    """A resource of a template, with its values."""

    element: Element
    type: str  #: in full, such as `Microsoft.DataFactory/factories/datasets`
    name: str  #: the last part of it


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An expression without a value here."""

    path: Path
    text: str
    why: str

    @property
    def shown(self) -> str:
        """Return the expression for people: all of it, without secrets."""
        secret = is_secret(str(self.path[-1]) if self.path else "", self.text)
        text = without_constants(self.text) if secret else self.text
        return f"`{without_bare(without_shapes(text))}`"


@dataclass(slots=True)
class Template:
    """What was read of a template."""

    resources: list[ArmResource] = field(default_factory=list)
    nested: list[Element] = field(default_factory=list)  #: deployments with a template inside
    linked: list[tuple[Element, str]] = field(default_factory=list)  #: with the name of the file
    unresolved: list[Unresolved] = field(default_factory=list)


def is_template(value: Any) -> bool:
    """Whether a value is an ARM template."""
    if not isinstance(value, dict):
        return False
    folded = {key.casefold(): one for key, one in value.items()}
    found = folded.get("resources")
    if not isinstance(found, dict | list):
        return False
    members = found.values() if isinstance(found, dict) else found
    typed = any(isinstance(one, dict) and {k.casefold() for k in one} >= _TYPED for one in members)
    return typed or "deploymenttemplate" in str(folded.get("$schema", "")).casefold()


def is_parameters(value: Any) -> bool:
    """Whether a value is a file of parameters for a template."""
    if not isinstance(value, dict):
        return False
    folded = {key.casefold(): one for key, one in value.items()}
    found = folded.get("parameters")
    if not isinstance(found, dict) or "resources" in folded or "properties" in folded:
        return False
    if "deploymentparameters" in str(folded.get("$schema", "")).casefold():
        return True
    given = [isinstance(one, dict) and not one.keys().isdisjoint(_GIVEN) for one in found.values()]
    return bool(given) and all(given)


def given_values(root: Element) -> dict[str, Any]:
    """Return the values of a file of parameters, by their folded names."""
    values = ((name.casefold(), one.get("value")) for name, one in root.get("parameters").items())
    return {name: value.value for name, value in values if value}


def secret_parameters(root: Element) -> frozenset[str]:
    """Return the folded names of the parameters of a template whose values are secrets."""
    parameters = root.get("parameters").items()
    secure = (name for name, one in parameters if one.get("type").peek().casefold() in _SECURE)
    return frozenset(map(str.casefold, secure))


def read(root: Element, given: Mapping[str, Any]) -> Template:
    """Return the resources of a template, after putting values in place of its expressions.

    Args:
        root: the template; its values are changed.
        given: values of parameters, by their folded names.
    """
    template = Template()
    _read(root, _Scope(root, given, template.unresolved), template, "")
    return template


def _read(holder: Element, scope: "_Scope", into: Template, above: str) -> None:
    for resource in members(holder.get("resources")):
        kind = _full_type(resource, above)
        if kind.casefold() == _DEPLOYMENTS:
            _read_deployment(resource, scope, into)
            continue
        part = kind_of_type(kind)
        if part:
            known = len(into.unresolved)
            for key in [one for one in resource.value if one.casefold() in _EVALUATED]:
                resource.value[key] = scope.put(resource.value[key], (*resource.path, key))
            if part not in READ:  # it is not carried over: what it lacks is of no use
                del into.unresolved[known:]
            _read(resource, scope, into, kind)
        name = resource.get("name")
        shown = _last_name(name.peek())
        into.resources.append(ArmResource(resource, kind, shown))


def _read_deployment(resource: Element, scope: "_Scope", into: Template) -> None:
    inner = resource.get("properties", "template")
    if not isinstance(inner.value, dict):
        link = resource.get("properties", "templateLink")
        files = _FILE.findall((link.get("uri") or link.get("relativePath")).peek())
        into.linked.append((resource, files[-1] if files else ""))
        return
    into.nested.append(resource)
    own = resource.get("properties", "expressionEvaluationOptions", "scope")
    if own.peek().casefold() == "inner":
        given = resource.get("properties", "parameters")
        values = scope.put(given.value, given.path)
        handed = {"parameters": values if isinstance(values, dict) else {}}
        element = Element(handed, resource.file, resource.path, resource.account)
        scope = _Scope(inner, given_values(element), into.unresolved)
    _read(inner, scope, into, "")


def members(holder: Element) -> Iterator[Element]:
    """Yield the objects of a list, or of an object with a name for each."""
    found = [one for _, one in holder.items()] or holder.list()
    yield from (one for one in found if isinstance(one.value, dict))


def _full_type(resource: Element, above: str) -> str:
    kind = resource.get("type").peek()
    if "/" not in kind and not above and kind_of_type(f"{_OF_FACTORIES}/{kind}") in READ:
        above = _OF_FACTORIES  # templates of pipelines alone leave it out
    return kind if "/" in kind or not above else f"{above}/{kind}"


def _last_name(name: str) -> str:
    """Return the last part of a resource's name, also where it is an expression still."""
    if is_expression(name):
        found = _LITERALS.findall(name)
        name = found[-1].replace("''", "'") if found else name
    return name.rstrip("/").rpartition("/")[2].strip()


class _Scope:
    """What the expressions of a template can name."""

    def __init__(
        self, root: Element, given: Mapping[str, Any], unresolved: list[Unresolved]
    ) -> None:
        self._declared = _folded(root.get("parameters"))
        self._variables = _folded(root.get("variables"))
        self._given = given
        self._secrets = secret_parameters(root)
        self._unresolved = unresolved
        self._known: dict[tuple[str, str], tuple[Any, int]] = {}
        self._left = _MOST_PUT
        self._depth = 0

    def put(self, value: Any, path: Path) -> Any:
        """Return a value with values for its expressions.

        Args:
            value: as the template has it.
            path: where it is.
        """
        return _with_texts(value, self._put_text, path)

    def _put_text(self, text: str, path: Path) -> Any:
        found = self._value(text)
        if isinstance(found, OpenText):
            return self._connection_string(text, found.error) or self._noted(found, path)
        return _with_texts(found, self._noted, path)

    def _noted(self, value: str, path: Path) -> str:
        """Return a text as a plain one; note it where it has no value."""
        if not isinstance(value, OpenText):
            return value
        if not isinstance(value.error, SecretError):
            self._unresolved.append(Unresolved(path, str(value), str(value.error)))
        return str(value)

    def _connection_string(self, text: str, why: UnresolvedError) -> str:
        """Return a connection string with gaps, where it names the account all the same.

        Its key is a secret, or is known only when the template is deployed. Nothing needs it.
        """
        if "accountname=" not in text.casefold() and not isinstance(why, SecretError):
            return ""
        try:
            found = evaluated(text, self._without_key, self._variable, with_gaps=True)
        except UnresolvedError:
            return ""
        return found if isinstance(found, str) and _CONNECTION.fullmatch(found) else ""

    def _without_key(self, name: str) -> Any:
        """Return the value of a parameter; of a connection string that is a secret, the account."""
        folded = name.casefold()
        if folded not in self._secrets:
            return self._parameter(name)
        declared = self._declared[folded].get("defaultValue").value
        account = _ACCOUNT.search(str(self._given.get(folded, declared)))
        if account is None:
            raise SecretError
        return f"AccountName={account[1]};AccountKey=<parameters>"

    def _value(self, text: str) -> Any:
        if not is_expression(text):
            return literal(text)
        try:
            value = evaluated(text, self._parameter, self._variable)
            self._charge(_size(value))
        except UnresolvedError as error:
            value = OpenText(text)
            value.error = error
        return value

    def _parameter(self, name: str) -> Any:
        folded = name.casefold()
        if folded in self._secrets:
            raise SecretError
        if folded in self._given:
            return self._once("parameter", name, self._given[folded], plain=True)
        declared = self._declared.get(folded)
        default = declared and declared.get("defaultValue")
        if not default:
            raise UnresolvedError(f"parameter `{name}` has no value: give it with --parameters")
        return self._once("parameter", name, default.value)

    def _variable(self, name: str) -> Any:
        found = self._variables.get(name.casefold())
        if found is None:
            raise UnresolvedError(f"the template has no variable `{name}`")
        return self._once("variable", name, found.value)

    def _once(self, kind: str, name: str, value: Any, *, plain: bool = False) -> Any:
        """Return the value of a parameter or variable, which is found out once.

        Args:
            kind: which of both.
            name: of it.
            value: as the template has it.
            plain: whether it has no expressions, as the values in a file of parameters.

        Raises:
            UnresolvedError: it has none, or needs itself.
        """
        key = kind, name.casefold()
        if key not in self._known:
            if self._depth > _DEEPEST:
                raise UnresolvedError("variables need each other in too long a row")
            circle = OpenText(name)
            circle.error = UnresolvedError(f"{kind} `{name}` needs itself")
            self._known[key] = circle, 0
            self._depth += 1
            self._known[key] = self._measured(
                value if plain else _with_texts(value, lambda text, _: self._value(text))
            )
            self._depth -= 1
        found, size = self._known[key]
        if isinstance(found, OpenText):
            raise found.error
        self._charge(size)
        return found

    def _measured(self, value: Any) -> tuple[Any, int]:
        """Return a value with its size; the reason instead of one that is too large."""
        try:
            return value, _size(value)
        except UnresolvedError as error:
            refused = OpenText()
            refused.error = error
            return refused, 0

    def _charge(self, size: int) -> None:
        """Count what is put in place of expressions.

        Raises:
            UnresolvedError: it is too much.
        """
        self._left -= size
        if self._left < 0:
            raise UnresolvedError("the values of this template are too large")


def _with_texts(value: Any, made: Callable[[str, Path], Any], path: Path = ()) -> Any:
    """Return a copy of a value in which each text is replaced.

    Args:
        value: a text, or an object or a list that holds some.
        made: returns what stands for a text, which has this path.
        path: of the value.
    """
    if isinstance(value, dict):
        return {key: _with_texts(one, made, (*path, key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_texts(one, made, (*path, at)) for at, one in enumerate(value)]
    return made(value, path) if isinstance(value, str) else value


def _folded(holder: Element) -> dict[str, Element]:
    return {name.casefold(): one for name, one in holder.items()}


def _size(value: Any) -> int:
    """Return how large a value is, by its members and the lengths of its texts.

    Raises:
        UnresolvedError: there are too many, or they are nested too deep.
    """
    left = [(value, 0)]
    count = nodes = 0
    while left:
        one, depth = left.pop()
        nodes += 1
        count += len(one) if isinstance(one, str) else _OF_MEMBER
        if nodes > _MOST_NODES or depth > DEEPEST:
            raise UnresolvedError("its value has too many members")
        below = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        left += ((inner, depth + 1) for inner in below)
    return count
