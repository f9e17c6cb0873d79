"""Roll-outs and deliveries that are retried after their gate was changed."""

import pytest

from shared.core.run import control_events
from shared.core.run.machine import apply
from shared.core.run.promotion import Promotion
from shared.core.run.record import Phase
from shared.core.run.retry import RetryRequested
from shared.errors import InvalidTransitionError
from shared.operations.commands import OperatorCommand
from tests.unit.execution.parked_runs import ASKS, STRICT, parked, tightened
from tests.unit.execution.roll_out_worlds import read, two_models, written
from tests.unit.fleet import Fleet
from tests.unit.samples import NOW, pipeline, promotion
from tests.unit.worlds import refused

# Roll-outs


def fleet_parked(how: str) -> Fleet:
    """Return a roll-out whose first endpoint is done and whose second is parked."""
    fleet = Fleet(size=3)
    fleet.start()
    if how == "before":
        wrong = fleet.environment.pop("KEY_e2")
        fleet.finish()
        fleet.environment["KEY_e2"] = wrong
        return fleet
    while "e2" not in fleet.patched():
        fleet.tick()
    endpoint_states = [name for name in fleet.documents.rows if name.startswith("endpoints/")]
    (name,) = [n for n in endpoint_states if b"/e2" in fleet.documents.rows[n].body]
    row = fleet.documents.rows[name]
    fleet.damage(name)
    fleet.finish()
    fleet.documents.rows[name] = row
    assert fleet.child("e2").parked_in is Phase.VERIFYING
    return fleet


@pytest.mark.parametrize("how", ["before", "sent"])
def test_a_roll_out_is_held_against_the_tightened_gate(how: str) -> None:
    fleet = fleet_parked(how)
    model = fleet.model()
    old = fleet.serves("e3")
    child = fleet.child("e2")
    tightened(fleet)
    with pytest.raises(InvalidTransitionError, match=f"retry run {fleet.parent().run_id} instead"):
        fleet.run_operations.retry(child.run_id)
    assert fleet.now_of(child).phase is Phase.PARKED
    fleet.run_operations.retry(fleet.parent().run_id)
    ended = fleet.finish()
    for _ in range(20):
        fleet.tick()
    assert ended.phase is Phase.REJECTED
    assert fleet.endpoints_serving(model) == ["e1"]  # what is done stays
    assert fleet.serves("e2") == old
    assert fleet.now_of(child).phase is (Phase.CANCELLED if how == "before" else Phase.ROLLED_BACK)
    assert {one.endpoint: one.outcome for one in ended.deliveries} == {
        "e1": Phase.PROMOTED,
        "e2": Phase.CANCELLED,
    }
    assert not fleet.open_runs()


@pytest.mark.parametrize("how", ["before", "sent"])
def test_a_roll_out_that_passes_the_tightened_gate_continues_where_it_was(how: str) -> None:
    fleet = fleet_parked(how)
    model, child = fleet.model(), fleet.child("e2")
    tightened(fleet, ASKS)
    fleet.run_operations.retry(fleet.parent().run_id)
    parent = fleet.until(fleet.parent(), Phase.AWAITING_APPROVAL)
    fleet.tick(60)
    assert fleet.endpoints_serving(model) == ["e1"] or how == "sent"
    fleet.run_operations.approve(parent.run_id, OperatorCommand("ada"))
    ended = fleet.finish(120)
    assert ended.phase is Phase.PROMOTED, ended.reason
    assert fleet.endpoints_serving(model) == ["e1", "e2", "e3"]
    assert fleet.child("e2").run_id != child.run_id
    assert fleet.child("e2").approval == ended.approval
    assert fleet.patched().count("e1") == 1
    assert not fleet.open_runs()


