"""Runs take slots or wait for them, and a waiting run says why."""

from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.control_events import Superseded
from shared.core.run.gate_events import Admitted, StillWaiting
from shared.core.run.record import Origin, Phase
from shared.errors import ConflictError
from shared.ledger.open_markers import RunHints
from tests.unit.execution.queued_runs import (
    DAY,
    HOUR,
    KEY,
    OVER,
    QUEUE,
    SECOND,
    SlotCase,
    concurrency,
)


def test_the_first_run_makes_the_slot_of_its_pipeline_and_key() -> None:
    case = SlotCase({**QUEUE, "key": "name"})
    one = case.run("sample-1", tokens={"name": "acme"})
    assert case.concurrency.take(one) == Admitted()
    run_queue = case.run_queue(run_queue_id("sample", ("acme",)))
    assert (run_queue.pipeline, run_queue.key, run_queue.holders) == (
        "sample",
        ("acme",),
        ("sample-1",),
    )
    assert [queue_entry.run_id for queue_entry in run_queue.begun] == ["sample-1"]
    assert case.concurrency.take(one) == Admitted()  # it has its slot already
    assert case.run_queue(run_queue_id("sample", ("acme",))) == run_queue


def test_a_run_that_waits_is_reported_for_whom_and_where_once() -> None:
    case = SlotCase(QUEUE)
    case.run("sample-0", Phase.TRAINING)
    case.put(holders=("sample-0",))
    one = case.run("sample-1")
    reported = case.concurrency.take(one)
    assert reported == StillWaiting("another run is open: sample-0", KEY)
    same = one.model_copy(update={"reason": "another run is open: sample-0", "queue_name": KEY})
    assert case.concurrency.take(same) is None
    assert case.concurrency.take(one.model_copy(update={"queue_name": KEY})) == reported
    assert [queue_entry.run_id for queue_entry in case.run_queue().waiting] == ["sample-1"]


def test_no_more_than_five_of_those_in_its_way_are_named() -> None:
    case = SlotCase({"when_busy": "parallel", "max_parallel": 7})
    holders = tuple(f"sample-{number}" for number in range(7))
    for name in holders:
        case.run(name, Phase.TRAINING)
    case.put(OVER, holders=holders)
    reported = case.concurrency.take(case.run("sample-x"))
    assert reported == StillWaiting(f"max_parallel is 7: {', '.join(holders[:5])}", OVER)


def test_a_run_that_is_not_first_waits_for_the_one_that_is() -> None:
    case = SlotCase(QUEUE)
    case.run("sample-1")
    case.put(waiting=concurrency("sample-1"))
    reported = case.concurrency.take(case.run("sample-2"))
    assert reported == StillWaiting("another run is open: sample-1 is next", KEY)


def test_where_only_the_newest_counts_no_run_is_passed_by() -> None:
    case = SlotCase({"when_busy": "newest"})
    case.run("sample-0", Phase.TRAINING)
    case.put(holders=("sample-0",))
    reported = case.concurrency.take(case.run("sample-1"))
    assert reported == StillWaiting("another run is open: sample-0", "")


def test_a_run_for_the_same_key_that_is_newer_replaces_one_that_no_data_opened() -> None:
    for origin, replaced in ((Origin.MANUAL, True), (Origin.DATA, False)):
        case = SlotCase({"when_busy": "newest"})
        case.run("sample-2")
        case.put(waiting=concurrency("sample-1", "sample-2"), numbers=2, newest_first=True)
        reported = case.concurrency.take(case.run("sample-1", origin=origin))
        assert isinstance(reported, Superseded) is replaced
        if replaced:
            assert reported == Superseded("run sample-2 is newer and trains instead")


