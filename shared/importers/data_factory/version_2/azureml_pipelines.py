"""Activities that run a pipeline of Azure Machine Learning: the training to fill in, as YAML.

A published pipeline of version 1 of that service is not a component that Relearn could name, so
they are not carried over.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from shared.importers.data_factory.linked_services import workspace
from shared.importers.data_factory.secrets import is_secret
from shared.importers.data_factory.version_2.factory import Activity, Factory
from shared.importers.data_factory.version_2.job_values import Values, whole_expression
from shared.importers.data_factory.version_2.policies import policy
from shared.importers.data_factory.version_2.triggers import Start

EXECUTE: Final = "azuremlexecutepipeline"
_TO_DO: Final = (
    "register its steps as a component, fill in the block, and put it into a pipeline of the "
    "pipelines file"
)
_PARAMETERS: Final = "mlPipelineParameters"
_LEFT: Final = "its activity is not carried over"
_OF_ATTEMPTS: Final = ("retry", "retryintervalinseconds")
_SHOWN: Final = ("mlPipelineId", "mlPipelineEndpointId", "version", "mlParentRunId")


def report_execution(factory: Factory, activity: Activity) -> None:
    """Report an activity that runs a pipeline of Azure Machine Learning, and what to fill in.

    Args:
        factory: all pipelines.
        activity: it.
    """
    element = activity.element
    known = []
    for key in _SHOWN:
        said = element.get("typeProperties", key)
        if said.value:
            known.append(f"{key} {_plain(said.value)}")
    named = f" ({', '.join(known)})" if known else ""
    text = f"a published pipeline{named} is not a component that Relearn could name"
    block, several = _block(factory, activity)
    if several:
        text += ": each trigger that starts it differently has a part of the block"
    element.left("activity", activity.name, text, _TO_DO, block=block)
    held = ("timeout", *(_OF_ATTEMPTS if "\n  attempts: " in block else ()))
    for key, one in element.get("policy").items():
        where = "it is in the block of its activity" if key.casefold() in held else _LEFT
        one.left("policy", key, where, "nothing to do for this key")


def _block(factory: Factory, activity: Activity) -> tuple[str, bool]:
    """Return the block to fill in, with a part for each way to start it; whether it has several.

    Args:
        factory: all pipelines.
        activity: it.
    """
    parts: dict[str, list[str]] = {}
    for start in factory.starts_of(activity.pipeline):
        part = "\n".join(_lines(factory, activity, start)) + "\n"
        parts.setdefault(part, []).append(f"trigger {_quoted(start.trigger.strip())}")
    if len(parts) == 1:
        return next(iter(parts)), False
    named = (f"# {', '.join(dict.fromkeys(names))}\n{part}" for part, names in parts.items())
    return "---\n".join(named), True


def _lines(factory: Factory, activity: Activity, start: Start) -> Iterator[str]:
    """Yield the lines of the block: the training, and when a trigger starts it."""
    values = Values(factory, activity, start)
    definition = factory.service(activity.element.get("linkedServiceName"))
    where = "/subscriptions/<id>/resourceGroups/<group>/providers"
    where += "/Microsoft.MachineLearningServices/workspaces/<name>"
    if definition is not None and definition.type.strip().casefold() == "azuremlservice":
        where = workspace(definition)
    said = policy(activity.element, start, values.plain)
    yield "training:"
    yield "  kind: azureml"
    yield f"  workspace: {_quoted(where)}"
    yield '  component: "azureml:<name of the component>:<version>"'
    experiment = values.of(activity.element.get("typeProperties", "experimentName"))
    if experiment is not None and experiment.text:
        yield f"  experiment: {_quoted(experiment.text)}"
    given = dict(_parameters(activity, values))
    if given:
        yield "  parameters:"
        yield from (f"    {_quoted(name)}: {_quoted(value)}" for name, value in given.items())
    if whole := whole_expression(activity.element.get("typeProperties", _PARAMETERS)):
        yield f"  # parameters: {_quoted(whole)}"
    paths = dict(activity.element.get("typeProperties", "dataPathAssignments").items())
    yield "  inputs:" if paths else '  inputs: { training_data: "{data}" }'
    for name, path in paths.items():
        yield f'    {_quoted(name)}: "{{data}}" # {json.dumps(path.value, ensure_ascii=False)}'
    yield f"  timeout: {said.longest}"
    if said.attempts > 1:
        yield from (f"  attempts: {said.attempts}", f"  pause: {said.pause}")
    if start.timing.schedule is not None:
        yield f"schedule: {json.dumps(start.timing.schedule)}"


def _parameters(activity: Activity, values: Values) -> Iterator[tuple[str, Any]]:
    """Yield the parameters with their values; a secret is a setting to be named."""
    element = activity.element.get("typeProperties", _PARAMETERS)
    for name, one in () if whole_expression(element) else element.items():
        if is_secret(name, one.value):
            yield name, "${FILL_IN}"
            continue
        found = values.of(one)
        yield name, "<fill in>" if found is None or found.text is None else found.parameter


def _plain(value: Any) -> str:
    """Return a value of a definition, for people."""
    inner = value.get("value", "") if isinstance(value, dict) else value
    return str(inner).strip()[:200]


def _quoted(value: Any) -> str:
    """Return a value in JSON's form, which YAML has too."""
    plain = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return json.dumps(plain, ensure_ascii=False)
