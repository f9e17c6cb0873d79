"""The state of the service: model versions, endpoints and their deployments."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.azureml.answers import WORKSPACE, Body
from local.azureml.containers import Container, Containers, MadeUpContainers
from local.azureml.operations import Failure, Operations
from local.azureml.switches import Switches
from shared.ports.clock import Clock


@dataclass
class Deployment:
    """One deployment of an endpoint."""

    name: str
    location: str
    tags: Body
    sku: Body
    properties: Body  #: as last asked for
    state: str
    operation: str = ""  #: unsigned address of the last one
    container: Container | None = None  #: which one answers; none before the first success
    newest: Container | None = None  #: the one started last, whose log is shown

    def stop(self) -> None:
        """End every container of it."""
        for one in (self.container, self.newest):
            if one is not None:
                one.stop()


@dataclass
class Endpoint:
    """One online endpoint."""

    name: str
    location: str
    tags: Body
    identity: Body
    properties: Body  #: without traffic
    state: str
    operation: str = ""
    traffic: dict[str, int] = field(default_factory=dict)  #: as GET shows it
    mirror: dict[str, int] = field(default_factory=dict)
    #: Until when requests follow an older traffic, and which; and answers show it.
    old_routes: tuple[datetime, dict[str, int], dict[str, int]] | None = None
    old_shown: tuple[datetime, dict[str, int], dict[str, int]] | None = None
    deployments: dict[str, Deployment] = field(default_factory=dict)
    key: str = "key-0"
    second_key: str = "key-0-second"
    tokens: dict[str, datetime] = field(default_factory=dict)

    @property
    def scoring_uri(self) -> str:
        """Return where rows are sent."""
        return f"https://{self.name}.{self.location}.inference.ml.azure.com/score"

    def routes(self, now: datetime) -> tuple[dict[str, int], dict[str, int]]:
        """Return traffic and mirror as requests follow them."""
        return self._maps(self.old_routes, now)

    def shown_maps(self, now: datetime) -> tuple[dict[str, int], dict[str, int]]:
        """Return traffic and mirror as answers show them."""
        return self._maps(self.old_shown, now)

    def _maps(
        self, old: tuple[datetime, dict[str, int], dict[str, int]] | None, now: datetime
    ) -> tuple[dict[str, int], dict[str, int]]:
        return old[1:] if old and now < old[0] else (self.traffic, self.mirror)


@dataclass
class State:
    """Everything that the workspace holds, but its jobs."""

    clock: Clock
    switches: Switches
    operations: Operations
    models: dict[tuple[str, str], Body] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    made_up: MadeUpContainers = field(default_factory=MadeUpContainers)
    containers: Containers | None = None  #: none: those that are made up
    #: Failures to come, by resource; each is used once.
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    #: Updates to be undone silently, by endpoint: how long their traffic lasts. Each is used once.
    undone: dict[str, list[timedelta]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Remember when it began: roles may be late."""
        self.began = self.clock.now()

    def failure_of(self, resource: str) -> Failure | None:
        """Return how the next operation on a resource fails, once."""
        waiting = self.failures.get(resource)
        return waiting.pop(0) if waiting else None


def model_id(name: str, version: str) -> str:
    """Return the ARM id of a version of a model."""
    return f"{WORKSPACE}/models/{name}/versions/{version}"
