"""The endpoint state: what serves, which run has the lease, and in which order runs are promoted.

One record for one endpoint: the updates of an endpoint are serialised over all of its
resources. A lease is written before an update and never expires. A run that takes
over a lease first rolls back to a known model (design rule 8).
"""

from datetime import datetime
from typing import ClassVar, Final

from pydantic import AwareDatetime, Field

from shared.core.blobs import BlobVersion
from shared.core.frozen import FrozenModel, RecordModel, left_out
from shared.core.serving.probes import ProbeAnswers
from shared.core.serving.references import (
    EndpointRef,
    ModelRef,
    ServingState,
    StagedCandidate,
)
from shared.core.versions import is_older

#: Lines of history in an endpoint state, and blobs that it names for each model: it is read at
#: every probe of the endpoint, and a batch may have ten thousand blobs.
MOST_LINES: Final = 200
_SHOWN: Final = 5
_KEPT: Final = 5
#: Who pinned the anchor, where no operator did.
_FIRST: Final = "the first promotion"


class ServedModel(FrozenModel):
    """A model that was live, or unproven."""

    model: ModelRef | None = None  #: None: the model of the endpoint's own service
    state: ServingState | None = None  #: what restores it, where that is more than the model
    candidate: str = ""  #: its name at the endpoint, where it was staged there
    run_id: str  #: the run that trained or brought it; or the text of `OfNoRun`
    since: AwareDatetime
    verification: str
    manifest: tuple[BlobVersion, ...]  #: the newest of its manifest; its run names all
    arrived: int = 0  #: how many versions that were
    trained_on: tuple[BlobVersion, ...] = ()  #: the newest blobs that its job was given
    given: int = 0  #: how many blobs that were
    answers: ProbeAnswers | None = None  #: its answers when verified, where they repeat
    named: str | None = None  #: what the endpoint said it was given, at that time
    set_by: str | None = None  #: the run that set it last, where that was another one
    first_at: AwareDatetime | None = None  #: when it was live first, where that was earlier
    repairs: int = 0  #: how often it had to be set again since it was promoted
    metrics: dict[str, float] = Field(default_factory=dict)  #: what its evaluation said
    approved_by: str = ""  #: who approved it, where an approval was needed
    trained_by: str = ""  #: the run that trained it, where another one delivered it

    @property
    def target_model(self) -> ServingState:
        """What the endpoint is given to serve it again."""
        return self.state or ServingState(model=self.model)

    @property
    def order(self) -> datetime:
        """When this model was new here, however often it was set again."""
        return self.first_at or self.since


class ServingHistoryEntry(FrozenModel):
    """One line of an endpoint's history: from when on which model served, and why."""

    at: AwareDatetime
    run_id: str  #: the run that set it
    trained_by: str  #: the run that trained or brought it
    model: str | None = None  #: `container/name`; None: the model of the endpoint's own service
    data: tuple[str, ...]  #: the newest blobs that its job was given
    blobs: int  #: how many there were
    arrived: int = 0  #: how many versions its manifest has; a snapshot stands for those before
    data_time: AwareDatetime | None = None  #: when the newest of them was written
    why: str = ""  #: what opened the run that set it
    approved_by: str = ""
    verification: str = ""


class Hold(FrozenModel):
    """An operator rolled the endpoint back: no run updates it until it is resumed."""

    run_id: str  #: the run of the rollback
    to: str  #: the run whose model was asked for, or `baseline`
    state: ServingState = ServingState.constant()
    by: str
    at: AwareDatetime
    reason: str = ""


class Resumed(FrozenModel):
    """An operator resumed the endpoint after a rollback."""

    by: str
    at: AwareDatetime
    reason: str = ""


class Anchor(FrozenModel):
    """A pinned model: candidates are compared with it too, so that quality cannot fall slowly."""

    served: ServedModel
    by: str  #: who pinned it; says so where the first promotion did
    at: AwareDatetime
    reason: str = ""


