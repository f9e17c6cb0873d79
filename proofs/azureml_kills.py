"""Kills the host at each call on the way from new data to a registered model, and starts it again.

The workspace of Azure Machine Learning runs on: what it was asked for before the kill takes effect.
"""

import json
from functools import partial
from typing import Any

from local.demo.azureml_stage import AzureMlStage
from proofs.kill_points import Switch
from proofs.kill_trials import PIPELINE, KillTrials, ProxiedStage, outcomes_of
from proofs.ledger_reader import WorkspaceRecords
from shared.core.run.record import Phase, Run

#: The call that starts the job: killed after it, the host does not know that it took effect.
STARTED = 'kill at "PUT jobs/*" #1 after'


class _WorkspaceStage(ProxiedStage, AzureMlStage):
    """A stage with a workspace behind a proxy."""

    def __init__(self, switch: Switch) -> None:
        super().__init__(switch, more_pipelines=lambda _: self._proxied())

    def _proxied(self) -> dict[str, Any]:
        there, here = self.workspace.url, self.proxied(self.workspace.url, "service")
        direct = {**self.pipeline(), "data": {"blob": f"{PIPELINE}/{{name}}.csv"}}
        return {PIPELINE: json.loads(json.dumps(direct).replace(there, here))}


class _WorkspaceTrials(KillTrials):
    part, end = "azureml crash", Phase.FINISHED
    cold = True  # else nothing is looked up that the host knows from the run before
    result = "one version of a model is registered for each finished run"
    _records: WorkspaceRecords

    def new_stage(self, switch: Switch) -> AzureMlStage:
        return _WorkspaceStage(switch)

    def records_of(self, stage: AzureMlStage) -> WorkspaceRecords:
        return WorkspaceRecords(stage)

    def broken_result(self, run: Run) -> list[str]:
        return self._records.not_registered(run)


#: Tries kill points; see `outcomes_of`.
part = partial(outcomes_of, _WorkspaceTrials)
