"""The activities of version 1, and the datasets that join them (data-factory §2.4)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import ImportContext, Service
from shared.importers.data_factory.expressions.version_1 import SLICE, time_of
from shared.importers.data_factory.linked_services import named_service
from shared.importers.data_factory.others import leave_activity
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.reading.shapes import DATASET, PIPELINE

UPDATE: Final = "azuremlupdateresource"
SCORING: Final = "azuremlbatchscoring"
_JOBS: Final = ("azuremlbatchexecution", SCORING)


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
    def is_job(self) -> bool:
        """Whether it starts a batch job."""
        return self.type.casefold() in _JOBS

    @property
    def is_update(self) -> bool:
        """Whether it updates an endpoint with a model."""
        return self.type.casefold() == UPDATE


@dataclass(slots=True)
class Factory:
    """All activities of version 1, with what they refer to."""

    definitions: Definitions
    context: ImportContext
    activities: list[Activity] = field(default_factory=list)

    def place(self, activity: Activity) -> str:
        """Return the name in the pipelines file of the pipeline that a job becomes."""
        beside = [one for one in self.activities if one.pipeline is activity.pipeline]
        several = len([one for one in beside if one.is_job]) > 1
        names = (activity.pipeline.name, activity.name)
        return self.context.pipeline_name(*names[: 1 + several])

    def writers(self, dataset: str) -> list[Activity]:
        """Return the activities that have a dataset among their outputs."""
        wanted = folded(dataset)
        return [
            one
            for one in self.activities
            if wanted in [folded(reference.name) for reference in one.outputs]
        ]

    def others_use(self, dataset: str, activity: Activity) -> bool:
        """Whether a job or an update uses a dataset, besides an activity.

        Args:
            dataset: its name.
            activity: the one that does not count.
        """
        wanted = folded(dataset)
        return any(
            wanted in [folded(reference.name) for reference in (*one.inputs, *one.outputs)]
            for one in self.activities
            if one is not activity and (one.is_job or one.is_update)
        )

    def dataset(self, element: Element) -> Definition | None:
        """Return the dataset that a text names; None, after a report, where there is none."""
        name = element.text()
        found = self.definitions.named(DATASET, name)
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
            cure = "add or correct its definition, and import again"
            leave_activity(activity.element, activity.name, why, cure)
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
