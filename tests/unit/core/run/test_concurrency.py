"""The arithmetic of slots, queues, budgets and failures in a row."""

from datetime import datetime, timedelta

import pytest

from shared.core.run.concurrency import (
    Pause,
    Pauses,
    QueueEntry,
    RecentRuns,
    RunQueue,
    newest_first,
    next_allowed,
    over_budget,
    policy_of,
    releases_service_slot,
    releases_slot,
    starts_to_keep,
    superseded_by,
)
from shared.core.run.record import Phase
from tests.unit.samples import HOUR, NOW, pipeline, run

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def begun(*runs: str, keep: int = 10) -> RunQueue:
    """Return a slot in which these runs began, an hour apart, the first of them now."""
    run_queue = RunQueue()
    for number, run_id in enumerate(runs):
        run_queue = run_queue.begin(run_id, NOW + number * HOUR, keep=keep)
    return run_queue


def names(entries: tuple[QueueEntry, ...]) -> list[str]:
    return [queue_entry.run_id for queue_entry in entries]


def test_a_run_that_comes_back_began_once_and_has_its_slot_once() -> None:
    run_queue = begun("a", "b", "a")
    assert names(run_queue.begun) == ["a", "b"]
    assert run_queue.begun[0].at == NOW
    assert run_queue.holders == ("a", "b")
    assert run_queue.numbers == 2


def test_a_run_that_begins_waits_no_more_and_the_others_do() -> None:
    run_queue = (
        RunQueue().enqueue("a", NOW, newest_first=False).enqueue("b", NOW, newest_first=False)
    )
    assert names(run_queue.begin("a", NOW, keep=1).waiting) == ["b"]


def test_a_run_waits_once_and_each_entry_has_a_number_of_its_own() -> None:
    run_queue = RunQueue()
    for run_id in ("a", "b", "a"):
        run_queue = run_queue.enqueue(run_id, NOW, newest_first=False)
    run_queue = run_queue.begin("c", NOW, keep=1)
    assert [(queue_entry.run_id, queue_entry.number) for queue_entry in run_queue.waiting] == [
        ("a", 1),
        ("b", 2),
    ]
    assert [(queue_entry.run_id, queue_entry.number) for queue_entry in run_queue.begun] == [
        ("c", 3)
    ]
    assert run_queue.numbers == 3


def test_where_no_slots_are_counted_nobody_holds_one() -> None:
    assert RunQueue().begin("a", NOW, keep=1, holds=False).holders == ()


@pytest.mark.parametrize(
    ("keep", "kept"), [(0, []), (1, ["c"]), (2, ["b", "c"]), (9, ["a", "b", "c"])]
)
def test_as_many_beginnings_are_remembered_as_are_asked_for(keep: int, kept: list[str]) -> None:
    assert names(begun("a", "b", "c", keep=keep).begun) == kept


def test_a_thousand_beginnings_are_remembered_and_no_more() -> None:
    run_queue = RunQueue(
        begun=tuple(QueueEntry(run_id=str(number), at=NOW) for number in range(1000))
    )
    kept = run_queue.begin("last", NOW, keep=5000).begun
    assert (len(kept), kept[0].run_id, kept[-1].run_id) == (1000, "1", "last")


def test_those_that_are_gone_hold_no_slot_and_wait_no_more() -> None:
    run_queue = begun("a", "b").enqueue("c", NOW, newest_first=False)
    left = run_queue.enqueue("d", NOW, newest_first=False).without(lambda one: one in ("a", "c"))
    assert (left.holders, names(left.waiting)) == (("b",), ["d"])


@pytest.mark.parametrize(("newest", "following"), [(False, "a"), (True, "c")])
def test_the_next_in_the_queue_is_the_first_or_the_last_that_came(
    *, newest: bool, following: str
) -> None:
    run_queue = RunQueue()
    assert run_queue.next_queued is None
    for run_id in ("a", "b", "c"):
        run_queue = run_queue.enqueue(run_id, NOW, newest_first=newest)
    assert run_queue.next_queued == following


@pytest.mark.parametrize("phase", list(Phase))
def test_a_slot_is_free_when_its_run_is_over_or_waits_for_an_operator(phase: Phase) -> None:
    waits = phase in (Phase.PARKED, Phase.AWAITING_APPROVAL)
    parked_in = Phase.TRAINING if phase is Phase.PARKED else None
    assert releases_slot(run(phase, parked_in=parked_in)) is (phase.ended or waits)


