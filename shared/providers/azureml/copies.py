"""Makes the body of a copy of a job that ran once; pure functions.

What the service adds to an answer is never sent back (azure-machine-learning-v2 §1, §2.2).
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.core.config.azureml_names import SERVERLESS, compute_id
from shared.core.config.azureml_training import AzureMlTraining
from shared.errors import PermanentError
from shared.providers.azureml.bodies import (
    JobPlan,
    common_of,
    output_of,
    require_known,
    spelled,
    type_of,
)
from shared.providers.azureml.call import Body, mapping_of, without_none

#: What a copy of a job keeps (azure-machine-learning-v2 §2.2).
_KEPT: Final = (
    "jobType",
    "command",
    "codeId",
    "environmentId",
    "computeId",
    "componentId",
    "jobs",
    "settings",
    "distribution",
    "limits",
    "resources",
    "identity",
    "queueSettings",
    "environmentVariables",
    "experimentName",
    "description",
)
#: Members that only previews know, wherever they stand in an answer.
_PREVIEW: Final = frozenset(
    {
        "assetVersion",
        "autoDeleteSetting",
        "pathOnCompute",
        "secretsConfiguration",
        "parentJobName",
        "intellectualProperty",
        "privateNetworkConnection",
    }
)
_KINDS: Final = ("Command", "Pipeline")


def of_copy(plan: JobPlan, training: AzureMlTraining, old: Mapping[str, Any]) -> Body:
    """Return the body of a copy of a job that ran once.

    Args:
        plan: what the attempt is given.
        training: the configuration.
        old: the properties of that job.

    Raises:
        PermanentError: it is of another kind, or has no such input or output.
    """
    kind = str(old.get("jobType")).capitalize()
    if kind not in _KINDS:
        advice = "name a command or pipeline job as training.like"
        raise PermanentError(f"job {training.like} is of type {kind}: {advice}", advice=advice)
    kept = {name: _clean(old[name]) for name in _KEPT if old.get(name) is not None}
    tier = kept.get("queueSettings")
    if isinstance(tier, Mapping) and str(tier.get("jobTier")).lower() in ("null", "none"):
        del kept["queueSettings"]
    body = {**kept, **_common_of_copy(plan, training, kind, kept)}
    inputs = {name: _clean(mapping_of(one)) for name, one in mapping_of(old.get("inputs")).items()}
    outputs = {n: o for n, o in mapping_of(old.get("outputs")).items() if n != "default"}
    require_known(f"job {training.like}", "input", plan.names, inputs)
    require_known(
        f"job {training.like}", "output", (*training.outputs, *training.register_as), outputs
    )
    types = {name: type_of(mapping_of(one).get("jobInputType")) for name, one in inputs.items()}
    # An input without a value is refused: one that the old job was not given is left out.
    given = {name: one for name, one in inputs.items() if one.get("value") or one.get("uri")}
    body["inputs"] = {**given, **plan.inputs(types)}
    body["outputs"] = {name: _output_of_copy(plan, name, one) for name, one in outputs.items()}
    if kind == "Pipeline":
        body["settings"] = {**mapping_of(kept.get("settings")), "force_rerun": True}
        if training.compute is not None:
            default = compute_id(training.compute, training.workspace_parts) or SERVERLESS
            body["settings"]["default_compute"] = default
    return {"properties": body}


def _common_of_copy(plan: JobPlan, training: AzureMlTraining, kind: str, kept: Body) -> Body:
    common = common_of(plan, training, kind)
    if training.experiment is None and kept.get("experimentName"):
        common["experimentName"] = kept["experimentName"]
    if training.compute is not None and kind == "Command":
        common["computeId"] = compute_id(training.compute, training.workspace_parts)
    return without_none(common)


def _output_of_copy(plan: JobPlan, name: str, one: object) -> Body:
    known = mapping_of(one)
    made = output_of(plan, name, type_of(known.get("jobOutputType") or "uri_folder"), None)
    mode = spelled("mode", known.get("mode"))
    return {**made, "mode": mode} if mode else made


def _clean(value: Any) -> Any:
    """Return a part of an answer without nulls, and without members that only previews know."""
    if isinstance(value, Mapping):
        known = {n: v for n, v in value.items() if v is not None and n not in _PREVIEW}
        return {name: spelled(name, _clean(one)) for name, one in known.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value
