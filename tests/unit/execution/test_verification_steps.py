"""A check of an endpoint after an update, and its record."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.commands import Event
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion_events import (
    FoundBroken,
    FoundUnchanged,
    NotYetLive,
    UpdateLost,
    VerifiedLive,
)
from shared.core.run.record import Origin, Phase
from shared.core.serving.probes import UpdateProgress
from shared.core.serving.references import ServingState
from tests.fakes.world import RESOURCE
from tests.unit.execution.promotion_worlds import HOUR, NEW, OLD, SECOND, Step
from tests.unit.samples import good, ref


def test_two_probes_of_one_moment_count_as_one() -> None:
    step = Step(Phase.VERIFYING)
    assert isinstance(step.check(step.seen(OLD)), NotYetLive)
    step.world.clock.move(5 * SECOND - timedelta(milliseconds=1))
    assert step.checks.check(step.run) is None
    assert len(step.endpoint.asked) == 1
    step.world.clock.move(timedelta(milliseconds=1))
    assert step.checks.check(step.run) is not None


def test_a_check_asks_for_the_operation_of_its_update() -> None:
    step = Step(Phase.VERIFYING, promotion={"operation": "op-7"})
    step.check(step.seen(OLD))
    assert step.endpoint.asked == ["op-7"]


def test_answers_while_the_service_is_at_work_are_not_compared_with() -> None:
    step = Step(Phase.VERIFYING)
    pending = step.check(step.seen(NEW, progress=UpdateProgress.PENDING))
    assert isinstance(pending, NotYetLive)
    assert pending.probe is None
    later = step.check(step.seen(OLD))
    assert isinstance(later, NotYetLive)
    assert later.probe == OLD


def test_a_model_that_answers_otherwise_twice_is_live_and_its_endpoint_checked_for_drift() -> None:
    step = Step(Phase.VERIFYING)
    event = step.check(step.seen(NEW, configured="models/x"), step.seen(NEW, configured="models/x"))
    assert isinstance(event, VerifiedLive)
    assert event.probe == NEW
    serving = step.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    assert (serving.run_id, serving.model) == ("sample-1", step.run.model)
    assert (serving.answers, serving.named) == (NEW, "models/x")
    assert (serving.since, serving.verification) == (step.world.clock.now(), event.verification)
    assert step.endpoint_state().endpoint_lease is None
    (drift_check,) = step.ledger.drift_checks.due()
    assert drift_check.due == step.world.clock.now() + HOUR
    etag = step.world.documents.rows[f"endpoints/{ref(step.url).id}"].etag
    again = step.checks.check(step.run)  # a crash before the run was stored
    assert isinstance(again, VerifiedLive | NotYetLive)
    assert step.world.documents.rows[f"endpoints/{ref(step.url).id}"].etag == etag


def test_answers_that_vary_are_not_kept_as_those_of_the_model() -> None:
    step = Step(Phase.VERIFYING)
    varied = [good(f"0.{number}", "0.9") for number in range(5, 9)]
    event = step.check(*(step.seen(one) for one in varied[:3]))
    assert isinstance(event, VerifiedLive)
    serving = step.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    assert serving.answers is None


def test_a_model_that_does_not_work_is_rolled_back() -> None:
    step = Step(Phase.VERIFYING)
    event = step.check(step.seen(None, progress=UpdateProgress.FAILED, detail="no memory"))
    assert event == FoundBroken("the service could not apply the update: no memory")
    assert step.endpoint_state().endpoint_lease is not None


def unchanged(step: Step, **check: Any) -> Event | None:
    """Have the endpoint answer as before until that is a verdict."""
    event: Event | None = None
    for _ in range(60):
        event = step.check(step.seen(OLD, **check))
        if not isinstance(event, NotYetLive):
            break
    return event


@pytest.mark.parametrize(("resent", "again"), [(0, True), (2, True), (3, False)])
def test_an_update_that_was_never_confirmed_is_sent_again_three_times(
    resent: int, *, again: bool
) -> None:
    step = Step(Phase.VERIFYING, promotion={"certain": False, "resent": resent})
    event = unchanged(step)
    assert isinstance(event, UpdateLost if again else FoundUnchanged)


@pytest.mark.parametrize(
    ("resent", "check", "again"),
    [
        (0, {"configured": "models/other"}, True),
        (1, {"configured": "models/other"}, False),
        (0, {"configured": None}, False),
        (0, {"configured": "models/runs/sample/sample-1/1/model.ilearner"}, False),
        (0, {"configured": "models/other", "progress": UpdateProgress.DONE}, False),
    ],
)
def test_an_accepted_update_is_sent_once_more_where_another_model_is_named(
    resent: int, check: dict[str, Any], *, again: bool
) -> None:
    step = Step(Phase.VERIFYING, promotion={"resent": resent})
    assert isinstance(unchanged(step, **check), UpdateLost if again else FoundUnchanged)


@pytest.mark.parametrize("rollback_target", [None, ServingState()])
def test_an_update_that_changes_nothing_says_whether_there_is_a_rollback_target(
    rollback_target: ServingState | None,
) -> None:
    step = Step(Phase.VERIFYING, promotion={"rollback_target": rollback_target})
    event = unchanged(step)
    assert isinstance(event, FoundUnchanged)
    assert event.can_roll_back is (rollback_target is not None)


def test_an_earlier_model_that_does_not_serve_again_is_left_to_an_operator() -> None:
    step = Step(Phase.VERIFYING, origin=Origin.DRIFT)
    event = unchanged(step)
    assert isinstance(event, StepBlocked)
    assert event.reason.startswith("the earlier model does not serve: ")
