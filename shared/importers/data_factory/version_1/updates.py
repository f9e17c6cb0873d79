"""Reads the activities of version 1 that update an endpoint with a model (data-factory §2.7)."""

from collections.abc import Sequence
from typing import Final

from shared.importers.data_factory.drafts import BlobPath, Update
from shared.importers.data_factory.expressions.version_1 import SLICE, resolved, time_of
from shared.importers.data_factory.other_activities import leave_activity, no_target, set_aside
from shared.importers.data_factory.reading.definitions import Definition
from shared.importers.data_factory.reading.shapes import DATASET
from shared.importers.data_factory.values import iso, verbatim
from shared.importers.data_factory.version_1 import availability, datasets, periods
from shared.importers.data_factory.version_1.factory import Activity, Factory
from shared.importers.data_factory.version_1.jobs import Made
from shared.importers.data_factory.version_1.other_datasets import report_dependency, report_unread
from shared.importers.data_factory.version_1.policies import report_update_policy

_NO_TRAINING: Final = (
    "upload the model below promote/ in MODELS_CONTAINER: it is promoted to the endpoints of the "
    "pipeline that it is uploaded for"
)
_ONE: Final = (
    "let only one activity write that dataset, and import again; or add the endpoint to the "
    "pipeline of the training whose model it is to take"
)
_WITHIN: Final = (
    "add the endpoint to the pipeline of the training while it is to be updated, or import again "
    "then; remove it afterwards"
)
_END: Final = "remove the endpoint from the pipeline at that time, if it is to keep its model"
_SLICE: Final = (
    "remove startTime and endTime from that input, and import again, if the endpoint is to get the "
    "newest model; else upload the model that is due below promote/ in MODELS_CONTAINER"
)
_PERIOD: Final = ("start", "end", "isPaused", "pipelineMode", "expirationTime")


def update(
    factory: Factory, activity: Activity, jobs: Sequence[Made]
) -> tuple[Made, Update] | None:
    """Return an update with the job whose model it takes; None, after a report, where it has none.

    Args:
        factory: all activities.
        activity: the update.
        jobs: the jobs of all pipelines.
    """
    element = activity.element
    model, wrong, advice = _model(factory, activity)
    training = None if model is None else _training(factory, model, jobs)
    service = None if training is None else factory.service(activity)
    if model is not None and training is None:
        wrong, advice = _without_training(factory, model)
    elif model is not None and (several := _writers(factory, model, jobs)):
        names = " and ".join(f"`{one.name}`" for one in several)
        wrong = f"{names} write dataset `{model.name}` or its blob, and each may write its model"
        advice = _ONE
    elif model is not None and training is not None and service is not None:
        wrong, advice = no_target(service, training.job.service)
        if not wrong and (wrong := _never(activity, training) or _changing(activity)):
            advice = "correct it, and import again, if the endpoint is to be updated"
        elif not wrong and (wrong := _other_slice(factory, activity, model)):
            advice = _SLICE
        elif not wrong and (wrong := _outside(factory, activity, training)):
            advice = _WITHIN
    if model is None or training is None or service is None or wrong:
        if wrong:
            leave_activity(element, activity.name, wrong, advice)
        return None
    resource = element.get("typeProperties", "trainedModelName")
    resource.take()
    name = resolved(resource.peek(), {}).text or ""
    _report(factory, activity, training, model, name)
    path = _path(factory, training, model)
    return training, Update(activity.name, service, name, path, element)


def _model(factory: Factory, activity: Activity) -> tuple[Definition | None, str, str]:
    """Return the dataset of the model, or what is wrong, and what to do."""
    typed = activity.element.get("typeProperties")
    missing = [
        key
        for key in ("trainedModelName", "trainedModelDatasetName")
        if not isinstance(typed.get(key).value, str) or not typed.get(key).peek()
    ]
    said = typed.get("trainedModelDatasetName")
    if missing:
        return None, f"{' and '.join(missing)} missing", "complete the definition, import again"
    found = factory.dataset(said)
    text = f"dataset `{str(said.value).strip()}` of the model is missing"
    return found, "" if found else text, "" if found else "add its definition, and import again"


