"""A world whose pipeline updates several endpoints, each of which already serves a model."""

from dataclasses import dataclass, field
from typing import Any

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase, Run
from tests.fakes.world import ROWS, pipeline
from tests.unit.worlds import Observed

BASE = "https://studio.example"


@dataclass
class Fleet(Observed):
    """Endpoints `e1`, `e2`, … of the world's scoring service, fed by one pipeline."""

    size: int = 3
    roll_out: Any = "one_by_one"
    parts: dict[str, Any] = field(default_factory=dict)  #: laid over each endpoint

    def __post_init__(self) -> None:
        super().__post_init__()
        service = self.endpoint.web_service_id
        names = [f"e{number}" for number in range(1, self.size + 1)]
        self.members = {name: self.studio.add_endpoint(service, name) for name in names}
        self.environment |= {f"KEY_{n}": p.api_key for n, p in self.members.items()}
        changes = {"roll_out": self.roll_out, "endpoints": [self._written(n) for n in names]}
        self.pipeline = pipeline(self.training, self.endpoint, {"pipeline": changes})
        self.restart()

    def _written(self, name: str) -> dict[str, Any]:
        member = self.members[name]
        return {
            "name": name,
            "update": BASE + member.management_url,
            "api_key": f"${{KEY_{name}}}",
            "resource": "Sample [trained model]",
            "verify": {"score": BASE + member.execute_url, "rows": ROWS, "within": "3m"},
            **self.parts,
        }

    def configure(self, config: Pipeline) -> None:
        self.pipeline = config
        self.restart()

    def serves(self, name: str) -> bytes:
        wanted = self.members[name].endpoint_id
        for _, endpoints in self.studio.services():
            for endpoint in endpoints:
                if endpoint.id == wanted and (model := self.studio.serving(endpoint)):
                    return model
        raise AssertionError(f"{name} serves nothing")

    def endpoints_serving(self, model: bytes) -> list[str]:
        return [name for name in self.members if self.serves(name) == model]

    def parent(self) -> Run:
        (found,) = [run for run in self.runs() if run.parent is None]
        return found

    def child(self, name: str) -> Run:
        delivery = next(one for one in self.parent().deliveries if one.endpoint == name)
        return next(run for run in self.runs() if run.run_id == delivery.run_id)

    def patched(self) -> list[str]:
        """The endpoints that were sent an update, in order."""
        return [one.rsplit("/", 1)[1] for one in self.http.sent if one.startswith("PATCH")]

    def model(self) -> bytes:
        model = next(iter(self.parent().models.values()))
        return self.blobs.store.contents[f"https://account.blob.core.windows.net/{model.name}"]

    def finish(self, ticks: int = 60) -> Run:
        """Let time pass until the whole roll-out is over, or waits for an operator."""
        for _ in range(ticks):
            if (now := self.parent().phase).ended or now is Phase.PARKED:
                break
            self.tick()
        return self.parent()
