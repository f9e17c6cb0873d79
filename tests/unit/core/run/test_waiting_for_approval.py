"""A run that waits for an approval says so, and names the operator who asked for it."""

import logging
from datetime import timedelta

import pytest

from shared.core.config.studio_types import MODEL_SUFFIX
from shared.core.run.control_events import CancelRequested, StepBlocked
from shared.core.run.gate_events import Approved, VerdictReached
from shared.core.run.machine import apply, expires_at
from shared.core.run.record import Origin, Phase
from shared.core.run.waiting import waits_of
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import MODELS
from tests.unit.core.run.waiting_runs import status
from tests.unit.samples import NOW, pipeline, run
from tests.unit.worlds import Observed, refused

RULES = {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.5}]}


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


def test_a_crash_loses_no_approval_alert(caplog: pytest.LogCaptureFixture) -> None:
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


def test_an_operators_own_reject_is_no_error_and_an_expiry_is(
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
        run(Phase.JUDGED, config=pipeline(gate={"approval": "required"})), VerdictReached(None), NOW
    )
    assert "approve" in (operator_request.advice or "")
    assert apply(operator_request, Approved("ada"), NOW).advice is None
    parked = apply(operator_request, StepBlocked("no", "correct it"), NOW)
    assert parked.advice == "correct it"


# An operator's model, past a gate with rules


def test_the_operator_who_approves_an_operators_model_learns_that_the_rules_were_not_checked(
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
    world.run_operations.retry(begun.run_id, OperatorCommand("ada", "corrected"))
    again = world.now_of(begun)
    assert again.operator_request is not None
    assert (again.operator_request.what, again.operator_request.by, again.operator_request.why) == (
        "retry",
        "ada",
        "corrected",
    )
    assert "retried by ada: corrected" in [one.note for one in again.history]
    world.run_operations.cancel(begun.run_id, OperatorCommand("bob", "too late"))
    ended = world.until_idle(begun)
    assert ended.phase is Phase.CANCELLED
    assert ended.reason == "cancelled by bob: too late"


def test_a_cancel_of_a_parked_run_keeps_why_it_was_parked_and_who_ended_it() -> None:
    parked = status(Phase.PARKED)
    ended = apply(parked, CancelRequested("bob", "enough"), NOW)
    assert ended.reason == parked.reason
    assert ended.history[-1].note == "cancelled by bob: enough"
