"""Traffic and mirror: their rules, and who answers (azure-machine-learning-v2 §5.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.azureml.state import Deployment

#: Which of 100 positions on the traffic map the next request takes.
Draw = Callable[[], int]
_WHOLE = 100
_MIRROR_MOST = 50


@dataclass
class EvenDraw:
    """A deterministic draw: 100 requests in a row take each of 100 positions once."""

    drawn: int = 0

    def __call__(self) -> int:
        """Return the next position."""
        position = self.drawn * 37 % _WHOLE
        self.drawn += 1
        return position


@dataclass
class ScriptedDraw:
    """The positions that a test gives, one after another; then 0."""

    places: list[int] = field(default_factory=list)

    def __call__(self) -> int:
        """Return the next place."""
        return self.places.pop(0) if self.places else 0


def deployment_at(traffic: Mapping[str, int], position: int) -> str | None:
    """Return the deployment at a position of the map, in the order of their names.

    Args:
        traffic: shares; their sum is 0 or 100.
        position: from 0 to 99.

    Returns:
        Its name; none when nothing has traffic.
    """
    for name in sorted(traffic):
        if position < traffic[name]:
            return name
        position -= traffic[name]
    return None


@dataclass(frozen=True)
class TrafficRequest:
    """The traffic that a PUT asks for."""

    traffic: dict[str, Any]  #: not checked yet
    mirror: dict[str, Any]

    def problem(self, *, kubernetes: bool) -> str | None:
        """Say what is wrong with the numbers themselves, if anything is."""
        shares = [*self.traffic.values(), *self.mirror.values()]
        if any(not isinstance(share, int) or not 0 <= share <= _WHOLE for share in shares):
            return "Traffic must be whole numbers from 0 to 100."
        if sum(self.traffic.values()) not in (0, _WHOLE):
            return "The sum of traffic must be 0 or 100."
        mirrored = {name for name, share in self.mirror.items() if share}
        if mirrored and kubernetes:
            return "Mirror traffic is for managed endpoints."
        if len(mirrored) > 1:
            return "Mirror traffic can go to one deployment."
        if any(share > _MIRROR_MOST for share in self.mirror.values()):
            return "Mirror traffic can be 50 percent at most."
        if any(self.traffic.get(name) for name in mirrored):
            return "A deployment with live traffic cannot be mirrored to."
        return None

    def unknown(self, known: Mapping[str, Deployment]) -> str | None:
        """Name a deployment that does not exist."""
        return next((n for n in (*self.traffic, *self.mirror) if n not in known), None)

    def unready(self, known: Mapping[str, Deployment]) -> str | None:
        """Name a deployment that shall get requests and has not succeeded."""
        shares = (*self.traffic.items(), *self.mirror.items())
        asked = (name for name, share in shares if share)
        return next((name for name in asked if known[name].state != "Succeeded"), None)
