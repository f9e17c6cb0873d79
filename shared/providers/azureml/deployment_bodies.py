"""Makes candidates and their bodies from the deployment file, and reads what is recorded of them.

The file is one that `az ml online-deployment create -f` takes; forms: azure-machine-learning-v2
§5.1. Its name, its endpoint and its model are this app's. Pure functions.
"""

from collections.abc import Mapping
from typing import Final

from shared.core.config.azureml_deployment_file import Deployment
from shared.core.config.azureml_deployment_parts import ASSET, ContainerProbe, DataCollector
from shared.core.config.azureml_models import AZUREML, PIPELINE_TAG, RUN_TAG, registered_model
from shared.core.config.azureml_names import Workspace, asset_of, workspace_of
from shared.core.names import digest, pipeline_of
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.core.serving.traffic import ALL, TrafficMap
from shared.providers.azureml.call import Body, mapping_of, without_none

#: Of a state's body: the bodies of its deployments, and what of them could not be kept.
DEPLOYMENTS: Final = "deployments"
INCOMPLETE: Final = "incomplete"


def candidate_of(
    model: ModelRef, run_id: str, again: int, file: Deployment, workspace: Workspace
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
    own = deployment_properties(file, workspace)
    body = {
        "tags": {RUN_TAG: run_id, PIPELINE_TAG: pipeline_of(run_id)},
        "sku": {"name": "Default", "capacity": file.instance_count},
        "properties": {**own, "model": str(model.reference.get("id") or "")},
    }
    state = ServingState(
        model=model, traffic=TrafficMap.of({name: ALL}), body={DEPLOYMENTS: {name: body}}
    )
    return Candidate(
        name=name,
        state=state,
        instances=file.instance_count,
        instance_type=file.instance_type,
    )


def bodies_in(state: ServingState) -> Mapping[str, Body]:
    """Return the bodies of a state's deployments by their names."""
    return mapping_of(state.body.get(DEPLOYMENTS))


def lost_of(state: ServingState, name: str) -> str:
    """Return what the record of a deployment does not hold, for people; empty: it is whole.

    Args:
        state: the state.
        name: of the deployment.
    """
    lost = mapping_of(state.body.get(INCOMPLETE)).get(name)
    return ", ".join(str(one) for one in lost) if isinstance(lost, list | tuple) else ""


def is_custom(model: ModelRef | None) -> bool:
    """Whether a model is known to be of the type that needs a scoring script."""
    kind = str(model.reference.get("type") or "") if model else ""
    return kind.lower().replace("_", "") == "custommodel"


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


def deployment_properties(template: Deployment, workspace: Workspace) -> Body:
    """Return `properties` of every deployment that a template makes, but for `model`.

    Names are those of REST (azure-machine-learning-v2 §5.1), milliseconds and seconds are
    ISO 8601 spans, and what the template leaves out is left out. `location`, `tags`,
    `properties.model` and `sku` are the caller's; `sku.capacity` is `template.instance_count`.

    Args:
        template: the checked file, `endpoint.deployment`.
        workspace: where code, environment and data assets are registered.
    """
    code, requests = template.code_configuration, template.request_settings
    return without_none(
        {
            "endpointComputeType": "Managed",
            "instanceType": template.instance_type,
            "description": template.description,
            "properties": dict(template.properties),
            "environmentId": _id(template.environment, "environments", workspace),
            "codeConfiguration": {
                "codeId": _id(code.code, "codes", workspace),
                "scoringScript": code.scoring_script,
            }
            if code
            else None,
            "environmentVariables": dict(template.environment_variables) or None,
            "requestSettings": without_none(
                {
                    "requestTimeout": _span(requests.request_timeout_ms, 1000),
                    "maxConcurrentRequestsPerInstance": (
                        requests.max_concurrent_requests_per_instance
                    ),
                    "maxQueueWait": _span(requests.max_queue_wait_ms, 1000),
                }
            )
            if requests
            else None,
            "livenessProbe": _probe(template.liveness_probe),
            "readinessProbe": _probe(template.readiness_probe),
            "startupProbe": _probe(template.startup_probe),
            "scaleSettings": {"scaleType": "Default"},
            "appInsightsEnabled": template.app_insights_enabled,
            "egressPublicNetworkAccess": _capital(template.egress_public_network_access),
            "modelMountPath": template.model_mount_path,
            "dataCollector": _collector(template.data_collector, workspace),
        }
    )


def _id(text: str | None, kind: str, workspace: Workspace) -> str | None:
    """Return an asset as a deployment names it: by its id where it is in the workspace."""
    if text is None:
        return None
    if (found := ASSET.fullmatch(text)) is not None:
        return f"{workspace.id}/{kind}/{found['name']}/versions/{found['version']}"
    return text.removeprefix("azureml:") if text.startswith("azureml:/sub") else text


def _span(number: int | None, parts: int = 1) -> str | None:
    """Return a time as an ISO 8601 span in seconds.

    Args:
        number: of the unit.
        parts: how many of the unit a second has.
    """
    return None if number is None else f"PT{number / parts:.12g}S"


def _probe(probe: ContainerProbe | None) -> Body | None:
    if probe is None:
        return None
    return without_none(
        {
            "initialDelay": _span(probe.initial_delay),
            "period": _span(probe.period),
            "timeout": _span(probe.timeout),
            "successThreshold": probe.success_threshold,
            "failureThreshold": probe.failure_threshold,
        }
    )


def _collector(given: DataCollector | None, workspace: Workspace) -> Body | None:
    if given is None:
        return None
    logged = given.request_logging
    return without_none(
        {
            "collections": {
                name: without_none(
                    {
                        "dataCollectionMode": "Enabled" if one.enabled == "true" else "Disabled",
                        "dataId": _id(one.data, "data", workspace),
                        "samplingRate": given.sampling_rate,
                        "clientId": one.client_id,
                    }
                )
                for name, one in given.collections.items()
            },
            "rollingRate": _capital(given.rolling_rate),
            "requestLogging": {"captureHeaders": list(logged.capture_headers)} if logged else None,
        }
    )


def _capital(word: str | None) -> str | None:
    return word.capitalize() if word else None
