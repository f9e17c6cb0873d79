"""What is kept of each place, who loses it, and what a run is told that waits for one."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.studio_identity import service_identity
from shared.core.names import seat_id, slot_id
from shared.core.run.concurrency import Pause, Pauses, Slot, Turn
from shared.core.run.control_events import Overtaken
from shared.core.run.gate_events import StillWaiting, TurnTaken
from shared.core.run.record import Origin, Phase, Run
from shared.errors import Conflict
from shared.execution.concurrency import MAY_BE_IDLE, Turns
from shared.ledger.ledger import NEW, Ledger
from tests.unit.intake.test_gathering import world_of
from tests.unit.samples import NOW
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
KEY = slot_id("sample", ())
OVER = seat_id("pipeline", "sample")
QUEUE: dict[str, Any] = {"when_busy": "queue", "endpoints": []}


class Place:
    """The turns of one pipeline, with runs and slots as a test puts them there."""

    def __init__(self, pipeline: dict[str, Any], **training: Any) -> None:
        self.world: Observed = world_of({"endpoints": [], **pipeline}, **training)
        self.ledger: Ledger = self.world.intake._context.ledger
        self.turns = Turns(self.world.intake._context)
        self.service = seat_id("service", service_identity(self.config.training.service))

    @property
    def config(self) -> Any:
        return self.world.pipeline

    def run(self, name: str, phase: Phase = Phase.WAITING, **changes: Any) -> Run:
        known = {"job": None, "started_at": None, "config": self.config, "model": None}
        one = sample(phase, run_id=name, **{**known, **changes})
        self.ledger.create_run(one)
        return one

    def put(self, name: str = KEY, **changes: Any) -> Slot:
        slot = Slot(pipeline="sample", **changes)
        stored = self.ledger.slot(name)
        self.ledger.put_slot(name, slot, stored.etag if stored else None)
        return slot

    def slot(self, name: str = KEY) -> Slot:
        stored = self.ledger.slot(name)
        assert stored is not None
        return stored.record


def turns(*names: str) -> tuple[Turn, ...]:
    return tuple(Turn(run_id=name, at=NOW, number=at) for at, name in enumerate(names, 1))


def test_the_first_run_makes_the_slot_of_its_pipeline_and_key() -> None:
    place = Place({**QUEUE, "key": "name"})
    one = place.run("sample-1", tokens={"name": "acme"})
    assert place.turns.take(one) == TurnTaken()
    slot = place.slot(slot_id("sample", ("acme",)))
    assert (slot.pipeline, slot.key, slot.holders) == ("sample", ("acme",), ("sample-1",))
    assert [turn.run_id for turn in slot.begun] == ["sample-1"]
    assert place.turns.take(one) == TurnTaken()  # it has its place already
    assert place.slot(slot_id("sample", ("acme",))) == slot


def test_a_run_that_waits_is_told_for_whom_and_where_once() -> None:
    place = Place(QUEUE)
    place.run("sample-0", Phase.TRAINING)
    place.put(holders=("sample-0",))
    one = place.run("sample-1")
    told = place.turns.take(one)
    assert told == StillWaiting("another run is open: sample-0", KEY)
    same = one.model_copy(update={"reason": "another run is open: sample-0", "line": KEY})
    assert place.turns.take(same) is None
    assert place.turns.take(one.model_copy(update={"line": KEY})) == told
    assert [turn.run_id for turn in place.slot().waiting] == ["sample-1"]


def test_no_more_than_five_of_those_in_its_way_are_named() -> None:
    place = Place({"when_busy": "parallel", "max_parallel": 7})
    holders = tuple(f"sample-{number}" for number in range(7))
    for name in holders:
        place.run(name, Phase.TRAINING)
    place.put(OVER, holders=holders)
    told = place.turns.take(place.run("sample-x"))
    assert told == StillWaiting(f"max_parallel is 7: {', '.join(holders[:5])}", OVER)


def test_whoever_is_not_first_waits_for_the_one_that_is() -> None:
    place = Place(QUEUE)
    place.run("sample-1")
    place.put(waiting=turns("sample-1"))
    told = place.turns.take(place.run("sample-2"))
    assert told == StillWaiting("another run is open: sample-1 is next", KEY)


def test_where_only_the_newest_counts_nobody_is_passed_by() -> None:
    place = Place({"when_busy": "newest"})
    place.run("sample-0", Phase.TRAINING)
    place.put(holders=("sample-0",))
    told = place.turns.take(place.run("sample-1"))
    assert told == StillWaiting("another run is open: sample-0", "")


def test_a_run_for_the_same_key_that_is_newer_replaces_one_that_no_data_opened() -> None:
    for origin, replaced in ((Origin.MANUAL, True), (Origin.DATA, False)):
        place = Place({"when_busy": "newest"})
        place.run("sample-2")
        place.put(waiting=turns("sample-1", "sample-2"), numbers=2, newest_first=True)
        told = place.turns.take(place.run("sample-1", origin=origin))
        assert isinstance(told, Overtaken) is replaced
        if replaced:
            assert told == Overtaken("run sample-2 is newer and trains instead")


def test_whoever_waits_at_one_place_leaves_the_lines_further_on_unless_it_has_a_job() -> None:
    for job, left in ((None, True), ("j1", False)):
        place = Place({**QUEUE, "max_parallel": 1}, max_parallel=1)
        place.run("sample-0", Phase.TRAINING)
        place.put(OVER, holders=("sample-0",))
        place.put(place.service, holders=("sample-1",), waiting=turns("sample-1"))
        told = place.turns.take(place.run("sample-1", job=job))
        assert told == StillWaiting("max_parallel is 1: sample-0", OVER)
        seat = place.slot(place.service)
        assert (seat.holders == ()) is left
        assert (seat.waiting == ()) is left


def test_a_place_further_on_that_cannot_be_read_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place({**QUEUE, "max_parallel": 1}, max_parallel=1)
    place.run("sample-0", Phase.TRAINING)
    place.put(OVER, holders=("sample-0",))
    place.world.damage(place.service)
    one = place.run("sample-1")
    for _ in range(2):
        place.turns.take(one)
    assert caplog.text.count(f"{place.service} is not understood") == 1


def test_a_place_that_cannot_be_read_is_waited_for_and_named() -> None:
    place = Place(QUEUE)
    place.world.damage(KEY)
    told = place.turns.take(place.run("sample-1"))
    assert isinstance(told, StillWaiting)
    assert f"{KEY} is not understood" in told.reason
    assert told.line == KEY


def test_the_line_of_a_service_is_named_by_the_service_and_never_by_its_newest() -> None:
    place = Place({"when_busy": "parallel", "order": "newest_first"}, max_parallel=1)
    place.run("sample-0", Phase.TRAINING)
    place.put(place.service, holders=("sample-0",))
    told = place.turns.take(place.run("sample-1"))
    assert told == StillWaiting("the training service has its 1 job: sample-0", place.service)
    assert not place.slot(place.service).newest_first
    place.turns.take(place.run("sample-2"))
    assert [turn.run_id for turn in place.slot(place.service).waiting] == ["sample-1", "sample-2"]


def test_a_parked_run_keeps_its_place_at_the_service_alone_while_its_job_may_run() -> None:
    place = Place({**QUEUE, "max_parallel": 1}, max_parallel=1)
    parked: dict[str, Any] = {"parked_in": Phase.TRAINING, "job": "j1"}
    place.run("sample-0", Phase.PARKED, **parked)
    for name in (KEY, OVER, place.service):
        place.put(name, holders=("sample-0",))
    told = place.turns.take(place.run("sample-1"))
    assert told == StillWaiting("the training service has its 1 job: sample-0", place.service)
    assert place.slot(KEY).holders == ("sample-1",)
    assert place.slot(OVER).holders == ("sample-1",)


@pytest.mark.parametrize(("name", "kept"), [(KEY, "2h"), (OVER, "2h")])
def test_a_holder_that_cannot_be_read_keeps_its_place_for_as_long_as_a_job_may_take(
    name: str, kept: str
) -> None:
    place = Place({**QUEUE, "max_parallel": 1}, timeout=kept)
    place.run("sample-0", Phase.TRAINING)
    place.world.damage("runs/sample-0")
    place.put(name, holders=("sample-0",))
    one = place.run("sample-1")
    place.world.clock.move(2 * HOUR)
    assert isinstance(place.turns.take(one), StillWaiting)
    place.world.clock.move(SECOND)
    assert place.turns.take(one) == TurnTaken()


def test_at_a_service_a_holder_that_cannot_be_read_keeps_its_place_for_a_day() -> None:
    place = Place({"when_busy": "parallel"}, max_parallel=1, timeout="2h")
    place.run("sample-0", Phase.TRAINING)
    place.world.damage("runs/sample-0")
    place.put(place.service, holders=("sample-0",))
    one = place.run("sample-1")
    place.world.clock.move(DAY)
    assert isinstance(place.turns.take(one), StillWaiting)
    place.world.clock.move(SECOND)
    assert place.turns.take(one) == TurnTaken()


def test_a_run_that_cannot_be_read_waits_in_no_line(caplog: pytest.LogCaptureFixture) -> None:
    place = Place(QUEUE)
    place.run("sample-0")
    place.world.damage("runs/sample-0")
    place.put(waiting=turns("sample-0"))
    assert place.turns.take(place.run("sample-1")) == TurnTaken()
    assert caplog.text.count("the queue goes on without it") == 1


def test_whoever_is_about_to_be_stored_keeps_its_place_and_nobody_else_without_a_record() -> None:
    for gathering, marked, kept in (
        ("sample-0", True, True),
        ("sample-0", False, False),
        ("sample-9", True, False),
        (None, True, False),
    ):
        place = Place(QUEUE)
        if marked:
            place.ledger.mark_open("sample-0", {})
        slot = place.put(holders=("sample-0",), gathering=gathering)
        assert (place.turns.pruned(slot).holders == ("sample-0",)) is kept


def test_whoever_does_not_wait_any_more_is_taken_out_of_the_front_of_a_line() -> None:
    place = Place(QUEUE)
    place.run("sample-0", Phase.CANCELLED)
    place.run("sample-1", Phase.TRAINING)
    place.run("sample-2")
    slot = place.put(waiting=turns("sample-0", "sample-1", "sample-2", "sample-3"))
    assert [t.run_id for t in place.turns.in_line(slot).waiting] == ["sample-2", "sample-3"]
    assert place.turns.in_line(slot, "sample-0") == slot
    assert place.turns.in_line(slot, "sample-1").next_in_line == "sample-1"
    empty = place.turns.in_line(slot.model_copy(update={"waiting": turns("sample-0")}))
    assert empty.waiting == ()


def test_a_run_whose_job_is_there_has_those_without_one_give_way() -> None:
    place = Place({"when_busy": "queue"})
    place.run("sample-0", Phase.WAITING)
    place.put(holders=("sample-0",), waiting=())
    assert place.turns.take(place.run("sample-1", job="j1")) == TurnTaken()
    assert place.slot().holders == ("sample-1",)
    for phase, job in ((Phase.TRAINING, None), (Phase.WAITING, "j2")):
        place = Place({"when_busy": "queue"})
        place.run("sample-0", phase, job=job)
        place.put(holders=("sample-0",))
        assert isinstance(place.turns.take(place.run("sample-1", job="j1")), StillWaiting)
        assert place.slot().holders == ("sample-0",)


def test_a_run_with_a_job_has_no_unreadable_one_give_way() -> None:
    place = Place({"when_busy": "queue"})
    place.run("sample-0")
    place.world.damage("runs/sample-0")
    place.put(holders=("sample-0",))
    assert isinstance(place.turns.take(place.run("sample-1", job="j1")), StillWaiting)


def test_a_slot_that_keeps_changing_is_tried_five_times(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(QUEUE)
    one = place.run("sample-1")
    tried: list[str] = []

    def late(name: str, *_: object) -> None:
        tried.append(name)
        raise Conflict(name)

    put = place.ledger.put_slot
    monkeypatch.setattr(place.ledger, "put_slot", late)
    with pytest.raises(Conflict, match=f"{KEY} keeps changing"):
        place.turns.take(one)
    assert tried == [KEY] * 5

    tried.clear()
    monkeypatch.setattr(place.ledger, "put_slot", lambda *c: _once(tried, put, *c))
    assert place.turns.take(one) == TurnTaken()


def _once(tried: list[str], put: Any, *changes: Any) -> None:
    """Fail four times, and then store what is to be stored."""
    tried.append("")
    if len(tried) < 5:
        raise Conflict(KEY)
    put(*changes)


def test_a_pause_says_whose_it_is_and_why() -> None:
    place = Place(QUEUE)
    slot = Slot(pipeline="sample")
    assert place.turns.hindrance(slot, place.config, "sample-1") is None
    pause = Pause(by="ada", at=NOW, reason="maintenance")
    place.ledger.put_pauses("sample", Pauses(pause=pause), NEW)
    why = place.turns.hindrance(slot, place.config, "sample-1")
    assert why == "paused by ada: maintenance"
    bare = pause.model_copy(update={"reason": ""})
    place.ledger.put_pauses("sample", Pauses(pause=bare), place.ledger.pauses("sample").etag)
    assert place.turns.hindrance(slot, place.config, "sample-1") == "paused by ada"
    told = place.turns.take(place.run("sample-1"))
    assert told == StillWaiting("paused by ada", KEY)


def test_a_budget_that_is_used_up_lets_nothing_begin_but_what_was_paid_for() -> None:
    place = Place({**QUEUE, "budget": {"most_per_day": 1}})
    slot = Slot(pipeline="sample", begun=turns("sample-1"))
    assert "used up" in str(place.turns.hindrance(slot, place.config, "sample-2"))
    assert place.turns.hindrance(slot, place.config, "sample-1") is None
    place.world.clock.move(DAY)
    assert place.turns.hindrance(slot, place.config, "sample-2") is None


def test_as_many_failures_in_a_row_as_are_allowed_pause_the_key_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place({**QUEUE, "pause_after": 2})
    place.run("sample-1", Phase.FAILED)
    place.put(begun=turns("sample-1", "sample-2"))
    stored = place.ledger.slot(KEY)
    assert stored is not None
    assert not place.turns.paused_by_failures(stored, place.config)  # one is not known
    place.run("sample-2", Phase.TIMED_OUT)
    place.world.clock.move(MINUTE)
    assert place.turns.paused_by_failures(stored, place.config)
    paused = place.slot().paused
    assert paused is not None
    assert (paused.by, paused.at) == ("relearn", place.world.clock.now())
    assert paused.reason == "2 runs in a row failed, the last one was sample-2"
    assert place.ledger.pauses("sample").record.by_failures == paused
    (said,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (said["event_id"], said["pipeline"], said["run_id"]) == ("RL1007", "sample", "sample-2")
    stored = place.ledger.slot(KEY)
    assert stored is not None
    assert not place.turns.paused_by_failures(stored, place.config)
    without = Place(QUEUE)
    without.run("sample-1", Phase.FAILED)
    without.put(begun=turns("sample-1"))
    unlimited = without.ledger.slot(KEY)
    assert unlimited is not None
    assert not without.turns.paused_by_failures(unlimited, without.config)


def test_a_run_that_cannot_be_read_is_neither_failure_nor_success() -> None:
    place = Place({**QUEUE, "pause_after": 2})
    for name in ("sample-1", "sample-2", "sample-3"):
        place.run(name, Phase.FAILED)
    place.world.damage("runs/sample-2")
    place.put(begun=turns("sample-1", "sample-2", "sample-3"))
    stored = place.ledger.slot(KEY)
    assert stored is not None
    assert place.turns.paused_by_failures(stored, place.config)


def test_there_is_room_until_as_many_runs_are_at_work_as_may_be() -> None:
    place = Place({"when_busy": "parallel", "max_parallel": 2})
    assert place.turns.has_room(place.config)
    place.run("sample-0", Phase.TRAINING)
    place.put(OVER, holders=("sample-0",))
    assert place.turns.has_room(place.config)
    place.run("sample-1", Phase.TRAINING)
    for name in ("sample-0", "sample-1"):
        place.ledger.mark_open(name, {"phase": Phase.TRAINING})
    place.put(OVER, holders=("sample-0", "sample-1"))
    place.world.calls.clear()
    assert not place.turns.has_room(place.config)
    assert place.world.calls.count("read runs") == 0  # their markers say that they are at work
    unlimited = Place({"when_busy": "parallel"})
    unlimited.put(OVER, holders=("sample-0",))
    assert unlimited.turns.has_room(unlimited.config)


@pytest.mark.parametrize("phase", [Phase.PARKED, Phase.AWAITING_APPROVAL, Phase.FAILED])
def test_a_run_in_front_of_a_person_or_over_leaves_room(phase: Phase) -> None:
    place = Place({"when_busy": "parallel", "max_parallel": 2})
    place.run("sample-0", Phase.TRAINING)
    place.run("sample-1", phase)
    place.ledger.mark_open("sample-0", {"phase": Phase.TRAINING})
    if not phase.ended:
        place.ledger.mark_open("sample-1", {"phase": phase})
    place.put(OVER, holders=("sample-0", "sample-1"))
    assert place.turns.has_room(place.config)
    place.put(OVER, holders=("sample-0", "sample-1", "sample-0"))  # one too many: a lower limit
    assert not place.turns.has_room(place.config)


def test_markers_that_may_be_behind_are_those_of_idle_runs() -> None:
    assert MAY_BE_IDLE == ("", Phase.PARKED, Phase.AWAITING_APPROVAL)


def test_of_those_behind_the_newest_others_are_looked_at_each_time() -> None:
    place = Place({"when_busy": "newest"})
    names = [f"sample-{number:02}" for number in range(50)]
    for name in names:
        place.run(name, Phase.CANCELLED)
    newest = place.run("sample-x")
    place.put(waiting=turns(*names, "sample-x"), numbers=0, newest_first=True)
    assert place.turns.take(newest) == TurnTaken()
    left = [turn.run_id for turn in place.slot().waiting]
    assert left == names[20:]
    place = Place({"when_busy": "newest"})
    for name in names:
        place.run(name, Phase.CANCELLED)
    newest = place.run("sample-x")
    place.put(waiting=turns(*names, "sample-x"), numbers=2, newest_first=True)
    assert place.turns.take(newest) == TurnTaken()
    left = [turn.run_id for turn in place.slot().waiting]
    assert left == names[10:40]
