"""Pauses and budgets of a pipeline, and whether it has room for another run."""

import pytest

from shared.core.run.concurrency import Pause, Pauses, RunQueue
from shared.core.run.gate_events import Admitted, StillWaiting
from shared.core.run.record import Phase
from shared.execution.concurrency import MAY_BE_IDLE
from shared.ledger.open_markers import RunHints
from shared.ledger.run_queues import NEW
from tests.unit.execution.queued_runs import DAY, KEY, MINUTE, OVER, QUEUE, Place, concurrency
from tests.unit.samples import NOW


def test_a_pause_says_whose_it_is_and_why() -> None:
    place = Place(QUEUE)
    run_queue = RunQueue(pipeline="sample")
    assert place.concurrency.blocked_reason(run_queue, place.config, "sample-1") is None
    pause = Pause(by="ada", at=NOW, reason="maintenance")
    place.ledger.pauses.put("sample", Pauses(pause=pause), NEW)
    why = place.concurrency.blocked_reason(run_queue, place.config, "sample-1")
    assert why == "paused by ada: maintenance"
    bare = pause.model_copy(update={"reason": ""})
    place.ledger.pauses.put("sample", Pauses(pause=bare), place.ledger.pauses.read("sample").etag)
    assert place.concurrency.blocked_reason(run_queue, place.config, "sample-1") == "paused by ada"
    told = place.concurrency.take(place.run("sample-1"))
    assert told == StillWaiting("paused by ada", KEY)


def test_a_budget_that_is_used_up_lets_nothing_begin_but_what_was_paid_for() -> None:
    place = Place({**QUEUE, "budget": {"most_per_day": 1}})
    run_queue = RunQueue(pipeline="sample", begun=concurrency("sample-1"))
    assert "used up" in str(place.concurrency.blocked_reason(run_queue, place.config, "sample-2"))
    assert place.concurrency.blocked_reason(run_queue, place.config, "sample-1") is None
    place.world.clock.move(DAY)
    assert place.concurrency.blocked_reason(run_queue, place.config, "sample-2") is None


def test_as_many_failures_in_a_row_as_are_allowed_pause_the_key_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place({**QUEUE, "pause_after": 2})
    place.run("sample-1", Phase.FAILED)
    place.put(begun=concurrency("sample-1", "sample-2"))
    stored = place.ledger.run_queues.read(KEY)
    assert stored is not None
    assert not place.concurrency.paused_by_failures(stored, place.config)  # one is not known
    place.run("sample-2", Phase.TIMED_OUT)
    place.world.clock.move(MINUTE)
    assert place.concurrency.paused_by_failures(stored, place.config)
    paused = place.run_queue().paused
    assert paused is not None
    assert (paused.by, paused.at) == ("relearn", place.world.clock.now())
    assert paused.reason == "2 runs in a row failed, the last one was sample-2"
    assert place.ledger.pauses.read("sample").record.by_failures == paused
    (said,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (said["event_id"], said["pipeline"], said["run_id"]) == ("RL1007", "sample", "sample-2")
    stored = place.ledger.run_queues.read(KEY)
    assert stored is not None
    assert not place.concurrency.paused_by_failures(stored, place.config)
    without = Place(QUEUE)
    without.run("sample-1", Phase.FAILED)
    without.put(begun=concurrency("sample-1"))
    unlimited = without.ledger.run_queues.read(KEY)
    assert unlimited is not None
    assert not without.concurrency.paused_by_failures(unlimited, without.config)


def test_a_run_that_cannot_be_read_is_neither_failure_nor_success() -> None:
    place = Place({**QUEUE, "pause_after": 2})
    for name in ("sample-1", "sample-2", "sample-3"):
        place.run(name, Phase.FAILED)
    place.world.damage("runs/sample-2")
    place.put(begun=concurrency("sample-1", "sample-2", "sample-3"))
    stored = place.ledger.run_queues.read(KEY)
    assert stored is not None
    assert place.concurrency.paused_by_failures(stored, place.config)


def test_there_is_room_until_as_many_runs_are_at_work_as_may_be() -> None:
    place = Place({"when_busy": "parallel", "max_parallel": 2})
    assert place.concurrency.has_free_slot(place.config)
    place.run("sample-0", Phase.TRAINING)
    place.put(OVER, holders=("sample-0",))
    assert place.concurrency.has_free_slot(place.config)
    place.run("sample-1", Phase.TRAINING)
    for name in ("sample-0", "sample-1"):
        place.ledger.open_markers.mark(name, RunHints(phase=Phase.TRAINING))
    place.put(OVER, holders=("sample-0", "sample-1"))
    place.world.calls.clear()
    assert not place.concurrency.has_free_slot(place.config)
    assert place.world.calls.count("read runs") == 0  # their markers say that they are at work
    unlimited = Place({"when_busy": "parallel"})
    unlimited.put(OVER, holders=("sample-0",))
    assert unlimited.concurrency.has_free_slot(unlimited.config)


@pytest.mark.parametrize("phase", [Phase.PARKED, Phase.AWAITING_APPROVAL, Phase.FAILED])
def test_a_run_in_front_of_a_person_or_over_leaves_room(phase: Phase) -> None:
    place = Place({"when_busy": "parallel", "max_parallel": 2})
    place.run("sample-0", Phase.TRAINING)
    place.run("sample-1", phase)
    place.ledger.open_markers.mark("sample-0", RunHints(phase=Phase.TRAINING))
    if not phase.ended:
        place.ledger.open_markers.mark("sample-1", RunHints(phase=phase))
    place.put(OVER, holders=("sample-0", "sample-1"))
    assert place.concurrency.has_free_slot(place.config)
    place.put(OVER, holders=("sample-0", "sample-1", "sample-0"))  # one too many: a lower limit
    assert not place.concurrency.has_free_slot(place.config)


def test_markers_that_may_be_behind_are_those_of_idle_runs() -> None:
    assert MAY_BE_IDLE == (None, Phase.PARKED, Phase.AWAITING_APPROVAL)


def test_of_those_behind_the_newest_others_are_looked_at_each_time() -> None:
    place = Place({"when_busy": "newest"})
    names = [f"sample-{number:02}" for number in range(50)]
    for name in names:
        place.run(name, Phase.CANCELLED)
    newest = place.run("sample-x")
    place.put(waiting=concurrency(*names, "sample-x"), numbers=0, newest_first=True)
    assert place.concurrency.take(newest) == Admitted()
    left = [queue_entry.run_id for queue_entry in place.run_queue().waiting]
    assert left == names[20:]
    place = Place({"when_busy": "newest"})
    for name in names:
        place.run(name, Phase.CANCELLED)
    newest = place.run("sample-x")
    place.put(waiting=concurrency(*names, "sample-x"), numbers=2, newest_first=True)
    assert place.concurrency.take(newest) == Admitted()
    left = [queue_entry.run_id for queue_entry in place.run_queue().waiting]
    assert left == names[10:40]
