"""Makes the body of a new deployment from the deployment file, by pure functions.

The file is one that `az ml online-deployment create -f` takes; forms: azure-machine-learning-v2
§5.1. Its name, its endpoint and its model are this app's.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.core.config.azureml_models import (
    AZUREML,
    PIPELINE_TAG,
    RUN_TAG,
    registered_model,
)
from shared.core.config.azureml_names import Workspace, asset_of, workspace_of
from shared.core.names import digest, pipeline_of
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.core.serving.traffic import ALL, TrafficMap
from shared.errors import PermanentError
from shared.providers.azureml.call import Body

#: Of a state's body: the bodies of its deployments, and what of them could not be kept.
DEPLOYMENTS: Final = "deployments"
INCOMPLETE: Final = "incomplete"
_ASSET: Final = re.compile(r"azureml:(?P<name>[^/:@]+)(?::(?P<version>[^/:@]+)|@latest)")
_SPANS: Final = ("initial_delay", "period", "timeout")
_PROBES: Final = ("liveness_probe", "readiness_probe", "startup_probe")
_SETTINGS: Final = {
    "request_timeout_ms": "requestTimeout",
    "max_queue_wait_ms": "maxQueueWait",
    "max_concurrent_requests_per_instance": "maxConcurrentRequestsPerInstance",
}
#: Members that are taken over as they are.
_SAME: Final = ("description", "instance_type", "model_mount_path", "app_insights_enabled")


def candidate_of(
    model: ModelRef, run_id: str, again: int, file: Mapping[str, Any], workspace: Workspace
) -> Candidate:
    """Return a model as a deployment of this app; nothing is sent.

    Args:
        model: the model.
        run_id: the run that brings it.
        again: how many candidates of this run could not be made ready before.
        file: the deployment file.
        workspace: where the endpoint is.
    """
    name = f"m-{digest('azureml deployment', run_id, model.digest, str(again))}"
    tags = {RUN_TAG: run_id, PIPELINE_TAG: pipeline_of(run_id)}
    body = new_body(file, str(model.reference.get("id") or ""), tags, workspace)
    state = ServingState(
        model=model, traffic=TrafficMap.of({name: ALL}), body={DEPLOYMENTS: {name: body}}
    )
    instances = body["sku"]["capacity"]
    kind = body["properties"].get("instanceType") or ""
    return Candidate(name=name, state=state, instances=instances, instance_type=str(kind))


def new_body(
    file: Mapping[str, Any], model: str, tags: Mapping[str, str], workspace: Workspace
) -> Body:
    """Return the body of a deployment, but for its location.

    Args:
        file: the deployment file.
        model: the id of its model.
        tags: those of this app.
        workspace: where the endpoint is.
    """
    own: Body = {
        "endpointComputeType": "Managed",
        "model": model,
        "environmentId": _environment(file.get("environment"), workspace),
        "codeConfiguration": _code(file.get("code_configuration"), workspace),
        "environmentVariables": _texts(file.get("environment_variables")) or None,
        "requestSettings": _request_settings(file.get("request_settings")),
        "scaleSettings": _scale(file.get("scale_settings")),
        "egressPublicNetworkAccess": _capital(file.get("egress_public_network_access")),
        "dataCollector": _collector(file.get("data_collector"), workspace),
        "properties": _texts(file.get("properties")),
    }
    own |= {camel(name): file.get(name) for name in _SAME}
    own |= {camel(name): _probe(file.get(name)) for name in _PROBES}
    capacity = file.get("instance_count")
    count = capacity if isinstance(capacity, int) and not isinstance(capacity, bool) else 1
    return {
        "tags": {**_texts(file.get("tags")), **tags},
        "sku": {"name": "Default", "capacity": count},
        "properties": _without_none(own),
    }


def sendable(body: Mapping[str, Any]) -> None:
    """Make sure that a body names fixed versions: a rollback has to make the same one again.

    Raises:
        PermanentError: its environment is whichever is the newest.
    """
    environment = str(body["properties"].get("environmentId") or "")
    if environment.endswith(("@latest", "/labels/latest")):
        cure = "name a version of the environment in the deployment file"
        text = f"the environment {environment} may be another one at a rollback"
        raise PermanentError(f"{text}: {cure}", cure=cure)


def bodies_in(state: ServingState) -> Mapping[str, Body]:
    """Return the bodies of a state's deployments by their names."""
    found = state.body.get(DEPLOYMENTS)
    return found if isinstance(found, Mapping) else {}


