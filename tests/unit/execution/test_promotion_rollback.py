"""Which model is set again after a failed promotion, and when none is."""

from itertools import count
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.config.studio_types import blob_of
from shared.core.run.record import Phase
from shared.execution.leased_endpoint import LeasedEndpoint
from shared.providers.http.client import Answer
from tests.fakes.world import MODELS, RESOURCE, pipeline
from tests.unit.execution.broken_endpoints import (
    BAD,
    MINUTE,
    OTHER_COLUMNS,
    OTHER_ROWS,
    PATCH,
    READ_BACK,
    REFRESH,
    SECOND,
    TAKEN,
    csv,
    parked_with_a_broken_model,
    scored,
)
from tests.unit.worlds import Observed, refused


@pytest.fixture
def world() -> Observed:
    return Observed()


def test_an_update_that_changes_nothing_releases_its_lease(world: Observed) -> None:
    first = world.serving()
    world.script(*PATCH, TAKEN, times=None)
    run = world.until(world.start(), Phase.UNCHANGED)
    assert world.changes()[-1].endswith("/refresh")
    assert world.endpoint_state().endpoint_lease is None
    assert "stayed the same" in str(run.reason)
    assert world.serving() == first


@pytest.mark.parametrize(("named", "sent"), [(True, 2), (False, 1)])
def test_an_accepted_update_is_sent_once_more_where_the_endpoint_names_another_model(
    *, named: bool, sent: int
) -> None:
    world = Observed(send_resources=named)
    world.until(world.start("zero.csv"), Phase.PROMOTED)
    before = len(world.changes())
    world.script(*PATCH, TAKEN, times=None)
    run = world.until(world.next_run("a.csv", csv(3)), Phase.ROLLING_BACK)
    assert len(world.changes()) - before == sent + 1  # and the model from before
    world.until(run, Phase.UNCHANGED)


def test_what_is_resolved_late_takes_nothing_from_a_newer_lease_of_the_same_run() -> None:
    world = Observed()
    run = world.until(world.start(), Phase.VERIFYING)
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert run.promotion is not None
    in_flight = world.endpoint_state().model_copy(
        update={"endpoint_lease": held.model_copy(update={"in_flight": held})}
    )
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    world.damage(name, in_flight.model_dump_json().encode())
    older = run.promotion.model_copy(update={"generation": held.generation - 1})
    late = run.model_copy(update={"promotion": older})
    leased = LeasedEndpoint(world.context)
    endpoint = world.pipeline.endpoints[0]
    leased.prepared(late, endpoint, "as before")
    leased.release(late, endpoint)
    assert world.endpoint_state() == in_flight
    leased.prepared(run, endpoint, "as before")
    assert world.endpoint_state().endpoint_lease == held
    leased.release(run, endpoint)
    assert world.endpoint_state().endpoint_lease is None


def test_an_unchanged_endpoint_with_nothing_to_roll_back_to_keeps_its_lease() -> None:
    world = Observed(config={"pipeline": {"gate": {"first_model": "allow"}}})
    world.script(*READ_BACK, refused(404, "NotFound", "x"), times=None)
    ignore = world.script(*PATCH, TAKEN, times=None)
    run = world.until(world.start(), Phase.UNCHANGED)
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.run_id == run.run_id
    ignore()
    world.until(world.next_run("b.csv", csv(1)), Phase.PROMOTED)


def test_other_probe_rows_do_not_park_the_runs_after_a_lease_left_behind(
    world: Observed,
) -> None:
    parked_with_a_broken_model(world)
    world.correct_probe(rows=OTHER_ROWS)
    for number in range(3):
        world.until(world.next_run(f"n{number}.csv", csv(number)), Phase.PROMOTED)


def test_with_a_deadline_shorter_than_the_polls_pace_the_old_model_is_seen_to_serve_again() -> None:
    world = Observed()
    world.correct_probe(within=20 * SECOND)
    zero = world.until(world.start("zero.csv"), Phase.PROMOTED)
    world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.ROLLED_BACK)
    assert world.serving() == world.model_of(zero)
    for number in range(2):
        world.until(world.next_run(f"n{number}.csv", csv(number)), Phase.PROMOTED)


