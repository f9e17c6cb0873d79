"""Records that cannot be read: schedules and searches continue."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.versions import version_id
from shared.errors import RelearnError
from shared.ledger.versions import VersionEntry
from tests.fakes.world import MODELS
from tests.unit.intake.test_batches import waiting
from tests.unit.intake.test_customers import Customers
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR, DAY = (timedelta(**{n: 1}) for n in ("seconds", "minutes", "hours", "days"))


def customers_with_a_schedule(*names: str, **changes: Any) -> Customers:
    world = Customers()
    world.poll.tick()
    known: dict[str, Any] = {"schedule": HOURLY, "endpoints": (), "key": ("customer",)}
    world.pipeline = world.pipeline.model_copy(update={**known, **changes})
    world.restart()
    world.poll.start_scheduled()
    for name in names:
        world.upload(f"{name}/1.csv")
    return world


def damaged_version(world: Observed, name: str) -> str:
    """Damage the entry of the present version of a blob, and return its name."""
    blob = world.blobs.head("training-data", name)
    assert blob is not None
    entry = f"versions/{version_id(world.pipeline.name, blob)}"
    world.damage(entry)
    return entry


def hours(world: Observed, count: int) -> None:
    """Let due times come, each with new data of two customers of three."""
    for _ in range(count):
        world.clock.move(HOUR)
        for customer in ("acme", "gamma"):
            world.upload(f"{customer}/1.csv", str(world.clock.now()).encode())
        world.poll.start_scheduled()


def dealt_with(world: Observed) -> None:
    known = world.context.ledger.schedules.read("sample")
    assert known is not None
    assert (known.record.last_due, known.record.waiting) == (world.clock.now(), ())


def test_a_customers_version_does_not_keep_a_schedule_from_all_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("acme", "beta", "gamma")
    world = customers_with_a_schedule(*names, catch_up="all", skip_if_no_new_data=True)
    name = damaged_version(world, "beta/1.csv")
    with caplog.at_level(logging.ERROR):
        hours(world, 3)
    assert sorted(run.key for run in world.runs()) == [("acme",)] * 3 + [("gamma",)] * 3
    assert name in caplog.text
    dealt_with(world)


def test_a_customers_run_does_not_keep_a_schedule_from_all_the_others() -> None:
    world = customers_with_a_schedule("acme", "beta", "gamma", catch_up="all")
    hours(world, 1)
    (beta,) = [run for run in world.runs() if run.key == ("beta",)]
    del world.documents.rows["schedules/sample"]  # its worker died: it is dealt with once more
    world.damage(f"runs/{beta.run_id}")
    world.poll.start_scheduled()
    dealt_with(world)
    hours(world, 2)
    dealt_with(world)
    del world.documents.rows[f"runs/{beta.run_id}"]
    assert len([run for run in world.runs() if run.key == ("acme",)]) == 3


def test_a_run_that_cannot_be_opened_now_is_opened_later_and_delays_no_other() -> None:
    world = customers_with_a_schedule(*[f"c{number}" for number in range(9)])
    create, refused = world.documents.create, ["c3", "c5"]

    def leased(name: str, body: bytes, metadata: Any = None) -> Any:
        if name.startswith("runs/") and any(f'"{one}"'.encode() in body for one in refused):
            raise RelearnError("storage: the blob is leased")
        return create(name, body, metadata)

    world.documents.create = leased  # type: ignore[method-assign]
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert len({run.key for run in world.runs()}) == 7
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert len([run for run in world.runs() if "14:00" in run.cause]) == 7
    refused.clear()
    for _ in range(3):
        world.clock.move(6 * MINUTE)
        world.poll.start_scheduled()
    assert len([run for run in world.runs() if "13:00" in run.cause]) == 9
    assert len([run for run in world.runs() if "14:00" in run.cause]) == 9


def test_what_cannot_be_looked_up_makes_no_later_search_dearer() -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest", "endpoints": []}})
    world.app.activations.refresh()
    for number in range(30):
        world.upload(f"{number:02}.csv")
    damaged = []
    for number in (3, 17):
        blob = world.blobs.head("training-data", f"{number:02}.csv")
        assert blob is not None
        damaged.append(f"versions/{version_id(world.pipeline.name, blob)}")
        entry = VersionEntry(pipeline="sample", blob=blob, run_id=None)
        world.documents.create(damaged[-1], entry.model_dump_json().encode())
        world.damage(damaged[-1])
    searching = world.app.search
    costs = []
    for _ in range(5):
        world.clock.move(40 * MINUTE)
        world.calls.clear()
        searching.run_until(world.clock.now() + MINUTE)
        costs.append(world.calls.count("read versions"))
    assert costs[0] == 30
    assert costs[1:] == [2, 2, 2, 2]  # only those
    assert len(waiting(world)) == 28
    for name in damaged:
        del world.documents.rows[name]
    world.clock.move(40 * MINUTE)
    searching.run_until(world.clock.now() + MINUTE)
    assert len(waiting(world)) == 30
    stored = world.context.ledger.search.read()
    assert stored is not None
    assert stored.record.unread == ()


def test_a_search_remembers_a_bounded_number_of_names(caplog: pytest.LogCaptureFixture) -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest", "endpoints": []}})
    world.app.activations.refresh()
    for number in range(230):
        world.upload(f"{number:03}.csv")
        blob = world.blobs.head("training-data", f"{number:03}.csv")
        assert blob is not None
        world.damage(f"versions/{version_id(world.pipeline.name, blob)}")
    world.clock.move(40 * MINUTE)
    with caplog.at_level(logging.ERROR):
        world.app.search.run_until(world.clock.now() + MINUTE)
    stored = world.context.ledger.search.read()
    assert stored is not None
    assert (len(stored.record.unread), stored.record.complete) == (200, True)
    assert "229.csv is not looked up again" in caplog.text


def test_models_are_searched_for_when_data_cannot_be_read() -> None:
    world = Observed()
    world.app.activations.refresh()
    world.damage("search")
    world.clock.move(MINUTE)
    world.blobs.put(MODELS, "promote/sample/better.ilearner", b"model")
    world.app.search.run_until(world.clock.now() + MINUTE)
    assert world.open_runs() != []


@pytest.mark.parametrize("backfill", ["newest", "all"])
def test_one_pipelines_activation_does_not_stop_the_search_for_all(backfill: str) -> None:
    data = {"blob": "{name}.csv", "backfill": backfill}
    world = Observed(config={"pipeline": {"when_busy": "newest", "data": data, "endpoints": []}})
    other = world.sibling(data={"blob": "beside/{name}.csv"}, when_busy="newest", endpoints=[])
    world.app = world.another(other)
    world.app.activations.refresh()
    world.damage("pipelines/sample")
    world.app = world.another(other)
    world.clock.move(MINUTE)
    world.upload("beside/1.csv")
    for _ in range(2):
        world.clock.move(20 * MINUTE)
        world.app.search.run_until(world.clock.now() + MINUTE)
    assert len(waiting(world)) == 1


@pytest.mark.parametrize("kind", ["newest", "all"])
@pytest.mark.parametrize("damaged", ["activation", "version"])
def test_a_backfill_of_one_pipeline_does_not_keep_another_from_its_own(
    kind: str, damaged: str
) -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    data = {"blob": "{key}-{name}.csv", "backfill": kind}
    both = [
        world.sibling(name=name, data=data, key="key", endpoints=[], when_busy="parallel")
        for name in ("first", "second")
    ]
    for number in range(5):
        world.upload(f"k{number}-1.csv")
    world.clock.move(HOUR)
    world.app = world.another(*both)
    world.app.activations.refresh()
    blob = world.blobs.head("training-data", "k1-1.csv")
    assert blob is not None
    of_one = f"versions/{version_id(both[0].name, blob)}"
    world.damage("pipelines/first" if damaged == "activation" else of_one)
    world.app = world.another(*both)
    for _ in range(6):
        world.app.search.run_until(world.clock.now() + 3 * MINUTE)
        world.tick(300)
    trained = [run.manifest[0].name for run in world.runs() if run.pipeline == "second"]
    assert len(trained) == 5
    others = [run for run in world.runs() if run.pipeline == "first"]
    assert len(others) == (0 if damaged == "activation" else 4)
