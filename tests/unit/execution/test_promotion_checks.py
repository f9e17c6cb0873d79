"""Checks before an update is sent, and the meaning of answers after it."""

from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.providers.http.client import Answer
from tests.unit.execution.broken_endpoints import (
    COLD,
    MINUTE,
    OTHER_COLUMNS,
    OTHER_ROWS,
    PATCH,
    READ_BACK,
    REFRESH,
    SCORE,
    SECOND,
    TAKEN,
    scored,
)
from tests.unit.worlds import Observed, refused


@pytest.fixture
def world() -> Observed:
    return Observed()


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


# What a check proves


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


def test_probes_of_two_workers_at_one_moment_are_one_probe(world: Observed) -> None:
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


def test_a_model_whose_score_column_is_gone_is_rolled_back(world: Observed) -> None:
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
