"""Tells what a definition is, and of which version of Data Factory, by its own shape.

The outer type comes first, then the shape, then the folder that the file is in: people keep files
anywhere. The shapes: data-factory §2, §3.
"""

import re
from typing import Final

from shared.importers.data_factory.account import Element

PIPELINE: Final = "pipeline"
DATASET: Final = "dataset"
LINKED_SERVICE: Final = "linkedService"
TRIGGER: Final = "trigger"
#: What is read, with the word for it in the report.
READ: Final = {
    PIPELINE: "pipeline",
    DATASET: "dataset",
    LINKED_SERVICE: "linked service",
    TRIGGER: "trigger",
}
ACTIVITY: Final = "activity"
FACTORY: Final = "factory"
#: The last part of a resource's type, and the name of its folder, without an s.
_KINDS: Final = {
    "pipeline": PIPELINE,
    "datapipeline": PIPELINE,
    "dataset": DATASET,
    "table": DATASET,
    "linkedservice": LINKED_SERVICE,
    "trigger": TRIGGER,
    "integrationruntime": "integration runtime",
    "dataflow": "data flow",
    "credential": "credential",
    "managedvirtualnetwork": "managed virtual network",
    "managedprivateendpoint": "managed private endpoint",
    "privateendpointconnection": "private endpoint connection",
    "globalparameter": "global parameters",
    "adfcdc": "change data capture",
    "gateway": "gateway",
    "hub": "hub",
    "factory": FACTORY,
    "factorie": FACTORY,
    "datafactorie": FACTORY,
    "workspace": "workspace",
}
_TYPE: Final = re.compile(r"microsoft\.(?:datafactory|synapse)/([\w/]+)", re.IGNORECASE)
#: Types that only one other part of a factory has.
_OTHERS: Final = {
    "managed": "integration runtime",
    "selfhosted": "integration runtime",
    "mappingdataflow": "data flow",
    "wranglingdataflow": "data flow",
    "flowlet": "data flow",
    "managedidentity": "credential",
    "serviceprincipal": "credential",
}
_OF_ACTIVITIES: Final = frozenset({"dependson", "policy", "inputs", "outputs", "userproperties"})
_OF_FACTORIES: Final = frozenset({"repoconfiguration", "globalparameters", "publicnetworkaccess"})
_V1_PIPELINE: Final = frozenset({"start", "end", "ispaused", "pipelinemode", "hubname", "datasets"})
_V2_PIPELINE: Final = frozenset({"annotations", "parameters", "variables", "concurrency", "folder"})
_V1_DATASET: Final = frozenset({"availability", "external", "published", "policy"})
_V2_DATASET: Final = frozenset({"annotations", "parameters", "schema", "folder"})
_V2_SERVICE: Final = frozenset({"annotations", "connectvia", "parameters"})


def kind_of_type(kind: str) -> str:
    """Return what a resource of this type is; empty where it is not part of a factory."""
    found = _TYPE.fullmatch(kind.strip())
    return _kind(found[1].rpartition("/")[2]) if found else ""


def version_of_type(kind: str) -> int:
    """Return the version of Data Factory that a resource of this type is of; 0: not known."""
    found = _TYPE.fullmatch(kind.strip())
    if found is None:
        return 0
    return 1 if found[1].casefold().startswith("datafactories") else 2


def kind_of(body: Element) -> str:
    """Return what a definition is; empty where it is none.

    That is one of `READ`, an activity alone, or the words for another part of a factory.
    """
    if not isinstance(body.value, dict):
        return ""
    outer = body.get("type")
    if isinstance(outer.value, str) and (kind := kind_of_type(outer.value)):
        return kind
    wrapped = body.get("properties")
    inside = wrapped or body
    if not isinstance(inside.value, dict):
        return ""
    kind = _kind_of_shape(inside, is_wrapped=wrapped.exists)
    return kind or (_folder(body.file) if _is_named(body) and wrapped else "")


def type_of(kind: str, inside: Element) -> str:
    """Return the type of a definition; empty for a pipeline.

    Args:
        kind: what it is, one of `READ`.
        inside: its properties.
    """
    said = inside.get("type").peek()
    if kind == DATASET:  # until 2015 it was below, as in `AzureBlobLocation`
        return (said or inside.get("location", "type").peek()).removesuffix("Location")
    if kind == LINKED_SERVICE:
        return said.removesuffix("LinkedService")
    return "" if kind == PIPELINE else said


