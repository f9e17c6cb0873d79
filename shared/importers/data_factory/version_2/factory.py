"""The activities of pipelines of version 2, and what starts each pipeline.

Activities may be inside others: loops and conditions. What depends on what: data-factory §3.4.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath, ImportContext
from shared.importers.data_factory.expressions.resolved import unresolved
from shared.importers.data_factory.expressions.version_2 import Resolved, Scope, constant, resolved
from shared.importers.data_factory.linked_services import referenced
from shared.importers.data_factory.reading.definitions import Definition, Definitions, folded
from shared.importers.data_factory.reading.shapes import PIPELINE
from shared.importers.data_factory.values import unique
from shared.importers.data_factory.version_2.triggers import Start, starts

VERSION: Final = 2
TRAINING: Final = "azuremlbatchexecution"
UPDATE: Final = "azuremlupdateresource"
CALL: Final = "executepipeline"
UNTIL: Final = "until"
_CONDITIONS: Final = ("ifcondition", "switch", UNTIL)
_LISTS: Final = ("activities", "ifTrueActivities", "ifFalseActivities", "defaultActivities")
SETTERS: Final = ("setvariable", "appendvariable")
_USES_VARIABLE: Final = "variables("
_LOOP: Final = "foreach"
_MOST_MEMBERS: Final = 20
_EACH_END: Final = ("succeeded", "completed")
#: Stands for the value of a parameter that is declared as a secret.
_SECURE: Final = {"type": "SecureString"}
#: How deep pipelines call each other.
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of a pipeline."""

    element: Element
    name: str
    type: str
    pipeline: Definition
    within: tuple["Activity", ...] = ()  #: the loops and conditions that it is inside of

    @property
    def kind(self) -> str:
        """Its type, folded."""
        return self.type.casefold()

    @property
    def is_inactive(self) -> bool:
        """Whether the factory skips it, by itself or with an activity around it."""
        states = (one.element.get("state").peek() for one in (self, *self.within))
        return any(state.casefold() == "inactive" for state in states)

    @property
    def fails(self) -> bool:
        """Whether nothing that waits for its success runs, since it is skipped and so marked."""
        marked = self.element.get("onInactiveMarkAs").peek().casefold()
        return self.is_inactive and marked in ("failed", "skipped")

    @property
    def shown(self) -> str:
        """Its type and its name, for people."""
        return f"{self.type or 'activity'} `{self.name}`"

    @property
    def where(self) -> str:
        """The loops and conditions that it is inside of, for people."""
        return " in ".join(one.shown for one in reversed(self.within))

    @property
    def is_conditional(self) -> bool:
        """Whether it runs only where a condition holds."""
        return any(one.kind in _CONDITIONS for one in self.within)

    def waits(self) -> Iterator[tuple[Element, str, frozenset[str]]]:
        """Yield the activities that it waits for: the element, their names and the conditions."""
        for one in self.element.get("dependsOn").list():
            conditions = one.get("dependencyConditions").list()
            folds = frozenset(condition.peek().casefold() for condition in conditions)
            yield one, one.get("activity").peek(), folds or frozenset(["succeeded"])


