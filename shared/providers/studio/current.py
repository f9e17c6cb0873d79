"""The model that an endpoint of Studio names, as its clients read it."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.core.blobs import BlobVersion
from shared.core.serving.probes import EndpointCheck, ProbeAnswers


@dataclass(frozen=True, slots=True)
class Current:
    """What an endpoint says it was given."""

    location: tuple[str, str, str] | None = field(default=None, repr=False)
    """Base location, relative location and SAS (a secret), where the service returns them."""
    resources: tuple[str, ...] | None = None  #: the names that can be updated, where known
    refreshable: bool = False  #: whether it can be reset to the model of its own service


class StudioEndpoint(Protocol):
    """An endpoint of Studio, Classic or New: one update gives it one model."""

    def ensure(self) -> None:
        """Make the endpoint where it does not exist and the configuration says to."""
        ...

    def current(self) -> Current:
        """Return what the endpoint was last given."""
        ...

    def update(self, model: BlobVersion) -> str | None:
        """Send the update to a model; return its operation, where there is one."""
        ...

    def refresh(self) -> str | None:
        """Send the update to the model of the endpoint's own service; return as `update`."""
        ...

    def look(self, operation: str | None = None) -> EndpointCheck:
        """Return what the service says of an update, and the answers for the probe rows."""
        ...

    def score(self, rows: dict[str, Any]) -> ProbeAnswers:
        """Return the answers for these rows."""
        ...
