"""Pauses and budgets of a pipeline, and whether it has room for another run."""

import pytest

from shared.core.run.concurrency import Pause, Pauses, RunQueue
from shared.core.run.gate_events import Admitted, StillWaiting
from shared.core.run.record import Phase
from shared.execution.concurrency import MAY_BE_IDLE
from shared.ledger.open_markers import RunHints
from tests.unit.execution.queued_runs import DAY, KEY, MINUTE, OVER, QUEUE, SlotCase, concurrency
from tests.unit.samples import NOW


def test_a_pause_says_whose_it_is_and_why() -> None:
    case = SlotCase(QUEUE)
    run_queue = RunQueue(pipeline="sample")
    assert case.concurrency.blocked_reason(run_queue, case.config, "sample-1") is None
    pause = Pause(by="ada", at=NOW, reason="maintenance")
    case.ledger.pauses.put("sample", Pauses(pause=pause), None)
    why = case.concurrency.blocked_reason(run_queue, case.config, "sample-1")
    assert why == "paused by ada: maintenance"
    bare = pause.model_copy(update={"reason": ""})
    case.ledger.pauses.put("sample", Pauses(pause=bare), case.ledger.pauses.read("sample").etag)
    assert case.concurrency.blocked_reason(run_queue, case.config, "sample-1") == "paused by ada"
    reported = case.concurrency.take(case.run("sample-1"))
    assert reported == StillWaiting("paused by ada", KEY)


def test_a_budget_that_is_used_up_lets_nothing_begin_but_what_was_paid_for() -> None:
    case = SlotCase({**QUEUE, "budget": {"most_per_day": 1}})
    run_queue = RunQueue(pipeline="sample", begun=concurrency("sample-1"))
    assert "used up" in str(case.concurrency.blocked_reason(run_queue, case.config, "sample-2"))
    assert case.concurrency.blocked_reason(run_queue, case.config, "sample-1") is None
    case.world.clock.move(DAY)
    assert case.concurrency.blocked_reason(run_queue, case.config, "sample-2") is None


def test_as_many_failures_in_a_row_as_are_allowed_pause_the_key_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = SlotCase({**QUEUE, "pause_after": 2})
    case.run("sample-1", Phase.FAILED)
    case.put(begun=concurrency("sample-1", "sample-2"))
    stored = case.ledger.run_queues.read(KEY)
    assert stored is not None
    assert not case.concurrency.paused_by_failures(stored, case.config)  # one is not known
    case.run("sample-2", Phase.TIMED_OUT)
    case.world.clock.move(MINUTE)
    assert case.concurrency.paused_by_failures(stored, case.config)
    paused = case.run_queue().paused
    assert paused is not None
    assert (paused.by, paused.at) == ("relearn", case.world.clock.now())
    assert paused.reason == "2 runs in a row failed, the last one was sample-2"
    assert case.ledger.pauses.read("sample").record.by_failures == paused
    (said,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (said["event_id"], said["pipeline"], said["run_id"]) == ("RL1007", "sample", "sample-2")
    stored = case.ledger.run_queues.read(KEY)
    assert stored is not None
    assert not case.concurrency.paused_by_failures(stored, case.config)
    without = SlotCase(QUEUE)
    without.run("sample-1", Phase.FAILED)
    without.put(begun=concurrency("sample-1"))
    unlimited = without.ledger.run_queues.read(KEY)
    assert unlimited is not None
    assert not without.concurrency.paused_by_failures(unlimited, without.config)


def test_a_run_that_cannot_be_read_is_neither_failure_nor_success() -> None:
    case = SlotCase({**QUEUE, "pause_after": 2})
    for name in ("sample-1", "sample-2", "sample-3"):
        case.run(name, Phase.FAILED)
    case.world.damage("runs/sample-2")
    case.put(begun=concurrency("sample-1", "sample-2", "sample-3"))
    stored = case.ledger.run_queues.read(KEY)
    assert stored is not None
    assert case.concurrency.paused_by_failures(stored, case.config)


def test_there_is_room_until_as_many_runs_are_at_work_as_may_be() -> None:
    case = SlotCase({"when_busy": "parallel", "max_parallel": 2})
    assert case.concurrency.has_free_slot(case.config)
    case.run("sample-0", Phase.TRAINING)
    case.put(OVER, holders=("sample-0",))
    assert case.concurrency.has_free_slot(case.config)
    case.run("sample-1", Phase.TRAINING)
    for name in ("sample-0", "sample-1"):
        case.ledger.open_markers.mark(name, RunHints(phase=Phase.TRAINING))
    case.put(OVER, holders=("sample-0", "sample-1"))
    case.world.calls.clear()
    assert not case.concurrency.has_free_slot(case.config)
    assert case.world.calls.count("read runs") == 0  # their markers say that they are at work
    unlimited = SlotCase({"when_busy": "parallel"})
    unlimited.put(OVER, holders=("sample-0",))
    assert unlimited.concurrency.has_free_slot(unlimited.config)


@pytest.mark.parametrize("phase", [Phase.PARKED, Phase.AWAITING_APPROVAL, Phase.FAILED])
def test_a_run_in_front_of_an_operator_or_over_leaves_room(phase: Phase) -> None:
    case = SlotCase({"when_busy": "parallel", "max_parallel": 2})
    case.run("sample-0", Phase.TRAINING)
    case.run("sample-1", phase)
    case.ledger.open_markers.mark("sample-0", RunHints(phase=Phase.TRAINING))
    if not phase.ended:
        case.ledger.open_markers.mark("sample-1", RunHints(phase=phase))
    case.put(OVER, holders=("sample-0", "sample-1"))
    assert case.concurrency.has_free_slot(case.config)
    case.put(OVER, holders=("sample-0", "sample-1", "sample-0"))  # one too many: a lower limit
    assert not case.concurrency.has_free_slot(case.config)


def test_markers_that_may_be_behind_are_those_of_idle_runs() -> None:
    assert MAY_BE_IDLE == (None, Phase.PARKED, Phase.AWAITING_APPROVAL)


def test_of_those_behind_the_newest_others_are_checked_each_time() -> None:
    case = SlotCase({"when_busy": "newest"})
    names = [f"sample-{number:02}" for number in range(50)]
    for name in names:
        case.run(name, Phase.CANCELLED)
    newest = case.run("sample-x")
    case.put(waiting=concurrency(*names, "sample-x"), numbers=0, newest_first=True)
    assert case.concurrency.take(newest) == Admitted()
    left = [queue_entry.run_id for queue_entry in case.run_queue().waiting]
    assert left == names[20:]
    case = SlotCase({"when_busy": "newest"})
    for name in names:
        case.run(name, Phase.CANCELLED)
    newest = case.run("sample-x")
    case.put(waiting=concurrency(*names, "sample-x"), numbers=2, newest_first=True)
    assert case.concurrency.take(newest) == Admitted()
    left = [queue_entry.run_id for queue_entry in case.run_queue().waiting]
    assert left == names[10:40]