def version_of(kind: str, body: Element) -> int:
    """Return the version of Data Factory that a definition is of; 0: it could be both.

    Args:
        kind: what it is, one of `READ`.
        body: the definition.
    """
    if version := version_of_type(body.get("type").peek()):
        return version
    inside = body.get("properties") or body
    keys = _keys(inside)
    if kind == TRIGGER:
        return 2
    if kind == PIPELINE:
        marks = [_mark(keys, _V1_PIPELINE, _V2_PIPELINE)]
        activities = inside.get("activities")
        marks += [_mark_of_activity(one) for one in activities.list()] if activities else []
        return _decided(sum(marks))
    if kind == DATASET:
        by_reference = _mark_of_reference(inside.get("linkedServiceName"))
        return _decided(by_reference + _mark(keys, _V1_DATASET, _V2_DATASET))
    values = inside.get("typeProperties")
    encrypted = "encryptedcredential" in _keys(values)
    objects = any(isinstance(one.value, dict) for _, one in values.items())
    if "hubname" in keys or _type(inside) == "azurestoragesas":
        return 1
    return 2 if encrypted or objects or keys & _V2_SERVICE else 0


def _kind(part: str) -> str:
    return _KINDS.get(part.casefold().removesuffix("s"), "")


def _folder(file: str) -> str:
    """Return what the folder of a file says that it holds."""
    parts = re.split(r"[\\/]", file)[:-1]
    return next((kind for part in reversed(parts) if (kind := _kind(part))), "")


def _kind_of_shape(inside: Element, *, is_wrapped: bool) -> str:
    keys = _keys(inside)
    kind = _type(inside)
    activities = inside.get("activities")
    if isinstance(activities.value, list):
        return PIPELINE
    if not kind and keys >= {"availability", "location"}:
        return DATASET
    if not kind:
        return FACTORY if is_wrapped and keys & _OF_FACTORIES else ""
    if kind.endswith("trigger") and (keys & {"typeproperties", "pipelines", "pipeline"}):
        return TRIGGER
    if kind in _OTHERS and is_wrapped:
        return _OTHERS[kind]
    if not is_wrapped and "availability" not in keys and _is_activity(kind, keys):
        return ACTIVITY
    if keys & {"linkedservicename", "availability"}:
        return DATASET
    return LINKED_SERVICE if "typeproperties" in keys or _is_old_service(kind) else ""


def _is_activity(kind: str, keys: set[str]) -> bool:
    """Whether what stands alone is an activity: such a file is often a part of documentation."""
    is_job = kind.startswith("azureml") and kind != "azureml" and not _is_old_service(kind)
    return bool(keys & _OF_ACTIVITIES) or is_job


def _is_old_service(kind: str) -> bool:
    """Whether a type is that of a linked service of 2014 and 2015: it had no typeProperties."""
    return kind.endswith("linkedservice")


def _is_named(body: Element) -> bool:
    return isinstance(body.get("name").value, str)


def _keys(element: Element) -> set[str]:
    return {key.casefold() for key, _ in element.items()}


def _type(inside: Element) -> str:
    found = inside.get("type")
    return found.value.strip().casefold() if found and isinstance(found.value, str) else ""


def _mark(keys: set[str], old: frozenset[str], new: frozenset[str]) -> int:
    """Return how much keys speak for version 2; below 0: for version 1."""
    return len(keys & new) - len(keys & old)


def _decided(marks: int) -> int:
    return 0 if marks == 0 else 2 if marks > 0 else 1


def _mark_of_reference(reference: Element) -> int:
    found = reference.value
    return 0 if found is None else 4 if isinstance(found, dict) else -4


def _mark_of_activity(activity: Element) -> int:
    keys = _keys(activity)
    marks = _mark_of_reference(activity.get("linkedServiceName"))
    marks += _mark(keys, frozenset({"scheduler"}), frozenset({"dependson", "userproperties"}))
    for name in ("inputs", "outputs"):
        ports = activity.get(name)
        for one in ports.list():
            marks += 1 if one.get("referenceName") else -1
    return marks
