"""A world whose container is searched page by page."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.core.blobs import BlobVersion
from shared.core.run.data_version import DataVersion
from shared.ledger.progress import SearchState
from tests.fakes.world import DATA
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class SearchCase:
    """A world with data that no event announced, and the search for it."""

    def __init__(self, *names: str, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": {"endpoints": [], **pipeline}})
        self.world.app.activations.refresh()
        self.world.clock.move(MINUTE)
        self.put(*names)
        self.world.clock.move(5 * MINUTE)
        self.ledger = self.world.context.ledger
        self.searching = self.world.app.search
        self.record_discovered: list[str] = []
        self.error: Exception | None = None
        self.failing: set[str] = set()
        versions = self.searching.data.versions

        def noted(blob: BlobVersion) -> Sequence[DataVersion]:
            self.record_discovered.append(blob.name)
            if self.error and (not self.failing or blob.name in self.failing):
                raise self.error
            return versions(blob)

        self.versions_by(noted)

    def versions_by(self, versions: Callable[[BlobVersion], Sequence[DataVersion]]) -> None:
        """Have the search look blobs up by another function."""
        self.searching.data = replace(self.searching.data, versions=versions)

    def put(self, *names: str) -> None:
        for name in names:
            self.world.blobs.put(DATA, name, name.encode())

    def go(self, span: timedelta = MINUTE) -> SearchState:
        self.record_discovered.clear()
        self.searching.run_until(self.world.clock.now() + span)
        return self.state()

    def state(self) -> SearchState:
        stored = self.ledger.search.read()
        assert stored is not None
        return stored.record


def search(world: Observed, minutes: int = 16) -> None:
    """Let time pass until a search is due, and search."""
    world.clock.move(minutes * MINUTE)
    searching = world.app.search
    searching.run_until(world.clock.now() + 3 * MINUTE)


def world_of(**pipeline: Any) -> Observed:
    world = Observed(config={"pipeline": pipeline})
    world.app.activations.refresh()
    return world
