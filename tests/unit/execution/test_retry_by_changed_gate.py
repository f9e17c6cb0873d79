"""A retry by a gate that was tightened: what the record says was applied, was."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.config.pipeline import Pipeline
from shared.core.run import control_events
from shared.core.run import promotion_events as updates
from shared.core.run.machine import MOVES, Command, apply, next_command
from shared.core.run.record import Approval, Origin, Phase, Promotion, Run
from shared.core.run.retry import RedoRequested, RetryRequested
from shared.errors import InvalidTransitionError
from shared.operations.commands import OperatorCommand
from shared.providers.http.client import Answer
from tests.fakes.faults import Kind
from tests.fakes.world import MODELS
from tests.unit.execution.test_promotion_regressions import (
    BAD,
    PATCH,
    READ_BACK,
    REFRESH,
    SCORE,
    csv,
)
from tests.unit.execution.test_roll_out_regressions import read, two_models, written
from tests.unit.fleet import Fleet
from tests.unit.samples import MODEL, NOW, STEPS, pipeline, promotion, run, tree
from tests.unit.worlds import Observed, refused

STRICT = {
    "metrics": "output2",
    "rules": [{"metric": "AUC", "at_least": 0.9999}],
    "first_model": "allow",
    "approval": "required",
}
ASKS = {"first_model": "allow", "approval": "required"}
#: What a person may have tightened, one at a time.
GATES: dict[str, dict[str, Any]] = {
    "rules": {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.9999}]},
    "approval": {"approval": "required"},
    "expires": {"expires": "1d"},
    "on_expiry": {"on_expiry": "approve"},
    "first_model": {"first_model": "allow"},
    "row": {
        "metrics": "output2",
        "rules": [{"metric": "AUC", "at_least": 0.1}],
        "row": {"number": 2},
    },
}
PAST_TRAINED = tuple(STEPS[STEPS.index(Phase.JUDGED) :])
YES = Approval(answer="approved", by="ada", at=NOW)


def tightened(world: Observed, gate: dict[str, Any] = STRICT) -> None:
    read(world, {**written(world), "gate": gate})


def parked(phase: Phase, **changes: Any) -> Run:
    return apply(run(phase, **changes), control_events.StepBlocked("no", "do"), NOW)


# The rule


@pytest.mark.parametrize("gate", GATES, ids=str)
@pytest.mark.parametrize("phase", PAST_TRAINED)
@pytest.mark.parametrize("sent", [True, False])
def test_a_retry_by_another_gate_goes_back_to_it_from_every_phase(
    phase: Phase, gate: str, *, sent: bool
) -> None:
    known = promotion(ever_sent=sent, after_rollback=None) if phase.updates else None
    if phase is Phase.ROLLING_BACK and known:
        known = known.model_copy(update={"after_rollback": "start"})
    was = parked(phase, promotion=known, model=MODEL, approval=YES)
    again = apply(was, RetryRequested(pipeline(gate=GATES[gate])), NOW)
    assert again.config.gate == pipeline(gate=GATES[gate]).gate
    assert (again.verdict, again.approval) == (None, None)
    if known is not None and sent:
        assert again.phase is Phase.ROLLING_BACK
        assert again.promotion is not None
        assert again.promotion.sent_at is None
        assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT
        again = apply(again, updates.RolledBack("as before"), NOW)
    assert (again.phase, again.promotion, again.model) == (Phase.JUDGED, None, MODEL)
    assert next_command(again, NOW) is Command.JUDGE


@pytest.mark.parametrize("phase", PAST_TRAINED)
def test_a_retry_by_the_same_gate_keeps_what_was_said(phase: Phase) -> None:
    was = parked(phase, approval=YES, model=MODEL)
    stored = Run.model_validate_json(was.model_dump_json())
    for config in (None, stored.config, pipeline()):
        again = apply(stored, RetryRequested(config), NOW)
        assert again.approval == YES
        assert again.phase is (Phase.PROMOTING if phase is Phase.VERIFYING else phase)


@pytest.mark.parametrize("origin", [Origin.ROLLBACK, Origin.DRIFT])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_model_that_is_set_again_is_never_judged_and_its_record_does_not_say_so(
    phase: Phase, origin: Origin
) -> None:
    was = parked(phase, origin=origin)
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert again.phase is (Phase.PROMOTING if phase is Phase.VERIFYING else phase)
    assert again.config.gate == was.config.gate


@pytest.mark.parametrize("back", ["rolled_back", "unchanged"])
def test_a_model_that_is_being_taken_back_for_good_is_not_judged_again(back: str) -> None:
    known = promotion(after_rollback=back, ever_sent=True)
    was = parked(Phase.ROLLING_BACK, promotion=known)
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert again.config.gate == was.config.gate
    ended = apply(again, updates.RolledBack("as before"), NOW)
    assert ended.phase.ended


@pytest.mark.parametrize("back", ["rolled_back", "unchanged"])
def test_a_model_that_is_being_taken_back_for_good_is_not_collected_from_another_output(
    back: str,
) -> None:
    known = promotion(after_rollback=back, ever_sent=True)
    was = parked(Phase.ROLLING_BACK, config=other_output("output1"), promotion=known)
    again = apply(was, RetryRequested(other_output("output3")), NOW)
    assert again.config.endpoints[0].model == "output1"
    assert apply(again, updates.RolledBack("as before"), NOW).phase.ended


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_delivery_is_not_retried_past_the_gate_of_its_run(phase: Phase) -> None:
    known = promotion(after_rollback="start" if phase is Phase.ROLLING_BACK else None)
    was = parked(phase, origin=Origin.ROLL_OUT, parent="sample-0", promotion=known)
    with pytest.raises(InvalidTransitionError, match="retry run sample-0 instead"):
        apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert apply(was, RetryRequested(pipeline()), NOW).phase.updates


@pytest.mark.parametrize("back", ["rolled_back", "unchanged", "judged", "trained"])
def test_a_delivery_that_only_gives_its_endpoint_back_may_always_be_retried(back: str) -> None:
    known = promotion(after_rollback=back, ever_sent=True)
    was = parked(Phase.ROLLING_BACK, origin=Origin.ROLL_OUT, parent="sample-0", promotion=known)
    again = apply(was, RetryRequested(pipeline(gate=STRICT)), NOW)
    assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT
    assert apply(again, updates.RolledBack("as before"), NOW).phase.ended


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_delivery_that_is_taken_back_ends_and_never_promotes(phase: Phase, *, sent: bool) -> None:
    known = promotion(ever_sent=sent, after_rollback=None)
    was = parked(phase, origin=Origin.ROLL_OUT, parent="sample-0", promotion=known)
    again = apply(was, RedoRequested(None), NOW)
    if sent:
        assert again.phase is Phase.ROLLING_BACK
        assert next_command(again, NOW) is Command.ROLL_BACK_ENDPOINT
        again = apply(again, updates.RolledBack("as before"), NOW)
    assert again.phase is (Phase.ROLLED_BACK if sent else Phase.CANCELLED)
    assert "has changed" in str(again.reason)


def test_the_table_leads_back_to_the_gate_only_by_a_return() -> None:
    to_gate = {key for key, to in MOVES.items() if Phase.JUDGED in to}
    assert (Phase.ROLLING_BACK, updates.RolledBack) in to_gate
    assert (Phase.PARKED, RetryRequested) in to_gate


def other_output(name: str) -> Pipeline:
    (endpoint,) = tree()["endpoints"]
    outputs = {"output1": "model.ilearner", "output3": "three.ilearner"}
    return pipeline(endpoints=[{**endpoint, "model": name}], training__outputs=outputs)


@pytest.mark.parametrize("phase", PAST_TRAINED)
@pytest.mark.parametrize("sent", [True, False])
def test_another_model_output_is_collected_and_not_only_recorded(
    phase: Phase, *, sent: bool
) -> None:
    known = promotion(ever_sent=sent, after_rollback="start") if phase.updates else None
    was = parked(phase, config=other_output("output1"), model=MODEL, promotion=known, approval=YES)
    again = apply(was, RetryRequested(other_output("output3")), NOW)
    if known is not None and sent:
        assert (again.phase, again.model) == (Phase.ROLLING_BACK, MODEL)
        again = apply(again, updates.RolledBack("as before"), NOW)
    assert (again.phase, again.model, again.approval) == (Phase.TRAINED, None, None)
    assert again.config.endpoints[0].model == "output3"


def test_a_worker_that_died_while_it_sent_may_have_sent() -> None:
    """Also where nothing shows whether an update arrived, and none is recorded."""
    world = Observed()
    calm = Observed()
    calm.until(calm.start(), Phase.PROMOTED)
    site = next(i for i, s in enumerate(calm.faults.sites) if s.startswith("PATCH"))
    world.faults.plan = {site: Kind.CRASH_AFTER}
    run = world.start()
    while world.survive(world.tick):
        pass
    mend = world.script(*PATCH, BAD, times=None)
    stopped = world.until(run, Phase.PARKED)
    mend()
    assert stopped.parked_in is Phase.PROMOTING
    first = world.endpoint_state().resource("Sample [trained model]").baseline
    assert first is not None
    tightened(world)
    world.run_operations.retry(run.run_id)
    assert world.now_of(run).phase is Phase.ROLLING_BACK
    world.until(run, Phase.REJECTED)
    assert world.serving() != world.model_of(run)


# In a world


Go = Callable[[], Run | None]


def parked_by(world: Observed, wire: tuple[str, str], answer: Answer, go: Go) -> Run:
    mend = world.script(*wire, answer, times=None)
    run = go()
    assert run is not None
    stopped = world.until(run, Phase.PARKED)
    assert stopped.parked_in is Phase.PROMOTING
    mend()
    return stopped


def park_before_update(world: Observed, go: Go) -> Run:
    return parked_by(world, PATCH, BAD, go)


def park_before_lease(world: Observed, go: Go) -> Run:
    return parked_by(world, SCORE, refused(404, "X", "not this one"), go)


def park_verifying(world: Observed, go: Go) -> Run:
    run = go()
    assert run is not None
    world.until(run, Phase.VERIFYING)
    world.studio.work()
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    row = world.documents.rows[name]
    world.damage(name)
    stopped = world.until(run, Phase.PARKED)
    assert stopped.parked_in is Phase.VERIFYING
    world.documents.rows[name] = row
    return stopped


PARKS = [park_before_lease, park_before_update, park_verifying]


def ends_unpromoted(world: Observed, run: Run, first: bytes | None) -> None:
    world.until(run, Phase.REJECTED)
    ended = world.now_of(run)
    assert ended.verdict is not None
    assert not ended.verdict.passed
    assert ended.approval is None
    for _ in range(10):
        world.tick()
    assert world.serving() == first
    world.until(world.next_run("free.csv", csv(9)), Phase.REJECTED)  # and not in anybody's way


@pytest.mark.parametrize("park", PARKS)
@pytest.mark.parametrize("ahead", [False, True], ids=["first", "after a model"])
@pytest.mark.parametrize("approved", [False, True])
def test_a_parked_run_is_held_against_the_tightened_gate(
    park: Any, *, ahead: bool, approved: bool
) -> None:
    world = Observed(send_resources=False)
    if ahead:
        world.until(world.start("zero.csv"), Phase.PROMOTED)
    first = world.serving()
    if approved:
        tightened(world, ASKS)
    if approved:
        run = world.until(world.next_run("new.csv", csv(3)), Phase.AWAITING_APPROVAL)
        run = park(
            world, lambda: world.run_operations.approve(run.run_id, OperatorCommand("ada", "good"))
        )
        assert run.approval is not None
    else:
        run = park(world, lambda: world.next_run("new.csv", csv(3)))
    tightened(world)
    world.run_operations.retry(run.run_id)
    ends_unpromoted(world, run, first)


@pytest.mark.parametrize("park", PARKS)
def test_an_approval_is_asked_for_again_when_the_gate_has_changed(park: Any) -> None:
    world = Observed(send_resources=False, config={"pipeline": {"gate": ASKS}})
    first = world.serving()
    run = world.until(world.start(), Phase.AWAITING_APPROVAL)
    park(world, lambda: world.run_operations.approve(run.run_id, OperatorCommand("ada", "good")))
    loose = {**ASKS, "metrics": "output2", "rules": [{"metric": "Accuracy", "at_least": 0.0}]}
    tightened(world, loose)
    world.run_operations.retry(run.run_id)
    now = world.until(run, Phase.AWAITING_APPROVAL)
    assert now.approval is None
    assert now.verdict is not None
    world.tick(60)
    assert world.serving() == first
    world.run_operations.approve(run.run_id, OperatorCommand("bob", "still good"))
    ended = world.until(run, Phase.PROMOTED)
    assert ended.approval is not None
    assert ended.approval.by == "bob"


@pytest.mark.parametrize("park", PARKS)
def test_a_run_that_waits_for_a_person_again_is_in_nobodys_way(park: Any) -> None:
    world = Observed(send_resources=False)
    older = park(world, world.start)
    tightened(world, ASKS)
    world.run_operations.retry(older.run_id)
    world.until(older, Phase.AWAITING_APPROVAL)
    newer = world.until(world.next_run("b.csv", csv(3)), Phase.AWAITING_APPROVAL)
    world.run_operations.approve(newer.run_id, OperatorCommand("ada"))
    world.until(newer, Phase.PROMOTED)
    world.run_operations.approve(older.run_id, OperatorCommand("ada"))
    world.until(older, Phase.SUPERSEDED)
    assert world.serving() == world.model_of(newer)


def test_a_loosened_gate_is_applied_as_well() -> None:
    world = Observed(config={"pipeline": {"gate": ASKS}})
    run = world.until(world.start(), Phase.AWAITING_APPROVAL)
    park_before_update(
        world, lambda: world.run_operations.approve(run.run_id, OperatorCommand("ada"))
    )
    tightened(world, {"first_model": "allow"})
    world.run_operations.retry(run.run_id)
    ended = world.until(run, Phase.PROMOTED)
    assert ended.approval is None


def test_a_model_that_cannot_be_put_back_first_is_never_promoted_unjudged() -> None:
    world = Observed(config={"pipeline": {"gate": {"first_model": "allow"}}})
    for wire in (READ_BACK, REFRESH):
        world.script(*wire, refused(404, "NotFound", "x"), times=None)
    run = park_verifying(world, world.start)
    tightened(world)
    sent = len(world.changes())
    for _ in range(3):
        world.run_operations.retry(run.run_id)
        stopped = world.until(run, Phase.PARKED)
        assert "no earlier model is known" in str(stopped.reason)
    assert len(world.changes()) == sent
    assert world.run_operations.cancel(run.run_id) is not None
    assert world.now_of(run).phase is Phase.CANCELLED


def test_a_return_ahead_of_the_gate_that_fails_is_retried_and_then_judged() -> None:
    world = Observed(send_resources=False)
    world.until(world.start("zero.csv"), Phase.PROMOTED)
    first = world.serving()
    run = park_verifying(world, lambda: world.next_run("new.csv", csv(3)))
    tightened(world)
    mend = world.script(*PATCH, BAD, times=None)
    world.run_operations.retry(run.run_id)
    assert world.until(run, Phase.PARKED).parked_in is Phase.ROLLING_BACK
    mend()
    world.run_operations.retry(run.run_id)
    ends_unpromoted(world, run, first)


def test_a_switch_that_comes_while_the_old_model_is_put_back_is_not_left_to_serve() -> None:
    world = Observed(send_resources=False, switch_delay=timedelta(seconds=100))
    first = world.serving()
    run = park_verifying(world, world.start)
    tightened(world)
    world.run_operations.retry(run.run_id)
    ends_unpromoted(world, run, first)


def test_a_run_that_another_one_overtook_is_judged_without_a_return() -> None:
    world = Observed(send_resources=False)
    older = park_verifying(world, lambda: world.start("older.csv"))
    newer = world.until(world.next_run("newer.csv", csv(3)), Phase.PROMOTED)
    tightened(world, ASKS)
    sent = len(world.changes())
    world.run_operations.retry(older.run_id)
    world.until(older, Phase.AWAITING_APPROVAL)
    assert len(world.changes()) == sent
    world.run_operations.approve(older.run_id, OperatorCommand("ada"))
    world.until(older, Phase.SUPERSEDED)
    assert world.serving() == world.model_of(newer)


def test_a_model_put_by_hand_is_held_against_the_tightened_gate() -> None:
    world = Observed(send_resources=False)
    world.until(world.start(), Phase.PROMOTED)
    first = world.serving()
    trained = InstantTrainer().train({"input1": csv(7)}, {}, label=None)
    for park in PARKS:
        tightened(world, {"first_model": "allow"})
        name = f"promote/sample/{park.__name__}.ilearner"
        world.tick(60)
        world.blobs.put(MODELS, name, trained.model)
        run = park(world, partial(world.app.model_events.model_arrived, name))
        tightened(world)
        world.run_operations.retry(run.run_id)
        world.until(run, Phase.AWAITING_APPROVAL)
        assert world.serving() == first
        world.run_operations.reject(run.run_id, OperatorCommand("ada"))
        assert world.now_of(run).phase is Phase.REJECTED


def test_a_model_put_by_hand_goes_to_endpoints_that_a_retry_adds() -> None:
    fleet = Fleet(size=2)
    config = written(fleet)
    read(fleet, {**config, "endpoints": config["endpoints"][:1]})
    fleet.poll.tick()
    trained = InstantTrainer().train({"input1": csv(7)}, {}, label=None)
    fleet.blobs.put(MODELS, "promote/sample/mine.ilearner", trained.model)
    wrong = fleet.environment.pop("KEY_e1")
    run = fleet.app.model_events.model_arrived("promote/sample/mine.ilearner")
    assert run is not None
    assert fleet.until_idle(run).parked_in is Phase.PROMOTING
    fleet.environment["KEY_e1"] = wrong
    read(fleet, config)
    fleet.run_operations.retry(run.run_id)
    assert fleet.until_idle(run, 60).phase is Phase.PROMOTED
    assert fleet.endpoints_serving(trained.model) == ["e1", "e2"]


# Roll-outs


def fleet_parked(how: str) -> Fleet:
    """Return a roll-out whose first endpoint is done and whose second is parked."""
    fleet = Fleet(size=3)
    fleet.start()
    if how == "before":
        wrong = fleet.environment.pop("KEY_e2")
        fleet.settle()
        fleet.environment["KEY_e2"] = wrong
        return fleet
    while "e2" not in fleet.patched():
        fleet.tick()
    endpoint_states = [name for name in fleet.documents.rows if name.startswith("endpoints/")]
    (name,) = [n for n in endpoint_states if b"/e2" in fleet.documents.rows[n].body]
    row = fleet.documents.rows[name]
    fleet.damage(name)
    fleet.settle()
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
    ended = fleet.settle()
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
def test_a_roll_out_that_passes_the_tightened_gate_goes_on_where_it_was(how: str) -> None:
    fleet = fleet_parked(how)
    model, child = fleet.model(), fleet.child("e2")
    tightened(fleet, ASKS)
    fleet.run_operations.retry(fleet.parent().run_id)
    parent = fleet.until(fleet.parent(), Phase.AWAITING_APPROVAL)
    fleet.tick(60)
    assert fleet.endpoints_serving(model) == ["e1"] or how == "sent"
    fleet.run_operations.approve(parent.run_id, OperatorCommand("ada"))
    ended = fleet.settle(120)
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
    assert fleet.settle(120).phase is Phase.PROMOTED


@pytest.mark.parametrize("how", ["before", "sent"])
def test_a_delivery_that_was_retried_by_itself_is_told_as_it_ended(how: str) -> None:
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


def test_a_roll_out_goes_on_with_a_delivery_that_was_retried_by_itself() -> None:
    fleet = fleet_parked("before")
    child = fleet.child("e2")
    fleet.run_operations.retry(child.run_id)
    assert fleet.now_of(child).phase.updates
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.settle(120).phase is Phase.PROMOTED
    assert fleet.child("e2").run_id == child.run_id
    assert fleet.patched().count("e2") == 1


def test_a_delivery_that_could_not_be_taken_back_is_retried_though_its_run_is_over() -> None:
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
    fleet.settle()
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
