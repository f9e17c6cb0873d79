"""What is no part of training and updating: other activities, and keys that say nothing to a run.

Each is reported, with what in Relearn does the same where there is such a thing.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from shared.importers.data_factory.account import Element, Line, both_to_do, leaves, shown
from shared.importers.data_factory.secrets import in_clear_text, warned_of

_COPY: Final = (
    "upload the data to TRAINING_DATA_CONTAINER with the program that makes it, or keep the copy "
    "in the factory: a run opens when the blob arrives (data.blob)"
)
_STEP: Final = (
    "keep it where it runs, and let what it writes to TRAINING_DATA_CONTAINER open the run "
    "(data.blob); or make it a step of a component of Azure Machine Learning (training.kind: "
    "azureml)"
)
_CALL: Final = (
    "call it from a program that reads the run's end: an alert rule on Relearn's log, or GET "
    "/api/runs/{run}"
)
_ALONE: Final = (
    "what is inside and is mapped needs nothing: each pipeline of Relearn has its own runs"
)
_CHECKED: Final = (
    "write data.min_size and wait_for_data, which check that the data is there; the preview of a "
    "pipeline shows which blobs match"
)
_CHOSEN: Final = (
    f"write the condition under gate.rules, if it decides whether a model is promoted; {_ALONE}"
)
_EACH: Final = (
    "write a token in data.blob, such as {customer}, so that each value has runs of its own; "
    f"{_ALONE}"
)
_CALLED: Final = (
    "give the called pipeline its data or its schedule in the pipelines file: pipelines of "
    "Relearn do not call each other"
)
_DATABASE: Final = "call it where the data is made, or let the job call it"
_VALUE: Final = "write the value under training.parameters"
_AZUREML: Final = "write training: {kind: azureml, component: …}, which runs a job of Azure ML"
#: Activity type, folded -> what does the same; the first name that fits counts.
_INSTEAD: Final[dict[str, str]] = {
    "copy": _COPY,
    "lookup": "write the values under training.parameters, or let the job read them",
    "getmetadata": _CHECKED,
    "validation": _CHECKED,
    "wait": "write schedule.delay, which begins a run later, or data.settle, which waits until no "
    "more data arrives",
    "webhook": "write gate.approval: required, if the run is to wait for a request over HTTP",
    "webactivity": _CALL,
    "azurefunctionactivity": _CALL,
    "executepipeline": _CALLED,
    "foreach": _EACH,
    "ifcondition": _CHOSEN,
    "switch": _CHOSEN,
    "until": "nothing, if it waits for a job: the app polls each job until its end, and "
    "training.attempts repeats it",
    "filter": "write the pattern data.blob so that it chooses the blobs by their names",
    "fail": "write gate.rules, if the model is to be rejected: the run then says why",
    "setvariable": _VALUE,
    "appendvariable": _VALUE,
    "delete": "set a lifecycle rule on the storage account: Relearn deletes no training data",
    "sqlserverstoredprocedure": _DATABASE,
    "script": _DATABASE,
    "azuremlexecutepipeline": _AZUREML,
    "azuremlbatchscoring": "write a pipeline without endpoints, which runs a scoring service",
    "custom": _STEP,
    "executedataflow": _STEP,
    "executewranglingdataflow": _STEP,
    "executessispackage": _STEP,
    "azuredataexplorercommand": _STEP,
}
#: Parts of activity types that run code of the user's own on a cluster.
_CLUSTERS: Final = ("hdinsight", "databricks", "synapse", "spark", "datalakeanalytics", "dotnet")
_NOTHING: Final = "Relearn has nothing of the kind: keep it where it runs"
#: In a path, once it is within an activity inside of another one, which has its own line.
_INSIDE: Final = "ctivities["
#: Keys that no run depends on: what becomes of each.
_ASIDE: Final[dict[str, tuple[str, str]]] = {
    "description": ("a description", "nothing, or copy it as a comment"),
    "annotations": ("tags of the factory's pages", "nothing, or copy them as a comment"),
    "folder": ("a folder of the factory's pages", "nothing: the pipelines file has no folders"),
    "userProperties": ("shown on the factory's pages", "nothing, or copy them as a comment"),
    "hubName": ("a hub of the factory", "nothing: Relearn has no hubs"),
    "provisioningState": ("a state of the factory", "nothing"),
    "lastPublishTime": ("when the factory last published it", "nothing"),
    "runtimeInfo": ("a state of the factory", "nothing"),
    "etag": ("a version of the factory's own", "nothing"),
    "version": ("a version of the factory's own", "nothing"),
    "apiVersion": ("of the template", "nothing"),
    "location": ("of the factory", "nothing"),
    "dependsOn": ("the order of deployment", "nothing"),
}


def instead_of(activity: str) -> str:
    """Return what in Relearn does the same as a type of activity, or that there is nothing."""
    folded = activity.strip().casefold()
    found = _INSTEAD.get(folded) or _INSTEAD.get(folded.removesuffix("activity"))
    if found is not None:
        return found
    return _STEP if any(part in folded for part in _CLUSTERS) else _NOTHING


def report_activity(element: Element, name: str, kind: str) -> None:
    """Report an activity that Relearn does not have, with secrets that stand in it in clear text.

    Args:
        element: the activity.
        name: what it is called.
        kind: its type.
    """
    here = f"{shown(element.path)}."
    clear = [one for one in in_clear_text(element) if _INSIDE not in one.removeprefix(here)]
    text = f"{kind or 'an activity without a type'}: Relearn has no such activity"
    element.left("activity", name, text, both_to_do(instead_of(kind), warned_of(clear)))


def set_aside(parent: Element, *names: str) -> None:
    """Report the keys of a definition that no run depends on; empty ones are only taken.

    Args:
        parent: the element that has the keys.
        names: the keys that may be there.
    """
    for name in names:
        element = parent.get(name)
        if element is None:
            continue
        if element.value in (None, "", [], {}):
            element.take()
            continue
        text, to_do = _ASIDE[name]
        element.left("key", name, text, to_do)


def report_parts(root: Element, line: Line) -> None:
    """Give the activities and policies of a definition that does not count lines of their own.

    Args:
        root: the content of the file.
        line: what was reported of the definition, such as the second one of a name.
    """
    at: Element | None = root
    for key in line.path:
        at = at and (at.list()[key] if isinstance(key, int) else at.get(key))
    if at is None:
        return
    for activity in _activities(at):
        said = activity.get("name")
        _also(line, activity, "activity", "" if said is None else str(said.value).strip())
        policy = activity.get("policy")
        for key, value in policy.items() if policy is not None else ():
            _also(line, value, "policy", key)
    waits = at.get("properties", "policy") if line.kind == "dataset" else None
    if waits is not None:
        for path, _ in leaves(waits.value):
            name = ".".join(map(str, path))
            at.account.add(replace(line, path=(*waits.path, *path), kind="policy", name=name))


def _also(line: Line, element: Element, kind: str, name: str) -> None:
    element.account.add(replace(line, path=element.path, kind=kind, name=name))


def _activities(element: Element) -> Iterator[Element]:
    """Yield the activities below an element, those inside of others too."""
    for key, below in element.items():
        if key.casefold().endswith("activities"):
            yield from below.list()
        yield from _activities(below)
    if isinstance(element.value, list):
        for member in element.list():
            yield from _activities(member)
