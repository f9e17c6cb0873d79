"""Datasets of version 1: the blobs that they name, and how long their data is waited for.

A dataset has one line of the report, whatever it is used for. The rules: data-factory §2.2.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.config.pattern import checked_pattern
from shared.core.config.setting_references import not_filled_in
from shared.core.windows import checked_path
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath
from shared.importers.data_factory.expressions.version_1 import (
    SLICE,
    Resolved,
    partitions,
    resolved,
)
from shared.importers.data_factory.linked_services import LINKED_SERVICE, storage
from shared.importers.data_factory.others import set_aside
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.version_1.availability import means_days, timespan, written

DATASET: Final = "dataset"
_BLOB: Final = "azureblob"
#: What the service takes as an input (data-factory §6).
_INPUT_FORMS: Final = (".csv", ".tsv", ".arff")
#: Keys that say nothing to a batch job.
_SILENT: Final = ("name", "id", "$schema", "type")
#: Keys of a definition in a template, or as the service returns it.
OF_TEMPLATE: Final = ("apiVersion", "location", "dependsOn", "etag")
_SILENT_BELOW: Final = ("type", "external", "published", "structure")
_ARM: Final = re.compile(r"\[\w+(?:\.\w+)*\(.*\)\]", re.DOTALL)
_ACCOUNT_NAME: Final = re.compile(r"[\w.-]+")
_WRITE_PATH: Final = "write the path in pipelines.yaml, with {start:yyyy/MM/dd} where time is in it"
_FILL_IN: Final = (
    "give its value: in the file, or with --parameters where it is that of a template; import again"
)
_MOST_CHECKS: Final = 10
#: externalData of a dataset, where a key is left out (data-factory §2.2).
_DEFAULTS: Final = {
    "datadelay": timedelta(),
    "retryinterval": timedelta(minutes=1),
    "retrytimeout": timedelta(minutes=10),
}
_CHECKS: Final = 3
#: The policies of datasets, which have keys of their own.
_OF_DATASETS: Final = ("externaldata", "validation")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a run waits for its data, and how large that has to be."""

    every: timedelta = timedelta()
    at_most: timedelta = timedelta()
    min_size: str = ""

    @property
    def written(self) -> dict[str, str] | None:
        """The value of `wait_for_data`; None where there is nothing to wait for."""
        if not self.at_most:
            return None
        every = self.every or timedelta(minutes=1)
        return {"every": written(every), "at_most": written(self.at_most)}


def is_blob(dataset: Definition) -> bool:
    """Whether a dataset names blobs."""
    return dataset.type.strip().casefold() == _BLOB


def unfilled(text: str) -> bool:
    """Whether a text is a placeholder, or an expression of a template that has no value here."""
    return not_filled_in(text) is not None or _ARM.fullmatch(text.strip()) is not None


def blob_path(
    dataset: Definition, definitions: Definitions, slices: tuple[str, str] = SLICE
) -> BlobPath | None:
    """Return the blob that a dataset names; None, after a report, where that cannot be said.

    Args:
        dataset: of type AzureBlob.
        definitions: all that was found, to look up its storage account.
        slices: expressions for start and end of its slice, where an input names them.
    """
    typed = dataset.properties.get("typeProperties")
    if not is_blob(dataset) or typed is None:
        return None
    variables = typed.get("partitionedBy")
    known = {} if variables is None else partitions(variables.take(), slices)
    parts = [_filled(typed.get(key), key, known) for key in ("folderPath", "fileName")]
    if None in parts:
        return None
    path = "/".join(part.strip("/") for part in parts if part and part.strip("/"))
    container, _, name = path.partition("/")
    if wrong := _refused(container, name):
        element = typed.get("folderPath") or typed
        element.left("key", "folderPath", f"`{path}`: {wrong}", _WRITE_PATH)
        return None
    return BlobPath(_account(dataset, definitions), container, name, dataset.body)


