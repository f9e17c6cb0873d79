"""One due time as it is dealt with: what is opened, what is counted, and when it is looked at."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.core.names import digest
from shared.core.run.record import Origin, Phase
from shared.core.versions import Newest, version_id
from shared.errors import ConflictError, CorruptRecordError, TransientError
from shared.intake.due_times import DueTimes, DueTimesResult, to_start
from shared.intake.requests import DueTimePart, DueTimeResult, Requests
from shared.ledger.schedules import PendingDueTime, ScheduleRecord, TrainedData
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAITS = {"wait_for_data": {"every": "10m", "at_most": "25m"}}
KEYED = {"data": {"blob": "{customer}-{name}.csv", "opens_runs": False}, "key": "customer"}


@dataclass
class Hour:
    """A pipeline with a due time at each full hour, and what a test says that it comes to."""

    config: dict[str, Any] = field(default_factory=dict)
    most: int = 50

    def __post_init__(self) -> None:
        known = {"schedule": HOURLY, "endpoints": [], "data": {"blob": "{name}.csv"}}
        self.world = Observed(config={"pipeline": {**known, **self.config}})
        self.world.app.activations.refresh()
        self.context = self.world.context
        self.asked: Requests = self.world.app.requests
        self.due_times = DueTimes(self.context, self.asked, self.most)
        self.until = timedelta(minutes=5)

    def start(self, listed: Any = None) -> DueTimesResult:
        until = self.world.clock.now() + self.until
        since = self.world.app.activations.scheduled_since("sample")
        return self.due_times.start(
            self.world.pipeline, since, until, {} if listed is None else listed
        )

    def kept(self) -> ScheduleRecord:
        stored = self.context.ledger.schedules.read("sample")
        assert stored is not None
        return stored.record

    def causes(self) -> list[str]:
        return sorted(run.cause for run in self.world.runs())

    def land(self, name: str = "a.csv", content: bytes = b"a,b\n1,2\n") -> None:
        self.world.upload(name, content)


def test_nothing_is_due_without_a_schedule_or_before_its_time() -> None:
    pipeline = Hour().world.pipeline
    none = pipeline.model_copy(update={"schedule": None})
    assert to_start(none, NOON, NOON + DAY) == []
    assert to_start(pipeline, NOON, NOON + HOUR - SECOND) == []
    assert to_start(pipeline, NOON, NOON + 3 * HOUR) == [NOON + 3 * HOUR]


def test_what_was_missed_by_ten_minutes_is_let_go_where_that_is_wanted() -> None:
    pipeline = Hour({"catch_up": "none"}).world.pipeline
    late = NOON + HOUR + 10 * MINUTE
    assert to_start(pipeline, NOON, late - SECOND) == [NOON + HOUR]
    assert to_start(pipeline, NOON, late) == []
    assert to_start(pipeline, NOON + HOUR, NOON + HOUR + SECOND) == []
    every = Hour({"catch_up": "all", "catch_up_most": 2}).world.pipeline
    assert to_start(every, NOON, NOON + 3 * HOUR) == [NOON + 2 * HOUR, NOON + 3 * HOUR]


def test_a_first_look_keeps_since_when_due_times_count_and_then_costs_one_read() -> None:
    hour = Hour()
    assert hour.start() == DueTimesResult((), more=False)
    assert hour.kept() == ScheduleRecord(last_due=NOON)
    hour.world.calls.clear()
    assert hour.start() == DueTimesResult()
    assert [call for call in hour.world.calls if "schedules" in call] == ["read schedules"]


def test_a_due_time_opens_its_run_and_is_kept_with_what_it_trained_on() -> None:
    hour = Hour()
    hour.start()
    hour.land()
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
    hour.land()
    blob = hour.world.blobs.head(DATA, "a.csv")
    assert blob is not None
    bare = blob.model_copy(update={"content_md5": None})
    hour.world.clock.move(HOUR)
    hour.start({"sample": {digest("key"): Newest(bare)}})
    (trained,) = hour.kept().trained.values()
    assert trained.bytes_id == version_id("sample", bare)


def test_data_is_listed_once_for_all_turns_of_a_call() -> None:
    hour = Hour()
    hour.start()
    hour.land()
    hour.world.clock.move(HOUR)
    listed: dict[str, Any] = {}
    hour.start(listed)
    assert list(listed) == ["sample"]
    hour.world.clock.move(HOUR)
    hour.world.blobs.remove(DATA, "a.csv")
    assert len(hour.start(listed).opened) == 1
    assert hour.start({}).opened == ()


def test_a_worker_that_another_one_was_as_fast_as_returns_what_it_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hour = Hour()
    hour.start()
    hour.land()
    hour.world.clock.move(HOUR)

    def late(*_: object) -> None:
        raise ConflictError("schedules/sample")

    monkeypatch.setattr(hour.context.ledger.schedules, "put", late)
    started = hour.start()
    assert started == DueTimesResult(tuple(run.run_id for run in hour.world.runs()), more=False)
    assert len(started.opened) == 1


def test_no_more_runs_than_a_turn_may_open_and_the_rest_is_more() -> None:
    hour = Hour({"catch_up": "all", "catch_up_most": 5}, most=2)
    hour.start()
    hour.land()
    hour.world.clock.move(3 * HOUR)
    started = hour.start()
    assert (len(started.opened), started.more) == (2, True)
    assert [due.at for due in hour.kept().waiting] == [NOON + 3 * HOUR]
    assert (len(hour.start().opened), hour.start().opened) == (1, ())


def test_nothing_is_opened_when_the_time_is_up_and_nothing_is_lost() -> None:
    hour = Hour()
    hour.start()
    hour.land()
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
    hour.land()
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
    hour = Hour()
    stored = ScheduleRecord(last_due=known) if known else None
    assert hour.due_times._since(stored, since) == counts_from


# Data that comes late


def test_a_due_time_without_new_data_is_looked_at_again_until_its_wait_is_over() -> None:
    hour = Hour(WAITS)
    hour.start()
    hour.world.clock.move(HOUR)
    checks = []
    for _ in range(3):
        assert hour.start().opened == ()
        (due,) = hour.kept().waiting
        assert (due.at, due.until) == (NOON + HOUR, NOON + HOUR + 25 * MINUTE)
        assert (due.after, due.opened, due.without, due.failed) == ("", 0, 0, 0)
        checks.append(due.next_check - NOON - HOUR)
        hour.world.clock.time = due.next_check
    assert checks == [10 * MINUTE, 20 * MINUTE, 25 * MINUTE]
    hour.start()
    assert hour.kept().waiting == ()


def test_the_last_look_takes_what_there_is_unless_only_new_data_is_wanted() -> None:
    for skip, opened in ((False, 1), (True, 0)):
        hour = Hour({**WAITS, "skip_if_no_new_data": skip})
        hour.land()
        blob = hour.world.blobs.head(DATA, "a.csv")
        assert blob is not None
        entry = VersionEntry(pipeline="sample", blob=blob, run_id="sample-1")
        version = version_id("sample", blob)
        hour.context.ledger.versions.add(version, entry)
        hour.start()
        hour.world.clock.move(HOUR)
        assert hour.start().opened == ()
        hour.world.clock.move(25 * MINUTE - SECOND)
        assert hour.start().opened == ()
        hour.world.clock.move(SECOND)
        assert len(hour.start().opened) == opened


@pytest.mark.parametrize(
    ("known", "new"),
    [
        (None, True),
        ("waits", False),
        ("old", True),
        ("another run", False),
        ("touch", False),
    ],
)
def test_data_is_new_to_a_schedule_unless_it_has_or_will_have_its_run(
    known: str | None, *, new: bool
) -> None:
    hour = Hour({"skip_if_no_new_data": True})
    hour.start()
    hour.land()
    blob = hour.world.blobs.head(DATA, "a.csv")
    assert blob is not None
    version = version_id("sample", blob)
    run_id = "sample-1" if known == "another run" else None
    entry = VersionEntry(
        pipeline="sample", blob=blob, run_id=run_id, older_than_pipeline=known == "old"
    )
    if known == "waits":
        hour.context.ledger.inbox.add((), version, entry)
    elif known is not None:
        hour.context.ledger.versions.add(version, entry)
    hour.world.clock.move(HOUR)
    assert bool(hour.start().opened) is new


def test_the_same_bytes_are_not_trained_on_at_the_next_due_time_where_only_new_ones_are() -> None:
    hour = Hour({"skip_if_no_new_data": True})
    hour.start()
    hour.land()
    hour.world.clock.move(HOUR)
    assert len(hour.start().opened) == 1
    hour.world.blobs.touch(DATA, "a.csv")
    hour.world.clock.move(HOUR)
    assert hour.start().opened == ()
    hour.world.clock.move(HOUR)
    hour.land("a.csv", b"a,b\n5,5\n7,7\n")
    assert len(hour.start().opened) == 1


def test_nothing_new_is_skipped_quietly_and_nothing_at_all_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "relearn")
    for skip in (True, False):
        hour = Hour({"skip_if_no_new_data": skip})
        hour.start()
        hour.world.clock.move(HOUR)
        hour.start()
    quiet, told = [line for line in caplog.messages if "due at" in line]
    assert "there is no new data: skipped" in quiet
    assert "and no blob matches {name}.csv" in told
    (alert,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (alert["event_id"], alert["pipeline"]) == ("RL1008", "sample")


def test_a_due_time_that_opened_a_run_for_one_key_is_not_told_as_without_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hour = Hour({**KEYED, "skip_if_no_new_data": True})
    hour.start()
    hour.land("a-1.csv")
    hour.world.clock.move(HOUR)
    hour.start()
    hour.land("b-1.csv", b"a,b\n3,3\n")
    hour.world.clock.move(HOUR)
    caplog.set_level("INFO", "relearn")
    caplog.clear()
    assert len(hour.start().opened) == 1
    assert "no new data" not in caplog.text


# Runs that cannot be opened


def broken(hour: Hour, error: Exception) -> Callable[[], None]:
    """Have no run be opened; the function given ends it."""
    ledger = hour.context.ledger
    create = ledger.runs.create

    def fails(_: object) -> Any:
        raise error

    def mended() -> None:
        ledger.runs.create = create  # type: ignore[method-assign]

    ledger.runs.create = fails  # type: ignore[method-assign, assignment]
    return mended


def test_a_run_that_cannot_be_opened_is_tried_every_five_minutes_for_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hour = Hour({"catch_up": "none"})
    hour.start()
    hour.land()
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
    hour.land()
    hour.world.clock.move(HOUR)
    mended = broken(hour, TransientError("busy"))
    hour.start()
    mended()
    assert hour.start().opened == ()  # not before its next look
    hour.world.clock.move(5 * MINUTE)
    assert len(hour.start().opened) == 1
    assert hour.kept().waiting == ()


def test_a_storage_that_fails_is_left_after_three_keys_for_a_minute() -> None:
    hour = Hour(KEYED)
    hour.start()
    for customer in "abcde":
        hour.land(f"{customer}-1.csv")
    hour.world.clock.move(HOUR)
    mended = broken(hour, TransientError("busy"))
    hour.start()
    (due,) = hour.kept().waiting
    keys = sorted(hour.asked.by_key(hour.world.pipeline))
    assert (due.after, due.failed, due.opened) == (keys[2], 3, 0)
    assert due.next_check == NOON + HOUR + MINUTE
    mended()
    hour.world.clock.move(MINUTE)
    assert len(hour.start().opened) == 2
    (due,) = hour.kept().waiting  # the first three once more
    assert (due.after, due.next_check) == ("", hour.world.clock.now() + 5 * MINUTE)
    hour.world.clock.move(5 * MINUTE)
    assert len(hour.start().opened) == 3
    assert hour.kept().waiting == ()


def test_a_part_that_stopped_for_want_of_time_goes_on_at_once_and_counts_on() -> None:
    hour = Hour(KEYED, most=2)
    hour.start()
    for customer in "abc":
        hour.land(f"{customer}-1.csv")
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
    return hour.asked.due(hour.world.pipeline, NOON, part(hour, **changes), had)


def test_a_due_time_whose_data_had_its_run_counts_the_keys_without() -> None:
    hour = Hour(KEYED)
    for customer in "ab":
        hour.land(f"{customer}-1.csv")
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
        hour.land(f"{customer}-1.csv")
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


def test_one_customer_whose_records_are_damaged_is_passed_over_and_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hour = Hour(KEYED)
    for customer in "ab":
        hour.land(f"{customer}-1.csv")
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
        hour.land(f"{customer}-1.csv")
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


def test_the_newest_blob_of_each_key_is_told_by_time_and_then_by_name() -> None:
    hour = Hour({**KEYED, "data": {"blob": "{customer}-{name}.csv", "min_size": 5}})
    for name in ("a-2.csv", "a-1.csv", "b-1.csv"):
        hour.land(name)
    hour.world.clock.move(SECOND)
    hour.land("b-0.csv")
    hour.land("c-1.csv", b"tiny")
    hour.land("d-1.csv", b"small")
    newest = hour.asked.newest_data(hour.world.pipeline)
    assert sorted(blob.name for blob in newest) == ["a-2.csv", "b-0.csv", "d-1.csv"]
    assert set(hour.asked.by_key(hour.world.pipeline)) == {
        digest("key", customer) for customer in "abd"
    }
