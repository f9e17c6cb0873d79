"""Whoever looks at an open run sees what it waits for, the last error, the next try, the lease."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.studio_models import MODEL_SUFFIX
from shared.core.run.control_events import CancelRequested, StepBlocked
from shared.core.run.gate_events import Approved, Judged
from shared.core.run.job_events import JobFailed
from shared.core.run.machine import apply, expires_at
from shared.core.run.record import ENDS, Delivery, Origin, Phase, Run
from shared.core.run.waiting import waits_of
from shared.core.serving.probe_series import ProbeSeries, Streak
from shared.intake.rollbacks import EndpointAddress
from shared.operations.commands import OperatorCommand
from shared.operations.open_runs import MOST_SHOWN, OpenRuns
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import MODELS
from tests.unit.execution.test_endpoint_queue import crowded, waiting
from tests.unit.samples import NOW, pipeline, promotion, run, step_failure
from tests.unit.worlds import Observed, refused

OPEN = tuple(phase for phase in Phase if phase not in ENDS)
LEASE_ENDS = NOW + timedelta(minutes=6)
RULES = {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.5}]}
TWICE = pipeline(training__attempts=2, training__pause="10m")

#: What must be said in each phase, where nothing has failed.
SAID = {
    Phase.WAITING: "turn",
    Phase.RECEIVED: "training job (attempt 1)",
    Phase.CREATED: "starts its training job j1",
    Phase.TRAINING: "job j1 runs",
    Phase.TRAINED: "collects",
    Phase.STAGING: "puts the model beside what serves",
    Phase.JUDGED: "gate",
    Phase.AWAITING_APPROVAL: "approval",
    Phase.ROLLING_OUT: "0 of 1 endpoint is done",
    Phase.PROMOTING: "endpoint production: the next poll sends the update",
    Phase.VERIFYING: "whether the new model serves; it was not looked at yet",
    Phase.ROLLING_BACK: "whether the earlier model serves again; it was not looked at yet",
    Phase.PARKED: "a person, who retries or cancels it: the key is wrong",
}


def status(phase: Phase, **changes: Any) -> Run:
    parked = {"parked_in": Phase.RECEIVED, "reason": "the key is wrong", "advice": "mend it"}
    known: dict[str, Any] = parked if phase is Phase.PARKED else {}
    return run(phase, **{**known, **changes})


@pytest.mark.parametrize("phase", OPEN)
def test_every_phase_in_which_a_run_can_stand_still_says_what_it_waits_for(phase: Phase) -> None:
    waits = waits_of(status(phase))
    assert waits is not None
    assert SAID[phase] in waits.waits_for


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
    assert held.lease_ends == held.next_try == LEASE_ENDS  # whatever is due: it cannot be sooner
    assert LEASE_ENDS.isoformat(timespec="seconds") in held.line
    free = waits_of(status(phase), LEASE_ENDS)
    assert free is not None
    assert free.lease_ends is None


@pytest.mark.parametrize("phase", [one for one in OPEN if one is not Phase.PARKED])
def test_a_cancel_is_shown_with_who_wants_it_until_it_is_carried_out(phase: Phase) -> None:
    waits = waits_of(status(phase, cancelling=True))
    assert waits is not None
    assert "cancelled by a person: the next poll stops the run" in waits.waits_for


def test_what_ends_by_itself_says_when() -> None:
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
        (None, "the next poll puts the earlier model back"),
        (NOW, "whether the earlier model serves"),
    ],
)
def test_a_rollback_says_whether_the_earlier_model_was_sent(sent: Any, words: str) -> None:
    rolling_back = run(Phase.ROLLING_BACK, promotion=promotion(sent_at=sent))
    waits = waits_of(rolling_back)
    assert waits is not None
    assert words in waits.waits_for


def test_looks_are_counted() -> None:
    probe_series = ProbeSeries(all=Streak(probes=1))
    waits = waits_of(run(Phase.VERIFYING, promotion=promotion(probe_series=probe_series)))
    assert waits is not None
    assert waits.waits_for.endswith("; 1 look so far")


# In a world


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
    turn = waiting(world)
    assert len(turn) == 2
    status = world.app.pipelines.status("sample")
    assert (status.runs.open, status.runs.failing) == (3, 0)
    for one in turn:
        waits = waits_of(one)
        assert waits is not None
        assert waits.waits_for.startswith("endpoint production: its turn: run ")
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


# An approval


def approvals(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if vars(one).get("event_id") == "RL1009"]


def test_a_wait_for_approval_is_a_warning_with_advice_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed(config={"pipeline": {"gate": {"approval": "required", "expires": "2d"}}})
    begun = world.until(world.start(), Phase.AWAITING_APPROVAL)
    world.idle(timedelta(hours=2), timedelta(minutes=5))
    (alert,) = approvals(caplog)
    assert alert.levelno == logging.WARNING
    said = alert.getMessage()
    assert "waits for approval" in said
    assert f"POST /api/runs/{begun.run_id}/approve" in said
    assert f"POST /api/runs/{begun.run_id}/reject" in said
    expires = expires_at(world.now_of(begun)).isoformat(timespec="seconds")
    assert f"without an answer until {expires} it is rejected" in said
    assert vars(alert)["version"] == world.documents.rows[f"runs/{begun.run_id}"].etag
    assert str(world.now_of(begun).advice) in said


def test_a_crash_keeps_an_approval_alert_from_nobody(caplog: pytest.LogCaptureFixture) -> None:
    config = {"pipeline": {"gate": {"approval": "required"}}}
    calm = Observed(config=config, faults=Faults({}))
    calm.until(calm.start(), Phase.AWAITING_APPROVAL)
    for call in [at for at, site in enumerate(calm.faults.sites) if site == "replace runs"]:
        caplog.clear()
        world = Observed(config=config, faults=Faults({call: Kind.CRASH_AFTER}))
        world.upload()
        world.survive(world.deliver)
        for _ in range(40):
            world.survive(world.tick)
        assert world.run().phase is Phase.AWAITING_APPROVAL
        repeated = [vars(one)["repeated"] for one in approvals(caplog)]
        assert repeated, call
        assert repeated[1:] == ["true"] * len(repeated[1:]), call


def test_a_cancel_asks_for_no_approval_again(caplog: pytest.LogCaptureFixture) -> None:
    world = Observed(config={"pipeline": {"gate": {"approval": "required"}}})
    begun = world.until(world.start(), Phase.AWAITING_APPROVAL)
    cancelled = world.run_operations.cancel(begun.run_id, OperatorCommand("ada", "not needed"))
    assert cancelled is not None
    assert (cancelled.phase, cancelled.reason) == (
        Phase.CANCELLED,
        "cancelled by ada: not needed",
    )
    assert len(approvals(caplog)) == 1


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_persons_own_reject_is_no_error_and_an_expiry_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Observed(config={"pipeline": {"gate": {"approval": "required", "expires": "1h"}}})
    begun = world.until(world.start(), Phase.AWAITING_APPROVAL)
    world.run_operations.reject(begun.run_id, OperatorCommand("ada", "poor"))
    assert errors(caplog) == []
    assert f"run {begun.run_id} of pipeline sample was rejected by ada: poor" in caplog.text
    other = world.until(
        world.next_run("other.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.AWAITING_APPROVAL
    )
    world.idle(timedelta(hours=2), timedelta(minutes=5))
    assert world.now_of(other).phase is Phase.REJECTED
    (said,) = errors(caplog)
    assert "RL1005" in said


def test_an_answer_ends_the_advice_to_give_one() -> None:
    operator_request = apply(
        run(Phase.JUDGED, config=pipeline(gate={"approval": "required"})), Judged(None), NOW
    )
    assert "approve" in (operator_request.advice or "")
    assert apply(operator_request, Approved("ada"), NOW).advice is None
    parked = apply(operator_request, StepBlocked("no", "mend it"), NOW)
    assert parked.advice == "mend it"


# A model put by hand, past a gate with rules


def test_whoever_approves_a_model_put_by_hand_is_told_that_the_rules_were_not_checked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed(config={"pipeline": {"gate": RULES}})
    name = f"promote/sample/mine{MODEL_SUFFIX}"
    trained = world.until_idle(world.start())
    world.blobs.put(MODELS, name, world.model_of(trained) + b" ")
    world.app.model_events.model_arrived(name)
    found = next(one for one in world.runs() if one.origin is Origin.MODEL)
    operator_request = world.until(found, Phase.AWAITING_APPROVAL)
    said = "the 1 rule of the gate was not checked: there is no evaluation at"
    waits = waits_of(operator_request)
    assert waits is not None
    (alert,) = approvals(caplog)
    assert alert.getMessage().count("not checked") == 1
    for text in (
        operator_request.reason,
        operator_request.advice,
        operator_request.unchecked,
        waits.waits_for,
        alert.getMessage(),
    ):
        assert said in (text or "")
    world.run_operations.approve(operator_request.run_id, OperatorCommand("ada", "I looked"))
    done = world.until_idle(operator_request)
    assert done.phase.ended
    assert done.phase is not Phase.REJECTED
    assert said in (done.unchecked or "")
    assert any("approved by ada: I looked" in one.note and said in one.note for one in done.history)


def test_rules_that_were_checked_are_not_said_to_be_unchecked() -> None:
    world = Observed(config={"pipeline": {"gate": {**RULES, "approval": "required"}}})
    operator_request = world.until(world.start(), Phase.AWAITING_APPROVAL)
    assert operator_request.unchecked is None
    assert operator_request.verdict is not None
    assert "not checked" not in (operator_request.advice or "")


# Who asked for it


def test_who_cancelled_and_who_retried_is_kept_with_the_reason() -> None:
    world = Observed()
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"))
    begun = world.until(world.start(), Phase.PARKED)
    world.run_operations.retry(begun.run_id, OperatorCommand("ada", "mended"))
    again = world.now_of(begun)
    assert again.operator_request is not None
    assert (again.operator_request.what, again.operator_request.by, again.operator_request.why) == (
        "retry",
        "ada",
        "mended",
    )
    assert "retried by ada: mended" in [one.note for one in again.history]
    world.run_operations.cancel(begun.run_id, OperatorCommand("bob", "too late"))
    ended = world.until_idle(begun)
    assert ended.phase is Phase.CANCELLED
    assert ended.reason == "cancelled by bob: too late"


def test_a_cancel_of_a_parked_run_keeps_why_it_was_parked_and_who_ended_it() -> None:
    parked = status(Phase.PARKED)
    ended = apply(parked, CancelRequested("bob", "enough"), NOW)
    assert ended.reason == parked.reason
    assert ended.history[-1].note == "cancelled by bob: enough"
