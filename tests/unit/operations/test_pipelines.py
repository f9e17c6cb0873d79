"""How a pipeline stands, what a person may change of it, and what its next run would be given."""

from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.errors import (
    ConflictError,
    NoSuchPipelineError,
    PreconditionFailedError,
)
from shared.ledger.run_queues import NEW
from shared.ledger.schedules import ScheduleRecord
from shared.operations.commands import OperatorCommand
from tests.unit.operations.pipeline_desk import HOUR, MINUTE, PipelineDesk
from tests.unit.samples import NOW


def test_a_pipeline_that_is_not_in_the_file_is_told_with_those_that_are() -> None:
    hand = PipelineDesk()
    with pytest.raises(
        NoSuchPipelineError, match="'x' is not in the pipelines file; there is sample"
    ):
        hand.hand.status("x")
    with pytest.raises(NoSuchPipelineError):
        hand.hand.pause("x", OperatorCommand("ada"))
    with pytest.raises(NoSuchPipelineError):
        hand.hand.resume("x")
    assert hand.hand.names() == ["sample"]


def test_a_pipeline_is_shown_as_it_stands() -> None:
    hand = PipelineDesk(schedule="0 0 * * * *", when_busy="queue")
    for name in ("a.csv", "b.csv"):
        hand.world.discover(hand.put(name))
    hand.world.clock.move(HOUR + MINUTE)
    status = hand.hand.status("sample")
    assert status.pipeline == hand.world.pipeline
    assert (status.active_since, status.at) == (NOW, NOW + HOUR + MINUTE)
    assert (status.next_due, status.last_due) == (NOW + 2 * HOUR, None)
    assert (status.waiting_data, status.unreadable) == (2, ())
    assert (status.pause, status.run_queues) == (None, ())
    hand.ledger.schedules.put("sample", ScheduleRecord(last_due=NOW + HOUR), None)
    assert hand.hand.status("sample").last_due == NOW + HOUR
    without = PipelineDesk()
    without.world.calls.clear()
    shown = without.hand.status("sample", keys=0)
    assert (shown.next_due, shown.last_due) == (None, None)
    assert "read schedules" not in without.world.calls
    assert "list run_queues" not in without.world.calls


def test_a_due_time_from_before_the_pipeline_was_known_is_none_of_its_own() -> None:
    hand = PipelineDesk(schedule="0 0 * * * *")
    hand.ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    assert hand.hand.status("sample").last_due is None


def test_customers_are_shown_a_page_at_a_time_with_the_pause_in_force(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hand = PipelineDesk()
    paused = Pause(by="relearn", at=NOW)
    for key in "abc":
        hand.run_queue(key, paused=paused)
    hand.ledger.pauses.put("sample", Pauses(resumed_at=NOW - HOUR), NEW)
    first = hand.hand.status("sample", keys=2)
    assert len(first.run_queues) == 2
    assert all(run_queue.paused == paused for run_queue in first.run_queues)
    assert first.keys.cursor is not None
    rest = hand.hand.status("sample", keys=2, cursor=first.keys.cursor)
    assert (len(rest.run_queues), rest.keys.cursor) == (1, None)
    hand.hand.resume("sample")
    assert [run_queue.paused for run_queue in hand.hand.status("sample").run_queues] == [None] * 3
    damaged = run_queue_id("sample", ("a",))
    hand.world.damage(damaged)
    hand.world.damage("pipelines/sample")
    shown = hand.hand.status("sample")
    assert len(shown.run_queues) == 2
    assert shown.unreadable == ("pipelines/sample", damaged)
    assert shown.keys.unreadable == (damaged,)
    assert shown.active_since is None
    assert f"{damaged} is not understood" in caplog.text
    assert "pipelines/sample is not understood" in caplog.text


def test_a_slot_that_a_budget_stops_says_why() -> None:
    hand = PipelineDesk(budget={"most_per_day": 1})
    hand.run_queue("a", begun=(QueueEntry(run_id="sample-1", at=NOW),))
    status = hand.hand.status("sample")
    assert "used up" in str(status.over_budget(status.run_queues[0]))
    assert status.over_budget(RunQueue(pipeline="sample")) is None


# Pause and resume


def test_a_pause_is_kept_once_with_who_wants_it_and_why() -> None:
    hand = PipelineDesk()
    version = hand.hand.status("sample").version
    hand.hand.pause("sample", OperatorCommand("ada", "maintenance"))
    paused = hand.hand.status("sample")
    assert paused.pause == Pause(by="ada", at=NOW, reason="maintenance")
    assert paused.version != version
    hand.world.clock.move(HOUR)
    writes = len(hand.world.faults.sites)
    hand.hand.pause("sample", OperatorCommand("bob", "again"))
    assert hand.hand.status("sample").pause == paused.pause
    assert len(hand.world.faults.sites) == writes
    hand.hand.resume("sample", OperatorCommand("bob", "done"))
    assert hand.hand.status("sample").pause is None
    resumed = Pause(by="bob", at=NOW + HOUR, reason="done")
    assert hand.ledger.pauses.read("sample").record == Pauses(
        resumed_at=NOW + HOUR, resumed=resumed
    )


def test_a_pause_by_failures_is_shown_where_no_person_paused() -> None:
    hand = PipelineDesk()
    by_failures = Pause(by="relearn", at=NOW)
    hand.ledger.pauses.pause_by_failures("sample", by_failures)
    assert hand.hand.status("sample").pause == by_failures
    with pytest.raises(PreconditionFailedError, match="pipeline sample is paused by relearn"):
        hand.hand.resume("sample", OperatorCommand(versions=("old",)))
    hand.hand.pause("sample", OperatorCommand("ada"))
    known = hand.hand.status("sample").pause
    assert known is not None
    assert known.by == "ada"
    with pytest.raises(PreconditionFailedError, match="pipeline sample is paused by ada"):
        hand.hand.pause("sample", OperatorCommand("bob", versions=("old",)))


@pytest.mark.parametrize(
    ("versions", "error"), [(None, ConflictError), (True, PreconditionFailedError)]
)
@pytest.mark.parametrize("act", ["pause", "resume"])
def test_the_slower_operator_is_told_how_the_pipeline_stands_now(
    act: str, versions: Any, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = PipelineDesk()
    held_to = (hand.hand.status("sample").version,) if versions else None

    def late(*_: object) -> None:
        raise ConflictError("pauses")

    monkeypatch.setattr(hand.ledger.pauses, "put", late)
    with pytest.raises(error, match="pipeline sample is not paused"):
        getattr(hand.hand, act)("sample", OperatorCommand("ada", versions=held_to))
