"""A due time: the runs that it opens, its counts, and its next check."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.config.due_times import Done, PendingDueTime, done_up_to, to_start
from shared.core.names import digest
from shared.core.run.record import Origin, Phase
from shared.core.versions import Newest, version_id
from shared.errors import ConflictError
from shared.intake.due_times import DueTimesResult
from shared.ledger.schedules import ScheduleRecord, TrainedData
from tests.fakes.world import DATA
from tests.unit.intake.scheduled_hours import DAY, HOUR, MINUTE, NOON, SECOND, Hour
from tests.unit.intake.test_due_times import HOURLY


def test_nothing_is_due_without_a_schedule_or_before_its_time() -> None:
    pipeline = Hour().world.pipeline
    none = pipeline.model_copy(update={"schedule": None})
    assert to_start(none, NOON, NOON + DAY) == []
    assert to_start(pipeline, NOON, NOON + HOUR - SECOND) == []
    assert to_start(pipeline, NOON, NOON + 3 * HOUR) == [NOON + 3 * HOUR]


def test_what_was_missed_by_ten_minutes_is_skipped_where_that_is_wanted() -> None:
    pipeline = Hour({"catch_up": "none"}).world.pipeline
    late = NOON + HOUR + 10 * MINUTE
    assert to_start(pipeline, NOON, late - SECOND) == [NOON + HOUR]
    assert to_start(pipeline, NOON, late) == []
    assert to_start(pipeline, NOON + HOUR, NOON + HOUR + SECOND) == []
    every = Hour({"catch_up": "all", "catch_up_most": 2}).world.pipeline
    assert to_start(every, NOON, NOON + 3 * HOUR) == [NOON + 2 * HOUR, NOON + 3 * HOUR]


def test_a_first_probe_keeps_since_when_due_times_count_and_then_costs_one_read() -> None:
    hour = Hour()
    assert hour.start() == DueTimesResult((), more=False)
    assert hour.kept() == ScheduleRecord(last_due=NOON)
    hour.world.calls.clear()
    assert hour.start() == DueTimesResult()
    assert [call for call in hour.world.calls if "schedules" in call] == ["read schedules"]


def test_a_due_time_opens_its_run_and_is_kept_with_what_it_trained_on() -> None:
    hour = Hour()
    hour.start()
    hour.arrive()
    hour.world.clock.move(HOUR)
    started = hour.start()
    (run,) = hour.world.runs()
    assert started == DueTimesResult((run.run_id,), more=False)
    assert (run.origin, run.phase) == (Origin.SCHEDULE, Phase.RECEIVED)
    kept = hour.kept()
    assert (kept.last_due, kept.waiting) == (NOON + HOUR, ())
    blob = run.manifest[0]
    same = digest(
        blob.container, blob.name, blob.created.isoformat(), str(blob.size), str(blob.content_md5)
    )
    assert kept.trained == {digest("key"): TrainedData(bytes_id=same, due=NOON + HOUR)}


def test_bytes_of_which_the_storage_keeps_no_digest_are_known_by_their_version() -> None:
    hour = Hour()
    hour.start()
    hour.arrive()
    blob = hour.world.blobs.head(DATA, "a.csv")
    assert blob is not None
    bare = blob.model_copy(update={"content_md5": None})
    hour.world.clock.move(HOUR)
    hour.start({"sample {name}.csv": {digest("key"): Newest(bare)}})
    (trained,) = hour.kept().trained.values()
    assert trained.bytes_id == version_id("sample", bare)


def test_data_is_listed_once_for_all_rounds_of_a_call() -> None:
    hour = Hour()
    hour.start()
    hour.arrive()
    hour.world.clock.move(HOUR)
    listed: dict[str, Any] = {}
    hour.start(listed)
    assert list(listed) == ["sample {name}.csv"]
    hour.world.clock.move(HOUR)
    hour.world.blobs.remove(DATA, "a.csv")
    assert len(hour.start(listed).opened) == 1
    assert hour.start({}).opened == ()


def test_a_worker_that_another_one_was_as_fast_as_returns_what_it_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hour = Hour()
    hour.start()
    hour.arrive()
    hour.world.clock.move(HOUR)

    def late(*_: object) -> None:
        raise ConflictError("schedules/sample")

    monkeypatch.setattr(hour.context.ledger.schedules, "put", late)
    started = hour.start()
    assert started == DueTimesResult(tuple(run.run_id for run in hour.world.runs()), more=False)
    assert len(started.opened) == 1


def test_no_more_runs_than_a_round_may_open_and_the_rest_is_more() -> None:
    hour = Hour({"catch_up": "all", "catch_up_most": 5}, most=2)
    hour.start()
    hour.arrive()
    hour.world.clock.move(3 * HOUR)
    started = hour.start()
    assert (len(started.opened), started.more) == (2, True)
    assert [due.at for due in hour.kept().waiting] == [NOON + 3 * HOUR]
    assert (len(hour.start().opened), hour.start().opened) == (1, ())


def test_nothing_is_opened_when_the_time_is_up_and_nothing_is_lost() -> None:
    hour = Hour()
    hour.start()
    hour.arrive()
    hour.world.clock.move(HOUR)
    hour.until = timedelta()
    started = hour.start()
    assert (started.opened, started.more) == ((), True)
    (due,) = hour.kept().waiting
    assert due == PendingDueTime(at=NOON + HOUR, next_check=NOON + HOUR, until=NOON + HOUR)
    hour.until = SECOND
    assert len(hour.start().opened) == 1


def test_no_new_due_times_are_taken_on_while_a_thousand_are_not_done_with() -> None:
    hour = Hour({"catch_up": "all", "catch_up_most": 1000})
    for count, taken in ((1000, False), (999, True)):
        waiting = tuple(
            PendingDueTime(at=NOON - n * HOUR, next_check=NOON, until=NOON)
            for n in range(1, count + 1)
        )
        stored = hour.context.ledger.schedules.read("sample")
        known = ScheduleRecord(last_due=NOON, waiting=waiting)
        hour.context.ledger.schedules.put("sample", known, stored.etag if stored else None)
        hour.world.clock.time = NOON + HOUR
        hour.until = timedelta()
        hour.start()
        assert (NOON + HOUR in {due.at for due in hour.kept().waiting}) is taken


def test_due_times_that_wait_are_kept_in_order() -> None:
    hour = Hour()
    late, early = (
        PendingDueTime(at=NOON - n * HOUR, next_check=NOON + DAY, until=NOON) for n in (1, 2)
    )
    hour.context.ledger.schedules.put(
        "sample", ScheduleRecord(last_due=NOON, waiting=(late, early)), None
    )
    hour.arrive()
    hour.world.clock.move(HOUR)
    assert len(hour.start().opened) == 1
    assert hour.kept().waiting == (early, late)
    assert hour.kept().last_due == NOON + HOUR


def test_a_time_that_a_host_ahead_dealt_with_is_counted_from_now() -> None:
    hour = Hour()
    hour.context.ledger.schedules.put("sample", ScheduleRecord(last_due=NOON + 10 * MINUTE), None)
    assert hour.start() == DueTimesResult()
    assert hour.kept().last_due == NOON + 10 * MINUTE
    stored = hour.context.ledger.schedules.read("sample")
    assert stored is not None
    ahead = ScheduleRecord(last_due=NOON + 10 * MINUTE + SECOND)
    hour.context.ledger.schedules.put("sample", ahead, stored.etag)
    hour.start()
    assert hour.kept().last_due == NOON


@pytest.mark.parametrize(
    ("since", "known", "counts_from"),
    [
        (NOON - HOUR, None, NOON - HOUR),
        (None, None, NOON - 10 * MINUTE),
        (None, NOON - 3 * HOUR, NOON - 3 * HOUR),
        (NOON - HOUR, NOON - 3 * HOUR, NOON - HOUR),
        (NOON - 3 * HOUR, NOON - HOUR, NOON - HOUR),
    ],
)
def test_due_times_count_from_the_schedules_first_day_or_from_the_last_one(
    since: datetime | None, known: datetime | None, counts_from: datetime
) -> None:
    stored = ScheduleRecord(last_due=known).done if known else None
    assert done_up_to(HOURLY, stored, since, NOON) == Done(counts_from)
