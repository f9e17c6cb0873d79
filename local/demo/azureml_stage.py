"""Starts the servers of the demo with Azure Machine Learning: a workspace that really trains."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from local.azureml.answers import WORKSPACE
from local.azureml.process import AzureMlProcess
from local.azureml.sample import COMPONENT, COMPUTE
from local.azurite import ACCOUNT_KEY
from local.demo.app_stage import DATA, MODELS, PIPELINE, AppStage

_VARIABLE: Final = "STORAGE_OF_THE_WORKSPACE"
#: What every token begins with.
_TOKEN: Final = "eyJ"  # noqa: S105 -- no token
#: A model that guesses is not good enough.
LEAST_AUC: Final = 0.9


class AzureMlStage(AppStage):
    """The stage with a workspace of Azure Machine Learning; its models are registered there.

    The workspace writes to the app's own storage server, by datastores for its two containers,
    and the app signs in by the identity endpoint that the workspace has.

    Args:
        settings: app settings over the demo's own.
        more_pipelines: called with the stage once its workspace is there; returns further
            pipelines, by name.
    """

    #: Further arguments of the workspace.
    flags: Sequence[str] = ()

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        more_pipelines: "Callable[[AzureMlStage], dict[str, Any]] | None" = None,
    ) -> None:
        super().__init__(settings)
        self._more_pipelines = more_pipelines

    def training_section(self) -> dict[str, Any]:
        """Return what a pipeline of the file says of the workspace."""
        return {
            "kind": "azureml",
            "workspace": f"{self.workspace.url}{WORKSPACE}",
            "component": f"azureml:{COMPONENT}:1",
            "inputs": {"training_data": "{data}", "regularization": 0.5},
            "outputs": {"model": "model", "evaluation": "evaluation"},
            "compute": COMPUTE,
        }

    def pipeline(self) -> dict[str, Any]:
        """Return the pipeline of the demo."""
        rules = [{"metric": "AUC", "at_least": LEAST_AUC}]
        return {
            "data": {"blob": f"{PIPELINE}/{{name}}.csv"},
            "when_busy": "parallel",
            "training": self.training_section(),
            "gate": {"metrics": "evaluation", "rules": rules},
        }

    def useless_data(self) -> bytes:
        """Return the breast cancer table with labels that have nothing to do with its rows."""
        header, *rows = self.data(1).splitlines(keepends=True)
        made_up = (
            b"%s,%d\n" % (row.rpartition(b",")[0], number % 2) for number, row in enumerate(rows)
        )
        return header + b"".join(made_up)

    @property
    def secrets(self) -> Sequence[str]:
        """Every key that is in play, and what any signed URL or token holds."""
        return (ACCOUNT_KEY, self._identity["IDENTITY_HEADER"], "sig=", _TOKEN)

    def jobs(self) -> list[str]:
        """Return the names of the jobs that the workspace has, without those that never begin."""
        return [job["name"] for job in self.workspace.state["jobs"] if not job["orphan"]]

    def versions(self) -> list[str]:
        """Return the registered versions of models, as `name/version`."""
        found: list[str] = self.workspace.state["models"]
        return found

    def _start_service(self, stack: ExitStack) -> None:
        given = ["--storage", _VARIABLE, "--sample"]
        given += ["--data-container", DATA, "--models-container", MODELS, *self.flags]
        kept = {_VARIABLE: self.azurite.connection_string}
        self.workspace = stack.enter_context(AzureMlProcess(given, variables=kept))
        self._identity = self.workspace.environment

    def _pipelines_by_name(self) -> dict[str, Any]:
        more = self._more_pipelines(self) if self._more_pipelines else {}
        return {PIPELINE: self.pipeline(), **more}

    def _settings(self) -> dict[str, str]:
        return {**self._identity, **super()._settings()}
