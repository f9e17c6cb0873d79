"""What no request of the app may ever do to an endpoint, whatever fails: checked at each of them.

No traffic that sums to 0 while a deployment is good, none for a deployment that has not succeeded,
no deletion of what is not the app's own, no change in place, and nothing of the endpoint lost but
its traffic. A request of another writer is not the app's (`Calls.other_writer`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from local.azureml.answers import RequestBody
from local.azureml.calls import Call
from local.azureml.provisioning import READ_ONLY
from local.azureml.state import Deployment, Endpoint
from local.azureml.switches import Switches
from local.azureml.traffic import TrafficRequest

OWN_TAG: Final = "relearn.run"
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

    switches: Switches
    violations: list[Violation] = field(default_factory=list)
    _call: Call | None = None  #: of the app, being done

    @contextmanager
    def watching(self, call: Call | None) -> Iterator[None]:
        """Take what is done in this block for a request of the app; of another writer if None."""
        before, self._call = self._call, call
        try:
            yield
        finally:
            self._call = before

    def put_endpoint(self, endpoint: Endpoint, body: RequestBody, wanted: TrafficRequest) -> None:
        """Check a PUT of an endpoint that exists, before it takes effect.

        Args:
            endpoint: as it is now.
            body: the whole endpoint.
            wanted: the traffic in it.
        """
        known = endpoint.deployments
        good = [name for name, one in known.items() if one.state == "Succeeded"]
        if good and sum(endpoint.traffic.values()) and not sum(wanted.traffic.values()):
            self._add(f"makes the traffic sum to 0, and {', '.join(good)} is good")
        for asked, now in ((wanted.traffic, endpoint.traffic), (wanted.mirror, endpoint.mirror)):
            for name, share in asked.items():
                state = known[name].state if name in known else "not there"
                if share > now.get(name, 0) and state != "Succeeded":
                    self._add(f"sends {share} % to {name}, which is {state}")
        for name in self._lost(endpoint, body):
            self._add(f"changes {name} of the endpoint")

    def put_deployment(self, deployment: Deployment, body: RequestBody) -> None:
        """Check a PUT of a deployment that exists, before it takes effect.

        Args:
            deployment: as it is now.
            body: the whole deployment.
        """
        own, known = body["properties"], deployment.properties
        names = (own.keys() | known.keys()) - READ_ONLY - {"properties"}
        changed = [name for name in sorted(names) if not _same(own.get(name), known.get(name))]
        before = {"tags": deployment.tags, "sku": deployment.sku}
        changed += [name for name in before if (body.get(name) or {}) != before[name]]
        if changed:
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

    def delete_deployment(self, deployment: Deployment) -> None:
        """Check a DELETE that was accepted."""
        if not deployment.tags.get(OWN_TAG):
            self._add(f"deletes {deployment.name}, which has no tag {OWN_TAG}")

    def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Check a DELETE that was accepted: the app makes endpoints, and deletes none."""
        self._add(f"deletes the endpoint {endpoint.name}")

    def _lost(self, endpoint: Endpoint, body: RequestBody) -> Iterator[str]:
        refused = self.switches.unknown_members
        if dict(endpoint.tags) != (body.get("tags") or {}) and "tags" not in refused:
            yield "tags"
        kind = (body.get("identity") or {}).get("type")
        if kind != endpoint.identity.get("type") and "identity" not in refused:
            yield "identity"
        own: Mapping[str, object] = body["properties"]
        for name, value in endpoint.properties.items():
            if (
                name not in _NOT_COMPARED
                and name not in refused
                and not _same(own.get(name), value)
            ):
                yield name

    def _add(self, problem: str) -> None:
        if self._call is not None:
            request = f"{self._call.kind} {self._call.target}"
            self.violations.append(Violation(request, problem))


def _same(one: object, other: object) -> bool:
    """Whether two values are the same; ids are compared without case."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return one == other
