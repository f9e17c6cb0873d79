"""A parked run that is retried after its gate was changed is judged again."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.run import promotion_events as updates
from shared.core.run.machine import apply
from shared.core.run.record import Phase, Run
from shared.core.run.retry import RetryRequested
from shared.operations.commands import OperatorCommand
from shared.providers.http.client import Answer
from tests.fakes.faults import Kind
from tests.fakes.world import MODELS
from tests.unit.execution.broken_endpoints import (
    BAD,
    PATCH,
    READ_BACK,
    REFRESH,
    SCORE,
    csv,
)
from tests.unit.execution.parked_runs import (
    ASKS,
    PAST_TRAINED,
    YES,
    other_output,
    parked,
    tightened,
)
from tests.unit.execution.roll_out_worlds import read, written
from tests.unit.fleet import Fleet
from tests.unit.samples import MODEL, NOW, promotion
from tests.unit.worlds import Observed, refused


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
    world.until(world.next_run("free.csv", csv(9)), Phase.REJECTED)  # and prevents no other run


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
def test_a_run_that_waits_for_an_operator_again_is_in_nobodys_way(park: Any) -> None:
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


def test_a_model_that_cannot_be_rolled_back_first_is_never_promoted_unjudged() -> None:
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


def test_a_switch_that_comes_while_the_old_model_is_rolled_back_is_not_left_to_serve() -> None:
    world = Observed(send_resources=False, switch_delay=timedelta(seconds=100))
    first = world.serving()
    run = park_verifying(world, world.start)
    tightened(world)
    world.run_operations.retry(run.run_id)
    ends_unpromoted(world, run, first)


def test_a_run_that_another_one_superseded_is_judged_without_a_return() -> None:
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


def test_an_operators_model_is_held_against_the_tightened_gate() -> None:
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


def test_an_operators_model_goes_to_endpoints_that_a_retry_adds() -> None:
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
