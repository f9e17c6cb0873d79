"""A world whose pipelines file is a blob in the ledger's account, and processes that read it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from shared.app import App
from shared.config.file_locations import ContainerFiles
from shared.config.loader import Configuration, load_pipelines
from shared.core.blobs import BlobVersion
from shared.core.run.record import Run
from shared.errors import RelearnError
from shared.maintenance.changed_file import ChangedFile, ConfigurationReader
from shared.ports.files import Files
from tests.fakes.blobs import FakeBlobs
from tests.unit.filed import Filed
from tests.unit.written_yaml import yaml_of

CONFIG, FILE = "config", "team/pipelines.yaml"
SHOWN = f"blob:{CONFIG}/{FILE}"


@dataclass
class ConfigBlobs(FakeBlobs):
    """The blobs of the ledger's account, which can be unreachable, or refuse calls."""

    away: RelearnError | None = None
    heads: list[str] = field(default_factory=list)

    def head(self, container: str, name: str) -> BlobVersion | None:
        self.heads.append(name)
        if self.away is not None:
            raise self.away
        return super().head(container, name)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        if self.away is not None:
            raise self.away
        return super().read(container, name, limit)


@dataclass
class Process:
    """One process over the world's ledger: it is built without a request, then it begins."""

    world: "Contained"
    app: App
    changed_file: ChangedFile

    def __post_init__(self) -> None:
        self.app.changed_file = self.changed_file
        self.changed_file.begin()
        self.app.last_good.load()

    def tick(self) -> None:
        """Do what a timer does after half a minute."""
        self.world.clock.move(timedelta(seconds=30))
        self.world.studio.work()
        self.look()

    def look(self) -> None:
        """Check the file, search where that is wanted, and store what is new."""
        if self.changed_file.check():
            self.app.search.run_until(self.app.poll.until())
        self.app.activations.refresh()
        self.app.poll.tick()

    def arrive(self, name: str) -> list[Run]:
        """Upload data, and deliver its event to this process."""
        self.world.upload(name)
        return self.app.blob_events.blob_arrived(name)

    @property
    def attempts(self) -> dict[str, int]:
        """What this process uses: the attempts of each pipeline."""
        return {n: one.training.attempts for n, one in self.app.catalogue.pipelines.items()}

    @property
    def said(self) -> str:
        """What health lists."""
        return "\n".join(map(str, self.app.problems))


@dataclass
class Contained(Filed):
    """`sample` and `other`, in a container."""

    beside: ConfigBlobs = field(init=False)

    def write(self, text: str | None = None) -> None:
        if not hasattr(self, "beside"):
            self.beside = ConfigBlobs(self.clock)
            probe = (self.folder / "probe.json").read_bytes()
            self.beside.put(CONFIG, "team/probe.json", probe)
        self.beside.put(CONFIG, FILE, (text or yaml_of(self.tree)).encode())

    def attempts(self, count: int) -> None:
        """Write the file with another number of attempts."""
        for one in self.tree["pipelines"].values():
            one["training"]["attempts"] = count
        self.write()

    def process(self, started_at: datetime | None = None) -> Process:
        """Start a process."""
        files = ContainerFiles(self.beside, CONFIG, lambda: 0.0)
        source = ConfigurationReader(SHOWN, files, self._load)
        started_at = started_at or self.host.now()
        self.file = source.not_read("was not read yet", "it is read ahead of any work")
        self.app = app = self.app_over(self.app.context)
        changed_file = ChangedFile(
            app.context,
            source,
            app.last_good,
            app.activations,
            app.search,
            watched=None,
            host=self.host,
            started_at=started_at,
        )
        return Process(self, app, changed_file)

    def _load(self, files: Files) -> Configuration:
        file = PurePosixPath(FILE)
        return load_pipelines(file, self.environment, development=False, files=files)
