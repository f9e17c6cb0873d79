"""Registered models of Azure Machine Learning as references of the app, and tags of its jobs."""

from typing import Final

from shared.core.config.azureml_names import Asset, Workspace, asset_of, workspace_of
from shared.core.config.problems import WrongValueError
from shared.core.names import digest
from shared.core.serving.references import ModelRef

AZUREML: Final = "azureml"
#: Tags by which a job is known to be ours.
RUN_TAG: Final = "relearn.run"
ATTEMPT_TAG: Final = "relearn.attempt"
PIPELINE_TAG: Final = "relearn.pipeline"


def model_version(run_id: str, attempt: int, other: int = 0) -> str:
    """Return the version under which an attempt's model is registered: a repeat is the same one.

    Args:
        run_id: the run.
        attempt: its attempt.
        other: how many such versions there are that hold something else.
    """
    again = f"-{other + 1}" if other else ""
    return f"{run_id.rpartition('-')[2]}-{attempt}{again}"


def registered_model(asset: Asset, workspace: Workspace, **known: str) -> ModelRef:
    """Return the reference to a version of a model.

    Args:
        asset: the model in a fixed version.
        workspace: where it is registered.
        known: what else is known of it, such as `type` and `uri`.
    """
    where = f"{workspace.id}/models/{asset.name}/versions/{asset.version}"
    identity = f"{workspace.identity}/models/{asset.name}/versions/{asset.version}"
    own = {"workspace": workspace.url, "name": asset.name, "version": asset.version, "id": where}
    return ModelRef(
        provider=AZUREML,
        name=str(asset),
        digest=digest("azureml model", identity),
        reference={**known, **own},
    )


def model_named(text: str, workspace: Workspace) -> ModelRef:
    """Return the reference to a model that an operator names for a run.

    Args:
        text: as `azureml:<name>:<version>`.
        workspace: of the pipeline.

    Raises:
        ValueError: it does not name a version of a model; the message says what to write.
    """
    asset = asset_of(text, "model")
    if asset.newest:
        raise WrongValueError("the newest version may be another one later", "name the version")
    return registered_model(asset, workspace)


def model_asset(model: ModelRef) -> tuple[Workspace, Asset]:
    """Return where a model is registered, and its name and version.

    Raises:
        ValueError: it is not a model of Azure Machine Learning.
    """
    if model.provider != AZUREML:
        raise ValueError(f"{model.name} is a model of {model.provider}, and not a registered one")
    known = model.reference
    asset = Asset(str(known["name"]), str(known["version"]))
    return workspace_of(str(known["workspace"])), asset
