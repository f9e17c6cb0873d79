"""Worlds in which one model goes to several endpoints."""

from collections.abc import Mapping
from typing import Any

from local.studio import OutputKind
from shared.core.config.pipeline import Pipeline
from tests.unit.fleet import BASE, Fleet
from tests.unit.worlds import Observed


def written(world: Observed) -> dict[str, Any]:
    tree: dict[str, Any] = world.pipeline.model_dump(mode="json")
    return tree


def read(world: Observed, tree: Mapping[str, Any]) -> None:
    """Have workers from now on read this file."""
    world.pipeline = Pipeline.model_validate(tree, context={"development": False})
    world.restart()


def ticks(world: Observed, number: int = 40) -> None:
    for _ in range(number):
        world.survive(world.tick)


def two_models(fleet: Fleet, *wanted: str) -> dict[str, Any]:
    """Have the training service leave two models, and the endpoints want these."""
    kinds = {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
    service = fleet.studio.publish_training("two", outputs={**kinds, "output3": OutputKind.MODEL})
    fleet.environment["TRAINING_KEY"] = service.api_key
    tree = written(fleet)
    tree["training"]["service"] = BASE + service.jobs_url
    files = {"output1": "one.ilearner", "output2": "e.csv", "output3": "three.ilearner"}
    tree["training"]["outputs"] = files
    for endpoint, output in zip(tree["endpoints"], wanted, strict=True):
        endpoint["model"] = output
    read(fleet, tree)
    return tree
