"""Data that arrived becomes runs: bursts, queues, and every version in exactly one of them."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase, Run
from shared.operations.commands import OperatorCommand
from tests.fakes.clock import Shifted
from tests.fakes.world import DATA
from tests.unit.worlds import Observed

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NEWEST = {"when_busy": "newest"}
BURST: dict[str, Any] = {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "2m"}}
LISTED = {"inputs": {"input1": "{data.manifest}"}}


def world_of(pipeline: dict[str, Any], **training: Any) -> Observed:
    return Observed(config={"pipeline": pipeline, "training": training})


def arrive(world: Observed, *names: str) -> list[Run]:
    """Upload a blob of its own content under each name, a second apart, and deliver it."""
    runs: list[Run] = []
    for name in names:
        world.clock.move(timedelta(seconds=1))
        world.upload(name, f"a,b,label\n1,2,{len(world.runs())}\n{name},4,1\n".encode())
        runs += world.deliver(name)
    return runs


def trained_on(world: Observed) -> list[list[str]]:
    """The names in each run's manifest, in the order of the runs' opening."""
    runs = sorted(world.runs(), key=lambda run: run.opened_at)
    return [[blob.name for blob in run.manifest] for run in runs]


def waiting(world: Observed) -> list[str]:
    return [name for name in world.documents.rows if name.startswith("inbox/")]


def test_a_calm_start_under_newest_goes_straight_to_training() -> None:
    world = world_of(NEWEST)
    (run,) = arrive(world, "a.csv")
    assert run.phase is Phase.TRAINING
    assert waiting(world) == []
    assert world.until(run, Phase.PROMOTED).manifest == run.manifest


def test_data_that_arrives_while_a_run_is_open_gets_one_run_next() -> None:
    world = world_of(NEWEST)
    arrive(world, "a.csv")
    assert arrive(world, "b.csv", "c.csv", "d.csv") == []
    assert len(waiting(world)) == 3
    for _ in range(20):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv", "c.csv", "d.csv"]]
    assert [run.phase for run in world.runs()] == [Phase.PROMOTED] * 2
    assert waiting(world) == []


def test_an_event_that_comes_again_after_its_run_opens_no_other() -> None:
    world = world_of(NEWEST)
    arrive(world, "a.csv", "b.csv")
    for _ in range(25):
        world.tick()
        assert world.deliver("a.csv") is not None
        world.deliver("b.csv")
    counted = Counter(name for names in trained_on(world) for name in names)
    assert counted == {"a.csv": 1, "b.csv": 1}


def test_a_burst_is_one_run_with_every_version_of_it() -> None:
    world = world_of(BURST)
    names = [f"{number}.csv" for number in range(12)]
    assert arrive(world, *names) == []
    world.tick(60)
    assert world.runs() == []  # it may continue
    world.tick(90)
    assert trained_on(world) == [names]
    assert world.until_ended().phase is Phase.PROMOTED
    assert len(world.starts) == 1


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), -timedelta(hours=3)])
def test_the_clock_of_a_host_neither_cuts_a_burst_nor_holds_it_up(ahead: timedelta) -> None:
    world = world_of({**BURST, "data": {**BURST["data"], "settle_at_most": "10m"}})
    wrong = replace(world.context, clock=Shifted(world.clock, ahead))
    world.app = world.app_over(wrong)
    arrive(world, *(f"{number}.csv" for number in range(6)))
    world.tick(60)
    assert world.runs() == []  # it may continue
    world.tick(90)
    assert [len(names) for names in trained_on(world)] == [6]


def test_a_burst_that_never_ends_is_trained_on_all_the_same() -> None:
    world = world_of({**BURST, "data": {**BURST["data"], "settle_at_most": "10m"}})
    for number in range(11):
        arrive(world, f"{number}.csv")
        world.tick(58)
    assert len(world.runs()) == 1


def test_a_blob_that_was_overwritten_in_the_burst_is_trained_on_as_it_is_now() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv", "b.csv", "a.csv")
    world.tick(150)
    run = world.until_ended()
    assert run.phase is Phase.PROMOTED
    assert [blob.name for blob in run.manifest] == ["a.csv", "b.csv", "a.csv"]
    assert [blob.name for blob in run.current] == ["a.csv", "b.csv"]


def test_a_metadata_only_update_within_a_burst_is_no_version_of_its_own() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv")
    world.clock.move(timedelta(seconds=5))
    world.blobs.update_metadata(DATA, "a.csv")
    world.deliver("a.csv")
    world.tick(150)
    assert trained_on(world) == [["a.csv"]]
    assert waiting(world) == []


def test_a_queue_gives_each_version_its_run_in_order() -> None:
    world = world_of({"when_busy": "queue"})
    arrive(world, "a.csv", "b.csv", "c.csv")
    assert len(world.runs()) == 1
    for _ in range(40):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"], ["c.csv"]]
    assert len(world.starts) == 3


def test_a_queue_may_begin_with_the_newest() -> None:
    world = world_of({"when_busy": "queue", "order": "newest_first"})
    arrive(world, "a.csv", "b.csv", "c.csv")
    for _ in range(40):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["c.csv"], ["b.csv"]]


def test_no_more_runs_are_open_than_max_parallel() -> None:
    world = world_of({"when_busy": "parallel", "max_parallel": 2})
    arrive(world, *[f"{number}.csv" for number in range(5)])
    most = 0
    for _ in range(60):
        most = max(most, sum(not run.phase.ended for run in world.runs()))
        world.tick()
    assert most == 2
    assert len(world.runs()) == 5
    assert all(run.phase.ended for run in world.runs())


def test_the_list_of_all_blobs_is_an_input() -> None:
    world = world_of(BURST, **LISTED)
    arrive(world, "a.csv", "b.csv")
    world.tick(150)
    run = world.run()
    listed = f"runs/sample/{run.run_id}/manifest.csv"
    assert run.inputs["input1"].name == listed
    content = world.blobs.read("models", listed, 10_000)
    assert content is not None
    lines = content.decode().splitlines()
    assert lines[0] == "Container,Name,ETag,Size,LastModified,ContentMD5"
    assert [line.split(",")[1] for line in lines[1:]] == ["a.csv", "b.csv"]
    (sent,) = submitted(world)
    assert sent["Inputs"]["input1"]["RelativeLocation"].endswith(f"/{listed}")


def test_the_list_of_all_blobs_is_a_parameter() -> None:
    world = world_of(BURST, parameters={"Data list": "in {data.manifest}"})
    arrive(world, "a.csv", "b.csv")
    world.tick(150)
    listed = f"runs/sample/{world.run().run_id}/manifest.csv"
    (sent,) = submitted(world)  # the stand-in's service knows no such parameter, and refuses it
    assert sent["GlobalParameters"] == {"Data list": f"in models/{listed}"}
    assert world.blobs.read("models", listed, 10_000) is not None


def submitted(world: Observed) -> list[dict[str, Any]]:
    """The bodies of the requests that were to create jobs."""
    return [json.loads(body) for body in world.bodies if "Inputs" in body]


def test_the_rest_of_a_burst_is_trained_on_when_one_of_its_blobs_is_replaced() -> None:
    world = world_of({**BURST, "endpoints": []}, **LISTED)
    world.upload("a.csv", b"a,b,label\n1,2,0\n")
    world.deliver("a.csv")
    arrive(world, "b.csv", "c.csv")
    world.clock.move(3 * MINUTE)
    world.upload("b.csv", b"a,b,label\n9,9,1\n")  # its event is lost
    world.poll.tick()
    for _ in range(30):
        world.tick()
    first, second = sorted(world.runs(), key=lambda run: run.opened_at)
    assert first.phase is Phase.SUPERSEDED
    assert sorted(blob.name for blob in second.current) == ["a.csv", "b.csv", "c.csv"]
    assert second.phase is Phase.FINISHED


def test_no_content_of_training_data_is_ever_read() -> None:
    world = world_of(BURST, **LISTED)
    arrive(world, "a.csv", "b.csv")
    world.tick(150)
    assert [read for read in world.blobs.reads if read.startswith(DATA)] == []


def test_a_paused_pipeline_keeps_data_that_arrives_and_continues_with_it() -> None:
    world = world_of({"when_busy": "parallel"})
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada", "maintenance"))
    assert arrive(world, "a.csv", "b.csv") == []
    world.tick()
    assert world.runs() == []
    pipelines.resume("sample")
    world.tick()
    assert sorted(trained_on(world)) == [["a.csv"], ["b.csv"]]


def test_a_run_that_is_opened_is_returned_as_it_is_once_it_took_its_slot() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv", "b.csv")
    world.clock.move(3 * MINUTE)
    batch_run = world.app.batches
    (stored,) = batch_run.open_batches(world.pipeline, (), world.clock.now() + MINUTE)
    assert stored.record == world.run()
    assert stored.record.phase is Phase.RECEIVED
    assert stored.record.cause == "2 blobs arrived"


def test_one_call_opens_no_more_than_fifty_runs_of_one_key() -> None:
    world = world_of({"when_busy": "parallel", "endpoints": []})
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada"))
    arrive(world, *(f"{number}.csv" for number in range(52)))
    pipelines.resume("sample")
    until = world.clock.now() + 60 * MINUTE
    opened = [world.app.batches.open_batches(world.pipeline, (), until) for _ in range(3)]
    assert [len(runs) for runs in opened] == [50, 2, 0]


def test_a_metadata_only_update_that_waits_behind_its_data_opens_no_run() -> None:
    world = world_of({"when_busy": "queue", "endpoints": []})
    arrive(world, "a.csv")
    assert arrive(world, "b.csv") == []
    world.clock.move(MINUTE)
    world.blobs.update_metadata(DATA, "b.csv")
    assert world.deliver("b.csv") == []
    assert len(waiting(world)) == 2
    for _ in range(20):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"]]
    assert waiting(world) == []


def made_of(world: Observed) -> str:
    """Return what the endpoint says of the data that made the model which serves now."""
    endpoints = world.app.endpoints
    return endpoints.lines()[0].line


def test_the_endpoint_names_the_snapshot_that_was_trained_on_and_not_what_it_stood_for() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv", "b.csv", "a.csv", "c.csv")
    world.tick(150)
    world.until_ended()
    reported = made_of(world)
    assert "trained on training-data/c.csv (the newest of 4 that arrived)," in reported
    assert "a.csv" not in reported


def test_the_endpoint_names_the_data_beside_a_marker_and_not_the_marker() -> None:
    config = {"when_busy": "newest", "data": {"blob": "{date}/_SUCCESS", "marker": True}}
    world = world_of(config, inputs={"input1": "{date}/part.csv"})
    world.upload("1/part.csv")
    world.upload("1/_SUCCESS", b"")
    world.deliver("1/_SUCCESS")
    world.until_ended()
    assert "trained on training-data/1/part.csv, run" in made_of(world)


def test_the_endpoint_keeps_the_newest_of_a_great_burst_and_the_run_keeps_all_of_it() -> None:
    world = world_of(BURST)
    names = [f"{number:03}.csv" for number in range(60)]
    arrive(world, *names)
    world.tick(150)
    assert len(world.until_ended().manifest) == 60
    serving = (
        world.endpoint_state().resource(str(world.pipeline.endpoints[0].resource_name)).serving
    )
    assert serving is not None
    assert [blob.name for blob in serving.manifest] == names[:-6:-1]
    assert (serving.arrived, serving.given) == (60, 1)
    assert "059.csv (the newest of 60 that arrived)" in made_of(world)
