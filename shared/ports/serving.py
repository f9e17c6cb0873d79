"""The port of endpoints: candidates, shares of requests, and rollback."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import (
    NO_RULES,
    TrafficPoint,
    TrafficQuery,
    TrafficRules,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How an endpoint is given a new model."""

    stages: bool = False
    """Whether it has several deployments and a traffic map: a candidate is staged without
    requests, scored, and then given its shares. An operator decides on its drift: nothing is
    set again by itself."""
    shares: tuple[int, ...] = (100,)  #: the percentages of requests that it is given, in order
    bake: timedelta = timedelta()  #: how long each share lasts before the next one
    mirror: int = 0  #: the percentage that is copied to it for one bake, ahead of the first share
    rules: TrafficRules = NO_RULES  #: what its requests have to show before the next share
    give_up_after: timedelta = timedelta(days=1)  #: how long a share waits for enough requests
    keeps: timedelta = timedelta()  #: how long what served before is kept for a quick rollback


@dataclass(frozen=True, slots=True)
class Keep:
    """For whom what serves is kept, so that it can be restored later."""

    run_id: str
    since: datetime  #: a copy that is older is made anew


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model answered for rows that are to be compared."""

    seen: ProbeOutcome
    answer: object = field(default=None, repr=False)  #: decoded JSON, where it is good
    detail: str = ""  #: why it is not; without a word of the model, which may repeat a row
    answered_by: str = ""  #: the candidate that says it answered, where the service names it
    is_missing: bool = False  #: whether the service has nothing of that name


class ServingEndpoint(Protocol):
    """An endpoint that scores with a model it can be given.

    No call waits: a service may carry out what it was asked minutes later, or never. So
    `stage`, `shift` and `restore` only ask; `candidate_state` and `update_state` return the result.
    Each may be repeated: asking twice for one thing is asking once.
    """

    @property
    def plan(self) -> Plan:
        """How this endpoint is given a new model."""
        ...

    def ensure(self) -> None:
        """Make the endpoint where it does not exist and the configuration says to.

        Raises TransientError, OutcomeUnknownError, PermanentError.
        """
        ...

    def current(self, keep: Keep | None = None) -> ServingState | None:
        """Return what the endpoint serves; None where the service does not say it.

        Args:
            keep: what serves is made to last for this run, so that it can be restored; what
                cannot be restored is not returned. None: it is only compared with later.

        Raises:
            TransientError: it cannot be read now.
            PermanentError: the endpoint cannot be given a model, such as by another resource.
        """
        ...

    def restorable(self, state: ServingState) -> bool:
        """Return whether the endpoint can still be given this state. Raises TransientError."""
        ...

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        """Return a model as it is called at the endpoint. Nothing is sent.

        Args:
            model: the model.
            run_id: the run that brings it; the candidate's name is derived from all three.
            again: how many candidates of this run could not be made ready before.
        """
        ...

    def stage(self, candidate: Candidate) -> None:
        """Stage a candidate next to the live model, without any traffic.

        Raises:
            TransientError: it was not staged.
            OutcomeUnknownError: it may have been; ask again.
            PermanentError: the service refuses it.
        """
        ...

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        """Return the state of a candidate: pending, done or failed, without an answer of it.

        Where it failed, also what follows, and what an operator can do.

        Raises TransientError, PermanentError.
        """
        ...

    def log_lines(self, candidate: Candidate) -> str:
        """Return the last lines that a candidate wrote; empty where there are none.

        Raises TransientError, PermanentError.
        """
        ...

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        """Return the answers for probe rows. No usable answer is one too, and no error.

        Args:
            rows: the request.
            candidate: the candidate that is to answer; None: what serves.

        Raises PermanentError when it is not known where to send them.
        """
        ...

    def answer(self, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        """Return the whole answer for rows. No usable answer is one too, and no error.

        Args:
            rows: the request.
            name: the candidate, or what serves, by its name at the endpoint; empty: what serves.

        Raises PermanentError when it is not known where to send them.
        """
        ...

    def shift(self, shift: Shift) -> str | None:
        """Ask that a candidate be given a share of the requests.

        Where the endpoint has the wanted traffic already, nothing is sent.

        Returns the handle of an asynchronous operation, where the service gives one; it
        holds no secret.

        Raises:
            TransientError: it was not asked.
            OutcomeUnknownError: it may have been; see `update_state`.
            ChangedByOthersError: its traffic is neither as before nor as wanted.
            PermanentError: it refuses.
        """
        ...

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        """Return what the service says of its last update, its traffic, and the probe's answers.

        Args:
            operation: the handle that `shift` or `restore` gave, if any.
            shift: what was asked for; a candidate with a part of the requests is probed by its
                name. None: a state was restored, or nothing was asked for; then the check names
                the model that serves.

        Raises TransientError, PermanentError.
        """
        ...

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        """Return what the service measured of requests, one point for each minute with data.

        One call of the service. No point where there was no request, or where it does not know.

        Raises:
            TransientError: it cannot be read now.
            PermanentError: it is refused, such as for want of a role.
        """
        ...

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        """Ask the endpoint to serve what it served before.

        Args:
            state: what it is to serve.
            known: the traffic that it may have now, apart from that of the state.

        Returns:
            The handle of an asynchronous operation, as `shift`, which raises the same.
        """
        ...

    def discard(self, candidate: Candidate) -> bool:
        """Remove a candidate that gets no requests; return whether it is gone.

        What does not carry the mark of this app is left, and counts as gone.

        Raises TransientError, OutcomeUnknownError, PermanentError.
        """
        ...
