"""Pipelines of version 2: which become pipelines of Relearn, and what is said of all else.

Each job with its updates becomes one pipeline for each way in which its pipeline is started,
because parameters can be others each time (data-factory §3.4, §3.5).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.importers.data_factory import datasets
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.azureml_pipelines import EXECUTE, report_execution
from shared.importers.data_factory.definitions import Definition, Definitions, folded
from shared.importers.data_factory.drafts import Draft, ImportContext, Timing, Update
from shared.importers.data_factory.factory_v2 import (
    CALL,
    TRAINING,
    UPDATE,
    VERSION,
    Activity,
    Factory,
    called,
    defaults,
    read,
)
from shared.importers.data_factory.jobs_v2 import UNKNOWN, Made, job
from shared.importers.data_factory.others import instead_of, set_aside
from shared.importers.data_factory.triggers import PIPELINE, Start, report_place
from shared.importers.data_factory.updates_v2 import update

_SILENT: Final = ("name", "type", "id", "$schema", "etag", "linkedServiceName")
_ASIDE: Final = ("description", "annotations", "folder", "lastPublishTime")


def drafts(definitions: Definitions, context: ImportContext) -> list[Draft]:
    """Return the pipelines to be of all jobs of version 2, and report everything of it.

    Args:
        definitions: all that was found.
        context: of the import.
    """
    factory = read(definitions, context)
    found: dict[str, list[Draft]] = {}
    for pipeline in definitions.of(PIPELINE):
        if pipeline.version == VERSION:
            found[folded(pipeline.name)] = _Reader(factory, pipeline).drafts()
    for pipeline in definitions.of(PIPELINE):
        if pipeline.version == VERSION:
            _report_others(factory, pipeline, found)
            _report_pipeline(factory, pipeline, found[folded(pipeline.name)])
    _report_idle(factory, found)
    datasets.report_unused(definitions, VERSION)
    return _with_places([draft for of in found.values() for draft in of])


def _with_places(made: list[Draft]) -> list[Draft]:
    """Return drafts in which a path that stands in for another is where most inputs are."""
    paths = [path for draft in made for path in draft.job.inputs.values()]
    places = Counter((one.account, one.container) for one in paths if one.container != UNKNOWN)
    account, container = places.most_common(1)[0][0] if places else ("", "training-data")
    found = []
    for draft in made:
        inputs = {
            port: replace(path, account=account, container=container)
            if path.container == UNKNOWN
            else path
            for port, path in draft.job.inputs.items()
        }
        found.append(replace(draft, job=replace(draft.job, inputs=inputs)))
    return found


class _Reader:
    """Reads one pipeline of the factory."""

    def __init__(self, factory: Factory, pipeline: Definition) -> None:
        self._factory, self._pipeline = factory, pipeline
        self._activities = factory.of(pipeline)
        self._jobs = [one for one in self._activities if one.kind == TRAINING]

    def drafts(self) -> list[Draft]:
        """Return the pipelines to be."""
        found: list[Draft] = []
        starts: list[Start] = []
        for start in self._factory.starts_of(self._pipeline):
            starts += [] if start in starts else [start]
        labels = _labels(starts)
        for start, label in zip(starts, labels, strict=True):
            made = [
                one
                for activity in self._jobs
                if (one := job(self._factory, activity, start, self._place(activity, label)))
            ]
            found += self._with_updates(made, start)
        return found

    def _place(self, activity: Activity, label: str) -> str:
        """Return the name in the pipelines file of the pipeline that a job becomes."""
        names = [self._pipeline.name]
        names += [activity.name] if len(self._jobs) > 1 else []
        names += [label] if label else []
        return self._factory.context.pipeline_name(*names)

    def _with_updates(self, jobs: list[Made], start: Start) -> list[Draft]:
        updates: dict[str, list[Update]] = {one.place: [] for one in jobs}
        for activity in self._activities:
            if activity.kind != UPDATE:
                continue
            joined = update(self._factory, activity, start, jobs)
            if joined is not None:
                changed, one = joined
                jobs = [changed if made.place == changed.place else made for made in jobs]
                updates[changed.place].append(one)
                _report_waits(self._factory, activity, changed)
        found = []
        for made in jobs:
            _report_waits(self._factory, made.activity, made)
            _report_without_update(made, updates[made.place])
            report_place(start, made.place)
            timing = self._timing(made, start)
            found.append(Draft(made.place, made.job, tuple(updates[made.place]), timing))
        return found

    def _timing(self, made: Made, start: Start) -> Timing:
        limit = concurrency(self._pipeline)
        timing = start.timing
        if start.kind == "window" and timing.max_parallel is not None:
            limit = min(limit or timing.max_parallel, timing.max_parallel)
        elif start.kind == "window":
            limit = 1
        parallel = limit is not None and limit > 1
        timing = replace(
            timing,
            when_busy="parallel" if parallel else "queue",
            max_parallel=limit if parallel else None,
        )
        if start.event is None:
            return timing
        inputs = list(made.job.inputs.values())
        exact = [one for one in inputs if start.event.holds(one)]
        same = [one for one in inputs if start.event.matches(one)]
        data = next(iter([*exact, *same]), start.event.path)
        if not data.container and inputs:
            data = replace(data, account=inputs[0].account, container=inputs[0].container)
        return replace(timing, data=data)


def _labels(starts: Sequence[Start]) -> list[str]:
    """Return what tells the pipelines of several starts apart; nothing for a single one."""
    if len(starts) == 1:
        return [""]
    found: list[str] = []
    for start in starts:
        base = start.trigger or "request"
        label, number = base, 1
        while label in found:
            number += 1
            label = f"{base} {number}"
        found.append(label)
    return found


def concurrency(pipeline: Definition) -> int | None:
    """Return how many runs of a pipeline there are at the same time; None: no limit."""
    element = pipeline.properties.get("concurrency")
    text = "" if element is None else str(element.value).strip()
    return min(max(int(text[:6]), 1), 1000) if text.isdecimal() else None


def _report_waits(factory: Factory, activity: Activity, made: Made) -> None:
    """Report what a job or an update waits for, and the keys of it that say nothing."""
    for key in _SILENT:
        if (element := activity.element.get(key)) is not None:
            element.take()
    for key in ("state", "onInactiveMarkAs"):
        if (element := activity.element.get(key)) is not None:
            element.take()
    set_aside(activity.element, "description", "userProperties")
    empty = activity.element.get("dependsOn")
    if empty is not None and not empty.value:
        empty.take()
    for element, name, conditions in activity.waits():
        other = factory.named(activity.pipeline, name)
        chained = activity.kind == UPDATE and conditions == {"succeeded"} and other is not None
        if (
            chained
            and other is not None
            and (
                other is made.activity
                or (other.kind == UPDATE and factory.follows(other, made.activity))
            )
        ):
            text = f"{made.place}: an update follows its training"
            element.mapped("key", "dependsOn", text)
            continue
        said = ", ".join(sorted(conditions))
        text = f"waits for `{name}` ({said}): Relearn does not run it before"
        to_do = "let the data that it writes open the run, or let schedule.delay be long enough"
        if other is None:
            text, to_do = f"waits for `{name}`, which is not in its pipeline", "nothing to do"
        elif other.kind == TRAINING:
            text = f"waits for `{name}` ({said}): pipelines of Relearn do not wait for each other"
        element.left("key", "dependsOn", text, to_do)


def _report_without_update(made: Made, updates: Sequence[Update]) -> None:
    if updates or made.job.source is None:
        return
    text = f"{made.place} has no endpoints: it writes no model, as a scoring does"
    cure = ""
    if made.trains:
        text = f"{made.place} has no endpoints: no update takes the model"
        cure = "name the endpoints that are to serve it under endpoints"
    made.job.source.approximated("activity", made.activity.name, text, cure, whole=False)


def _report_others(factory: Factory, pipeline: Definition, found: dict[str, list[Draft]]) -> None:
    """Report the activities of a pipeline that start no job and update nothing."""
    for one in factory.of(pipeline):
        if one.kind in (TRAINING, UPDATE):
            continue
        if one.kind == EXECUTE:
            report_execution(factory, one, factory.starts_of(pipeline)[0])
            continue
        datasets.leave_policy(one.element, "its activity is not carried over")
        if one.kind == CALL:
            _report_call(one, found)
            continue
        text = f"{one.type or 'an activity without a type'}: Relearn has no such activity"
        one.element.left("activity", one.name, text, instead_of(one.type))


def _report_call(activity: Activity, found: dict[str, list[Draft]]) -> None:
    name = called(activity)
    places = [draft.name for draft in found.get(folded(name), [])]
    if places:
        text = f"{', '.join(places)}: what starts this pipeline starts pipeline `{name}` too"
        element, cure = activity.element, instead_of(activity.type)
        element.approximated("activity", activity.name, text, cure, whole=False)
        _set_aside_call(element)
        return
    text = f"pipeline `{name}` has no activity that is carried over"
    if folded(name) not in found:
        text = f"pipeline `{name}` is not among the files"
    activity.element.left("activity", activity.name, text, instead_of(activity.type))


def _set_aside_call(element: Element) -> None:
    """Take what a call of a pipeline says of itself; parameters that it hands over are reported."""
    ways = [(key,) for key in (*_SILENT, "dependsOn", "state", "onInactiveMarkAs")]
    for way in (*ways, ("typeProperties", "pipeline"), ("typeProperties", "waitOnCompletion")):
        if (said := element.get(*way)) is not None:
            said.take()
    set_aside(element, "description", "userProperties")


def _report_pipeline(factory: Factory, pipeline: Definition, made: Sequence[Draft]) -> None:
    """Report a pipeline of the factory, and its keys that no activity has used."""
    body, properties = pipeline.body, pipeline.properties
    if not made:
        body.left(PIPELINE, pipeline.name, *_why(factory, pipeline))
        _report_concurrency(properties, "no activity of it is carried over")
        return
    for parent in (body, properties):
        for key in _SILENT:
            if (said := parent.get(key)) is not None:
                said.take()
    set_aside(properties, *_ASIDE)
    names = ", ".join(dict.fromkeys(draft.name for draft in made))
    body.mapped(PIPELINE, pipeline.name, names, whole=False)
    if all(start.source is None for start in factory.starts_of(pipeline)):
        text = f"no trigger starts it; {names}: a run begins when it is asked for"
        cure = "write `schedule`, or data.opens_runs: true, if runs are to begin by themselves"
        body.approximated(PIPELINE, pipeline.name, text, cure, whole=False)
    limit = concurrency(pipeline)
    busy = "when_busy: queue" if limit in (None, 1) else f"when_busy: parallel, max {limit}"
    _report_concurrency(properties, "", f"{names}: {busy}")
    if limit is None and all(draft.timing.when_busy == "queue" for draft in made):
        text = "without concurrency the factory starts runs at once: here they wait for each other"
        body.approximated(PIPELINE, pipeline.name, text, whole=False)
    _report_values(pipeline)


def _report_concurrency(properties: Element, why: str, text: str = "") -> None:
    element = properties.get("concurrency")
    if element is not None and why:
        element.left("policy", "concurrency", why, "nothing to do for this key alone")
    elif element is not None:
        element.mapped("policy", "concurrency", text)
    for key, one in _below(properties.get("policy")):
        to_do = "set an alert rule on Relearn's log for runs that stay open"
        one.left("policy", f"policy.{key}", "Relearn does not measure how long a run takes", to_do)


def _report_values(pipeline: Definition) -> None:
    """Report the parameters and variables of a pipeline."""
    known = defaults(pipeline, "parameters")
    for name, one in _below(pipeline.properties.get("parameters")):
        text = "its value stands wherever it is used: the default, or what a trigger gives"
        if folded(name) not in known:
            text = "it has no default: what a trigger gives stands wherever it is used"
        one.mapped("key", name, text)
    for name, one in _below(pipeline.properties.get("variables")):
        text = "Relearn has no variables: the default value stands wherever it is used"
        one.approximated("key", name, text, "see whether another activity sets it")


def _below(element: Element | None) -> list[tuple[str, Element]]:
    if element is None:
        return []
    if not element.value:
        element.take()
    return list(element.items())


def _why(factory: Factory, pipeline: Definition) -> tuple[str, str]:
    mine = factory.of(pipeline)
    if not mine:
        return "it has no activities", "nothing to do"
    if any(one.kind in (TRAINING, UPDATE) for one in mine):
        return "none of its activities is carried over", "see the lines of its activities"
    if any(one.kind == CALL for one in mine):
        return "it calls other pipelines, and trains nothing itself", "see those pipelines"
    return "it has no activity of Machine Learning", "see the lines of its activities"


def _report_idle(factory: Factory, found: dict[str, list[Draft]]) -> None:
    """Report the triggers that start no pipeline of which anything is carried over."""
    busy = {
        (start.source.file, start.source.path)
        for name, of in factory.starts.items()
        for start in of
        if start.source is not None and found.get(name)
    }
    for of in factory.starts.values():
        for start in of:
            source = start.source
            if source is not None and (source.file, source.path) not in busy:
                text = "nothing of the pipelines that it starts is carried over"
                source.left("trigger", start.trigger, text, "see the lines of those pipelines")
