"""Runs, queues and pauses that cannot be read do not delay others."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.data_version import DataVersion
from shared.core.run.record import Phase, Run
from tests.unit.execution.test_concurrency import ask
from tests.unit.intake.test_batches import arrive, waiting
from tests.unit.worlds import RUNNING, Observed

SECOND, MINUTE, HOUR, DAY = (timedelta(**{n: 1}) for n in ("seconds", "minutes", "hours", "days"))


def queue_of_two(**training: Any) -> tuple[Observed, Run, Run]:
    config = {"pipeline": {"when_busy": "queue", "endpoints": []}, "training": training}
    world = Observed(config=config)
    (holder,) = arrive(world, "a.csv")
    world.script("GET", str(holder.job), RUNNING, times=None)
    asked = ask(world, "k1")
    assert asked.phase is Phase.WAITING
    return world, holder, asked


@pytest.mark.parametrize("training", [{}, {"max_parallel": 1}], ids=["key", "service"])
def test_a_holder_that_cannot_be_read_keeps_its_slot_as_long_as_a_job_may_take(
    training: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world, holder, asked = queue_of_two(timeout="3h", **training)
    world.damage(f"runs/{holder.run_id}")
    world.idle(2 * HOUR)
    assert (
        Run.model_validate_json(world.documents.rows[f"runs/{asked.run_id}"].body).phase
        is Phase.WAITING
    )
    with caplog.at_level(logging.ERROR):
        world.idle(2 * HOUR if not training else DAY)
    assert world.now_of(asked).phase is not Phase.WAITING
    said = [r for r in caplog.records if "the queue continues without it" in r.getMessage()]
    assert 1 <= len(said) <= 2
    assert all(holder.run_id in record.getMessage() for record in said)


@pytest.mark.parametrize("when_busy", ["queue", "newest"])
def test_data_waits_no_longer_either_for_a_holder_that_cannot_be_read(when_busy: str) -> None:
    world = Observed(config={"pipeline": {"when_busy": when_busy, "endpoints": []}})
    (holder,) = arrive(world, "a.csv")
    arrive(world, "b.csv")
    assert len(waiting(world)) == 1
    kept = world.documents.rows[f"runs/{holder.run_id}"]
    world.damage(f"runs/{holder.run_id}")
    world.idle(20 * HOUR, step=20 * MINUTE)
    assert len(waiting(world)) == 1
    world.idle(6 * HOUR, step=20 * MINUTE)
    world.documents.rows[f"runs/{holder.run_id}"] = kept
    assert waiting(world) == []
    assert sorted(run.manifest[0].name for run in world.runs()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("when_busy", ["queue", "newest", "parallel"])
def test_data_whose_run_cannot_be_read_is_not_tried_for_ever(when_busy: str) -> None:
    """Its worker died before the data left the inbox, and then the record was damaged."""
    config = {"when_busy": when_busy, "max_parallel": 9, "endpoints": []}
    world = Observed(config={"pipeline": config})
    (holder,) = arrive(world, "a.csv")
    blob = world.blobs.head("training-data", "a.csv")
    assert blob is not None
    data = DataVersion.of(world.pipeline, blob)
    assert data is not None
    world.app.inbox.keep(data)
    del world.documents.rows[run_queue_id("sample", ())]
    kept = world.documents.rows[f"runs/{holder.run_id}"]
    world.damage(f"runs/{holder.run_id}")
    world.clock.move(SECOND)
    world.upload("b.csv", b"a,b,label\n1,2,0\n7,4,1\n")
    world.deliver("b.csv")
    world.idle(26 * HOUR, step=20 * MINUTE)
    assert waiting(world) == []
    world.documents.rows[f"runs/{holder.run_id}"] = kept
    assert sorted(run.manifest[0].name for run in world.runs()) == ["a.csv", "b.csv"]


def test_a_waiting_run_that_cannot_be_read_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, holder, first = queue_of_two()
    second = ask(world, "k2")
    world.damage(f"runs/{first.run_id}")
    world.http.answers.clear()
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            world.clock.move(MINUTE)
            world.studio.work()
            world.poll.tick()
    assert world.now_of(holder).phase.ended
    assert world.now_of(second).phase is not Phase.WAITING
    assert first.run_id in caplog.text


def test_a_run_that_was_passed_over_waits_again_once_its_record_is_corrected() -> None:
    world, _, first = queue_of_two()
    kept = world.documents.rows[f"runs/{first.run_id}"]
    second = ask(world, "k2")
    world.damage(f"runs/{first.run_id}")
    world.http.answers.clear()
    for _ in range(10):
        world.clock.move(MINUTE)
        world.studio.work()
        world.poll.tick()
    world.documents.rows[f"runs/{first.run_id}"] = kept
    for _ in range(40):
        world.tick()
    assert world.now_of(first).phase.ended
    assert world.now_of(second).phase.ended


def test_a_queue_that_cannot_be_read_parks_no_run_and_continues_once_it_is_corrected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, _, asked = queue_of_two()
    name = run_queue_id("sample", ())
    kept = world.documents.rows[name]
    world.damage(name)
    with caplog.at_level(logging.ERROR):
        world.idle(3 * HOUR)
    assert world.now_of(asked).phase is Phase.WAITING
    assert 1 <= len([r for r in caplog.records if name in r.getMessage()]) <= 4
    world.documents.rows[name] = kept
    world.http.answers.clear()
    for _ in range(40):
        world.tick()
    assert world.now_of(asked).phase.ended


def test_a_pause_that_cannot_be_read_is_a_pause_and_ends_with_a_resume() -> None:
    world, _, asked = queue_of_two()
    world.damage("pauses/sample")
    world.http.answers.clear()
    for _ in range(10):
        world.tick()
    assert world.now_of(asked).phase is Phase.WAITING
    world.app.pipelines.resume("sample")
    for _ in range(20):
        world.tick()
    assert world.now_of(asked).phase.ended


def test_a_run_that_cannot_be_read_is_read_seldom_and_reported() -> None:
    world, holder, _ = queue_of_two()
    world.damage(f"runs/{holder.run_id}")
    world.idle(5 * MINUTE)
    world.calls.clear()
    world.idle(HOUR)
    assert world.calls.count("read runs") <= 6 * 4  # a few for each check
