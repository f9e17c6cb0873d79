"""Reports on version 2 pipelines and their activities, other than jobs and updates.

What the keys mean: data-factory §3.4.
"""

from collections.abc import Sequence
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import Draft
from shared.importers.data_factory.expressions.version_2 import Resolved
from shared.importers.data_factory.other_activities import (
    DECIDES,
    SILENT,
    leave_inactive,
    leave_other,
    set_aside,
    why_nothing,
)
from shared.importers.data_factory.reading.definitions import Definition, folded
from shared.importers.data_factory.reading.shapes import PIPELINE
from shared.importers.data_factory.secrets import is_secret, report_passed
from shared.importers.data_factory.values import number
from shared.importers.data_factory.version_2.azureml_pipelines import EXECUTE, report_execution
from shared.importers.data_factory.version_2.calls import OF_ACTIVITY, report_call
from shared.importers.data_factory.version_2.factory import (
    CALL,
    SETTERS,
    TRAINING,
    UPDATE,
    Activity,
    Factory,
    defaults,
    is_secure,
    set_by,
)
from shared.importers.data_factory.version_2.jobs import Made
from shared.importers.data_factory.version_2.triggers import Start
from shared.importers.data_factory.version_2.update_conditions import awaited

_ASIDE: Final = ("description", "annotations", "folder", "lastPublishTime")
_USES: Final = "see the lines of this pipeline that use it"


def concurrency(pipeline: Definition) -> int | None:
    """Return how many runs of a pipeline there are at the same time; None: no limit."""
    count = number(pipeline.properties.get("concurrency").value)
    return None if count is None else min(max(count, 1), 1000)


def report_waits(factory: Factory, activity: Activity, made: Made) -> None:
    """Report what a job or an update waits for, and the keys of it that say nothing.

    Args:
        factory: all pipelines.
        activity: the job, or the update.
        made: the job, or that of the update.
    """
    activity.element.take_keys(*OF_ACTIVITY)
    set_aside(activity.element, "description", "userProperties")
    for element, name, conditions in activity.waits():
        other = factory.named(activity.pipeline, name)
        succeeded = activity.kind == UPDATE and conditions == {"succeeded"}
        if other and succeeded and other.kind == UPDATE and factory.leads_to(made.activity, other):
            text = f"{made.place}: endpoints are updated one by one, in the order of the file, and "
            order = factory.of(activity.pipeline)
            if order.index(other) < order.index(activity):
                text += f"a failure of `{name}` stops what comes after it"
                element.mapped("key", "dependsOn", text)
            else:
                text += f"that of `{name}` comes after this one"
                element.approximated("key", "dependsOn", text, "let it come before, if it matters")
        elif other and succeeded and factory.leads_to(made.activity, other):
            text = f"{made.place}: an update follows its training"
            element.mapped("key", "dependsOn", text)
        elif other and succeeded and other in made.activity.within:
            text = f"{made.place}: it follows its training, which is in {other.shown}: a run waits "
            text += "for nothing else of that"
            element.approximated("key", "dependsOn", text)
        elif other and activity.kind == UPDATE and other in awaited(factory, made.activity):
            text = f"waits for `{name}`, as its training `{made.activity.name}` does"
            element.left("key", "dependsOn", text, "see the line of that training's dependsOn")
    _report_waits(factory, activity)


def _report_waits(factory: Factory, activity: Activity) -> None:
    """Report what an activity waits for only in the factory."""
    for element, name, conditions in activity.waits():
        if element.place in element.account.lines:
            continue
        other = factory.named(activity.pipeline, name)
        said = ", ".join(sorted(conditions))
        text = f"waits for `{name}` ({said}): Relearn does not run it before"
        to_do = "let the data that it writes open the run, or let schedule.delay be long enough"
        to_do = DECIDES if activity.kind == UPDATE else to_do
        if not name:
            text, to_do = "it does not name an activity", "nothing to do"
        elif other is None:
            text, to_do = f"waits for `{name}`, which is not in its pipeline", "nothing to do"
        elif other.kind in SETTERS:
            to_do = "nothing: the value that it sets is known before"
        elif other.kind in (TRAINING, UPDATE, CALL):
            to_do = "let schedule.delay be long enough" if activity.kind != UPDATE else DECIDES
            text = f"waits for `{name}` ({said}): pipelines of Relearn do not wait for each other"
        element.left("key", "dependsOn", text, to_do)


def report_others(factory: Factory, pipeline: Definition, found: dict[str, list[Draft]]) -> None:
    """Report the activities of a pipeline that start no job and update nothing.

    Args:
        factory: all pipelines.
        pipeline: one of them.
        found: the pipelines to be, by the folded names of those of the factory.
    """
    for one in factory.of(pipeline):
        if one.kind in (TRAINING, UPDATE):
            continue
        if one.is_inactive:
            leave_inactive(one.element, one.name)
        elif one.kind == EXECUTE:
            report_execution(factory, one)
        elif one.kind == CALL:
            if report_call(factory, one, found):
                _report_waits(factory, one)
        else:
            after = any(other.kind == TRAINING for other in awaited(factory, one))
            leave_other(one.element, one.name, one.type, after_training=after)


