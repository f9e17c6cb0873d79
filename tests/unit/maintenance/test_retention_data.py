"""Records of data over the years."""

import logging
from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Kind
from tests.fakes.world import DATA, World, pipeline
from tests.unit.intake.test_customers import both
from tests.unit.maintenance.ages import ALL, BARE, ROWS, rename, search, years
from tests.unit.maintenance.cleaning import AGES, cleaned, kept, promoted
from tests.unit.worlds import Observed

DAY = timedelta(days=1)


def test_a_version_whose_blob_is_there_is_never_trained_again() -> None:
    world = World(config={"pipeline": ALL})
    promoted(world, "a.csv", ROWS)
    for _ in range(3):
        world.clock.move(AGES)
        cleaned(world)
        world.deliver("a.csv")
        # Another pipeline that wants all there is has everything searched anew.
        rename_to = {**ALL, "name": f"p{world.clock.now():%Y}"}
        second = pipeline(world.training, world.endpoint, {"pipeline": rename_to})
        world.app.last_good.served.adopt(second)
        search(world)
    assert len([run for run in world.runs() if run.pipeline == "sample"]) == 0
    assert len(world.starts) == 4


def test_a_version_whose_blob_is_gone_or_was_overwritten_is_deleted() -> None:
    world = World(config={"pipeline": BARE})
    for name in ("gone.csv", "new.csv", "same.csv"):
        promoted(world, name, ROWS + name.encode())
    world.clock.move(AGES)
    world.blobs.remove(DATA, "gone.csv")
    promoted(world, "new.csv", b"a,b,l\n9,9,1\n")
    cleaned(world)
    assert len(kept(world, "versions")) == 2  # of the new bytes, and of those that never changed


def test_versions_are_not_deleted_while_their_container_is_gone() -> None:
    world = World(config={"pipeline": ALL})
    promoted(world, "a.csv", ROWS)
    world.clock.move(AGES)
    facts, contents = dict(world.blobs.facts), dict(world.blobs.store.contents)
    world.blobs.remove(DATA, "a.csv")
    world.blobs.missing.add(DATA)
    cleaned(world)
    assert len(kept(world, "versions")) == 1
    world.blobs.missing.clear()
    world.blobs.facts.update(facts)
    world.blobs.store.contents.update(contents)
    world.clock.move(timedelta(days=31))
    cleaned(world)
    assert world.deliver("a.csv") == []
    assert world.runs() == []


def test_a_metadata_only_update_of_a_version_that_is_years_old_opens_no_run() -> None:
    world = World(config={"pipeline": ALL})
    promoted(world, "a.csv", ROWS)
    years(world)
    world.blobs.update_metadata(DATA, "a.csv")
    years(world)  # before anything has seen the update
    assert world.deliver("a.csv") == []
    years(world)
    world.blobs.update_metadata(DATA, "a.csv")
    assert world.deliver("a.csv") == []
    assert world.runs() == []
    years(world)
    assert (
        len(kept(world, "versions")) == 1
    )  # of the last metadata-only update; the others are known by it


def test_an_event_years_later_opens_no_run_of_an_id_that_was_used() -> None:
    world = World(config={"pipeline": BARE})
    promoted(world, "a.csv", ROWS)
    for _ in range(40):
        world.clock.move(timedelta(days=29))
        cleaned(world)
        world.deliver("a.csv")
        world.tick()
        assert len(world.starts) == 1
        assert world.open_runs() == []
    assert world.runs() == []


def test_what_a_run_requeued_is_trained_on_though_the_run_is_deleted() -> None:
    world = Observed(config={"pipeline": {**BARE, "when_busy": "queue"}})
    run = world.start("a.csv")
    blob = run.manifest[0]
    world.run_operations.cancel(run.run_id)
    world.until_ended()
    world.app.pipelines.pause("sample", OperatorCommand("ada", ""))
    world.app.inbox.requeue(run, [blob])
    world.clock.move(AGES)
    cleaned(world)
    assert world.runs() == []
    world.app.pipelines.resume("sample")
    for _ in range(20):
        world.tick()
    (again,) = world.runs()
    assert (again.phase, again.manifest[0].name) == (Phase.FINISHED, "a.csv")


def test_a_version_of_a_pipeline_that_was_gone_for_a_while_has_its_run_in_the_end() -> None:
    world = World(config={"pipeline": BARE})
    world.app.activations.refresh()
    world.faults.plan = {len(world.faults.sites) + 2: Kind.CRASH_AFTER}
    world.upload()
    world.survive(world.deliver)
    assert len(kept(world, "versions")) == 1
    assert world.runs() == []
    rename(world, "renamed")
    world.clock.move(AGES)
    cleaned(world)
    rename(world, "sample")
    assert world.until_ended().phase is Phase.FINISHED


def test_what_waits_for_a_pipeline_that_was_removed_is_reported_and_then_deleted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(config={"pipeline": {**BARE, "when_busy": "queue"}})
    world.app.activations.refresh()
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada", ""))
    world.upload()
    world.deliver()
    years(world, days=500)
    assert len(kept(world, "inbox")) == 1  # its pipeline is there
    rename(world, "renamed")
    with caplog.at_level(logging.WARNING):
        years(world, days=380)
    assert "1 data versions wait for pipeline sample, which is not in the pipelines file" in (
        caplog.text
    )
    assert len(kept(world, "inbox")) == 1
    assert kept(world, "pauses") != []
    years(world, days=60)
    assert kept(world, "inbox") == []
    assert kept(world, "pauses") == []


def test_a_pipeline_that_comes_back_in_time_finds_its_data() -> None:
    world = World(config={"pipeline": {**BARE, "when_busy": "queue"}})
    world.app.activations.refresh()
    world.app.pipelines.pause("sample", OperatorCommand("ada", ""))
    world.upload()
    world.deliver()
    for name in ("renamed", "sample") * 3:
        rename(world, name)
        years(world, days=380)
    assert len(kept(world, "inbox")) == 1


def test_what_a_broken_file_leaves_out_is_not_gone() -> None:
    world, *_ = both()
    ledger = world.context.ledger
    entry = ledger.versions.entry(kept(world, "versions")[0].removeprefix("versions/"))
    assert entry is not None
    ledger.inbox.add(("acme",), "v1", entry)
    before = {kind: kept(world, kind) for kind in ("inbox", "endpoints", "drift_checks")}
    rename(world, "renamed")
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    for _ in range(100):
        world.clock.move(29 * DAY)
        cleaned(world, sure=False)
    assert {kind: kept(world, kind) for kind in before} == before
