"""An operator rolls back to an earlier model; the endpoint is held until it is resumed."""

from datetime import timedelta
from functools import cache, partial
from typing import Any

import pytest

from functions.api_models.endpoints import EndpointShown
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Origin, Phase, Run, StepFailure
from shared.core.serving.references import EndpointAddress
from shared.errors import ConflictError, NoSuchEndpointError, NoSuchModelError, TransientError
from shared.execution.step_failures import StepFailures
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import Endpoints
from tests.fakes.faults import Faults, Kind
from tests.unit.worlds import Observed, refused

BOSS = OperatorCommand(by="boss@example.com", reason="sales fell")
SECOND = b"a,b,label\n5,6,1\n7,8,0\n"
THIRD = b"a,b,label\n9,9,1\n1,1,0\n"


def endpoints_of(world: Observed) -> Endpoints:
    return world.app.endpoints


def roll_back(world: Observed, to: str | None = None, command: OperatorCommand = BOSS) -> Run:
    return endpoints_of(world).rollback(EndpointAddress("sample", "production"), to, command)


def shown(world: Observed) -> dict[str, Any]:
    status = endpoints_of(world).show(EndpointAddress("sample", "production"))
    return EndpointShown.of(status).model_dump(mode="json", exclude_none=True)


def promoted(count: int = 2) -> tuple[Observed, list[Run], list[bytes | None]]:
    """A world in which `count` models were promoted, their runs, and what then served."""
    world, runs, models = prepared(count)
    return world.copied(), runs.copy(), models.copy()


@cache
def prepared(count: int) -> tuple[Observed, list[Run], list[bytes | None]]:
    """Return what is only to be copied."""
    world = Observed()
    runs: list[Run] = []
    models: list[bytes | None] = []
    for number in range(count):
        content = (b"a,b,label\n1,2,0\n3,4,1\n", SECOND, THIRD)[number]
        run = world.next_run(f"{number}.csv", content) if runs else world.start(f"{number}.csv")
        runs.append(world.until(run, Phase.PROMOTED))
        models.append(world.serving())
    return world, runs, models


def test_a_rollback_serves_the_model_from_before_and_verifies_it() -> None:
    world, runs, models = promoted()
    run = world.until(roll_back(world), Phase.PROMOTED)
    assert world.serving() == models[0]
    assert run.origin is Origin.ROLLBACK
    assert run.promotion is not None
    assert "as it did when it was verified" in (run.promotion.verification or "")
    known = shown(world)
    assert known["serving"]["run_id"] == runs[0].run_id
    assert known["serving"]["manifest"][0]["name"] == "0.csv"
    assert known["serving"]["set_by"] == run.run_id
    assert known["held"]["by"] == "boss@example.com"
    assert known["held"]["reason"] == "sales fell"
    assert [one["run_id"] for one in known["previous"]] == [runs[1].run_id]


def test_nothing_new_is_promoted_over_a_rollback_until_it_is_resumed() -> None:
    world, _, models = promoted()
    world.until(roll_back(world), Phase.PROMOTED)
    run = world.until(world.next_run("2.csv", THIRD), Phase.PARKED)
    assert "held" in (run.reason or "")
    assert "boss@example.com" in (run.reason or "")
    assert "resume" in (run.advice or "")
    assert world.serving() == models[0]
    assert endpoints_of(world).resume(EndpointAddress("sample", "production")) is True
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == world.model_of(run)
    assert endpoints_of(world).resume(EndpointAddress("sample", "production")) is False


def test_a_rollback_that_is_asked_for_twice_goes_back_once() -> None:
    world, _, models = promoted(3)
    first = roll_back(world)
    assert roll_back(world).run_id == first.run_id
    world.until(first, Phase.PROMOTED)
    assert roll_back(world).run_id == first.run_id
    assert world.serving() == models[1]
    assert len(world.changes()) == 4


def test_any_kept_model_can_be_named() -> None:
    world, runs, models = promoted(3)
    run = roll_back(world, runs[0].run_id)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == models[0]
    forth = roll_back(world, runs[2].run_id)
    assert forth.run_id != run.run_id
    world.until(forth, Phase.PROMOTED)
    assert world.serving() == models[2]


