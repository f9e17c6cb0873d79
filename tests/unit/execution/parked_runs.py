"""Parked runs, and gates that were changed since."""

from typing import Any

from shared.core.config.pipeline import Pipeline
from shared.core.run import control_events
from shared.core.run.machine import apply
from shared.core.run.record import Approval, Phase, Run
from tests.unit.execution.roll_out_worlds import read, written
from tests.unit.samples import NOW, OPEN_PHASES, pipeline, run, tree
from tests.unit.worlds import Observed

STRICT = {
    "metrics": "output2",
    "rules": [{"metric": "AUC", "at_least": 0.9999}],
    "first_model": "allow",
    "approval": "required",
}


ASKS = {"first_model": "allow", "approval": "required"}


PAST_TRAINED = tuple(OPEN_PHASES[OPEN_PHASES.index(Phase.JUDGED) :])


YES = Approval(answer="approved", by="ada", at=NOW)


def tightened(world: Observed, gate: dict[str, Any] = STRICT) -> None:
    read(world, {**written(world), "gate": gate})


def parked(phase: Phase, **changes: Any) -> Run:
    return apply(run(phase, **changes), control_events.StepBlocked("no", "do"), NOW)


def other_output(name: str) -> Pipeline:
    (endpoint,) = tree()["endpoints"]
    outputs = {"output1": "model.ilearner", "output3": "three.ilearner"}
    return pipeline(endpoints=[{**endpoint, "model": name}], training__outputs=outputs)
