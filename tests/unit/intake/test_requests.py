"""Due times and requests of people: each opens one run."""

import pytest

from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Origin, Phase
from shared.errors import IdempotencyConflictError, NoSuchDataError
from tests.unit.intake.intake_worlds import HOUR, MINUTE, with_parameters
from tests.unit.worlds import Observed

HOURLY = {"pipeline": {"schedule": "0 0 * * * *"}}


@pytest.fixture
def world() -> Observed:
    return Observed()


def test_a_due_time_opens_one_run_even_with_two_workers() -> None:
    world = Observed(config=HOURLY)
    world.upload()
    world.poll.start_scheduled()
    assert world.runs() == []  # the hour of the start is not due any more
    world.clock.move(HOUR)
    workers = [world.poll, world._worker().poll, world._worker().poll]
    for poll in (*workers, *workers):
        poll.start_scheduled()
    (run,) = world.runs()
    assert (run.origin, run.cause) == (Origin.SCHEDULE, "due 2026-03-01T13:00:00+00:00")
    assert len(world.starts) == 1


def test_missed_due_times_open_one_run_and_the_next_opens_another() -> None:
    world = Observed(config=HOURLY)
    world.upload()
    world.poll.start_scheduled()
    for hours in (5, 1):
        world.clock.move(hours * HOUR)
        world.poll.start_scheduled()
    assert len(world.runs()) == 2


def test_a_due_time_without_data_is_reported_and_passes() -> None:
    world = Observed(config=HOURLY)
    world.poll.start_scheduled()
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    world.upload()
    world.poll.start_scheduled()
    assert world.runs() == []


def test_a_due_time_takes_the_newest_blob_that_fits() -> None:
    world = Observed(config=HOURLY)
    world.poll.start_scheduled()
    for name in ("b.csv", "a.csv", "z.tsv"):
        world.clock.move(MINUTE)
        world.upload(name)
    world.upload("empty.csv", b"")
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert [blob.name for blob in world.run().manifest] == ["a.csv"]


def test_one_request_sent_twice_is_one_run(world: Observed) -> None:
    world.upload()
    first = world.app.requests.requested(world.pipeline, "key-1", ManualRequest())
    world.restart()
    again = world.app.requests.requested(world.pipeline, "key-1", ManualRequest())
    assert again.run_id == first.run_id
    assert first.origin is Origin.MANUAL
    assert len(world.runs()) == len(world.starts) == 1


def test_another_request_under_a_used_key_is_refused(world: Observed) -> None:
    world.upload()
    world.app.requests.requested(world.pipeline, "key-1", ManualRequest())
    for other in (ManualRequest(data="new.csv"), ManualRequest(parameters={"x": 1})):
        with pytest.raises(IdempotencyConflictError):
            world.app.requests.requested(world.pipeline, "key-1", other)
    assert len(world.runs()) == 1


def test_another_value_of_a_parameter_under_a_used_key_is_refused() -> None:
    world = with_parameters({"Source": "usual"})
    world.upload()
    first = ManualRequest(parameters={"Source": "a"})
    run = world.app.requests.requested(world.pipeline, "key-1", first)
    other = ManualRequest(parameters={"Source": "b"})
    with pytest.raises(IdempotencyConflictError):
        world.app.requests.requested(world.pipeline, "key-1", other)
    assert world.app.requests.requested(world.pipeline, "key-1", first).run_id == run.run_id


def test_another_key_is_another_run(world: Observed) -> None:
    world.upload()
    for key in ("key-1", "key-2"):
        world.app.requests.requested(world.pipeline, key, ManualRequest())
    assert len(world.runs()) == 2


def test_the_parameters_of_a_request_go_over_those_of_the_pipeline() -> None:
    world = with_parameters({"Source": "usual"})
    world.upload()
    request = ManualRequest(parameters={"Source": "asked", "extra": "1"})
    world.app.requests.requested(world.pipeline, "key-1", request)
    assert world.studio.jobs[0].parameters == {"Source": "asked", "extra": "1"}


@pytest.mark.parametrize("data", [None, "gone.csv", "new.tsv", "small.csv"])
def test_a_request_for_data_that_is_not_there_opens_nothing(data: str | None) -> None:
    data_part = {"blob": "{name}.csv", "min_size": "1KB"}
    world = Observed(config={"pipeline": {"data": data_part}})
    world.upload("small.csv")
    world.upload("new.tsv")
    with pytest.raises(NoSuchDataError):
        world.app.requests.requested(world.pipeline, "key-1", ManualRequest(data=data))
    assert world.runs() == []
    assert not [name for name in world.documents.rows if name.startswith("open/")]


def test_a_request_may_train_on_data_older_than_the_pipeline(world: Observed) -> None:
    world.upload()
    world.clock.move(MINUTE)
    world.restart()
    run = world.app.requests.requested(world.pipeline, "key-1", ManualRequest(data="new.csv"))
    assert world.until(run, Phase.PROMOTED).origin is Origin.MANUAL