def test_before_the_first_promotion_comes_the_baseline() -> None:
    world, _, _ = promoted(1)
    first = Observed().serving()
    world.until(roll_back(world), Phase.PROMOTED)
    assert world.serving() == first
    assert shown(world)["held"]["to"] == "baseline"


def test_without_resources_reported_the_endpoint_refreshes_itself() -> None:
    world = Observed(send_resources=False)
    first = world.serving()
    world.until(world.start(), Phase.PROMOTED)
    run = world.until(roll_back(world, "baseline"), Phase.PROMOTED)
    assert run.model is None
    assert world.serving() == first
    # The next model has a rollback target all the same.
    endpoints_of(world).resume(EndpointAddress("sample", "production"))
    world.until(world.next_run("2.csv", THIRD), Phase.PROMOTED)


def test_a_rollback_does_not_lower_the_highest_data_time() -> None:
    world, _, _ = promoted(2)
    newest = world.endpoint_state().resource("Sample [trained model]").newest_data
    world.until(roll_back(world), Phase.PROMOTED)
    assert world.endpoint_state().resource("Sample [trained model]").newest_data == newest


def test_back_to_the_baseline_does_not_count_as_newer_data() -> None:
    world, _, _ = promoted(1)
    newest = world.endpoint_state().resource("Sample [trained model]").newest_data
    world.until(roll_back(world, "baseline"), Phase.PROMOTED)
    assert world.endpoint_state().resource("Sample [trained model]").newest_data == newest


def test_a_model_that_is_not_kept_is_refused_with_what_there_is() -> None:
    world, runs, _ = promoted(2)
    with pytest.raises(NoSuchModelError, match=runs[0].run_id):
        roll_back(world, "sample-unknown")
    assert "held" not in shown(world)
    with pytest.raises(NoSuchEndpointError, match="production"):
        endpoints_of(world).rollback(EndpointAddress("sample", "elsewhere"), None, BOSS)
    with pytest.raises(NoSuchEndpointError, match="not in the pipelines file"):
        endpoints_of(world).rollback(EndpointAddress("other", "production"), None, BOSS)
    with pytest.raises(NoSuchEndpointError, match="the key of sample is none"):
        endpoints_of(world).rollback(EndpointAddress("sample", "production", ("acme",)), None, BOSS)


def test_an_endpoint_that_was_never_updated_has_nothing_to_go_back_to() -> None:
    with pytest.raises(NoSuchModelError, match="nothing was ever promoted"):
        roll_back(Observed())


def test_a_rollback_waits_for_the_update_that_is_under_way_and_then_wins() -> None:
    world, runs, models = promoted(1)
    late = world.next_run("1.csv", SECOND)
    world.until(late, Phase.VERIFYING)
    run = roll_back(world, runs[0].run_id)
    for _ in range(20):
        world.tick()
    assert world.now_of(run).phase is Phase.PROMOTED
    assert world.serving() == models[0]


def test_a_rollback_never_waits_long_between_checks() -> None:
    world, runs, _ = promoted(2)
    now = world.clock.now()
    patience, least = world.limits.patience, world.limits.check_interval_min
    step_failure = StepFailure(
        since=now, cause_since=now, patience=patience, count=9, reason="busy", next_check=now
    )
    for run, longest in ((roll_back(world), least), (runs[0], world.limits.check_interval_max)):
        waits = run.model_copy(update={"step_failure": step_failure})
        delayed = StepFailures(world.context).delay_for(waits, TransientError("busy"))
        assert longest <= delayed.next_check - now <= longest * 1.25


@pytest.mark.parametrize("marked", [True, False])
def test_a_rollback_whose_record_was_removed_can_be_asked_for_again(*, marked: bool) -> None:
    world, _, models = promoted(2)
    run = roll_back(world)
    del world.documents.rows[f"runs/{run.run_id}"]
    if not marked:
        del world.documents.rows[f"open/{run.run_id}"]
    world.clock.move(timedelta(minutes=1))
    again = roll_back(world)
    assert again.run_id != run.run_id
    for _ in range(30):
        world.tick()
    assert world.now_of(again).phase is Phase.PROMOTED
    assert world.serving() == models[0]
    assert not world.open_runs()


