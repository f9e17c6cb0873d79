"""Runs at an endpoint with a traffic map, whose service answers as a test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.core.config.kinds import Endpoint, Training
from shared.core.run.commands import Event
from shared.core.run.promotion import Promotion
from shared.core.run.promotion_events import FoundBroken, NotYetLive, StepBegan, UpdateSent
from shared.core.run.record import Phase, Run
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.core.serving.state import Resource, ServedModel
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficPoint, TrafficQuery, TrafficRules
from shared.errors import ChangedByOthersError, RelearnError
from shared.execution.endpoint_lease import EndpointLeaseSteps
from shared.execution.promotion import PromotionSteps
from shared.execution.verification import VerificationSteps
from shared.ports.serving import Keep, ModelAnswer, Plan
from shared.ports.training import TrainingService
from tests.fakes.world import RESOURCE
from tests.unit.samples import MODEL, NOW, good, model_ref
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NEW, OLD = "m-new", "blue"
WELL = good("0.8", "0.9")
BLUE, TENTH, HALF, ALL_OF_IT = (
    TrafficMap.of({OLD: 100}),
    TrafficMap.of({OLD: 90, NEW: 10}),
    TrafficMap.of({OLD: 50, NEW: 50}),
    TrafficMap.of({NEW: 100}),
)
CANDIDATE = Candidate(name=NEW, state=ServingState(model=MODEL, traffic=ALL_OF_IT))
GREEN = TrafficMap.of({OLD: 70, "green": 30})
OTHERS = TrafficMap.of({OLD: 70, NEW: 30})
AT_ONCE = Plan(stages=True, shares=(10, 50, 100))
BAKE = 10 * MINUTE
RULES = TrafficRules(min_requests=100, max_error_rate=1.0)


@dataclass
class MappedServing:
    """The serving port over one traffic map; what is asked for is carried out at once."""

    plan: Plan
    traffic: TrafficMap = BLUE
    progress: UpdateProgress = UpdateProgress.DONE
    detail: str = ""
    probe: ProbeAnswers | None = None  #: None: good answers of the expected deployment
    points: list[TrafficPoint] | RelearnError = field(default_factory=list)
    state: EndpointCheck | None = None  #: of the candidate; None: it is ready
    log: str | RelearnError = ""
    refuses: RelearnError | None = None
    gone: set[str] = field(default_factory=set)  #: deployments that no state can be restored with
    sent: list[TrafficMap] = field(default_factory=list)
    queries: list[TrafficQuery] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    checks: int = 0

    def ensure(self) -> None:
        pass

    def current(self, keep: Keep | None = None) -> ServingState | None:
        del keep
        return ServingState(traffic=self.traffic) if self.traffic.shares else None

    def restorable(self, state: ServingState) -> bool:
        return state.traffic is not None and not self.gone & state.traffic.shares.keys()

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        del run_id
        return Candidate(name=f"m-{again}", state=ServingState(model=model, traffic=ALL_OF_IT))

    def stage(self, candidate: Candidate) -> None:
        self.staged.append(candidate.name)

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        assert candidate.name in self.staged
        return self.state or EndpointCheck(UpdateProgress.DONE, None)

    def log_lines(self, candidate: Candidate) -> str:
        assert candidate.name
        if isinstance(self.log, RelearnError):
            raise self.log
        return self.log

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        assert rows
        if self.probe is not None:
            return self.probe
        return WELL.evolve(answered_by=candidate.name if candidate else self.traffic.largest)

    def shift(self, shift: Shift) -> str | None:
        assert shift.wanted is not None
        self._to(shift.wanted, (shift.before,))
        return None

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        assert state.traffic is not None
        self._to(state.traffic, known)
        return None

    def _to(self, wanted: TrafficMap, known: tuple[TrafficMap | None, ...]) -> None:
        if self.refuses is not None:
            raise self.refuses
        if self.traffic == wanted:
            return
        if self.traffic not in known:
            raise ChangedByOthersError("others changed it", self.traffic.model_dump())
        self.sent.append(wanted)
        self.traffic = wanted

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        del operation
        self.checks += 1
        if self.progress is not UpdateProgress.DONE:
            return EndpointCheck(self.progress, None, detail=self.detail, traffic=self.traffic)
        pinned = shift.candidate if shift is not None and shift.share < 100 else None
        return EndpointCheck(self.progress, self.score({"a": 1}, pinned), traffic=self.traffic)

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        self.queries.append(query)
        if isinstance(self.points, RelearnError):
            raise self.points
        return tuple(self.points)

    def discard(self, candidate: Candidate) -> bool:
        raise NotImplementedError(candidate.name)

    def answer(self, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        raise NotImplementedError(rows, name)


@dataclass
class _Providers:
    mapped: MappedServing

    def training(self, training: Training) -> TrainingService:
        raise NotImplementedError(training.address)

    def serving(self, endpoint: Endpoint) -> MappedServing:
        assert endpoint.address
        return self.mapped

    def secrets_of(self, pipeline: object) -> tuple[str, ...]:
        del pipeline
        return ()


class Mapped(Scripted):
    """A run that promotes at such an endpoint, step by step."""

    def __init__(self, plan: Plan | None = None, **known: Any) -> None:
        super().__init__()
        usual = Plan(stages=True, shares=(10, 50, 100), bake=10 * MINUTE)
        self.mapped = MappedServing(plan or usual)
        self.context = replace(self.context, providers=_Providers(self.mapped))
        changes = {"config": self.world.pipeline, "model": MODEL, "candidate": CANDIDATE, **known}
        self.run: Run = sample(Phase.PROMOTING, **{"promotion": None, **changes})

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    @property
    def promotion(self) -> Promotion:
        assert self.run.promotion is not None
        return self.run.promotion

    def fold(self, event: Event | None) -> Event:
        assert event is not None
        self.run = event.fold(self.run, self.now)
        return event

    def lease(self) -> Event:
        return self.fold(EndpointLeaseSteps(self.context).acquire_lease(self.run))

    def update(self) -> Event:
        return self.fold(PromotionSteps(self.context).update(self.run))

    def roll_back(self) -> Event:
        return self.fold(PromotionSteps(self.context).roll_back(self.run))

    def check(self, later: timedelta = MINUTE) -> Event:
        self.world.clock.move(later)
        return self.fold(VerificationSteps(self.context).check(self.run))

    def begin(self, share: int = 10) -> None:
        """Lease the endpoint, and take steps until that of a share lasts."""
        if self.run.promotion is None:
            self.lease()
        for _ in range(20):
            if self.promotion.sent_at is None:
                assert isinstance(self.update(), UpdateSent)
            began = self.promotion.bakes
            event = self.check(self.promotion.step.bake if began else MINUTE)
            if isinstance(event, StepBegan) and self.promotion.step.share == share:
                return
        raise AssertionError(event)


def served(traffic: TrafficMap, **changes: object) -> ServedModel:
    """Return what Relearn left at the endpoint, as its record has it."""
    model = model_ref("old.ilearner")
    known = {
        "model": model,
        "state": ServingState(model=model, traffic=traffic),
        "candidate": traffic.largest,
        "run_id": "sample-0",
        "since": NOW - HOUR,
        "verification": "live",
        "manifest": (),
    }
    return ServedModel.model_validate(known | changes)


def left_at(one: Mapped, traffic: TrafficMap, *previous: TrafficMap) -> None:
    known = Resource(serving=served(traffic), previous=tuple(served(each) for each in previous))
    one.put_endpoint_state(resources={RESOURCE: known}, generation=3)


def requests(one: Mapped, number: float, status: str = "200") -> TrafficPoint:
    """Return what the service measured in the first whole minute of the present step."""
    began = one.promotion.step.began_at
    assert began is not None
    first = began.replace(second=0, microsecond=0) + MINUTE
    return TrafficPoint(NEW, first, requests=number, status=status)


def verified(one: Mapped) -> object:
    """Check until there is a result."""
    for _ in range(100):
        event = one.check(20 * SECOND)
        if not isinstance(event, NotYetLive):
            return event
    raise AssertionError("no result")


def rolling_back(position: int) -> Mapped:
    one = Mapped(AT_ONCE)
    one.lease()
    for _ in range(position):
        one.update()
        one.check()
    one.update()
    one.fold(FoundBroken("it fails"))
    return one