def report_pipeline(factory: Factory, pipeline: Definition, made: Sequence[Draft]) -> None:
    """Report a pipeline of the factory, and its keys that no activity has used.

    Args:
        factory: all pipelines.
        pipeline: one of them.
        made: the pipelines to be.
    """
    body, properties = pipeline.body, pipeline.properties
    if not made:
        body.left(PIPELINE, pipeline.name, *_why(factory, pipeline))
        _report_concurrency(properties, "no activity of it is carried over")
        return
    body.take_keys(*SILENT)
    properties.take_keys(*SILENT)
    set_aside(properties, *_ASIDE)
    names = ", ".join(dict.fromkeys(draft.name for draft in made))
    body.mapped(PIPELINE, pipeline.name, f"{names} in pipelines.yaml")
    if not any(start.source for start in factory.starts_of(pipeline)):
        text = "no trigger starts it: a run begins when it is asked for"
        advice = "write `schedule`, or data.opens_runs: true, if runs are to begin by themselves"
        body.approximated(PIPELINE, pipeline.name, text, advice)
    limit = concurrency(pipeline)
    _report_concurrency(properties, "", "; ".join(dict.fromkeys(map(_busy, made))))
    unlimited = [draft.name for draft in made if draft.timing.catch_up != "all"]
    if limit is None and unlimited:
        text = "without concurrency the factory starts runs at once: here those of one pipeline "
        text = f"{', '.join(dict.fromkeys(unlimited))}: {text}wait for each other"
        body.approximated(PIPELINE, pipeline.name, text)
    _report_values(factory, pipeline)


def _busy(draft: Draft) -> str:
    """Return how many runs of a pipeline to be there are at the same time, as its file has it."""
    most = draft.timing.max_parallel
    said = "queue" if most is None else f"parallel, max_parallel: {most}"
    return f"{draft.name}: when_busy: {said}"


def report_start(pipeline: Definition, start: Start, draft: Draft) -> None:
    """Report the keys of a trigger that say how its runs begin, as they are in the file.

    Args:
        pipeline: of the factory.
        start: by the trigger.
        draft: the pipeline to be that it starts.
    """
    most = start.timing.max_parallel
    if start.kind == "window" and most is not None:
        text = _busy(draft)
        if draft.timing.max_parallel != most:
            text += f": concurrency of pipeline `{pipeline.name}` allows no more"
        element = start.source.get("properties", "typeProperties", "maxConcurrency")
        element.mapped("policy", "maxConcurrency", text)
    if start.event is not None and draft.timing.data is not None:
        start.event.report(draft.name, draft.timing.data.name)


def report_forms(made: Made) -> None:
    """Report the outputs whose path does not name a file, and so does not say what they hold."""
    for port, path in made.job.outputs.items():
        if path.is_folder:
            text = f"{made.place}: its path does not name a file, and it is taken for a table"
            advice = "let its name in training.outputs end in .ilearner, if it is a model"
            path.source.approximated("key", port, text, advice, whole=False)


def _report_concurrency(properties: Element, why: str, text: str = "") -> None:
    element = properties.get("concurrency")
    if why:
        element.left("policy", "concurrency", why, "nothing to do for this key")
    elif "; " in text:
        text += ": each of these pipelines has its own, where in the factory they share it"
        element.approximated("policy", "concurrency", text)
    else:
        element.mapped("policy", "concurrency", text)
    for key, one in properties.get("policy").items():
        to_do = "set an alert rule on Relearn's log for runs that stay open"
        one.left("policy", f"policy.{key}", "Relearn does not measure how long a run takes", to_do)


def _report_values(factory: Factory, pipeline: Definition) -> None:
    """Report the parameters and variables of a pipeline.

    Args:
        factory: all pipelines.
        pipeline: one of them.
    """
    known = defaults(pipeline, "parameters")
    for name, one in pipeline.properties.get("parameters").items():
        if _is_secret(name, one):
            continue
        values = [known.get(folded(name))]
        for start in factory.starts_of(pipeline):
            given = {folded(key): value for key, value in start.parameters.items()}
            values.append(given.get(folded(name), values[0]))
        if None in values[1:]:
            text, advice = "nothing that starts the pipeline gives it a value", _USES
            one.left("key", name, f"it has no default, and {text}", advice)
        elif any(isinstance(value, Resolved) and value.text is None for value in values):
            one.left("key", name, "the value that it is given cannot be carried over", _USES)
        else:
            text = "its value stands wherever it is used: the default, or what starts it gives"
            one.mapped("key", name, text)
    sets = set_by(pipeline)
    for name, one in pipeline.properties.get("variables").items():
        if _is_secret(name, one):
            continue
        text = "Relearn has no variables: its default value stands wherever it is used"
        if of := sets.get(folded(name)):
            text = f"Relearn has no variables: what activity `{of[0].name}` sets stands "
            text += "wherever it is used, if that can be said"
        one.approximated("key", name, text)


def _is_secret(name: str, declared: Element) -> bool:
    """Whether a parameter or a variable holds a secret; it is reported then.

    Args:
        name: of it.
        declared: with its type and its default value.
    """
    default = declared.get("defaultValue").value
    if not is_secure(declared) and not is_secret(name, default):
        return False
    report_passed(declared, name, default)
    return True


def _why(factory: Factory, pipeline: Definition) -> tuple[str, str]:
    kinds, ours = {one.kind for one in factory.of(pipeline)}, (TRAINING, UPDATE, EXECUTE)
    if CALL in kinds and kinds.isdisjoint(ours):
        return "it calls other pipelines, and trains nothing itself", "see those pipelines"
    return why_nothing(kinds, ours)


def report_idle(factory: Factory, found: dict[str, list[Draft]]) -> None:
    """Report the triggers that start no pipeline of which anything is carried over.

    Args:
        factory: all pipelines.
        found: the pipelines to be, by the folded names of those of the factory.
    """
    busy = {
        start.source.place
        for name, of in factory.starts.items()
        for start in of
        if start.source and found.get(name)
    }
    for of in factory.starts.values():
        for start in of:
            if start.source.place not in busy:
                text = "nothing of the pipelines that it starts is carried over"
                start.source.left(
                    "trigger", start.trigger, text, "see the lines of those pipelines"
                )
