"""The endpoint states, and when each endpoint is checked for drift.

* `endpoints/<id>`   the endpoint state
* `drift_checks/<id>`   when one resource of an endpoint is checked again
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.core.config.kinds import Endpoint
from shared.core.serving.drift import DriftCheck
from shared.core.serving.references import EndpointRef
from shared.core.serving.state import EndpointState, Resource
from shared.ledger.store import Records, Store, Stored
from shared.ports.storage import ETag


class EndpointStates(Records[EndpointState]):
    """What serves at each endpoint, and which run has its lease."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "endpoints/", EndpointState)

    def of(self, ref: EndpointRef) -> Stored[EndpointState]:
        """Return the state of an endpoint; an empty one where there is no record."""
        return self.read(ref.id) or Stored(EndpointState(ref=ref), None)

    def resource(self, endpoint: Endpoint) -> Resource:
        """Return what is known of the resource of an endpoint that a pipeline gives models to."""
        return self.of(endpoint.ref).record.resource(endpoint.resource_name)


@dataclass(frozen=True, slots=True)
class DueDriftCheck:
    """A drift check of an endpoint as the listing shows it."""

    drift_check_id: str
    due: datetime
    host: str = ""  #: that a check calls, as far as they are known
    silent: bool = False  #: whether the last check got no answer


class DriftChecks(Records[DriftCheck]):
    """When each endpoint is checked next, and what was unexpected the last time."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "drift_checks/", DriftCheck)

    def due(self) -> Iterator[DueDriftCheck]:
        """Yield each drift check, and when it is due, without reading its record."""
        for listed in self._store.documents.listing("drift_checks/"):
            try:
                due = datetime.fromisoformat(listed.metadata.get("next_check", ""))
            except ValueError:
                due = listed.modified  # damaged metadata: it is checked now
            yield DueDriftCheck(
                drift_check_id=listed.name.removeprefix("drift_checks/"),
                due=due if due.tzinfo else listed.modified,
                host=listed.metadata.get("host", ""),
                silent="silent" in listed.metadata,
            )

    def put(self, id_: str, record: DriftCheck, expected: ETag | None) -> Stored[DriftCheck]:
        """Store a drift check, as new or over the version that was read.

        Args:
            id_: of the drift check.
            record: what is stored from now on.
            expected: the version that was read; None: there was none.

        Raises:
            ConflictError: another worker wrote it meanwhile.
        """
        metadata = {"next_check": record.next_check.isoformat()}
        metadata |= {"host": record.host} if record.host.isascii() else {}
        metadata |= {"silent": "yes"} if record.silent else {}
        etag = self._store.put(f"drift_checks/{id_}", record, expected, metadata)
        return Stored(record, etag)