def lost_of(state: ServingState, name: str) -> str:
    """Return what the record of a deployment does not hold, for people; empty: it is whole.

    Args:
        state: the state.
        name: of the deployment.
    """
    found = state.body.get(INCOMPLETE)
    lost = found.get(name) if isinstance(found, Mapping) else None
    return ", ".join(str(one) for one in lost) if isinstance(lost, list | tuple) else ""


def model_of(model_id: str, workspace: Workspace) -> ModelRef | None:
    """Return the reference to a deployment's model, as that of training; None without a model.

    Args:
        model_id: as the deployment has it.
        workspace: of the endpoint, for an id without one.
    """
    if not model_id:
        return None
    before, _, _ = model_id.partition("/models/")
    try:
        where = workspace_of(before) if before.startswith("/subscriptions/") else workspace
        asset = asset_of(model_id, "model")
    except ValueError:  # of a registry, or in a form that is not known
        named = digest("azureml model", model_id.lower())
        return ModelRef(provider=AZUREML, name=model_id, digest=named, reference={"id": model_id})
    here = Workspace(workspace.host, where.subscription, where.group, where.name)
    same = here.identity == workspace.identity
    return registered_model(asset, workspace if same else here)


def camel(name: str) -> str:
    """Return a name of YAML as REST has it."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _environment(given: object, workspace: Workspace) -> str | None:
    return _asset_id(given, "environments", workspace) if given else None


def _asset_id(given: object, kind: str, workspace: Workspace) -> str:
    text = str(given)
    found = _ASSET.fullmatch(text)
    if found is None or found["version"] is None:
        return text.removeprefix("azureml:") if text.startswith("azureml:/sub") else text
    return f"{workspace.id}/{kind}/{found['name']}/versions/{found['version']}"


def _code(given: object, workspace: Workspace) -> Body | None:
    known = _mapping(given)
    if not known:
        return None
    code = known.get("code")
    identity = _asset_id(code, "codes", workspace) if code else None
    return _without_none({"codeId": identity, "scoringScript": known.get("scoring_script")})


def _request_settings(given: object) -> Body | None:
    known = _mapping(given)
    made = {
        new: _span(known[old], 1000) if old.endswith("_ms") else known[old]
        for old, new in _SETTINGS.items()
        if known.get(old) is not None
    }
    return made or None


def _probe(given: object) -> Body | None:
    known = _mapping(given)
    made = {
        camel(name): _span(value, 1) if name in _SPANS else value
        for name, value in known.items()
        if value is not None
    }
    return made or None


def _scale(given: object) -> Body:
    known = _mapping(given)
    kind = "".join(part.capitalize() for part in str(known.get("type") or "default").split("_"))
    more = {
        camel(name): _span(value, 1) if name == "polling_interval" else value
        for name, value in known.items()
        if name != "type" and value is not None
    }
    return {"scaleType": kind, **more}


def _collector(given: object, workspace: Workspace) -> Body | None:
    """Return the collection of data; values are spelled as the service's document has them."""
    known = _mapping(given)
    collections = {
        str(name): _without_none(
            {
                "dataCollectionMode": _mode(one),
                "samplingRate": one.get("sampling_rate", known.get("sampling_rate")),
                "dataId": _asset_id(one["data"], "data", workspace) if one.get("data") else None,
                "clientId": one.get("client_id"),
            }
        )
        for name, one in _mapping(known.get("collections")).items()
        if isinstance(one, Mapping)
    }
    if not collections:
        return None
    rolling = _capital(known.get("rolling_rate"))
    headers = _mapping(known.get("request_logging")).get("capture_headers")
    logging = {"captureHeaders": list(headers)} if headers else None
    made = {"collections": collections, "rollingRate": rolling, "requestLogging": logging}
    return _without_none(made)


def _mode(one: Mapping[str, Any]) -> str:
    return "Enabled" if str(one.get("enabled", "false")).lower() == "true" else "Disabled"


def _span(value: object, divided: int) -> object:
    """Return a number of seconds, or of parts of them, as ISO 8601; a text is one already."""
    if isinstance(value, str) and not value.isdecimal():
        return value
    seconds = f"{float(str(value)) / divided:.3f}".rstrip("0").rstrip(".")
    return f"PT{seconds}S"


def _capital(given: object) -> str | None:
    return str(given).capitalize() if given else None


def _texts(given: object) -> dict[str, str]:
    return {
        str(name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in _mapping(given).items()
        if value is not None
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _without_none(body: Body) -> Body:
    return {name: value for name, value in body.items() if value is not None}
