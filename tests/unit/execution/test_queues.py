"""Which queues are looked at, in which order their runs begin, and what is read for that."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id, shared_queue_id
from shared.core.run.concurrency import QueueEntry, RunQueue
from shared.core.run.record import Phase
from shared.errors import CorruptRecordError
from shared.execution.driver import Advanced
from shared.execution.queues import EVERY, CheckResult, Queue, Queues
from shared.ledger.open_markers import Marker, RunHints, hints_of
from shared.ports.storage import ETag
from tests.unit.samples import NOW, step_failure
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KEY = run_queue_id("sample", ())


class ServingHistoryEntry:
    """Runs that wait in a queue, and a look at them that does what a test says."""

    def __init__(self, count: int = 3, name: str = KEY, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": {"when_busy": "queue", **pipeline}})
        self.context = self.world.context
        self.ledger = self.context.ledger
        self.queues = Queues(self.context)
        self.name = name
        self.checked: list[str] = []
        self.begin: set[str] = set()  #: runs that take their turn when they are looked at
        self.well = True
        self.names = [f"sample-{number}" for number in range(count)]
        for one in self.names:
            self.wait(one)
        self.run_queue()

    def wait(self, name: str, **changes: Any) -> None:
        known = {"job": None, "started_at": None, "model": None, "config": self.world.pipeline}
        run = sample(Phase.WAITING, run_id=name, **{**known, "queue_name": self.name, **changes})
        self.ledger.runs.create(run)
        self.ledger.open_markers.mark(name, hints_of(run))

    def run_queue(self, *names: str, name: str = "", **changes: Any) -> None:
        concurrency = tuple(QueueEntry(run_id=one, at=NOW) for one in names or self.names)
        run_queue = RunQueue(**{"pipeline": "sample", "waiting": concurrency, **changes})
        stored = self.ledger.run_queues.read(name or self.name)
        self.ledger.run_queues.put(name or self.name, run_queue, stored.etag if stored else None)

    def look(self, marker: Marker) -> CheckResult:
        self.checked.append(marker.run_id)
        try:
            stored = self.ledger.runs.read(marker.run_id)
        except CorruptRecordError:
            return CheckResult(self.well)
        run = stored.record if stored else None
        if marker.run_id in self.begin and run is not None and stored is not None:
            run = run.moved_to(Phase.RECEIVED, NOW)
            self.ledger.runs.replace(run, stored.etag)
            known = self.ledger.run_queues.read(self.name)
            assert known is not None
            left = known.record.without({marker.run_id}.__contains__)
            self.ledger.run_queues.put(self.name, left, known.etag)
        return CheckResult(self.well, Advanced(run))

    def found(self) -> list[Queue]:
        return self.queues.found(list(self.ledger.open_markers.listed()))

    def tick(self, seconds: int = 60, until: timedelta = MINUTE) -> list[str]:
        """Let time pass, bring every queue forward, and return who was looked at."""
        self.world.clock.move(timedelta(seconds=seconds))
        self.checked.clear()
        for queue in self.found():
            self.queues.bring_forward(queue, self.world.clock.now() + until, self.look)
        return list(self.checked)

    def calm(self) -> None:
        """Have nothing be held against its record for a while."""
        self.queues._checked = dict.fromkeys(self.names, self.world.clock.now() + 9 * EVERY)


def test_open_runs_are_sorted_into_the_queues_that_their_markers_name() -> None:
    queue_name = ServingHistoryEntry(2)
    queue_name.wait("sample-x", queue_name="shared_queues/s")
    queue_name.ledger.open_markers.mark("sample-y", RunHints(phase=Phase.TRAINING))
    found: Mapping[str, Any] = {queue.name: list(queue.markers) for queue in queue_name.found()}
    assert found == {KEY: ["sample-0", "sample-1"], "shared_queues/s": ["sample-x"]}


def test_the_first_in_line_is_looked_at_and_whoever_is_next_once_it_began() -> None:
    queue_name = ServingHistoryEntry()
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-0"]
    queue_name.begin = {"sample-0", "sample-1"}
    queue_name.run_queue(holders=("sample-9",))  # something changed
    assert queue_name.tick() == ["sample-0", "sample-1", "sample-2"]


def test_a_queue_with_the_newest_first_is_looked_at_from_its_end() -> None:
    queue_name = ServingHistoryEntry()
    queue_name.run_queue(newest_first=True)
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-2"]


def test_nobody_is_looked_at_again_while_nothing_changed() -> None:
    queue_name = ServingHistoryEntry()
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
def test_the_first_in_line_is_looked_at_once_something_that_it_waits_for_changed(
    changes: str,
) -> None:
    queue_name = (
        ServingHistoryEntry(budget={"least_interval": "3m"})
        if changes == "budget"
        else ServingHistoryEntry()
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


def test_a_holder_that_was_looked_at_in_the_same_tick_counts_as_it_is_now() -> None:
    queue_name = ServingHistoryEntry()
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
        queue_name.queues.bring_forward(queue, until, queue_name.look)
        assert queue_name.checked == checked


def test_whoever_waits_for_a_seat_has_passed_the_pauses() -> None:
    queue_name = ServingHistoryEntry(name=shared_queue_id("service", "s"))
    queue_name.calm()
    queue_name.world.calls.clear()
    assert queue_name.tick(0) == ["sample-0"]
    assert "read pauses" not in queue_name.world.calls


def test_nothing_is_begun_once_the_time_is_up() -> None:
    queue_name = ServingHistoryEntry()
    queue_name.begin = set(queue_name.names)
    queue_name.calm()
    assert queue_name.tick(0, until=timedelta()) == []


def test_a_service_that_fails_has_its_queue_left_for_now() -> None:
    queue_name = ServingHistoryEntry()
    queue_name.begin, queue_name.well = set(queue_name.names), False
    queue_name.calm()
    (queue,) = queue_name.found()
    assert not queue_name.queues.bring_forward(queue, NOW + MINUTE, queue_name.look)
    assert queue_name.checked == ["sample-0"]
    queue_name.well = True
    assert queue_name.queues.bring_forward(queue, NOW + MINUTE, queue_name.look)


def test_each_hint_is_held_against_its_record_once_in_ten_minutes() -> None:
    queue_name = ServingHistoryEntry(20)
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
def test_a_run_that_does_not_wait_there_as_its_marker_says_is_looked_at(how: str) -> None:
    queue_name = ServingHistoryEntry()
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


def test_a_run_that_its_queue_does_not_list_is_looked_at_once() -> None:
    queue_name = ServingHistoryEntry()
    queue_name.run_queue("sample-0", "sample-1")
    queue_name.calm()
    assert queue_name.tick(0) == ["sample-2", "sample-0"]
    queue_name.calm()
    assert queue_name.tick(1) == []
    queue_name.run_queue()
    queue_name.calm()
    assert queue_name.tick(1) == ["sample-0"]


def test_a_queue_that_cannot_be_read_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    queue_name = ServingHistoryEntry()
    queue_name.world.damage(KEY)
    for _ in range(2):
        assert queue_name.tick() == []
    assert caplog.text.count("3 runs wait for it") == 1
    (queue,) = queue_name.found()
    assert queue_name.queues.bring_forward(
        queue, queue_name.world.clock.now() + MINUTE, queue_name.look
    )


def test_a_queue_without_a_record_has_everybody_looked_at() -> None:
    queue_name = ServingHistoryEntry(1)
    del queue_name.world.documents.rows[KEY]
    assert queue_name.tick(0) == ["sample-0"]


# What is read


def keyed(keys: int) -> ServingHistoryEntry:
    """One run of each key waits in the slot of that key."""
    queue_name = ServingHistoryEntry(0)
    for number in range(keys):
        name = run_queue_id("sample", (f"k{number}",))
        queue_name.names.append(f"sample-k{number}")
        queue_name.name = name
        queue_name.wait(f"sample-k{number}")
        queue_name.run_queue(f"sample-k{number}", name=name)
    return queue_name


@pytest.mark.parametrize(("keys", "listed"), [(4, False), (5, True)])
def test_the_slots_of_many_keys_are_listed_instead_of_read(keys: int, *, listed: bool) -> None:
    queue_name = keyed(keys)
    for _ in range(2):
        queue_name.calm()
        queue_name.tick(0)
    queue_name.calm()
    queue_name.world.calls.clear()
    queue_name.tick(0)
    assert queue_name.world.calls.count("list run_queues") == int(listed)
    assert queue_name.world.calls.count("read run_queues") == (0 if listed else keys)


def test_a_slot_that_changed_since_it_was_listed_is_read() -> None:
    queue_name = keyed(5)
    for _ in range(2):
        queue_name.calm()
        queue_name.tick(0)
    queue_name.run_queue("sample-k0", name=run_queue_id("sample", ("k0",)), holders=("x",))
    queue_name.calm()
    queue_name.world.calls.clear()
    assert queue_name.tick(0) == ["sample-k0"]
    assert queue_name.world.calls.count("read run_queues") == 2


def test_queues_that_nobody_waits_in_any_more_are_forgotten() -> None:
    queue_name = keyed(5)
    queue_name.calm()
    queue_name.tick(0)
    for name in queue_name.names:
        queue_name.ledger.open_markers.remove_of(name)
    queue_name.world.calls.clear()
    assert queue_name.found() == []
    assert "list run_queues" not in queue_name.world.calls
    assert (queue_name.queues._blocked, queue_name.queues._checked) == ({}, {})
    assert queue_name.queues._unwanted == set()
