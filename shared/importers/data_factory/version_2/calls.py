"""Reports the activities of version 2 that call another pipeline (data-factory §3.4)."""

import json
import re
from typing import Final

from shared.importers.data_factory.account import Element, both_to_do, leaves
from shared.importers.data_factory.drafts import Draft
from shared.importers.data_factory.expressions.version_2 import Resolved, constant
from shared.importers.data_factory.other_activities import (
    SILENT,
    instead_of,
    leave_activity,
    set_aside,
)
from shared.importers.data_factory.policies import leave_policy
from shared.importers.data_factory.reading.definitions import Definition, folded
from shared.importers.data_factory.reading.shapes import PIPELINE
from shared.importers.data_factory.secrets import report_passed, secret_places, warned_of
from shared.importers.data_factory.version_2.factory import (
    TRAINING,
    Activity,
    Factory,
    called,
    defaults,
    resolve,
)
from shared.importers.data_factory.version_2.triggers import Start, passes_secret, report_unsaid

#: Keys of an activity that say nothing.
OF_ACTIVITY: Final = (*SILENT, "linkedServiceName", "state", "onInactiveMarkAs")
_RUN: Final = "ask for a run where it is due: POST /api/pipelines/{pipeline}/runs"
_BY_ITSELF: Final = "or write `schedule`, or data.opens_runs: true, if it may run each time"
_SEE: Final = "see the line of the call"
_NOTHING: Final = "nothing to do for this key"
_USED: Final = re.compile(r"\bparameters(?:\s*\.\s*|\W+)(\w+)", re.IGNORECASE)
_WHOLE: Final = re.compile(r"@(?:\{\s*)?pipeline\(\)\.parameters\.(\w+)\s*\}?", re.IGNORECASE)


def report_call(factory: Factory, activity: Activity, found: dict[str, list[Draft]]) -> bool:
    """Report a call; return whether what it waits for is to be reported, too.

    Args:
        factory: all pipelines.
        activity: the call.
        found: the pipelines to be, by the folded names of those of the factory.
    """
    name = called(activity)
    places = ", ".join(draft.name for draft in found.get(folded(name), []))
    why = factory.branch(activity)
    if activity.is_conditional:
        why = f"it is in {activity.within[-1].shown}"
    if places and why:
        _leave_call(factory, activity, places, why)
        return False
    if places:
        text = f"{places}: what starts this pipeline starts pipeline `{name}` too"
        starts = factory.starts_of(activity.pipeline)
        known = all(one.item for start in starts for one, _ in factory.members(activity, start))
        if activity.within and not known:
            text += f", but only once: it is in {activity.where}, which Relearn does not have"
        element, advice = activity.element, instead_of(activity.type)
        element.approximated("activity", activity.name, text, advice)
        leave_policy(element, "its activity is not carried over")
        _set_aside_call(factory, activity, name)
        return True
    text = f"pipeline `{name}` has no activity that is carried over"
    if folded(name) not in found:
        text = f"pipeline `{name}` is not among the files"
    leave_activity(activity.element, activity.name, text, instead_of(activity.type))
    return False


def _set_aside_call(factory: Factory, activity: Activity, name: str) -> None:
    """Take what a call of a pipeline says of itself, and report the parameters that it gives.

    Args:
        factory: all pipelines.
        activity: the call.
        name: of the pipeline that it calls.
    """
    element = activity.element
    element.take_keys(*OF_ACTIVITY)
    element.get("typeProperties").take_keys("pipeline", "waitOnCompletion")
    set_aside(element, "description", "userProperties")
    pipeline = factory.definitions.named(PIPELINE, name)
    for parameter, one in element.get("typeProperties", "parameters").items():
        if pipeline and passes_secret(pipeline, parameter, one.value):
            report_passed(one, parameter, one.value)
        elif not any(
            report_unsaid(one, parameter, value, name) for value in _given(factory, activity, one)
        ):
            text = f"its value stands in pipeline `{name}` wherever it is used"
            one.mapped("key", parameter, text)


def _given(factory: Factory, activity: Activity, one: Element) -> list[Resolved]:
    """Return the values that a call gives a parameter, for each way in which it is started."""
    return [
        resolve(factory.definitions, activity.pipeline, each, one.value)
        for start in factory.starts_of(activity.pipeline)
        for each, _ in factory.members(activity, start)
    ]


