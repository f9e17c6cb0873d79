"""Which queues are looked at, in which order their runs begin, and what is read for that."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.names import seat_id, slot_id
from shared.core.run.concurrency import Slot, Turn
from shared.core.run.record import Phase
from shared.errors import CorruptRecord
from shared.execution.queues import EVERY, Looked, Queue, Queues
from shared.ledger.open_markers import hints_of
from shared.ledger.records import Marker
from shared.ports.ports import ETag
from tests.unit.samples import NOW, trouble
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KEY = slot_id("sample", ())


class Line:
    """Runs that wait in a queue, and a look at them that does what a test says."""

    def __init__(self, count: int = 3, name: str = KEY, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": {"when_busy": "queue", **pipeline}})
        self.context = self.world.intake._context
        self.ledger = self.context.ledger
        self.queues = Queues(self.context, self.look)
        self.name = name
        self.looked: list[str] = []
        self.begin: set[str] = set()  #: runs that take their turn when they are looked at
        self.well = True
        self.names = [f"sample-{number}" for number in range(count)]
        for one in self.names:
            self.wait(one)
        self.slot()

    def wait(self, name: str, **changes: Any) -> None:
        known = {"job": None, "started_at": None, "model": None, "config": self.world.pipeline}
        run = sample(Phase.WAITING, run_id=name, **{**known, "line": self.name, **changes})
        self.ledger.create_run(run)
        self.ledger.mark_open(name, hints_of(run))

    def slot(self, *names: str, name: str = "", **changes: Any) -> None:
        turns = tuple(Turn(run_id=one, at=NOW) for one in names or self.names)
        slot = Slot(**{"pipeline": "sample", "waiting": turns, **changes})
        stored = self.ledger.slot(name or self.name)
        self.ledger.put_slot(name or self.name, slot, stored.etag if stored else None)

    def look(self, marker: Marker, until: datetime) -> Looked:
        assert until > NOW - 9 * EVERY
        self.looked.append(marker.run_id)
        try:
            stored = self.ledger.run(marker.run_id)
        except CorruptRecord:
            return Looked(self.well)
        run = stored.record if stored else None
        if marker.run_id in self.begin and run is not None and stored is not None:
            run = run.moved(Phase.RECEIVED, NOW)
            self.ledger.replace_run(run, stored.etag)
            known = self.ledger.slot(self.name)
            assert known is not None
            left = known.record.without({marker.run_id}.__contains__)
            self.ledger.put_slot(self.name, left, known.etag)
        return Looked(self.well, run)

    def found(self) -> list[Queue]:
        return self.queues.found(list(self.ledger.open_runs()))

    def tick(self, seconds: int = 60, until: timedelta = MINUTE) -> list[str]:
        """Let time pass, bring every queue forward, and return who was looked at."""
        self.world.clock.move(timedelta(seconds=seconds))
        self.looked.clear()
        for queue in self.found():
            self.queues.bring_forward(queue, self.world.clock.now() + until)
        return list(self.looked)

    def calm(self) -> None:
        """Have nothing be held against its record for a while."""
        self.queues._checked = dict.fromkeys(self.names, self.world.clock.now() + 9 * EVERY)


def test_open_runs_are_sorted_into_the_queues_that_their_markers_name() -> None:
    line = Line(2)
    line.wait("sample-x", line="seats/s")
    line.ledger.mark_open("sample-y", {"phase": "training"})
    found: Mapping[str, Any] = {queue.name: list(queue.markers) for queue in line.found()}
    assert found == {KEY: ["sample-0", "sample-1"], "seats/s": ["sample-x"]}


def test_the_first_in_line_is_looked_at_and_whoever_is_next_once_it_began() -> None:
    line = Line()
    line.calm()
    assert line.tick(0) == ["sample-0"]
    line.begin = {"sample-0", "sample-1"}
    line.slot(holders=("sample-9",))  # something changed
    assert line.tick() == ["sample-0", "sample-1", "sample-2"]


def test_a_queue_with_the_newest_first_is_looked_at_from_its_end() -> None:
    line = Line()
    line.slot(newest_first=True)
    line.calm()
    assert line.tick(0) == ["sample-2"]


def test_nobody_is_looked_at_again_while_nothing_changed() -> None:
    line = Line()
    line.calm()
    assert line.tick(0) == ["sample-0"]
    for _ in range(9):
        line.calm()
        assert line.tick() == []
    looked = []
    for _ in range(12):
        line.calm()
        looked += line.tick()
    assert looked == ["sample-0"]  # between ten and twenty minutes after it


@pytest.mark.parametrize("changes", ["slot", "holder", "pause", "budget"])
def test_the_first_in_line_is_looked_at_once_something_that_it_waits_for_changed(
    changes: str,
) -> None:
    line = Line(budget={"least_interval": "3m"}) if changes == "budget" else Line()
    line.ledger.mark_open("sample-9", {"phase": "training"})
    begun = (Turn(run_id="sample-9", at=NOW, number=1),)
    line.slot(holders=("sample-9",), begun=begun)
    line.calm()
    assert line.tick(0) == ["sample-0"]
    line.calm()
    assert line.tick(1) == []
    if changes == "slot":
        line.slot(holders=("sample-9", "sample-8"))
    elif changes == "holder":
        line.ledger.mark_open("sample-9", {"phase": "parked"})
    elif changes == "pause":
        line.world.damage("pauses/sample")
    line.calm()
    if changes == "budget":
        assert line.tick(178) == []
        line.calm()
    assert line.tick(1) == ["sample-0"]
    line.calm()
    assert line.tick(1) == []


def test_a_holder_that_was_looked_at_in_the_same_tick_counts_as_it_is_now() -> None:
    line = Line()
    line.ledger.mark_open("sample-9", {"phase": "training"})
    line.slot(holders=("sample-9",))
    line.calm()
    line.tick(0)
    (queue,) = line.found()
    until = line.world.clock.now() + MINUTE
    marker = Marker("sample-9", ETag("1"), NOW, {})
    line.looked.clear()
    line.calm()
    for run, looked in (
        (None, []),
        (sample(Phase.TRAINING, run_id="sample-9"), []),
        (sample(Phase.FAILED, run_id="sample-9"), ["sample-0"]),
    ):
        line.queues.note(marker, run)
        line.queues.bring_forward(queue, until)
        assert line.looked == looked


def test_whoever_waits_for_a_seat_has_passed_the_pauses() -> None:
    line = Line(name=seat_id("service", "s"))
    line.calm()
    line.world.calls.clear()
    assert line.tick(0) == ["sample-0"]
    assert "read pauses" not in line.world.calls


def test_nothing_is_begun_once_the_time_is_up() -> None:
    line = Line()
    line.begin = set(line.names)
    line.calm()
    assert line.tick(0, until=timedelta()) == []


def test_a_service_that_fails_has_its_queue_left_for_now() -> None:
    line = Line()
    line.begin, line.well = set(line.names), False
    line.calm()
    (queue,) = line.found()
    assert not line.queues.bring_forward(queue, NOW + MINUTE)
    assert line.looked == ["sample-0"]
    line.well = True
    assert line.queues.bring_forward(queue, NOW + MINUTE)


def test_each_hint_is_held_against_its_record_once_in_ten_minutes() -> None:
    line = Line(20)
    line.tick(0)
    line.world.calls.clear()
    read = 0
    for _ in range(10):
        line.world.calls.clear()
        line.tick()
        read += line.world.calls.count("read runs")
    assert 20 <= read <= 22
    assert EVERY == 10 * MINUTE


@pytest.mark.parametrize("how", ["phase", "line", "trouble", "damaged", "gone"])
def test_a_run_that_does_not_wait_there_as_its_marker_says_is_looked_at(how: str) -> None:
    line = Line()
    line.calm()
    line.tick(0)
    stored = line.ledger.run("sample-2")
    assert stored is not None
    changes: dict[str, Any] = {"phase": Phase.PARKED} if how == "phase" else {"line": "seats/x"}
    if how == "damaged":
        line.world.damage("runs/sample-2")
    elif how == "gone":
        del line.world.documents.rows["runs/sample-2"]
    elif how == "trouble":
        line.ledger.replace_run(
            sample(Phase.WAITING, run_id="sample-2", line=KEY, trouble=trouble()), stored.etag
        )
    else:
        line.ledger.replace_run(stored.record.model_copy(update=changes), stored.etag)
    line.calm()
    line.queues._checked["sample-2"] = line.world.clock.now() - EVERY + SECOND
    assert line.tick(0) == []
    assert line.tick(1) == ["sample-2"]
    assert line.tick(1) == []


def test_a_run_that_its_queue_does_not_list_is_looked_at_once() -> None:
    line = Line()
    line.slot("sample-0", "sample-1")
    line.calm()
    assert line.tick(0) == ["sample-2", "sample-0"]
    line.calm()
    assert line.tick(1) == []
    line.slot()
    line.calm()
    assert line.tick(1) == ["sample-0"]


def test_a_queue_that_cannot_be_read_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    line = Line()
    line.world.damage(KEY)
    for _ in range(2):
        assert line.tick() == []
    assert caplog.text.count("3 runs wait for it") == 1
    (queue,) = line.found()
    assert line.queues.bring_forward(queue, line.world.clock.now() + MINUTE)


def test_a_queue_without_a_record_has_everybody_looked_at() -> None:
    line = Line(1)
    del line.world.documents.rows[KEY]
    assert line.tick(0) == ["sample-0"]


# What is read


def keyed(keys: int) -> Line:
    """One run of each key waits in the slot of that key."""
    line = Line(0)
    for number in range(keys):
        name = slot_id("sample", (f"k{number}",))
        line.names.append(f"sample-k{number}")
        line.name = name
        line.wait(f"sample-k{number}")
        line.slot(f"sample-k{number}", name=name)
    return line


@pytest.mark.parametrize(("keys", "listed"), [(4, False), (5, True)])
def test_the_slots_of_many_keys_are_listed_instead_of_read(keys: int, *, listed: bool) -> None:
    line = keyed(keys)
    for _ in range(2):
        line.calm()
        line.tick(0)
    line.calm()
    line.world.calls.clear()
    line.tick(0)
    assert line.world.calls.count("list slots") == int(listed)
    assert line.world.calls.count("read slots") == (0 if listed else keys)


def test_a_slot_that_changed_since_it_was_listed_is_read() -> None:
    line = keyed(5)
    for _ in range(2):
        line.calm()
        line.tick(0)
    line.slot("sample-k0", name=slot_id("sample", ("k0",)), holders=("x",))
    line.calm()
    line.world.calls.clear()
    assert line.tick(0) == ["sample-k0"]
    assert line.world.calls.count("read slots") == 2


def test_queues_that_nobody_waits_in_any_more_are_forgotten() -> None:
    line = keyed(5)
    line.calm()
    line.tick(0)
    for name in line.names:
        line.ledger.unmark(name)
    line.world.calls.clear()
    assert line.found() == []
    assert "list slots" not in line.world.calls
    assert (line.queues._blocked, line.queues._checked) == ({}, {})
    assert line.queues._strays == set()
