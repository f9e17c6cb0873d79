"""Datasets of version 1: the blobs that they name, and how long their data is waited for.

A dataset has one line of the report, whatever it is used for. The rules: data-factory §2.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.config.pattern import checked_pattern
from shared.core.config.setting_references import not_filled_in
from shared.core.config.windows import checked_path
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath
from shared.importers.data_factory.expressions.version_1 import (
    SLICE,
    Resolved,
    partitions,
    resolved,
)
from shared.importers.data_factory.linked_services import account_of, referenced, storage
from shared.importers.data_factory.other_activities import SILENT, set_aside
from shared.importers.data_factory.policies import mapped_span, policies, report_unknown
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.reading.shapes import LINKED_SERVICE
from shared.importers.data_factory.values import number, timespan, written

_BLOB: Final = "azureblob"
#: Keys of a definition in a template.
OF_TEMPLATE: Final = ("apiVersion", "location", "dependsOn")
_SILENT_BELOW: Final = ("type", "external", "published", "structure")
_ARM: Final = re.compile(r"\[\w+(?:\.\w+)*\(.*\)\]", re.DOTALL)
#: A placeholder within a text, which in XML would be the begin of an element.
_WITHIN: Final = re.compile(r"<[A-Za-z][\w.-]*>")
_ACCOUNT_NAME: Final = re.compile(r"[\w.-]+")
_WRITE_PATH: Final = "write the path in pipelines.yaml, with {start:yyyy/MM/dd} where time is in it"
_FILL_IN: Final = (
    "give its value: in the file, or with --parameters where it is that of a template; import again"
)
_WRITE_WAIT: Final = "write wait_for_data in pipelines.yaml, if its runs are to wait for data"
_MOST_CHECKS: Final = 10
#: externalData of a dataset, where a key is left out (data-factory §2.2).
_DEFAULTS: Final = {
    "datadelay": timedelta(),
    "retryinterval": timedelta(minutes=1),
    "retrytimeout": timedelta(minutes=10),
}
_CHECKS: Final = 3


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


#: As long as a factory checks for external data where nothing is said.
BY_DEFAULT: Final = Waiting(
    _DEFAULTS["retryinterval"],
    _DEFAULTS["datadelay"] + _CHECKS * (_DEFAULTS["retryinterval"] + _DEFAULTS["retrytimeout"]),
)


def is_blob(dataset: Definition) -> bool:
    """Whether a dataset names blobs."""
    return dataset.type.strip().casefold() == _BLOB


def unfilled(text: str) -> bool:
    """Whether a text is a placeholder, or an expression of a template that has no value here."""
    within = _WITHIN.search(text) is not None and "</" not in text
    return within or not_filled_in(text) is not None or _ARM.fullmatch(text.strip()) is not None


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
    if not is_blob(dataset) or not typed:
        return None
    known = partitions(typed.get("partitionedBy").take(), slices)
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


def is_waited_for(dataset: Definition) -> bool:
    """Whether a dataset says how long its data is waited for."""
    return any(key.casefold() == "externaldata" for key, _ in policies(dataset.properties))


def report_silent(dataset: Definition, place: str) -> None:
    """Take the keys that say nothing to a batch job, and report those that could.

    Args:
        dataset: any.
        place: the pipeline in the pipelines file.
    """
    dataset.body.take_keys(*SILENT)
    dataset.properties.take_keys(*_SILENT_BELOW)
    set_aside(dataset.body, *OF_TEMPLATE)
    set_aside(dataset.properties, "description", "provisioningState")
    typed = dataset.properties.get("typeProperties")
    typed.take_keys("format", "type")  # batch jobs do not use them (data-factory §2.2)
    if (packed := typed.get("compression")).value:
        text = f"{place}: the job is given the blob as it is"
        packed.approximated("key", "compression", text, "have it written without compression")


def report_waiting(dataset: Definition, place: str, *, scheduled: bool) -> Waiting:
    """Report the policy of an input of a job, and return what of it Relearn does.

    Args:
        dataset: the input.
        place: the pipeline in the pipelines file.
        scheduled: whether it has a schedule: no other runs wait for data.
    """
    waits, least = Waiting(), ""
    for key, element in policies(dataset.properties):
        if key.casefold() == "externaldata" and isinstance(element.value, dict):
            waits = _report_external(element, place, scheduled=scheduled)
        elif key.casefold() == "validation" and isinstance(element.value, dict):
            least = _report_validation(element, place)
        else:
            report_unknown(element, "policy", key)
    return Waiting(waits.every, waits.at_most, least)


def _filled(element: Element, key: str, known: Mapping[str, Resolved]) -> str | None:
    """Return a part of a path with its variables replaced; None where one is unknown."""
    if element.value is None:
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
        return "does not name a container"
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
    name = referenced(reference)
    reference.take()
    service = definitions.named(LINKED_SERVICE, name, dataset.file)
    if service is None and name:
        text = f"linked service `{name}` is not among the definitions"
        advice = "see that TRAINING_DATA_CONTAINER is a container of its account"
        reference.approximated("key", "linkedServiceName", text, advice)
    account = storage(service)
    return account if _ACCOUNT_NAME.fullmatch(account) else account_of(name)


def _report_external(policy: Element, place: str, *, scheduled: bool) -> Waiting:
    spans, checks = dict(_DEFAULTS), _CHECKS
    for key, element in policy.items():
        if key.casefold() in _DEFAULTS and (span := timespan(element.value)) is not None:
            spans[key.casefold()] = max(span, timedelta())
        elif key.casefold() == "maximumretry" and number(element.value) is not None:
            checks = min(number(element.value) or 0, _MOST_CHECKS)
    every = spans["retryinterval"]
    at_most = spans["datadelay"] + checks * (every + spans["retrytimeout"])
    waits = Waiting(every, at_most)
    if not (scheduled and at_most):
        why = "no schedule" if not scheduled else "no check but the first one to wait for"
        text = f"{place} has {why}, so that wait_for_data is not in the file"
        for name, element in [*policy.items()] or [("", policy)]:
            element.left("policy", f"externalData.{name}".strip("."), text, _WRITE_WAIT)
        return waits
    if not policy.value:
        text = f"{place}: wait_for_data.at_most: {written(at_most)}: the checks of a factory, which"
        policy.approximated("policy", "externalData", f"{text} has no others here")
    for key, element in policy.items():
        name = f"externalData.{key}"
        known = key.casefold() in _DEFAULTS and timespan(element.value) is not None
        known |= key.casefold() == "maximumretry" and number(element.value) is not None
        if not known:
            report_unknown(element, "policy", name)
        elif key.casefold() == "retryinterval":
            text = f"{place}: wait_for_data.every: {written(every or timedelta(minutes=1))}"
            mapped_span(element, name, text)
        else:
            text = (
                f"{place}: wait_for_data.at_most: {written(at_most)}: the delay, and all checks "
                "with their pauses, at their longest; the run then trains on the present data, and "
                "without a blob there is no run"
            )
            element.approximated("policy", name, text)
    return waits


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
            advice = "have an output of the training count them, and write a rule under gate.rules"
            element.left("policy", name, text, advice)
        else:
            report_unknown(element, "policy", name)
    return least


def _kilobytes(value: object) -> int | None:
    try:
        size = float(str(value))
        return max(round(size * 1024), 0)
    except (ValueError, OverflowError):
        return None
