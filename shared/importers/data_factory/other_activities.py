"""Reports activities outside training and updating, and keys that mean nothing for a run.

Each is reported, with its equivalent in Relearn if there is one.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from shared.importers.data_factory.account import Element, Line, both_to_do, is_empty, leaves
from shared.importers.data_factory.drafts import BlobPath, Job, Service
from shared.importers.data_factory.policies import leave_policy
from shared.importers.data_factory.reading.definitions import Definition, Definitions
from shared.importers.data_factory.reading.shapes import DATASET
from shared.importers.data_factory.secrets import secret_places, warned_of
from shared.importers.data_factory.values import NoNumber

#: What the service takes as an input (data-factory §6).
INPUT_FORMS: Final = (".csv", ".tsv", ".arff")
#: Keys that say what a definition is.
SILENT: Final = ("name", "type", "id", "$schema", "etag")
#: The end of the URL of the endpoint that cannot be updated.
_DEFAULT: Final = "/endpoints/default"
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
_CHECKED: Final = (
    "write data.min_size and wait_for_data, which check that the data is there; the preview of a "
    "pipeline shows which blobs match"
)
_BY_REQUEST: Final = (
    "nothing starts a pipeline whose training is inside: ask for its runs where the condition "
    "holds, by POST /api/pipelines/{pipeline}/runs"
)
_CHOSEN: Final = (
    "write the condition under gate.rules, if it decides whether a model is promoted; "
    f"{_BY_REQUEST}"
)
_EACH: Final = (
    "nothing, where the lines of the activities inside name a pipeline for each member; else write "
    "a token in data.blob, such as {customer}, so that each value has runs of its own"
)
_CALLED: Final = (
    "give the called pipeline its data or its schedule in the pipelines file: pipelines of "
    "Relearn do not call each other"
)
_DATABASE: Final = "call it where the data is made, or let the job call it"
_VALUE: Final = "write the value under training.parameters"
_AZUREML: Final = "write training: {kind: azureml, component: …}, which runs a job of Azure ML"
#: What to do about activities that an update does not wait for.
DECIDES: Final = "write gate.rules, or gate.approval: required, if it decides about the model"
_AFTER_TRAINING: Final = f"{DECIDES}; else {_CALL}"
#: Types that have the same meaning after a training as before one.
_ALIKE: Final = ("ifcondition", "switch", "until", "foreach", "setvariable", "appendvariable")
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
    f"training.attempts repeats it; {_BY_REQUEST}",
    "filter": "write the pattern data.blob so that it chooses the blobs by their names",
    "fail": "write gate.rules, if the model is to be rejected: the run then says why",
    "setvariable": "nothing, where the lines of paths and parameters have its value",
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


def leave_activity(activity: Element, name: str, why: str, to_do: str, block: str = "") -> None:
    """Report an activity that is not carried over, with its policy.

    Args:
        activity: the element.
        name: what it is called.
        why: it is not carried over.
        to_do: what the reader can do.
        block: YAML to fill in and copy.
    """
    activity.left("activity", name, why, to_do, block=block)
    leave_policy(activity, "its activity is not carried over")


def leave_other(activity: Element, name: str, kind: str, *, after_training: bool = False) -> None:
    """Report an activity of a type that Relearn does not have, and secrets in clear text in it.

    Args:
        activity: the element.
        name: what it is called.
        kind: its type.
        after_training: whether it waits for a training.
    """
    text = f"{kind or 'an activity without a type'}: Relearn has no such activity"
    to_do = instead_of(kind)
    if after_training and kind.strip().casefold() not in _ALIKE:
        to_do = _AFTER_TRAINING
    leave_activity(activity, name, text, both_to_do(to_do, _rotate(activity)))


def leave_inactive(activity: Element, name: str) -> None:
    """Report an activity that the factory skips, and secrets in clear text in it.

    Args:
        activity: the element.
        name: what it is called.
    """
    to_do = both_to_do("nothing to do", _rotate(activity))
    leave_activity(activity, name, "Inactive: the factory skips it", to_do)


def _rotate(activity: Element) -> str:
    """Return what to do with the secrets of an activity, without those of others inside of it."""
    here = f"{activity.place.at}."
    clear = [one for one in secret_places(activity) if _INSIDE not in one.removeprefix(here)]
    return warned_of(clear)


def report_unused(definitions: Definitions, version: int) -> None:
    """Report the datasets that no activity uses which Relearn takes over.

    Args:
        definitions: all that was found.
        version: of Data Factory: the datasets of one version are reported with its activities.
    """
    for dataset in definitions.of(DATASET):
        body = dataset.body
        if dataset.version == version and body.place not in body.account.lines:
            text = f"{dataset.type or 'no type'}: no job or update that is carried over uses it"
            leave_dataset(dataset, text, "nothing to do for Relearn")


def leave_dataset(dataset: Definition, why: str, to_do: str) -> None:
    """Report a dataset that is not carried over, with its policy.

    Args:
        dataset: it.
        why: it is not carried over.
        to_do: what the reader can do.
    """
    dataset.body.left(DATASET, dataset.name, why, to_do)
    leave_policy(dataset.properties, "its dataset is not carried over")


def no_target(service: Service, training: Service) -> tuple[str, str]:
    """Return why an update has no endpoint, and what to do; two empty texts where it has one.

    Args:
        service: the linked service of the update.
        training: that of the training whose model it takes.
    """
    add = "name the linked service of the scoring endpoint, with its updateResourceEndpoint"
    written = _written_url(service)
    if written.partition("?")[0].rstrip("/").casefold().endswith(_DEFAULT):
        text = "points at the default endpoint, which cannot be updated"
        return text, "create a second endpoint of the scoring service, and name its URL and key"
    if service.update_url:
        return "", ""
    if written:
        text = f"the updateResourceEndpoint of linked service `{service.name}` cannot be used"
        return text, "see the line of the linked service"
    if _is_same(service, training):
        return "points at the training service, which has no model to update", add
    return f"linked service `{service.name}` has no updateResourceEndpoint", add


def _is_same(service: Service, other: Service) -> bool:
    """Whether two are of one linked service: URLs with masked ids say nothing of that."""
    return service.source.place == other.source.place and service.jobs_url == other.jobs_url


def _written_url(service: Service) -> str:
    """Return the URL of the endpoint as the linked service says it."""
    written = service.source.get("properties", "typeProperties", "updateResourceEndpoint")
    return service.update_url or written.peek()


def why_nothing(kinds: Collection[str], ours: Collection[str]) -> tuple[str, str]:
    """Return why nothing of a pipeline is carried over, and what to do.

    Args:
        kinds: the types of its activities, folded.
        ours: the types that are carried over.
    """
    if not kinds:
        return "it has no activities", "nothing to do"
    if set(kinds) & set(ours):
        return "none of its activities is carried over", "see the lines of its activities"
    return "it has no activity of Machine Learning", "see the lines of its activities"


def report_without_update(job: Job, place: str, *refused: str) -> None:
    """Report a job that no update belongs to.

    Args:
        job: it.
        place: the pipeline in the pipelines file.
        refused: the updates that wait for it, and are not carried over.
    """
    text, advice = f"{place}: it has no endpoints: it writes no model, as a scoring does", ""
    said = job.source.get("typeProperties", "webServiceOutputs")
    if not all(path.container and not path.is_folder for path in job.outputs.values()) or (
        not job.outputs and not is_empty(said.value)
    ):
        text = f"{place}: it has no endpoints: it may or may not write a model"
        advice = "name the endpoints that are to serve its model under endpoints, if it makes one"
    if job.trains:
        text = f"{place}: it has no endpoints: no update takes the model in this file"
        advice = "name the endpoints that are to serve it under endpoints"
    if refused:
        of = [f"update `{name}`" for name in dict.fromkeys(refused)]
        many = len(of) > 1
        text = f"{place}: it has no endpoints: {' and '.join(of)}, which "
        text += "wait for it, are not carried over" if many else "waits for it, is not carried over"
        advice = f"see the {'lines of the updates' if many else 'line of the update'}"
    job.source.approximated("activity", job.name, text, advice)


def report_no_number(element: Element, name: str, place: str) -> None:
    """Report a parameter of a job that is a number which no JSON can be written with.

    Args:
        element: its value.
        name: as the service knows it.
        place: the pipeline in the pipelines file.
    """
    if isinstance(element.value, NoNumber):
        text = f"{place}: training.parameters: {name}: `{element.value}` is not a number of JSON"
        element.approximated("key", name, f"{text}: it is passed as a text", "correct the value")


def report_input_form(path: BlobPath, kind: str, name: str) -> None:
    """Report an input that the service refuses, because of the end of its name.

    Args:
        path: of the input.
        kind: of its line.
        name: of its line.
    """
    if not path.name.casefold().endswith(INPUT_FORMS):
        text = "the service refuses inputs that do not end in .csv, .tsv or .arff"
        advice = "write the name of the file, with its suffix, in pipelines.yaml"
        path.source.approximated(kind, name, text, advice, whole=False)


def set_aside(parent: Element, *names: str) -> None:
    """Report the keys of a definition that no run depends on; empty ones are only taken.

    Args:
        parent: the element that has the keys.
        names: the keys that may be there.
    """
    for name in names:
        if not is_empty((element := parent.get(name)).value):
            element.left("key", name, *_ASIDE[name])


def report_parts(root: Element, line: Line) -> None:
    """Give the activities and policies of a definition that does not count lines of their own.

    Args:
        root: the content of the file.
        line: what was reported of the definition, such as the second one of a name.
    """
    at = root
    for key in line.path:
        at = at.list()[key] if isinstance(key, int) else at.get(key)
    for activity in activities_below(at):
        _also(line, activity, "activity", activity.get("name").peek())
        for key, value in activity.get("policy").items():
            _also(line, value, "policy", key)
    waits = at.get("properties", "policy")
    if waits and line.kind == "dataset":
        for path, _ in leaves(waits.value):
            name = ".".join(map(str, path))
            at.account.add(replace(line, path=(*waits.path, *path), kind="policy", name=name))


def _also(line: Line, element: Element, kind: str, name: str) -> None:
    element.account.add(replace(line, path=element.path, kind=kind, name=name))


def activities_below(element: Element) -> Iterator[Element]:
    """Yield the activities below an element, those inside of others too."""
    for key, below in element.items():
        if key.casefold().endswith("activities"):
            yield from below.list()
        yield from activities_below(below)
    if isinstance(element.value, list):
        for member in element.list():
            yield from activities_below(member)