@pytest.mark.parametrize("gain", [{"min_gain": 0.5}, {"max_drop": 0.0}])
def test_a_model_is_not_held_against_itself(gain: dict[str, float]) -> None:
    fleet = fleet_parked("before")
    rules = [{"metric": "Accuracy", **gain}]
    tightened(fleet, {"metrics": "output2", "rules": rules, "first_model": "allow"})
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.finish(120).phase is Phase.PROMOTED


@pytest.mark.parametrize("how", ["before", "sent"])
def test_a_delivery_that_was_retried_by_itself_is_reported_as_it_ended(how: str) -> None:
    """The record of its roll-out still says that it is parked."""
    fleet = fleet_parked(how)
    model, child, parent = fleet.model(), fleet.child("e2"), fleet.parent()
    fleet.run_operations.retry(child.run_id)
    tightened(fleet)
    with pytest.raises(InvalidTransitionError, match="wait for its end"):
        fleet.run_operations.retry(parent.run_id)
    assert fleet.now_of(parent).phase is Phase.PARKED
    fleet.until(child, Phase.PROMOTED)
    fleet.run_operations.retry(parent.run_id)
    ended = fleet.until(parent, Phase.REJECTED)
    assert {one.endpoint: one.outcome for one in ended.deliveries} == {
        "e1": Phase.PROMOTED,
        "e2": Phase.PROMOTED,
    }
    assert fleet.endpoints_serving(model) == ["e1", "e2"]
    assert fleet.patched().count("e2") <= 1 + (how == "sent")


def test_a_roll_out_continues_with_a_delivery_that_was_retried_by_itself() -> None:
    fleet = fleet_parked("before")
    child = fleet.child("e2")
    fleet.run_operations.retry(child.run_id)
    assert fleet.now_of(child).phase.updates
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.finish(120).phase is Phase.PROMOTED
    assert fleet.child("e2").run_id == child.run_id
    assert fleet.patched().count("e2") == 1


def test_a_delivery_that_could_not_be_rolled_back_is_retried_though_its_run_is_over() -> None:
    fleet = fleet_parked("sent")
    model, child, old = fleet.model(), fleet.child("e2"), fleet.serves("e3")
    tightened(fleet)
    wires = (("PATCH", "/e2"), ("POST", "/e2/refresh"))
    mend = [fleet.script(*wire, refused(400, "X", "no"), times=None) for wire in wires]
    fleet.run_operations.retry(fleet.parent().run_id)
    fleet.until(child, Phase.PARKED)
    fleet.until(fleet.parent(), Phase.REJECTED)
    assert fleet.serves("e2") == model
    for end in mend:
        end()
    fleet.run_operations.retry(child.run_id)
    fleet.until(child, Phase.ROLLED_BACK)
    assert fleet.serves("e2") == old


def test_a_delivery_of_another_output_is_not_retried_by_itself() -> None:
    fleet = Fleet(size=2)
    config = two_models(fleet, "output1", "output1")
    fleet.environment.pop("KEY_e1")
    fleet.start()
    fleet.finish()
    child = fleet.child("e1")
    config["endpoints"][0]["model"] = "output3"
    read(fleet, config)
    with pytest.raises(InvalidTransitionError, match="instead"):
        fleet.run_operations.retry(child.run_id)


def test_a_delivery_whose_endpoint_was_renamed_is_not_retried_past_the_gate() -> None:
    fleet = fleet_parked("before")
    config = written(fleet)
    config["endpoints"][1]["name"] = "renamed"
    read(fleet, {**config, "gate": STRICT})
    with pytest.raises(InvalidTransitionError, match="instead"):
        fleet.run_operations.retry(fleet.child("e2").run_id)


def test_the_returning_phase_of_a_judged_run_says_where_it_goes() -> None:
    was = parked(Phase.VERIFYING, promotion=promotion(ever_sent=True, after_rollback=None))
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert isinstance(again.promotion, Promotion)
    assert again.promotion.after_rollback == "judged"
    lost = apply(again, control_events.Superseded("another run has it"), NOW)
    assert lost.phase is Phase.SUPERSEDED
