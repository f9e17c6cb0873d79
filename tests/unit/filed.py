"""A world whose workers read a pipelines file, as the app does; tests can break the file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.config.loader import load_pipelines
from shared.core.run.record import Run
from shared.operations.endpoints import Endpoints
from shared.operations.pipelines import Pipelines
from tests.fakes.world import ROWS
from tests.unit.worlds import Observed
from tests.unit.written_yaml import yaml_of


@dataclass
class Filed(Observed):
    """Two pipelines, `sample` and `other`, each with an endpoint of its own."""

    folder: Path = field(kw_only=True)
    parts: dict[str, Any] = field(default_factory=dict, kw_only=True)  #: of both pipelines

    def __post_init__(self) -> None:
        super().__post_init__()
        service = self.endpoint.web_service_id
        self.second = self.studio.add_endpoint(service, "second")
        self.environment["SECOND_KEY"] = self.second.api_key
        self.environment["UNUSED"] = "unused"
        base = self.pipeline.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        base |= self.parts
        del base["name"]
        other = json.loads(json.dumps(base))
        other["data"]["blob"] = "other-{name}.csv"
        base["data"]["blob"] = "new-{name}.csv"
        path = self.second.management_url.rpartition("/")[0]
        update = base["endpoints"][0]["update"]
        assert path in update
        other["endpoints"][0]["update"] = update.replace("production", "second")
        other["endpoints"][0]["api_key"] = "${SECOND_KEY}"
        score = f"https://studio.example{self.second.execute_url}"
        other["endpoints"][0]["verify"]["score"] = score
        for one in (base, other):
            one["endpoints"][0]["verify"]["rows"] = "probe.json"
        (self.folder / "probe.json").write_text(json.dumps(ROWS))
        self.tree: dict[str, Any] = {"pipelines": {"sample": base, "other": other}}
        self.write()

    @property
    def path(self) -> Path:
        return self.folder / "pipelines.yaml"

    def write(self, text: str | None = None) -> None:
        """Deploy the file, as it is in `tree` or as a text, and restart the app."""
        self.path.write_text(text or yaml_of(self.tree, sort_keys=False))
        self.restart()
        self.app.activations.refresh()

    def restart(self) -> None:
        if hasattr(self, "tree"):
            self.file = load_pipelines(self.path, self.environment, development=False)
        super().restart()

    def endpoints(self) -> Endpoints:
        return self.app.endpoints

    def pipelines(self) -> Pipelines:
        return self.app.pipelines

    def train(self, pipeline: str, number: int) -> Run:
        """Upload data for a pipeline, and bring its run to its end."""
        name = f"{'new' if pipeline == 'sample' else pipeline}-{number}.csv"
        content = f"a,b,label\n{number},2,0\n3,4,1\n{number},1,1\n".encode()
        run = self.next_run(name, content)
        assert run.pipeline == pipeline
        return self.until_idle(run)

    def reported(self) -> str:
        """What the app reports of its file and of last good configurations."""
        assert self.file is not None
        found = (*self.file.problems, *self.app.last_good.notes())
        return "\n".join(map(str, found))