def _without_training(factory: Factory, model: Definition) -> tuple[str, str]:
    """Return why a model has no training, and what to do."""
    lost = next((one for one in factory.writers(model) if one.is_job), None)
    if lost is None:
        return f"no training writes dataset `{model.name}`", _NO_TRAINING
    text = f"activity `{lost.name}` of pipeline `{lost.pipeline.name}`, which makes its model, is"
    return f"{text} not carried over", "correct that activity, and import both again"


def _training(factory: Factory, model: Definition, jobs: Sequence[Made]) -> Made | None:
    """Return the job that writes a model: by its output, its dataset, or the same blob."""
    by_port = (made for made in jobs if model.place in made.ports)
    by_dataset = (made for made in jobs if factory.is_among(model, made.activity.outputs))
    path = datasets.blob_path(model, factory.definitions)
    by_blob = (made for made in jobs if path is not None and path in made.job.outputs.values())
    return next((made for found in (by_port, by_dataset, by_blob) for made in found), None)


def _writers(factory: Factory, model: Definition, jobs: Sequence[Made]) -> list[Activity]:
    """Return the activities that write a model, where they are several; none where it is one."""
    found = [made.activity for made in jobs if model.place in made.ports]
    found += [one for one in factory.writers(model) if one not in found]
    if (path := datasets.blob_path(model, factory.definitions)) is not None:
        same = [made.activity for made in jobs if path in made.job.outputs.values()]
        # What another pipeline writes there has times of its own; the chain by the dataset counts.
        beside = {one.pipeline.place for one in found}
        same = [one for one in same if not beside or one.pipeline.place in beside]
        found += [one for one in same if one not in found]
    return found if len(found) > 1 else []


def _path(factory: Factory, training: Made, model: Definition) -> BlobPath:
    port = training.ports.get(model.place)
    if port is not None:
        return training.job.outputs[port]
    found = datasets.blob_path(model, factory.definitions)
    return found or BlobPath("", "", "", model.body)


def _never(activity: Activity, training: Made) -> str:
    """Return why an update does not run with its training in the factory; empty: it does."""
    mine, theirs = (
        periods.period(one.pipeline.properties) for one in (activity, training.activity)
    )
    if theirs.paused:
        return ""
    if mine.paused:
        return "its pipeline is paused or has no active period, unlike that of the training"
    if theirs.end and mine.start and mine.start >= theirs.end:
        return "its pipeline is only active after that of the training"
    if mine.end and theirs.start and mine.end <= theirs.start:
        return "its pipeline is only active before that of the training"
    return ""


def _outside(factory: Factory, activity: Activity, training: Made) -> str:
    """Return why an update is not active at present, unlike its training; empty: it is."""
    mine, theirs = (
        periods.period(one.pipeline.properties) for one in (activity, training.activity)
    )
    now, old = factory.context.now, factory.context.options.backfill
    if theirs.paused or theirs.start is None or (theirs.end and theirs.end <= now and not old):
        return ""
    begun = theirs.start if old else max(theirs.start, now)
    if mine.start and mine.start > begun:
        return f"its pipeline is only active from {iso(mine.start)} on, and the training before"
    if mine.end and mine.end <= now and (theirs.end is None or mine.end < theirs.end):
        return f"its pipeline is only active until {iso(mine.end)}, and the training goes on"
    return ""


def _other_slice(factory: Factory, activity: Activity, model: Definition) -> str:
    """Return why an update takes a model of other times than its window's; empty: it does not."""
    for reference in activity.inputs:
        for key, usual in zip(("startTime", "endTime"), SLICE, strict=True):
            said = reference.element.get(key)
            if not said or time_of(said.peek()) == time_of(usual):
                said.take()
                continue
            if factory.is_among(model, [reference]):
                text = f"input `{reference.name}` has {key} `{verbatim(said.value)}`: in the "
                text += "factory it takes the model of other times than its own window, and here "
                return f"{text}that of the run that has just ended"
    return ""