def report_silent(dataset: Definition, place: str) -> None:
    """Take the keys that say nothing to a batch job, and report those that could.

    Args:
        dataset: any.
        place: the pipeline in the pipelines file.
    """
    for parent, names in ((dataset.body, _SILENT), (dataset.properties, _SILENT_BELOW)):
        for name in names:
            if (element := parent.get(name)) is not None:
                element.take()
    set_aside(dataset.body, *OF_TEMPLATE)
    set_aside(dataset.properties, "description", "provisioningState")
    typed = dataset.properties.get("typeProperties")
    if typed is None:
        return
    for key in ("format", "type"):  # batch jobs do not use them (data-factory §2.2)
        if (element := typed.get(key)) is not None:
            element.take()
    if (packed := typed.get("compression")) is not None and packed.value:
        text = f"{place}: the job is given the blob as it is"
        packed.approximated("key", "compression", text, "have it written without compression")


def report_input_form(path: BlobPath, name: str) -> None:
    """Report an input that the service refuses, because of the end of its name.

    Args:
        path: of the input.
        name: of its dataset.
    """
    if path.name.casefold().endswith(_INPUT_FORMS):
        return
    text = "the service refuses inputs that do not end in .csv, .tsv or .arff"
    cure = "write the name of the file, with its suffix, in pipelines.yaml"
    path.source.approximated(DATASET, name, text, cure, whole=False)


def report_waiting(dataset: Definition, place: str) -> Waiting:
    """Report the policy of an input of a job, and return what of it Relearn does.

    Args:
        dataset: the input.
        place: the pipeline in the pipelines file.
    """
    waits, least = Waiting(), ""
    for key, element in _policies(dataset.properties):
        if key.casefold() == "externaldata" and isinstance(element.value, dict):
            waits = _report_external(element, place)
        elif key.casefold() == "validation" and isinstance(element.value, dict):
            least = _report_validation(element, place)
        else:
            _unknown(element, key)
    return Waiting(waits.every, waits.at_most, least)


def leave_policy(owner: Element, what: str) -> None:
    """Report each key of a policy that has no effect in Relearn.

    Args:
        owner: what has the policy: an activity, or the properties of a dataset.
        what: why it has none.
    """
    for key, element in _policies(owner):
        below = list(element.items()) if key.casefold() in _OF_DATASETS else []
        for name, one in below:
            one.left("policy", f"{key}.{name}", what, "nothing to do for this key alone")
        if not below:
            element.left("policy", key, what, "nothing to do for this key alone")


def report_unused(definitions: Definitions, version: int) -> None:
    """Report the datasets that no activity uses which Relearn takes over.

    Args:
        definitions: all that was found.
        version: of Data Factory: the datasets of one version are reported with its activities.
    """
    for dataset in definitions.of(DATASET):
        body = dataset.body
        if dataset.version != version or (body.file, body.path) in body.account.lines:
            continue
        text = f"{dataset.type or 'no type'}: no job or update that is carried over uses it"
        body.left(DATASET, dataset.name, text, "nothing to do for Relearn")
        leave_policy(dataset.properties, "its dataset is not carried over")


def _filled(element: Element | None, key: str, known: Mapping[str, Resolved]) -> str | None:
    """Return a part of a path with its variables replaced; None where one is unknown."""
    if element is None or element.value is None:
        return ""
    said = element.text()
    if unfilled(said):
        element.left("key", key, f"`{said}` is not filled in", _FILL_IN)
        return None
    found = resolved(said, known).as_path()
    if found.text is None:
        shown = "the value" if found.is_secret else found.verbatim or str(element.value)
        element.left("key", key, f"`{shown}`: {found.why}", _WRITE_PATH)
        return None
    if not found.exact:
        element.approximated("key", key, f"`{found.text}`: {found.why}", "compare the paths")
    return found.text.strip()


def _refused(container: str, name: str) -> str:
    """Return why a path cannot be that of a pipeline; empty where it can."""
    if not container:
        return "names no container"
    if "{" in container:
        return "the container changes from window to window"
    if not name:
        return ""
    try:
        checked_path(name, checked_pattern)
    except ValueError as exc:
        return str(exc)
    return ""


