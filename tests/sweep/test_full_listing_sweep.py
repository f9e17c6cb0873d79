"""Single faults while existing blobs are recorded, and while what appears is searched for."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from local.studio import InstantTrainer
from shared.core.blobs import BlobVersion
from shared.core.run.record import Origin, Phase
from shared.intake import full_listings
from shared.ports.storage import Page
from tests.fakes.documents import page_of
from tests.fakes.faults import Faults, kinds_at
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


def started(faults: Faults) -> Observed:
    """An app that starts over existing data, which is listed two blobs at a time."""
    world = Observed(config={"pipeline": {"when_busy": "queue", "endpoints": []}})
    for name in EXISTING:
        world.upload(name, name.encode() * 9)
    world.clock.move(60 * MINUTE)
    begin(world, faults)
    return world


def begin(world: Observed, faults: Faults) -> None:
    """Start the app, with faults from now on."""
    world.documents.faults = world.http.faults = world.faults = faults
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


def ticks(world: Observed, number: int) -> None:
    lister = world.app.full_listings
    for _ in range(number):
        world.clock.move(MINUTE)
        until = world.clock.now() + 3 * MINUTE
        if not world.survive(partial(lister.run_until, until)):
            lister = world.app.full_listings
        if not world.survive(world.tick):
            lister = world.app.full_listings


def carried_through(faults: Faults) -> Observed:
    world = started(faults)
    ticks(world, 12)
    for name in APPEARED:
        world.blobs.appear(DATA, name, name.encode() * 9, world.clock.now() - 40 * DAY)
    for _ in range(2):
        world.clock.move(DAY)
        ticks(world, 20)
    return world


def test_what_appears_has_one_run_and_what_existed_none_whatever_fails() -> None:
    sites = carried_through(Faults({})).faults.sites
    assert {"create existing", "create full_listing", "create inbox"} <= set(sites)
    tries = 0
    for call, site in enumerate(sites):
        if not site.endswith(OF_LISTING):
            continue
        for kind in kinds_at(sites, call):
            world = carried_through(Faults({call: kind}))
            counted = Counter(name for names in trained_on(world) for name in names)
            assert counted == dict.fromkeys(APPEARED, 1), f"{kind} at {call}: {site}"
            tries += 1
    assert tries > 100


def models_carried_through(faults: Faults) -> Observed:
    """An app that starts over a model that lies there, and has another one appear."""
    world = Observed()
    for name in ("a", "c", "e"):
        world.blobs.put(MODELS, f"promote/sample/{name}.ilearner", name.encode() * 9)
    world.clock.move(60 * MINUTE)
    begin(world, faults)
    ticks(world, 8)
    trained = InstantTrainer().train({"input1": ROWS}, {}, label=None)
    old = world.clock.now() - 40 * DAY
    world.blobs.appear(MODELS, "promote/sample/b.ilearner", trained.model, old)
    for _ in range(2):
        world.clock.move(DAY)
        ticks(world, 20)
    return world


def test_a_model_that_appears_is_promoted_once_whatever_fails() -> None:
    sites = models_carried_through(Faults({})).faults.sites
    assert {"create existing_models", "create full_listing_models", "create versions"} <= set(sites)
    tries = 0
    for call, site in enumerate(sites):
        if not site.endswith(("_models", "versions", "open")):
            continue
        for kind in kinds_at(sites, call):
            world = models_carried_through(Faults({call: kind}))
            ends = [(run.origin, run.phase) for run in world.runs()]
            assert ends == [(Origin.MODEL, Phase.PROMOTED)], f"{kind} at {call}: {site}"
            tries += 1
    assert tries > 50
