"""A due time of which not all runs can be opened at once, and the parts that follow."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.windows import window_of
from shared.core.names import digest
from shared.core.run.record import Phase
from shared.errors import CorruptRecordError, TransientError
from shared.intake.due_times import DueTimesResult
from shared.intake.requests import DueTimePart, DueTimeResult
from tests.unit.intake.scheduled_hours import DAY, HOUR, KEYED, MINUTE, NOON, SECOND, Hour
from tests.unit.intake.test_due_times import HOURLY

# Runs that cannot be opened


def broken(hour: Hour, error: Exception) -> Callable[[], None]:
    """Have no run be opened; the function given ends it."""
    ledger = hour.context.ledger
    create = ledger.runs.create

    def fails(_: object) -> Any:
        raise error

    def works_again() -> None:
        ledger.runs.create = create  # type: ignore[method-assign]

    ledger.runs.create = fails  # type: ignore[method-assign, assignment]
    return works_again


def test_a_run_that_cannot_be_opened_is_tried_every_five_minutes_for_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hour = Hour({"catch_up": "none"})
    hour.start()
    hour.arrive()
    hour.world.clock.move(HOUR)
    broken(hour, TransientError("busy"))
    assert hour.start() == DueTimesResult((), more=False)
    (due,) = hour.kept().waiting
    assert due.next_check == NOON + HOUR + 5 * MINUTE
    assert (due.failing_since, due.failed, due.opened, due.without) == (NOON + HOUR, 0, 0, 0)
    hour.world.clock.move(DAY - SECOND)
    hour.start()
    assert NOON + HOUR in {due.at for due in hour.kept().waiting}
    assert "given up" not in caplog.text
    hour.world.clock.move(5 * MINUTE)
    hour.start()
    assert NOON + HOUR not in {due.at for due in hour.kept().waiting}
    assert f"due at {(NOON + HOUR).isoformat()}, 1 run could not be opened for a day" in caplog.text


def test_a_run_that_failed_to_open_is_opened_once_that_works() -> None:
    hour = Hour()
    hour.start()
    hour.arrive()
    hour.world.clock.move(HOUR)
    works_again = broken(hour, TransientError("busy"))
    hour.start()
    works_again()
    assert hour.start().opened == ()  # not before its next check
    hour.world.clock.move(5 * MINUTE)
    assert len(hour.start().opened) == 1
    assert hour.kept().waiting == ()


def test_a_storage_that_fails_is_left_after_three_keys_for_a_minute() -> None:
    hour = Hour(KEYED)
    hour.start()
    for customer in "abcde":
        hour.arrive(f"{customer}-1.csv")
    hour.world.clock.move(HOUR)
    works_again = broken(hour, TransientError("busy"))
    hour.start()
    (due,) = hour.kept().waiting
    keys = sorted(hour.asked.by_key(hour.world.pipeline))
    assert (due.after, due.failed, due.opened) == (keys[2], 3, 0)
    assert due.next_check == NOON + HOUR + MINUTE
    works_again()
    hour.world.clock.move(MINUTE)
    assert len(hour.start().opened) == 2
    (due,) = hour.kept().waiting  # the first three once more
    assert (due.after, due.next_check) == ("", hour.world.clock.now() + 5 * MINUTE)
    hour.world.clock.move(5 * MINUTE)
    assert len(hour.start().opened) == 3
    assert hour.kept().waiting == ()


def test_a_part_that_stopped_for_want_of_time_continues_at_once_and_counts_on() -> None:
    hour = Hour(KEYED, most=2)
    hour.start()
    for customer in "abc":
        hour.arrive(f"{customer}-1.csv")
    hour.world.clock.move(HOUR)
    assert hour.start().more
    (due,) = hour.kept().waiting
    assert (due.opened, due.without, due.failed) == (2, 0, 0)
    assert due.next_check == hour.world.clock.now()


# What people and schedules ask for


def part(hour: Hour, **changes: Any) -> DueTimePart:
    blobs = hour.asked.by_key(hour.world.pipeline)
    known = DueTimePart(blobs, "", hour.world.clock.now() + MINUTE, most=9)
    return replace(known, **changes)


def begin(hour: Hour, had: Any = lambda *_: False, **changes: Any) -> DueTimeResult:
    return hour.asked.due(hour.world.pipeline, window_of(HOURLY, NOON), part(hour, **changes), had)


def test_a_due_time_whose_data_had_its_run_counts_the_keys_without() -> None:
    hour = Hour(KEYED)
    for customer in "ab":
        hour.arrive(f"{customer}-1.csv")
    begun = begin(hour, lambda blob, _: blob.name.startswith("a"))
    assert (len(begun.runs), len(begun.opened), begun.without, begun.failed) == (1, 1, 1, 0)
    assert begun.after is None
    again = begin(hour)
    assert (len(again.runs), len(again.opened), again.without) == (2, 1, 0)
    (run_id,) = again.opened
    assert world_phase(hour, run_id) is Phase.RECEIVED
    assert f"open/{run_id}" in hour.world.documents.rows


def world_phase(hour: Hour, run_id: str) -> Phase:
    return next(run.phase for run in hour.world.runs() if run.run_id == run_id)


def test_a_part_begins_behind_the_key_where_the_last_one_stopped() -> None:
    hour = Hour(KEYED)
    for customer in "abc":
        hour.arrive(f"{customer}-1.csv")
    first = begin(hour, most=2)
    assert (len(first.runs), first.after) == (2, sorted(part(hour).blobs)[1])
    rest = begin(hour, after=str(first.after))
    assert (len(rest.runs), len(rest.opened), rest.after) == (1, 1, None)


def test_a_due_time_without_any_data_is_one_without() -> None:
    assert begin(Hour()).without == 1
    assert begin(Hour(KEYED)).without == 1


def test_a_pipeline_without_data_has_one_run_for_each_due_time() -> None:
    hour = Hour()
    training = hour.world.pipeline.training.model_copy(update={"inputs": {}})
    bare = {"data": None, "training": training}
    hour.world.pipeline = hour.world.pipeline.model_copy(update=bare)
    assert hour.asked.by_key(hour.world.pipeline) == {"all": None}
    assert hour.asked.newest_data(hour.world.pipeline) == []
    begun = begin(hour)
    assert len(begun.opened) == 1
    assert begun.runs[0].manifest == ()


def test_one_customer_whose_records_are_damaged_is_passed_over_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hour = Hour(KEYED)
    for customer in "ab":
        hour.arrive(f"{customer}-1.csv")
    run = hour.context.ledger.runs.read
    seen: list[str] = []

    def damaged(run_id: str) -> Any:
        seen.append(run_id)
        if len(seen) == 1:
            raise CorruptRecordError("runs/x is not understood")
        return run(run_id)

    hour.context.ledger.runs.read = damaged  # type: ignore[method-assign, assignment]
    begun = begin(hour)
    assert (len(begun.opened), begun.failed, begun.after) == (1, 0, None)
    assert "no run for one key: runs/x is not understood" in caplog.text


def test_failures_with_a_success_between_them_do_not_stop_a_due_time() -> None:
    hour = Hour(KEYED)
    for customer in "abcde":
        hour.arrive(f"{customer}-1.csv")
    create = hour.context.ledger.runs.create
    seen: list[str] = []

    def some(run: Any) -> Any:
        seen.append(run.run_id)
        if len(seen) in (1, 2, 4, 5):
            raise TransientError("busy")
        return create(run)

    hour.context.ledger.runs.create = some  # type: ignore[method-assign]
    begun = begin(hour)
    assert (len(begun.opened), begun.failed, begun.after) == (1, 4, None)


def test_the_newest_blob_of_each_key_is_known_by_time_and_then_by_name() -> None:
    hour = Hour({**KEYED, "data": {"blob": "{customer}-{name}.csv", "min_size": 5}})
    for name in ("a-2.csv", "a-1.csv", "b-1.csv"):
        hour.arrive(name)
    hour.world.clock.move(SECOND)
    hour.arrive("b-0.csv")
    hour.arrive("c-1.csv", b"tiny")
    hour.arrive("d-1.csv", b"small")
    newest = hour.asked.newest_data(hour.world.pipeline)
    assert sorted(blob.name for blob in newest) == ["a-2.csv", "b-0.csv", "d-1.csv"]
    assert set(hour.asked.by_key(hour.world.pipeline)) == {
        digest("key", customer) for customer in "abd"
    }