@pytest.mark.parametrize("send_resources", [True, False])
def test_a_model_that_was_deleted_is_not_the_rollback(*, send_resources: bool) -> None:
    world = Observed(send_resources=send_resources)
    first = world.serving()
    zero = world.until(world.start("zero.csv"), Phase.PROMOTED)
    assert zero.model is not None
    world.blobs.remove(MODELS, blob_of(zero.model).name)
    bad = world.next_run("bad.csv", OTHER_COLUMNS)
    world.until_idle(bad)
    assert world.serving() == first
    for number in range(2):
        world.until(world.next_run(f"n{number}.csv", csv(number)), Phase.PROMOTED)


def test_a_model_that_was_replaced_since_it_was_verified_is_not_the_rollback() -> None:
    world = Observed()
    first = world.serving()
    zero = world.until(world.start("zero.csv"), Phase.PROMOTED)
    assert zero.model is not None
    other = InstantTrainer().train({"input1": csv(9)}, {}, label=None).model
    world.clock.move(MINUTE)
    world.blobs.put(MODELS, blob_of(zero.model).name, other)
    world.until_idle(world.next_run("bad.csv", OTHER_COLUMNS))
    assert world.serving() == first


def test_a_model_that_was_deleted_after_an_unchanged_run_stops_no_run() -> None:
    world = Observed(send_resources=False)
    zero = world.until(world.start("zero.csv"), Phase.PROMOTED)
    assert zero.model is not None
    ignore = world.script(*PATCH, TAKEN, times=None)
    world.until(world.next_run("a.csv", csv(3)), Phase.UNCHANGED)
    ignore()
    world.blobs.remove(MODELS, blob_of(zero.model).name)
    world.until(world.next_run("b.csv", csv(1)), Phase.PROMOTED)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refresh_that_the_key_is_not_good_for_does_not_stop_the_runs_that_come_after(
    status: int,
) -> None:
    world = Observed(send_resources=False)
    world.script(*REFRESH, refused(status, "X", "not for this key"), times=None)
    world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.PARKED)
    for number in range(2):
        world.until(world.next_run(f"n{number}.csv", csv(number)), Phase.PROMOTED)


def test_an_endpoint_that_was_broken_before_is_no_worse_after_a_broken_model() -> None:
    world = Observed()
    broken = InstantTrainer().train({"input1": OTHER_COLUMNS}, {}, label=None).model
    service = world.studio.publish_scoring("broken", resource=RESOURCE, model=broken)
    world.endpoint = world.studio.add_endpoint(service.web_service_id, "production")
    world.environment["ENDPOINT_KEY"] = world.endpoint.api_key
    world.pipeline = pipeline(world.training, world.endpoint, {})
    world.restart()
    world.until(world.next_run("bad.csv", b"p,q,label\n1,2,0\n"), Phase.ROLLED_BACK)
    assert world.serving() == broken
    for number in range(2):
        world.until(world.next_run(f"n{number}.csv", csv(number)), Phase.PROMOTED)


def test_answers_that_vary_do_not_stop_the_runs_after_a_lease_left_behind(
    world: Observed,
) -> None:
    numbers = count()

    def varying(method: str, path: str) -> Answer | None:
        if not path.endswith("/execute"):
            return None
        number = next(numbers)
        return scored(Scored_Labels=[str(0.5 + number / 1000), str(0.7 + number / 1000)])

    mend = world.script(*PATCH, BAD, times=None)
    world.http.answers.append(varying)
    parked = world.until(world.start(), Phase.PARKED, ticks=60)
    mend()
    world.run_operations.cancel(parked.run_id)
    for number in range(2):
        world.until(world.next_run(f"n{number}.csv", csv(number)), Phase.PROMOTED)


def test_an_update_url_that_was_pasted_with_a_query_can_be_refreshed() -> None:
    known: dict[str, Any] = Observed().pipeline.model_dump(mode="json")
    update = f"{known['endpoints'][0]['update']}?api-version=2.0"
    world = Observed(config={"endpoint": {"update": update}}, send_resources=False)
    first = world.serving()
    world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.ROLLED_BACK)
    assert world.serving() == first
