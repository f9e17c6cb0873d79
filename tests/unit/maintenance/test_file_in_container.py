"""A pipelines file in a container: it is read first, and faults of the storage stop no work."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import PermanentError, TransientError
from tests.unit.maintenance.contained_files import CONFIG, FILE, SHOWN, Contained, Process

MINUTE = timedelta(minutes=1)
AWAY = TransientError("storage: check it: ServerBusy (503): the storage account cannot be reached")
DENIED = PermanentError(f"storage: check {CONFIG}/{FILE}: AuthorizationFailure (403): denied")


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Contained:
    caplog.set_level("INFO", "relearn")
    return Contained(folder=tmp_path)


@pytest.fixture
def process(world: Contained) -> Process:
    made = world.process()
    made.look()
    return made


def search_wanted(world: Contained) -> int:
    """How often the search's record was written."""
    return len([call for call in world.calls if call in ("create search", "replace search")])


def test_the_first_reading_is_a_start_and_no_change(
    world: Contained, caplog: pytest.LogCaptureFixture
) -> None:
    world.calls.clear()
    process = world.process()
    assert process.attempts == {"sample": 1, "other": 1}
    assert (process.said, world.calls) == ("", [])
    assert f"{SHOWN} was read and is used from now on" in caplog.text
    assert not process.changed_file.check()  # nothing was missed, so nothing is searched for
    assert search_wanted(world) == 0
    process.app.activations.refresh()
    run = process.arrive("new-1.csv")[0]
    assert run.config.training.attempts == 1


def test_a_check_costs_one_head_for_each_file_and_a_reading_one_get_more(
    world: Contained, process: Process
) -> None:
    world.beside.heads.clear()
    world.beside.reads.clear()
    for _ in range(3):
        process.tick()
    assert world.beside.heads == ["team/pipelines.yaml", "team/probe.json"] * 3
    assert world.beside.reads == []
    world.beside.heads.clear()
    world.attempts(2)
    world.beside.heads.clear()
    world.beside.reads.clear()
    process.tick()
    assert process.attempts == {"sample": 2, "other": 2}
    # It is noticed by a HEAD and a GET; each file then is read between two HEADs.
    assert len(world.beside.heads) == 2 + 2 * 2
    assert len(world.beside.reads) == 1 + 2


