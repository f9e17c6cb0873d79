"""Checks at each request, also after faults, that the app does nothing forbidden to an endpoint.

No traffic that sums to 0 while a deployment is good, none for a deployment that has not succeeded,
no deletion of a deployment that the app did not make, no change in place, and no change of the
endpoint but its traffic. A request of another writer is not the app's (`Calls.other_writer`). The
app cannot know changes that another writer made after its last request: there are no ETags.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from local.azureml.answers import RequestBody
from local.azureml.calls import Call
from local.azureml.provisioning import READ_ONLY
from local.azureml.state import Deployment, Endpoint, State
from local.azureml.traffic import TrafficRequest

OWN_TAG: Final = "relearn.run"
_GOOD: Final = "Succeeded"
_ABOUT: Final = ("endpoint", "endpoints", "deployment", "deployments")
#: Members of an endpoint that a PUT of its traffic may have otherwise.
_NOT_COMPARED: Final = frozenset({"traffic", "mirrorTraffic", "properties", "keys"})


@dataclass(frozen=True)
class Violation:
    """One request that did what it may not."""

    request: str  #: as `PUT endpoint census`
    problem: str


@dataclass
class Guard:
    """Collects violations; only requests that were accepted count."""

    state: State
    violations: list[Violation] = field(default_factory=list)
    _call: Call | None = None  #: of the app, being done
    #: The endpoints as they were at the end of the app's last request about one.
    _seen: dict[str, Endpoint] = field(default_factory=dict)

    @contextmanager
    def watching(self, call: Call | None) -> Iterator[None]:
        """Take what is done in this block for a request of the app; of another writer if None."""
        before, self._call = self._call, call
        try:
            yield
        finally:
            self._call = before
            if call is not None and call.kind.endswith(_ABOUT):
                self._seen = {name: _copied(one) for name, one in self.state.endpoints.items()}

    def put_endpoint(self, endpoint: Endpoint, body: RequestBody, wanted: TrafficRequest) -> None:
        """Check a PUT of an endpoint that exists, before it takes effect.

        Args:
            endpoint: as it is now.
            body: the whole endpoint.
            wanted: the traffic in it.
        """
        known = endpoint.deployments
        good = [name for name, one in known.items() if one.state == _GOOD]
        if good and sum(endpoint.traffic.values()) and not sum(wanted.traffic.values()):
            self._add(f"makes the traffic sum to 0, and {', '.join(good)} is good")
        for asked, now in ((wanted.traffic, endpoint.traffic), (wanted.mirror, endpoint.mirror)):
            for name, share in asked.items():
                seen = self._before(endpoint.name, name)
                states = [one.state for one in (known.get(name), seen) if one is not None]
                if share > now.get(name, 0) and _GOOD not in states:
                    state = known[name].state if name in known else "not there"
                    self._add(f"sends {share} % to {name}, which is {state}")
        seen_lost = self._lost(self._seen.get(endpoint.name, endpoint), body)
        for name in self._lost(endpoint, body):
            if name in seen_lost:
                self._add(f"changes {name} of the endpoint")

    def put_deployment(self, endpoint: str, deployment: Deployment, body: RequestBody) -> None:
        """Check a PUT of a deployment that exists, before it takes effect.

        Args:
            endpoint: of the deployment.
            deployment: as it is now.
            body: the whole deployment.
        """
        seen = self._before(endpoint, deployment.name)
        if seen is None and endpoint in self._seen:
            return  # it was made by another writer in between
        changed = _changed(deployment, body)
        if changed and _changed(seen or deployment, body):
            self._add(f"changes {', '.join(changed)} of {deployment.name} in place")

    def patch_deployment(
        self, deployment: Deployment, sku: Mapping[str, object], tags: Mapping[str, object]
    ) -> None:
        """Check a PATCH of a deployment, before it takes effect.

        Args:
            deployment: as it is now.
            sku: what it asks for.
            tags: what it asks for.
        """
        if (sku, tags) != (deployment.sku, deployment.tags):
            self._add(f"changes sku or tags of {deployment.name} in place")

    def delete_deployment(self, endpoint: str, deployment: Deployment) -> None:
        """Check a DELETE that was accepted.

        Args:
            endpoint: of the deployment.
            deployment: as it is now.
        """
        seen = self._before(endpoint, deployment.name) or deployment
        if not deployment.tags.get(OWN_TAG) and not seen.tags.get(OWN_TAG):
            self._add(f"deletes {deployment.name}, which has no tag {OWN_TAG}")

    def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Check a DELETE that was accepted: the app makes endpoints, and deletes none."""
        self._add(f"deletes the endpoint {endpoint.name}")

    def _before(self, endpoint: str, name: str) -> Deployment | None:
        """Return a deployment as it was at the end of the app's last request."""
        seen = self._seen.get(endpoint)
        return seen.deployments.get(name) if seen else None

    def _lost(self, endpoint: Endpoint, body: RequestBody) -> list[str]:
        """Return what an endpoint would not have any more."""
        own: Mapping[str, object] = body["properties"]
        kind = (body.get("identity") or {}).get("type")
        lost = ["tags"] if dict(endpoint.tags) != (body.get("tags") or {}) else []
        lost += ["identity"] if kind != endpoint.identity.get("type") else []
        lost += [
            name
            for name, value in endpoint.properties.items()
            if name not in _NOT_COMPARED and not _same(own.get(name), value)
        ]
        return [name for name in lost if name not in self.state.switches.unknown_members]

    def _add(self, problem: str) -> None:
        if self._call is not None:
            request = f"{self._call.kind} {self._call.target}"
            self.violations.append(Violation(request, problem))


def _copied(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint with its deployments as they are: nothing in them is changed in place."""
    deployments = {name: replace(one) for name, one in endpoint.deployments.items()}
    return replace(endpoint, deployments=deployments)


def _changed(deployment: Deployment, body: RequestBody) -> list[str]:
    own, known = body["properties"], deployment.properties
    names = (own.keys() | known.keys()) - READ_ONLY - {"properties"}
    changed = [name for name in sorted(names) if not _same(own.get(name), known.get(name))]
    before = {"tags": deployment.tags, "sku": deployment.sku}
    return changed + [name for name in before if (body.get(name) or {}) != before[name]]


def _same(one: object, other: object) -> bool:
    """Whether two values are the same; ids are compared without case."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return one == other
