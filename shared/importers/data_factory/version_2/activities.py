"""Pipelines of version 2: which become pipelines of Relearn, and what is said of all else.

Each job with its updates becomes one pipeline for each way in which its pipeline is started,
because parameters can be others each time (data-factory §3.4, §3.5).
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.importers.data_factory.drafts import Draft, ImportContext, Timing, Update
from shared.importers.data_factory.other_activities import report_unused, report_without_update
from shared.importers.data_factory.reading.definitions import Definition, Definitions, folded
from shared.importers.data_factory.reading.shapes import PIPELINE
from shared.importers.data_factory.values import unique
from shared.importers.data_factory.version_2.factory import (
    TRAINING,
    UPDATE,
    VERSION,
    Activity,
    Factory,
    read,
)
from shared.importers.data_factory.version_2.jobs import Made, job
from shared.importers.data_factory.version_2.reports import (
    concurrency,
    report_forms,
    report_idle,
    report_others,
    report_pipeline,
    report_start,
    report_waits,
)
from shared.importers.data_factory.version_2.triggers import Start, report_place
from shared.importers.data_factory.version_2.updates import update


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
            report_others(factory, pipeline, found)
            report_pipeline(factory, pipeline, found[folded(pipeline.name)])
    report_idle(factory, found)
    report_unused(definitions, VERSION)
    return [draft for of in found.values() for draft in of]


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
            made = []
            for activity in self._jobs:
                for each, member in self._factory.members(activity, start):
                    place = self._place(activity, label, member)
                    one = job(self._factory, activity, each, place)
                    made += [] if one is None else [one]
            found += self._with_updates(made, start)
        return found

    def _place(self, activity: Activity, *labels: str) -> str:
        """Return the name in the pipelines file of the pipeline that a job becomes."""
        names = [self._pipeline.name]
        names += [activity.name] if len(self._jobs) > 1 else []
        names += [label for label in labels if label]
        return self._factory.context.pipeline_name(*names)

    def _with_updates(self, jobs: list[Made], start: Start) -> list[Draft]:
        updates: dict[str, list[Update]] = {one.place: [] for one in jobs}
        refused: list[Activity] = []
        for activity in self._activities:
            if activity.kind != UPDATE:
                continue
            for each, _ in self._factory.members(activity, start):
                beside = [one for one in jobs if each.item in (None, one.start.item)]
                beside = beside or [one for one in jobs if one.start.item is None]
                joined = update(self._factory, activity, each, beside)
                if joined is None:
                    refused.append(activity)
                    continue
                changed, one = joined
                jobs = [changed if made.place == changed.place else made for made in jobs]
                updates[changed.place].append(one)
                report_waits(self._factory, activity, changed)
        found = []
        for made in jobs:
            report_waits(self._factory, made.activity, made)
            report_forms(made)
            if not updates[made.place]:
                after = [one for one in refused if self._factory.follows(one, made.activity)]
                report_without_update(made.job, made.place, *(one.name for one in after))
            report_place(start, made.place, made.paused)
            timing = self._timing(made, start)
            draft = Draft(made.place, made.job, tuple(updates[made.place]), timing)
            report_start(self._pipeline, start, draft)
            found.append(draft)
        return found

    def _timing(self, made: Made, start: Start) -> Timing:
        limit = concurrency(self._pipeline)
        timing = start.timing if made.paused is None else start.paused
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
        return replace(timing, data=start.event.data(list(made.job.inputs.values())))


def _labels(starts: Sequence[Start]) -> list[str]:
    """Return what tells the pipelines of several starts apart; nothing for a single one."""
    if len(starts) == 1:
        return [""]
    found: list[str] = []
    for start in starts:
        name = start.trigger.strip().casefold() or "request"
        found.append(unique(name, found, 300, " "))
    return found
