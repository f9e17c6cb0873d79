"""Long random sequences of everything that may happen to the app, shrunk to what matters.

State-machine testing: land, tell, touch, overwrite, tick, die, jump, pause, cancel, approve, go
back, change the file, poison and hold records; then the trouble is over, and every promise is
looked at.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from hypothesis import HealthCheck, seed, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from proofs.newest import newest_runs
from proofs.trial import Effort, Outcome, Violation
from proofs.troubles import BODIES, CHANGES, POISONED, FaultyWorld
from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Gate
from shared.core.config.studio_models import blob_of
from shared.core.full_listing import FullListing
from shared.core.run.concurrency import releases_slot
from shared.core.run.record import Origin, Phase
from shared.errors import RelearnError
from shared.intake.full_listings import FullListings
from shared.intake.requests import ManualRequest
from shared.intake.search import Search
from shared.operations.endpoints import Endpoints, OperatorCommand
from shared.operations.pipelines import Pipelines
from tests.fakes.faults import Kind
from tests.functions.echo_lives import read_all

_STEPS: Final = 40
_MODES: Final[tuple[dict[str, Any], ...]] = (
    {"when_busy": "parallel"},
    {"when_busy": "newest"},
    {"when_busy": "queue"},
    {"when_busy": "parallel", "max_parallel": 1},
    {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "2m"}},
    {"when_busy": "newest", "gate": {"approval": "required", "expires": "1h"}},
)
_SKEWS: Final = st.sampled_from([-600, -30, 0, 30, 600])
_ON_ITS_WAY: Final = (Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
#: A blob that no event is ever delivered for.
_APPEARED: Final = "d.csv"
_KEPT_DAYS: Final = 400
_NAMES: Final = st.sampled_from(["a.csv", "b.csv", "c.csv"])
_PROMISES: Final = (
    "each data version is in exactly one run of its pipeline",
    "each attempt starts at most one job",
    "every run ends, or is parked with a reason",
    "the head tells what serves, and nothing older replaced it",
    "no record is lost or unreadable, no marker and no place is left behind",
    "no secret in a record or an answer",
    "what was promoted was promoted by the gate that its record names",
    "a mistake in the pipelines file stops nothing that went before",
    "what cannot be read is never overwritten",
    "a blob that appears with an old time has a run within a day of the end of all trouble",
)
_GATES: Final = (Gate(), Gate(approval="required"), Gate(first_model="allow"))


class BrokenPromiseError(AssertionError):
    """A promise did not hold."""


class Life(RuleBasedStateMachine):
    """One app, its world, and what people and storage do to it."""

    lives = 0
    on_end: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.written = 0
        self.by_hand = False  #: whether a person chose what serves
        self.appeared = False  #: whether a blob appeared with an old time

    @initialize(mode=st.sampled_from(_MODES))
    def start(self, mode: dict[str, Any]) -> None:
        """Deploy the app."""
        self.world = FaultyWorld(config={"pipeline": mode})
        self.world.intake.activate()

    @rule(name=_NAMES, told=st.booleans())
    def land(self, name: str, *, told: bool) -> None:
        """New bytes, told of or not."""
        self.written += 1
        self.world.clock.move(timedelta(seconds=1))
        content = f"a,b,label\n{self.written},2,0\n3,4,1\n"
        self.world.upload(name, content.encode())
        if told:
            self.tell(name)

    @rule(names=st.permutations(["a.csv", "b.csv", "c.csv"]), told=st.integers(1, 3))
    def land_within_a_second(self, names: list[str], told: int) -> None:
        """Several blobs of one Last-Modified, told of in any order, perhaps not all."""
        self.world.clock.move(timedelta(seconds=1))
        for name in sorted(names):
            self.written += 1
            content = f"a,b,label\n{self.written},2,0\n3,4,1\n"
            self.world.upload(name, content.encode())
        for name in names[:told]:
            self.world.host.by += timedelta(microseconds=1)
            self.tell(name)

    @rule(name=_NAMES)
    def touch_within_the_second(self, name: str) -> None:
        """New bytes and a metadata write within one second, each told of."""
        self.land(name, told=True)
        self.world.blobs.touch("training-data", name)
        self.tell(name)

    @precondition(lambda self: self._is_recorded())
    @rule(hours=st.sampled_from([2, 72, 1000, 12_000]))
    def appear(self, hours: int) -> None:
        """A folder is renamed, or a blob restored: its time is old, and no event tells of it."""
        self.written += 1
        content = f"a,b,label\n{self.written},2,0\n3,4,1\n".encode()
        old = self.world.clock.now() - timedelta(hours=hours)
        self.world.blobs.appear("training-data", _APPEARED, content, old)
        self.appeared = True

    @rule()
    def list_all(self) -> None:
        """The full listing goes on, if it is due."""
        self.world.survive(self._list)

    @rule(name=_NAMES)
    def tell(self, name: str) -> None:
        """An event, perhaps once more, perhaps of what is gone."""
        self.world.survive(lambda: self.world.deliver(name))

    @rule(name=_NAMES)
    def touch(self, name: str) -> None:
        """A metadata write."""
        self.world.clock.move(timedelta(seconds=1))
        with suppress(KeyError):
            self.world.blobs.touch("training-data", name)

    @rule(seconds=st.sampled_from([5, 45, 130, 400]))
    def tick(self, seconds: int) -> None:
        """Time passes, the timer fires; no request is under way for longer than a lease."""
        if seconds > self.world.limits.lease.total_seconds():
            self.world.land_what_is_late()
        self.world.survive(lambda: self.world.tick(seconds))

    @rule()
    def second_worker(self) -> None:
        """Another host does what the timer does."""
        self.world.survive(self.world.preempting_tick)

    @rule(ahead=st.integers(0, 12), kind=st.sampled_from([k for k in Kind if k is not Kind.OK]))
    def fault(self, ahead: int, kind: Kind) -> None:
        """Something goes wrong soon."""
        faults = self.world.faults
        faults.plan = {**faults.plan, len(faults.sites) + ahead: kind}

    @rule()
    def die(self) -> None:
        """The process is gone, and a new one starts."""
        self.world.restart()

    @rule(how=st.sampled_from(["sound", "a typo", "not YAML"]))
    def edit_file(self, how: str) -> None:
        """Somebody deploys another pipelines file, and the app starts with it."""
        name = self.world.pipeline.name
        wrong = Problem(f"pipelines.yaml:3: pipelines.{name}", "unknown key")
        self.world.file = {
            "sound": None,
            "a typo": Configuration({}, (wrong,), {name: (wrong,)}),
            "not YAML": Configuration.unreadable(wrong),
        }[how]
        self.world.restart()
        kept = f"configurations/{name}" in self.world.documents.rows
        if kept and self.world.intake.catalogue.pipeline(name) is None:
            raise BrokenPromiseError(f"{_PROMISES[7]}: {how}")

    @rule(minutes=st.sampled_from([60, 26 * 60]))
    def be_down(self, minutes: int) -> None:
        """Nothing fires for a while; what was under way lands first."""
        self.world.land_what_is_late()
        self.world.clock.move(timedelta(minutes=minutes))

    @precondition(lambda self: any(run.phase in _ON_ITS_WAY for run in self.world.runs()))
    @rule(minutes=st.sampled_from([7, 20, 90]))
    def be_down_while_verifying(self, minutes: int) -> None:
        """Nothing looks at the endpoint for longer than the proof may take."""
        self.be_down(minutes)

    @rule(days=st.sampled_from([1, 31, 401]))
    def age(self, days: int) -> None:
        """So much time passes that records are old, and what is old is forgotten."""
        self.be_down(days * 24 * 60)
        if days > _KEPT_DAYS and self.appeared and self.world.pipeline.name != "sample":
            # What is recorded for a pipeline that is not in the file for so long is forgotten.
            self.appeared = False
            self.world.blobs.remove("training-data", _APPEARED)
        self.world.survive(self.world.clean)

    @rule(seconds=_SKEWS)
    def jump(self, seconds: int) -> None:
        """The clock of the host jumps."""
        self.world.host.by = timedelta(seconds=seconds)

    @rule(seconds=_SKEWS)
    def jump_elsewhere(self, seconds: int) -> None:
        """The clock of the other host jumps."""
        self.world.other_host.by = timedelta(seconds=seconds)

    @rule(change=st.sampled_from(sorted(CHANGES)))
    def change_file(self, change: str) -> None:
        """Somebody deploys another pipelines file."""
        self.world.configure(change)

    @rule()
    def break_file(self) -> None:
        """Somebody deploys a file with a mistake."""
        self.world.break_file()

    @rule(kind=st.sampled_from(POISONED), pick=st.integers(0, 9), body=st.sampled_from(BODIES))
    def poison(self, kind: str, pick: int, body: bytes) -> None:
        """A record cannot be read any more."""
        self.world.poison(kind, pick, body)

    @rule()
    def mend_records(self) -> None:
        """Records that could not be read are there as before."""
        self.world.mend_records()

    @rule(pick=st.integers(0, 99))
    def hold(self, pick: int) -> None:
        """Somebody takes a lease on a record."""
        self.world.hold(pick)

    @rule()
    def let_go(self) -> None:
        """Leases are broken."""
        self.world.let_go()

    @rule(key=st.sampled_from(["k1", "k2"]))
    def ask(self, key: str) -> None:
        """A person starts a run."""
        asked = self.world.intake.asked
        self.world.survive(lambda: asked.requested(self.world.pipeline, key, ManualRequest()))

    @rule(pause=st.booleans())
    def pause_or_resume(self, *, pause: bool) -> None:
        """A person pauses the pipeline, or lets it go on."""
        hand, name = self._pipelines(), self.world.pipeline.name
        wish = (lambda: hand.pause(name, "ada", "")) if pause else (lambda: hand.resume(name))
        self.world.survive(wish)

    @precondition(lambda self: self.world.runs())
    @rule(pick=st.integers(0, 9), order=st.sampled_from(["cancel", "retry", "approve", "reject"]))
    def order(self, pick: int, order: str) -> None:
        """A person says something to a run."""
        runs = self.world.runs()
        run, run_operations = runs[pick % len(runs)], self.world.run_operations
        said: dict[str, Callable[[], object]] = {
            "cancel": lambda: run_operations.cancel(run.run_id),
            "retry": lambda: run_operations.retry(run.run_id),
            "approve": lambda: run_operations.approve(run.run_id, "ada", ""),
            "reject": lambda: run_operations.reject(run.run_id, "ada", ""),
        }
        self.world.survive(said[order])

    @rule(back=st.booleans())
    def go_back_or_on(self, *, back: bool) -> None:
        """A person goes back to an earlier model, or resumes the endpoint."""
        hand = self._endpoints()
        self.by_hand = True
        wish: Callable[[], object] = (
            (lambda: hand.rollback("sample", "production", (), None, OperatorCommand("ada")))
            if back
            else (lambda: hand.resume("sample", "production", ()))
        )
        self.world.survive(wish)

    @rule(gate=st.sampled_from(_GATES))
    def change_the_gate(self, gate: Gate) -> None:
        """A person changes the gate in the file, which is read anew."""
        self.world.pipeline = self.world.pipeline.evolve(gate=gate)
        self.world.restart()

    def teardown(self) -> None:
        """Let the trouble be over, and look at every promise."""
        if not hasattr(self, "world"):
            return
        self._mend()
        wrong = list(self._problems())
        type(self).lives += 1
        type(self).on_end()
        if wrong:
            raise BrokenPromiseError("; ".join(wrong))

    def _mend(self) -> None:
        world = self.world
        world.faults.plan = {}
        world.host.by = world.other_host.by = timedelta()
        world.let_go()
        world.mend_records()
        world.mend_file()
        world.land_what_is_late()
        for name in ("a.csv", "b.csv", "c.csv"):
            world.survive(lambda name=name: world.deliver(name))
        world.clock.move(timedelta(minutes=31))
        for pipeline in sorted(world.names):
            self._pipelines().resume(pipeline)
        with suppress(RelearnError):
            self._endpoints().resume("sample", "production", ())
        for _ in range(2 if self.appeared else 0):
            world.clock.move(timedelta(hours=25))
            for _ in range(3):
                self._list()
        for _ in range(90):
            Search(world.intake._context, world.intake).run_until(  # noqa: SLF001 -- as the app has it
                world.clock.now() + timedelta(minutes=3)
            )
            world.tick(300)
            for run in world.runs():  # nobody answers a person's question here but the app
                if run.phase is Phase.AWAITING_APPROVAL:
                    world.survive(
                        lambda run=run: world.run_operations.approve(run.run_id, "ada", "")
                    )
            if not self._may_continue():
                break

    def _may_continue(self) -> bool:
        open_ = [run for run in self.world.runs() if not run.phase.ended]
        waits = any(name.startswith("inbox/") for name in self.world.documents.rows)
        return waits or any(run.phase is not Phase.PARKED for run in open_)

    def _problems(self) -> Iterator[str]:
        world = self.world
        runs = world.runs()
        of_data = [run for run in runs if run.origin is Origin.DATA]
        counted = Counter(
            (run.pipeline, blob.name, blob.etag) for run in of_data for blob in run.manifest
        )
        if twice := [version for version, number in counted.items() if number > 1]:
            yield f"{_PROMISES[0]}: {twice} are in two"
        taken = world.trained()
        for blob in world.blobs.listing("training-data", ""):
            if blob.content_md5 not in taken:
                promise = _PROMISES[9 if blob.name == _APPEARED else 0]
                yield f"{promise}: {blob.name} is in none"
        starts = Counter(world.starts)
        jobs = [job for run in runs for job in (run.job, *(e.job for e in run.ended_attempts))]
        unknown = set(starts) - set(jobs) if not world.deleted() else set()
        if any(number > 1 for number in starts.values()) or unknown:
            yield f"{_PROMISES[1]}: {dict(starts)} for jobs {jobs}"
        for run in runs:
            parked = run.phase is Phase.PARKED and run.reason and run.advice
            if not run.phase.ended and not parked:
                yield f"{_PROMISES[2]}: {run.run_id}, {run.phase}: {run.reason or run.step_failure}"
            asked = run.config.gate.approval == "required" and not run.origin.repeats
            approved = run.approval is not None and run.approval.answer == "approved"
            if run.phase is Phase.PROMOTED and asked and not approved:
                yield f"{_PROMISES[6]}: {run.run_id} was not approved"
        yield from self._about_serving()
        yield from self._in_flight_lease()
        answers = read_all(world, world.pipeline.endpoints[0].name)
        said = "\n".join((world.said(), *answers))
        if any(secret in said for secret in (*world.environment.values(), "sig=")):
            yield _PROMISES[5]
        if world.lost:
            yield f"{_PROMISES[8]}: {world.lost}"

    def _about_serving(self) -> Iterator[str]:
        world = self.world
        if not any(name.startswith("endpoints/") for name in world.documents.rows):
            return
        endpoint_state = world.endpoint_state()
        (known,) = endpoint_state.resources.values()
        parked = any(run.phase is Phase.PARKED for run in world.runs())
        if known.serving is None or parked or endpoint_state.endpoint_lease is not None:
            return
        model = known.serving.model
        blob = blob_of(model) if model else None
        content = world.blobs.read(blob.container, blob.name, 10**6) if blob else None
        if content is not None and world.serving() != content:
            yield f"{_PROMISES[3]}: the head names {known.serving.run_id}, another model serves"
        promoted = [
            run for run in world.runs() if run.phase is Phase.PROMOTED and not run.origin.repeats
        ]
        serving = next(run for run in world.runs() if run.run_id == known.serving.run_id)
        if not self.by_hand and promoted and serving not in newest_runs([*promoted, serving]):
            yield f"{_PROMISES[3]}: {serving.run_id} is older than what was promoted"

    def _in_flight_lease(self) -> Iterator[str]:
        world = self.world
        open_ = {run.run_id for run in world.runs() if not run.phase.ended}
        for name in world.open_runs():
            if name.removeprefix("open/") not in open_:
                yield f"{_PROMISES[4]}: {name}"
        for name in world.documents.rows:
            if name.startswith("inbox/"):
                yield f"{_PROMISES[4]}: {name}"
        records = {run.run_id: run for run in world.runs()}
        hand = self._pipelines()
        for run_queue in (
            run_queue for name in sorted(world.names) for run_queue in hand.status(name).run_queues
        ):
            for holder in run_queue.holders:
                if holder in records and not releases_slot(records[holder]):
                    yield f"{_PROMISES[4]}: {holder} keeps its place"

    def _is_recorded(self) -> bool:
        """Whether it is recorded which blobs existed before the pipeline of this life."""
        world = self.world
        row = world.documents.rows.get("full_listing")
        if row is None or "full_listing" in world.poisoned:
            return False
        return "sample" in FullListing.model_validate_json(row.body).covered

    def _list(self) -> None:
        world = self.world
        until = world.clock.now() + timedelta(minutes=3)
        FullListings(world.intake._context, world.intake).run_until(until)  # noqa: SLF001 -- as above

    def _pipelines(self) -> Pipelines:
        return Pipelines(self.world.intake._context, self.world.intake)  # noqa: SLF001 -- as above

    def _endpoints(self) -> Endpoints:
        return Endpoints(self.world.intake._context, self.world.intake)  # noqa: SLF001 -- as above


def part(effort: Effort) -> list[Outcome]:
    """Live through `effort.size` random lives; the first broken one is shrunk and told."""
    logging.disable(logging.CRITICAL)
    Life.lives, Life.on_end = 0, staticmethod(effort.progress)
    chosen = settings(
        max_examples=effort.size,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(Stage.explicit, Stage.generate, Stage.shrink),
        suppress_health_check=list(HealthCheck),
    )
    violations: tuple[Violation, ...] = ()
    try:
        run_state_machine_as_test(seed(effort.seed)(Life), settings=chosen)
    except Exception as exc:  # noqa: BLE001 -- whatever it is, a promise did not hold
        told = "\n".join(getattr(exc, "__notes__", []))[:4000]
        violations = (Violation(f"from proofs.sequences import Life\n{told}", f"{exc!r}"[:2000]),)
    promise = f"random lives of {_STEPS} steps keep all {len(_PROMISES)} promises"
    return [Outcome(promise, Life.lives, violations, "; ".join(_PROMISES))]