def _leave_call(factory: Factory, activity: Activity, places: str, why: str) -> None:
    """Report a call that starts nothing, and the values that it gives.

    Args:
        factory: all pipelines.
        activity: the call.
        places: the pipelines in the pipelines file that it would start.
        why: it starts nothing.
    """
    pipeline = factory.definitions.named(PIPELINE, called(activity))
    text, advice = f"{why}: nothing starts {places} from here", f"{_RUN}; {_BY_ITSELF}"
    differ = {} if pipeline is None else _differing(factory, activity, pipeline, places)
    if differ and pipeline is not None:
        starts = factory.starts_of(pipeline)
        values = ", ".join(f"{key}: {_said(value)}" for key, value in differ.items())
        text += f", and it gives {values}"
        if any(_has(pipeline, start, differ) for start in starts):
            advice = f"{_RUN}, of the one that has these values"
        elif all(_text(pipeline, one, key) is None for one in starts for key in differ):
            advice = f"write {values} in {places}, and {_RUN}"
        else:
            text += ", which none of them has"
            advice = _with_values(factory, pipeline, differ, values)
    advice = both_to_do(advice, warned_of(secret_places(activity.element)))
    leave_activity(activity.element, activity.name, text, advice)


def _differing(
    factory: Factory, activity: Activity, pipeline: Definition, places: str
) -> dict[str, Resolved]:
    """Report the parameters that a call would give, and return those with values of their own.

    Args:
        factory: all pipelines.
        activity: the call.
        pipeline: that it calls.
        places: what that is in the pipelines file.
    """
    given = dict(activity.element.get("typeProperties", "parameters").items())
    starts, differ = factory.starts_of(pipeline), dict[str, Resolved]()
    for parameter, one in given.items():
        if passes_secret(pipeline, parameter, one.value):
            report_passed(one, parameter, one.value)
            continue
        value = _given(factory, activity, one)[0]
        theirs = dict.fromkeys(_text(pipeline, start, parameter) for start in starts)
        if value.text is not None and list(theirs) == [value.text]:
            one.left("key", parameter, f"in {places} it is the same", _NOTHING)
            continue
        differ[parameter] = value
        other = " and ".join(f"`{each}`" for each in theirs if each is not None)
        text = f"`{_said(value)}`, and in {places} it is {other or 'not given'}"
        one.left("key", parameter, text, _SEE)
    usual, mine = defaults(pipeline, "parameters"), [folded(one) for one in given]
    for name in dict.fromkeys(key for start in starts for key in start.parameters):
        if folded(name) in mine or passes_secret(pipeline, name, usual.get(folded(name))):
            continue
        value = constant(usual.get(folded(name)))
        if any(_text(pipeline, start, name) != value.text for start in starts):
            differ[name] = value
    return differ


def _text(pipeline: Definition, start: Start, parameter: str) -> str | None:
    """Return the text of a parameter that a pipeline is started with; None: it has none.

    Args:
        pipeline: that has the parameter.
        start: what starts it.
        parameter: its name.
    """
    own = {folded(key): value for key, value in start.parameters.items()}
    value = own.get(folded(parameter), defaults(pipeline, "parameters").get(folded(parameter)))
    known = value if isinstance(value, Resolved) or value is None else constant(value)
    return None if known is None else known.text


def _has(pipeline: Definition, start: Start, values: dict[str, Resolved]) -> bool:
    """Whether a pipeline is started with these values.

    Args:
        pipeline: that has the parameters.
        start: what starts it.
        values: by the names of the parameters.
    """
    return all(
        value.text is not None and value.text == _text(pipeline, start, parameter)
        for parameter, value in values.items()
    )


def _with_values(
    factory: Factory, pipeline: Definition, values: dict[str, Resolved], shown: str
) -> str:
    """Return how a run with other values of parameters can be had.

    Args:
        factory: all pipelines.
        pipeline: that the call starts.
        values: by the names of the parameters.
        shown: the same, for people.
    """
    jobs = [one for one in factory.of(pipeline) if one.kind == TRAINING]
    passed = [one for job in jobs for one in _passed(job).items()]
    by_name = {folded(name): value for name, value in values.items()}
    asked = {
        key: by_name[name].value
        for key, name in passed
        if name in by_name and isinstance(by_name[name].value, str | int | float)
    }
    texts = [str(text) for _, text in leaves(pipeline.properties.get("activities").value)]
    uses = [one for text in texts for one in _USED.findall(text) if folded(one) in by_name]
    if len(jobs) != 1 or not asked or len(uses) != len(asked):
        return f"write a pipeline of its own with {shown}, and {_RUN}"
    body = json.dumps({"parameters": asked}, ensure_ascii=False)
    return f"{_RUN} with `{body}`"


def _passed(job: Activity) -> dict[str, str]:
    """Return the parameters of a job that are one of its pipeline, with the names of those."""
    found = {}
    for key, one in job.element.get("typeProperties", "globalParameters").items():
        match = _WHOLE.fullmatch(one.get("value").peek() or one.peek())
        if match:
            found[key] = folded(match[1])
    return found


def _said(value: Resolved) -> str:
    return value.verbatim if value.text is None else value.text
