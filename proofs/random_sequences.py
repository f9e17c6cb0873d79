"""Tries long random sequences of actions and faults; a failing one is shrunk to few steps.

Stateful property-based testing (Hypothesis): data, events, ticks, crashes, wrong clocks, operators'
commands, changed files, unreadable and leased records; then every fault ends, and every promise
is checked.
"""

import logging
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

from proofs.faulty_world import BODIES, CHANGES, POISONED, FaultyWorld
from proofs.outcomes import Effort, Outcome, Violation
from proofs.promises import APPEARED, PROMISES, problems
from proofs.recovery import end_faults, endpoints_of, list_all, pipelines_of
from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.config.gate import Gate
from shared.core.full_listing import FullListing
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Kind

_IMPORT: Final = "from proofs.random_sequences import RandomSequence"
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
_KEPT_DAYS: Final = 400
_PRODUCTION: Final = EndpointAddress("sample", "production")
_NAMES: Final = st.sampled_from(["a.csv", "b.csv", "c.csv"])
_GATES: Final = (Gate(), Gate(approval="required"), Gate(first_model="allow"))


class BrokenPromiseError(AssertionError):
    """A promise did not hold."""


class RandomSequence(RuleBasedStateMachine):
    """One app, its world, and one random sequence of steps."""

    played = 0
    on_end: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.written = 0
        self.rolled_back = False  #: whether an operator chose what serves
        self.appeared = False  #: whether a blob appeared with an old time

    @initialize(mode=st.sampled_from(_MODES))
    def start(self, mode: dict[str, Any]) -> None:
        """Deploy the app."""
        self.world = FaultyWorld(config={"pipeline": mode})
        self.world.app.activations.refresh()

    @rule(name=_NAMES, event=st.booleans())
    def upload(self, name: str, *, event: bool) -> None:
        """New data, with or without its event."""
        self.written += 1
        self.world.clock.move(timedelta(seconds=1))
        content = f"a,b,label\n{self.written},2,0\n3,4,1\n"
        self.world.upload(name, content.encode())
        if event:
            self.deliver(name)

    @rule(names=st.permutations(["a.csv", "b.csv", "c.csv"]), events=st.integers(1, 3))
    def upload_within_a_second(self, names: list[str], events: int) -> None:
        """Several blobs with one Last-Modified; their events come in any order, perhaps not all."""
        self.world.clock.move(timedelta(seconds=1))
        for name in sorted(names):
            self.written += 1
            content = f"a,b,label\n{self.written},2,0\n3,4,1\n"
            self.world.upload(name, content.encode())
        for name in names[:events]:
            self.world.host.by += timedelta(microseconds=1)
            self.deliver(name)

    @rule(name=_NAMES)
    def update_metadata_within_the_second(self, name: str) -> None:
        """New data and a metadata-only update within one second, each with its event."""
        self.upload(name, event=True)
        self.world.blobs.update_metadata("training-data", name)
        self.deliver(name)

    @precondition(lambda self: self._is_recorded())
    @rule(hours=st.sampled_from([2, 72, 1000, 12_000]))
    def appear(self, hours: int) -> None:
        """A folder is renamed, or a blob restored: its time is old, and there is no event."""
        self.written += 1
        content = f"a,b,label\n{self.written},2,0\n3,4,1\n".encode()
        old = self.world.clock.now() - timedelta(hours=hours)
        self.world.blobs.appear("training-data", APPEARED, content, old)
        self.appeared = True

    @rule()
    def full_listing(self) -> None:
        """The full listing continues, if it is due."""
        self.world.survive(lambda: list_all(self.world))

    @rule(name=_NAMES)
    def deliver(self, name: str) -> None:
        """An event, perhaps a repeated one, perhaps of a deleted blob."""
        self.world.survive(lambda: self.world.deliver(name))

    @rule(name=_NAMES)
    def update_metadata(self, name: str) -> None:
        """A metadata-only update."""
        self.world.clock.move(timedelta(seconds=1))
        with suppress(KeyError):
            self.world.blobs.update_metadata("training-data", name)

    @rule(seconds=st.sampled_from([5, 45, 130, 400]))
    def tick(self, seconds: int) -> None:
        """Time passes, the timer fires; no request is under way for longer than a lease."""
        if seconds > self.world.limits.lease.total_seconds():
            self.world.deliver_late_requests()
        self.world.survive(lambda: self.world.tick(seconds))

    @rule()
    def second_worker(self) -> None:
        """Another host does what the timer does."""
        self.world.survive(self.world.preempting_tick)

    @rule(ahead=st.integers(0, 12), kind=st.sampled_from([k for k in Kind if k is not Kind.OK]))
    def fault(self, ahead: int, kind: Kind) -> None:
        """A call fails soon."""
        faults = self.world.faults
        faults.plan = {**faults.plan, len(faults.sites) + ahead: kind}

    @rule()
    def crash(self) -> None:
        """The process crashes, and a new one starts."""
        self.world.restart()

    @rule(how=st.sampled_from(["sound", "a typo", "not YAML"]))
    def edit_file(self, how: str) -> None:
        """An operator deploys another pipelines file, and the app starts with it."""
        name = self.world.pipeline.name
        wrong = Problem(f"pipelines.yaml:3: pipelines.{name}", "unknown key")
        self.world.file = {
            "sound": None,
            "a typo": Configuration({}, (wrong,), {name: (wrong,)}),
            "not YAML": Configuration.unreadable(wrong),
        }[how]
        self.world.restart()
        kept = f"configurations/{name}" in self.world.documents.rows
        if kept and self.world.app.catalogue.pipeline(name) is None:
            raise BrokenPromiseError(f"{PROMISES[7]}: {how}")

    @rule(minutes=st.sampled_from([60, 26 * 60]))
    def stop(self, minutes: int) -> None:
        """The app is down for a while; requests that are under way arrive first."""
        self.world.deliver_late_requests()
        self.world.clock.move(timedelta(minutes=minutes))

    @precondition(lambda self: any(run.phase in _ON_ITS_WAY for run in self.world.runs()))
    @rule(minutes=st.sampled_from([7, 20, 90]))
    def stop_while_verifying(self, minutes: int) -> None:
        """No probe is sent for longer than the verification may take."""
        self.stop(minutes)

    @rule(days=st.sampled_from([1, 31, 401]))
    def age(self, days: int) -> None:
        """So much time passes that records are old, and retention deletes them."""
        self.stop(days * 24 * 60)
        if days > _KEPT_DAYS and self.appeared and self.world.pipeline.name != "sample":
            # Retention deletes the records of a pipeline that is not in the file for so long.
            self.appeared = False
            self.world.blobs.remove("training-data", APPEARED)
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
        """An operator deploys another pipelines file."""
        self.world.configure(change)

    @rule()
    def break_file(self) -> None:
        """An operator deploys a file with a mistake."""
        self.world.break_file()

    @rule(kind=st.sampled_from(POISONED), pick=st.integers(0, 9), body=st.sampled_from(BODIES))
    def poison(self, kind: str, pick: int, body: bytes) -> None:
        """A record cannot be read any more."""
        self.world.poison(kind, pick, body)

    @rule()
    def mend_records(self) -> None:
        """Unreadable records are restored."""
        self.world.mend_records()

    @rule(pick=st.integers(0, 99))
    def hold(self, pick: int) -> None:
        """Another program takes a lease on a record."""
        self.world.hold(pick)

    @rule()
    def break_leases(self) -> None:
        """Leases are broken."""
        self.world.break_leases()

    @rule(key=st.sampled_from(["k1", "k2"]))
    def request_run(self, key: str) -> None:
        """An operator requests a run."""
        asked = self.world.app.requests
        self.world.survive(lambda: asked.requested(self.world.pipeline, key, ManualRequest()))

    @rule(pause=st.booleans())
    def pause_or_resume(self, *, pause: bool) -> None:
        """An operator pauses the pipeline, or resumes it."""
        pipelines, name = pipelines_of(self.world), self.world.pipeline.name
        command = (
            (lambda: pipelines.pause(name, OperatorCommand("ada")))
            if pause
            else (lambda: pipelines.resume(name))
        )
        self.world.survive(command)

    @precondition(lambda self: self.world.runs())
    @rule(pick=st.integers(0, 9), order=st.sampled_from(["cancel", "retry", "approve", "reject"]))
    def order(self, pick: int, order: str) -> None:
        """An operator gives a run a command."""
        runs = self.world.runs()
        run, run_operations = runs[pick % len(runs)], self.world.run_operations
        commands: dict[str, Callable[[], object]] = {
            "cancel": lambda: run_operations.cancel(run.run_id),
            "retry": lambda: run_operations.retry(run.run_id),
            "approve": lambda: run_operations.approve(run.run_id, OperatorCommand("ada")),
            "reject": lambda: run_operations.reject(run.run_id, OperatorCommand("ada")),
        }
        self.world.survive(commands[order])

    @rule(roll_back=st.booleans())
    def roll_back_or_resume(self, *, roll_back: bool) -> None:
        """An operator rolls back, or resumes the endpoint."""
        endpoints = endpoints_of(self.world)
        self.rolled_back = True
        command: Callable[[], object] = (
            (lambda: endpoints.rollback(_PRODUCTION, None, OperatorCommand("ada")))
            if roll_back
            else (lambda: endpoints.resume(_PRODUCTION))
        )
        self.world.survive(command)

    @rule(gate=st.sampled_from(_GATES))
    def change_the_gate(self, gate: Gate) -> None:
        """An operator changes the gate in the file, which is read again."""
        self.world.pipeline = self.world.pipeline.model_copy(update={"gate": gate})
        self.world.restart()

    def teardown(self) -> None:
        """End every fault, and check every promise."""
        if not hasattr(self, "world"):
            return
        end_faults(self.world, appeared=self.appeared)
        wrong = list(self._problems())
        type(self).played += 1
        type(self).on_end()
        if wrong:
            raise BrokenPromiseError("; ".join(wrong))

    def _problems(self) -> Iterator[str]:
        yield from problems(self.world, rolled_back=self.rolled_back)

    def _is_recorded(self) -> bool:
        """Whether the ledger knows which blobs existed before the pipeline of this sequence."""
        world = self.world
        row = world.documents.rows.get("full_listing")
        if row is None or "full_listing" in world.poisoned:
            return False
        return "sample" in FullListing.model_validate_json(row.body).covered


def part(effort: Effort) -> list[Outcome]:
    """Play `effort.size` random sequences; the first that breaks a promise is shrunk and shown."""
    logging.disable(logging.CRITICAL)
    RandomSequence.played, RandomSequence.on_end = 0, staticmethod(effort.progress)
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
        run_state_machine_as_test(seed(effort.seed)(RandomSequence), settings=chosen)
    except Exception as exc:  # noqa: BLE001 -- with any error a promise did not hold
        notes = "\n".join(getattr(exc, "__notes__", []))[:4000]
        violations = (Violation(f"{_IMPORT}\n{notes}", f"{exc!r}"[:2000]),)
    promise = f"random sequences of {_STEPS} steps keep all {len(PROMISES)} promises"
    return [Outcome(promise, RandomSequence.played, violations, "; ".join(PROMISES))]
