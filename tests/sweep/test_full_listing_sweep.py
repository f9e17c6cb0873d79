"""Single faults while existing blobs are recorded, and while new ones are searched for."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from local.studio import InstantTrainer
from shared.core.blobs import BlobVersion
from shared.core.run.record import Origin, Phase
from shared.intake import full_listings
from shared.ports.storage import Page
from tests.fakes.documents import page_of
from tests.fakes.faults import Faults, kinds_at
from tests.fakes.ways import Moves, Trials, Way, once
from tests.fakes.world import DATA, MODELS
from tests.unit.intake.test_batches import trained_on
from tests.unit.worlds import Observed

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EXISTING = ("a.csv", "c.csv", "e.csv", "g.csv", "i.csv")
APPEARED = ("b.csv", "f.csv", "z.csv")
ROWS = b"a,b,label\n7,8,1\n3,4,0\n"
OF_LISTING = ("existing", "full_listing", "inbox", "versions", "pipelines")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick takes two pages of two blobs at most, so that each listing takes several."""
    monkeypatch.setattr(full_listings, "_CALLS", 6)


def started() -> Observed:
    """An app that starts over existing data, which is listed two blobs at a time."""
    world = Observed(config={"pipeline": {"when_busy": "queue", "endpoints": []}})
    for name in EXISTING:
        world.upload(name, name.encode() * 9)
    world.clock.move(60 * MINUTE)
    begin(world)
    return world


def begin(world: Observed) -> None:
    """Start the app, with faults from now on."""
    world.documents.faults = world.http.faults = world.faults = faults = Faults()
    faults.jump, faults.other_worker = lambda: world.clock.move(5 * MINUTE), lambda: other(world)

    def page(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        there = list(world.blobs.listing(container, prefix))
        return page_of(there, 2, cursor, lambda one: one.name)

    world.blobs.page = page  # type: ignore[method-assign]
    world.restart()


def other(world: Observed) -> None:
    """Another host lists at this moment."""
    app = world._worker()
    app.full_listings.run_until(world.clock.now() + 3 * MINUTE)


def ticks(number: int) -> Callable[[Way[Observed]], bool]:
    def tick(way: Way[Observed]) -> bool:
        world = way.world
        world.clock.move(MINUTE)
        until = world.clock.now() + 3 * MINUTE
        world.survive(lambda: world.app.full_listings.run_until(until))
        world.survive(world.tick)
        return way.tries + 1 < number

    return tick


def _data_appears(world: Observed) -> None:
    for name in APPEARED:
        world.blobs.appear(DATA, name, name.encode() * 9, world.clock.now() - 40 * DAY)


def ways(before: int, appear: Callable[[Observed], None]) -> "Moves[Observed]":
    """Return the moves of an app that lists, and lists again in the two days after something."""
    day = (once(lambda world: world.clock.move(DAY)), ticks(20))
    return (ticks(before), once(appear), *day, *day)


def test_a_new_blob_has_one_run_and_an_existing_one_none_after_any_fault() -> None:
    trials = Trials(Way(started(), ways(12, _data_appears)))
    sites = trials.effects
    assert {"create existing", "create full_listing", "create inbox"} <= set(sites)
    tries = 0
    for call, site in enumerate(sites):
        if not site.endswith(OF_LISTING):
            continue
        for kind in kinds_at(sites, call):
            world = trials.with_faults({call: kind})
            counted = Counter(name for names in trained_on(world) for name in names)
            assert counted == dict.fromkeys(APPEARED, 1), f"{kind} at {call}: {site}"
            tries += 1
    assert tries > 100


def started_over_models() -> Observed:
    """An app that starts over models that lie there."""
    world = Observed()
    for name in ("a", "c", "e"):
        world.blobs.put(MODELS, f"promote/sample/{name}.ilearner", name.encode() * 9)
    world.clock.move(60 * MINUTE)
    begin(world)
    return world


def _model_appears(world: Observed) -> None:
    trained = InstantTrainer().train({"input1": ROWS}, {}, label=None)
    old = world.clock.now() - 40 * DAY
    world.blobs.appear(MODELS, "promote/sample/b.ilearner", trained.model, old)


def test_a_model_that_appears_is_promoted_once_after_any_fault() -> None:
    trials = Trials(Way(started_over_models(), ways(8, _model_appears)))
    sites = trials.effects
    assert {"create existing_models", "create full_listing_models", "create versions"} <= set(sites)
    tries = 0
    for call, site in enumerate(sites):
        if not site.endswith(("_models", "versions", "open")):
            continue
        for kind in kinds_at(sites, call):
            world = trials.with_faults({call: kind})
            ends = [(run.origin, run.phase) for run in world.runs()]
            assert ends == [(Origin.MODEL, Phase.PROMOTED)], f"{kind} at {call}: {site}"
            tries += 1
    assert tries > 50
