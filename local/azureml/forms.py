"""Adds the members of the service to the body of a job (azure-machine-learning-v2 §2.4, §2.7)."""

from collections.abc import Mapping

from local.azureml.answers import API, SHORT, WORKSPACE, Body, copied


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
    own |= {key: one for key, one in copied(sent).items() if one is not None}
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
