"""The poll advances every open run, also with faults of records or services."""

import json
from contextlib import suppress
from typing import Any

import pytest

from shared.core.config.configuration import Configuration
from shared.core.run.record import Phase
from shared.errors import NoSuchRunError, PermanentError, RelearnError, TransientError
from shared.ledger.open_markers import RunHints, VersionToOpen, hints_of
from tests.unit.maintenance.polled_worlds import MINUTE, SECOND, training
from tests.unit.worlds import RUNNING, Observed, refused

BUSY = refused(503, "ServiceUnavailable", "Request was throttled.")


@pytest.fixture
def world() -> Observed:
    return Observed()


def test_a_lost_event_is_made_good_by_the_timer(world: Observed) -> None:
    world.start()
    for _ in range(10):  # not one event of a model arrives
        world.tick()
    assert world.run().phase is Phase.PROMOTED


def test_a_service_that_is_away_parks_its_runs_in_the_end_and_keeps_the_reason(
    world: Observed,
) -> None:
    training(world)
    world.script("GET", "", BUSY, times=None)
    world.idle(50 * MINUTE)
    assert world.run().phase is Phase.TRAINING
    world.idle(20 * MINUTE)
    parked = world.run()
    assert parked.phase is Phase.PARKED
    assert "throttled" in str(parked.reason)


def test_a_check_that_works_again_ends_the_step_failure(world: Observed) -> None:
    training(world)
    world.script("GET", "", BUSY)
    world.idle(MINUTE)
    world.idle(2 * MINUTE)
    assert (world.run().phase, world.run().step_failure) == (Phase.TRAINING, None)


