"""Worlds with runs that were judged, and their replays by another gate."""

from typing import Any

from shared.core.config.gate import Gate
from shared.core.run.record import Run
from shared.core.run.replays import GateAction, Replay
from shared.core.serving.references import EndpointAddress
from tests.unit.execution.compared_worlds import (
    NO_DROP,
    ONE_FILE,
    bad,
    good,
    rows,
    world_with,
)
from tests.unit.execution.gated_worlds import (
    opened,
    trains,
)
from tests.unit.worlds import Observed

HERE = EndpointAddress("sample", "production")
NO, ON, ASKED, WAITS = GateAction.REJECT, GateAction.PROMOTE, GateAction.ASK, GateAction.WAIT
AUC = {"metric": "AUC"}
AT_LEAST = {**AUC, "at_least": 0.8}
RECALL = {"metric": "Recall", "at_least": 0.1, "observe": True}
OTHER_ROWS = {**AUC, "max_drop": 0.02, "against": "recorded"}
SURE = {**ONE_FILE, "level": "50%"}
SLICED = {**ONE_FILE, "slices": ["quarter"]}


def backtest(world: Any, gate: Gate | None = None, *, from_files: bool = False) -> list[Replay]:
    """Return the runs of a world by a gate, the oldest first."""
    gate, page = gate or world.pipeline.gate, world.app.backtests.page
    return list(page(world.pipeline, gate, 50, from_files=from_files).replays)[::-1]


def in_order(world: Any) -> list[Run]:
    return sorted(world.runs(), key=lambda run: run.opened_at)


def gate_of(**written: Any) -> Gate:
    return Gate.model_validate(written, context={})


RECORDED = {"metrics": "output2", "rules": [NO_DROP], "first_model": "allow"}
NUMBERS = [b"AUC,F1\n0.9,0.7\n", b"AUC,F1\n0.88,0.75\n"]
ROWS = {"compare": ONE_FILE, "rules": [NO_DROP], "first_model": "allow"}


def slightly_worse(at: int) -> float:
    return 0.7 * good(at) + 0.3 * bad(at)


def quarter(at: int) -> int:
    return at // 100


SCORES = [
    rows(candidate=good, live=good, quarter=quarter),
    rows(candidate=slightly_worse, live=good, quarter=quarter),
]


def second_of(config: dict[str, Any]) -> Observed:
    """Return a world whose gate judged two models; the first of them serves."""
    on_rows, gate = "compare" in config, dict(config)
    if on_rows:
        world = world_with(gate.pop("compare"), *gate.pop("rules"), **gate)
    else:
        world = Observed(config={"pipeline": {"gate": config}})
        trains(world)
    for number, content in enumerate(SCORES if on_rows else NUMBERS, start=1):
        run = opened(world, number, content)
        while world.now_of(run).verdict is None:
            world.tick()
        world.until_idle(run, ticks=5)
    return world
