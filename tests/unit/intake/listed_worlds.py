"""Worlds whose containers are listed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.full_listing import FullListing
from shared.intake.full_listings import FullListings
from shared.ports.storage import Page
from tests.fakes.documents import page_of
from tests.unit.worlds import Observed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


ROWS = b"a,b,label\n5,6,1\n3,4,0\n"


FOUND = "found by the daily listing"


def world_of(*existing: str, **pipeline_: Any) -> Observed:
    """A world in which some blobs lie for an hour when the app starts."""
    world = Observed(config={"pipeline": {"when_busy": "newest", **pipeline_}})
    for name in existing:
        world.upload(name, name.encode() * 9)
    world.clock.move(HOUR)
    world.restart()
    return world


def listing(world: Observed, *others: Any) -> FullListings:
    app = world.another(*others) if others else world.app
    return replace(app.full_listings)  # without the results of an earlier one


def ticks(world: Observed, number: int = 3, lister: FullListings | None = None) -> None:
    """Have the timer fire so often, a minute apart; the search for lost events runs too."""
    lister = lister or listing(world)
    for _ in range(number):
        world.clock.move(MINUTE)
        until = world.clock.now() + 3 * MINUTE
        lister.run_until(until)
        world.app.search.run_until(until)


def a_day_later(world: Observed, lister: FullListings | None = None) -> None:
    world.clock.move(DAY)
    ticks(world, lister=lister)
    for _ in range(20):
        world.tick()


def state_of(world: Observed) -> FullListing:
    stored = world.context.ledger.full_listings().read()
    assert stored is not None
    return stored.record


def pages_of(world: Observed, size: int, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Have data listed a number of blobs at a time, and return the cursors of the requests."""
    asked: list[str | None] = []

    def page(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        if not prefix:
            asked.append(cursor)
        there = list(world.blobs.listing(container, prefix))
        return page_of(there, size, cursor, lambda one: one.name)

    monkeypatch.setattr(world.blobs, "page", page)
    return asked


def existing_in(world: Observed) -> list[str]:
    return [name for name in world.documents.rows if name.startswith("existing/")]
