"""Models that an operator or a job stored, and their events."""

from contextlib import suppress

import pytest

from local.studio import InstantTrainer
from shared.core.run.record import Origin, Phase
from shared.errors import TransientError
from tests.fakes.world import MODELS
from tests.unit.intake.intake_worlds import DAY, MINUTE
from tests.unit.worlds import Observed


@pytest.fixture
def world() -> Observed:
    return Observed()


def trained(seed: bytes = b"a,b,label\n9,9,1\n") -> bytes:
    return InstantTrainer().train({"input1": seed}, {}, label=None).model


def search(world: Observed, minutes: int = 16) -> None:
    """Let the search for blobs that no event announced continue."""
    world.clock.move(minutes * MINUTE)
    world.app.search.run_until(world.clock.now() + MINUTE)


@pytest.mark.parametrize("event", [True, False], ids=["by its event", "found by the search"])
def test_an_operators_model_is_promoted(world: Observed, *, event: bool) -> None:
    world.poll.tick()
    world.clock.move(MINUTE)
    world.blobs.put(MODELS, "promote/sample/better.ilearner", trained())
    if event:
        world.app.model_events.model_arrived("promote/sample/better.ilearner")
    search(world, 1)
    world.tick()
    run = world.until(world.run(), Phase.PROMOTED)
    assert run.origin is Origin.MODEL
    assert world.serving() == trained()
    assert world.starts == []


def test_an_operators_model_is_promoted_although_one_search_for_it_failed(
    world: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.poll.tick()
    search(world)
    world.blobs.put(MODELS, "promote/sample/better.ilearner", trained())

    def fail(container: str, prefix: str) -> None:
        raise TransientError(f"storage: list {container}/{prefix}: busy")

    with monkeypatch.context() as away:
        away.setattr(world.blobs, "listing", fail)
        with suppress(TransientError):  # the data cannot be listed either
            search(world)
    assert world.runs() == []
    world.restart()
    world.clock.move(DAY)  # however long the timer was away
    search(world)
    world.tick()
    assert world.until(world.run(), Phase.PROMOTED).origin is Origin.MODEL


def test_an_empty_model_put_manually_opens_nothing(world: Observed) -> None:
    world.blobs.put(MODELS, "promote/sample/empty.ilearner", b"")
    assert world.app.model_events.model_arrived("promote/sample/empty.ilearner") is None
    world.tick()
    assert world.runs() == []


@pytest.mark.parametrize(
    "name",
    [
        "promote/unknown/better.ilearner",
        "promote/sample/better.csv",
        "promote/better.ilearner",
        "better.ilearner",
        "runs/sample/sample-unknown/1/model.ilearner",
        "promote/sample/gone.ilearner",
    ],
)
def test_a_model_that_belongs_to_no_pipeline_is_left_alone(world: Observed, name: str) -> None:
    if "gone" not in name:
        world.blobs.put(MODELS, name, trained())
    assert world.app.model_events.model_arrived(name) is None
    world.tick()
    assert world.runs() == []


def test_the_model_of_an_ended_run_changes_nothing(world: Observed) -> None:
    run = world.start()
    world.until(run, Phase.PROMOTED)
    served, record = world.serving(), world.now_of(run)
    name = f"runs/sample/{run.run_id}/1/model.ilearner"
    world.blobs.put(MODELS, name, trained())
    assert world.app.model_events.model_arrived(name) is None
    world.tick()
    assert (world.serving(), world.now_of(run)) == (served, record)


def test_the_model_of_an_earlier_attempt_advances_nothing(world: Observed) -> None:
    run = world.start()
    before = world.documents.rows[f"runs/{run.run_id}"]
    for attempt in (0, 2):
        assert (
            world.app.model_events.model_arrived(f"runs/sample/{run.run_id}/{attempt}/m.ilearner")
            is None
        )
    assert world.documents.rows[f"runs/{run.run_id}"] == before


def test_the_models_event_advances_its_run_ahead_of_the_timer(world: Observed) -> None:
    run = world.start()
    world.studio.work()
    moved = world.app.model_events.model_arrived(f"runs/sample/{run.run_id}/1/model.ilearner")
    assert moved is not None
    assert moved.phase is Phase.VERIFYING