def test_a_storage_that_is_away_at_the_start_leaves_the_last_good_configurations(
    world: Contained, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    world.attempts(3)
    world.beside.away = AWAY
    later = world.process()
    assert later.attempts == process.attempts == {"sample": 1, "other": 1}
    assert f"{SHOWN}: cannot be read now: it is again each tick" in later.said
    assert "sample, other" in later.said or "other, sample" in later.said
    run = later.arrive("new-1.csv")[0]
    for _ in range(3):
        later.tick()
    assert later.attempts == {"sample": 1, "other": 1}
    world.beside.away = None
    later.tick()
    assert (later.attempts, later.said) == ({"sample": 3, "other": 3}, "")
    assert world.until_idle(run).phase is Phase.PROMOTED


def test_data_of_a_new_pipeline_that_came_while_the_storage_was_away_is_found(
    world: Contained, process: Process
) -> None:
    del process
    third = {**world.tree["pipelines"]["other"], "data": {"blob": "third-{name}.csv"}}
    world.tree["pipelines"]["third"] = {**third, "endpoints": []}
    world.write()
    world.beside.away = AWAY
    later = world.process()
    world.clock.move(10 * MINUTE)
    assert later.arrive("third-1.csv") == []
    world.clock.move(10 * MINUTE)
    world.beside.away = None
    later.look()
    assert [run.pipeline for run in world.runs()] == ["third"]


def test_a_storage_that_is_away_changes_nothing_and_health_says_so_after_a_while(
    world: Contained, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    world.attempts(3)
    world.beside.away = AWAY
    lists = world.calls.count("list configurations")
    for _ in range(9):
        process.tick()
    assert (process.attempts["sample"], process.said) == (1, "")
    assert caplog.text.count("cannot be checked now") == 1
    process.tick()
    process.tick()
    assert f"{SHOWN}: could not be checked since" in process.said
    assert "ServerBusy" in process.said
    assert world.calls.count("list configurations") - lists <= 1  # none but that of ten minutes
    world.beside.away = None
    process.tick()
    assert (process.attempts["sample"], process.said) == (3, "")


def test_a_refused_file_changes_nothing_and_is_read_again_by_itself(
    world: Contained, process: Process
) -> None:
    world.beside.away = DENIED
    process.tick()
    assert process.attempts == {"sample": 1, "other": 1}
    assert f"{SHOWN}: cannot be read" in process.said
    assert "allowed to read container config, which PIPELINES_FILE names" in process.said
    assert world.process().attempts == {"sample": 1, "other": 1}
    world.beside.heads.clear()
    process.tick()
    assert world.beside.heads == [FILE]
    world.beside.away = None
    process.tick()
    assert process.said == ""


def test_a_file_in_the_archive_tier_is_not_blamed_on_the_identity(
    world: Contained, process: Process
) -> None:
    world.beside.away = PermanentError(
        f"storage: read {CONFIG}/{FILE}: BlobArchived (409): it is in the archive tier: set it"
    )
    process.tick()
    assert process.attempts == {"sample": 1, "other": 1}
    assert "it is in the archive tier: set it): correct that at the blob" in process.said
    assert "identity" not in process.said


def test_a_file_that_is_deleted_and_created_again_changes_nothing(
    world: Contained, process: Process
) -> None:
    world.beside.remove(CONFIG, FILE)
    process.tick()
    assert process.attempts == {"sample": 1, "other": 1}
    assert f"{SHOWN}: is not in container config of the ledger's account" in process.said
    assert world.process().attempts == {"sample": 1, "other": 1}
    assert {n for n in world.documents.rows if n.startswith("configurations/")} == {
        "configurations/sample",
        "configurations/other",
    }
    world.write()
    process.tick()
    assert (process.attempts, process.said) == ({"sample": 1, "other": 1}, "")


def test_a_broken_file_keeps_what_was_good_and_names_the_line_of_the_blob(
    world: Contained, process: Process
) -> None:
    world.tree["pipelines"]["sample"]["endpoints"][0]["resorce"] = "x"
    world.tree["pipelines"]["other"]["training"]["attempts"] = 3
    world.write()
    process.tick()
    assert process.attempts == {"sample": 1, "other": 3}
    assert f"{SHOWN}:" in process.said
    first = process.app.found[0]
    assert first.where.partition(": ")[0].rpartition(":")[2].isdigit()
    world.write("pipelines: {")
    process.tick()
    assert process.attempts == {"sample": 1, "other": 3}
    later = world.process()
    assert later.attempts == {"sample": 1, "other": 3}


def test_a_host_that_read_an_older_copy_is_corrected_by_its_next_check(
    world: Contained, process: Process
) -> None:
    slow = world.process()
    slow.look()
    world.attempts(4)
    process.tick()
    world.clock.move(11 * MINUTE)
    slow.app.activations.refresh()  # it stores its older configuration once more
    assert b'"attempts":1' in world.documents.rows["configurations/sample"].body
    slow.look()
    assert slow.attempts == process.attempts == {"sample": 4, "other": 4}
    assert b'"attempts":4' in world.documents.rows["configurations/sample"].body
    world.beside.away = AWAY
    assert world.process().attempts == {"sample": 4, "other": 4}


def test_events_after_an_idle_time_wait_for_the_file_that_one_of_them_reads(
    world: Contained, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.attempts(2)
    begun, go, head = Event(), Event(), world.beside.head

    def slow(container: str, name: str) -> Any:
        begun.set()
        assert go.wait(5)
        return head(container, name)

    def arrive() -> int:
        process.changed_file.check_sometimes()
        return process.attempts["sample"]

    monkeypatch.setattr(world.beside, "head", slow)
    for seconds in ("_SELDOM", "_STALE"):
        monkeypatch.setattr(f"shared.maintenance.changed_file.{seconds}", 0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(arrive)
        assert begun.wait(5)
        second = pool.submit(arrive)
        with suppress(TimeoutError):
            second.result(timeout=0.2)  # one that does not wait ends by then
        go.set()
        assert (first.result(5), second.result(5)) == (2, 2)


def test_an_older_host_deletes_no_pipeline_for_good(world: Contained, process: Process) -> None:
    slow = world.process()
    slow.look()
    third = {**world.tree["pipelines"]["other"], "data": {"blob": "third-{name}.csv"}}
    world.tree["pipelines"]["third"] = {**third, "endpoints": []}
    world.write()
    process.tick()
    assert "configurations/third" in world.documents.rows
    world.clock.move(11 * MINUTE)
    slow.app.activations.refresh()
    assert "configurations/third" not in world.documents.rows
    slow.look()
    assert "configurations/third" in world.documents.rows
