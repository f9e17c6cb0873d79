"""Worlds for the tests of intake."""

from datetime import timedelta

from local.studio import OutputKind, Parameter
from tests.fakes.world import pipeline
from tests.unit.worlds import Observed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def with_parameters(parameters: dict[str, str]) -> Observed:
    """Return a world whose training service takes these parameters."""
    world = Observed()
    outputs = {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
    world.training = world.studio.publish_training(
        "training", outputs=outputs, parameters=dict.fromkeys([*parameters, "extra"], Parameter())
    )
    world.environment["TRAINING_KEY"] = world.training.api_key
    changes = {"training": {"parameters": parameters}}
    world.pipeline = pipeline(world.training, world.endpoint, changes)
    world.restart()
    return world
