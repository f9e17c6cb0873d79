"""A world whose pipelines file is changed while it runs."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from shared.config.file_locations import LocalFiles
from shared.config.loader import Configuration, load_pipelines
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Run
from shared.maintenance.changed_file import ChangedFile, ConfigurationReader
from shared.ports.files import Files
from tests.unit.filed import Filed
from tests.unit.written_yaml import yaml_of

Change = Callable[["Live"], None]


@dataclass
class Live(Filed):
    """A process that runs while the file is written."""

    live: bool = field(default=False, kw_only=True)
    learned: list[str] = field(default_factory=list, kw_only=True)

    def write(self, text: str | None = None) -> None:
        """Write the file; the app keeps running, and learns nothing of it."""
        self.path.write_text(text or yaml_of(self.tree, sort_keys=False))
        if not self.live:
            self.restart()
            self.app.activations.refresh()
            self.live = True

    def restart(self) -> None:
        if not hasattr(self, "tree"):
            return super().restart()
        if self.live and self.__dict__.get("changed_file") is not None and self._in_change():
            return None
        source = ConfigurationReader("pipelines.yaml", LocalFiles(), self.read, self.learn)
        self.file, watched = source.read()
        super(Filed, self).restart()
        self.search = self.app.search
        self.changed_file = ChangedFile(
            self.context,
            source,
            self.app.last_good,
            self.app.activations,
            self.search,
            watched=watched,
            host=self.host,
            started_at=self.host.now(),
        )
        return None

    def _in_change(self) -> bool:
        return bool(self.__dict__.get("changing"))

    def read(self, files: Files) -> Configuration:
        return load_pipelines(self.path, self.environment, development=False, files=files)

    def learn(self, pipelines: Iterable[Pipeline]) -> None:
        self.learned += [one.name for one in pipelines]

    def change(self, do: Change) -> None:
        """Change the file, or what it names, while the app runs."""
        self.changing = True
        do(self)
        self.changing = False
        at = self.clock.now().timestamp()
        for file in (self.path, self.folder / "probe.json"):
            if file.exists():
                os.utime(file, (at, at))

    def tick(self, seconds: int = 30) -> None:
        """Do what the timer does: check the file, search where that is wanted, and poll."""
        self.clock.move(timedelta(seconds=seconds))
        self.studio.work()
        if self.changed_file.check():
            self.search.run_until(self.poll.until())
        self.poll.tick()

    def runs_of(self, pipeline: str) -> list[Run]:
        return [run for run in self.runs() if run.pipeline == pipeline]


def attempts(count: int) -> Change:
    def change(world: Live) -> None:
        for one in world.tree["pipelines"].values():
            one["training"]["attempts"] = count
        world.write()

    return change


def taken(world: Live) -> dict[str, int]:
    return {n: one.training.attempts for n, one in world.app.catalogue.pipelines.items()}
