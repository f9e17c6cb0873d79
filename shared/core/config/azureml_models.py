"""Registered models of Azure Machine Learning as references of the app, and names of its jobs."""

import re
from typing import Final

from shared.core.config.azureml_names import Asset, Workspace, asset_of, workspace_of
from shared.core.config.problems import WrongValueError
from shared.core.names import digest, pipeline_of
from shared.core.serving.references import ModelRef

AZUREML: Final = "azureml"
#: The evaluation that MLflow has, instead of one in an output; a step may follow.
MLFLOW: Final = "mlflow:"
#: Tags by which a job is known to be ours.
RUN_TAG: Final = "relearn.run"
ATTEMPT_TAG: Final = "relearn.attempt"
PIPELINE_TAG: Final = "relearn.pipeline"

_LONGEST_PIPELINE: Final = 24
_LONGEST_MARK: Final = 12
_JOB_NAME: Final = re.compile(r"rl-(?P<pipeline>.{1,24})-[0-9a-f]{12}-[0-9]{1,9}(?:-[0-9]{1,9})?")


def job_name(run_id: str, attempt: int, replaced: int, workspace: Workspace) -> str:
    """Return the name of an attempt's job, which never changes (azure-machine-learning-v2 §2.4).

    It depends on the workspace: a run that is retried after another one was configured must not
    be started a second time there.

    Args:
        run_id: the run.
        attempt: its attempt.
        replaced: how many jobs of the attempt were given up.
        workspace: where it runs.
    """
    pipeline = pipeline_of(run_id)[:_LONGEST_PIPELINE].strip("-")
    mark = digest("azureml job", run_id, workspace.identity)[:_LONGEST_MARK]
    again = f"-{replaced + 1}" if replaced else ""
    return f"rl-{pipeline}-{mark}-{attempt}{again}"


def pipeline_of_job(name: str) -> str | None:
    """Return the beginning of the name of a job's pipeline; None: not a name of `job_name`."""
    found = _JOB_NAME.fullmatch(name)
    return found["pipeline"] if found else None


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
        raise ValueError(f"{model.name} is a model of {model.provider}, and no registered one")
    known = model.reference
    asset = Asset(str(known["name"]), str(known["version"]))
    return workspace_of(str(known["workspace"])), asset