def _account(dataset: Definition, definitions: Definitions) -> str:
    """Return the storage account of a dataset, or the name of its linked service."""
    inside = dataset.properties.get("typeProperties", "linkedServiceName")  # until 2015
    reference = dataset.properties.get("linkedServiceName") or inside
    if reference is None:
        return ""
    inner = reference.get("referenceName") or reference
    name = inner.text()
    reference.take()
    service = definitions.named(LINKED_SERVICE, name, dataset.file)
    if service is None and name:
        text = f"linked service `{name}` is not among the definitions"
        cure = "see that TRAINING_DATA_CONTAINER is a container of its account"
        reference.approximated("key", "linkedServiceName", text, cure)
    account = storage(service)
    return account if _ACCOUNT_NAME.fullmatch(account) else name


def _report_external(policy: Element, place: str) -> Waiting:
    spans, checks = dict(_DEFAULTS), _CHECKS
    for key, element in policy.items():
        if key.casefold() in _DEFAULTS and (span := timespan(element.value)) is not None:
            spans[key.casefold()] = max(span, timedelta())
        elif key.casefold() == "maximumretry" and str(element.value).isdecimal():
            checks = min(int(element.value), _MOST_CHECKS)
    every = spans["retryinterval"]
    at_most = spans["datadelay"] + checks * (every + spans["retrytimeout"])
    waits = Waiting(every, at_most)
    if not policy.value:
        text = f"{place}: wait_for_data.at_most: {written(at_most)}: the checks of a factory, which"
        policy.approximated("policy", "externalData", f"{text} has no others here")
    for key, element in policy.items():
        name = f"externalData.{key}"
        known = key.casefold() in _DEFAULTS and timespan(element.value) is not None
        if not known and not (key.casefold() == "maximumretry" and str(element.value).isdecimal()):
            _unknown(element, name)
        elif key.casefold() == "retryinterval":
            text = f"{place}: wait_for_data.every: {written(every or timedelta(minutes=1))}"
            _mapped_span(element, name, text)
        else:
            text = (
                f"{place}: wait_for_data.at_most: {written(at_most)}: the delay, and all checks "
                "with their pauses, at their longest; the run then trains on what is there"
            )
            element.approximated("policy", name, text)
    return waits


def _mapped_span(element: Element, name: str, text: str) -> None:
    if means_days(element.value):
        text += f": Data Factory reads {element.value} as days"
        element.approximated("policy", name, text, "correct it if hours are meant")
    else:
        element.mapped("policy", name, text)


def _report_validation(policy: Element, place: str) -> str:
    """Report the least size of the data, and return it as the pipelines file has it."""
    least = ""
    for key, element in policy.items():
        name, size = f"validation.{key}", _kilobytes(element.value)
        if key.casefold() == "minimumsizemb" and size is not None:
            least = f"{size}KB" if size % 1024 else f"{size // 1024}MB"
            element.mapped("policy", name, f"{place}: data.min_size: {least}")
        elif key.casefold() == "minimumrows":
            text = "rows are not counted before the training"
            cure = "have an output of the training count them, and write a rule under gate.rules"
            element.left("policy", name, text, cure)
        else:
            _unknown(element, name)
    return least


def _kilobytes(value: object) -> int | None:
    try:
        size = float(str(value))
        return max(round(size * 1024), 0)
    except (ValueError, OverflowError):
        return None


def _unknown(element: Element, name: str) -> None:
    text = "Relearn has nothing for this key, or cannot read its value"
    element.left("policy", name, text, "see whether the job needs it")


def _policies(owner: Element) -> Iterator[tuple[str, Element]]:
    policy = owner.get("policy")
    if policy is not None:
        if not policy.value:
            policy.take()
        yield from policy.items()
    waits = owner.get("availability", "waitOnExternal")  # its place in 2014 and 2015
    if waits is not None and isinstance(waits.value, dict):
        yield "externalData", waits
