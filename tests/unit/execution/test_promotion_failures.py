"""What a promotion must hold to when things come late, out of order, or only once."""

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.config.studio_models import blob_of
from shared.core.run.record import Phase, Run
from shared.core.serving.state import in_flight_lease, in_flight_resolved, leased
from shared.errors import ConflictError
from shared.execution.promotion import PromotionSteps
from shared.maintenance.poll import Poll
from shared.providers.http.client import Answer
from tests.fakes.world import CSV, MODELS, RESOURCE, pipeline
from tests.unit.samples import run as sample_run
from tests.unit.samples import state_of
from tests.unit.worlds import RUNNING, Observed, refused

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OTHER_COLUMNS = b"x,y,label\n1,2,0\n"
PATCH = ("PATCH", "/production")
READ_BACK = ("GET", "/production")
REFRESH = ("POST", "/refresh")
SCORE = ("POST", "/execute")
TAKEN = Answer(200, {}, b"")
BAD = refused(400, "InvalidInputNames", "Invalid service input name(s).")
COLD = refused(503, "InitializingContainers", "cold start")
OTHER_ROWS = {
    "Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["10", "2"], ["3", "40"]]}}
}


def csv(number: int) -> bytes:
    return CSV + f"{number},{number},1\n".encode()


def scored(**columns: list[str]) -> Answer:
    names = [name.replace("_", " ") for name in columns]
    value = {
        "ColumnNames": names,
        "Values": [list(row) for row in zip(*columns.values(), strict=True)],
    }
    return Answer(200, {}, json.dumps({"Results": {"output1": {"value": value}}}).encode())


def parked_with_a_broken_model(world: Observed) -> Run:
    """Leave a broken model serving, its reservation behind, and its run parked."""
    refuse = world.script(*REFRESH, BAD, times=None)
    run = world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.PARKED)
    assert run.parked_in is Phase.ROLLING_BACK
    refuse()
    return run


@pytest.fixture
def world() -> Observed:
    return Observed()


# Whose turn it is


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
    """Let another worker go on until the endpoint is this run's."""
    for _ in range(12):
        other.tick()
        world.clock.move(10 * SECOND)
        leased = world.endpoint_state().endpoint_lease
        if leased is not None and leased.run_id == run.run_id:
            return


def test_a_look_that_took_long_does_not_give_back_what_another_run_holds_by_then(
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
def test_a_wrong_update_url_is_mended_by_its_correction_and_a_retry(
    first_model: str | None,
) -> None:
    gate = {"first_model": first_model} if first_model else {}
    world = Observed(config={"pipeline": {"gate": gate}})
    assert world.pipeline.endpoint is not None
    right = world.pipeline.endpoint.update
    world.correct(update=right.replace("production", "produktion"))
    for method in ("GET", "PATCH"):
        world.script(method, "/produktion", refused(404, "NotFound", "no such one"), times=None)
    run = world.until(world.start(), Phase.PARKED)
    world.correct(update=right)
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == world.model_of(run)


def test_a_broken_model_of_another_resource_of_the_endpoint_is_put_back_first() -> None:
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


# Before anything is sent


@pytest.mark.parametrize("status", [401, 403, 405, 501])
def test_a_key_that_may_update_but_not_read_the_endpoint_is_enough(
    world: Observed, status: int
) -> None:
    world.script(*READ_BACK, refused(status, "Refused", "not for this key"), times=None)
    run = world.until(world.start(), Phase.PROMOTED)
    assert world.serving() == world.model_of(run)


@pytest.mark.parametrize("status", [403, 404])
def test_a_refused_probe_parks_the_run_before_anything_is_sent(
    world: Observed, status: int
) -> None:
    world.script(*SCORE, refused(status, "X", "not this one"), times=None)
    run = world.until(world.start(), Phase.PARKED)
    assert "verify.score" in str(run.reason) + str(run.advice)
    assert world.changes() == []


@pytest.mark.parametrize("status", [401, 503])
def test_nothing_is_sent_to_an_endpoint_that_does_not_answer_the_probe(
    world: Observed, status: int
) -> None:
    mend = world.script(*SCORE, refused(status, "X", "not now"), times=None)
    run = world.start()
    for _ in range(20):
        world.tick()
    waiting = world.now_of(run)
    assert waiting.phase is Phase.PROMOTING
    assert "does not answer the probe" in str(waiting.step_failure and waiting.step_failure.reason)
    world.until(run, Phase.PARKED, ticks=200)
    assert world.changes() == []
    mend()
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)


