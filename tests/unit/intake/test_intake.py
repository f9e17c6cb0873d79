"""Which events and blobs open a run, and which do not."""

import logging
from contextlib import suppress
from typing import Any

import pytest

from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase
from shared.errors import IdempotencyConflictError, RelearnError
from tests.fakes.faults import Kind
from tests.fakes.world import CSV
from tests.unit.intake.intake_worlds import MINUTE, with_parameters
from tests.unit.worlds import Observed


@pytest.fixture
def world() -> Observed:
    return Observed()


def test_one_event_delivered_again_and_again_opens_one_run(world: Observed) -> None:
    world.upload()
    first = world.deliver()[0]
    for _ in range(3):
        world.restart()
        assert [run.run_id for run in world.deliver()] == [first.run_id]
    assert world.until_ended().phase is Phase.PROMOTED
    assert [run.run_id for run in world.deliver()] == [first.run_id]
    world.tick()
    assert len(world.runs()) == len(world.starts) == 1


@pytest.mark.parametrize("call", range(5))
def test_a_run_opened_by_a_repeated_event_is_brought_to_its_end_wherever_its_worker_dies(
    world: Observed, call: int
) -> None:
    world.app.activations.refresh()
    world.upload()
    world.faults.plan = {len(world.faults.sites) + 1: Kind.CRASH_AFTER}  # recorded, not opened
    assert not world.survive(world.deliver)
    (marker,) = world.open_runs()
    del world.documents.rows[marker]  # by a poller that found no record in time
    world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
    assert not world.survive(world.deliver)
    assert world.until_ended().phase is Phase.PROMOTED
    assert len(world.runs()) == 1


def test_a_metadata_only_update_opens_no_run(world: Observed) -> None:
    world.start()
    for _ in range(2):  # while the job runs, and after it
        world.clock.move(MINUTE)
        world.blobs.update_metadata("training-data", "new.csv")
        assert world.deliver() == []
        world.until_ended()
    assert world.run().phase is Phase.PROMOTED


@pytest.mark.parametrize("settle", ["0s", "2m"])
def test_a_metadata_only_update_opens_no_run_where_data_waits_for_a_slot_either(
    settle: str,
) -> None:
    data = {"blob": "{name}.csv", "settle": settle}
    world = Observed(config={"pipeline": {"when_busy": "newest", "data": data}})
    world.upload()
    world.deliver()
    world.clock.move(3 * MINUTE)
    world.tick()
    for _ in range(2):  # while the job runs, and after it
        world.clock.move(MINUTE)
        world.blobs.update_metadata("training-data", "new.csv")
        assert world.deliver() == []
        world.clock.move(3 * MINUTE)
        world.until_ended()
    assert world.run().phase is Phase.PROMOTED
    assert not [name for name in world.documents.rows if name.startswith("inbox/")]


def test_a_version_is_opened_by_the_run_alone_that_its_entry_names(world: Observed) -> None:
    run = world.start()
    del world.documents.rows[f"runs/{run.run_id}"]
    del world.documents.rows[f"tombstones/{run.run_id}"]
    (name,) = [name for name in world.documents.rows if name.startswith("versions/")]
    version = name.removeprefix("versions/")
    assert world.app.version_runs.is_expected(version, run.run_id)
    assert not world.app.version_runs.is_expected(version, "sample-other")
    assert world.app.version_runs.open_announced(version, "sample-other") is None
    assert not world.app.version_runs.is_expected("no such version", run.run_id)
    opened = world.app.version_runs.open_announced(version, run.run_id)
    assert opened is not None
    assert opened.run_id == run.run_id
    assert not world.app.version_runs.is_expected(version, run.run_id)  # it is there


def test_new_bytes_under_an_old_name_open_a_second_run(world: Observed) -> None:
    first = world.start()
    world.until_ended()
    world.clock.move(MINUTE)
    world.upload(content=CSV + b"5,6,1\n")
    (second,) = world.deliver()
    assert second.run_id != first.run_id
    assert world.until(second, Phase.PROMOTED).manifest[0].size > len(CSV)


def test_the_same_bytes_uploaded_again_are_eligible(world: Observed) -> None:
    world.start()
    world.until_ended()
    world.clock.move(MINUTE)
    world.upload()
    assert len(world.deliver()) == 1
    assert len(world.runs()) == 2


def test_a_vanished_blob_opens_nothing(world: Observed) -> None:
    assert world.deliver("gone.csv") == []


@pytest.mark.parametrize("name", ["new.tsv", "deep/new.csv", ".csv", "new.csv.tmp"])
def test_a_blob_that_no_pipeline_wants_opens_nothing(world: Observed, name: str) -> None:
    world.upload(name)
    assert world.deliver(name) == []
    assert world.runs() == []


