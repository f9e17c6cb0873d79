"""References of models, endpoints, serving states and candidates; opaque but to their provider.

All of it is stored in records as JSON, and none of it holds a secret.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field

from shared.core.frozen import FrozenModel
from shared.core.names import digest
from shared.core.serving.traffic import ALL, TrafficMap


class ModelRef(FrozenModel):
    """One model of one provider. Equal references are of one model with one content."""

    provider: str
    name: str  #: for operators, such as `models/runs/sample/sample-1/1/model.ilearner`
    digest: str  #: identifies the content
    reference: dict[str, Any]  #: what the provider finds it by

    def __hash__(self) -> int:
        """Agree with `==`: what the provider keeps inside cannot be hashed."""
        return hash((self.provider, self.name, self.digest))


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """An endpoint as operators name it: its pipeline, name and key."""

    pipeline: str
    endpoint: str  #: its name in the pipelines file
    key: tuple[str, ...] = ()  #: where tokens choose the endpoint


class EndpointRef(FrozenModel):
    """One endpoint. Equal identities are one endpoint, however its address is written."""

    provider: str
    identity: str  #: canonical, as the provider makes it
    name: str  #: for operators: its address as it was written

    @property
    def id(self) -> str:
        """The id of the endpoint's records."""
        return digest("endpoint", self.provider, self.identity)


class ServingState(FrozenModel):
    """What an endpoint served at one time, and can be given again."""

    model: ModelRef | None = None  #: None: a model that is none of ours, such as its own service's
    traffic: TrafficMap | None = None  #: None: an endpoint with one model at a time
    body: dict[str, Any] = Field(
        default_factory=dict
    )  #: what the provider needs besides; often nothing

    @property
    def is_more_than_its_model(self) -> bool:
        """Whether the model is not enough to restore it."""
        return self.traffic is not None or bool(self.body)

    @property
    def name(self) -> str:
        """Its name for operators."""
        return self.model.name if self.model else "the model of its own service"


class Candidate(FrozenModel):
    """A model at its endpoint, before or after it gets requests."""

    name: str  #: the provider's, derived from the run, so that staging twice is staging once
    state: ServingState  #: what the endpoint serves once the candidate has all requests
    instances: int = 0  #: how many machines it takes, for its cost; 0: it takes none of its own
    instance_type: str = ""


class Shift(FrozenModel):
    """The share of requests that a candidate is given next.

    An endpoint without a traffic map has one model, and `before` and `wanted` are None.
    """

    candidate: Candidate
    share: int = ALL  #: in percent
    before: TrafficMap | None = None  #: what was recorded ahead of the update
    wanted: TrafficMap | None = None  #: what is asked for


class StagedCandidate(FrozenModel):
    """A candidate that was put at the endpoint, and has to be discarded at some time."""

    candidate: Candidate
    run_id: str  #: the run that staged it
    resource: str
    discard_at: AwareDatetime | None = None  #: None: not while its run is open, or it serves


def announced(
    staged: tuple[StagedCandidate, ...], candidate: Candidate, run_id: str, resource: str
) -> tuple[StagedCandidate, ...]:
    """Return the candidates of an endpoint with one that is there, or will be.

    Args:
        staged: the candidates that are known.
        candidate: the candidate.
        run_id: the run that stages it.
        resource: the part of the endpoint.
    """
    if any(one.candidate.name == candidate.name for one in staged):
        return staged
    return (*staged, StagedCandidate(candidate=candidate, run_id=run_id, resource=resource))


def kept_for(
    staged: tuple[StagedCandidate, ...], resource: str, serving: str, was: str, until: datetime
) -> tuple[StagedCandidate, ...]:
    """Return the candidates, now that another model serves.

    Args:
        staged: the candidates of an endpoint.
        resource: the part of it whose model was replaced.
        serving: the name of the candidate that serves; may be empty.
        was: the name of the one that served before; may be empty.
        until: how long that one is kept.
    """
    times: dict[str, datetime | None] = {was: until} if was else {}
    times |= {serving: None} if serving else {}
    return tuple(
        one.evolve(discard_at=times[one.candidate.name])
        if one.resource == resource and one.candidate.name in times
        else one
        for one in staged
    )
