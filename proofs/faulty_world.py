"""A world with wrong clocks, changed files, and records that are unreadable or leased."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.run.record import Run
from shared.errors import RecordLeasedError, RelearnError
from shared.ledger.versions import VersionEntry
from shared.maintenance.retention import Retention
from shared.ports.storage import ETag
from tests.fakes.clock import Shifted
from tests.fakes.documents import MemoryDocuments, Row
from tests.fakes.read_once import stored_run
from tests.fakes.world import pipeline
from tests.unit.worlds import Observed

#: Kinds of records that have a body which the app reads.
POISONED: Final = (
    "runs",
    "versions",
    "inbox",
    "run_queues",
    "shared_queues",
    "pauses",
    "endpoints",
    "drift_checks",
    "pipelines",
    "schedules",
    "search",
    "full_listing",
    "existing",
    "poll",
    "cleaning",
)
#: A pointer is deleted without being read; an operator's resume removes an unreadable pause.
_REPLACED: Final = ("inbox/", "pauses/")
#: A newer version of the app wrote it; or it is damaged.
BODIES: Final = (b'{"schema_version": 99}', b"{", b"", b"[]", b"\xff")

#: What an operator may change in the file, for the pipeline of a sequence.
CHANGES: Final[Mapping[str, dict[str, Any]]] = {
    "as it was": {},
    "queue": {"when_busy": "queue"},
    "newest": {"when_busy": "newest"},
    "parallel": {"when_busy": "parallel"},
    "other key": {"key": ["name"]},
    "narrowed": {"data": {"blob": "{name}a.csv"}},  # wants none of the blobs
    "one blob only": {"data": {"blob": "a.{kind}"}},
    "settles": {"data": {"blob": "{name}.csv", "settle": "2m"}},
    "approval": {"gate": {"approval": "required", "expires": "1h"}},
    "no approval": {"gate": {}},
    "renamed": {"name": "renamed"},
}


@dataclass
class HeldDocuments(MemoryDocuments):
    """Documents on which another program may hold a lease: they cannot be changed or deleted."""

    held: set[str] = field(default_factory=set)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Store a document unless it is held."""
        self._refuse(name)
        return super().replace(name, body, expected, metadata)

    def delete(self, name: str, expected: ETag) -> None:
        """Delete a document unless it is held."""
        self._refuse(name)
        super().delete(name, expected)

    def _refuse(self, name: str) -> None:
        if name in self.held:
            raise RecordLeasedError(f"{name}: another program holds a lease on it")


@dataclass
class FaultyWorld(Observed):
    """A world in which clocks, the pipelines file and records may be wrong."""

    poisoned: dict[str, tuple[Row, Row]] = field(default_factory=dict)  #: the rows before, and now
    lost: list[str] = field(default_factory=list)  #: unreadable records that the app changed
    names: set[str] = field(default_factory=set)  #: the names that the pipeline has had
    held: set[str] = field(default_factory=set)  #: records with a lease of another program

    def __post_init__(self) -> None:
        """Begin with a sound file."""
        super().__post_init__()
        self.documents = HeldDocuments(self.clock, self.faults, held=self.held)
        self.other_host = Shifted(self.clock, timedelta())
        self.configure("as it was")

    def configure(self, change: str) -> None:
        """Deploy another file, and start a new process with it."""
        usual = self.config.get("pipeline", {})
        changed = {**usual, **CHANGES[change]}
        if "settle" in usual.get("data", {}) and "data" in CHANGES[change]:
            changed["data"] = {**CHANGES[change]["data"], "settle": usual["data"]["settle"]}
        self.pipeline = pipeline(self.training, self.endpoint, {"pipeline": changed})
        self.file = None
        self.names.add(self.pipeline.name)
        self.restart()

    def break_file(self) -> None:
        """Deploy a file that cannot be read as a whole."""
        self.file = Configuration.unreadable(Problem("pipelines.yaml", "is not plain YAML"))
        self.restart()

    def mend_file(self) -> None:
        """Deploy the first file again, with every pipeline that ever was in it."""
        self.configure("as it was")
        first = self.pipeline
        named = {name: first.evolve(name=name) for name in sorted(self.names)}
        self.file = Configuration(named)
        self.restart()

    def on_other_host(self, do: Callable[[], None]) -> None:
        """Do something as another host, whose clock is wrong by another amount."""
        mine, self.host = self.host, self.other_host
        try:
            do()
        finally:
            self.host = mine

    def preempting_tick(self) -> None:
        """Let the other host do what the timer does."""
        self.on_other_host(super().preempting_tick)

    def clean(self) -> None:
        """Run retention, as the timer does."""
        context = self.context
        until = context.clock.now() + timedelta(minutes=2)
        Retention(context, self.app.catalogue, lambda: bool(self.file)).clean(until)

    def runs(self) -> list[Run]:
        """Return the runs whose records can be read, by id."""
        rows = self.documents.rows
        sound = sorted(n for n in rows if n.startswith("runs/") and n not in self.poisoned)
        return [stored_run(rows[name].body) for name in sound]

    def deleted(self) -> set[str]:
        """Return the runs whose records retention deleted."""
        rows = self.documents.rows
        used = {name.partition("/")[2] for name in rows if name.startswith("tombstones/")}
        return {run_id for run_id in used if f"runs/{run_id}" not in rows}

    def trained(self) -> set[str | None]:
        """Return the Content-MD5s that runs were trained on, those of deleted runs too."""
        rows, old = self.documents.rows, self.deleted()
        names = [name for name in rows if name.startswith("versions/")]
        entries = [VersionEntry.model_validate_json(rows[name].body) for name in names]
        deleted = {entry.blob.content_md5 for entry in entries if entry.taken_by in old}
        return deleted | {blob.content_md5 for run in self.runs() for blob in run.manifest}

    def poison(self, kind: str, pick: int, body: bytes) -> None:
        """Make a record unreadable, past the app."""
        rows = self.documents.rows
        found = sorted(n for n in rows if n.split("/")[0] == kind and n not in self.poisoned)
        if not found:
            return
        name = found[pick % len(found)]
        odd = replace(rows[name], body=body, etag=ETag(f"odd{len(self.lost)}-{name}"))
        self.poisoned[name], rows[name] = (rows[name], odd), odd

    def mend_records(self) -> None:
        """Restore unreadable records, and note those that the app had changed."""
        for name, (was, odd) in self.poisoned.items():
            there = self.documents.rows.get(name)
            if there is not None and there.body == odd.body:
                restored = ETag(f"restored-{odd.etag}")
                self.documents.rows[name] = replace(
                    was, etag=restored, modified=self.clock.now(), metadata=there.metadata
                )
            elif not name.startswith(_REPLACED):
                self.lost.append(name)
        self.poisoned.clear()

    def hold(self, pick: int) -> None:
        """Take a lease on a record, as another program."""
        names = sorted(self.documents.rows)
        if names:
            self.held.add(names[pick % len(names)])

    def break_leases(self) -> None:
        """Break every lease."""
        self.held.clear()

    def deliver_late_requests(self) -> None:
        """Let every request that is under way arrive."""
        late, self.faults.late = self.faults.late, []
        for _, effect in late:
            with suppress(RelearnError):
                effect()