@dataclass(slots=True)
class Factory:
    """All pipelines of version 2."""

    definitions: Definitions
    context: ImportContext
    activities: list[Activity] = field(default_factory=list)
    starts: dict[str, list[Start]] = field(default_factory=dict)
    #: Outputs of trainings, once something asks for them.
    outputs: list[tuple[Activity, BlobPath]] | None = None

    def of(self, pipeline: Definition) -> list[Activity]:
        """Return the activities of a pipeline, with those inside of others."""
        return [one for one in self.activities if one.pipeline is pipeline]

    def starts_of(self, pipeline: Definition) -> list[Start]:
        """Return what starts a pipeline; one that nothing starts runs when it is asked for."""
        return self.starts.get(folded(pipeline.name)) or [Start()]

    def follows(self, activity: Activity, target: Activity) -> bool:
        """Whether an activity runs only after another one has succeeded.

        Args:
            activity: that may wait, by itself or with what it is inside of.
            target: what it may wait for.
        """
        todo, seen = [activity, *activity.within], set[int]()
        while todo:
            one = todo.pop()
            for _, name, conditions in one.waits():
                other = self.named(activity.pipeline, name)
                if other is None or conditions != {"succeeded"} or id(other) in seen:
                    continue
                if other is target or other in target.within:
                    return True
                seen.add(id(other))
                todo.append(other)
        return False

    def branch(self, activity: Activity) -> str:
        """Return the only end of another one after which an activity runs; empty: after success.

        What another one waits for counts too, unless that runs after each end of it.

        Args:
            activity: that may wait, by itself or with what it is inside of.
        """
        own = [activity, *activity.within]
        todo, seen = list(own), set[int]()
        while todo:
            one = todo.pop(0)
            for _, name, conditions in one.waits():
                each = one not in own and not conditions.isdisjoint(_EACH_END)
                who = "it" if one is activity else f"{one.shown}, which it belongs to,"
                if conditions != {"succeeded"} and not each:
                    return f"{who} begins only after `{name}` ({', '.join(sorted(conditions))})"
                other = self.named(activity.pipeline, name)
                if other is not None and other.fails and "completed" not in conditions:
                    return f"{who} never begins, because `{name}` is Inactive and marked so"
                if other is not None and id(other) not in seen:
                    seen.add(id(other))
                    todo.append(other)
        return ""

    def members(self, activity: Activity, start: Start) -> list[tuple[Start, str]]:
        """Return a start for each member of the loop that an activity is in, with its name.

        Where there is no loop, or its list is not known, the start itself is the only one.

        Args:
            activity: that may be in a ForEach.
            start: what starts its pipeline.
        """
        loops = [one for one in activity.within if one.kind == _LOOP]
        if len(loops) != 1:
            return [(start, "")]
        items = loops[0].element.get("typeProperties", "items").value
        known = resolve(self.definitions, activity.pipeline, start, items).value
        if not isinstance(known, list) or not 0 < len(known) <= _MOST_MEMBERS:
            return [(start, "")]
        found: list[tuple[Start, str]] = []
        for at, member in enumerate(known, 1):
            item, taken = constant(member), {name for _, name in found}
            plain = item.text is not None and not isinstance(member, dict | list)
            name = unique(str(member) if plain else str(at), taken, 40)
            if item not in [one.item for one, _ in found]:
                found.append((replace(start, item=item), name))
        return found

    def leads_to(self, training: Activity, other: Activity) -> bool:
        """Whether an activity is a training, or an update that follows it.

        Args:
            training: a training.
            other: the activity.
        """
        return other is training or (other.kind == UPDATE and self.follows(other, training))

    def named(self, pipeline: Definition, name: str) -> Activity | None:
        """Return an activity of a pipeline; letter case does not count.

        Args:
            pipeline: it is one of.
            name: what it is called.
        """
        mine = self.of(pipeline)
        return next((one for one in mine if folded(one.name) == folded(name)), None)

    def refused(self, activity: Activity) -> tuple[str, str] | None:
        """Return why the factory does not run an activity, and what to do; None: it does."""
        if activity.is_inactive:
            return "Inactive: the factory skips it", "nothing to do"
        if self.named(activity.pipeline, activity.name) is not activity:
            text = f"another activity of its pipeline is called `{activity.name}` too"
            return text, "give it a name of its own, and import again"
        return None

    def service(self, element: Element) -> Definition | None:
        """Return the linked service that a reference names."""
        return self.definitions.named("linkedService", referenced(element), element.file)


def read(definitions: Definitions, context: ImportContext) -> Factory:
    """Return all pipelines of version 2; triggers are reported by that.

    Args:
        definitions: all that was found.
        context: of the import.
    """
    factory = Factory(definitions, context)
    for pipeline in definitions.of(PIPELINE):
        if pipeline.version == VERSION:
            below = pipeline.properties.get("activities")
            factory.activities += _activities(below, pipeline, ())
    factory.starts = starts(definitions, context)
    _pass_on(factory)
    return factory


def _activities(
    below: Element, pipeline: Definition, within: tuple[Activity, ...]
) -> Iterator[Activity]:
    """Yield activities with those inside of them."""
    for element in below.list():
        if not isinstance(element.value, dict):
            continue
        name = element.get("name").peek() or "(without a name)"
        one = Activity(element, name, element.get("type").peek(), pipeline, within)
        yield one
        inside = (*within, one)
        for key in _LISTS:
            yield from _activities(element.get("typeProperties", key), pipeline, inside)
        for case in element.get("typeProperties", "cases").list():
            yield from _activities(case.get("activities"), pipeline, inside)


def called(activity: Activity) -> str:
    """Return the name of the pipeline that an activity calls; empty where it calls none."""
    if activity.kind != CALL:
        return ""
    return activity.element.get("typeProperties", "pipeline", "referenceName").peek()


