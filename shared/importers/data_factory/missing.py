"""Reports each reference to a definition that is missing, also after the first one of an activity.

An activity that lacks one definition is not carried over, so that nothing reads its other
references. People want to know at once of all files that they forgot.
"""

from collections.abc import Iterator
from typing import Final

from shared.importers.data_factory.account import Element, ImportOutcome
from shared.importers.data_factory.linked_services import referenced
from shared.importers.data_factory.other_activities import activities_below
from shared.importers.data_factory.reading.definitions import Definitions
from shared.importers.data_factory.reading.shapes import DATASET, LINKED_SERVICE, PIPELINE, READ

_OURS: Final = "azureml"
#: The keys of version 1 by which a service gets the names of datasets.
_PORTS: Final = ("webServiceInputs", "webServiceOutputs")
_PORT: Final = ("webServiceInput", "trainedModelDatasetName")
_KINDS: Final = {"linkedservicereference": LINKED_SERVICE, "datasetreference": DATASET}
_BLOB: Final = "azureblob"
_ADD: Final = "add its file, and import again"
_NOT_OURS: Final = "nothing to do for Relearn, which does not run its activity"
#: How the keys end by which version 1 names a linked service, and those of activities inside.
_SERVICE_KEYS: Final = ("linkedservice", "linkedservicename")
_ACTIVITIES: Final = "activities"
_SEE: Final = "see that TRAINING_DATA_CONTAINER is a container of its account"


def report_missing(definitions: Definitions) -> None:
    """Give a line to each reference to a missing definition which has none.

    That is said of all activities, and of the datasets that are carried over.
    """
    for pipeline in definitions.of(PIPELINE):
        for activity in activities_below(pipeline.properties):
            ours = activity.get("type").peek().casefold().startswith(_OURS)
            for kind, reference in _references(activity):
                _report(definitions, kind, reference, ours=ours)
    for dataset in definitions.of(DATASET):
        line = dataset.body.account.lines.get(dataset.place)
        reference = dataset.properties.get("linkedServiceName")
        if line is None or line.outcome is ImportOutcome.NOT_CARRIED_OVER:
            continue
        known = reference.place in reference.account.lines
        if not known and (text := _missing(definitions, LINKED_SERVICE, reference)):
            blob = dataset.type.strip().casefold() == _BLOB
            advice = _SEE if blob else "see that the job reaches its data by itself"
            reference.approximated("key", "linkedServiceName", text, advice)


def _references(activity: Element) -> Iterator[tuple[str, Element]]:
    """Yield what an activity names, with its kind."""
    yield LINKED_SERVICE, activity.get("linkedServiceName")
    for key in ("inputs", "outputs"):
        for one in activity.get(key).list():
            yield DATASET, one.get("name") or one
    typed = activity.get("typeProperties")
    for key in _PORT:
        yield DATASET, typed.get(key)
    for key in _PORTS:
        yield from ((DATASET, one) for _, one in typed.get(key).items())
    for key, one in typed.items():
        if isinstance(one.value, str) and key.casefold().endswith(_SERVICE_KEYS):
            yield LINKED_SERVICE, one
    yield from _typed(typed)


def _typed(element: Element) -> Iterator[tuple[str, Element]]:
    """Yield the references of version 2 below an element, with their kinds.

    Those of activities inside belong to these.
    """
    inside = [below for key, below in element.items() if not key.casefold().endswith(_ACTIVITIES)]
    members = element.list() if isinstance(element.value, list) else []
    for one in [*inside, *members]:
        kind = _KINDS.get(one.get("type").peek().casefold())
        if kind and one.get("referenceName"):
            yield kind, one
        else:
            yield from _typed(one)


def _report(definitions: Definitions, kind: str, reference: Element, *, ours: bool) -> None:
    key = next((part for part in reversed(reference.path) if isinstance(part, str)), "")
    if reference.place in reference.account.lines:
        return
    if text := _missing(definitions, kind, reference):
        reference.left("key", key, text, _ADD if ours else _NOT_OURS)
    elif ours and kind == DATASET and (name := definitions.other_name(kind, reference.value)):
        text = f"dataset `{name}`, which is written in another way here"
        reference.approximated("key", key, text)


def _missing(definitions: Definitions, kind: str, reference: Element) -> str:
    """Return that what a reference names is missing; empty where it is there."""
    name = referenced(reference)
    if not name or name.startswith(("[", "@")) or definitions.has(kind, name):
        return ""
    return f"{READ[kind]} `{name}` is not among the files"