@pytest.mark.parametrize(
    "record",
    [
        "runs/{run}",
        "runs/broken",
        "poll",
        "pipelines/sample",
        "schedules/sample",
        "endpoints/broken",
    ],
)
def test_a_damaged_record_never_stops_the_other_runs(world: Observed, record: str) -> None:
    broken, well = world.start("a.csv"), world.next_run("b.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.damage("open/broken", b"")
    world.damage(record.replace("{run}", broken.run_id))
    world.restart()
    for _ in range(40):  # the one may have to wait for the other's update
        world.clock.move(30 * SECOND)
        world.studio.work()
        with suppress(RelearnError):  # only what becomes of the runs counts here
            world.poll.tick()
    assert world.now_of(well).phase in (Phase.PROMOTED, Phase.SUPERSEDED)


def test_a_key_is_sent_only_where_the_runs_configuration_says(world: Observed) -> None:
    run = world.start()
    (marker,) = world.context.ledger.open_markers.listed()
    elsewhere = hints_of(run).evolve(service="https://elsewhere.example/jobs")
    world.context.ledger.open_markers.replace(marker, elsewhere)
    world.restart()
    world.http.sent.clear()
    world.clock.move(MINUTE)
    world.poll.tick()
    asked = [one for one in world.http.sent if one.startswith("GET")]
    assert asked
    assert not [one for one in world.http.sent if "elsewhere" in one]


@pytest.mark.parametrize(
    "hints",
    [
        {"phase": "training", "job": {"id": "x", "started": "yesterday", "until": "?"}},
        {"phase": "training", "job": {"id": "x", "started": "2026-03-01T12:00:00"}},
        {"phase": "training", "next_check": "soon"},
        {"phase": "nonsense", "job": "x"},
        {"kind": "nonsense"},
        {"kind": "version", "version": "nonsense"},
        {"kind": "batch", "pipeline": "nonsense"},
        {"kind": "rollback", "pipeline": "sample", "endpoint": "nonsense"},
        ["nonsense"],
        {},
    ],
)
def test_hints_are_never_truth(world: Observed, hints: Any) -> None:
    run = world.start()
    world.idle(MINUTE)
    text = json.dumps({"kind": "run", **hints} if isinstance(hints, dict) else hints)
    row = world.documents.rows[f"open/{run.run_id}"]
    world.documents.replace(f"open/{run.run_id}", b"", row.etag, {"marker": text})
    for _ in range(8):
        world.clock.move(30 * SECOND)
        world.studio.work()
        world.poll.tick()
    assert world.now_of(run).phase is Phase.PROMOTED


def test_an_announced_run_that_was_never_written_is_opened_from_its_entry(
    world: Observed,
) -> None:
    run = world.start()
    del world.documents.rows[f"runs/{run.run_id}"]
    del world.documents.rows[f"tombstones/{run.run_id}"]
    (marker,) = world.context.ledger.open_markers.listed()
    version = next(n for n in world.documents.rows if n.startswith("versions/"))
    hints = VersionToOpen(version=version.removeprefix("versions/"))
    world.context.ledger.open_markers.replace(marker, hints)
    world.restart()
    world.tick()
    assert world.now_of(run).phase is not Phase.RECEIVED


def test_the_data_of_an_announced_run_waits_for_its_pipeline_to_come_back_into_the_file(
    world: Observed,
) -> None:
    run = world.start()
    del world.documents.rows[f"runs/{run.run_id}"]
    del world.documents.rows[f"tombstones/{run.run_id}"]
    version = next(n for n in world.documents.rows if n.startswith("versions/"))
    (marker,) = world.context.ledger.open_markers.listed()
    hints = VersionToOpen(version=version.removeprefix("versions/"))
    world.context.ledger.open_markers.replace(marker, hints)
    world.file = Configuration({"another": world.sibling(name="another")})
    world.restart()
    world.idle(10 * world.limits.lease)
    assert [name for name in world.documents.rows if name.startswith("inbox/")]
    world.file = None
    world.restart()
    world.tick()
    (again,) = world.runs()
    assert again.manifest == run.manifest
    assert again.phase is Phase.TRAINING


def test_an_announcement_that_was_not_followed_is_removed_after_a_while(world: Observed) -> None:
    world.context.ledger.open_markers.mark("sample-x", RunHints(phase=Phase.RECEIVED))
    world.idle(4 * MINUTE)
    assert "open/sample-x" in world.documents.rows
    world.idle(MINUTE)
    assert "open/sample-x" not in world.documents.rows


def test_the_heartbeat_says_how_many_were_checked(world: Observed) -> None:
    training(world, count=2)
    beat = world.context.ledger.heartbeat.read()
    assert beat is not None
    assert (beat.record.checked, beat.record.open, beat.record.at) == (2, 2, world.clock.now())


def test_a_tick_stops_within_its_budget_and_the_next_starts_where_it_stopped(
    world: Observed,
) -> None:
    training(world, count=12)
    seen: list[str] = []

    def slow(method: str, path: str) -> None:
        seen.append(path)
        world.clock.move(MINUTE)

    world.http.answers.append(slow)
    ticks = []
    for _ in range(6):
        seen.clear()
        world.clock.move(MINUTE)
        world.poll.tick()
        ticks.append(list(seen))
    assert all(len(checks) < 12 for checks in ticks)
    checked_to = {path.rpartition("/")[2] for checks in ticks for path in checks}
    assert checked_to == {job.id for job in world.studio.jobs}


def test_the_last_step_that_a_tick_may_begin_ends_within_the_tick(world: Observed) -> None:
    limits, began = world.limits, world.clock.now()
    assert began < world.poll.until() <= began + limits.tick - limits.longest_step


def test_one_service_that_fails_is_spared_for_the_rest_of_the_tick(world: Observed) -> None:
    training(world, count=30)
    world.script("GET", "", BUSY, times=None)
    world.http.sent.clear()
    world.clock.move(MINUTE)
    world.poll.tick()
    assert 5 <= len(world.http.sent) < 5 + 8


def test_without_a_listing_a_tick_says_so(world: Observed, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(prefix: str) -> None:
        raise TransientError("storage: list open/: busy")

    monkeypatch.setattr(world.documents, "listing", fail)
    with pytest.raises(TransientError, match="storage"):
        world.poll.tick()


def test_a_models_container_that_cannot_be_listed_does_not_stop_the_runs(
    world: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(container: str, prefix: str) -> None:
        raise PermanentError("storage: list models/promote/: access denied")

    monkeypatch.setattr(world.blobs, "listing", fail)
    world.start()
    world.tick()
    beat = world.context.ledger.heartbeat.read()
    assert beat is not None


def test_the_end_of_a_job_is_believed_from_the_record_alone(world: Observed) -> None:
    training(world)
    (run,) = world.runs()
    release = world.script("GET", str(run.job), RUNNING, times=None)
    world.studio.work()
    world.idle(MINUTE)
    assert world.run().phase is Phase.TRAINING
    release()
    world.idle(MINUTE)
    assert world.run().phase in (Phase.VERIFYING, Phase.PROMOTED)


def test_retry_and_cancel_know_no_unknown_run(world: Observed) -> None:
    for command in (world.run_operations.retry, world.run_operations.cancel):
        with pytest.raises(NoSuchRunError):
            command("unknown")
    assert not [name for name in world.documents.rows if name.startswith("open/")]
