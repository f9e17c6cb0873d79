"""A world in which versions, events and models arrive."""

from datetime import timedelta
from typing import Any

from shared.core.run.concurrency import Pause, Pauses
from shared.core.versions import version_id
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Arrival:
    """A world and its intake, with blobs and entries as a test puts them there."""

    def __init__(self, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": pipeline})
        self.world.app.activations.refresh()
        self.app = self.world.app
        self.context = self.app.context
        self.ledger = self.context.ledger

    def put(self, name: str = "a.csv", content: bytes = b"a,b\n1,2\n", where: str = DATA) -> Any:
        return self.world.blobs.put(where, name, content)

    def version(self, one: Any) -> str:
        return version_id(self.world.pipeline.name, one)

    def know(self, one: Any, run_id: str | None = None, **more: Any) -> None:
        entry = VersionEntry(pipeline="sample", blob=one, run_id=run_id, **more)
        self.ledger.versions.add(self.version(one), entry)

    def waits(self) -> list[str]:
        return [one.blob.name for one in self.ledger.inbox.entries()]

    def pause(self) -> None:
        paused = Pauses(pause=Pause(by="ada", at=self.world.clock.now()))
        self.ledger.pauses.put("sample", paused, None)
