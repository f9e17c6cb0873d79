"""Candidates that an endpoint holds, and until when each of them is kept."""

from datetime import datetime

from pydantic import AwareDatetime

from shared.core.frozen import FrozenModel
from shared.core.serving.references import Candidate


class StagedCandidate(FrozenModel):
    """A candidate that was put at the endpoint, and has to be discarded at some time."""

    candidate: Candidate
    run_id: str  #: the run that staged it
    resource: str
    discard_at: AwareDatetime | None = None  #: None: not while its run is open, or it serves


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