def test_a_rollback_that_could_not_be_carried_out_can_be_asked_for_again() -> None:
    world, _, models = promoted(2)
    works = world.script(
        "PATCH", "/production", refused(400, "BadArgument", "Not now."), times=None
    )
    run = roll_back(world)
    assert run.phase is Phase.PARKED
    works()
    world.run_operations.cancel(run.run_id)
    world.until(run, Phase.CANCELLED)
    again = roll_back(world)
    assert again.run_id != run.run_id
    world.until(again, Phase.PROMOTED)
    assert world.serving() == models[0]


def test_two_operators_at_once_get_one_rollback_or_a_conflict() -> None:
    world, runs, _ = promoted(3)

    def other() -> None:
        endpoints_of(world).rollback(
            EndpointAddress("sample", "production"), runs[0].run_id, OperatorCommand(by="other")
        )

    world.faults.other_worker = other
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    with pytest.raises(ConflictError):
        roll_back(world)
    assert shown(world)["held"]["by"] == "other"


def test_an_operator_who_asks_is_not_refused_because_the_poll_is_faster_to_carry_it_out() -> None:
    calm, _, _ = promoted(2)
    begin = len(calm.faults.sites)
    roll_back(calm)
    for site in range(begin, len(calm.faults.sites)):
        world, _, models = promoted(2)
        world.faults.plan = {site: Kind.PREEMPT}
        run = roll_back(world)
        world.until(run, Phase.PROMOTED)
        assert world.serving() == models[0]


def test_an_operator_who_asks_for_a_run_is_not_refused_because_the_poll_is_faster_to_begin_it() -> (
    None
):
    calm, asked = Observed(), ManualRequest()
    calm.upload()
    calm.app.requests.requested(calm.pipeline, "k", asked)
    for site in range(len(calm.faults.sites)):
        world = Observed(faults=Faults({site: Kind.PREEMPT}))
        world.upload()
        run = world.app.requests.requested(world.pipeline, "k", asked)
        world.until(run, Phase.PROMOTED)
        assert len(world.starts) == 1


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.REFUSED])
def test_a_repeated_request_is_carried_out_once_after_any_fault(kind: Kind) -> None:
    calm, _, _ = promoted(2)
    begin = len(calm.faults.sites)
    calm.until(roll_back(calm), Phase.PROMOTED)
    for site in range(begin, len(calm.faults.sites)):
        world, runs, models = promoted(2)
        world.faults.plan = {site: kind}
        for _ in range(3):
            if world.survive(partial(roll_back, world)):
                break
        for _ in range(30):
            world.survive(world.tick)
        assert world.serving() == models[0], (site, calm.faults.sites[site])
        served = world.endpoint_state().resource("Sample [trained model]").serving
        assert served is not None
        assert served.run_id == runs[0].run_id
        mine = [run for run in world.runs() if run.origin is Origin.ROLLBACK]
        assert [run.phase for run in mine] == [Phase.PROMOTED], (site, calm.faults.sites[site])
        assert not world.open_runs()


@pytest.mark.parametrize("call", range(4))
def test_a_rollback_request_whose_marker_was_dropped_is_carried_out_wherever_its_worker_dies(
    call: int,
) -> None:
    world, _, models = promoted()
    at = len(world.faults.sites)
    world.faults.plan = {at + 1: Kind.CRASH_AFTER}  # marked and wished for, not opened
    assert not world.survive(lambda: roll_back(world))
    assert world.faults.sites[-1].endswith(" endpoints")
    (marker,) = world.open_runs()
    del world.documents.rows[marker]  # by a poll to which the pipeline was not known then
    world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
    world.survive(lambda: roll_back(world))
    world.faults.plan = {}
    for _ in range(20):
        world.tick()
    assert world.serving() == models[0]
    assert world.open_runs() == []


def test_the_operator_who_resumes_sees_a_free_endpoint() -> None:
    world, _, _ = promoted(2)
    world.until(roll_back(world), Phase.PROMOTED)
    endpoints_of(world).resume(EndpointAddress("sample", "production"))
    assert "held" not in shown(world)
    world.clock.move(timedelta(hours=1))
    world.tick()
    assert shown(world)["serving"]["set_by"]
