"""Makes 30 % of the ML service's answers wrong: each run must end as it does without faults."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from statistics import mean
from typing import Final

from proofs.captured_log import CapturedLog
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.counting import counted
from shared.core.run.record import Phase, Run
from shared.errors import OutcomeUnknownError, TransientError
from shared.providers.http.client import Answer
from tests.fakes.clock import FakeClock
from tests.fakes.wire import StudioHttp
from tests.unit.worlds import Observed

SHARE: Final = 0.3
SAME_END: Final = "with 30 % wrong answers a run ends as without them"
FEW_PARK: Final = "with 30 % wrong answers at most 1 % of runs park, each with a reason"

_MOST_PARKED: Final = 0.01
_TIME_OUT: Final = timedelta(seconds=20)
_TICK: Final = timedelta(seconds=30)
_PATIENCE: Final = timedelta(days=3)
_WRONG: Final = (
    b"null",
    b"[]",
    b"{}",
    b'"Bad Gateway"',
    b"0",
    b'{"Results": 7, "StatusCode": [], "Name": {}}',
    b"<html>Bad Gateway</html>",
)
#: The beginning of an answer to a call that had no effect.
_CUT: Final = b'{"Results": {"output1": {"BaseLocation": "htt'


class WrongAnswer(StrEnum):
    """The replacement of an answer."""

    E500 = "500"
    E503 = "503"
    RESET = "connection reset"
    TIME_OUT = "time-out"
    UNREACHABLE = "connection refused"
    TRUNCATED = "truncated JSON"
    WRONG = "wrong JSON"


@dataclass
class FaultyHttp(StudioHttp):
    """The stand-in's HTTP with a share of wrong answers, before or after the effect of the call."""

    chance: random.Random = field(default_factory=random.Random)
    clock: FakeClock = field(default_factory=FakeClock)
    share: float = SHARE
    calls: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send the call, or do not, and answer something else."""

        def do() -> Answer:
            return super(FaultyHttp, self).send(method, url, headers, body)

        self.calls += 1
        if self.chance.random() >= self.share:
            return do()
        kind = self.chance.choice(list(WrongAnswer))
        happened = self.chance.choice((True, False))
        self.wrong[kind] += 1
        return self._wrong_answer(kind, do, happened=happened)

    def _wrong_answer(
        self, kind: WrongAnswer, do: Callable[[], Answer], *, happened: bool
    ) -> Answer:
        if kind is WrongAnswer.UNREACHABLE:
            raise TransientError("the service cannot be reached")
        real = do() if happened else None
        match kind:
            case WrongAnswer.TIME_OUT:
                self.clock.move(_TIME_OUT)
                raise OutcomeUnknownError("the answer was lost (ReadTimeout)")
            case WrongAnswer.RESET:
                raise OutcomeUnknownError("the answer was lost (ConnectionError)")
            case WrongAnswer.E500:
                return Answer(500, {}, b'{"error": {"code": "InternalError"}}')
            case WrongAnswer.E503:
                wait = self.chance.choice(({}, {"Retry-After": "40"}))
                return Answer(503, wait, b"<h1>Service Unavailable</h1>")
            case WrongAnswer.TRUNCATED:
                whole = real.body if real else _CUT
                left = self.chance.randint(min(1, len(whole)), max(0, len(whole) - 1))
                return Answer(real.status if real else 200, {}, whole[:left])
            case _:
                return Answer(real.status if real else 200, {}, self.chance.choice(_WRONG))


def part(effort: Effort) -> list[Outcome]:
    """Bring `effort.size` runs from new data to a live model, each with its own wrong answers."""
    with CapturedLog() as log:
        return _measured(effort, log)


def _measured(effort: Effort, log: CapturedLog) -> list[Outcome]:
    usual = _carried(Observed())
    ends: list[Violation] = []
    parked: list[Violation] = []
    took: list[timedelta] = []
    wrong = calls = 0
    for trial in effort.trials:
        log.records.clear()
        plan = again("HTTP faults", "--seed", effort.seed, "--trial", trial)
        world = Observed()
        chance = random.Random(f"{effort.seed}/{trial}")  # noqa: S311 -- no secret
        faulty = FaultyHttp(world.studio, world.faults, chance=chance, clock=world.clock)
        world.http = faulty
        world.restart()
        took.append(_carried(world))
        calls, wrong = calls + faulty.calls, wrong + faulty.wrong.total()
        run = world.run()
        ends += [Violation(plan, wrong) for wrong in _problems(world, run)]
        if run.phase is Phase.PARKED:
            parked.append(Violation(plan, f"parked: {run.reason}"))
        effort.progress()
    ratio = mean(one / usual for one in took) if took else 0.0
    share = len(parked) / effort.size if effort.size else 0.0
    too_many = parked if share > _MOST_PARKED else []
    return [
        Outcome(
            SAME_END,
            effort.size,
            tuple(ends),
            f"{wrong:,} of {calls:,} answers were wrong; {ratio:.1f} times as long as without",
        ),
        Outcome(FEW_PARK, effort.size, tuple(too_many), f"{share:.1%} parked"),
    ]


def _carried(world: Observed) -> timedelta:
    """Upload data, deliver its event, and let time pass until the run ends or is parked."""
    began = world.clock.now()
    world.upload()
    world.survive(world.deliver)
    while world.clock.now() - began < _PATIENCE:
        runs = world.runs()
        if runs and all(run.phase.ended or run.phase is Phase.PARKED for run in runs):
            break
        world.survive(lambda: world.tick(_TICK.seconds))
    return world.clock.now() - began


def _problems(world: Observed, run: Run) -> Iterator[str]:
    starts = Counter(world.starts)
    if any(number > 1 for number in starts.values()):
        yield f"a job was started twice: {dict(starts)}"
    if run.phase is Phase.PARKED:
        if not (run.reason and run.advice):
            yield f"parked without a reason or advice: {run.reason!r}, {run.advice!r}"
        return
    if run.phase is not Phase.PROMOTED:
        yield f"{run.phase} instead of promoted: {run.reason or run.step_failure}"
        return
    if len(starts) != 1:
        yield f"started: {counted(len(starts), 'job')}; without wrong answers it is one"
    if world.serving() != world.model_of(run):
        yield "another model serves than the run's own"
