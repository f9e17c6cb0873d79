"""Endpoints and deployments as answers show them (azure-machine-learning-v2 §5.1, §5.2).

Answers may have more members, fewer, null for absent ones, and values in another letter case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.core.config.azureml_models import RUN_TAG
from shared.core.config.azureml_names import asset_of
from shared.core.serving.traffic import ALL, TrafficMap
from shared.errors import TransientError
from shared.providers.azureml.call import mapping_of, properties_of, text_of

_READY: Final = "succeeded"
_FAILED: Final = frozenset({"failed", "canceled", "cancelled"})
_DELETING: Final = "deleting"
#: Any other state is one of work too (azure-machine-learning-v2 §5.2).
_KNOWN: Final = frozenset({_READY, *_FAILED, _DELETING, "creating", "updating", "scaling"})
#: Endpoints made elsewhere may have capitals in the names of their deployments.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MOST_DEPLOYMENTS: Final = 200
#: The unsigned copy of the address of the last operation.
OPERATION: Final = "AzureAsyncOperationUri"


@dataclass(frozen=True, slots=True)
class OnlineResource:
    """What an endpoint and a deployment have alike."""

    name: str
    body: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its properties; empty where there are none."""
        return properties_of(self.body)

    @property
    def state(self) -> str:
        """Its state, for people: one that the service documents, or that it is none of those."""
        given = str(self.properties.get("provisioningState") or "").strip()
        return given.capitalize() if given.lower() in _KNOWN else "in an unknown state"

    @property
    def is_ready(self) -> bool:
        """Whether its last operation succeeded."""
        return self.state.lower() == _READY

    @property
    def is_failed(self) -> bool:
        """Whether its last operation failed or was cancelled."""
        return self.state.lower() in _FAILED

    @property
    def is_being_deleted(self) -> bool:
        """Whether it will be gone."""
        return self.state.lower() == _DELETING

    @property
    def is_busy(self) -> bool:
        """Whether an operation runs on it, as far as it says."""
        return not self.is_ready and not self.is_failed

    @property
    def operation(self) -> str:
        """The address of its last operation, without a signature; may be empty."""
        return text_of(mapping_of(self.properties.get("properties")).get(OPERATION))

    @property
    def tags(self) -> Mapping[str, Any]:
        """Its tags."""
        return mapping_of(self.body.get("tags"))

    @property
    def location(self) -> str:
        """The region that it is in; may be empty."""
        return text_of(self.body.get("location"))


@dataclass(frozen=True, slots=True)
class ShownEndpoint(OnlineResource):
    """An endpoint."""

    @property
    def traffic(self) -> TrafficMap:
        """Who gets which share of the requests.

        Raises:
            TransientError: the answer does not say it in a way that can be relied on.
        """
        own = self.properties
        return TrafficMap.of(
            _shares(own.get("traffic"), self.name), _shares(own.get("mirrorTraffic"), self.name)
        )

    @property
    def is_kubernetes(self) -> bool:
        """Whether it runs on a cluster of its owner."""
        kind = str(self.body.get("kind") or "")
        return kind.lower() == "kubernetes" or bool(self.properties.get("compute"))

    @property
    def auth_mode(self) -> str:
        """How its callers authenticate, in lower case."""
        return str(self.properties.get("authMode") or "key").lower().replace("_", "")

    @property
    def scoring_uri(self) -> str:
        """Where requests go; empty until it was made."""
        return text_of(self.properties.get("scoringUri"))


@dataclass(frozen=True, slots=True)
class ShownDeployment(OnlineResource):
    """A deployment."""

    @property
    def model(self) -> str:
        """The id of its model; empty where it has none of its own."""
        return text_of(self.properties.get("model"))

    @property
    def is_ours(self) -> bool:
        """Whether it carries the tag of this app."""
        return isinstance(self.tags.get(RUN_TAG), str)

    def is_made_by(self, body: Mapping[str, Any]) -> bool:
        """Whether it was made by a body of this app: for that run, with that model."""
        same = same_model(self.model, str(body["properties"].get("model")))
        return same and self.tags.get(RUN_TAG) == body["tags"].get(RUN_TAG)


def same_model(one: str, other: str) -> bool:
    """Whether two ids are of one version of a model; workspaces are not compared.

    Args:
        one: an id, in any form.
        other: another one.
    """
    try:
        here, there = asset_of(one, "model"), asset_of(other, "model")
    except ValueError:  # of a registry, or in a form that is not known
        return one.lower() == other.lower()
    return (here.name.lower(), here.version) == (there.name.lower(), there.version)


def _shares(given: object, name: str) -> dict[str, int]:
    """Return a map of shares; null and absent are alike."""
    if given is None:
        return {}
    odd = TransientError(f"endpoint {name}: the answer does not say its traffic")
    if not isinstance(given, Mapping) or len(given) > _MOST_DEPLOYMENTS:
        raise odd
    shares: dict[str, int] = {}
    for one, share in given.items():
        whole = isinstance(share, int | float) and not isinstance(share, bool)
        if share is None or (whole and share == 0):
            continue
        if not whole or not 0 < share <= ALL or share != int(share) or not _NAME.fullmatch(one):
            raise odd
        shares[one] = int(share)
    return shares
