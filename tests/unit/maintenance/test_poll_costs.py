"""The cost of a start, a status check and an idle tick."""

import json
from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.ledger.open_markers import RunHints, encoded, hints_of
from tests.unit.maintenance.polled_worlds import HOUR, MINUTE, SECOND, training
from tests.unit.worlds import Observed

#: What a tick costs in which nothing is to be done.
TICK = ["list drift_checks", "list inbox", "list open", "read poll", "replace poll"]


@pytest.fixture
def world() -> Observed:
    return Observed()


def test_an_unchanged_running_job_costs_one_get_and_no_record(world: Observed) -> None:
    training(world, count=3)
    world.clock.move(MINUTE)
    world.poll.tick()  # this process knows the services now, each by the run's record
    world.calls.clear()
    world.http.sent.clear()
    endpoint_states = world.blobs.head_calls
    world.clock.move(MINUTE)
    world.poll.tick()
    assert [sent.split()[0] for sent in world.http.sent] == ["GET"] * 3
    assert sorted(world.calls) == TICK
    assert world.blobs.head_calls == endpoint_states


def test_a_calm_start_costs_what_the_design_says(world: Observed) -> None:
    world.upload()
    world.calls.clear()
    world.http.sent.clear()
    endpoint_states = world.blobs.head_calls
    (run,) = world.deliver()
    assert run.phase is Phase.TRAINING
    writes = [call for call in world.calls if not call.startswith(("read", "list"))]
    assert writes == [
        "create configurations",  # once for each change of the pipeline
        "create pipelines",  # once, when a pipeline is first seen
        "create open",
        "create versions",
        "create index",
        "create runs",  # claimed already
        "create tombstones",  # so that its id is never used again
        "replace runs",  # the job's id
        "replace runs",  # started
    ]
    assert [sent.split()[0] for sent in world.http.sent] == ["POST", "POST"]
    assert world.blobs.head_calls - endpoint_states == 1


def test_the_second_start_of_a_worker_writes_seven_records(world: Observed) -> None:
    world.start("a.csv")
    world.calls.clear()
    world.start("b.csv")
    assert len([call for call in world.calls if not call.startswith(("read", "list"))]) == 7


@pytest.mark.parametrize(
    ("when_busy", "reads", "listings", "writes"), [("parallel", 3, 0, 7), ("newest", 8, 2, 12)]
)
def test_a_start_after_a_run_that_is_over_costs_what_the_design_says(
    when_busy: str, reads: int, listings: int, writes: int
) -> None:
    world = Observed(config={"pipeline": {"when_busy": when_busy}})
    world.until(world.start("a.csv"), Phase.PROMOTED)
    world.upload("b.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.calls.clear()
    (run,) = world.deliver("b.csv")
    assert run.phase is Phase.TRAINING
    kinds = [call.split()[0] for call in world.calls]
    writes_made = len(kinds) - kinds.count("read") - kinds.count("list")
    assert (kinds.count("read"), kinds.count("list"), writes_made) == (reads, listings, writes)


def test_a_worker_keeps_its_claim_from_one_step_to_the_next(world: Observed) -> None:
    run = world.start()
    world.clock.move(MINUTE)
    world.studio.work()
    world.calls.clear()
    world.poll.tick()
    assert world.now_of(run).phase is Phase.VERIFYING
    writes = [call for call in world.calls if call.startswith("replace runs")]
    assert len(writes) == 5


def test_the_claim_for_a_job_is_the_claim_for_its_start() -> None:
    data = {"blob": "{name}.csv", "settle": "2m"}
    world = Observed(config={"pipeline": {"data": data, "when_busy": "queue"}})
    world.upload()
    world.deliver()
    world.clock.move(3 * MINUTE)
    world.calls.clear()
    world.poll.tick()
    assert world.run().phase is Phase.TRAINING
    writes = [call for call in world.calls if call.startswith("replace runs")]
    assert len(writes) == 4  # its slot, the claim, the job, and that it is started


def test_new_runs_are_checked_in_the_same_tick_and_the_others_are_not_again() -> None:
    data = {"blob": "{name}.csv", "settle": "2m"}
    world = Observed(config={"pipeline": {"data": data}})
    world.upload("a.csv")
    world.deliver("a.csv")
    world.clock.move(3 * MINUTE)
    world.tick()
    (first,) = world.runs()
    world.until(first, Phase.VERIFYING)
    world.upload("b.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.deliver("b.csv")
    world.clock.move(3 * MINUTE)
    world.http.sent.clear()
    world.poll.tick()
    assert len(world.runs()) == 2
    assert len([one for one in world.http.sent if one.endswith("/production")]) == 1
    assert len(world.starts) == 2


def test_an_ended_run_costs_nothing(world: Observed) -> None:
    world.until(world.start(), Phase.PROMOTED)
    world.calls.clear()
    world.http.sent.clear()
    world.tick()
    assert world.http.sent == []
    assert sorted(world.calls) == TICK


def test_a_young_job_is_checked_often_and_an_old_one_less() -> None:
    world = Observed()
    training(world)

    def checks(span: timedelta) -> int:
        sent = len(world.http.sent)
        world.idle(span, step=10 * SECOND)
        return len(world.http.sent) - sent

    assert checks(MINUTE) == 6  # every 10 s, the least in this world
    world.idle(HOUR)
    assert checks(MINUTE) == 2  # every 30 s, the most


def test_hints_hold_what_a_check_needs_and_no_secret(world: Observed) -> None:
    hints = hints_of(world.start())
    assert hints.model_fields_set == set(RunHints.model_fields) - {"kind"}
    assert set(json.loads(encoded(hints)["marker"])) == {
        "kind",
        "phase",
        "pipeline",
        "service",
        "job",
    }
    odd = encoded(RunHints(service="ä" * 10))
    assert odd["marker"].isascii()  # metadata travels in headers
