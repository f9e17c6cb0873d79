"""The hourly drift check reports another model once, and repairs it once."""

from datetime import timedelta

import pytest

from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.ledger.endpoints import DriftChecks, DueDriftCheck
from shared.maintenance.drift import Drift
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Kind
from tests.unit.maintenance.drifted_worlds import HOUR, MINUTE, live, meddle, pass_time, repairs
from tests.unit.worlds import Observed, refused


def test_an_endpoint_that_serves_what_it_should_is_left_alone() -> None:
    world, _ = live()
    sent = len(world.changes())
    pass_time(world, 5)
    assert len(world.changes()) == sent
    assert not repairs(world)


def test_a_foreign_model_is_noticed_within_the_hour_and_ours_is_set_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, run = live()
    ours = world.serving()
    meddle(world)
    assert world.serving() != ours
    pass_time(world)
    (repair,) = repairs(world)
    assert repair.phase is Phase.PROMOTED
    assert world.serving() == ours
    assert "drifted" in caplog.text
    endpoint_state = world.endpoint_state().resource("Sample [trained model]")
    assert endpoint_state.serving is not None
    assert endpoint_state.serving.run_id == run.run_id
    assert endpoint_state.serving.set_by == repair.run_id
    assert endpoint_state.previous == ()


def test_an_endpoint_that_cannot_be_checked_for_drift_any_more_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, run = live()
    del world.documents.rows[f"runs/{run.run_id}"]
    meddle(world)
    pass_time(world)
    assert f"the record of run {run.run_id}, whose model serves, is gone" in caplog.text


def test_a_second_drift_of_one_model_waits_for_an_operator() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    foreign = world.serving()
    pass_time(world)
    first, second = sorted(repairs(world), key=lambda run: run.opened_at)
    assert first.phase is Phase.PROMOTED
    assert second.phase is Phase.PARKED
    assert "again" in (second.reason or "")
    assert world.serving() == foreign
    world.run_operations.retry(second.run_id)
    world.until(second, Phase.PROMOTED)
    assert world.serving() != foreign


def test_a_new_promotion_may_be_repaired_once_again() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    newer = world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    pass_time(world)
    assert [run.phase for run in repairs(world)] == [Phase.PROMOTED, Phase.PROMOTED]
    assert world.serving() == world.model_of(newer)


def test_a_held_model_is_set_again_too() -> None:
    world, _ = live()
    world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    endpoints = world.app.endpoints
    world.until(
        endpoints.rollback(
            EndpointAddress("sample", "production"), None, OperatorCommand(by="boss")
        ),
        Phase.PROMOTED,
    )
    wanted = world.serving()
    meddle(world)
    pass_time(world)
    assert world.serving() == wanted


def test_an_endpoint_that_is_being_updated_is_not_judged() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    newer = world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.until(newer, Phase.VERIFYING)
    pass_time(world)
    assert not repairs(world)


def test_what_an_update_under_way_brings_is_not_taken_for_drift() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    newer = world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.studio.work()
    world.app.model_events.model_arrived(f"runs/sample/{newer.run_id}/1/model.ilearner")
    assert world.now_of(newer).phase is Phase.VERIFYING
    for _ in range(4):  # the endpoint has switched, and its run has not checked it yet
        world.clock.move(MINUTE)
        world.app.poll.drift.check(world.clock.now() + MINUTE)
    assert not repairs(world)
    world.until(newer, Phase.PROMOTED)


def test_a_repair_that_another_model_superseded_ends_superseded() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    pass_time(world)
    parked = next(run for run in repairs(world) if run.phase is Phase.PARKED)
    world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    serving = world.serving()
    world.run_operations.retry(parked.run_id)
    world.until(parked, Phase.SUPERSEDED)
    assert world.serving() == serving


def test_after_a_takeover_the_endpoint_is_verified_again_soon() -> None:
    world = Observed()
    run = world.start()
    world.until(run, Phase.TRAINING)
    patch = len(world.faults.sites)
    calm = Observed()
    calm.until(calm.start(), Phase.PROMOTED)
    site = next(i for i, s in enumerate(calm.faults.sites) if s.startswith("PATCH"))
    assert site >= patch
    world.faults.plan = {site: Kind.CRASH_AFTER}
    while not world.now_of(run).phase.ended:
        world.survive(world.tick)
    assert world.now_of(run).phase is Phase.PROMOTED
    checked = world.http.sent.count(f"GET {world.pipeline.endpoints[0].address}")
    world.idle(10 * MINUTE)
    assert world.http.sent.count(f"GET {world.pipeline.endpoints[0].address}") == checked + 1


def test_an_unchanged_endpoint_costs_two_calls_an_hour_and_one_write() -> None:
    world, _ = live()
    world.idle(2 * HOUR)
    world.calls.clear()
    sent = len(world.http.sent)
    world.idle(HOUR)
    assert len(world.http.sent) - sent == 2
    assert world.calls.count("replace drift_checks") == 1
    assert world.calls.count("create drift_checks") == 0


def test_however_many_endpoints_are_due_a_tick_checks_them_for_a_part_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, _ = live()
    checks: list[str] = []

    def check(_: Drift, name: str) -> bool:
        world.clock.move(timedelta(seconds=20))
        checks.append(name)
        return True

    many = [DueDriftCheck(f"{number:020}", world.clock.now()) for number in range(100)]
    monkeypatch.setattr(DriftChecks, "due", lambda _: iter(many))
    monkeypatch.setattr(Drift, "_check", check)
    began = world.clock.now()
    world.poll.tick()
    assert world.clock.now() - began <= world.limits.tick / 4
    assert checks == [drift_check.drift_check_id for drift_check in many][: len(checks)]


def parked_at_the_endpoint(world: Observed) -> Run:
    """Park a run that holds the endpoint, before anything of it was sent."""
    bad = refused(400, "InvalidInputNames", "Invalid service input name(s).")
    mend = world.script("PATCH", "/production", bad, times=None)
    parked = world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PARKED)
    mend()
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.run_id == parked.run_id
    return parked


def test_drift_is_reported_while_a_parked_run_holds_the_endpoint_and_that_run_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, _ = live()
    ours = world.serving()
    parked = parked_at_the_endpoint(world)
    meddle(world)
    caplog.clear()
    pass_time(world)
    reported = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("RL1006" in line and parked.run_id in line for line in reported), reported
    assert not repairs(world)
    assert world.serving() != ours
    world.run_operations.cancel(parked.run_id)
    pass_time(world)
    (repair,) = repairs(world)
    world.until(repair, Phase.PROMOTED)
    assert world.serving() == ours


def test_a_parked_run_that_is_retried_continues_although_the_endpoint_drifted() -> None:
    world, _ = live()
    parked = parked_at_the_endpoint(world)
    meddle(world)
    pass_time(world, 2.4)
    assert not repairs(world)
    world.run_operations.retry(parked.run_id)
    world.until(parked, Phase.PROMOTED)
    pass_time(world)
    assert not repairs(world)
    assert world.serving() == world.model_of(parked)
