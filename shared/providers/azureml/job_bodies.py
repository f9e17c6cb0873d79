"""Makes the body of a job from a job file, by pure functions (azure-machine-learning-v2 §2.1)."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.core.config.azureml_job_file import Job, is_binding, kind_of
from shared.core.config.azureml_names import SERVERLESS, Workspace, asset_of, compute_id
from shared.core.config.azureml_training import AzureMlTraining
from shared.providers.azureml.bodies import (
    IDENTITIES,
    JobPlan,
    common_of,
    literal,
    literal_text,
    mode_of,
    output_of,
)
from shared.providers.azureml.call import Body, mapping_of, without_none

_DISTRIBUTIONS: Final = {"mpi": "Mpi", "pytorch": "PyTorch", "tensorflow": "TensorFlow"}
_CODE: Final = re.compile(r"azureml:(?P<name>[^/:]+):(?P<version>[^/:]+)")


def of_file(plan: JobPlan, training: AzureMlTraining, job: Job) -> Body:
    """Return the body of the job that a checked file describes.

    Args:
        plan: what the attempt is given.
        training: the configuration.
        job: the content of the file.
    """
    pipeline = kind_of(job) == "pipeline"
    here = training.workspace_parts
    known = {
        **common_of(plan, training, "Pipeline" if pipeline else "Command"),
        "description": job.get("description"),
        "tags": {**_texts(job.get("tags")), **plan.tags},
        "inputs": _inputs_of_file(plan, job),
        "outputs": _outputs_of_file(plan, job),
    }
    if training.experiment is None and job.get("experiment_name"):
        known["experimentName"] = str(job["experiment_name"])
    if training.run_as is None and isinstance(job.get("identity"), Mapping):
        known["identity"] = _identity(job["identity"])
    own = _pipeline_parts(training, job) if pipeline else _command_parts(training, job)
    compute = training.compute or (str(job["compute"]) if job.get("compute") else None)
    if compute is not None:
        known["computeId"] = compute_id(compute, here)
    return {"properties": without_none({**known, **own})}


def _inputs_of_file(plan: JobPlan, job: Job) -> Body:
    written = mapping_of(job.get("inputs"))
    types = {name: mapping_of(one).get("type") for name, one in written.items()}
    kept = {name: _input(one) for name, one in written.items() if name not in plan.names}
    known = {name: one for name, one in kept.items() if one is not None}
    return {**known, **plan.inputs({n: str(t) if t else None for n, t in types.items()})}


def _input(given: object) -> Body | None:
    """Return an input of a file as a request has it; None for one without a value."""
    if not isinstance(given, Mapping):
        text = "" if given is None else literal_text(given)  # type: ignore[arg-type]
        return literal(text) if text else None
    path = given.get("path")
    kind = str(given.get("type") or "uri_folder")
    shown = {"jobInputType": kind, "mode": mode_of(given.get("mode")), "uri": path}
    return without_none(shown) if path else None


def _outputs_of_file(plan: JobPlan, job: Job) -> Body:
    outputs: Body = {}
    for name, given in mapping_of(job.get("outputs")).items():
        known = mapping_of(given)
        mode = str(known["mode"]) if known.get("mode") else None
        made = output_of(plan, name, str(known.get("type") or "uri_folder"), mode)
        registered = known.get("name")
        outputs[name] = {**made, "assetName": str(registered)} if registered else made
    return outputs


def _command_parts(training: AzureMlTraining, job: Job) -> Body:
    here = training.workspace_parts
    compute = training.compute or str(job.get("compute") or "")
    serverless = compute.removeprefix("azureml:").lower() == SERVERLESS
    tier = training.job_tier or mapping_of(job.get("queue_settings")).get("job_tier")
    tier = tier or ("standard" if serverless else None)
    limits = mapping_of(job.get("limits")).get("timeout")
    return {
        "command": job.get("command"),
        "codeId": _code(job.get("code"), here),
        "environmentId": _id(job.get("environment")),
        "environmentVariables": _texts(job.get("environment_variables")) or None,
        "resources": _camel(job.get("resources")) or None,
        "distribution": _distribution(job.get("distribution")),
        "limits": {"jobLimitsType": "Command", "timeout": _iso(limits)} if limits else None,
        "queueSettings": {"jobTier": str(tier).capitalize()} if tier else None,
    }


def _pipeline_parts(training: AzureMlTraining, job: Job) -> Body:
    here, written = training.workspace_parts, mapping_of(job.get("settings"))
    settings = {name: value for name, value in written.items() if value is not None}
    if store := settings.get("default_datastore"):
        name = str(store).removeprefix("azureml:")
        settings["default_datastore"] = (
            name if name.startswith("/") else f"{here.id}/datastores/{name}"
        )
    compute = training.compute or settings.get("default_compute")
    if compute:
        settings["default_compute"] = compute_id(str(compute), here) or SERVERLESS
    steps = {name: _step(name, one, here) for name, one in mapping_of(job.get("jobs")).items()}
    return {"jobs": steps, "settings": {**settings, "force_rerun": True, "_source": "YAML.JOB"}}


def _step(name: str, given: object, here: Workspace) -> Body:
    step = mapping_of(given)
    asset = asset_of(str(step.get("component")))
    compute = step.get("compute")
    known = {
        "name": name,
        "type": str(step.get("type") or "command"),
        "computeId": compute_id(str(compute), here) if compute else None,
        "inputs": {key: _step_input(one) for key, one in mapping_of(step.get("inputs")).items()},
        "outputs": {key: _step_output(one) for key, one in mapping_of(step.get("outputs")).items()},
        "_source": "REMOTE.WORKSPACE.COMPONENT",
        "componentId": f"{here.id}/components/{asset.name}/versions/{asset.version}",
    }
    same = ("environment_variables", "resources", "distribution", "limits", "display_name")
    more = {key: step[key] for key in (*same, "queue_settings", "identity") if key in step}
    return without_none({**known, **more})


def _step_input(given: object) -> Body:
    if not isinstance(given, Mapping):
        return {"job_input_type": "literal", "value": str(given)}
    path = given.get("path")
    if is_binding(path):
        shown = {"job_input_type": "literal", "value": path, "mode": mode_of(given.get("mode"))}
    else:
        kind = str(given.get("type") or "uri_folder")
        shown = {"job_input_type": kind, "mode": mode_of(given.get("mode")), "uri": path}
    return without_none(shown)


def _step_output(given: object) -> Body:
    if not isinstance(given, Mapping):
        return {"type": "literal", "value": str(given)}
    if is_binding(given.get("path")):
        return {"type": "literal", "value": given["path"]}
    kind = str(given.get("type") or "uri_folder")
    mode = mode_of(given.get("mode")) or "ReadWriteMount"
    return without_none({"job_output_type": kind, "mode": mode, "uri": given.get("path")})


def _code(code: object, here: Workspace) -> str | None:
    if code is None:
        return None
    found = _CODE.fullmatch(str(code))
    if found is None:
        return _id(code)
    return f"{here.id}/codes/{found['name']}/versions/{found['version']}"


def _id(given: object) -> str | None:
    """Return an id as the service takes it: `azureml:/subscriptions/…` without its beginning."""
    text = str(given or "")
    return (text.removeprefix("azureml:") if "azureml:/sub" in text else text) or None


def _identity(given: Mapping[str, Any]) -> Body:
    kind = IDENTITIES.get(str(given.get("type")), str(given.get("type")))
    return {**_camel({k: v for k, v in given.items() if k != "type"}), "identityType": kind}


def _distribution(given: object) -> Body | None:
    known = mapping_of(given)
    kind = str(known.get("type") or "").lower()
    if not kind:
        return None
    own = _camel({name: value for name, value in known.items() if name != "type"})
    return {**own, "distributionType": _DISTRIBUTIONS.get(kind, kind)}


def _iso(seconds: object) -> str:
    """Return seconds as an ISO 8601 span; a text that is one already stays."""
    if isinstance(seconds, str) and not seconds.isdecimal():
        return seconds
    minutes, rest = divmod(int(str(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "H"), (minutes, "M"), (rest, "S"))
    return f"PT{''.join(f'{number}{unit}' for number, unit in parts if number) or '0S'}"


def _camel(given: object) -> Body:
    known = mapping_of(given)
    return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): one for name, one in known.items()}


def _texts(given: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in mapping_of(given).items()}