def _pass_on(factory: Factory) -> None:
    """Let what starts a pipeline start the pipelines that it calls.

    What nothing starts is asked for: then it gives its parameters to what nothing else starts.
    """
    own = {name: list(of) for name, of in factory.starts.items()}
    for name, of in own.items():
        for start in of:
            _pass_to_called(factory, name, start, {name}, factory.starts)
    asked: dict[str, list[Start]] = {}
    targets = {folded(called(one)) for one in factory.activities}
    for name in {folded(one.pipeline.name): None for one in factory.activities}:
        if name not in targets and name not in factory.starts:
            _pass_to_called(factory, name, Start(), {name}, asked)
    factory.starts = asked | factory.starts


def _pass_to_called(
    factory: Factory, name: str, start: Start, seen: set[str], into: dict[str, list[Start]]
) -> None:
    pipeline = factory.definitions.named(PIPELINE, name)
    if pipeline is None or len(seen) > _DEEPEST:
        return
    for activity in factory.of(pipeline):
        target = folded(called(activity))
        if not target or target in seen or activity.is_inactive:
            continue
        if activity.is_conditional or factory.branch(activity):
            continue
        given = activity.element.get("typeProperties", "parameters")
        for each, _ in factory.members(activity, start):
            values = {
                key: resolve(factory.definitions, pipeline, each, value.value)
                for key, value in given.items()
            }
            passed = replace(start, parameters=values)
            into.setdefault(target, []).append(passed)
            _pass_to_called(factory, target, passed, seen | {target}, into)


def resolve(definitions: Definitions, pipeline: Definition, start: Start, value: Any) -> Resolved:
    """Return what a value of a pipeline stands for.

    Args:
        definitions: of the factory.
        pipeline: it is in.
        start: what starts that.
        value: as the definition has it.
    """
    usual = defaults(pipeline, "parameters")
    parameters = usual | {folded(name): one for name, one in start.parameters.items()}
    parameters |= {name: one for name, one in usual.items() if one is _SECURE}
    scope = Scope(
        trigger=start.kind,
        variables=defaults(pipeline, "variables"),
        factory_parameters=definitions.factory_parameters,
        pipeline=pipeline.name,
        factory=definitions.factory,
        item=start.item,
    )
    if _USES_VARIABLE in str(value).casefold():
        scope = replace(scope, variables=_variables(pipeline, parameters, scope))
    found = resolved(value, parameters, scope)
    if found.uses_window and start.timing.schedule is None:
        why = "it uses a time of the schedule, and no schedule starts its pipeline"
        return replace(found, text=None, exact=False, why=why, value=None)
    return found


def _variables(pipeline: Definition, parameters: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Return the variables of a pipeline, by folded name, as its activities set them.

    Args:
        pipeline: that has them.
        parameters: of the pipeline, with their values.
        scope: with the default values.
    """
    found = dict(scope.variables)
    for name, of in set_by(pipeline).items():
        first, verbatim = of[0], str(of[0].element.get("typeProperties", "value").value)
        each_time = all(conditions == {"succeeded"} for _, _, conditions in first.waits())
        if len(of) == 1 and first.kind == SETTERS[0] and not first.within and each_time:
            value = first.element.get("typeProperties", "value").value
            found[name] = resolved(value, parameters, scope)
        else:
            found[name] = unresolved(f"activity `{first.name}` may set the variable", verbatim)
    return found


def set_by(pipeline: Definition) -> dict[str, list[Activity]]:
    """Return the activities that set variables of a pipeline, by the folded name of those."""
    found: dict[str, list[Activity]] = {}
    for one in _activities(pipeline.properties.get("activities"), pipeline, ()):
        if one.kind in SETTERS and not one.is_inactive:
            name = one.element.get("typeProperties", "variableName").peek()
            found.setdefault(folded(name), []).append(one)
    return found


def is_secure(parameter: Element) -> bool:
    """Whether a parameter is declared as a secret."""
    return parameter.get("type").peek().casefold() == "securestring"


def defaults(pipeline: Definition, key: str) -> dict[str, Any]:
    """Return the default values of parameters or variables, by folded name.

    Args:
        pipeline: that has them.
        key: `parameters` or `variables`.
    """
    found: dict[str, Any] = {}
    for name, one in pipeline.properties.get(key).items():
        default = one.get("defaultValue")
        if is_secure(one):
            found[folded(name)] = _SECURE
        elif default:
            found[folded(name)] = default.value
    return found