def test_an_endpoint_that_cannot_be_refreshed_needs_leave_for_its_first_model(
    world: Observed,
) -> None:
    for wire in (READ_BACK, REFRESH):
        world.script(*wire, refused(404, "NotFound", "x"), times=None)
    first = world.serving()
    run = world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.PARKED)
    assert "first_model" in str(run.advice)
    assert world.changes() == []
    assert world.serving() == first


# What a look proves


@pytest.mark.parametrize("answer", [COLD, Answer(400, {}, b"Bad Request")], ids=["503", "400"])
@pytest.mark.parametrize(("within", "delay"), [("3m", 150), ("20s", 15)])
def test_one_odd_answer_after_the_deadline_does_not_take_a_good_model_back(
    within: str, delay: int, answer: Answer
) -> None:
    world = Observed(switch_delay=delay * SECOND, send_resources=False)
    world.correct_probe(within=timedelta(minutes=3) if within == "3m" else 20 * SECOND)
    run = world.until(world.start(), Phase.VERIFYING)
    sent, time = world.clock.now(), 3 * MINUTE if within == "3m" else 20 * SECOND
    while world.clock.now() + 30 * SECOND < sent + time:
        world.tick()
    world.script(*SCORE, answer)
    run = world.until(run, Phase.PROMOTED, ticks=20)
    assert world.serving() == world.model_of(run)


@pytest.mark.parametrize("answer", [COLD, Answer(400, {}, b"Bad Request")], ids=["503", "400"])
def test_one_odd_answer_long_after_the_deadline_does_not_take_a_good_model_back(
    answer: Answer,
) -> None:
    world = Observed(send_resources=False)
    run = world.until(world.start(), Phase.VERIFYING)
    world.clock.move(7 * MINUTE)
    world.script(*SCORE, answer)
    world.until(run, Phase.PROMOTED, ticks=20)
    assert world.serving() == world.model_of(run)


def test_looks_of_two_workers_at_one_moment_are_one_look(world: Observed) -> None:
    run = world.until(world.start(), Phase.VERIFYING)
    world.clock.move(20 * SECOND)
    mend = world.script(*SCORE, Answer(400, {}, b"Bad Request"), times=None)
    other = world._worker()
    for worker in (world.app, other, world.app):
        worker.driver.advance(run.run_id)
        known = world.now_of(run).promotion
        assert known is not None
        assert known.probe_series.all.probes == 1
        world.clock.move(2 * SECOND)
    mend()
    world.until(run, Phase.PROMOTED)


@pytest.mark.parametrize("send_resources", [True, False])
def test_a_broken_model_that_is_switched_to_late_is_never_called_promoted(
    *, send_resources: bool
) -> None:
    world = Observed(switch_delay=timedelta(minutes=4), send_resources=send_resources)
    first = world.serving()
    run = world.until_idle(world.next_run("bad.csv", OTHER_COLUMNS))
    assert run.phase is not Phase.PROMOTED
    for _ in range(20):
        world.tick()
    assert world.serving() == first


@pytest.mark.parametrize("delay", range(130, 241, 10))
def test_a_switch_after_the_deadline_is_not_taken_for_that_of_the_next_model(delay: int) -> None:
    world = Observed(switch_delay=delay * SECOND, send_resources=False)
    world.correct_probe(within=2 * MINUTE)
    first = world.start("a.csv")
    world.until_idle(first, seconds=20)
    world.upload("b.csv", OTHER_COLUMNS)
    second = world.deliver("b.csv")[0]
    world.until_idle(second, ticks=60, seconds=20)
    assert world.now_of(second).phase is not Phase.PROMOTED
    for _ in range(20):
        world.tick()
    assert world.serving() != world.model_of(second)


