"""Worlds with a gate, whose evaluations a test writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from local.studio import InstantTrainer, Trained
from shared.core.run.record import Run
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import Endpoints
from tests.fakes.world import World
from tests.unit.fleet import Fleet
from tests.unit.worlds import Observed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


ABOVE = {"metric": "AUC", "at_least": 0.8}


NO_DROP = {"metric": "AUC", "max_drop": 0.01}


BOSS = OperatorCommand(by="boss@example.com", reason="sales fell")


@dataclass
class Scripted:
    """Trains as the instant trainer does; a test sets the evaluation of each data."""

    evaluations: dict[bytes, bytes] = field(default_factory=dict)
    otherwise: bytes = b"AUC\n0.9\n"

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        made = InstantTrainer().train(inputs, parameters, label=label)
        content = b"".join(inputs.values())
        return Trained(made.model, self.evaluations.get(content, self.otherwise))


def gated(*rules: dict[str, Any], **more: Any) -> Observed:
    world = Observed(config={"pipeline": {"gate": gate(*rules, **more)}})
    trains(world)
    return world


def gate(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**({"metrics": "output2", "rules": list(rules)} if rules else {}), **more}


def trains(world: World) -> Scripted:
    trainer = Scripted()
    world.studio._board._trainer = trainer
    return trainer


def data(number: int) -> bytes:
    return f"a,b,label\n{number},2,0\n3,{number + 1},1\n".encode()


def evaluates(world: World, number: int, evaluation: bytes | float) -> None:
    """Have the model of data `number` evaluated so."""
    trainer = world.studio._board._trainer
    assert isinstance(trainer, Scripted)
    text = evaluation if isinstance(evaluation, bytes) else f"AUC\n{evaluation!r}\n".encode()
    trainer.evaluations[data(number)] = text


def opened(world: Observed, number: int, evaluation: bytes | float = 0.9) -> Run:
    """Let data arrive that gives a model evaluated so."""
    evaluates(world, number, evaluation)
    return world.next_run(f"{number}.csv", data(number))


def ended_run(world: Observed, number: int, evaluation: bytes | float = 0.9) -> Run:
    return world.until_idle(opened(world, number, evaluation))


def why(run: Run) -> str:
    assert run.reason is not None
    return run.reason


def reasons(run: Run) -> list[str]:
    assert run.verdict is not None
    return [result.why for result in run.verdict.results]


def endpoints_of(world: Observed) -> Endpoints:
    return world.app.endpoints


# An operator's answer


def approve(world: Observed, run: Run) -> None:
    world.run_operations.approve(run.run_id, OperatorCommand("ada", "good"))


# Several endpoints


def fleet(*rules: dict[str, Any], **more: Any) -> Fleet:
    world = Fleet(size=2)
    config = gated(*rules, **more).pipeline.gate
    world.configure(world.pipeline.model_copy(update={"gate": config}))
    trains(world)
    return world
