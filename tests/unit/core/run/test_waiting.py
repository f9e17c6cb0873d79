"""An open run says what it waits for, its last error, its next try and its lease."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.evaluation.holdout import HoldoutFacts, HoldoutProgress
from shared.core.run.job_events import JobFailed
from shared.core.run.machine import apply, expires_at
from shared.core.run.record import ENDS, Delivery, GateEvidence, Origin, Phase
from shared.core.run.waiting import waits_of
from shared.core.serving.probes import ProbeSeries, Streak
from shared.core.serving.references import EndpointAddress
from shared.operations.history import MOST_SHOWN, OpenRuns
from tests.fakes.faults import Faults, Kind
from tests.unit.core.run.waiting_runs import status
from tests.unit.execution.test_endpoint_queue import crowded, waiting
from tests.unit.samples import NOW, pipeline, promotion, run, step_failure
from tests.unit.worlds import Observed, refused

OPEN = tuple(phase for phase in Phase if phase not in ENDS)
LEASE_ENDS = NOW + timedelta(minutes=6)
TWICE = pipeline(training__attempts=2, training__pause="10m")


#: What must be said in each phase, where nothing has failed.
SAID = {
    Phase.WAITING: "a slot",
    Phase.RECEIVED: "training job (attempt 1)",
    Phase.CREATED: "starts its training job j1",
    Phase.TRAINING: "job j1 runs",
    Phase.TRAINED: "collects",
    Phase.STAGING: "stages its candidate, which gets no requests yet",
    Phase.JUDGED: "gate",
    Phase.AWAITING_APPROVAL: "approval",
    Phase.ROLLING_OUT: "0 of 1 endpoint is done",
    Phase.PROMOTING: "endpoint production: the next poll sends the update",
    Phase.VERIFYING: "whether the new model serves; no probe was sent yet",
    Phase.ROLLING_BACK: "whether the earlier model serves again; no probe was sent yet",
    Phase.PARKED: "an operator, who retries or cancels it: the key is wrong",
}


@pytest.mark.parametrize("phase", OPEN)
def test_every_phase_in_which_a_run_can_wait_says_what_it_waits_for(phase: Phase) -> None:
    waits = waits_of(status(phase))
    assert waits is not None
    assert SAID[phase] in waits.waits_for


def test_a_run_whose_holdout_is_scored_says_how_far_it_is() -> None:
    facts = HoldoutFacts(rows=12_000, kinds="n", position=1)
    scored = HoldoutProgress(etag="e", content="c", candidate="m", of=facts, rows=1_200)
    waits = waits_of(status(Phase.JUDGED, evidence=GateEvidence(holdout=scored)))
    assert waits is not None
    assert waits.waits_for == "the gate: 1,200 of 12,000 rows of its holdout are scored"
    busy = step_failure().evolve(reason="run x is updating this endpoint", waits_for="e")
    waits = waits_of(status(Phase.JUDGED, step_failure=busy))
    assert waits is not None
    assert waits.waits_for == "endpoint production: run x is updating this endpoint"


def test_a_run_that_restores_a_model_does_not_call_it_new() -> None:
    waits = waits_of(status(Phase.VERIFYING, origin=Origin.ROLLBACK))
    assert waits is not None
    assert "whether the recorded model serves" in waits.waits_for


@pytest.mark.parametrize("phase", sorted(ENDS))
def test_a_run_that_is_over_waits_for_nothing(phase: Phase) -> None:
    assert waits_of(run(phase), LEASE_ENDS) is None


@pytest.mark.parametrize("phase", OPEN)
def test_every_phase_shows_the_last_error_and_the_next_try(phase: Phase) -> None:
    failed = step_failure(count=3)
    waits = waits_of(status(phase, step_failure=failed))
    assert waits is not None
    assert waits.last_error == failed.reason
    assert (waits.failed, waits.failing_since) == (3, failed.since)
    assert waits.next_try == failed.next_check
    assert "the last error: busy" in waits.line
    assert failed.next_check.isoformat(timespec="seconds") in waits.line


@pytest.mark.parametrize("phase", OPEN)
def test_every_phase_shows_when_the_lease_of_a_silent_worker_ends(phase: Phase) -> None:
    held = waits_of(status(phase, claim="w1", step_failure=step_failure()), LEASE_ENDS)
    assert held is not None
    assert held.lease_ends == held.next_try == LEASE_ENDS  # for any due step: it cannot be sooner
    assert LEASE_ENDS.isoformat(timespec="seconds") in held.line
    free = waits_of(status(phase), LEASE_ENDS)
    assert free is not None
    assert free.lease_ends is None


@pytest.mark.parametrize("phase", [one for one in OPEN if one is not Phase.PARKED])
def test_a_cancel_is_shown_with_who_wants_it_until_it_is_carried_out(phase: Phase) -> None:
    waits = waits_of(status(phase, cancelling=True))
    assert waits is not None
    assert "cancelled by an operator: the next poll stops the run" in waits.waits_for


def test_a_wait_that_ends_by_itself_says_when() -> None:
    training, operator_request = run(Phase.TRAINING), run(Phase.AWAITING_APPROVAL)
    assert getattr(waits_of(training), "until", None) == NOW + training.config.training.timeout
    assert getattr(waits_of(operator_request), "until", None) == expires_at(operator_request)


def test_a_pause_between_attempts_names_the_failure_before_it() -> None:
    again = apply(run(Phase.TRAINING, config=TWICE), JobFailed("out of memory"), NOW)
    waits = waits_of(again)
    assert waits is not None
    assert waits.waits_for == "the next attempt begins after a pause of 10m"
    assert waits.last_error == "attempt 1: out of memory"
    assert waits.next_try == NOW + timedelta(minutes=10)
    assert waits.failed == 0


def test_a_roll_out_names_the_runs_that_deliver() -> None:
    under_way = Delivery(endpoint="production", run_id="sample-2")
    waits = waits_of(run(Phase.ROLLING_OUT, deliveries=(under_way,)))
    assert waits is not None
    assert "waits for run sample-2 (production)" in waits.waits_for


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (None, "the next poll rolls back to the earlier model"),
        (NOW, "whether the earlier model serves"),
    ],
)
def test_a_rollback_says_whether_the_earlier_model_was_sent(sent: Any, words: str) -> None:
    rolling_back = run(Phase.ROLLING_BACK, promotion=promotion(sent_at=sent))
    waits = waits_of(rolling_back)
    assert waits is not None
    assert words in waits.waits_for


def test_probes_are_counted() -> None:
    probe_series = ProbeSeries(all=Streak(probes=1))
    waits = waits_of(run(Phase.VERIFYING, promotion=promotion(probe_series=probe_series)))
    assert waits is not None
    assert waits.waits_for.endswith("; 1 probe so far")


def test_a_wrong_key_shows_its_reason_and_the_next_try_in_every_view() -> None:
    world = Observed()
    world.script("POST", "/jobs", refused(401, "Unauthorized", "bad key"), times=None)
    begun = world.start()
    world.tick()
    open_runs = OpenRuns(world.context)
    stored = world.context.ledger.runs.read(begun.run_id)
    assert stored is not None
    waits = open_runs.waits(stored)
    assert waits is not None
    assert stored.record.phase is Phase.RECEIVED
    assert "bad key" in (waits.last_error or "")
    assert waits.next_try is not None
    status = world.app.pipelines.status("sample")
    assert (status.runs.open, status.runs.failing) == (1, 1)
    assert [one.waiting.last_error for one in status.open_runs] == [waits.last_error]


def test_a_run_whose_worker_died_shows_when_its_lease_ends() -> None:
    calm = Observed(faults=Faults({}))
    calm.start()
    call = calm.faults.sites.index("POST jobs")
    world = Observed(faults=Faults({call: Kind.CRASH_AFTER}))
    world.upload()
    world.survive(world.deliver)
    began = world.clock.now()
    world.clock.move(timedelta(seconds=30))
    (found,) = world.runs()
    stored = world.context.ledger.runs.read(found.run_id)
    assert stored is not None
    waits = OpenRuns(world.context).waits(stored)
    assert waits is not None
    assert waits.lease_ends == began + world.limits.lease


def test_an_endpoint_shows_the_run_that_waits_for_it_and_why() -> None:
    world = Observed()
    begun = world.start()
    refusal = refused(401, "Unauthorized", "bad key")
    world.script("GET", "/endpoints/production", refusal, times=None)
    world.script("POST", "/execute?api-version=2.0", refusal, times=None)
    world.script("POST", "/execute", refusal, times=None)
    world.until(begun, Phase.PROMOTING)
    world.tick()
    endpoints = world.app.endpoints
    (line,) = endpoints.lines()
    shown = endpoints.show(EndpointAddress("sample", "production"))
    for open_runs in (line.open_runs, shown.open_runs):
        (there,) = open_runs
        assert there.run_id == begun.run_id
        assert there.waiting.last_error
    assert begun.run_id in line.line
    assert "the next try: " in line.line


def test_a_run_that_waits_for_its_endpoint_does_not_pass_for_failing() -> None:
    world = crowded(3)
    world.tick(1)
    runs_ = waiting(world)
    assert len(runs_) == 2
    status = world.app.pipelines.status("sample")
    assert (status.runs.open, status.runs.failing) == (3, 0)
    for one in runs_:
        waits = waits_of(one)
        assert waits is not None
        assert waits.waits_for.startswith("endpoint production: its lease: run ")
        assert (waits.last_error, waits.failed, waits.failing_since) == (None, 0, None)
        assert waits.next_try is not None


def test_a_page_shows_a_bounded_number_of_runs_those_that_fail_first() -> None:
    world = Observed()
    world.script("POST", "/jobs", refused(503, "ServiceUnavailable", "busy"), times=None)
    for number in range(MOST_SHOWN + 3):
        world.start(f"{number}.csv")
    world.tick()
    world.calls.clear()
    status = world.app.pipelines.status("sample")
    assert status.runs.open == MOST_SHOWN + 3
    assert len(status.open_runs) == MOST_SHOWN
    assert world.calls.count("read runs") == MOST_SHOWN
    assert world.calls.count("list open") == 1
