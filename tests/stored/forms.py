"""The kinds of records, and their fixtures: one file for each kind, one line for each record."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.core.frozen import RecordModel
from shared.core.full_listing import Existing, FullListing
from shared.core.run.cleaning_round import CleaningRound
from shared.core.run.concurrency import Pauses, RunQueue
from shared.core.run.record import Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.state import EndpointState
from shared.ledger.configurations import KeptConfiguration
from shared.ledger.progress import (
    Heartbeat,
    LastEvent,
    Rotation,
    SearchState,
    Tick,
    Undelivered,
)
from shared.ledger.schedules import Activation, ScheduleRecord
from shared.ledger.versions import VersionEntry
from shared.version import VERSION

FOLDER: Final = Path(__file__).parent
#: The kind of each record, by the begin of its name.
KINDS: Final[Mapping[str, type[RecordModel]]] = {
    "runs": Run,
    "versions": VersionEntry,
    "inbox": VersionEntry,
    "run_queues": RunQueue,
    "shared_queues": RunQueue,
    "pauses": Pauses,
    "endpoints": EndpointState,
    "drift_checks": DriftCheck,
    "pipelines": Activation,
    "schedules": ScheduleRecord,
    "configurations": KeptConfiguration,
    "search": SearchState,
    "search_models": SearchState,
    "full_listing": FullListing,
    "full_listing_models": FullListing,
    "existing": Existing,
    "existing_models": Existing,
    "poll": Heartbeat,
    "tick": Tick,
    "rotation": Rotation,
    "cleaning": CleaningRound,
    "last_event": LastEvent,
    "undelivered": Undelivered,
}
#: Documents without a body: their names and metadata say everything.
EMPTY: Final = ("open", "index", "tombstones")


@dataclass(frozen=True, slots=True)
class Fixture:
    """A document of the ledger as it was stored."""

    name: str
    body: bytes
    metadata: Mapping[str, str]

    @property
    def kind(self) -> str:
        """What its name begins with."""
        return self.name.partition("/")[0]

    @property
    def line(self) -> str:
        """The line of the fixture; its body is there as it was stored."""
        said = {"name": self.name, "metadata": dict(self.metadata)}
        body = json.loads(self.body) if self.body else None
        return compact({**said, "body": body})

    @classmethod
    def of(cls, line: str) -> "Fixture":
        """Return the document of a line."""
        found = json.loads(line)
        body = b"" if found["body"] is None else compact(found["body"]).encode()
        return cls(found["name"], body, found["metadata"])


def compact(tree: Any) -> str:
    """Return JSON as the ledger stores it."""
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)


def releases() -> list[str]:
    """Return the releases whose forms are frozen, the oldest first."""
    names = [path.name for path in FOLDER.iterdir() if path.is_dir() and path.name[0].isdigit()]
    return sorted(names, key=_order)


def _order(version: str) -> tuple[list[int], bool]:
    """Return what sorts versions: `0.2.0.dev0` comes before 0.2.0."""
    release, dev, _ = version.partition(".dev")
    return [int(part) for part in release.split(".")], not dev


def fixtures(release: str) -> Iterator[Fixture]:
    """Yield the records of a release."""
    for file in sorted((FOLDER / release).glob("*.jsonl")):
        yield from map(Fixture.of, file.read_text(encoding="utf-8").splitlines())


def written(found: Mapping[str, list[Fixture]], release: str = VERSION) -> None:
    """Write the fixtures of a release anew.

    Args:
        found: the records of each kind.
        release: the version whose form they have.
    """
    folder = FOLDER / release
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.jsonl"):
        file.unlink()
    for kind, records in found.items():
        lines = sorted({record.line for record in records})
        (folder / f"{kind}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
