"""Reports the datasets of version 1 whose blobs no job of Relearn reads or writes."""

from collections.abc import Sequence
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.other_activities import DECIDES, leave_dataset
from shared.importers.data_factory.policies import leave_policy
from shared.importers.data_factory.reading.definitions import Definition
from shared.importers.data_factory.reading.shapes import DATASET
from shared.importers.data_factory.version_1 import availability, datasets
from shared.importers.data_factory.version_1.availability import Cadence
from shared.importers.data_factory.version_1.factory import (
    Activity,
    Factory,
    Reference,
)

#: Where the data of a dataset is, for its types that occur beside jobs.
_PLACE_KEYS: Final = ("folderPath", "fileName", "partitionedBy", "tableName", "compression")
_NO_BLOB: Final = (
    "see that the job reads or writes it by itself, as training.parameters say; else have the "
    "data written to a blob"
)


def report_dependency(
    factory: Factory, activity: Activity, reference: Reference, cadence: Cadence | None
) -> None:
    """Report an input that only decides when an activity runs.

    Args:
        factory: all activities.
        activity: the activity.
        reference: its input.
        cadence: the schedule of the activity.
    """
    dataset = factory.dataset(reference.named)
    if dataset is None:
        return
    writers = [one for one in factory.writers(dataset) if one is not activity]
    advice = "let the schedule begin when it is there: schedule.delay"
    if activity.is_update:
        advice = DECIDES
    if writers:
        first = writers[0]
        text = (
            f"waits for activity `{first.name}` of pipeline `{first.pipeline.name}`, which "
            f"writes dataset `{dataset.name}`: a pipeline of Relearn waits only for data"
        )
        reference.element.left("key", "inputs", text, advice)
    else:
        text = f"Relearn waits only for the data of a training, not for `{dataset.name}`"
        reference.element.left("key", "inputs", text, advice)
    report_unread(dataset, f"activity `{activity.name}` only waits for it", cadence)
    text = "Relearn does not wait for it"
    if factory.is_used(dataset):
        dataset.body.approximated(DATASET, dataset.name, text)
    else:
        dataset.body.left(DATASET, dataset.name, text, advice, whole=False)


def report_unread(dataset: Definition, text: str, cadence: Cadence | None = None) -> None:
    """Report a dataset of which only the times are needed.

    Args:
        dataset: one whose blobs no job of Relearn reads or writes.
        text: what it is for.
        cadence: the schedule of the job that it belongs to.
    """
    for key in _PLACE_KEYS:
        dataset.properties.get("typeProperties", key).take()
    dataset.properties.get("linkedServiceName").take()
    datasets.report_silent(dataset, "")
    leave_policy(dataset.properties, "Relearn reads and writes nothing there")
    said = dataset.properties.get("availability")
    if not is_reported(said):
        availability.report_other(said, cadence, "it has no effect in Relearn")
    text = f"{dataset.type}: {text}"
    if datasets.is_blob(dataset):
        dataset.body.mapped(DATASET, dataset.name, text)
    else:
        dataset.body.approximated(DATASET, dataset.name, text, _NO_BLOB)


def leave_datasets(factory: Factory, activity: Activity, carried: Sequence[Activity]) -> None:
    """Report the datasets of an activity that is not carried over, where nothing else uses them.

    Args:
        factory: all activities.
        activity: it has its own line.
        carried: the activities that are carried over.
    """
    what = "its dataset is not carried over"
    for reference in activity.references:
        dataset = factory.definitions.named(DATASET, reference.name, reference.element.file)
        if dataset is None or any(factory.is_among(dataset, one.references) for one in carried):
            continue
        text = f"activity `{activity.name}` uses it, which is not carried over"
        leave_dataset(dataset, text, "see the line of the activity")
        for key, element in dataset.properties.get("availability").items():
            element.left("availability", key, what, "nothing to do for this key")


def is_reported(said: Element) -> bool:
    """Whether the keys of an availability have lines already."""
    lines = said.account.lines
    return any(one.place in lines for _, one in said.items())
