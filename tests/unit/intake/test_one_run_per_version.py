"""A version is in one run's manifest at most, whatever is configured, removed or under way."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.core import names
from shared.core.run.record import Phase, Run
from shared.intake.batch_claims import PART, each_once
from shared.ledger.inbox import InboxEntry
from shared.maintenance.retention import Retention
from shared.operations.commands import OperatorCommand
from tests.fakes.documents import MemoryDocuments
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.intake.test_batches import (
    BURST,
    LISTED,
    NEWEST,
    land,
    trained_on,
    waiting,
    world_of,
)
from tests.unit.worlds import Observed

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NO_ENDPOINT: dict[str, Any] = {"endpoints": []}


def ticks(world: Observed, number: int = 30) -> None:
    for _ in range(number):
        world.tick()


def counted(world: Observed) -> Counter[tuple[str, str]]:
    """How many runs hold each version."""
    return Counter((blob.name, blob.etag) for run in world.runs() for blob in run.manifest)


def configure(world: Observed, **changes: Any) -> None:
    """Deploy the app with another pipelines file."""
    tree = world.pipeline.model_dump(mode="json")
    world.pipeline = type(world.pipeline).model_validate({**tree, **changes})
    world.restart()


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
    land(world, "a.csv", "b.csv", "c.csv")
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
    land(world, "ada/1.csv", "ada/2.csv")
    configure(world, key=["customer", "name"])
    world.deliver("ada/1.csv")  # again, for another key
    assert len(waiting(world)) == 3
    world.clock.move(3 * MINUTE)
    ticks(world)
    assert set(counted(world).values()) == {1}
    assert sorted(trained_on(world)) == [["ada/1.csv"], ["ada/2.csv"]]
    assert waiting(world) == []


def test_two_pointers_to_one_version_count_once_and_what_was_given_back_tells_more() -> None:
    world = world_of(BURST)
    land(world, "a.csv")
    (one,) = world.context.ledger.inbox.entries()
    again = InboxEntry(one.pipeline, one.version_id, one.blob, one.pointer, "sample-1")
    assert each_once([one, one]) == (one,)
    assert each_once([one, again]) == each_once([again, one]) == (again,)


def test_customers_whose_data_no_longer_matches_are_not_trained_on_together(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keyed = {"data": {"blob": "{customer}/{name}.csv", "settle": "2m"}, **NO_ENDPOINT}
    world = world_of({**BURST, **keyed, "key": "customer"})
    land(world, "ada/1.csv", "bob/1.csv")
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
    land(world, "a.csv", "b.csv")
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
    land(world, "a.csv")
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
    land(world, "a.csv")
    old = world.until_ended()
    removed(world, how, old)
    world.deliver("a.csv")
    ticks(world, 5)
    assert world.runs() == []
    assert world.open_runs() == []
    assert len(world.starts) == 1


def test_an_id_that_the_same_data_would_have_again_is_derived_anew() -> None:
    world = world_of({"when_busy": "newest", **NO_ENDPOINT})
    (first,) = land(world, "a.csv")
    world.until_ended()
    for name in list(world.documents.rows):  # everything but the note that the id was used
        if name.startswith(("runs/", "versions/", "run_queues/", "index/")):
            del world.documents.rows[name]
    world.deliver("a.csv")
    again = world.until_ended()
    assert again.run_id != first.run_id
    assert again.run_id == names.run_id("sample", "again", first.run_id)
    assert again.phase is Phase.FINISHED


# Bursts that take longer than a call


class SlowDocuments(MemoryDocuments):
    """A storage whose every call takes a while."""

    takes = timedelta(milliseconds=20)
    calls = 0

    def read(self, name: str) -> Any:
        self._take()
        return super().read(name)

    def create(self, *args: Any, **kwargs: Any) -> Any:
        self._take()
        return super().create(*args, **kwargs)

    def replace(self, *args: Any, **kwargs: Any) -> Any:
        self._take()
        return super().replace(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> None:
        self._take()
        super().delete(*args, **kwargs)

    def listing(self, prefix: str) -> Any:
        self._take()
        yield from super().listing(prefix)

    def _take(self) -> None:
        self.calls += 1
        self.clock.move(self.takes)


def slow_world(pipeline: dict[str, Any], blobs: int) -> Observed:
    """Return a world with a burst in its inbox, over a storage that is slow from now on."""
    world = world_of({**pipeline, **NO_ENDPOINT}, **LISTED)
    world.app.activations.refresh()
    for number in range(blobs):
        world.upload(f"{number:05}.csv", b"a,b,label\n%d,2,0\n" % number)
        found = world.blobs.head(DATA, f"{number:05}.csv")
        assert found is not None
        world.discover(found)
    slow = SlowDocuments(world.clock, world.faults, world.documents.rows, world.documents.versions)
    world.documents = slow
    world.restart()
    world.clock.move(3 * MINUTE)
    return world


def test_a_great_burst_ends_over_several_ticks_and_none_is_over_its_budget() -> None:
    world = slow_world(BURST, 10_000)
    most = []
    for _ in range(20):
        began = world.clock.now()
        world.poll.tick()
        most.append(world.clock.now() - began)
        if world.runs() and not waiting(world):
            break
        world.clock.move(timedelta(seconds=30))
    (run,) = world.runs()
    assert len(run.manifest) == 10_000
    assert waiting(world) == []
    assert max(most) <= world.limits.tick
    assert len(most) > 2


@pytest.mark.parametrize("kill_at", [300, 1000, 2500, 4400])
def test_a_worker_killed_in_a_great_burst_leaves_something_to_go_on_from(kill_at: int) -> None:
    world = slow_world(BURST, 2_000)
    assert isinstance(world.documents, SlowDocuments)
    world.faults.plan = {len(world.faults.sites) + kill_at: Kind.CRASH_AFTER}
    world.survive(world.poll.tick)
    assert len(world.faults.sites) >= kill_at
    before = world.documents.calls
    for _ in range(10):
        world.clock.move(MINUTE)
        world.poll.tick()
    (run,) = world.runs()
    assert len(run.manifest) == 2_000
    assert waiting(world) == []
    claimed = min(kill_at, 2_000) // PART * PART
    # A version costs a claim and its pointer's deletion, and nothing more where it was claimed.
    assert world.documents.calls - before < 2 * 2_000 - claimed + 2 * PART + 500


def test_no_more_versions_than_a_record_can_hold_go_into_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.intake.batch_claims.MOST_VERSIONS", 30)
    world = world_of({**BURST, **NO_ENDPOINT}, **LISTED)
    land(world, *(f"{number:02}.csv" for number in range(70)))
    world.clock.move(3 * MINUTE)
    ticks(world, 60)
    assert [len(found) for found in trained_on(world)] == [30, 30, 10]
    assert set(counted(world).values()) == {1}


def test_data_that_comes_while_a_burst_is_being_taken_is_not_lost() -> None:
    world = slow_world(BURST, 3_000)
    world.faults.plan = {len(world.faults.sites) + 1500: Kind.CRASH_AFTER}
    world.survive(world.poll.tick)
    for number in range(50):
        world.upload(f"late-{number}.csv", b"a,b,label\n%d,7,0\n" % number)
        found = world.blobs.head(DATA, f"late-{number}.csv")
        assert found is not None
        world.discover(found)
    for _ in range(10):
        world.clock.move(3 * MINUTE)
        world.studio.work()
        world.poll.tick()
    assert len(counted(world)) == 3_050
    assert set(counted(world).values()) == {1}
    assert waiting(world) == []


# What an event costs


@pytest.mark.parametrize("blobs", [80, 800])
def test_an_event_of_a_burst_costs_as_much_however_many_came_before(blobs: int) -> None:
    world = world_of({**NEWEST, **NO_ENDPOINT})
    world.app.activations.refresh()
    endpoint_states = world.blobs.head_calls
    world.calls.clear()
    for number in range(blobs):
        world.upload(f"{number}.csv", b"a,b,label\n%d,2,0\n" % number)
        world.deliver(f"{number}.csv")
    ticks(world, 12)
    assert len(trained_on(world)) == 2
    calls = (
        len(world.calls) + world.blobs.head_calls - endpoint_states - blobs
    )  # an upload here looks once
    assert calls <= 12 * blobs
