"""Kills the host at each call on the way from new data to a registered model, and starts it again.

The workspace of Azure Machine Learning continues: a request from before the kill takes effect.
Two kinds of workspace are tried: one writes outputs to the place that the job names; the other
writes them elsewhere and only says so in the history of its steps, so that the app has to copy.
With an endpoint, a trial ends when a model has all requests, after its steps; or when the traffic
is restored, because the model fails once it has requests.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from types import MappingProxyType
from typing import Any, Self

from local.demo.azureml_stage import AzureMlStage
from local.demo.serving_stage import ServingStage
from proofs.kill_points import Switch, by_the_app
from proofs.kill_trials import PIPELINE, KillTrials, ProxiedStage, outcomes_of
from proofs.ledger_reader import Cause, ServingRecords, WorkspaceRecords
from shared.core.run.record import Phase, Run
from shared.core.serving.traffic import ALL

#: The call that starts the job: killed after it, the host does not know that it took effect.
STARTED = 'kill at "PUT jobs/*" #1 after'
#: The call that gives the first share: killed after it, the host does not know the same.
SHIFTED = 'kill at "PUT onlineEndpoints/breast-cancer" #1 after'


def _by_the_app(method: str, path: str) -> bool:
    """Whether a call is the app's own, as its copies are: the workspace goes by no proxy."""
    return method == "PUT" or by_the_app(method, path)


class _ByProxy(ProxiedStage, AzureMlStage):
    """A stage with a workspace behind a proxy."""

    counts = staticmethod(_by_the_app)

    def __init__(self, switch: Switch) -> None:
        super().__init__(switch, more_pipelines=lambda _: self._proxied())

    def _proxied(self) -> dict[str, Any]:
        there, here = self.workspace.url, self.proxied(self.workspace.url, "service")
        direct = {**self.pipeline(), "data": {"blob": f"{PIPELINE}/{{name}}.csv"}}
        return {PIPELINE: json.loads(json.dumps(direct).replace(there, here))}


class _WorkspaceStage(_ByProxy):
    """A workspace that behaves in some way.

    Args:
        switch: gets every call of the app.
        behaviour: how the workspace is to behave.
    """

    def __init__(self, switch: Switch, behaviour: Mapping[str, object]) -> None:
        super().__init__(switch)
        self._behaviour = behaviour

    def _start_service(self, stack: ExitStack) -> None:
        super()._start_service(stack)
        self.workspace.order("switches", **self._behaviour)


class _ServingStage(_ByProxy, ServingStage):
    """A workspace with an endpoint, whose models are made up: a start of each takes no time."""

    flags = ("--made-up-scores",)
    steps: Mapping[str, object] = MappingProxyType({"steps": [20, 100], "bake": "2s"})


class _WorkspaceTrials(KillTrials):
    part, end = "azureml crash", Phase.FINISHED
    cold = True  # else nothing is looked up that the host knows from the run before
    result = "one version of a model is registered for each finished run"
    behaviour: Mapping[str, object] = MappingProxyType({})
    _records: WorkspaceRecords

    def new_stage(self, switch: Switch) -> AzureMlStage:
        return _WorkspaceStage(switch, self.behaviour)

    def records_of(self, stage: AzureMlStage) -> WorkspaceRecords:
        return WorkspaceRecords(stage)

    def broken_result(self, run: Run) -> list[str]:
        return self._records.not_registered(run)


class _ElsewhereTrials(_WorkspaceTrials):
    part = "azureml copy crash"
    behaviour = MappingProxyType({"explicit_uri_honoured": False, "outputs_at_parent": False})


class _ServingTrials(KillTrials):
    part, end = "azureml steps crash", Phase.PROMOTED
    result = "one deployment has all requests, and no request to the endpoint was unsafe"
    _records: ServingRecords
    _stage: ServingStage

    def __enter__(self) -> Self:
        super().__enter__()
        self._play(None)  # a first model has no steps
        return self

    def new_stage(self, switch: Switch) -> ServingStage:
        return _ServingStage(switch)

    def records_of(self, stage: ServingStage) -> ServingRecords:
        return ServingRecords(stage)

    def broken_result(self, run: Run) -> list[str]:
        return self._records.not_serving(run) + self._stage.violations()


class _RollbackTrials(_ServingTrials):
    """Each model but the first breaks when it has its first share, and all requests go back."""

    part = "azureml rollback crash"
    result = "a model that breaks gives all requests back, and is discarded or due to be"

    def __enter__(self) -> Self:
        self._first = ""
        super().__enter__()
        (self._first,) = self._stage.traffic()
        self.end = Phase.ROLLED_BACK
        return self

    def broken_result(self, run: Run) -> list[str]:
        found = self._records.not_registered(run) + self._records.left_behind(run)
        if (traffic := self._stage.traffic()) != {self._first: ALL}:
            found.append(f"the traffic is {traffic}, and not { ({self._first: ALL}) }")
        if (serving := self._records.serving()) == run.run_id:
            found.append(f"the ledger says that {serving} serves")
        return found + self._stage.violations()

    def _over(self, cause: Cause) -> bool:
        if self._first and set(self._stage.traffic()) != {self._first}:
            self._break(cause)
        return super()._over(cause)

    def _break(self, cause: Cause) -> None:
        """Have the model of a run answer with errors from now on."""
        for run in self._records.opened_by(cause):
            if run.model is not None:
                version = run.model.name.removeprefix("azureml:").replace(":", "/")
                self._stage.workspace.order("models", model=version, status=500)


#: Try kill points; see `outcomes_of`.
part = partial(outcomes_of, _WorkspaceTrials)
part_elsewhere = partial(outcomes_of, _ElsewhereTrials)
part_of_steps = partial(outcomes_of, _ServingTrials)
part_of_rollbacks = partial(outcomes_of, _RollbackTrials)
