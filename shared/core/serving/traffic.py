"""The traffic map of an endpoint: the share of requests of each deployment, and its changes.

An endpoint with one model at a time, such as Studio's, has no such map.
"""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import Field

from shared.core.frozen import FrozenModel

ALL: Final = 100


class TrafficMap(FrozenModel):
    """The traffic of an endpoint. Equal maps route alike: shares of 0 are left out."""

    shares: dict[str, int] = Field(default_factory=dict)  #: deployment -> percent of the requests
    mirror: dict[str, int] = Field(default_factory=dict)  #: deployment -> percent that is copied

    def __hash__(self) -> int:
        """Agree with `==`."""
        return hash((frozenset(self.shares.items()), frozenset(self.mirror.items())))

    @classmethod
    def of(cls, shares: Mapping[str, int], mirror: Mapping[str, int] | None = None) -> Self:
        """Return the map of an endpoint, as the service shows it.

        Args:
            shares: deployment -> percent; zeros count as left out.
            mirror: the same for copies of requests.
        """
        return cls(shares=_given(shares), mirror=_given(mirror or {}))

    @property
    def largest(self) -> str:
        """The deployment with the most requests; empty where none gets any."""
        return max(self.shares, key=lambda name: (self.shares[name], name), default="")

    def routes_as(self, other: "TrafficMap") -> bool:
        """Whether the same deployments answer: who gets copies of requests does not count.

        Args:
            other: another map.
        """
        return self.shares == other.shares

    def without(self, name: str) -> "TrafficMap":
        """Return the map as if a deployment had never got a share; empty where no other has one.

        Args:
            name: the deployment.
        """
        others = _but(self.shares, name)
        return TrafficMap(shares=_scaled(others, ALL), mirror=_but(self.mirror, name))

    def giving(self, name: str, share: int, mirror: int = 0) -> "TrafficMap":
        """Return the map with a share for one deployment, and the rest as it was among the others.

        Args:
            name: the deployment.
            share: its percent of the requests.
            mirror: the percent of the requests that it gets copies of.
        """
        others, kept = _but(self.shares, name), _but(self.mirror, name)
        copies = {name: mirror} if mirror else kept
        if share == ALL or not others:
            return TrafficMap(shares={name: ALL} if share else {}, mirror=kept)
        mixed = _scaled(others, ALL - share)
        return TrafficMap(shares={**mixed, name: share} if share else mixed, mirror=copies)

    def __str__(self) -> str:
        """Return the map for operators."""
        shares = ", ".join(f"{name} {self.shares[name]} %" for name in sorted(self.shares))
        mirror = ", ".join(
            f"copies of {self.mirror[name]} % to {name}" for name in sorted(self.mirror)
        )
        return ", ".join(part for part in (shares or "no deployment gets requests", mirror) if part)


def _but(shares: Mapping[str, int], name: str) -> dict[str, int]:
    return {one: share for one, share in shares.items() if one != name}


def _given(shares: Mapping[str, int]) -> dict[str, int]:
    return {name: share for name, share in shares.items() if share}


def _scaled(shares: Mapping[str, int], whole: int) -> dict[str, int]:
    """Return the shares in the same proportions, with another sum."""
    total = sum(shares.values())
    if not total:
        return {}
    scaled = {name: part * whole // total for name, part in shares.items()}
    first = max(shares, key=lambda name: (shares[name], name))
    scaled[first] += whole - sum(scaled.values())
    return _given(scaled)
