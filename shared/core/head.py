"""What serves at one endpoint, who may change it now, and in which order runs are promoted.

One head for one update URL: the updates of an endpoint are serialised, whichever of its
resources they are for. A reservation is written before an update and never expires; whoever
finds one left behind first puts back a model that is known (rule 8).
"""

from datetime import datetime
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AwareDatetime, Field

from shared.core.blobs import BlobVersion
from shared.core.names import digest
from shared.core.run import Run, Value, WayBack

_KEPT: Final = 5


class Served(Value):
    """A model that was proved, or said, to serve."""

    model: BlobVersion
    run_id: str
    since: AwareDatetime
    proof: str
    manifest: tuple[BlobVersion, ...]


class Resource(Value):
    """What serves for one resource of the endpoint."""

    serving: Served | None = None
    previous: tuple[Served, ...] = ()
    baseline: WayBack | None = None  #: what served before our first update
    newest_data: AwareDatetime | None = None  #: the highest data time ever promoted


class Reservation(Value):
    """One run may change one resource of the endpoint."""

    run_id: str
    resource: str
    model: BlobVersion
    generation: int
    at: AwareDatetime


class Released(Value):
    """The reservation that was given back last, so that a repetition knows its own work."""

    run_id: str
    generation: int


class Head(Value):
    """One endpoint, by its update URL."""

    schema_version: Literal[1] = 1
    update: str
    generation: int = 0
    resources: dict[str, Resource] = Field(default_factory=dict)
    reservation: Reservation | None = None
    released: Released | None = None

    def holds(self, run_id: str, generation: int) -> bool:
        """Whether this very reservation is in force."""
        held = self.reservation
        return held is not None and (held.run_id, held.generation) == (run_id, generation)

    def resource(self, name: str) -> Resource:
        """Return what is known of resource `name`, empty when nothing is."""
        return self.resources.get(name, Resource())

    def ways_back(self, name: str) -> list[WayBack]:
        """Return what could be put back should the next update fail, the best first."""
        known = self.resource(name)
        served = ((known.serving,) if known.serving else ()) + known.previous
        ways = [WayBack(model=one.model) for one in served]
        return [*ways, known.baseline] if known.baseline else ways


def head_id(update: str) -> str:
    """Return the id of the head of an update URL.

    Case does not count: ids are lower-case hex, endpoint names lower-case letters and digits
    (contract studio-classic §0.1, §3).
    """
    parts = urlsplit(update)
    path = unquote(parts.path).rstrip("/").lower()
    return digest("head", parts.scheme, parts.netloc.lower(), path)


def reserved(head: Head, run: Run, resource: str, baseline: WayBack | None, at: datetime) -> Head:
    """Return `head` reserved for `run`, with the baseline kept where none is known yet.

    Reserved for it already, it stays as it is: of two workers of one run both hold it.
    """
    if run.model is None:
        raise ValueError(f"run {run.run_id} has no model to reserve an endpoint for")
    held = head.reservation
    if held and (held.run_id, held.resource, held.model) == (run.run_id, resource, run.model):
        return head
    known = head.resource(resource)
    if known.baseline is None and known.serving is None:
        known = known.model_copy(update={"baseline": baseline})
    reservation = Reservation(
        run_id=run.run_id,
        resource=resource,
        model=run.model,
        generation=head.generation + 1,
        at=at,
    )
    return head.model_copy(
        update={
            "generation": head.generation + 1,
            "resources": {**head.resources, resource: known},
            "reservation": reservation,
        }
    )


def promoted(head: Head, run: Run, resource: str, proof: str, at: datetime) -> Head:
    """Return `head` with the model of `run` serving and the reservation gone."""
    if run.model is None:
        raise ValueError(f"run {run.run_id} has no model that could serve")
    known = head.resource(resource)
    previous = ((known.serving,) if known.serving else ()) + known.previous
    newest = max(filter(None, (known.newest_data, run.data_time)))
    serving = Served(
        model=run.model, run_id=run.run_id, since=at, proof=proof, manifest=run.manifest
    )
    now = known.model_copy(
        update={"serving": serving, "previous": previous[:_KEPT], "newest_data": newest}
    )
    resources = {**head.resources, resource: now}
    return released(head.model_copy(update={"resources": resources}), run.run_id)


def released(head: Head, run_id: str) -> Head:
    """Return `head` without the reservation of `run_id`."""
    held = head.reservation
    if held is None or held.run_id != run_id:
        return head
    last = Released(run_id=run_id, generation=held.generation)
    return head.model_copy(update={"reservation": None, "released": last})