@pytest.mark.parametrize(
    ("phase", "job", "parked_in", "free"),
    [
        (Phase.WAITING, None, None, False),
        (Phase.RECEIVED, None, None, False),
        (Phase.CREATED, "j1", None, False),
        (Phase.TRAINING, "j1", None, False),
        (Phase.TRAINED, "j1", None, True),
        (Phase.VERIFYING, "j1", None, True),
        (Phase.PARKED, "j1", Phase.TRAINING, False),
        (Phase.PARKED, "j1", Phase.VERIFYING, True),
        (Phase.PARKED, None, Phase.RECEIVED, True),
    ],
)
def test_a_run_counts_at_its_training_service_while_it_has_or_wants_a_job(
    *, phase: Phase, job: str | None, parked_in: Phase | None, free: bool
) -> None:
    assert releases_service_slot(run(phase, job=job, parked_in=parked_in)) is free


@pytest.mark.parametrize(("when_busy", "most"), [("parallel", None), ("queue", 1), ("newest", 1)])
def test_runs_of_one_key_go_one_after_the_other_unless_they_may_go_side_by_side(
    when_busy: str, most: int | None
) -> None:
    assert policy_of(pipeline(when_busy=when_busy)).limit == most


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 1),
        ({"budget": {"most_per_day": 7}}, 7),
        ({"pause_after": 3}, 30),
        ({"pause_after": 1, "budget": {"most_per_day": 40}}, 40),
    ],
)
def test_a_slot_remembers_what_its_budget_and_its_pause_need(
    changes: dict[str, object], count: int
) -> None:
    assert starts_to_keep(pipeline(**changes)) == count


@pytest.mark.parametrize(
    ("when_busy", "order", "newest"),
    [
        ("newest", "oldest_first", True),
        ("queue", "newest_first", True),
        ("queue", "oldest_first", False),
    ],
)
def test_which_of_the_waiting_runs_is_next_is_a_matter_of_the_configuration(
    *, when_busy: str, order: str, newest: bool
) -> None:
    assert newest_first(pipeline(when_busy=when_busy, order=order)) is newest


DAILY = pipeline(budget={"most_per_day": 2})
SPACED = pipeline(budget={"least_interval": "1h"})


def test_a_budget_of_runs_a_day_is_spent_for_a_day() -> None:
    run_queue = begun("a", "b")
    assert over_budget(begun("a"), DAILY, "c", NOW + HOUR) is None
    assert over_budget(run_queue, DAILY, "c", NOW + DAY - SECOND) == (
        "the budget's 2 runs within 24 hours are used up"
    )
    assert over_budget(run_queue, DAILY, "c", NOW + DAY) is None


def test_a_run_that_was_paid_for_is_not_asked_to_pay_again() -> None:
    assert over_budget(begun("a", "b"), DAILY, "a", NOW + HOUR) is None
    assert over_budget(begun("a"), SPACED, "a", NOW) is None


def test_the_next_run_waits_for_its_interval_and_says_how_long() -> None:
    reported = over_budget(begun("a"), SPACED, "b", NOW + HOUR - SECOND)
    assert reported == "the budget allows the next run at 2026-03-01T13:00:00+00:00"
    assert over_budget(begun("a"), SPACED, "b", NOW + HOUR) is None
    assert over_budget(RunQueue(), SPACED, "b", NOW) is None


def test_the_interval_counts_from_the_last_beginning_and_not_from_an_earlier_one() -> None:
    run_queue = begun("a", "b", "c")  # the last of them two hours from now
    assert over_budget(run_queue, SPACED, "d", NOW + 3 * HOUR - SECOND) is not None
    assert over_budget(run_queue, SPACED, "d", NOW + 3 * HOUR) is None


def test_a_queue_is_checked_again_when_the_whole_budget_lets_the_next_run_begin() -> None:
    both = pipeline(budget={"least_interval": "1h", "most_per_day": 2})
    run_queue = begun("a", "b", "c")
    assert next_allowed(run_queue, SPACED) == NOW + 3 * HOUR
    assert next_allowed(run_queue, DAILY) == NOW + HOUR + DAY  # "a" counts no more by then
    assert next_allowed(run_queue, both) == NOW + HOUR + DAY
    assert next_allowed(begun("a"), both) == NOW + HOUR
    assert next_allowed(begun("a", "b"), DAILY) == NOW + DAY
    assert next_allowed(begun("a"), DAILY) is None
    for config in (SPACED, DAILY, both, pipeline()):
        assert next_allowed(RunQueue(), config) is None
    assert next_allowed(run_queue, pipeline()) is None