def test_a_run_that_waits_for_one_slot_leaves_the_later_queues_unless_it_has_a_job() -> None:
    for job, left in ((None, True), ("j1", False)):
        case = SlotCase({**QUEUE, "max_parallel": 1}, max_parallel=1)
        case.run("sample-0", Phase.TRAINING)
        case.put(OVER, holders=("sample-0",))
        case.put(case.service, holders=("sample-1",), waiting=concurrency("sample-1"))
        reported = case.concurrency.take(case.run("sample-1", job=job))
        assert reported == StillWaiting("max_parallel is 1: sample-0", OVER)
        shared_queue = case.run_queue(case.service)
        assert (shared_queue.holders == ()) is left
        assert (shared_queue.waiting == ()) is left


def test_a_later_queue_that_cannot_be_read_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = SlotCase({**QUEUE, "max_parallel": 1}, max_parallel=1)
    case.run("sample-0", Phase.TRAINING)
    case.put(OVER, holders=("sample-0",))
    case.world.damage(case.service)
    one = case.run("sample-1")
    for _ in range(2):
        case.concurrency.take(one)
    assert caplog.text.count(f"{case.service} is not understood") == 1


def test_a_queue_that_cannot_be_read_is_waited_for_and_named() -> None:
    case = SlotCase(QUEUE)
    case.world.damage(KEY)
    reported = case.concurrency.take(case.run("sample-1"))
    assert isinstance(reported, StillWaiting)
    assert f"{KEY} is not understood" in reported.reason
    assert reported.queue_name == KEY


def test_the_queue_of_a_service_is_named_by_the_service_and_never_by_its_newest() -> None:
    case = SlotCase({"when_busy": "parallel", "order": "newest_first"}, max_parallel=1)
    case.run("sample-0", Phase.TRAINING)
    case.put(case.service, holders=("sample-0",))
    reported = case.concurrency.take(case.run("sample-1"))
    assert reported == StillWaiting("the training service has its 1 job: sample-0", case.service)
    assert not case.run_queue(case.service).newest_first
    case.concurrency.take(case.run("sample-2"))
    assert [queue_entry.run_id for queue_entry in case.run_queue(case.service).waiting] == [
        "sample-1",
        "sample-2",
    ]


def test_a_parked_run_keeps_its_slot_at_the_service_alone_while_its_job_may_run() -> None:
    case = SlotCase({**QUEUE, "max_parallel": 1}, max_parallel=1)
    parked: dict[str, Any] = {"parked_in": Phase.TRAINING, "job": "j1"}
    case.run("sample-0", Phase.PARKED, **parked)
    for name in (KEY, OVER, case.service):
        case.put(name, holders=("sample-0",))
    reported = case.concurrency.take(case.run("sample-1"))
    assert reported == StillWaiting("the training service has its 1 job: sample-0", case.service)
    assert case.run_queue(KEY).holders == ("sample-1",)
    assert case.run_queue(OVER).holders == ("sample-1",)


@pytest.mark.parametrize(("name", "kept"), [(KEY, "2h"), (OVER, "2h")])
def test_a_holder_that_cannot_be_read_keeps_its_slot_for_as_long_as_a_job_may_take(
    name: str, kept: str
) -> None:
    case = SlotCase({**QUEUE, "max_parallel": 1}, timeout=kept)
    case.run("sample-0", Phase.TRAINING)
    case.world.damage("runs/sample-0")
    case.put(name, holders=("sample-0",))
    one = case.run("sample-1")
    case.world.clock.move(2 * HOUR)
    assert isinstance(case.concurrency.take(one), StillWaiting)
    case.world.clock.move(SECOND)
    assert case.concurrency.take(one) == Admitted()


def test_at_a_service_a_holder_that_cannot_be_read_keeps_its_slot_for_a_day() -> None:
    case = SlotCase({"when_busy": "parallel"}, max_parallel=1, timeout="2h")
    case.run("sample-0", Phase.TRAINING)
    case.world.damage("runs/sample-0")
    case.put(case.service, holders=("sample-0",))
    one = case.run("sample-1")
    case.world.clock.move(DAY)
    assert isinstance(case.concurrency.take(one), StillWaiting)
    case.world.clock.move(SECOND)
    assert case.concurrency.take(one) == Admitted()


