"""The promotion of a run: its steps, the call in flight, and what it can be rolled back to."""

from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime

from shared.core.frozen import FrozenModel
from shared.core.serving.probes import NO_PROBES, ProbeAnswers, ProbeSeries
from shared.core.serving.references import ServingState
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficEvidence


class Step(FrozenModel):
    """One shift of requests to the new model."""

    share: int  #: in percent: what is wanted
    mirror: int = 0  #: the percentage of requests that it gets copies of
    before: TrafficMap | None = None  #: the traffic ahead of it; None: one model has all requests
    wanted: TrafficMap | None = None  #: the traffic that is asked for
    bake: timedelta = timedelta()  #: how long it lasts at least, once it is carried out
    ruled: bool = False  #: whether rules about requests decide what follows
    sent_at: AwareDatetime | None = None  #: when it was asked for last
    seen: str = ""  #: how it is known to be live; empty while it is not
    began_at: AwareDatetime | None = None  #: since when it is seen to be carried out
    evidence: TrafficEvidence = TrafficEvidence.constant()  #: what its requests showed
    verdict: str = ""  #: what the evidence says, for operators
    approved_by: str = ""  #: who lets the next step follow without enough evidence

    @property
    def lasts(self) -> bool:
        """Whether more than its first good probes is needed for the next step."""
        return bool(self.bake) or self.ruled


class Promotion(FrozenModel):
    """The update of the endpoint, with everything needed to verify it or to roll it back.

    `sent_at`, `certain`, `operation` and `service_message` are of the call in flight: of the
    present step, or of the rollback.
    """

    generation: int
    before: ProbeAnswers | None  #: the endpoint's answers before the update; None: no verify
    rollback_target: ServingState | None
    base: ServingState | None = None  #: what served when the lease was taken, where it is known
    steps: tuple[Step, ...] = (Step.constant(share=100),)
    position: int = 0  #: which step is due, or in flight
    expected: ProbeAnswers | None = None  #: what a model that served before is known to answer
    sent_at: AwareDatetime | None = None
    certain: bool = True  #: whether the service confirmed that it took the update
    probe_series: ProbeSeries = NO_PROBES  #: every probe since the update was sent
    ever_sent: bool = False  #: whether the endpoint may have taken an update of this run
    operation: str | None = None  #: the service's own name for the update, where it gives one
    service_message: str = ""  #: its own answer to an update that it did not confirm
    after_rollback: (
        Literal["rolled_back", "unchanged", "cancelled", "start", "judged", "trained"] | None
    ) = None
    """What follows once the old model serves again: an end, the update of the run (start), or
    the step that must be done again before it."""
    rollback_resource: str | None = None  #: whose model is restored, if another
    left: tuple[TrafficMap, ...] = ()  #: traffic that an earlier run may have left
    resent: int = 0  #: how often an update that was never confirmed was sent again
    verification: str | None = None

    @property
    def form(self) -> int:
        """The second form compares errors, which an earlier release would not."""
        compared = any(step.evidence.error_comparison is not None for step in self.steps)
        return 2 if compared else 1

    @property
    def step(self) -> Step:
        """The step that is due, or in flight."""
        return self.steps[min(self.position, len(self.steps) - 1)]

    @property
    def bakes(self) -> bool:
        """Whether the present step is carried out, and lasts."""
        return self.sent_at is not None and self.step.began_at is not None

    @property
    def known_traffic(self) -> tuple[TrafficMap, ...]:
        """The traffic that the endpoint may have by the updates of this run."""
        known = (self.step.before, self.step.wanted, *self.left)
        return tuple(one for one in known if one is not None)

    @property
    def is_last(self) -> bool:
        """Whether no step comes after this one."""
        return self.position >= len(self.steps) - 1
