"""A world whose endpoint serves the model of a run, until another program updates it."""

from datetime import timedelta

from local.studio import InstantTrainer
from shared.core.run.record import Origin, Phase, Run
from tests.fakes.world import MODELS
from tests.unit.samples import state_of
from tests.unit.worlds import Observed

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def live() -> tuple[Observed, Run]:
    world = Observed()
    return world, world.until(world.start(), Phase.PROMOTED)


def meddle(world: Observed, name: str = "foreign", data: bytes = b"a,b,label\n9,9,1\n") -> None:
    """Have another program PATCH the endpoint, and let it switch."""
    trained = InstantTrainer().train({"input1": data}, {}, label=None)
    model = world.blobs.put(MODELS, f"baselines/{name}.ilearner", trained.model)
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(model))
    world.clock.move(MINUTE)


def repairs(world: Observed) -> list[Run]:
    return [run for run in world.runs() if run.origin is Origin.DRIFT]


def pass_time(world: Observed, hours: float = 1.2) -> None:
    world.idle(HOUR * hours)
