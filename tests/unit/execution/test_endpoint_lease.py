"""One run leases an endpoint: which one, and the checks before that."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.evaluation.gate import Verdict
from shared.core.run.commands import Event
from shared.core.run.control_events import StepBlocked, Superseded
from shared.core.run.gate_events import Regressed, VerdictOutdated
from shared.core.run.promotion_events import EndpointLeased, InFlightUpdateFound
from shared.core.run.record import Origin, Phase
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointLease, Hold, Resource
from shared.errors import PermanentError, TransientError
from shared.providers.studio.scoring import Current
from tests.fakes.world import RESOURCE
from tests.unit.core.evaluation.compared import comparison, judged
from tests.unit.execution.lease_steps import DAY, OLD, Asking
from tests.unit.samples import NOW, good, promotion
from tests.unit.samples import run as sample

RULE = {
    "gate": {
        "metrics": "output2",
        "rules": [{"metric": "Accuracy", "max_drop": 0.01}],
        "first_model": "allow",
    }
}


def test_what_answers_and_what_serves_are_known_before_the_endpoint_is_ours() -> None:
    asking = Asking()
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.before == OLD
    assert event.promotion.rollback_target == ServingState()
    assert (event.promotion.generation, event.promotion.expected) == (1, None)
    endpoint_state = asking.endpoint_state()
    assert endpoint_state.ref.name == asking.url
    assert endpoint_state.resource(RESOURCE).baseline == ServingState()
    mine = endpoint_state.endpoint_lease
    assert mine == EndpointLease(
        run_id="sample-1",
        resource=RESOURCE,
        model=asking.run.model,
        generation=1,
        at=asking.world.clock.now(),
    )
    assert asking.endpoint.ensured == 1


def test_a_lease_that_is_there_already_is_not_written_again() -> None:
    asking = Asking()
    asking.acquire_lease_()
    writes = len(asking.world.faults.sites)
    asking.endpoint.probe_series = [asking.seen(OLD)]
    again = asking.acquire_lease_()
    assert isinstance(again, EndpointLeased)
    assert again.promotion.generation == 1
    assert len(asking.world.faults.sites) == writes


def test_a_run_without_an_endpoint_is_reported_as_such() -> None:
    asking = Asking()
    asking.run = asking.run.model_copy(
        update={"config": asking.run.config.model_copy(update={"endpoints": ()})}
    )
    with pytest.raises(PermanentError, match="has no endpoint to give a model to"):
        asking.acquire_lease_()


@pytest.mark.parametrize(
    ("resources", "refused"),
    [(("other",), True), ((), True), ((RESOURCE, "o"), False), (None, False)],
)
def test_a_resource_that_the_endpoint_does_not_have_is_named_with_those_it_has(
    resources: tuple[str, ...] | None, *, refused: bool
) -> None:
    asking = Asking()
    asking.endpoint.current_ = Current(resources=resources, refreshable=True)
    if not refused:
        assert isinstance(asking.acquire_lease_(), EndpointLeased)
        return
    with pytest.raises(PermanentError) as caught:
        asking.acquire_lease_()
    had = "'other'" if resources else "none: is it a training service?"
    assert str(caught.value).endswith(f"it has {had}")
    assert caught.value.advice == "correct `resource` of the endpoint in pipelines.yaml"
    assert asking.endpoint.asked == []


# Which run gets the endpoint


@pytest.mark.parametrize(
    ("newest", "superseded"),
    [(NOW + timedelta(seconds=1), True), (NOW, False), (None, False)],
)
def test_a_model_of_older_data_yields_to_the_one_that_serves(
    newest: Any, *, superseded: bool
) -> None:
    asking = Asking()
    asking.put_endpoint_state(resources={RESOURCE: Resource(newest_data=newest)})
    event = asking.acquire_lease_()
    assert isinstance(event, Superseded) is superseded
    if isinstance(event, Superseded):
        when = "2026-03-01 12:00:01 UTC"
        assert event.reason == f"production already serves a model of newer data ({when})"


def test_an_endpoint_that_an_operator_holds_is_given_nothing_new() -> None:
    asking = Asking()
    hold = Hold(run_id="sample-5", to="sample-0", by="ada", at=NOW)
    asking.put_endpoint_state(resources={RESOURCE: Resource(held=hold)})
    event = asking.acquire_lease_()
    assert isinstance(event, StepBlocked)
    assert (
        "is held since 2026-03-01 12:00 UTC: ada rolled back to the model of sample-0"
        in event.reason
    )


@pytest.mark.parametrize(
    ("hold", "holds"), [("sample-1", True), ("sample-2", False), (None, False)]
)
def test_a_rollback_continues_only_while_the_hold_is_its_own(
    hold: str | None, *, holds: bool
) -> None:
    asking = Asking(origin=Origin.ROLLBACK)
    held = Hold(run_id=hold, to="x", by="ada", at=NOW) if hold else None
    asking.put_endpoint_state(resources={RESOURCE: Resource(held=held, newest_data=NOW + DAY)})
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased if holds else Superseded)


def test_a_repair_continues_only_while_its_model_is_the_one_that_should_serve() -> None:
    for model, holds in (("mine", True), ("other", False), (None, False)):
        asking = Asking(origin=Origin.DRIFT)
        other = asking.model("runs/sample/sample-0/1/model.ilearner")
        if model is not None:
            served = asking.served(
                model=asking.run.model if model == "mine" else other, answers=OLD
            )
            asking.serves(served, newest_data=NOW + DAY)
        event = asking.acquire_lease_()
        assert isinstance(event, EndpointLeased if holds else Superseded)
        if isinstance(event, EndpointLeased):
            assert event.promotion.expected == OLD  # what it answered when it was verified
            assert event.promotion.rollback_target is None  # an older one was not asked for
        else:
            assert event == Superseded("another model serves by now")


def test_a_run_at_work_on_the_endpoint_is_first() -> None:
    for phase, waits in ((Phase.VERIFYING, True), (Phase.PARKED, False), (None, False)):
        asking = Asking()
        other = sample(phase or Phase.FAILED, run_id="sample-9", promotion=promotion())
        if phase is not None:
            asking.ledger.runs.create(other)
        asking.acquire_lease(other)
        if waits:
            with pytest.raises(TransientError, match="run sample-9 is updating") as raised:
                asking.acquire_lease_()
            assert raised.value.patience == 7 * DAY
        else:
            assert not isinstance(asking.acquire_lease_(), Superseded)


def test_what_another_run_left_in_flight_is_rolled_back_first() -> None:
    asking = Asking()
    before = good("0.5", "0.6")
    other = sample(Phase.PARKED, run_id="sample-9", promotion=promotion(before=before))
    asking.ledger.runs.create(other)
    asking.acquire_lease(other, resources={RESOURCE: Resource(baseline=ServingState())})
    event = asking.acquire_lease_()
    assert isinstance(event, InFlightUpdateFound)
    assert event.promotion.before == before
    assert event.promotion.rollback_target == ServingState()
    assert event.promotion.rollback_resource == RESOURCE
    assert asking.endpoint.asked == []  # what answers now says nothing
    mine = asking.endpoint_state().endpoint_lease
    assert mine is not None
    assert (mine.run_id, mine.generation) == ("sample-1", 2)
    assert mine.in_flight is not None
    assert mine.in_flight.run_id == "sample-9"


def test_what_was_left_by_a_run_without_record_has_no_answers_to_compare_with() -> None:
    asking = Asking()
    other = sample(Phase.PARKED, run_id="sample-9", promotion=promotion())
    asking.acquire_lease(other, resources={RESOURCE: Resource(baseline=ServingState())})
    event = asking.acquire_lease_()
    assert isinstance(event, InFlightUpdateFound)
    assert event.promotion.before is None


def test_where_nothing_can_be_rolled_back_first_the_update_continues() -> None:
    asking = Asking({"gate": {"first_model": "allow"}})
    asking.endpoint.current_ = Current()
    asking.acquire_lease(sample(Phase.PARKED, run_id="sample-9", promotion=promotion()))
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.before is None


# The gate, once more


def verdict(accuracy: float) -> Verdict:
    return Verdict(passed=True, reason="", metrics={"Accuracy": accuracy})


@pytest.mark.parametrize(
    ("accuracy", "live", "changes", "behind"),
    [
        (0.8, 0.9, {}, True),
        (0.9, 0.8, {}, False),
        (0.8, None, {}, False),
        (0.8, 0.9, {"origin": Origin.ROLLBACK}, False),
    ],
)
def test_a_model_is_held_against_the_one_that_went_live_meanwhile(
    accuracy: float, live: float | None, changes: dict[str, Any], *, behind: bool
) -> None:
    asking = Asking(RULE, verdict=verdict(accuracy), **changes)
    if live is not None:
        asking.serves(asking.served(metrics={"Accuracy": live}))
    event = asking.acquire_lease_()
    assert isinstance(event, Regressed) is behind
    assert asking.endpoint.ensured == (0 if behind or changes else 1)


@pytest.mark.parametrize(
    ("unsure", "compared_with", "event"),
    [
        ("ask", "sample-0", EndpointLeased),
        ("ask", "sample-other", VerdictOutdated),
        ("wait", "sample-other", VerdictOutdated),
        ("promote", "sample-other", VerdictOutdated),
        ("reject", "sample-other", Regressed),
    ],
)
def test_a_model_is_promoted_over_the_model_that_it_was_compared_with(
    unsure: str, compared_with: str, event: type[Event]
) -> None:
    rules = [{"metric": "AUC", "max_drop": 0.01}]
    compare = {"predictions": "output2", "holdout": "training-data/h.csv", "unsure": unsure}
    gate = {"rules": rules, "compare": compare}
    known = judged(comparison(run_id=compared_with), live=(compared_with,))
    asking = Asking({"gate": gate}, verdict=known)
    asking.serves(asking.served(run_id="sample-0"))
    found = asking.acquire_lease_()
    assert type(found) is event
    if isinstance(found, Regressed):
        assert found.change == "another model went live"
    if isinstance(found, VerdictOutdated):
        assert found.verdict.uncompared == ("sample-0",)
        asking.run = asking.run.evolve(verdict=found.verdict)  # an operator has accepted it
        assert isinstance(asking.acquire_lease_(), EndpointLeased)
