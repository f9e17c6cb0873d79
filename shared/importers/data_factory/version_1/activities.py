"""Pipelines of version 1: which become pipelines of Relearn, and what is said of all else.

Each job with its updates becomes one pipeline. Jobs and updates are joined by the dataset of the
model, in whichever pipelines they are (data-factory §2.4).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.importers.data_factory import datasets
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.datasets import DATASET
from shared.importers.data_factory.drafts import Draft, ImportContext, Update
from shared.importers.data_factory.others import report_activity, set_aside
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.version_1.factory import PIPELINE, Activity, Factory, read
from shared.importers.data_factory.version_1.jobs import Made, job
from shared.importers.data_factory.version_1.policies import NEVER_REPLACES, NEWEST_FIRST
from shared.importers.data_factory.version_1.ports import leave_datasets
from shared.importers.data_factory.version_1.updates import update

_VERSION: Final = 1
_MODEL: Final = ".ilearner"
_SILENT: Final = ("name", "id", "$schema", "type")
_ASIDE: Final = ("description", "hubName", "provisioningState", "runtimeInfo")
_PERIOD: Final = ("start", "end", "isPaused", "pipelineMode", "expirationTime")


def drafts(definitions: Definitions, context: ImportContext) -> list[Draft]:
    """Return the pipelines to be of all jobs of version 1, and report everything of it.

    Args:
        definitions: all that was found.
        context: of the import.
    """
    factory = read(definitions, context)
    jobs = [made for one in factory.activities if one.is_job and (made := job(factory, one))]
    updates: list[tuple[Made, Activity, Update]] = []
    for one in factory.activities:
        if one.is_update:
            joined = update(factory, one, jobs)
            updates += [] if joined is None else [(joined[0], one, joined[1])]
        elif not one.is_job:
            _report_other(one)
    for made in jobs:
        mine = [one for of, _, one in updates if of is made]
        _report_without_update(made, mine)
        _report_order(made, mine)
    carried = [*(made.activity for made in jobs), *(one for _, one, _ in updates)]
    for one in factory.activities:
        if (one.is_job or one.is_update) and one not in carried:
            leave_datasets(factory, one, carried)
    for pipeline in definitions.of(PIPELINE):
        if pipeline.version == _VERSION:
            _report_pipeline(factory, pipeline, jobs, updates)
    datasets.report_unused(definitions, _VERSION)
    return [
        Draft(made.place, made.job, tuple(one for of, _, one in updates if of is made), made.timing)
        for made in jobs
    ]


def _report_other(activity: Activity) -> None:
    report_activity(activity.element, activity.name, activity.type)
    datasets.leave_policy(activity.element, "its activity is not carried over")


def _report_without_update(made: Made, updates: Sequence[Update]) -> None:
    """Report a job that no update belongs to."""
    if updates or made.job.source is None:
        return
    trains = any(path.name.casefold().endswith(_MODEL) for path in made.job.outputs.values())
    if trains:
        text = f"{made.place} has no endpoints: no update takes the model"
        cure = "name the endpoints that are to serve it under endpoints"
    else:
        text = f"{made.place} has no endpoints: it writes no model, as a scoring does"
        cure = ""
    element, name = made.job.source, made.activity.name
    element.approximated("activity", name, text, cure, whole=False)


def _report_order(made: Made, updates: Sequence[Update]) -> None:
    """Report that a model of an older window does not replace that of a newer one."""
    said = made.activity.element.get("policy", "executionPriorityOrder")
    if said is not None and updates and made.policy.order == NEWEST_FIRST:
        said.approximated("policy", str(said.path[-1]), f"{made.place}: {NEVER_REPLACES}")


def _report_pipeline(
    factory: Factory,
    pipeline: Definition,
    jobs: Iterable[Made],
    updates: Iterable[tuple[Made, Activity, Update]],
) -> None:
    """Report a pipeline of the factory, and its keys that no activity has used."""
    places = [made.place for made in jobs if made.activity.pipeline is pipeline]
    joined = [made.place for made, one, _ in updates if one.pipeline is pipeline]
    body, properties = pipeline.body, pipeline.properties
    if (scoped := properties.get("datasets")) is not None:
        _report_scoped(scoped)
    if not places and not joined:
        body.left(PIPELINE, pipeline.name, *_why(factory, pipeline))
        return
    for parent in (body, properties):
        for key in _SILENT:
            if (said := parent.get(key)) is not None:
                said.take()
    set_aside(body, *datasets.OF_TEMPLATE)
    set_aside(properties, *_ASIDE)
    named = ", ".join(dict.fromkeys(places or joined))
    text = f"{named} in pipelines.yaml"
    if not places:
        text = f"its updates are endpoints of {text}"
    body.mapped(PIPELINE, pipeline.name, text, whole=False)
    if places and properties.get("start") is None:
        text = f"no start, so that it is not active; {named}: schedule.paused: true"
        cure = "write schedule.start, and remove schedule.paused"
        body.approximated(PIPELINE, pipeline.name, text, cure, whole=False)


def _why(factory: Factory, pipeline: Definition) -> tuple[str, str]:
    mine = [one for one in factory.activities if one.pipeline is pipeline]
    if not mine:
        return "it has no activities", "nothing to do"
    if any(one.is_job or one.is_update for one in mine):
        return "none of its activities is carried over", "see the lines of its activities"
    return "it has no activity of Machine Learning", "see the lines of its activities"


def _report_scoped(scoped: Element) -> None:
    if not scoped.value:
        scoped.take()
        return
    text = "a dataset of the pipeline's own is not read"
    for dataset in scoped.list():
        name = dataset.get("name")
        shown = name.text() if name is not None else ""
        dataset.left(DATASET, shown, text, "give it a file of its own, and import again")
