"""An endpoint serves one run at a time, and newer data before older data."""

from collections.abc import Mapping

import pytest

from shared.core.run.record import Phase, Run
from shared.errors import ConflictError
from shared.maintenance.poll import Poll
from shared.providers.http.client import Answer
from tests.fakes.world import RESOURCE
from tests.unit.execution.broken_endpoints import (
    BAD,
    OTHER_COLUMNS,
    PATCH,
    REFRESH,
    SECOND,
    TAKEN,
    csv,
)
from tests.unit.worlds import RUNNING, Observed, refused


@pytest.fixture
def world() -> Observed:
    return Observed()


def test_a_return_that_is_retried_after_a_newer_promotion_leaves_the_newer_model(
    world: Observed,
) -> None:
    world.until(world.start("zero.csv"), Phase.PROMOTED)
    bad = world.next_run("bad.csv", OTHER_COLUMNS)
    world.until(bad, Phase.VERIFYING)
    mend = world.script(*PATCH, BAD, times=None)
    world.until(bad, Phase.PARKED, ticks=60)
    mend()
    newer = world.until(world.next_run("newer.csv", csv(7)), Phase.PROMOTED)
    sent = len(world.changes())
    world.run_operations.retry(bad.run_id)
    world.until(bad, Phase.SUPERSEDED)
    assert len(world.changes()) == sent
    assert world.serving() == world.model_of(newer)


def until_leased(world: Observed, other: Poll, run: Run) -> None:
    """Let another worker continue until the endpoint is this run's."""
    for _ in range(12):
        other.tick()
        world.clock.move(10 * SECOND)
        leased = world.endpoint_state().endpoint_lease
        if leased is not None and leased.run_id == run.run_id:
            return


def test_a_check_that_took_long_does_not_requeue_what_another_run_holds_by_then(
    world: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.start("a.csv")
    world.until(first, Phase.VERIFYING)
    second = world.next_run("b.csv", csv(5))
    for _ in range(20):
        known = world.now_of(first).promotion
        assert known is not None
        last = known.probe_series.last
        if last is not None and not last.agrees_with(known.before or last):
            break
        world.tick(10)
    world.studio.work()
    world.clock.move(30 * SECOND)
    other = world._worker().poll
    send, slow = world.http.send, iter([True])

    def slowly(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        answer = send(method, url, headers, body)
        if "/execute" in url and next(slow, False):
            until_leased(world, other, second)
        return answer

    monkeypatch.setattr(world.http, "send", slowly)
    with pytest.raises(ConflictError):
        world.app.driver.advance(first.run_id)
    assert world.now_of(first).phase is Phase.PROMOTED
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.run_id == second.run_id
    world.until(second, Phase.PROMOTED)
    serving = world.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    assert serving.run_id == second.run_id
    assert world.serving() == world.model_of(second)


def test_newer_data_is_promoted_after_its_retry_although_older_data_came_first(
    world: Observed,
) -> None:
    old = world.start("a.csv")
    new = world.next_run("b.csv", csv(5))
    release = world.script("GET", str(old.job), RUNNING, times=None)
    mend = world.script(*PATCH, BAD, times=None)
    world.until(new, Phase.PARKED)
    mend()
    release()
    world.until(old, Phase.PROMOTED)
    world.run_operations.retry(new.run_id)
    world.until(new, Phase.PROMOTED)
    assert world.serving() == world.model_of(new)


@pytest.mark.parametrize("first_model", [None, "allow"])
def test_a_wrong_update_url_is_corrected_by_its_correction_and_a_retry(
    first_model: str | None,
) -> None:
    gate = {"first_model": first_model} if first_model else {}
    world = Observed(config={"pipeline": {"gate": gate}})
    assert world.pipeline.endpoint is not None
    right = world.pipeline.endpoint.address
    world.correct(update=right.replace("production", "produktion"))
    for method in ("GET", "PATCH"):
        world.script(method, "/produktion", refused(404, "NotFound", "no such one"), times=None)
    run = world.until(world.start(), Phase.PARKED)
    world.correct(update=right)
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == world.model_of(run)


def test_a_broken_model_of_another_resource_of_the_endpoint_is_rolled_back_first() -> None:
    config = {"pipeline": {"data": {"blob": "new-{name}.csv"}}}
    world = Observed(config=config, send_resources=False)
    first = world.serving()
    sibling = world.sibling()
    assert sibling.endpoint is not None
    endpoint = sibling.endpoint.model_copy(update={"resource": "Other [trained model]"})
    sibling = sibling.model_copy(update={"endpoints": (endpoint,)})
    world.app = world.another(sibling)
    refuse = world.script(*REFRESH, BAD, times=None)
    bad = world.until(world.next_run("new-bad.csv", OTHER_COLUMNS), Phase.PARKED)
    refuse()
    world.script(*PATCH, TAKEN, times=None)
    assert world.serving() == world.model_of(bad)
    world.until(world.next_run("other-1.csv", csv(1)), Phase.UNCHANGED)
    assert world.serving() == first
    world.run_operations.retry(bad.run_id)
    world.until(bad, Phase.SUPERSEDED)
    assert world.serving() == first
