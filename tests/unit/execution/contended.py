"""Worlds in which runs wait for each other."""

from datetime import timedelta
from typing import Any

from shared.app import App
from shared.core.config.pipeline import Pipeline
from shared.core.run.control_events import StepBlocked
from shared.core.run.record import Run
from shared.maintenance.poll import Poll
from tests.unit.intake.test_batches import world_of
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR
QUEUE: dict[str, Any] = {"when_busy": "queue", "endpoints": []}
NEWEST: dict[str, Any] = {"when_busy": "newest", "endpoints": []}
PARALLEL: dict[str, Any] = {"when_busy": "parallel", "endpoints": []}


def ticks(world: Observed, count: int, seconds: int = 30) -> None:
    for _ in range(count):
        world.tick(seconds)


def open_now(world: Observed) -> list[Run]:
    return [run for run in world.runs() if not run.phase.ended]


def park(world: Observed, run: Run) -> None:
    """Park a run, as a step does that needs an operator."""
    stored = world.context.ledger.runs.read(run.run_id)
    assert stored is not None
    world.app.writer.note(stored, StepBlocked("a damaged record", "correct it"))


def two_pipelines(
    first: dict[str, Any], second: dict[str, Any], **training: Any
) -> tuple[Observed, App, Poll, Pipeline]:
    """One worker for two pipelines that share a training service."""
    world = world_of({**first, "data": {"blob": "one-{name}.csv"}}, **training)
    settings = world.pipeline.training.model_dump(mode="json")
    other = world.sibling(training=settings, endpoints=[], **second)
    world.app = world.another(other)
    return world, world.app, world.poll, other
