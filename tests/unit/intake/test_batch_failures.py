"""What landed, met by crashes, deletions and replacements: every version trained, and once."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_id, run_queue_id
from shared.core.run.record import Origin, Phase, Run
from shared.operations.commands import OperatorCommand
from shared.ports.storage import Page
from tests.fakes.faults import Kind
from tests.fakes.world import DATA, pipeline
from tests.unit.intake.test_batches import (
    BURST,
    LISTED,
    NEWEST,
    land,
    trained_on,
    waiting,
    world_of,
)
from tests.unit.intake.test_customers import Customers
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
#: A burst whose job is given the list of all its blobs, and no endpoint to wait for.
LIST_OF_BURST: dict[str, Any] = {**BURST, "endpoints": []}
FAULTS = [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.LOST, Kind.REFUSED, Kind.PREEMPT]


def ticks(world: Observed, count: int, seconds: int = 30) -> None:
    for _ in range(count):
        world.tick(seconds)


def listed_burst(*names: str, **pipeline_: Any) -> Observed:
    """A burst that has landed and was not gathered yet; its job is given a list."""
    world = world_of({**LIST_OF_BURST, **pipeline_}, **LISTED)
    land(world, *names)
    return world


def in_order(world: Observed) -> list[Run]:
    return sorted(world.runs(), key=lambda run: run.opened_at)


def finished_with(world: Observed) -> set[str]:
    """The names of all blobs that a job was trained on, to its end."""
    done = [run for run in world.runs() if run.phase in (Phase.FINISHED, Phase.PROMOTED)]
    return {blob.name for run in done for blob in run.current}


# What was deleted


def test_a_blob_deleted_before_the_job_does_not_take_the_rest_of_its_burst_along() -> None:
    world = listed_burst("a.csv", "b.csv", "c.csv")
    world.blobs.remove(DATA, "b.csv")
    ticks(world, 20)
    assert {"a.csv", "c.csv"} <= finished_with(world)


def test_when_the_newest_snapshot_of_a_burst_is_deleted_the_one_before_is_trained_on() -> None:
    burst = {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "2m"}}
    world = Observed(config={"pipeline": burst})
    land(world, "a.csv", "b.csv", "wrong.csv")
    world.blobs.remove(DATA, "wrong.csv")
    ticks(world, 30)
    (finished,) = [run for run in world.runs() if run.phase is Phase.PROMOTED]
    assert finished.newest is not None
    assert finished.newest.name == "b.csv"
    (gave_way,) = [run for run in world.runs() if run.phase is Phase.SUPERSEDED]
    assert "wrong.csv was deleted" in str(gave_way.reason)


def test_a_deleted_blob_does_not_have_every_later_run_rejected() -> None:
    world = listed_burst("a.csv", "b.csv")
    world.blobs.remove(DATA, "b.csv")
    ticks(world, 10)
    for name in ("c.csv", "d.csv"):
        land(world, name)
        ticks(world, 15)
    assert {"c.csv", "d.csv"} <= finished_with(world)


def test_a_blob_emptied_under_its_run_does_not_have_every_later_run_superseded() -> None:
    world = listed_burst("a.csv", "b.csv")
    world.clock.move(MINUTE)
    world.upload("b.csv", b"")
    world.deliver("b.csv")
    ticks(world, 10)
    for name in ("c.csv", "d.csv"):
        land(world, name)
        ticks(world, 15)
    assert {"a.csv", "c.csv", "d.csv"} <= finished_with(world)


def test_the_rest_of_a_burst_is_trained_on_when_one_of_its_blobs_was_emptied() -> None:
    world = listed_burst("a.csv", "b.csv", "c.csv")
    world.clock.move(MINUTE)
    world.upload("b.csv", b"")
    world.deliver("b.csv")
    ticks(world, 30)
    assert {"a.csv", "c.csv"} <= finished_with(world)


def test_a_burst_deleted_as_a_whole_ends_with_its_reason() -> None:
    world = listed_burst("a.csv", "b.csv")
    for name in ("a.csv", "b.csv"):
        world.blobs.remove(DATA, name)
    ticks(world, 10)
    assert world.run().phase is Phase.REJECTED
    assert "deleted" in str(world.run().reason)
    assert world.starts == []


def test_a_blob_deleted_under_its_job_changes_nothing() -> None:
    world = listed_burst("a.csv", "b.csv")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    assert world.run().phase is Phase.TRAINING
    world.blobs.remove(DATA, "a.csv")
    ticks(world, 10)
    assert world.run().phase is Phase.FINISHED


# What was replaced


def replaced_under_its_job() -> Observed:
    """A superseded run of three blobs; the new version of one waits in the inbox."""
    world = listed_burst("a.csv", "b.csv", "c.csv")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    world.upload("b.csv", b"a,b,label\n9,9,1\n")
    world.deliver("b.csv")
    world.until(world.run(), Phase.SUPERSEDED)
    return world


@pytest.mark.parametrize("kind", FAULTS)
def test_the_rest_of_a_superseded_burst_survives_whatever_goes_wrong_at_any_call(
    kind: Kind,
) -> None:
    lost = []
    for call in range(FAULTS.index(kind), 20, 5):
        world = replaced_under_its_job()
        world.faults.plan = {len(world.faults.sites) + call: kind}
        for _ in range(20):
            world.survive(world.tick)
        left = {"a.csv", "b.csv", "c.csv"} - finished_with(world)
        if left:
            lost.append((call, sorted(left)))
    assert lost == []


def test_the_rest_of_a_burst_is_trained_on_when_its_run_was_parked_meanwhile() -> None:
    world = world_of(LIST_OF_BURST, **LISTED)
    key = world.environment.pop("TRAINING_KEY")
    land(world, "a.csv", "b.csv")
    world.tick(150)
    parked = world.run()
    assert parked.phase is Phase.PARKED
    world.environment["TRAINING_KEY"] = key
    land(world, "b.csv")
    ticks(world, 20)
    world.run_operations.retry(parked.run_id)
    ticks(world, 20)
    assert world.now_of(parked).phase is Phase.SUPERSEDED
    assert finished_with(world) == {"a.csv", "b.csv"}


def test_the_rest_of_a_burst_is_trained_on_when_another_burst_came_between() -> None:
    world = listed_burst("a.csv", "b.csv", when_busy="parallel")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    land(world, "c.csv")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    assert trained_on(world) == [["a.csv", "b.csv"], ["c.csv"]]
    land(world, "b.csv")
    ticks(world, 30)
    assert finished_with(world) == {"a.csv", "b.csv", "c.csv"}


def test_what_was_trained_and_rejected_by_a_person_is_not_trained_on_again() -> None:
    first = world_of(BURST).pipeline.endpoints[0].model_dump(mode="json")
    second = {**first, "name": "second", "resource": "another", "verify": None}
    changes = {**BURST, "gate": {"approval": "required"}, "endpoints": [first, second]}
    world = world_of(changes, **LISTED)
    land(world, "a.csv")
    world.tick(150)
    run = world.until(world.run(), Phase.AWAITING_APPROVAL)
    world.run_operations.reject(run.run_id, OperatorCommand("ada", "no"))
    land(world, "b.csv")
    world.tick(150)
    assert trained_on(world) == [["a.csv"], ["b.csv"]]


def burnt_etags(*, newer_first: bool) -> int:
    """How many writes come before two whose ETags, the last tie-breaker, are in this order."""
    return next(n - 1 for n in range(1, 99) if (f"0x{n + 1}" < f"0x{n}") is newer_first)


@pytest.mark.parametrize("newer_first", [True, False])
@pytest.mark.parametrize("training", [{}, LISTED], ids=["newest", "listed"])
def test_a_blob_written_twice_within_a_second_is_trained_on_as_it_is_now(
    training: dict[str, Any], *, newer_first: bool
) -> None:
    world = world_of(LIST_OF_BURST, **training)
    for _ in range(burnt_etags(newer_first=newer_first)):
        world.blobs.put("elsewhere", "any", b"")
    for content in (b"a,b,label\n1,2,0\n", b"a,b,label\n1,2,0\n3,4,1\n"):
        world.upload("a.csv", content)
        world.deliver("a.csv")
    ticks(world, 30)
    assert [run.phase for run in world.runs()] == [Phase.FINISHED]


def test_bytes_that_were_there_before_are_news_after_others() -> None:
    world = world_of(LIST_OF_BURST)
    created = world.clock.now()
    for content in (b"a,b,label\n1,2,0\n", b"a,b,label\n3,4,1\n", b"a,b,label\n1,2,0\n"):
        world.upload("a.csv", content)
        facts = world.blobs.facts[f"https://account.blob.core.windows.net/{DATA}/a.csv"]
        facts.created = created  # a service that keeps the time of the first writing
        world.deliver("a.csv")
        world.clock.move(SECOND)
    ticks(world, 30)
    assert finished_with(world) == {"a.csv"}


# Once, and never not at all


def burst_batch_run(config: dict[str, Any], kind: Kind | None, call: int) -> Observed:
    """Three blobs, events twice and late, one fault, and time enough for everything."""
    world = world_of({**config, "endpoints": []})
    world.poll.tick()
    begun = len(world.faults.sites)
    if kind is not None:
        world.faults.plan = {begun + call: kind}
    names = ("a.csv", "b.csv", "c.csv")
    for name in names:
        world.clock.move(SECOND)
        world.upload(name, f"a,b,label\n{name},2,0\n".encode())
        for _ in range(5):
            if world.survive(lambda name=name: world.deliver(name)):
                break
    for round_ in range(16):
        world.survive(lambda: world.tick(45))
        if round_ == 6:
            for name in names:
                world.survive(lambda name=name: world.deliver(name))
    return world


CONFIGS: dict[str, dict[str, Any]] = {
    "settle": BURST,
    "newest": NEWEST,
    "queue": {"when_busy": "queue"},
    "two at once": {"when_busy": "parallel", "max_parallel": 2},
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_a_fault_anywhere_in_a_burst_loses_no_version_and_trains_none_twice(
    config: dict[str, Any], kind: Kind
) -> None:
    calls = len(burst_batch_run(config, None, 0).faults.sites)
    assert calls > 15
    for call in range(FAULTS.index(kind), calls, 24):
        world = burst_batch_run(config, kind, call)
        counted = Counter(name for names in trained_on(world) for name in names)
        assert counted == {"a.csv": 1, "b.csv": 1, "c.csv": 1}, (call, world.faults.sites[call])
        assert all(run.phase.ended for run in world.runs()), call
        assert waiting(world) == [], call
        assert len(world.starts) == len(world.runs()), call


def test_a_slow_worker_between_its_slot_and_its_record_does_no_harm() -> None:
    world = world_of({**BURST, "endpoints": []})
    land(world, "a.csv", "b.csv")
    world.clock.move(3 * MINUTE)
    other = world._worker().poll
    paused = list(world.context.ledger.inbox.entries())
    assert len(paused) == 2
    create = world.documents.create

    def slow(name: str, body: bytes, metadata: Any = None) -> Any:
        if name.startswith("runs/"):
            world.documents.create = create  # type: ignore[method-assign]
            other.tick()
            world.upload("c.csv")
            world.deliver("c.csv")
            for _ in range(3):
                world.clock.move(MINUTE)
                world.studio.work()
                other.tick()
        return create(name, body, metadata)

    world.documents.create = slow  # type: ignore[method-assign]
    world.poll.tick()
    ticks(world, 15)
    assert trained_on(world) == [["a.csv", "b.csv"], ["c.csv"]]
    assert [run.phase for run in world.runs()] == [Phase.FINISHED] * 2
    assert len(world.starts) == 2


def test_the_data_of_customers_never_mixes() -> None:
    world = Customers()
    data = {"blob": "{customer}/{date}.csv", "settle": "2m"}
    tree = world.pipeline.model_dump(mode="json")
    tree |= {"data": data, "when_busy": "newest", "max_parallel": 2}
    world.pipeline = type(world.pipeline).model_validate(tree)
    world.restart()
    for date in ("1", "2"):
        for customer in ("acme", "beta", "gamma"):
            world.clock.move(SECOND)
            world.upload(f"{customer}/{date}.csv", f"a,b,label\n{date},2,0\n1,{date},1\n".encode())
            world.deliver(f"{customer}/{date}.csv")
    for _ in range(40):
        world.tick()
    assert sorted(run.key[0] for run in world.runs()) == ["acme", "beta", "gamma"]
    for run in world.runs():
        assert {blob.name for blob in run.manifest} == {f"{run.key[0]}/{d}.csv" for d in "12"}
        assert run.phase is Phase.PROMOTED


def test_a_settled_burst_waits_for_late_blobs_and_not_for_ever() -> None:
    world = world_of({**BURST, "data": {**BURST["data"], "settle_at_most": "5m"}})
    land(world, "0.csv")
    for number in range(1, 4):
        world.tick(90)
        assert world.runs() == []
        land(world, f"{number}.csv")
    assert world.runs() == []
    world.tick(30)
    assert trained_on(world) == [["0.csv", "1.csv", "2.csv", "3.csv"]]


def test_a_touch_does_not_keep_a_burst_open_nor_open_a_run() -> None:
    world = world_of(BURST)
    land(world, "a.csv")
    world.tick(150)
    assert len(world.runs()) == 1
    for _ in range(5):
        world.clock.move(MINUTE)
        world.blobs.touch(DATA, "a.csv")
        world.deliver("a.csv")
        world.tick(150)
    assert len(world.runs()) == 1
    assert waiting(world) == []


# Data that no event announced


def swept(world: Observed, minutes: int = 16) -> None:
    world.clock.move(minutes * MINUTE)
    world.app.search.run_until(world.clock.now() + 3 * MINUTE)


def test_data_is_found_after_a_host_whose_clock_was_a_day_ahead() -> None:
    world = world_of(NEWEST)
    world.app.activations.refresh()
    swept(world)
    world.clock.move(24 * HOUR)
    swept(world, 0)
    world.clock.move(-24 * HOUR)
    world.upload("lost.csv")
    for _ in range(110):
        swept(world)
    ticks(world, 5)
    assert trained_on(world) == [["lost.csv"]]


@pytest.mark.parametrize("broken", ["sample", "other"])
def test_a_damaged_record_does_not_keep_found_data_from_another_pipeline(broken: str) -> None:
    world = Observed()
    other = world.sibling(data={"blob": "{name}.csv"})
    app = world.another(other)
    app.activations.refresh()
    world.damage(f"pipelines/{broken}")
    app = world.another(other)
    poll = app.poll
    world.upload("lost.csv")
    for _ in range(3):
        world.clock.move(16 * MINUTE)
        app.search.run_until(world.clock.now() + 3 * MINUTE)
        poll.tick()
    assert {run.pipeline for run in world.runs()} == {"sample", "other"} - {broken}


class HotLoopError(Exception):
    """The container was listed again and again within one call."""


def test_a_backfill_of_nothing_does_not_list_the_container_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = {"blob": "{name}.csv", "backfill": "all"}
    world = world_of({**NEWEST, "data": data})
    page, asked = world.blobs.page, []

    def counted(container: str, cursor: str | None, prefix: str = "") -> Page[Any]:
        asked.append(cursor)
        if len(asked) > 10:
            raise HotLoopError
        return page(container, cursor, prefix)

    monkeypatch.setattr(world.blobs, "page", counted)
    swept(world)  # ahead of the first tick of the poll, which notes when a pipeline began


@pytest.mark.parametrize("backfill", ["none", "newest"])
def test_a_touch_of_data_older_than_the_pipeline_is_no_news(backfill: str) -> None:
    world = world_of(
        {**NEWEST, "data": {"blob": "{name}.csv", "backfill": backfill}, "endpoints": []}
    )
    for name in ("a.csv", "b.csv"):
        world.upload(name, name.encode() * 9)
        world.clock.move(MINUTE)
    world.clock.move(HOUR)
    world.restart()
    world.app.activations.refresh()
    swept(world)
    swept(world)
    ticks(world, 20)
    world.blobs.touch(DATA, "a.csv")
    world.deliver("a.csv")
    ticks(world, 20)
    assert "a.csv" not in finished_with(world)


@pytest.mark.parametrize("backfill", ["newest", "all"])
def test_a_backfill_that_dies_anywhere_takes_each_version_once(backfill: str) -> None:
    for call in range(0, 14, 3):
        data = {"blob": "{name}.csv", "backfill": backfill}
        world = world_of({"when_busy": "queue", "data": data, "endpoints": []})
        for name in ("a.csv", "b.csv"):
            world.clock.move(MINUTE)
            world.upload(name, name.encode() * 9)
        world.clock.move(HOUR)
        world.restart()
        world.app.activations.refresh()
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        for _ in range(3):
            world.survive(lambda world=world: swept(world))
        for _ in range(12):
            world.survive(world.tick)
        wanted = [["b.csv"]] if backfill == "newest" else [["a.csv"], ["b.csv"]]
        assert sorted(trained_on(world)) == wanted, call


def test_two_searches_at_once_find_each_version_once() -> None:
    world = world_of(NEWEST)
    world.app.activations.refresh()
    swept(world)
    for name in ("a.csv", "b.csv"):
        world.upload(name, name.encode() * 9)
    world.clock.move(16 * MINUTE)
    other = world._worker()
    page = world.blobs.page

    def with_another(container: str, cursor: str | None, prefix: str = "") -> Page[Any]:
        if prefix:  # the search for models is another one
            return page(container, cursor, prefix)
        world.blobs.page = page  # type: ignore[method-assign]
        other.search.run_until(world.clock.now() + MINUTE)
        return page(container, cursor)

    world.blobs.page = with_another  # type: ignore[method-assign]
    swept(world, 0)
    ticks(world, 10)
    assert [sorted(names) for names in trained_on(world)] == [["a.csv", "b.csv"]]


# Markers


def marked(**training: Any) -> Observed:
    data = {"blob": "days/{day}/_SUCCESS", "marker": True}
    inputs = {"input1": "days/{day}/train.csv"}
    return world_of({"when_busy": "newest", "data": data}, inputs=inputs, **training)


def test_data_missing_beside_a_marker_parks_the_run_and_a_retry_trains_on_it() -> None:
    world = marked()
    world.upload("days/monday/_SUCCESS", b"")
    (run,) = world.deliver("days/monday/_SUCCESS")
    world.idle(15 * MINUTE)
    parked = world.now_of(run)
    assert parked.phase is Phase.PARKED
    assert "days/monday/train.csv" in str(parked.reason)
    world.upload("days/monday/train.csv")
    world.run_operations.retry(run.run_id)
    assert world.until(run, Phase.PROMOTED).inputs["input1"].name == "days/monday/train.csv"


def test_a_marker_written_again_with_its_data_is_one_run_for_each_writing() -> None:
    world = marked()
    for content in (b"a,b,label\n1,2,0\n3,4,1\n", b"a,b,label\n8,2,0\n3,4,1\n"):
        world.clock.move(MINUTE)
        world.upload("days/monday/train.csv", content)
        world.upload("days/monday/_SUCCESS", b"")
        world.deliver("days/monday/_SUCCESS")
    ticks(world, 20)
    assert [run.phase for run in in_order(world)] == [Phase.SUPERSEDED, Phase.PROMOTED]


# What is left behind


def test_a_run_announced_and_never_opened_keeps_no_place() -> None:
    world = world_of({**NEWEST, "endpoints": []})
    world.poll.tick()
    world.upload("a.csv")
    created = len(world.faults.sites)
    world.faults.plan = {created + 2: Kind.CRASH_AFTER}  # the slot is written, and no record
    world.survive(world.deliver)
    world.survive(lambda: world.deliver("a.csv"))
    ticks(world, 12)
    assert trained_on(world) == [["a.csv"]]
    assert world.open_runs() == []
    run_queue = world.context.ledger.run_queues.read(run_queue_id("sample", ()))
    assert run_queue is not None
    version = next(name for name in world.documents.rows if name.startswith("versions/"))
    expected = run_id("sample", Origin.DATA, version.removeprefix("versions/"))
    assert run_queue.record.batch_run == expected == world.run().run_id


def test_a_pipeline_that_left_the_file_finds_its_data_when_it_comes_back() -> None:
    world = world_of({**BURST, "endpoints": []})
    land(world, "a.csv")
    kept = world.pipeline
    other = pipeline(world.training, world.endpoint, {"pipeline": {"name": "other"}})
    world.pipeline = other
    world.restart()
    ticks(world, 10)
    assert len(waiting(world)) == 1
    world.pipeline = kept
    world.restart()
    ticks(world, 10)
    assert trained_on(world) == [["a.csv"]]
