"""A version is in one run's manifest at most, after any change of the configuration."""

from typing import Any

import pytest

from shared.core import names
from shared.core.run.record import Phase, Run
from shared.intake.batch_claims import each_once
from shared.ledger.inbox import InboxEntry
from shared.maintenance.retention import Retention
from shared.operations.commands import OperatorCommand
from tests.unit.intake.configured_hosts import DAY, MINUTE, NO_ENDPOINT, configure, counted, ticks
from tests.unit.intake.test_batches import (
    BURST,
    LISTED,
    NEWEST,
    arrive,
    trained_on,
    waiting,
    world_of,
)
from tests.unit.worlds import Observed

# Hosts that are configured differently


@pytest.mark.parametrize("first", ["newest", "queue"])
def test_a_version_is_in_one_run_while_hosts_with_and_without_an_inbox_work_side_by_side(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of({"when_busy": first, **NO_ENDPOINT})
    world.upload("a.csv")
    world.pipeline = world.pipeline.model_copy(update={"when_busy": "parallel"})
    other = world._worker()
    ledger = world.context.ledger
    put = ledger.run_queues.put

    def superseded(*args: Any) -> None:
        monkeypatch.undo()
        put(*args)
        other.blob_events.blob_arrived("a.csv")  # the other host opens its run at once

    monkeypatch.setattr(ledger.run_queues, "put", superseded)
    world.deliver("a.csv")
    ticks(world)
    assert set(counted(world).values()) == {1}
    assert len(world.starts) == 1
    assert waiting(world) == []


def test_the_rest_of_a_burst_is_trained_on_when_another_host_took_one_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of({**BURST, **NO_ENDPOINT}, **LISTED)
    arrive(world, "a.csv", "b.csv", "c.csv")
    kept = world.pipeline
    world.pipeline = kept.model_copy(update={"when_busy": "parallel", "data": None})
    world.pipeline = kept.model_copy(
        update={"when_busy": "parallel", "data": world_of({}).pipeline.data}
    )
    other = world._worker()
    ledger = world.context.ledger
    put = ledger.run_queues.put

    def superseded(*args: Any) -> None:
        monkeypatch.undo()
        put(*args)
        other.blob_events.blob_arrived("b.csv")

    monkeypatch.setattr(ledger.run_queues, "put", superseded)
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    ticks(world)
    found = sorted(sorted(names_) for names_ in trained_on(world))
    assert found == [["a.csv", "c.csv"], ["b.csv"]]
    assert waiting(world) == []


# A configuration that changes while data waits


def test_a_version_whose_key_changed_is_in_one_manifest_once() -> None:
    keyed = {**BURST, "data": {"blob": "{customer}/{name}.csv", "settle": "2m"}, **NO_ENDPOINT}
    world = world_of({**keyed, "key": "customer"})
    arrive(world, "ada/1.csv", "ada/2.csv")
    configure(world, key=["customer", "name"])
    world.deliver("ada/1.csv")  # again, for another key
    assert len(waiting(world)) == 3
    world.clock.move(3 * MINUTE)
    ticks(world)
    assert set(counted(world).values()) == {1}
    assert sorted(trained_on(world)) == [["ada/1.csv"], ["ada/2.csv"]]
    assert waiting(world) == []


def test_two_pointers_to_one_version_count_once_and_what_was_requeued_says_more() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv")
    (one,) = world.context.ledger.inbox.entries()
    again = InboxEntry(one.pipeline, one.version_id, one.blob, one.pointer, "sample-1")
    assert each_once([one, one]) == (one,)
    assert each_once([one, again]) == each_once([again, one]) == (again,)


def test_customers_whose_data_no_longer_matches_are_not_trained_on_together(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keyed = {"data": {"blob": "{customer}/{name}.csv", "settle": "2m"}, **NO_ENDPOINT}
    world = world_of({**BURST, **keyed, "key": "customer"})
    arrive(world, "ada/1.csv", "bob/1.csv")
    configure(world, data={"blob": "only/{customer}/{name}.csv", "settle": "2m"})
    world.clock.move(3 * MINUTE)
    ticks(world, 10)
    assert world.runs() == []
    assert len(waiting(world)) == 2  # the file may be put right
    assert "2 data versions wait" in caplog.text
    configure(world, data={"blob": "{customer}/{name}.csv", "settle": "2m"})
    ticks(world)
    assert sorted(trained_on(world)) == [["ada/1.csv"], ["bob/1.csv"]]


def test_a_renamed_pipeline_trains_on_what_waited_under_its_old_name() -> None:
    world = world_of({**BURST, **NO_ENDPOINT})
    arrive(world, "a.csv", "b.csv")
    world.clock.move(MINUTE)
    configure(world, name="renamed")
    world.clock.move(3 * MINUTE)
    ticks(world)
    assert [run.pipeline for run in world.runs()] == ["renamed"]
    assert trained_on(world) == [["a.csv", "b.csv"]]
    assert waiting(world) == []


def test_what_waited_for_a_removed_pipeline_is_not_given_to_one_that_heard_of_it_itself() -> None:
    world = world_of({**NEWEST, **NO_ENDPOINT})
    other = world.sibling(data={"blob": "{name}.csv"}, endpoints=[], when_busy="parallel")
    app = world.another(other)
    poll = app.poll
    app.activations.refresh()
    app.pipelines.pause("sample", OperatorCommand("ada"))
    world.clock.move(MINUTE)
    world.upload("a.csv")
    app.blob_events.blob_arrived("a.csv")
    assert len(waiting(world)) == 1
    world.pipeline = other  # the first one is taken out of the file
    world.restart()
    ticks(world)
    assert [run.pipeline for run in world.runs()] == ["other"]
    assert len(waiting(world)) == 1
    del poll


# Runs whose record is gone


def removed(world: Observed, how: str, run: Run) -> None:
    if how == "retention":
        world.clock.move(world.limits.keep + DAY)
        Retention(world.context, world.app.catalogue).clean(world.clock.now() + MINUTE)
        assert f"runs/{run.run_id}" not in world.documents.rows
    else:
        del world.documents.rows[f"runs/{run.run_id}"]


@pytest.mark.parametrize("how", ["retention", "moved away"])
@pytest.mark.parametrize("when_busy", ["newest", "queue"])
def test_new_data_never_opens_a_run_under_the_id_of_one_whose_record_is_gone(
    when_busy: str, how: str
) -> None:
    world = world_of({"when_busy": when_busy, **NO_ENDPOINT})
    arrive(world, "a.csv")
    old = world.until_ended()
    removed(world, how, old)
    world.clock.move(MINUTE)
    world.upload("b.csv", b"a,b,label\n8,8,0\n3,4,1\n")
    world.deliver("b.csv")
    ticks(world)
    (run,) = world.runs()
    assert run.run_id != old.run_id
    assert [blob.name for blob in run.manifest] == ["b.csv"]
    assert run.phase is Phase.FINISHED


@pytest.mark.parametrize("how", ["retention", "moved away"])
def test_an_event_that_comes_again_for_a_run_whose_record_is_gone_opens_none(how: str) -> None:
    world = world_of({"when_busy": "parallel", **NO_ENDPOINT})
    arrive(world, "a.csv")
    old = world.until_ended()
    removed(world, how, old)
    world.deliver("a.csv")
    ticks(world, 5)
    assert world.runs() == []
    assert world.open_runs() == []
    assert len(world.starts) == 1


def test_an_id_that_the_same_data_would_have_again_is_replaced_by_another() -> None:
    world = world_of({"when_busy": "newest", **NO_ENDPOINT})
    (first,) = arrive(world, "a.csv")
    world.until_ended()
    for name in list(world.documents.rows):  # everything but the note that the id was used
        if name.startswith(("runs/", "versions/", "run_queues/", "index/")):
            del world.documents.rows[name]
    world.deliver("a.csv")
    again = world.until_ended()
    assert again.run_id != first.run_id
    assert again.run_id == names.run_id("sample", "again", first.run_id)
    assert again.phase is Phase.FINISHED