@pytest.mark.parametrize(("content", "opened"), [(b"", 0), (b"x" * 1023, 0), (b"x" * 1024, 1)])
def test_empty_and_small_blobs_open_nothing(content: bytes, opened: int) -> None:
    data = {"blob": "{name}.csv", "min_size": "1KB"}
    world = Observed(config={"pipeline": {"data": data}})
    world.upload(content=content)
    assert len(world.deliver()) == len(world.runs()) == opened


def test_an_empty_blob_that_is_filled_later_is_eligible(world: Observed) -> None:
    world.upload(content=b"")
    assert world.deliver() == []
    world.clock.move(MINUTE)
    assert world.start().phase is Phase.TRAINING


def test_blobs_older_than_the_pipeline_open_nothing(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.upload()
    world.clock.move(MINUTE)
    world.restart()  # first active now
    assert world.deliver() == []
    assert "older than pipeline sample" in caplog.text
    assert world.runs() == []


@pytest.mark.parametrize("sign", ["#", "%", "?", "\\", "\n", "\x01"])
def test_a_name_that_the_service_would_misread_is_rejected_with_its_reason(
    world: Observed, sign: str
) -> None:
    run = world.start(f"a{sign}b.csv")
    assert run.phase is Phase.REJECTED
    assert "misread" in str(run.reason)
    assert "another name" in str(run.advice)
    world.tick()
    assert world.http.sent == []
    assert not [name for name in world.documents.rows if name.startswith("open/")]


@pytest.mark.parametrize(
    "name",
    [
        "two words.csv",
        " leading.csv",
        'it\'s "quoted" & (more) +1;=@.csv',
        "Größe-数据-🚀.csv",
        "{braces}$.csv",
        "n" * 996 + ".csv",
    ],
)
def test_every_other_name_works_to_the_end(world: Observed, name: str) -> None:
    run = world.until(world.start(name), Phase.PROMOTED)
    assert run.newest is not None
    assert run.newest.name == name
    assert len(world.starts) == 1


def test_tokens_of_the_name_become_parameters() -> None:
    world = with_parameters({"Source": "{name}", "Path": "{data}", "Fixed": "x"})
    run = world.start("2026.csv")
    expected = {"Source": "2026", "Path": "training-data/2026.csv", "Fixed": "x"}
    assert run.parameters == expected
    assert world.studio.jobs[0].parameters == expected


def test_a_blobs_name_cannot_ask_for_an_app_setting() -> None:
    world = with_parameters({"Source": "{name}"})
    world.start("${ENDPOINT_KEY}.csv")
    assert world.endpoint.api_key not in "".join(world.bodies)


def test_a_request_cannot_ask_for_an_app_setting() -> None:
    world = with_parameters({"Source": "x"})
    world.upload()
    request = ManualRequest(parameters={"Source": "${ENDPOINT_KEY}"})
    with suppress(RelearnError):  # refusing is as good as sending the words as they are
        world.app.requests.requested(world.pipeline, "key-1", request)
    assert world.endpoint.api_key not in "".join(world.bodies)


@pytest.mark.parametrize("broken", ["sample", "other"])
def test_a_damaged_record_of_one_pipeline_does_not_keep_data_from_another(
    world: Observed, broken: str
) -> None:
    every: dict[str, Any] = {"data": {"blob": "{name}.csv"}}
    app = world.another(world.sibling(**every))
    app.activations.refresh()
    world.damage(f"pipelines/{broken}")
    app = world.another(world.sibling(**every))
    world.upload()
    with suppress(RelearnError):  # how the event ends is not the promise here
        app.blob_events.blob_arrived("new.csv")
    assert {run.pipeline for run in world.runs()} == {"sample", "other"} - {broken}


def test_every_pipeline_that_wants_a_blob_gets_a_run_of_its_own(world: Observed) -> None:
    app = world.another(world.sibling(data={"blob": "{name}.csv"}))
    world.upload()
    assert {run.pipeline for run in app.blob_events.blob_arrived("new.csv")} == {"sample", "other"}


def test_a_key_whose_run_was_removed_is_no_key_for_another_one(world: Observed) -> None:
    world.upload()
    run = world.app.requests.requested(world.pipeline, "k", ManualRequest())
    del world.documents.rows[f"runs/{run.run_id}"]
    del world.documents.rows[f"open/{run.run_id}"]
    with pytest.raises(IdempotencyConflictError, match="was removed: use another key"):
        world.app.requests.requested(world.pipeline, "k", ManualRequest())
    assert not world.open_runs()


def test_a_blob_that_a_pipeline_only_reads_is_not_said_to_match_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    data = {"blob": "{name}.csv", "opens_runs": False}
    world = Observed(config={"pipeline": {"data": data}})
    world.upload()
    assert world.deliver() == world.runs() == []
    assert "opens no run: it is for sample, where opens_runs is false" in caplog.text
    assert "matches no pipeline" not in caplog.text


def test_a_blob_of_no_pipeline_is_said_to_match_none(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.upload("other.parquet")
    world.app.blob_events.blob_arrived("other.parquet")
    assert "matches no pipeline" in caplog.text
