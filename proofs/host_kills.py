"""Kills the host at each call on the way from new data to a live model, and starts it again."""

import json
from functools import partial
from typing import Any, Final

from local.demo.stage import Stage
from proofs.kill_points import Switch
from proofs.kill_trials import PIPELINE, KillTrials, ProxiedStage, outcomes_of
from proofs.ledger_reader import StudioRecords
from shared.core.run.record import Phase, Run

_SWITCH_SECONDS: Final = 0.5


class _StudioStage(ProxiedStage, Stage):
    """A stage with Studio behind a proxy."""

    def __init__(self, switch: Switch) -> None:
        super().__init__(
            switch, switch_seconds=_SWITCH_SECONDS, more_pipelines=lambda _: self._proxied()
        )

    def _proxied(self) -> dict[str, Any]:
        there, here = self.studio.url, self.proxied(self.studio.url, "service")
        data = {"blob": f"{PIPELINE}/{{name}}.csv"}
        endpoints = [self.endpoint_section()]
        direct = {"data": data, "training": self.training_section(), "endpoints": endpoints}
        return {PIPELINE: json.loads(json.dumps(direct).replace(there, here))}


class _StudioTrials(KillTrials):
    part, end = "crash", Phase.PROMOTED
    result = "the newest model serves"
    _records: StudioRecords

    def new_stage(self, switch: Switch) -> Stage:
        return _StudioStage(switch)

    def records_of(self, stage: Stage) -> StudioRecords:
        return StudioRecords(stage)

    def broken_result(self, run: Run) -> list[str]:
        return self._records.not_serving(run)


#: Tries kill points; see `outcomes_of`.
part = partial(outcomes_of, _StudioTrials)
