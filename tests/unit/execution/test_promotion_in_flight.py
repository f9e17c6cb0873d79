"""An update that may still arrive, and the runs that follow it."""

import pytest

from shared.core.run.leases import in_flight_lease, in_flight_resolved, leased
from shared.core.run.record import Phase, Run
from shared.providers.http.client import Answer
from tests.fakes.world import RESOURCE
from tests.unit.execution.broken_endpoints import (
    BAD,
    PATCH,
    READ_BACK,
    REFRESH,
    TAKEN,
    csv,
    parked_with_a_broken_model,
)
from tests.unit.samples import run as sample_run
from tests.unit.samples import state_of
from tests.unit.worlds import Observed, refused


@pytest.fixture
def world() -> Observed:
    return Observed()


def in_flight_update_found(world: Observed) -> Run:
    """End a run unchanged whose update may still arrive, with no model known to roll back to."""
    ignore = world.script(*PATCH, TAKEN, times=None)
    run = world.until(world.start(), Phase.UNCHANGED)
    ignore()
    assert world.endpoint_state().endpoint_lease is not None
    return run


def test_no_answers_are_taken_from_before_while_an_earlier_update_may_still_arrive() -> None:
    world = Observed(config={"pipeline": {"gate": {"first_model": "allow"}}})
    world.script(*READ_BACK, refused(404, "NotFound", "x"), times=None)
    late = in_flight_update_found(world)
    unmoved = world.serving()
    world.script(*PATCH, TAKEN, times=None)
    second = world.until(world.next_run("b.csv", csv(1)), Phase.VERIFYING)
    assert second.promotion is not None
    assert second.promotion.before is None
    # Now the earlier update arrives: its answers must not be taken for those of the second.
    assert late.model is not None
    world.http.answers.clear()
    serving = world.context.providers.serving(world.pipeline.endpoints[0])
    serving.restore(state_of(late.model))
    ended = world.until_idle(second)
    assert world.serving() != unmoved
    assert "moved" not in str(ended.promotion and ended.promotion.verification)


def test_what_a_parked_successor_did_not_resolve_is_resolved_by_the_next() -> None:
    world = Observed()
    parked_with_a_broken_model(world)
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    refuse = world.script(*REFRESH, Answer(403, {}, b""), times=None)
    endpoint_state = world.endpoint_state()
    between = leased(
        endpoint_state, sample_run(Phase.PROMOTING, promotion=None), RESOURCE, None, held.at
    )
    assert in_flight_lease(between, "a third run") == held
    assert in_flight_lease(between, "sample-1") == held
    again = leased(between, sample_run(Phase.PROMOTING, run_id="sample-2"), RESOURCE, None, held.at)
    assert in_flight_lease(again, "sample-2") == held
    over = in_flight_resolved(again, "sample-2")
    assert in_flight_lease(over, "sample-2") is None
    assert in_flight_lease(in_flight_resolved(again, "sample-1"), "sample-2") == held
    refuse()


def test_a_takeover_that_is_cut_off_ahead_of_settling_is_made_good_by_its_own_retry() -> None:
    world = Observed()
    bad = parked_with_a_broken_model(world)
    second = world.next_run("b.csv", csv(1))
    mend = world.script(*REFRESH, refused(429, "TooManyRequests", "busy"), times=None)
    waiting = world.until(second, Phase.ROLLING_BACK)
    assert waiting.promotion is not None
    assert waiting.promotion.after_rollback == "start"
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.in_flight is not None
    assert held.in_flight.run_id == bad.run_id
    mend()
    world.until(second, Phase.PROMOTED)
    assert world.serving() == world.model_of(second)
    assert world.endpoint_state().endpoint_lease is None


def test_after_the_earlier_model_is_back_nothing_counts_as_in_flight() -> None:
    world = Observed()
    parked_with_a_broken_model(world)
    second = world.next_run("b.csv", csv(1))
    mend = world.script(*PATCH, BAD, times=None)
    stopped = world.until(second, Phase.PARKED)
    mend()
    assert stopped.parked_in is Phase.PROMOTING
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.in_flight is None
    assert stopped.promotion is not None
    assert stopped.promotion.before is not None
