"""A throttled probe, a service that warms up, another region: none of them is a broken model."""

from datetime import timedelta

from shared.core.run.record import Phase
from tests.unit.intake.test_customers import OF_ACME, Customers
from tests.unit.worlds import Observed


def test_a_throttled_probe_says_nothing_about_the_model() -> None:
    world = Observed()
    run = world.until(world.start(), Phase.VERIFYING)
    world.studio.busy_slots = 4
    for _ in range(3):
        world.tick()
    assert world.now_of(run).phase is Phase.VERIFYING
    world.studio.busy_slots = 0
    world.until(run, Phase.PROMOTED)
    assert world.serving() == world.model_of(run)
    assert len(world.changes()) == 1


def test_nothing_is_sent_while_the_probe_is_throttled() -> None:
    world = Observed()
    world.studio.busy_slots = 4
    run = world.start()
    for _ in range(6):
        world.tick()
    assert world.now_of(run).phase is Phase.PROMOTING
    assert world.changes() == []
    world.studio.busy_slots = 0
    world.until(run, Phase.PROMOTED)


def test_an_endpoint_that_was_just_made_may_answer_401_for_a_while() -> None:
    world = Customers()
    world.studio._unauthorized_for = timedelta(minutes=2)
    world.upload("acme/monday.csv", OF_ACME)
    (run,) = world.deliver("acme/monday.csv")
    world.until(run, Phase.PROMOTED)
    assert world.serves("acme") == world.model_of(run)


def test_another_regions_host_is_named_as_such() -> None:
    world = Observed()
    world.studio.wrong_region = True
    run = world.until(world.start(), Phase.PARKED)
    assert "region" in (run.reason or "")
    assert world.changes() == []