def test_without_a_budget_there_is_nothing_to_spend() -> None:
    assert over_budget(begun("a", "b"), pipeline(), "c", NOW) is None


NEWEST = pipeline(when_busy="newest")


def test_a_waiting_run_is_superseded_by_the_newest_that_waits_or_began() -> None:
    run_queue = RunQueue()
    for run_id in ("a", "b", "c"):
        run_queue = run_queue.enqueue(run_id, NOW, newest_first=True)
    assert superseded_by(run_queue, NEWEST, "a") == "c"
    assert superseded_by(run_queue, NEWEST, "c") is None
    assert superseded_by(run_queue.begin("d", NOW, keep=9), NEWEST, "c") == "d"
    assert superseded_by(run_queue.begin("b", NOW, keep=9), NEWEST, "a") == "b"
    assert superseded_by(run_queue, NEWEST, "unknown") is None
    assert superseded_by(run_queue, pipeline(when_busy="queue"), "a") is None


PAUSE = Pause(by="ada", at=NOW)


def test_failures_before_the_last_resume_do_not_count() -> None:
    assert Pauses().counts(NOW)
    assert not Pauses(resumed_at=NOW).counts(NOW)
    assert Pauses(resumed_at=NOW).counts(NOW + SECOND)


def test_a_pause_by_failures_is_in_force_until_an_operator_resumes() -> None:
    paused, before, after = RunQueue(paused=PAUSE), Pauses(), Pauses(resumed_at=NOW)
    assert before.of_failures(paused) == PAUSE
    assert after.of_failures(paused) is None
    assert before.of_failures(RunQueue()) is None
    assert before.of_failures() is None
    assert Pauses(by_failures=PAUSE).of_failures() == PAUSE
    assert Pauses(by_failures=PAUSE).of_failures(RunQueue()) is None
    assert Pauses(by_failures=PAUSE, resumed_at=NOW).of_failures() is None


@pytest.mark.parametrize("at", [NOW, NOW + 2 * HOUR])
def test_nothing_is_paused_after_a_resume_with_wrong_clocks(at: datetime) -> None:
    later = Pause(by="bob", at=NOW + HOUR)
    for paused in (Pauses(pause=later, by_failures=PAUSE), Pauses(pause=PAUSE, by_failures=later)):
        by = Pause(by="ada", at=at)
        assert paused.after(by) == Pauses(resumed_at=max(at, NOW + HOUR), resumed=by)
        assert Pauses().after(by) == Pauses(resumed_at=at, resumed=by)


def failures(
    run_queue: RunQueue, phases: dict[str, Phase | None], pauses: Pauses
) -> tuple[str, ...]:
    return RecentRuns(phases.get).failures(run_queue, pauses)


@pytest.mark.parametrize("bad", [Phase.FAILED, Phase.TIMED_OUT, Phase.ROLLED_BACK, Phase.PARKED])
@pytest.mark.parametrize("good", [Phase.PROMOTED, Phase.UNCHANGED, Phase.FINISHED])
def test_failures_count_in_a_row_back_to_the_last_success(bad: Phase, good: Phase) -> None:
    assert failures(begun("a", "b", "c"), {"a": bad, "b": good, "c": bad}, Pauses()) == ("c",)
    assert failures(begun("a", "b", "c"), {"a": good, "b": bad, "c": bad}, Pauses()) == ("c", "b")


@pytest.mark.parametrize("neither", [Phase.SUPERSEDED, Phase.CANCELLED, Phase.TRAINING, None])
def test_what_is_neither_failure_nor_success_is_between_failures(neither: Phase | None) -> None:
    phases = {"a": Phase.FAILED, "b": neither, "c": Phase.FAILED}
    assert failures(begun("a", "b", "c"), phases, Pauses()) == ("c", "a")


def test_failures_from_before_an_operator_resumed_count_no_more() -> None:
    both: dict[str, Phase | None] = {"a": Phase.FAILED, "b": Phase.FAILED}
    assert failures(begun("a", "b"), both, Pauses(resumed_at=NOW)) == ("b",)
