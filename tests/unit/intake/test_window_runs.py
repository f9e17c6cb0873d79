"""Runs with a window: their order, retries, manual runs, and the data that opens none."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from shared.core.run.data_notes import notes_on_pipeline
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Origin, Phase, Run
from shared.errors import (
    IdempotencyConflictError,
    InvalidRequestError,
    NoSuchDataError,
)
from shared.execution.run_factory import Opening
from tests.fakes.world import CSV
from tests.unit.intake.windowed_worlds import (
    DAILY,
    DAY,
    HOUR,
    MINUTE,
    Windowed,
    at,
    windows,
    written,
)

DAYS = ["03-01", "03-02", "03-03", "03-04", "03-05"]


def missed(**changes: Any) -> Windowed:
    """Return a world that has missed five windows, each with other data."""
    world = Windowed.of(catch_up="all", **changes)
    for day in range(1, 6):
        world.upload(f"2026/03/0{day}/a.csv", CSV + b"5,6,1\n" * day)
    world.clock.move(5 * DAY)
    world.poll.start_scheduled()
    return world


def in_order_of_jobs(world: Windowed) -> list[str]:
    begun = [run for run in world.due_runs() if run.job_at is not None]
    return windows(sorted(begun, key=lambda run: run.job_at or run.opened_at))


def ends(world: Windowed) -> dict[Phase, int]:
    phases = [run.phase for run in world.due_runs()]
    return {phase: phases.count(phase) for phase in phases}


@pytest.mark.parametrize("when_busy", ["queue", "newest"])
def test_windows_train_and_are_promoted_in_their_order(when_busy: str) -> None:
    world = missed(when_busy=when_busy)
    world.until_ended(120)
    assert in_order_of_jobs(world) == DAYS
    assert ends(world) == {Phase.PROMOTED: 5}


def test_where_the_newest_window_is_first_older_ones_never_replace_its_model() -> None:
    world = missed(when_busy="queue", order="newest_first")
    world.until_ended(120)
    assert in_order_of_jobs(world) == DAYS[::-1]
    assert ends(world) == {Phase.PROMOTED: 1, Phase.SUPERSEDED: 4}
    newest = world.due_runs()[-1]
    assert newest.phase is Phase.PROMOTED
    assert world.serving() == world.model_of(newest)


def test_several_windows_at_once_begin_with_the_oldest() -> None:
    world = missed(when_busy="parallel", max_parallel=2)
    world.tick()
    assert sorted(in_order_of_jobs(world)) == DAYS[:2]
    world.until_ended(120)
    assert world.due_runs()[-1].phase is Phase.PROMOTED


def test_a_late_window_waits_ahead_of_later_ones() -> None:
    waits = {"every": "10m", "at_most": "3d"}
    world = Windowed.of(catch_up="all", when_busy="queue", wait_for_data=waits)
    for day in (1, 3, 4):
        world.upload(f"2026/03/0{day}/a.csv", CSV + b"5,6,1\n" * day)
    world.clock.move(4 * DAY)
    world.poll.start_scheduled()
    world.tick()  # the oldest has the slot
    world.upload("2026/03/02/a.csv", CSV)
    world.clock.move(10 * MINUTE)
    world.poll.start_scheduled()
    world.until_ended(120)
    assert in_order_of_jobs(world) == DAYS[:4]
    assert ends(world) == {Phase.PROMOTED: 4}


def test_a_window_uploaded_last_is_no_newer_for_that() -> None:
    world = Windowed.of(catch_up="all", when_busy="parallel")
    world.upload("2026/03/02/a.csv", CSV + b"1,1,1\n")
    world.clock.move(DAY + 12 * HOUR)
    world.upload("2026/03/01/a.csv")
    world.poll.start_scheduled()
    world.until_ended(80)
    older, newer = world.due_runs()
    assert older.data_time == at("2026-03-02")
    assert older.newest is not None
    assert newer.newest is not None
    assert older.newest.modified > newer.newest.modified
    assert newer.phase is Phase.PROMOTED
    assert world.serving() == world.model_of(newer)


def test_a_retry_fills_the_corrected_configuration_again() -> None:
    wrong = {
        "inputs": {"input1": "{start:yyyy/MM/dd}/{name}.csv"},
        "parameters": {"x": "{end:yyyy}"},
    }
    world = Windowed.of(training=wrong)
    world.days(1)
    (run,) = world.due_runs()
    parked = world.until_idle(run)
    assert parked.phase is Phase.PARKED  # the service has no such parameter
    world.reconfigure(training={"inputs": {"input1": "{start:yyyy}/03/{start:dd}/{name}.csv"}})
    retried = world.run_operations.retry(run.run_id)
    assert retried.config.training.sources == {"input1": "2026/03/01/{name}.csv"}
    assert retried.parameters == {}
    assert world.until(run, Phase.PROMOTED).window == run.window


def test_a_retry_by_windows_keeps_the_configuration_of_a_run_without_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Windowed(
        config={"pipeline": {"data": {"blob": "{name}.csv"}}, "training": {"parameters": {"x": 1}}}
    )
    run = world.until_idle(world.start())
    assert run.phase is Phase.PARKED
    world.reconfigure()
    world.run_operations.retry(run.run_id)
    assert "the run has no window" in caplog.text
    assert world.now_of(run).config.data == run.config.data


def test_new_data_of_a_window_opens_no_run_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    world = Windowed.of()
    world.upload("2026/03/01/a.csv")
    assert world.deliver("2026/03/01/a.csv") == []
    assert "where opens_runs is false; the schedule or an operator starts a run" in caplog.text
    world.upload("2026/03/a.csv")
    world.deliver("2026/03/a.csv")
    assert "2026/03/a.csv matches no pipeline" in caplog.text
    assert "each window has a run of its own" in " ".join(notes_on_pipeline(world.pipeline))


def test_data_that_waits_when_windows_are_configured_is_not_trained_without_one() -> None:
    world = Windowed(
        config={"pipeline": {"data": {"blob": "{name}.csv", "settle": "5m"}, "when_busy": "newest"}}
    )
    world.upload("a.csv")
    world.deliver("a.csv")
    world.reconfigure()
    for _ in range(30):
        world.tick()
    assert world.runs() == []


def test_a_run_without_a_window_is_rejected_where_texts_need_one() -> None:
    world = Windowed.of()
    opening = Opening("x", Origin.MANUAL, "a test")
    run = world.app.factory.training(opening, world.pipeline)
    assert run.phase is Phase.REJECTED
    assert "the run has no window" in str(run.reason)


def test_a_window_whose_times_are_outside_the_calendar_is_reported_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Windowed.of(
        data=None, training={"inputs": {}, "parameters": {"x": "{start-1999y:yyyy}"}}
    )
    world.clock.move(DAY)
    world.poll.start_scheduled()
    assert world.due_runs() != []
    world.reconfigure(data=None, training={"inputs": {}, "parameters": {"x": "{start-3000y:yyyy}"}})
    world.clock.move(DAY)
    world.poll.start_scheduled()
    assert len(world.due_runs()) == 1
    assert "outside the calendar" in caplog.text


# Manual runs


def asked(world: Windowed, key: str = "k", **request: Any) -> Run:
    return world.app.requests.requested(world.pipeline, key, ManualRequest(**request))


@pytest.mark.parametrize(
    ("due", "window"),
    [
        (None, "03-03"),
        ("2026-03-04", "03-03"),
        ("2026-03-03T23:59", "03-02"),
        ("2026-03-03", "03-02"),
    ],
)
def test_a_manual_run_has_the_window_that_is_asked_for(due: str | None, window: str) -> None:
    world = Windowed.of(when_busy="queue")
    for day in (2, 3):
        world.upload(f"2026/03/0{day}/a.csv")
    world.clock.move(3 * DAY)
    run = asked(world, due=at(due) if due else None)
    assert windows([run]) == [window]
    assert run.newest is not None
    assert run.newest.name == f"2026/{window.replace('-', '/')}/a.csv"
    assert "requested over HTTP, window 2026-03-0" in run.cause
    assert run.data_time == (run.window.due if run.window else None)


def test_a_manual_run_may_name_data_of_its_window_alone() -> None:
    world = Windowed.of()
    for day in (2, 3):
        world.upload(f"2026/03/0{day}/a.csv")
    world.clock.move(3 * DAY)
    with pytest.raises(NoSuchDataError, match=r"does not match 2026/03/03/\{name}.csv"):
        asked(world, data="2026/03/02/a.csv")
    run = asked(world, data="2026/03/02/a.csv", due=at("2026-03-03"))
    assert windows([run]) == ["03-02"]
    with pytest.raises(NoSuchDataError, match=r"no blob matches 2026/03/01/\{name}.csv"):
        asked(world, key="l", due=at("2026-03-02"))


def test_a_repeated_request_returns_the_run_of_its_window() -> None:
    world = Windowed.of()
    world.upload("2026/02/28/a.csv")
    run = asked(world)
    world.clock.move(5 * DAY)
    assert asked(world).run_id == run.run_id
    with pytest.raises(IdempotencyConflictError):
        asked(world, due=at("2026-03-01"))


def test_the_digest_of_a_request_without_a_due_time_is_as_it_was() -> None:
    # Stored with runs of earlier releases.
    assert ManualRequest().digest() == "79d96b448b2753b62fd1"
    one, other = (ManualRequest(due=at(day)) for day in ("2026-03-01", "2026-03-02"))
    assert len({ManualRequest().digest(), one.digest(), other.digest()}) == 3


@pytest.mark.parametrize(
    ("world", "request_", "message"),
    [
        (
            {"data": {"blob": "{name}.csv", "opens_runs": False}},
            {"due": "2026-03-01"},
            "leave it out",
        ),
        (
            {"schedule": {**DAILY, "start": "2026-04-01"}},
            {},
            "none has come yet",
        ),
        ({"schedule": {**DAILY, "start": "2026-03-01"}}, {"due": "2026-03-01"}, "at or before"),
        ({}, {"due": "2026-03-01", "model": "m"}, "leave data, parameters and due out"),
    ],
)
def test_a_request_for_a_window_that_is_not_there_says_so(
    world: dict[str, Any], request_: dict[str, Any], message: str
) -> None:
    made = Windowed.of(**world)
    if "due" in request_:
        request_ = {**request_, "due": at(request_["due"])}
    with pytest.raises(InvalidRequestError, match=message):
        asked(made, **request_)


# What is stored


def test_a_run_with_a_window_is_of_the_second_form_and_others_are_as_before() -> None:
    world = Windowed.of()
    world.days(1)
    run = next(row.body for name, row in world.documents.rows.items() if name.startswith("runs/"))
    assert json.loads(run)["schema_version"] == 2
    assert json.loads(world.documents.rows["configurations/sample"].body)["schema_version"] == 2
    assert json.loads(world.documents.rows["schedules/sample"].body)["schema_version"] == 1
    plain = Windowed(config=written(DAILY, data={"blob": "{name}.csv", "opens_runs": False}))
    plain.opened()
    plain.upload("a.csv")
    plain.clock.move(DAY)
    plain.opened()
    versions = [json.loads(row.body)["schema_version"] for row in _bodies(plain)]
    assert set(versions) == {1}


def _bodies(world: Windowed) -> Sequence[Any]:
    return [row for row in world.documents.rows.values() if row.body]
