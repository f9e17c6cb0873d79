"""The state of a pipeline, the commands of an operator, and the inputs of its next run."""

from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.errors import (
    ConflictError,
    NoSuchPipelineError,
    PreconditionFailedError,
)
from shared.ledger.schedules import ScheduleRecord
from shared.operations.commands import OperatorCommand
from tests.unit.operations.pipeline_desk import HOUR, MINUTE, PipelineDesk
from tests.unit.samples import NOW


def test_a_pipeline_that_is_not_in_the_file_is_reported_with_those_that_are() -> None:
    desk = PipelineDesk()
    with pytest.raises(
        NoSuchPipelineError, match="'x' is not in the pipelines file; there is sample"
    ):
        desk.pipelines.status("x")
    with pytest.raises(NoSuchPipelineError):
        desk.pipelines.pause("x", OperatorCommand("ada"))
    with pytest.raises(NoSuchPipelineError):
        desk.pipelines.resume("x")
    assert desk.pipelines.names() == ["sample"]


def test_a_pipeline_is_shown_as_it_is() -> None:
    desk = PipelineDesk(schedule="0 0 * * * *", when_busy="queue")
    for name in ("a.csv", "b.csv"):
        desk.world.discover(desk.put(name))
    desk.world.clock.move(HOUR + MINUTE)
    status = desk.pipelines.status("sample")
    assert status.pipeline == desk.world.pipeline
    assert (status.active_since, status.at) == (NOW, NOW + HOUR + MINUTE)
    assert (status.next_due, status.last_due) == (NOW + 2 * HOUR, None)
    assert (status.waiting_data, status.unreadable) == (2, ())
    assert (status.pause, status.run_queues) == (None, ())
    desk.ledger.schedules.put("sample", ScheduleRecord(last_due=NOW + HOUR), None)
    assert desk.pipelines.status("sample").last_due == NOW + HOUR
    without = PipelineDesk()
    without.world.calls.clear()
    shown = without.pipelines.status("sample", keys=0)
    assert (shown.next_due, shown.last_due) == (None, None)
    assert "read schedules" not in without.world.calls
    assert "list run_queues" not in without.world.calls


def test_a_due_time_from_before_the_pipeline_was_known_is_none_of_its_own() -> None:
    desk = PipelineDesk(schedule="0 0 * * * *")
    desk.ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    assert desk.pipelines.status("sample").last_due is None


def test_customers_are_shown_a_page_at_a_time_with_the_pause_in_force(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = PipelineDesk()
    paused = Pause(by="relearn", at=NOW)
    for key in "abc":
        desk.run_queue(key, paused=paused)
    desk.ledger.pauses.put("sample", Pauses(resumed_at=NOW - HOUR), None)
    first = desk.pipelines.status("sample", keys=2)
    assert len(first.run_queues) == 2
    assert all(run_queue.paused == paused for run_queue in first.run_queues)
    assert first.keys.cursor is not None
    rest = desk.pipelines.status("sample", keys=2, cursor=first.keys.cursor)
    assert (len(rest.run_queues), rest.keys.cursor) == (1, None)
    desk.pipelines.resume("sample")
    assert [run_queue.paused for run_queue in desk.pipelines.status("sample").run_queues] == [
        None
    ] * 3
    damaged = run_queue_id("sample", ("a",))
    desk.world.damage(damaged)
    desk.world.damage("pipelines/sample")
    shown = desk.pipelines.status("sample")
    assert len(shown.run_queues) == 2
    assert shown.unreadable == ("pipelines/sample", damaged)
    assert shown.keys.unreadable == (damaged,)
    assert shown.active_since is None
    assert f"{damaged} is not understood" in caplog.text
    assert "pipelines/sample is not understood" in caplog.text


def test_a_slot_that_a_budget_stops_says_why() -> None:
    desk = PipelineDesk(budget={"most_per_day": 1})
    desk.run_queue("a", begun=(QueueEntry(run_id="sample-1", at=NOW),))
    status = desk.pipelines.status("sample")
    assert "used up" in str(status.over_budget(status.run_queues[0]))
    assert status.over_budget(RunQueue(pipeline="sample")) is None


# Pause and resume


def test_a_pause_is_kept_once_with_who_wants_it_and_why() -> None:
    desk = PipelineDesk()
    version = desk.pipelines.status("sample").version
    desk.pipelines.pause("sample", OperatorCommand("ada", "maintenance"))
    paused = desk.pipelines.status("sample")
    assert paused.pause == Pause(by="ada", at=NOW, reason="maintenance")
    assert paused.version != version
    desk.world.clock.move(HOUR)
    writes = len(desk.world.faults.sites)
    desk.pipelines.pause("sample", OperatorCommand("bob", "again"))
    assert desk.pipelines.status("sample").pause == paused.pause
    assert len(desk.world.faults.sites) == writes
    desk.pipelines.resume("sample", OperatorCommand("bob", "done"))
    assert desk.pipelines.status("sample").pause is None
    resumed = Pause(by="bob", at=NOW + HOUR, reason="done")
    assert desk.ledger.pauses.read("sample").record == Pauses(
        resumed_at=NOW + HOUR, resumed=resumed
    )


def test_a_pause_by_failures_is_shown_where_no_operator_paused() -> None:
    desk = PipelineDesk()
    by_failures = Pause(by="relearn", at=NOW)
    desk.ledger.pauses.pause_by_failures("sample", by_failures)
    assert desk.pipelines.status("sample").pause == by_failures
    with pytest.raises(PreconditionFailedError, match="pipeline sample is paused by relearn"):
        desk.pipelines.resume("sample", OperatorCommand(versions=("old",)))
    desk.pipelines.pause("sample", OperatorCommand("ada"))
    known = desk.pipelines.status("sample").pause
    assert known is not None
    assert known.by == "ada"
    with pytest.raises(PreconditionFailedError, match="pipeline sample is paused by ada"):
        desk.pipelines.pause("sample", OperatorCommand("bob", versions=("old",)))


@pytest.mark.parametrize(
    ("versions", "error"), [(None, ConflictError), (True, PreconditionFailedError)]
)
@pytest.mark.parametrize("act", ["pause", "resume"])
def test_the_slower_operator_learns_the_state_of_the_pipeline_now(
    act: str, versions: Any, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = PipelineDesk()
    held_to = (desk.pipelines.status("sample").version,) if versions else None

    def late(*_: object) -> None:
        raise ConflictError("pauses")

    monkeypatch.setattr(desk.ledger.pauses, "put", late)
    with pytest.raises(error, match="pipeline sample is not paused"):
        getattr(desk.pipelines, act)("sample", OperatorCommand("ada", versions=held_to))
