"""Candidates that are staged at their endpoint, and failures of that."""

from datetime import timedelta

import pytest

from shared.core.run.commands import Command, Event
from shared.core.run.control_events import StepBlocked
from shared.core.run.gate_events import (
    CandidateFailed,
    CandidateLost,
    CandidateReady,
    CandidateStaged,
    EvidenceGathered,
    VerdictReached,
)
from shared.core.run.machine import apply, next_command
from shared.core.run.record import Phase
from shared.core.run.retry import RetryRequested
from shared.core.run.waiting import waits_of
from shared.core.serving.probes import CandidateFailure, EndpointCheck, UpdateProgress
from shared.errors import PermanentError, TransientError
from shared.execution.gate import GateSteps
from shared.execution.models import READY_WITHIN, StagingSteps
from shared.execution.run_writer import RunWriter
from shared.execution.unsure_models import UnsureSteps
from tests.unit.execution.mapped_worlds import HOUR, MINUTE, Mapped
from tests.unit.samples import BROKEN, MODEL


def staging() -> Mapped:
    one = Mapped()
    one.run = one.run.evolve(phase=Phase.STAGING, candidate=None, model=MODEL)
    return one


def stage(one: Mapped) -> Event:
    assert next_command(one.run, one.now) is Command.STAGE_CANDIDATE
    event = StagingSteps(one.context).stage(one.run)
    one.run = apply(one.run, event, one.now)
    return event


def checked(one: Mapped) -> Event | None:
    assert next_command(one.run, one.now) is Command.CHECK_CANDIDATE
    event = StagingSteps(one.context).check(one.run)
    if event is not None:
        one.run = apply(one.run, event, one.now)
    return event


def failed(failure: CandidateFailure, advice: str = "") -> EndpointCheck:
    return EndpointCheck(
        UpdateProgress.FAILED, None, detail="OutOfQuota: no cores", failure=failure, advice=advice
    )


def test_a_candidate_is_named_in_the_record_of_its_endpoint_before_it_is_made() -> None:
    one = staging()
    event = stage(one)
    assert isinstance(event, CandidateStaged)
    (known,) = one.endpoint_state().staged
    assert (known.candidate.name, known.run_id) == ("m-0", one.run.run_id)
    assert one.mapped.staged == ["m-0"]
    assert one.mapped.sent == []


def test_a_candidate_is_ready_once_its_service_says_so() -> None:
    one = staging()
    stage(one)
    one.mapped.state = EndpointCheck(UpdateProgress.PENDING, None)
    assert checked(one) is None
    one.mapped.state = None
    assert isinstance(checked(one), CandidateReady)


def test_a_candidate_that_does_not_get_ready_is_for_an_operator() -> None:
    one = staging()
    stage(one)
    one.mapped.state = EndpointCheck(UpdateProgress.PENDING, None, detail="Updating")
    one.world.clock.move(READY_WITHIN - timedelta(seconds=1))
    assert checked(one) is None
    one.world.clock.move(timedelta(seconds=1))
    with pytest.raises(PermanentError, match="m-0 is not ready after 1h: Updating"):
        checked(one)


def test_a_failure_of_the_service_costs_another_candidate_twice_and_then_an_operator() -> None:
    one = staging()
    one.mapped.state = failed(CandidateFailure.AGAIN)
    for _ in range(2):
        stage(one)
        assert isinstance(checked(one), CandidateLost)
        assert one.run.phase is Phase.STAGING
    stage(one)
    assert isinstance(checked(one), StepBlocked)
    assert one.mapped.staged == ["m-0", "m-1", "m-2"]
    assert [each.candidate.name for each in one.endpoint_state().staged] == one.mapped.staged


def test_what_an_operator_has_to_do_first_is_said_and_a_retry_makes_another_candidate() -> None:
    one = staging()
    stage(one)
    one.mapped.state = failed(CandidateFailure.PARK, "raise the quota")
    blocked = checked(one)
    assert isinstance(blocked, StepBlocked)
    assert blocked.reason == "candidate m-0 cannot be made ready: OutOfQuota: no cores"
    assert blocked.advice == "raise the quota, then retry the run, or cancel it"
    one.run = apply(one.run, RetryRequested(None), one.now)
    one.mapped.state = None
    stage(one)
    assert one.mapped.staged == ["m-0", "m-1"]
    assert isinstance(checked(one), CandidateReady)


def test_a_model_at_fault_is_rejected_with_the_last_lines_of_its_log() -> None:
    one = staging()
    stage(one)
    one.mapped.state, one.mapped.log = (
        failed(CandidateFailure.REJECT),
        "ImportError: no module pandas",
    )
    event = checked(one)
    assert isinstance(event, CandidateFailed)
    assert one.run.phase is Phase.REJECTED
    assert (one.run.reason or "").endswith("no cores; its log ends: ImportError: no module pandas")


def test_a_log_that_cannot_be_read_keeps_no_model_from_being_rejected() -> None:
    one = staging()
    stage(one)
    one.mapped.state, one.mapped.log = failed(CandidateFailure.REJECT), TransientError("busy")
    assert isinstance(checked(one), CandidateFailed)
    assert (one.run.reason or "").endswith("its log ends: not readable: busy")


def test_a_retry_asks_for_the_same_candidate_where_it_may_still_get_ready() -> None:
    one = staging()
    stage(one)
    one.mapped.state = EndpointCheck(UpdateProgress.PENDING, None)
    one.run = apply(one.run, StepBlocked("not ready", "look"), one.now)
    one.world.clock.move(HOUR)
    one.run = apply(one.run, RetryRequested(None), one.now)
    stage(one)
    assert one.mapped.staged == ["m-0", "m-0"]
    assert one.run.staged_at == one.now
    assert checked(one) is None


def test_what_a_run_waits_for_while_its_candidate_is_made_is_said() -> None:
    one = staging()
    ahead = waits_of(one.run)
    stage(one)
    now = waits_of(one.run)
    assert ahead is not None
    assert now is not None
    assert "the next poll stages its candidate" in ahead.waits_for
    assert "candidate m-0 is being made ready" in now.waits_for


def judged(one: Mapped) -> Event:
    unsure = UnsureSteps(one.context, RunWriter(one.context))
    event = GateSteps(one.context, unsure).judge(one.run)
    one.run = apply(one.run, event, one.now)
    one.world.clock.move(MINUTE)
    return event


def test_a_candidate_is_scored_twice_before_its_first_request() -> None:
    one = staging()
    stage(one)
    checked(one)
    assert isinstance(judged(one), EvidenceGathered)
    assert isinstance(judged(one), EvidenceGathered)
    assert isinstance(judged(one), VerdictReached)
    assert one.run.phase is Phase.PROMOTING
    assert one.mapped.sent == []


def test_a_candidate_that_does_not_score_is_rejected_with_the_last_lines_of_its_log() -> None:
    one = staging()
    stage(one)
    checked(one)
    one.mapped.probe, one.mapped.log = BROKEN, "KeyError: 'age'"
    assert isinstance(judged(one), EvidenceGathered)
    assert isinstance(judged(one), VerdictReached)
    assert one.run.phase is Phase.REJECTED
    assert "its log ends: KeyError: 'age'" in (one.run.reason or "")