def test_a_run_that_cannot_be_read_waits_in_no_queue(caplog: pytest.LogCaptureFixture) -> None:
    case = SlotCase(QUEUE)
    case.run("sample-0")
    case.world.damage("runs/sample-0")
    case.put(waiting=concurrency("sample-0"))
    assert case.concurrency.take(case.run("sample-1")) == Admitted()
    assert caplog.text.count("the queue continues without it") == 1


def test_a_run_that_is_about_to_be_stored_keeps_its_slot_and_no_other_without_a_record() -> None:
    for batch_run, marked, kept in (
        ("sample-0", True, True),
        ("sample-0", False, False),
        ("sample-9", True, False),
        (None, True, False),
    ):
        case = SlotCase(QUEUE)
        if marked:
            case.ledger.open_markers.mark("sample-0", RunHints())
        run_queue = case.put(holders=("sample-0",), batch_run=batch_run)
        assert (case.concurrency.pruned(run_queue).holders == ("sample-0",)) is kept


def test_a_run_that_does_not_wait_any_more_is_taken_out_of_the_front_of_a_queue() -> None:
    case = SlotCase(QUEUE)
    case.run("sample-0", Phase.CANCELLED)
    case.run("sample-1", Phase.TRAINING)
    case.run("sample-2")
    run_queue = case.put(waiting=concurrency("sample-0", "sample-1", "sample-2", "sample-3"))
    assert [t.run_id for t in case.concurrency.in_queue(run_queue).waiting] == [
        "sample-2",
        "sample-3",
    ]
    assert case.concurrency.in_queue(run_queue, "sample-0") == run_queue
    assert case.concurrency.in_queue(run_queue, "sample-1").next_queued == "sample-1"
    empty = case.concurrency.in_queue(
        run_queue.model_copy(update={"waiting": concurrency("sample-0")})
    )
    assert empty.waiting == ()


def test_a_run_whose_job_is_there_has_those_without_one_yield() -> None:
    case = SlotCase({"when_busy": "queue"})
    case.run("sample-0", Phase.WAITING)
    case.put(holders=("sample-0",), waiting=())
    assert case.concurrency.take(case.run("sample-1", job="j1")) == Admitted()
    assert case.run_queue().holders == ("sample-1",)
    for phase, job in ((Phase.TRAINING, None), (Phase.WAITING, "j2")):
        case = SlotCase({"when_busy": "queue"})
        case.run("sample-0", phase, job=job)
        case.put(holders=("sample-0",))
        assert isinstance(case.concurrency.take(case.run("sample-1", job="j1")), StillWaiting)
        assert case.run_queue().holders == ("sample-0",)


def test_a_run_with_a_job_has_no_unreadable_one_yield() -> None:
    case = SlotCase({"when_busy": "queue"})
    case.run("sample-0")
    case.world.damage("runs/sample-0")
    case.put(holders=("sample-0",))
    assert isinstance(case.concurrency.take(case.run("sample-1", job="j1")), StillWaiting)


def test_a_slot_that_keeps_changing_is_tried_five_times(monkeypatch: pytest.MonkeyPatch) -> None:
    case = SlotCase(QUEUE)
    one = case.run("sample-1")
    tries: list[str] = []

    def late(name: str, *_: object) -> None:
        tries.append(name)
        raise ConflictError(name)

    put = case.ledger.run_queues.put
    monkeypatch.setattr(case.ledger.run_queues, "put", late)
    with pytest.raises(ConflictError, match=f"{KEY} keeps changing"):
        case.concurrency.take(one)
    assert tries == [KEY] * 5

    tries.clear()
    monkeypatch.setattr(case.ledger.run_queues, "put", lambda *c: _once(tries, put, *c))
    assert case.concurrency.take(one) == Admitted()


def _once(tries: list[str], put: Any, *changes: Any) -> None:
    """Fail four times, and then store what is to be stored."""
    tries.append("")
    if len(tries) < 5:
        raise ConflictError(KEY)
    put(*changes)
