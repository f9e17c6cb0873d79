"""The steps of a rollback to the model before."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.commands import Event
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion_events import (
    NotYetLive,
    RolledBack,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.record import Phase
from shared.core.serving.probes import EndpointCheck, ProbeSeries
from shared.core.serving.references import ServingState
from shared.core.serving.state import Hold, ReleasedLease, Resource, ServedModel
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from tests.fakes.world import RESOURCE
from tests.unit.execution.promotion_worlds import HOUR, NEW, OLD, SECOND, Step
from tests.unit.samples import BROKEN, NOW, ref, step_failure


def test_a_return_sends_the_best_model_that_is_known() -> None:
    step = Step(Phase.ROLLING_BACK)
    other = step.model("runs/sample/sample-0/1/model.ilearner")
    served = ServedModel(model=other, run_id="sample-0", since=NOW, verification="", manifest=())
    step.acquire_lease(step.run, resources={RESOURCE: Resource(serving=served)})
    back = ServingState(model=other)
    assert step.steps.roll_back(step.run) == UpdateSent(operation="op", target=back)
    assert step.endpoint.given == [back]
    step.endpoint.refuses = OutcomeUnknownError("no answer")
    unsure = UpdateSent(certain=False, service_message="no answer", target=back)
    assert step.steps.roll_back(step.run) == unsure


def test_where_nothing_can_be_rolled_back_the_advice_says_what_to_do() -> None:
    step = Step(Phase.ROLLING_BACK, reason="it does not score")
    event = step.steps.roll_back(step.run)
    assert isinstance(event, StepBlocked)
    assert event.reason.startswith("the model does not work (it does not score)")
    for to in ("judged", "trained"):
        step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": to})
        event = step.steps.roll_back(step.run)
        assert isinstance(event, StepBlocked)
        assert event.reason.startswith("the configuration changed since this model was judged")
    step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "start"})
    assert step.steps.roll_back(step.run) == RolledBack("nothing to roll back first")


def with_rollback_target(**promoted: Any) -> Step:
    step = Step(Phase.ROLLING_BACK, promotion=promoted)
    step.acquire_lease(step.run, resources={RESOURCE: Resource(baseline=ServingState())})
    return step


@pytest.mark.parametrize("error", [PermanentError("refused"), TransientError("busy")])
def test_a_return_that_is_refused_is_an_error_unless_it_only_prepares(error: Any) -> None:
    step = with_rollback_target()
    step.endpoint.refuses = error
    with pytest.raises(type(error)):
        step.steps.roll_back(step.run)
    step = with_rollback_target(after_rollback="start")
    step.endpoint.refuses = PermanentError("refused")
    event = step.steps.roll_back(step.run)
    assert event == RolledBack(
        "a rollback to the model from before is not possible (refused): continuing"
    )


@pytest.mark.parametrize(
    ("count", "since", "patience", "goes_on"),
    [
        (None, timedelta(), None, False),
        (1, 2 * HOUR, None, False),
        (9, HOUR - SECOND, None, False),
        (9, HOUR, None, True),
        (9, HOUR, 2 * HOUR, False),
        (9, 2 * HOUR, 2 * HOUR, True),
    ],
)
def test_a_return_that_only_prepares_is_tried_for_as_long_as_is_worth_it(
    count: int | None, since: timedelta, patience: timedelta | None, *, goes_on: bool
) -> None:
    step = with_rollback_target(after_rollback="start")
    failed = step_failure(since=NOW - since, count=count) if count else None
    run = step.run.model_copy(update={"step_failure": failed})
    step.endpoint.refuses = TransientError("busy", patience=patience)
    if goes_on:
        assert isinstance(step.steps.roll_back(run), RolledBack)
    else:
        with pytest.raises(TransientError):
            step.steps.roll_back(run)


def decided_by(step: Step) -> bool:
    """Whether what another run left behind counts as resolved."""
    mine = step.endpoint_state().endpoint_lease
    return mine is not None and mine.in_flight is None


def in_flight_update_found(**promoted: Any) -> Step:
    step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "start", **promoted})
    endpoint_state = step.acquire_lease(step.run)
    assert endpoint_state.endpoint_lease is not None
    left = endpoint_state.endpoint_lease.model_copy(update={"run_id": "sample-0"})
    step.put_endpoint_state(
        endpoint_lease=endpoint_state.endpoint_lease.model_copy(update={"in_flight": left})
    )
    return step


def test_what_was_left_behind_is_resolved_once_the_model_from_before_answers() -> None:
    step = in_flight_update_found()
    assert not decided_by(step)
    event = step.check(*[step.seen(OLD)] * 40)
    assert isinstance(event, RolledBack)
    assert decided_by(step)


def test_what_was_left_behind_is_resolved_where_there_is_nothing_to_rolled_back() -> None:
    step = in_flight_update_found()
    step.steps.roll_back(step.run)
    assert decided_by(step)


def test_a_model_that_serves_again_ends_the_lease() -> None:
    step = Step(Phase.ROLLING_BACK)
    event = step.check(*[step.seen(OLD)] * 4)
    assert isinstance(event, RolledBack)
    endpoint_state = step.endpoint_state()
    assert endpoint_state.endpoint_lease is None
    assert endpoint_state.released == ReleasedLease(run_id="sample-1", generation=1)


def test_after_a_broken_model_two_probes_verify_the_old_one_and_else_more_are_needed() -> None:
    """An update that changed nothing may still switch: that is waited for."""
    broken = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "rolled_back"})
    other = Step(Phase.ROLLING_BACK, promotion={"after_rollback": "unchanged"})
    probe_series = [broken.seen(OLD)] * 2
    assert isinstance(broken.check(*probe_series), RolledBack)
    assert isinstance(other.check(*probe_series), NotYetLive)


def not_restored(step: Step) -> Event | None:
    event: Event | None = None
    for _ in range(80):
        event = step.check(step.seen(BROKEN))
        if not isinstance(event, NotYetLive):
            break
    return event


@pytest.mark.parametrize(
    ("promoted", "expected"),
    [
        ({"certain": False, "resent": 2}, UpdateLost),
        ({"certain": False, "resent": 3}, StepBlocked),
        ({"certain": True}, StepBlocked),
        ({"certain": True, "after_rollback": "start"}, RolledBack),
    ],
)
def test_a_model_that_is_not_back_is_sent_again_or_left_to_an_operator(
    promoted: dict[str, Any], expected: type
) -> None:
    step = Step(Phase.ROLLING_BACK, promotion=promoted)
    event = not_restored(step)
    assert isinstance(event, expected)
    if isinstance(event, StepBlocked):
        assert event.reason.startswith("the old model does not serve again: ")
    if isinstance(event, RolledBack):
        assert event.verification.startswith("the model from before could not be verified (")


def test_what_another_run_left_at_another_resource_is_rolled_back_there() -> None:
    for phase, resource_name in ((Phase.ROLLING_BACK, "other"), (Phase.VERIFYING, RESOURCE)):
        step = Step(phase, promotion={"rollback_resource": "other"})
        step.check(step.seen(OLD))
        assert step.endpoint.built_for[-1].resource_name == resource_name
    group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearning"
    web = {"kind": "webservice", "update": f"https://management.azure.com{group}/webServices/w"}
    config = {"endpoint": {**web, "workspace_token": None}}
    step = Step(Phase.ROLLING_BACK, promotion={"rollback_resource": ""}, config=config)
    step.check(step.seen(OLD))
    assert step.endpoint.built_for[-1].resource_name == ""


@pytest.mark.parametrize("phase", [Phase.VERIFYING, Phase.ROLLING_BACK])
@pytest.mark.parametrize("to", ["rolled_back", "start"])
def test_a_record_that_is_removed_under_a_check_stops_nothing(phase: Phase, to: Any) -> None:
    step = Step(phase, promotion={"after_rollback": to})
    probe = NEW if phase is Phase.VERIFYING else OLD
    check = step.endpoint.check
    name = f"endpoints/{ref(step.url).id}"

    def removed(operation: str | None = None) -> EndpointCheck:
        step.world.documents.rows.pop(name, None)
        return check(operation)

    step.endpoint.check = removed  # type: ignore[method-assign]
    event: Event | None = NotYetLive(None, ProbeSeries())
    for _ in range(40):
        if isinstance(event, NotYetLive):
            step.acquire_lease(step.run)
            event = step.check(step.seen(probe))
    assert isinstance(event, VerifiedLive | RolledBack)
    assert name not in step.world.documents.rows


def test_where_the_record_is_gone_the_rollback_is_the_one_that_was_recorded() -> None:
    step = Step(Phase.ROLLING_BACK)
    del step.world.documents.rows[f"endpoints/{ref(step.url).id}"]
    assert (
        step.steps._rollback_target(
            step.run, step.world.pipeline.endpoints[0], step.serving, preparing=False
        )
        == ServingState()
    )


def test_a_hold_of_an_operator_stays_when_a_model_goes_live() -> None:
    step = Step(Phase.VERIFYING)
    hold = Hold(run_id="sample-5", to="x", by="ada", at=NOW)
    step.acquire_lease(step.run, resources={RESOURCE: Resource(held=hold)})
    assert isinstance(step.check(*[step.seen(NEW)] * 2), VerifiedLive)
    assert step.endpoint_state().resource(RESOURCE).held == hold