class Resource(FrozenModel):
    """What serves for one resource of the endpoint."""

    serving: ServedModel | None = None
    previous: tuple[ServedModel, ...] = ()
    baseline: ServingState | None = None  #: what served before our first update
    newest_data: AwareDatetime | None = None  #: the highest data time ever promoted
    newest_version: BlobVersion | None = None  #: the newest of that time, where data was ours
    held: Hold | None = None
    resumed: Resumed | None = None  #: the last time that a hold was ended
    history: tuple[ServingHistoryEntry, ...] = ()  #: the newest last
    anchor: Anchor | None = left_out()

    @property
    def pinnable(self) -> tuple[ServedModel, ...]:
        """Every model that is known in full, the anchor last."""
        return self.kept + ((self.anchor.served,) if self.anchor else ())

    @property
    def kept(self) -> tuple[ServedModel, ...]:
        """Every model that is known, the one that serves first."""
        return ((self.serving,) if self.serving else ()) + self.previous


class EndpointLease(FrozenModel):
    """One run may change one resource of the endpoint."""

    run_id: str
    resource: str
    model: ModelRef | None
    generation: int
    at: AwareDatetime
    in_flight: "EndpointLease | None" = None  #: an earlier one, whose update may still arrive


class ReleasedLease(FrozenModel):
    """The lease that ended last, so that a repetition knows its own work."""

    run_id: str
    generation: int


class EndpointState(RecordModel):
    """One endpoint: all that is known of it, and what falls due there."""

    ref: EndpointRef
    generation: int = 0
    resources: dict[str, Resource] = Field(default_factory=dict)
    endpoint_lease: EndpointLease | None = None
    released: ReleasedLease | None = None
    staged: tuple[StagedCandidate, ...] = ()
    newest_form: ClassVar[int] = 2

    @property
    def form(self) -> int:
        """The second form has anchors: an earlier release would promote without comparing."""
        return 2 if any(known.anchor for known in self.resources.values()) else 1

    def holds(self, run_id: str, generation: int) -> bool:
        """Whether this very endpoint lease is in force.

        Args:
            run_id: the run that may hold it.
            generation: the number of the lease.
        """
        held = self.endpoint_lease
        return held is not None and (held.run_id, held.generation) == (run_id, generation)

    def resource(self, name: str) -> Resource:
        """Return what is known of resource `name`, empty when nothing is."""
        return self.resources.get(name, Resource())

    def with_resource(self, name: str, known: Resource) -> "EndpointState":
        """Return the endpoint state with the facts of resource `name`, if there are any.

        Args:
            name: the name of the resource.
            known: what is known of it.
        """
        if name not in self.resources:
            return self
        return self.evolve(resources={**self.resources, name: known})

    def rollback_targets(self, name: str) -> list[ServingState]:
        """Return the rollback targets for the next update, the best first."""
        known = self.resource(name)
        ways = [one.target_model for one in known.kept]
        return [*ways, known.baseline] if known.baseline else ways


def is_superseded(known: Resource, at: datetime, version: BlobVersion | None) -> bool:
    """Whether a model of newer data was promoted, by the one order of data versions.

    Args:
        known: what is known of the resource.
        at: the data time of the run that is to be promoted.
        version: its newest data; None: it has none of ours.
    """
    if known.newest_data is None or at != known.newest_data:
        return known.newest_data is not None and at < known.newest_data
    newest = known.newest_version
    return version is not None and newest is not None and is_older(version, newest)


def released(endpoint_state: EndpointState, run_id: str) -> EndpointState:
    """Return the endpoint state without the endpoint lease of `run_id`.

    Args:
        endpoint_state: the endpoint.
        run_id: the run.
    """
    given = endpoint_state.endpoint_lease
    if given is None or given.run_id != run_id:
        return endpoint_state
    last = ReleasedLease(run_id=run_id, generation=given.generation)
    return endpoint_state.evolve(endpoint_lease=None, released=last)
