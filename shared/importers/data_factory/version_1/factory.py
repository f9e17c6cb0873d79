"""The activities of version 1, and the datasets that join them (data-factory §2.4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.datasets import DATASET
from shared.importers.data_factory.drafts import ImportContext, Service
from shared.importers.data_factory.expressions.version_1 import SLICE, time_of
from shared.importers.data_factory.linked_services import LINKED_SERVICE, service
from shared.importers.data_factory.reading.definitions import Definition, Definitions

PIPELINE: Final = "pipeline"
UPDATE: Final = "azuremlupdateresource"
SCORING: Final = "azuremlbatchscoring"
#: Where a service is told the names of datasets.
_PORTS: Final = (
    "webServiceInput",
    "webServiceInputs",
    "webServiceOutputs",
    "trainedModelDatasetName",
)
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
        found = []
        for key, usual in zip(("startTime", "endTime"), SLICE, strict=True):
            said = self.element.get(key)
            readable = said is not None and time_of(str(said.value)) is not None
            found.append(str(said.value) if said is not None and readable else usual)
        return found[0], found[1]


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
        yield from (*self.inputs, *self.outputs)
        for key in _PORTS:
            said = self.element.get("typeProperties", key)
            ports = [] if said is None else [one for _, one in said.items()] or [said]
            yield from (Reference(one, one.value) for one in ports if isinstance(one.value, str))

    @property
    def is_job(self) -> bool:
        """Whether it starts a batch job."""
        return self.kind in _JOBS

    @property
    def is_update(self) -> bool:
        """Whether it updates an endpoint with a model."""
        return self.kind == UPDATE


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

    def writers(self, dataset: Definition) -> list[Activity]:
        """Return the activities that have a dataset among their outputs."""
        return [one for one in self.activities if self.is_among(dataset, one.outputs)]

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
        said = activity.element.get("linkedServiceName")
        name = "" if said is None else (said.get("referenceName") or said).text()
        if said is not None:
            said.take()
        file = activity.element.file
        found = self.definitions.named(LINKED_SERVICE, name, file) if name else None
        made = None if found is None else service(found, self.context.secrets)
        if made is None:
            what = f"linked service `{name}` " + (
                "is not of type AzureML" if found else "is not among the definitions"
            )
            text = what if name else "it names no linked service"
            cure = "add or correct its definition, and import again"
            activity.element.left("activity", activity.name, text, cure)
        return made


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
    listed = pipeline.properties.get("activities")
    for number, element in enumerate([] if listed is None else listed.list(), start=1):
        name, kind = element.get("name"), element.get("type")
        yield Activity(
            pipeline,
            element,
            (name.text() if name is not None else "") or f"activity {number}",
            kind.text() if kind is not None else "",
            tuple(_references(element.get("inputs"))),
            tuple(_references(element.get("outputs"))),
        )


def _references(listed: Element | None) -> Iterator[Reference]:
    if listed is not None and not listed.value:
        listed.take()
    for element in [] if listed is None else listed.list():
        name = element.get("name") or element
        yield Reference(element, name.text())


def _key(element: Element) -> str:
    """Return the name of the key that an element is the value of."""
    return next((part for part in reversed(element.path) if isinstance(part, str)), "")
