"""Which queues are checked, and in which order their runs begin."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import shared_queue_id
from shared.core.run.concurrency import QueueEntry
from shared.core.run.record import Phase
from shared.execution.queues import EVERY
from shared.ledger.open_markers import Marker, RunHints
from shared.ports.storage import ETag
from tests.unit.execution.queue_worlds import KEY, MINUTE, SECOND, WaitingRuns
from tests.unit.samples import NOW, step_failure
from tests.unit.samples import run as sample


def test_open_runs_are_sorted_into_the_queues_that_their_markers_name() -> None:
    queue_name = WaitingRuns(2)
    queue_name.wait("sample-x", queue_name="shared_queues/s")
    queue_name.ledger.open_markers.mark("sample-y", RunHints(phase=Phase.TRAINING))
    found: Mapping[str, Any] = {queue.name: list(queue.markers) for queue in queue_name.found()}
    assert found == {KEY: ["sample-0", "sample-1"], "shared_queues/s": ["sample-x"]}


def test_the_first_in_the_queue_is_checked_and_the_next_one_once_it_began() -> None:
    queue_name = WaitingRuns()
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-0"]
    queue_name.begin = {"sample-0", "sample-1"}
    queue_name.run_queue(holders=("sample-9",))  # something changed
    assert queue_name.tick() == ["sample-0", "sample-1", "sample-2"]


def test_a_queue_with_the_newest_first_is_checked_from_its_end() -> None:
    queue_name = WaitingRuns()
    queue_name.run_queue(newest_first=True)
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-2"]


def test_no_run_is_checked_again_while_nothing_changed() -> None:
    queue_name = WaitingRuns()
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-0"]
    for _ in range(9):
        queue_name.calm()
        assert queue_name.tick() == []
    checked = []
    for _ in range(12):
        queue_name.calm()
        checked += queue_name.tick()
    assert checked == ["sample-0"]  # between ten and twenty minutes after it


@pytest.mark.parametrize("changes", ["run_queue", "holder", "pause", "budget"])
def test_the_first_in_the_queue_is_checked_once_something_that_it_waits_for_changed(
    changes: str,
) -> None:
    queue_name = (
        WaitingRuns(budget={"least_interval": "3m"}) if changes == "budget" else WaitingRuns()
    )
    queue_name.ledger.open_markers.mark("sample-9", RunHints(phase=Phase.TRAINING))
    begun = (QueueEntry(run_id="sample-9", at=NOW, number=1),)
    queue_name.run_queue(holders=("sample-9",), begun=begun)
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-0"]
    queue_name.calm()
    assert queue_name.tick(1) == []
    if changes == "run_queue":
        queue_name.run_queue(holders=("sample-9", "sample-8"))
    elif changes == "holder":
        queue_name.ledger.open_markers.mark("sample-9", RunHints(phase=Phase.PARKED))
    elif changes == "pause":
        queue_name.world.damage("pauses/sample")
    queue_name.calm()
    if changes == "budget":
        assert queue_name.tick(178) == []
        queue_name.calm()
    assert queue_name.tick(1) == ["sample-0"]
    queue_name.calm()
    assert queue_name.tick(1) == []


def test_a_holder_that_was_checked_in_the_same_tick_counts_as_it_is_now() -> None:
    queue_name = WaitingRuns()
    queue_name.ledger.open_markers.mark("sample-9", RunHints(phase=Phase.TRAINING))
    queue_name.run_queue(holders=("sample-9",))
    queue_name.calm()
    queue_name.tick(0)
    (queue,) = queue_name.found()
    until = queue_name.world.clock.now() + MINUTE
    marker = Marker("sample-9", ETag("1"), NOW)
    queue_name.checked.clear()
    queue_name.calm()
    for run, checked in (
        (None, []),
        (sample(Phase.TRAINING, run_id="sample-9"), []),
        (sample(Phase.FAILED, run_id="sample-9"), ["sample-0"]),
    ):
        queue_name.queues.note(marker, run)
        queue_name.queues.bring_forward(queue, until, queue_name.check)
        assert queue_name.checked == checked


def test_a_run_that_waits_for_a_slot_has_passed_the_pauses() -> None:
    queue_name = WaitingRuns(name=shared_queue_id("service", "s"))
    queue_name.calm()
    queue_name.world.calls.clear()
    assert queue_name.tick(0) == ["sample-0"]
    assert "read pauses" not in queue_name.world.calls


def test_nothing_is_begun_once_the_time_is_up() -> None:
    queue_name = WaitingRuns()
    queue_name.begin = set(queue_name.names)
    queue_name.calm()
    assert queue_name.tick(0, until=timedelta()) == []


def test_a_service_that_fails_has_its_queue_left_for_now() -> None:
    queue_name = WaitingRuns()
    queue_name.begin, queue_name.well = set(queue_name.names), False
    queue_name.calm()
    (queue,) = queue_name.found()
    assert not queue_name.queues.bring_forward(queue, NOW + MINUTE, queue_name.check)
    assert queue_name.checked == ["sample-0"]
    queue_name.well = True
    assert queue_name.queues.bring_forward(queue, NOW + MINUTE, queue_name.check)


def test_each_hint_is_held_against_its_record_once_in_ten_minutes() -> None:
    queue_name = WaitingRuns(20)
    queue_name.tick(0)
    queue_name.world.calls.clear()
    read = 0
    for _ in range(10):
        queue_name.world.calls.clear()
        queue_name.tick()
        read += queue_name.world.calls.count("read runs")
    assert 20 <= read <= 22
    assert EVERY == 10 * MINUTE


@pytest.mark.parametrize("how", ["phase", "queue_name", "step_failure", "damaged", "gone"])
def test_a_run_that_does_not_wait_there_as_its_marker_says_is_checked(how: str) -> None:
    queue_name = WaitingRuns()
    queue_name.calm()
    queue_name.tick(0)
    stored = queue_name.ledger.runs.read("sample-2")
    assert stored is not None
    changes: dict[str, Any] = (
        {"phase": Phase.PARKED} if how == "phase" else {"queue_name": "shared_queues/x"}
    )
    if how == "damaged":
        queue_name.world.damage("runs/sample-2")
    elif how == "gone":
        del queue_name.world.documents.rows["runs/sample-2"]
    elif how == "step_failure":
        queue_name.ledger.runs.replace(
            sample(Phase.WAITING, run_id="sample-2", queue_name=KEY, step_failure=step_failure()),
            stored.etag,
        )
    else:
        queue_name.ledger.runs.replace(stored.record.model_copy(update=changes), stored.etag)
    queue_name.calm()
    queue_name.queues._checked["sample-2"] = queue_name.world.clock.now() - EVERY + SECOND
    assert queue_name.tick(0) == []
    assert queue_name.tick(1) == ["sample-2"]
    assert queue_name.tick(1) == []


def test_a_run_that_its_queue_does_not_list_is_checked_once() -> None:
    queue_name = WaitingRuns()
    queue_name.run_queue("sample-0", "sample-1")
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-2", "sample-0"]
    queue_name.calm()
    assert queue_name.tick(1) == []
    queue_name.run_queue()
    queue_name.calm()
    assert queue_name.tick(1) == ["sample-0"]


def test_a_queue_that_cannot_be_read_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    queue_name = WaitingRuns()
    queue_name.world.damage(KEY)
    for _ in range(2):
        assert queue_name.tick() == []
    assert caplog.text.count("3 runs wait for it") == 1
    (queue,) = queue_name.found()
    assert queue_name.queues.bring_forward(
        queue, queue_name.world.clock.now() + MINUTE, queue_name.check
    )


def test_a_queue_without_a_record_has_everybody_checked() -> None:
    queue_name = WaitingRuns(1)
    del queue_name.world.documents.rows[KEY]
    assert queue_name.tick(0) == ["sample-0"]
