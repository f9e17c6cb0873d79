"""The bodies of jobs: which members a PUT may have, and what answers add.

See azure-machine-learning-v2 §1, §2.1 and §2.4.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from local.azureml.answers import (
    API,
    SHORT,
    WORKSPACE,
    Answer,
    Body,
    RequestBody,
    Shape,
    invalid,
    unknown_member,
)

_COMMON: Final = (
    "jobType componentId computeId experimentName displayName description tags properties inputs "
    "outputs identity services notificationSetting isArchived"
)
_READ_ONLY: Final = "id name type systemData status"
_SHAPES: Final = {
    "Command": Shape.of(
        "properties",
        f"{_COMMON} command codeId environmentId environmentVariables limits resources "
        "distribution queueSettings",
        _READ_ONLY,
    ),
    "Pipeline": Shape.of("properties", f"{_COMMON} jobs settings sourceJobId", _READ_ONLY),
}
#: Members of previews alone (azure-machine-learning-v2 §1).
_PREVIEW: Final = frozenset({"secretsConfiguration", "parentJobName", "autologgerSettings"})
_PREVIEW_OUTPUT: Final = frozenset({"assetVersion", "autoDeleteSetting", "pathOnCompute"})
_ASSETS: Final = frozenset(
    ["uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model"]
)
_INPUT: Final = frozenset({"description", "jobInputType", "mode", "uri", "pathOnCompute"})
_LITERAL: Final = frozenset({"description", "jobInputType", "value"})
_OUTPUT: Final = frozenset({"assetName", "description", "jobOutputType", "mode", "uri"})
_INPUT_MODES: Final = frozenset(
    ["ReadOnlyMount", "ReadWriteMount", "Download", "Direct", "EvalMount", "EvalDownload"]
)
_OUTPUT_MODES: Final = frozenset(["ReadWriteMount", "Upload", "Direct"])
_INNER: Final = {
    "limits": frozenset({"jobLimitsType", "timeout"}),
    "queueSettings": frozenset({"jobTier", "priority"}),
    "resources": frozenset(
        [
            "instanceCount",
            "instanceType",
            "shmSize",
            "dockerArgs",
            "properties",
            "locations",
            "maxInstanceCount",
            "dockerArgsList",
        ]
    ),
    "identity": frozenset({"identityType", "clientId", "objectId", "resourceId"}),
}


def refused(body: RequestBody, api: str) -> Answer | None:
    """Refuse what a job of this api-version cannot be.

    Args:
        body: what was sent.
        api: the api-version; one of a preview knows more members.

    Returns:
        The refusal, if there is one.
    """
    own = body.get("properties")
    kind = own.get("jobType") if isinstance(own, Mapping) else None
    if kind not in _SHAPES:
        return invalid("jobType is Command or Pipeline here.")
    preview = "preview" in api
    if unknown := _SHAPES[str(kind)].unknown(
        body, read_only=False, preview=_PREVIEW if preview else frozenset()
    ):
        return unknown
    assert isinstance(own, Mapping)  # noqa: S101 - a type checker cannot see it
    return (
        _inner(own)
        or _texts(own)
        or _inputs(own.get("inputs") or {})
        or _outputs(own.get("outputs") or {}, preview=preview)
        or _required(own)
    )


def _required(own: Mapping[str, Any]) -> Answer | None:
    needed = ("command", "environmentId") if own["jobType"] == "Command" else ()
    for name in needed:
        if not own.get(name):
            return invalid(f"Required property '{name}' not found in JSON.")
    if own["jobType"] == "Pipeline" and not (own.get("componentId") or own.get("jobs")):
        return invalid("A pipeline has jobs, or is a component.")
    return None


def _inner(own: Mapping[str, Any]) -> Answer | None:
    for name, known in _INNER.items():
        for member in sorted(set(own.get(name) or {}) - known):
            return unknown_member(member, name, f"properties.{name}")
    return None


def _texts(own: Mapping[str, Any]) -> Answer | None:
    for name in ("tags", "properties", "environmentVariables"):
        for key, value in (own.get(name) or {}).items():
            if value is not None and not isinstance(value, str):
                return invalid(f"Path 'properties.{name}.{key}' has to be a text.")
    return None


def _inputs(inputs: Mapping[str, Any]) -> Answer | None:
    for name, one in inputs.items():
        if not isinstance(one, Mapping):
            return invalid(f"Path 'properties.inputs.{name}' has to be an object.")
        kind, path = str(one.get("jobInputType")).lower(), f"properties.inputs.{name}"
        if kind != "literal" and kind not in _ASSETS:
            return invalid(f"Path '{path}.jobInputType' is not known.")
        known = _LITERAL if kind == "literal" else _INPUT
        for member in sorted(set(one) - known):
            return unknown_member(member, f"{kind}JobInput", path)
        value = one.get("value" if kind == "literal" else "uri")
        if not isinstance(value, str) or not value:
            return invalid(f"Input '{name}' has no value, or one that is no text.")
        if one.get("mode") not in (None, *_INPUT_MODES):
            return invalid(f"Path '{path}.mode' is not known.")
    return None


def _outputs(outputs: Mapping[str, Any], *, preview: bool) -> Answer | None:
    known = _OUTPUT | (_PREVIEW_OUTPUT if preview else frozenset())
    for name, one in outputs.items():
        if not isinstance(one, Mapping):
            return invalid(f"Path 'properties.outputs.{name}' has to be an object.")
        kind, path = str(one.get("jobOutputType")).lower(), f"properties.outputs.{name}"
        if kind not in _ASSETS:
            return invalid(f"Path '{path}.jobOutputType' is not known.")
        for member in sorted(set(one) - known):
            return unknown_member(member, f"{kind}JobOutput", path)
        if one.get("mode") not in (None, *_OUTPUT_MODES):
            return invalid(f"Path '{path}.mode' is not known.")
    return None


def answered(name: str, sent: Body, status: str, uris: Mapping[str, str]) -> Body:
    """Return the properties of a job as answers show them.

    Args:
        name: of the job.
        sent: the properties of the PUT.
        status: of the job.
        uris: where the outputs of a command job are.

    Returns:
        More than was sent: members of the service, and null for what is not there.
    """
    own: Body = {"description": None, "tags": {}, "properties": {}, "experimentName": "Default"}
    own |= {"displayName": name, "computeId": None, "isArchived": False, "identity": None}
    own |= {"componentId": None, "notificationSetting": None}
    own |= {key: one for key, one in deepcopy(sent).items() if one is not None}
    own |= {"status": status, "services": _services(name)}
    for one in (own.get("inputs") or {}).values():
        one.setdefault("description", None)
        if str(one["jobInputType"]).lower() != "literal":
            one["mode"] = one.get("mode") or "ReadOnlyMount"
    empty = {"description": None, "uri": None, "assetName": None}
    outputs = {key: empty | one for key, one in (own.get("outputs") or {}).items()}
    for one in outputs.values():
        one["mode"] = one.get("mode") or "ReadWriteMount"
    own["outputs"] = outputs
    own["inputs"] = own.get("inputs") or {}
    return own | (_of_pipeline(own) if own["jobType"] == "Pipeline" else _of_command(own, uris))


def _of_pipeline(own: Body) -> Body:
    settings = own.get("settings") or {}

    def said(name: str, default: str) -> str:
        return str(settings.get(name, default))

    about = {
        "azureml.DevPlatv2": "true",
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "MFE",
        "runType": "HTTP",
        "azureml.continue_on_step_failure": said("continue_on_step_failure", "True"),
        "azureml.continue_on_failed_optional_input": "True",
        "azureml.enforceRerun": said("force_rerun", "False"),
        "azureml.defaultComputeName": said("default_compute", "").rpartition("/")[2],
        "azureml.defaultDataStoreName": (
            said("default_datastore", "workspaceblobstore").rpartition("/")[2]
        ),
        "azureml.pipelineComponent": "pipelinerun",
    }
    if own["componentId"]:
        about["azureml.SourceComponentId"] = own["componentId"]
    jobs = own.get("jobs") or {}
    return {
        "properties": {**about, **(own["properties"] or {})},
        "settings": settings,
        "jobs": jobs,
        "sourceJobId": None,
    }


def _of_command(own: Body, uris: Mapping[str, str]) -> Body:
    outputs = own["outputs"]
    for output, uri in uris.items():
        kind = {"jobOutputType": "uri_folder", "description": None, "assetName": None}
        outputs[output] = {**kind, "mode": "ReadWriteMount", **outputs.get(output, {}), "uri": uri}
    cluster = (own["computeId"] or "").rpartition("/")[2] or None
    about = {"_azureml.ComputeTargetType": "amlctrain", "_azureml.ClusterName": cluster}
    resources = {"instanceCount": 1, "instanceType": None, "properties": None, "shmSize": "2g"}
    resources |= {"dockerArgs": None, "dockerArgsList": None}
    return {
        **dict.fromkeys(("codeId", "distribution", "limits"), None),
        **{name: own[name] for name in ("codeId", "distribution", "limits") if name in own},
        "environmentVariables": own.get("environmentVariables") or {},
        "resources": resources | (own.get("resources") or {}),
        "outputs": outputs,
        "properties": {**about, **(own["properties"] or {})},
        "queueSettings": own.get("queueSettings") or {"jobTier": "Null"},
        "parameters": {name: one["value"] for name, one in own["inputs"].items() if "value" in one},
    }


def _services(name: str) -> Body:
    empty = dict.fromkeys(("port", "status", "errorMessage", "properties", "nodes"))
    places = {
        "Tracking": f"azureml://{API}/mlflow/v1.0{WORKSPACE}?",
        "Studio": f"https://ml.azure.com/runs/{name}?wsid=/{SHORT}",
    }
    return {
        kind: {"jobServiceType": kind, "endpoint": place, **empty} for kind, place in places.items()
    }
