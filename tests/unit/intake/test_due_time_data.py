"""Data that comes after its due time, and which data is new to a schedule."""

import pytest

from shared.core.versions import version_id
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA
from tests.unit.intake.scheduled_hours import HOUR, KEYED, MINUTE, NOON, SECOND, Hour

WAITS = {"wait_for_data": {"every": "10m", "at_most": "25m"}}


def test_a_due_time_without_new_data_is_checked_again_until_its_wait_is_over() -> None:
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


def test_the_last_probe_takes_what_there_is_unless_only_new_data_is_wanted() -> None:
    for skip, opened in ((False, 1), (True, 0)):
        hour = Hour({**WAITS, "skip_if_no_new_data": skip})
        hour.arrive()
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
    hour.arrive()
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
    hour.arrive()
    hour.world.clock.move(HOUR)
    assert len(hour.start().opened) == 1
    hour.world.blobs.update_metadata(DATA, "a.csv")
    hour.world.clock.move(HOUR)
    assert hour.start().opened == ()
    hour.world.clock.move(HOUR)
    hour.arrive("a.csv", b"a,b\n5,5\n7,7\n")
    assert len(hour.start().opened) == 1


def test_nothing_new_is_skipped_quietly_and_nothing_at_all_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "relearn")
    for skip in (True, False):
        hour = Hour({"skip_if_no_new_data": skip})
        hour.start()
        hour.world.clock.move(HOUR)
        hour.start()
    quiet, reported = [line for line in caplog.messages if "due at" in line]
    assert "there is no new data: skipped" in quiet
    assert "and no blob matches {name}.csv" in reported
    (alert,) = [vars(record) for record in caplog.records if "event_id" in vars(record)]
    assert (alert["event_id"], alert["pipeline"]) == ("RL1008", "sample")


def test_a_due_time_that_opened_a_run_for_one_key_is_not_reported_as_without_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hour = Hour({**KEYED, "skip_if_no_new_data": True})
    hour.start()
    hour.arrive("a-1.csv")
    hour.world.clock.move(HOUR)
    hour.start()
    hour.arrive("b-1.csv", b"a,b\n3,3\n")
    hour.world.clock.move(HOUR)
    caplog.set_level("INFO", "relearn")
    caplog.clear()
    assert len(hour.start().opened) == 1
    assert "no new data" not in caplog.text
