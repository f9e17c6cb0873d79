"""Makes candidates and their bodies from the deployment file, by pure functions.

The file is one that `az ml online-deployment create -f` takes; forms: azure-machine-learning-v2
§5.1. Its name, its endpoint and its model are this app's.
"""

from collections.abc import Mapping
from typing import Final

from shared.core.config.azureml_deployment_file import Deployment, deployment_properties
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
from shared.providers.azureml.call import Body, mapping_of

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
    tags = {RUN_TAG: run_id, PIPELINE_TAG: pipeline_of(run_id)}
    body = new_body(file, str(model.reference.get("id") or ""), tags, workspace)
    state = ServingState(
        model=model, traffic=TrafficMap.of({name: ALL}), body={DEPLOYMENTS: {name: body}}
    )
    instances = body["sku"]["capacity"]
    kind = body["properties"].get("instanceType") or ""
    return Candidate(name=name, state=state, instances=instances, instance_type=str(kind))


def new_body(file: Deployment, model: str, tags: Mapping[str, str], workspace: Workspace) -> Body:
    """Return the body of a deployment, but for its location.

    Args:
        file: the deployment file.
        model: the id of its model.
        tags: those of this app.
        workspace: where the endpoint is.
    """
    return {
        "tags": dict(tags),
        "sku": {"name": "Default", "capacity": file.instance_count},
        "properties": {**deployment_properties(file, workspace), "model": model},
    }


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
