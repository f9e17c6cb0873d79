"""The cost of a step in calls of the workspace, and of a roll-out in ticks."""

from collections import Counter
from datetime import timedelta

from local.azureml.switches import Switches
from shared.core.run.record import Phase
from tests.fakes.azureml_world import QUICK, AzureMlWorld
from tests.unit.execution.lasting_steps import Baking, baking

MINUTE = timedelta(minutes=1)
#: What is not counted: probes, and how they are allowed.
PROBES = {"POST score", "POST listKeys"}


def kinds(world: AzureMlWorld, since: int) -> list[str]:
    """Return the kinds of the calls of the app since that many, without probes."""
    return [call.kind for call in world.azureml.calls.log[since:] if call.kind not in PROBES]


def of_one_tick(world: Baking, seconds: int = 60) -> list[str]:
    world.requests = 0
    before = len(world.azureml.calls.log)
    world.tick(seconds)
    return kinds(world, before)


def test_a_look_at_a_step_is_one_read_of_the_endpoint_and_one_of_its_metrics() -> None:
    world = baking()
    for _ in range(8):
        world.tick()
    for _ in range(4):
        assert sorted(of_one_tick(world)) == ["GET endpoint", "GET platformMetrics"]


def test_looks_within_one_minute_read_the_metrics_once() -> None:
    world = baking()
    for _ in range(8):
        world.tick()
    seen = Counter(kind for _ in range(4) for kind in of_one_tick(world, seconds=15))
    assert seen["GET platformMetrics"] == 1
    assert seen["GET endpoint"] <= 4


def test_a_step_without_rules_reads_no_metrics() -> None:
    world = baking(min_requests=None, max_error_rate=None)
    for _ in range(4):
        assert of_one_tick(world) == ["GET endpoint"]


def test_a_step_costs_a_read_a_write_and_a_read() -> None:
    world = AzureMlWorld()
    run = world.start()
    world.until(run, Phase.VERIFYING, ticks=60)
    world.clock.move(MINUTE)
    before = len(world.azureml.calls.log)
    world.poll.tick()  # the first step is seen, and the second asked for
    world.clock.move(MINUTE)
    world.poll.tick()
    asked = kinds(world, before)
    assert asked.count("PUT endpoint") == 2
    # Each: the state that ends the step before, then what is there, and the candidate's state.
    between = asked[asked.index("PUT endpoint") + 1 :]
    between = between[: between.index("PUT endpoint")]
    assert between.count("GET endpoint") == 2
    assert set(between) <= {"GET endpoint", "GET deployment"}
    assert between.count("GET deployment") <= 1


def test_a_roll_out_without_a_bake_ends_within_its_steps_and_three_ticks() -> None:
    seconds = timedelta(seconds=2)
    switches = Switches(
        **{**QUICK, "provisioning": seconds, "updating_endpoint": seconds, "routing_lag": seconds}
    )
    world = AzureMlWorld(switches=switches)
    run = world.start()
    world.until(run, Phase.STAGING)
    steps = 3
    for _ in range(steps + 3):
        if world.now_of(run).phase is Phase.PROMOTED:
            break
        world.tick()
    assert world.now_of(run).phase is Phase.PROMOTED, world.now_of(run).history