def _changing(activity: Activity) -> str:
    """Return why the name of the model is not known ahead of a run; empty: it is known."""
    said = activity.element.get("typeProperties", "trainedModelName").peek()
    found = resolved(said, {})
    if datasets.unfilled(said):
        return f"trainedModelName `{said}` is not filled in"
    if found.text is None:
        return f"trainedModelName `{said}`: {found.why}"
    if found.uses_window:
        return f"trainedModelName `{said}` changes from window to window"
    return ""


def _report(
    factory: Factory, activity: Activity, training: Made, model: Definition, resource: str
) -> None:
    """Report an update that is carried over, and all that belongs to it."""
    element, place = activity.element, training.place
    text = f"{place}: endpoints.resource: {resource}"
    element.mapped("activity", activity.name, text)
    if not (model.place in training.ports or factory.is_among(model, training.activity.outputs)):
        text = f"joined by the blob: the training does not write dataset `{model.name}`, so that "
        text += "in the factory the update does not wait for it"
        element.approximated("activity", activity.name, text)
    _report_cadence(factory, activity, training)
    set_aside(element, "description")
    report_update_policy(element, training.policy, place)
    what = "an update follows its training at once"
    availability.report_other(element.get("scheduler"), training.cadence, what)
    if model.place in training.ports:
        text = f"the model of update `{activity.name}`"
        model.body.mapped(DATASET, model.name, text)
    else:
        report_unread(model, f"the model of update `{activity.name}`", training.cadence)
    for reference in activity.inputs:
        dataset = factory.dataset(reference.named)
        follows = dataset is not None and factory.is_among(dataset, training.activity.outputs)
        if not follows and dataset is not model:
            report_dependency(factory, activity, reference, training.cadence)
            text = f"it does not wait for dataset `{reference.name}`: see the line of its inputs"
            element.approximated("activity", activity.name, text)
    for reference in activity.outputs:
        dataset = factory.dataset(reference.named)
        if dataset is not None:
            report_unread(dataset, f"{place}: {what}", training.cadence)
    if activity.pipeline is not training.activity.pipeline:
        _report_period(activity, training)


def _report_cadence(factory: Factory, activity: Activity, training: Made) -> None:
    """Report an update that is not as often as its training."""
    named = (factory.dataset(one.named) for one in activity.outputs)
    said = [one.properties.get("availability") for one in named if one is not None]
    said.append(activity.element.get("scheduler"))
    own = next(filter(None, map(availability.cadence, said)), None)
    driver = training.cadence
    if own is None or driver is None or own.often == driver.often:
        return
    text = f"for each {own.shown} in the factory, and after each training here: for each "
    text += driver.shown
    advice = "see whether the endpoint may get that number of models; otherwise change the schedule"
    activity.element.approximated("activity", activity.name, text, advice)


def _report_period(activity: Activity, training: Made) -> None:
    """Report the times of a pipeline whose updates belong to a training of another one."""
    theirs = training.activity.pipeline
    until = periods.period(activity.pipeline.properties).end
    ends = periods.period(theirs.properties).end
    if until is not None and (ends is None or until < ends):
        text = f"{training.place}: an update follows each training after {iso(until)} too, and in "
        text += "the factory no longer: there the active period of its pipeline ends"
        activity.element.approximated("activity", activity.name, text, _END)
    for key in _PERIOD:
        said, other = activity.pipeline.properties.get(key), theirs.properties.get(key)
        if other.peek() == said.peek():
            said.mapped("key", key, f"the same as that of pipeline `{theirs.name}`")
        elif not other and key in ("isPaused", "pipelineMode"):
            said.mapped("key", key, f"{training.place}: its updates follow the training")
        else:
            text = (
                f"{verbatim(said.value)}, and in {training.place} an update follows each training"
            )
            advice = "see whether the endpoint needs this difference"
            said.approximated("key", key, text, advice)
