"""Pipelines of version 1: which become pipelines of Relearn, and what is said of all else.

Each job with its updates becomes one pipeline. Jobs and updates are joined by the dataset of the
model, in any pipelines (data-factory §2.4).
"""

from collections.abc import Iterable
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import Draft, ImportContext, Update
from shared.importers.data_factory.other_activities import (
    SILENT,
    leave_other,
    report_unused,
    report_without_update,
    set_aside,
    why_nothing,
)
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.reading.shapes import DATASET, PIPELINE
from shared.importers.data_factory.version_1 import datasets, periods
from shared.importers.data_factory.version_1.factory import (
    JOBS,
    UPDATE,
    Activity,
    Factory,
    folded,
    read,
)
from shared.importers.data_factory.version_1.jobs import Made, job
from shared.importers.data_factory.version_1.other_datasets import leave_datasets
from shared.importers.data_factory.version_1.policies import NEVER_REPLACES, NEWEST_FIRST
from shared.importers.data_factory.version_1.updates import update

_VERSION: Final = 1
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
            leave_other(one.element, one.name, one.type, after_training=factory.is_after_job(one))
    for made in jobs:
        mine = [one for of, _, one in updates if of is made]
        if mine:
            _report_order(made)
        else:
            _report_alone(factory, made)
    carried = [*(made.activity for made in jobs), *(one for _, one, _ in updates)]
    for one in factory.activities:
        if (one.is_job or one.is_update) and one not in carried:
            leave_datasets(factory, one, carried)
    for pipeline in definitions.of(PIPELINE):
        if pipeline.version == _VERSION:
            _report_pipeline(factory, pipeline, jobs, updates)
    report_unused(definitions, _VERSION)
    return [
        Draft(made.place, made.job, tuple(one for of, _, one in updates if of is made), made.timing)
        for made in jobs
    ]


def _report_alone(factory: Factory, made: Made) -> None:
    """Report a job that no update belongs to; an update may wait for a dataset that is missing."""
    written = {folded(one.name) for one in made.activity.references}
    for one in factory.activities:
        model = one.element.get("typeProperties", "trainedModelDatasetName").peek()
        if one.is_update and folded(model) in written:
            text = f"{made.place}: it has no endpoints: update `{one.name}`, which waits for its "
            text += "model, is not carried over"
            advice = "see the line of the update"
            made.job.source.approximated("activity", made.job.name, text, advice)
            return
    report_without_update(made.job, made.place)


def _report_order(made: Made) -> None:
    """Report that a model of an older window does not replace that of a newer one."""
    said = made.activity.element.get("policy", "executionPriorityOrder")
    if made.policy.order == NEWEST_FIRST:
        said.approximated("policy", str(said.path[-1]), f"{made.place}: {NEVER_REPLACES}")


def _report_pipeline(
    factory: Factory,
    pipeline: Definition,
    jobs: Iterable[Made],
    updates: Iterable[tuple[Made, Activity, Update]],
) -> None:
    """Report a pipeline of the factory, and its keys that no activity has used."""
    mine = [made for made in jobs if made.activity.pipeline is pipeline]
    places = [made.place for made in mine]
    joined = [made.place for made, one, _ in updates if one.pipeline is pipeline]
    body, properties = pipeline.body, pipeline.properties
    _report_scoped(properties.get("datasets"))
    if not places and not joined:
        kinds = {one.kind for one in factory.activities if one.pipeline is pipeline}
        body.left(PIPELINE, pipeline.name, *why_nothing(kinds, (*JOBS, UPDATE)))
        return
    body.take_keys(*SILENT)
    properties.take_keys(*SILENT)
    set_aside(body, *datasets.OF_TEMPLATE)
    set_aside(properties, *_ASIDE)
    named = ", ".join(dict.fromkeys(places or joined))
    text = f"{named} in pipelines.yaml"
    if not places:
        text = f"its updates are endpoints of {text}"
    body.mapped(PIPELINE, pipeline.name, text)
    scheduled = [made for made in mine if made.timing.schedule]
    for made in mine:
        if made not in scheduled:
            periods.leave_period(properties, made.place, for_others=bool(scheduled))
    if scheduled and not properties.get("start") and not periods.period(properties).one_time:
        text = f"no start, so that it is not active; {named}: schedule.paused: true"
        advice = "write schedule.start, and remove schedule.paused"
        body.approximated(PIPELINE, pipeline.name, text, advice)


def _report_scoped(scoped: Element) -> None:
    text = "a dataset of the pipeline's own is not read"
    for dataset in scoped.list():
        dataset.left(
            DATASET, dataset.get("name").text(), text, "give it a file of its own, and import again"
        )
