"""References of models, endpoints and serving states; only their provider reads their details.

All of it is stored in records as JSON, and none of it holds a secret.
"""

from typing import Any

from pydantic import Field

from shared.core.frozen import FrozenModel
from shared.core.names import digest


class ModelRef(FrozenModel):
    """One model of one provider. Equal references are of one model with one content."""

    provider: str
    name: str  #: for operators, such as `models/runs/sample/sample-1/1/model.ilearner`
    digest: str  #: identifies the content
    reference: dict[str, Any]  #: what the provider finds it by

    def __hash__(self) -> int:
        """Agree with `==`: what the provider keeps inside cannot be hashed."""
        return hash((self.provider, self.name, self.digest))


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
    body: dict[str, Any] = Field(
        default_factory=dict
    )  #: what the provider needs besides; often nothing

    @property
    def name(self) -> str:
        """Its name for operators."""
        return self.model.name if self.model else "the model of its own service"


class Candidate(FrozenModel):
    """A model at its endpoint, before or after it gets requests."""

    name: str  #: the provider's, derived from the run, so that staging twice is staging once
    state: ServingState  #: what the endpoint serves once the candidate has all requests


class Shift(FrozenModel):
    """The share of requests that a candidate is given next."""

    candidate: Candidate
    share: int  #: in percent
    before: int = 0  #: the share that it has now
    base: ServingState | None = None  #: what the endpoint served when its lease was taken
