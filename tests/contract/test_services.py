"""The port of endpoints, over every kind of service, in memory and over HTTP."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.core.serving.probes import ProbeOutcome, UpdateProgress
from shared.core.serving.references import Candidate, ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import Measure, TrafficQuery
from shared.errors import ChangedByOthersError, PermanentError
from shared.ports.serving import Keep
from tests.contract.services import SERVICES, Bench, bench_of
from tests.unit.samples import NOW


@pytest.fixture(params=SERVICES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench_of(request.param) as built:
        yield built


def shifts_of(bench: Bench, candidate: Candidate) -> Iterator[Shift]:
    """Yield each shift of a promotion, as the traffic is then."""
    serving = bench.endpoint
    base = serving.current()
    before = base.traffic if base else None
    for share in serving.plan.shares:
        if before is None:  # an endpoint with one model at a time
            yield Shift(candidate=candidate, share=share)
            continue
        wanted = before.giving(candidate.name, share)
        yield Shift(candidate=candidate, share=share, before=before, wanted=wanted)
        before = wanted


def promote(bench: Bench, name: str) -> Shift:
    """Give the endpoint a model, all steps of it, and return the last one."""
    serving = bench.endpoint
    candidate = serving.candidate(bench.model(name), "sample-1")
    serving.stage(candidate)
    if serving.plan.stages:
        bench.switch()
    last = Shift(candidate=candidate)
    for last in shifts_of(bench, candidate):
        serving.shift(last)
        bench.switch()
    return last


def known_to(bench: Bench, state: ServingState) -> tuple[TrafficMap, ...]:
    """Return the traffic that an endpoint has now, as a record of its own would have it."""
    now = bench.endpoint.update_state().traffic
    return () if now is None or now == state.traffic else (now,)


def test_an_update_is_asked_for_first_and_live_later(bench: Bench) -> None:
    serving = bench.endpoint
    before = serving.score(bench.rows)
    candidate = serving.candidate(bench.model("baselines/new.ilearner"), "sample-1")
    serving.stage(candidate)
    if serving.plan.stages:
        bench.switch()
    shift = next(shifts_of(bench, candidate))
    operation = serving.shift(shift)
    at_once = serving.update_state(operation, shift)
    assert before.seen is ProbeOutcome.GOOD
    assert at_once.progress in (UpdateProgress.NOT_REPORTED, UpdateProgress.PENDING)
    bench.switch()
    later = serving.update_state(operation, shift)
    assert later.progress in (UpdateProgress.NOT_REPORTED, UpdateProgress.DONE)
    assert later.probe is not None
    assert later.probe.seen is ProbeOutcome.GOOD
    assert not later.probe.agrees_with(before)
    assert later.configured == candidate.state.name


def test_asking_twice_for_one_share_is_asking_once(bench: Bench) -> None:
    shift = promote(bench, "baselines/twice.ilearner")
    served = bench.endpoint.score(bench.rows)
    bench.endpoint.shift(shift)
    bench.endpoint.stage(shift.candidate)
    bench.switch()
    assert bench.endpoint.score(bench.rows).agrees_with(served)


def test_a_candidate_is_known_by_the_same_name_each_time(bench: Bench) -> None:
    model = bench.model("baselines/new.ilearner")
    assert bench.endpoint.candidate(model, "sample-1") == bench.endpoint.candidate(
        model, "sample-1"
    )


def test_a_candidate_gets_no_request_before_it_is_given_a_share(bench: Bench) -> None:
    serving = bench.endpoint
    before = serving.score(bench.rows)
    candidate = serving.candidate(bench.model("baselines/waits.ilearner"), "sample-1")
    serving.stage(candidate)
    bench.switch()
    assert serving.candidate_state(candidate).progress is UpdateProgress.DONE
    assert serving.score(bench.rows).agrees_with(before)


def test_restore_brings_back_the_same_answers(bench: Bench) -> None:
    promote(bench, "baselines/first.ilearner")
    good = bench.endpoint.score(bench.rows)
    state = bench.endpoint.current(Keep("sample-2", NOW))
    assert state is not None
    assert bench.endpoint.restorable(state)
    promote(bench, "baselines/second-and-worse.ilearner")
    assert not bench.endpoint.score(bench.rows).agrees_with(good)
    operation = bench.endpoint.restore(state, known_to(bench, state))
    bench.switch()
    assert bench.endpoint.update_state(operation).progress in (
        UpdateProgress.NOT_REPORTED,
        UpdateProgress.DONE,
    )
    assert bench.endpoint.score(bench.rows).agrees_with(good)


def test_what_served_before_is_known_by_the_state_of_the_endpoint(bench: Bench) -> None:
    shift = promote(bench, "baselines/told.ilearner")
    state = bench.endpoint.current(Keep("sample-2", NOW))
    assert state is not None
    assert state.model is not None
    assert state.model == shift.candidate.state.model


def test_a_state_survives_being_stored(bench: Bench) -> None:
    shift = promote(bench, "baselines/stored.ilearner")
    assert Shift.model_validate_json(shift.model_dump_json()) == shift
    assert "sig=" not in shift.model_dump_json()


def test_making_sure_of_an_endpoint_that_is_there_changes_nothing(bench: Bench) -> None:
    before = bench.endpoint.score(bench.rows)
    bench.endpoint.ensure()
    bench.endpoint.ensure()
    bench.switch()
    assert bench.endpoint.score(bench.rows).agrees_with(before)


def test_a_discarded_candidate_is_gone_and_discarding_may_be_repeated(bench: Bench) -> None:
    before = bench.endpoint.score(bench.rows)
    candidate = bench.endpoint.candidate(bench.model("baselines/x.ilearner"), "sample-1")
    bench.endpoint.stage(candidate)
    bench.switch()
    bench.endpoint.discard(candidate)
    bench.switch()
    assert bench.endpoint.discard(candidate)
    assert bench.endpoint.score(bench.rows).agrees_with(before)


def test_a_candidate_has_a_log_or_an_empty_one(bench: Bench) -> None:
    candidate = bench.endpoint.candidate(bench.model("baselines/log.ilearner"), "sample-1")
    assert isinstance(bench.endpoint.log_lines(candidate), str)
    bench.endpoint.stage(candidate)
    bench.switch()
    assert isinstance(bench.endpoint.log_lines(candidate), str)


def test_a_candidate_answers_in_full_where_the_endpoint_can_hold_one(bench: Bench) -> None:
    candidate = bench.endpoint.candidate(bench.model("baselines/all.ilearner"), "sample-1")
    bench.endpoint.stage(candidate)
    bench.switch()
    if not bench.endpoint.plan.stages:
        with pytest.raises(PermanentError, match="other than its own"):
            bench.endpoint.answer(bench.rows, candidate.name)
        return
    found = bench.endpoint.answer(bench.rows, candidate.name)
    assert (found.seen, found.answered_by) == (ProbeOutcome.GOOD, candidate.name)
    assert found.answer is not None


def test_minutes_without_requests_have_no_points(bench: Bench) -> None:
    names = ("nobody", "nothing")
    for measure in Measure:
        query = TrafficQuery(measure, names, NOW, NOW + timedelta(minutes=5))
        assert bench.endpoint.requests(query) == ()


def test_the_share_of_a_plan_ends_at_all_requests(bench: Bench) -> None:
    plan = bench.endpoint.plan
    assert plan.shares[-1] == 100
    assert list(plan.shares) == sorted(set(plan.shares))
    assert plan.stages or plan.shares == (100,)


def test_another_try_of_a_candidate_is_another_one_where_it_is_staged(bench: Bench) -> None:
    model = bench.model("baselines/again.ilearner")
    names = {bench.endpoint.candidate(model, "sample-1", again).name for again in range(3)}
    assert len(names) == 3 or not bench.endpoint.plan.stages


def test_a_change_of_others_is_reported_and_kept(bench: Bench) -> None:
    candidate = bench.endpoint.candidate(bench.model("baselines/told.ilearner"), "sample-1")
    bench.endpoint.stage(candidate)
    bench.switch()
    first = next(shifts_of(bench, candidate))
    if first.before is None:
        return  # it has no traffic map
    other = first.evolve(before=TrafficMap.of({"green": 100}))
    with pytest.raises(ChangedByOthersError) as caught:
        bench.endpoint.shift(other)
    assert TrafficMap.model_validate(caught.value.found) == first.before
    assert bench.endpoint.update_state().traffic == first.before