def test_answers_to_other_probe_rows_are_no_proof() -> None:
    world = Observed(send_resources=False)
    world.script(*PATCH, TAKEN, times=None)
    run = world.until(world.start(), Phase.VERIFYING)
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    row = world.documents.rows[name]
    world.damage(name)
    world.until(run, Phase.PARKED)
    world.documents.rows[name] = row
    world.correct_probe(rows=OTHER_ROWS)
    world.run_operations.retry(run.run_id)
    ended = world.until_idle(run)
    assert "moved" not in str(ended.promotion and ended.promotion.verification)


def test_a_model_whose_score_column_is_gone_is_taken_back(world: Observed) -> None:
    def without_probabilities(method: str, path: str) -> Answer | None:
        if not path.endswith("/execute") or world.serving() != world.model_of(run):
            return None
        return scored(a=["1", "3"], b=["2", "4"], Scored_Labels=["1", "1"])

    first = world.serving()
    run = world.start()
    world.until(run, Phase.VERIFYING)
    world.http.answers.append(without_probabilities)
    ended = world.until(run, Phase.ROLLED_BACK)
    assert "'Scored Probabilities' is missing" in str(ended.reason)
    assert world.serving() == first


# The way back


def test_an_update_that_changes_nothing_gives_its_reservation_back(world: Observed) -> None:
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


def test_what_is_settled_late_takes_nothing_from_a_newer_reservation_of_the_same_run() -> None:
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
    steps = PromotionSteps(world.context)
    endpoint = world.pipeline.endpoints[0]
    steps._prepared(late, endpoint, "as before")
    steps._release(late, endpoint)
    assert world.endpoint_state() == in_flight
    steps._prepared(run, endpoint, "as before")
    assert world.endpoint_state().endpoint_lease == held
    steps._release(run, endpoint)
    assert world.endpoint_state().endpoint_lease is None


def test_an_unchanged_endpoint_with_nothing_to_put_back_stays_reserved() -> None:
    world = Observed(config={"pipeline": {"gate": {"first_model": "allow"}}})
    world.script(*READ_BACK, refused(404, "NotFound", "x"), times=None)
    ignore = world.script(*PATCH, TAKEN, times=None)
    run = world.until(world.start(), Phase.UNCHANGED)
    held = world.endpoint_state().endpoint_lease
    assert held is not None
    assert held.run_id == run.run_id
    ignore()
    world.until(world.next_run("b.csv", csv(1)), Phase.PROMOTED)


def test_other_probe_rows_do_not_park_the_runs_after_a_reservation_left_behind(
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
def test_a_model_that_was_deleted_is_not_the_way_back(*, send_resources: bool) -> None:
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


def test_a_model_that_was_replaced_since_it_was_proved_is_not_the_way_back() -> None:
    world = Observed()
    first = world.serving()
    zero = world.until(world.start("zero.csv"), Phase.PROMOTED)
    assert zero.model is not None
    other = InstantTrainer().train({"input1": csv(9)}, {}, label=None).model
    world.clock.move(MINUTE)
    world.blobs.put(MODELS, blob_of(zero.model).name, other)
    world.until_idle(world.next_run("bad.csv", OTHER_COLUMNS))
    assert world.serving() == first


def test_a_model_that_was_deleted_after_an_unchanged_run_stops_nobody() -> None:
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


def test_answers_that_vary_do_not_stop_the_runs_after_a_reservation_left_behind(
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


# What is unsettled


def in_flight_update_found(world: Observed) -> Run:
    """End a run unchanged whose update may still arrive, with nothing known to put back."""
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


def test_what_a_parked_successor_did_not_settle_is_settled_by_the_next() -> None:
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


def test_after_the_earlier_model_is_back_nothing_counts_as_unsettled() -> None:
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
