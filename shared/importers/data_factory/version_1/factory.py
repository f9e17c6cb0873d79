"""The activities of version 1, and the datasets that join them (data-factory §2.4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import ImportContext, Service
from shared.importers.data_factory.expressions.version_1 import SLICE, time_of
from shared.importers.data_factory.linked_services import named_service
from shared.importers.data_factory.other_activities import leave_activity
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.reading.shapes import DATASET, PIPELINE

UPDATE: Final = "azuremlupdateresource"
SCORING: Final = "azuremlbatchscoring"
#: Keys by which a service gets the names of datasets.
_PORTS: Final = (
    "webServiceInput",
    "webServiceInputs",
    "webServiceOutputs",
    "trainedModelDatasetName",
)
JOBS: Final = ("azuremlbatchexecution", SCORING)


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset that an activity names among its inputs or outputs."""

    element: Element
    name: str

    @property
    def named(self) -> Element:
        """The text that is the name of the dataset."""
        return self.element.get("name") or self.element

    @property
    def slices(self) -> tuple[str, str]:
        """The expressions for start and end of its slice; those of the window by default."""
        start, end = (self.element.get(key).peek() for key in ("startTime", "endTime"))
        return start if time_of(start) else SLICE[0], end if time_of(end) else SLICE[1]


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of a pipeline."""

    pipeline: Definition
    element: Element
    name: str
    type: str
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]

    @property
    def kind(self) -> str:
        """Its type as it is compared; in 2014 and 2015 it had a word behind it."""
        return self.type.casefold().removesuffix("activity")

    @property
    def references(self) -> Iterator[Reference]:
        """The datasets that it names: among its inputs and outputs, and for its service."""
        yield from (*self.inputs, *self.used)

    @property
    def used(self) -> Iterator[Reference]:
        """Those of them that it does not only wait for."""
        yield from (*(self.inputs if self.kind == SCORING else ()), *self.outputs)
        for key in _PORTS:
            said = self.element.get("typeProperties", key)
            ports = [one for _, one in said.items()] or [said]
            yield from (Reference(one, one.value) for one in ports if isinstance(one.value, str))

    @property
    def is_job(self) -> bool:
        """Whether it starts a batch job."""
        return self.kind in JOBS

    @property
    def is_update(self) -> bool:
        """Whether it updates an endpoint with a model."""
        return self.kind == UPDATE


@dataclass(slots=True)
class Factory:
    """All activities of version 1, with the definitions that they refer to."""

    definitions: Definitions
    context: ImportContext
    activities: list[Activity] = field(default_factory=list)

    def place(self, activity: Activity) -> str:
        """Return the name in the pipelines file of the pipeline that a job becomes."""
        of_pipeline = (one for one in self.activities if one.pipeline is activity.pipeline)
        beside = [one for one in of_pipeline if one.is_job]
        alike = [one for one in beside if folded(one.name) == folded(activity.name)]
        names = [activity.pipeline.name]
        if len(beside) > 1:
            names += [activity.name]
        if activity in alike[1:]:
            names += [str(alike.index(activity) + 1)]
        return self.context.pipeline_name(*names)

    def writers(self, dataset: Definition) -> list[Activity]:
        """Return the activities that have a dataset among their outputs."""
        return [one for one in self.activities if self.is_among(dataset, one.outputs)]

    def is_used(self, dataset: Definition) -> bool:
        """Whether a job or an update does more with a dataset than wait for it."""
        ours = (one for one in self.activities if one.is_job or one.is_update)
        return any(self.is_among(dataset, one.used) for one in ours)

    def is_after_job(self, activity: Activity) -> bool:
        """Whether an activity waits for the output of a batch job."""
        jobs = [one for one in self.activities if one.is_job and one is not activity]
        written = {folded(output.name) for one in jobs for output in one.outputs}
        return any(folded(one.name) in written for one in activity.inputs)

    def is_among(self, dataset: Definition, references: Iterable[Reference]) -> bool:
        """Whether one of some references means a dataset.

        Args:
            dataset: the definition.
            references: of activities, which can be in other folders.
        """
        wanted = folded(dataset.name)
        return any(
            folded(one.name) == wanted
            and self.definitions.named(DATASET, one.name, one.element.file) is dataset
            for one in references
        )

    def dataset(self, element: Element) -> Definition | None:
        """Return the dataset that a text names; None, after a report, where there is none."""
        name = element.text()
        found = self.definitions.named(DATASET, name, element.file)
        if found is None:
            text = f"dataset `{name}` is not among the definitions"
            element.left("key", _key(element), text, "add its file, and import again")
        elif found.name != str(element.value):
            text = f"dataset `{found.name}`, which is written in another way here"
            element.approximated("key", _key(element), text)
        return found

    def service(self, activity: Activity) -> Service | None:
        """Return the batch service of an activity; None, after a report, where there is none."""
        reference = activity.element.get("linkedServiceName")
        found, why = named_service(reference, self.definitions, self.context.secrets)
        if found is None:
            advice = "add or correct its definition, and import again"
            leave_activity(activity.element, activity.name, why, advice)
        return found


def read(definitions: Definitions, context: ImportContext) -> Factory:
    """Return the activities of all pipelines of version 1.

    Args:
        definitions: all that was found.
        context: of the import.
    """
    factory = Factory(definitions, context)
    for pipeline in definitions.of(PIPELINE):
        if pipeline.version == 1:
            factory.activities += _activities(pipeline)
    return factory


def folded(name: str) -> str:
    """Return a name of the factory as it is compared: in any letter case, without blanks."""
    return name.strip().casefold()


def _activities(pipeline: Definition) -> Iterator[Activity]:
    activities = pipeline.properties.get("activities").list()
    for number, element in enumerate(activities, start=1):
        yield Activity(
            pipeline,
            element,
            element.get("name").text() or f"activity {number}",
            element.get("type").text(),
            tuple(_references(element.get("inputs"))),
            tuple(_references(element.get("outputs"))),
        )


def _references(listed: Element) -> Iterator[Reference]:
    for element in listed.list():
        yield Reference(element, (element.get("name") or element).text())


def _key(element: Element) -> str:
    """Return the name of the key that an element is the value of."""
    return next((part for part in reversed(element.path) if isinstance(part, str)), "")
