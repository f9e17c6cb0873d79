"""An app that was down during a promotion decides by probes, and not by the time that passed."""

from datetime import timedelta
from itertools import count

import pytest

from shared.core.run.record import Phase, Run
from shared.providers.http.client import Answer
from tests.unit.execution.broken_endpoints import (
    BAD,
    COLD,
    OTHER_COLUMNS,
    PATCH,
    REFRESH,
    SCORE,
    TAKEN,
    csv,
    scored,
)
from tests.unit.worlds import Observed, refused

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MODEL_ERROR = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")
PAUSES = (7 * MINUTE, HOUR, 30 * HOUR)
#: Looks of one kind that a verdict needs here: a gap counts for 20 s of the three minutes.
ENOUGH = 10


def until_checked(world: Observed, run: Run, probe_series: int) -> None:
    for _ in range(40):
        known = world.now_of(run).promotion
        if (
            known is not None
            and known.sent_at is not None
            and known.probe_series.all.probes == probe_series
        ):
            return
        world.tick(20)
    raise AssertionError(f"{world.now_of(run).phase}: {known}")


def vary(world: Observed) -> None:
    """Have the endpoint answer otherwise each time, as a model does that is not deterministic."""
    numbers = count()

    def varying(method: str, path: str) -> Answer | None:
        if method != "POST" or not path.endswith("/execute"):
            return None
        number = next(numbers)
        return scored(Scored_Labels=[str(0.5 + number / 1000), str(0.7 + number / 1000)])

    world.http.answers.append(varying)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("probe_series", [0, 1, 2])
def test_one_probe_after_a_pause_never_makes_a_model_live_that_never_switched(
    probe_series: int, pause: timedelta
) -> None:
    world = Observed(send_resources=False)
    ignore = world.script(*PATCH, TAKEN, times=None)
    run = world.start()
    until_checked(world, run, probe_series)
    world.clock.move(pause)
    unstick = world.script(*SCORE, scored(Scored_Labels=["0.1", "0.9"]), times=1)
    world.poll.tick()
    assert world.now_of(run).phase is Phase.VERIFYING
    unstick()
    world.until(run, Phase.UNCHANGED, ticks=80)
    ignore()


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("probe_series", [0, 1, 2])
def test_a_model_whose_answers_vary_is_promoted_on_the_third_probe_and_not_before(
    probe_series: int, pause: timedelta
) -> None:
    world = Observed(send_resources=False)
    vary(world)
    run = world.start()
    until_checked(world, run, probe_series)
    world.clock.move(pause)
    for _ in range(2 - probe_series):
        world.poll.tick()
        assert world.now_of(run).phase is Phase.VERIFYING
        world.clock.move(30 * SECOND)
    world.poll.tick()
    ended = world.now_of(run)
    assert ended.phase is Phase.PROMOTED
    assert ended.promotion is not None
    assert ended.promotion.verification == "unproven: answers vary"
    (known,) = world.endpoint_state().resources.values()
    assert known.serving is not None
    assert known.serving.answers is None  # else drift would be seen every hour


@pytest.mark.parametrize("answer", [COLD, MODEL_ERROR], ids=["503", "400"])
@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("ahead", ["nothing", "a check", "an error"])
def test_errors_after_a_pause_do_not_take_a_good_model_back(
    ahead: str, pause: timedelta, answer: Answer
) -> None:
    world = Observed(send_resources=False, switch_delay=50 * SECOND)
    run = world.until(world.start(), Phase.VERIFYING)
    mend = world.script(*SCORE, answer, times=None)
    if ahead == "a check":
        mend()
    if ahead != "nothing":
        world.tick(20)
    world.clock.move(pause)
    if ahead == "a check":
        mend = world.script(*SCORE, answer, times=None)
    for _ in range(ENOUGH - 3):
        world.tick(30)
        assert world.now_of(run).phase is Phase.VERIFYING
    mend()
    world.until(run, Phase.PROMOTED)
    assert world.serving() == world.model_of(run)


@pytest.mark.parametrize("answer", [COLD, MODEL_ERROR], ids=["503", "400"])
def test_a_model_that_does_not_work_is_rolled_back_however_the_probes_are_paused(
    answer: Answer,
) -> None:
    world = Observed(send_resources=False)
    first = world.serving()
    run = world.until(world.start(), Phase.VERIFYING)
    mend = world.script(*SCORE, answer, times=None)
    probe_series = 0
    while world.now_of(run).phase is Phase.VERIFYING and probe_series < 2 * ENOUGH:
        world.tick(3600)
        probe_series += 1
    assert probe_series == ENOUGH
    mend()
    world.until(run, Phase.ROLLED_BACK)
    assert world.serving() == first


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
@pytest.mark.parametrize("content", [csv(3), OTHER_COLUMNS], ids=["good", "broken"])
def test_the_app_may_be_down_in_each_phase_of_a_promotion(
    content: bytes, phase: Phase, pause: timedelta
) -> None:
    world = Observed(send_resources=False)
    first = world.serving()
    run = world.next_run("new.csv", content)
    good = content != OTHER_COLUMNS
    if phase is Phase.PROMOTING:
        mend = world.script(*SCORE, COLD, times=1)
        world.until(run, phase)
        mend()
    elif phase is Phase.VERIFYING or not good:
        world.until(run, phase)
    else:
        return  # a good model is not rolled back
    world.clock.move(pause)
    world.restart()
    ended = world.until(run, Phase.PROMOTED if good else Phase.ROLLED_BACK)
    assert world.serving() == (world.model_of(ended) if good else first)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("answer", [COLD, MODEL_ERROR], ids=["503", "400"])
def test_errors_after_a_pause_do_not_give_up_the_rollback(answer: Answer, pause: timedelta) -> None:
    world = Observed(send_resources=False)
    first = world.serving()
    run = world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.ROLLING_BACK)
    world.tick(20)
    world.clock.move(pause)
    mend = world.script(*SCORE, answer, times=3)
    for _ in range(3):
        world.tick(30)
    mend()
    world.until(run, Phase.ROLLED_BACK)
    assert world.serving() == first


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize(
    ("phase", "wire"),
    [(Phase.PROMOTING, SCORE), (Phase.ROLLING_BACK, REFRESH)],
    ids=["before", "rollback"],
)
def test_two_failures_with_a_pause_between_them_are_not_an_hour_of_failing(
    phase: Phase, wire: tuple[str, str], pause: timedelta
) -> None:
    world = Observed(send_resources=False)
    busy = refused(429, "TooManyRequests", "busy")
    run = world.next_run("bad.csv", OTHER_COLUMNS)
    mend = world.script(*wire, busy, times=None)
    world.until(run, phase)
    assert world.now_of(run).step_failure is not None
    world.clock.move(pause)
    world.tick(1)
    assert world.now_of(run).phase is phase
    mend()
    world.until(run, Phase.ROLLED_BACK)


@pytest.mark.parametrize("errors", [1, 2])
@pytest.mark.parametrize("pause", [timedelta(), HOUR])
def test_an_error_ahead_of_the_update_does_not_make_good_answers_after_it_a_proof(
    errors: int, pause: timedelta
) -> None:
    world = Observed(send_resources=False)
    world.script(*PATCH, TAKEN, times=None)  # and nothing ever switches
    world.script(*SCORE, MODEL_ERROR, times=errors)
    run = world.start()
    world.until(run, Phase.PROMOTING)
    world.clock.move(pause)
    world.until(run, Phase.UNCHANGED)


def test_an_endpoint_that_is_broken_ahead_of_the_update_is_given_the_model_that_corrects_it() -> (
    None
):
    world = Observed(send_resources=False)
    mend = world.script(*SCORE, MODEL_ERROR, times=None)
    run = world.start()
    world.until(run, Phase.VERIFYING)
    world.studio.work()
    mend()
    assert world.until(run, Phase.PROMOTED).promotion is not None
    assert world.serving() == world.model_of(run)


def test_an_error_after_others_of_another_kind_is_checked_again() -> None:
    world = Observed(send_resources=False)
    world.script(*PATCH, TAKEN, times=None)
    world.script(*SCORE, COLD, times=5)
    world.script(*SCORE, MODEL_ERROR, times=1)
    world.until(world.start(), Phase.UNCHANGED)


def test_an_update_that_was_sent_again_is_judged_by_its_own_probes(world: Observed) -> None:
    """An update of which nothing was confirmed is checked for `within` each time."""
    lost = world.script(*PATCH, refused(500, "InternalError", "Who knows."), times=1)
    run = world.start()
    until_checked(world, run, ENOUGH - 1)
    first = world.now_of(run).promotion
    assert first is not None
    assert not first.certain
    world.tick(30)
    again = world.now_of(run).promotion
    assert again is not None
    assert (again.resent, again.probe_series.all.probes) == (1, 0)
    lost()
    world.until(run, Phase.PROMOTED)


@pytest.fixture
def world() -> Observed:
    return Observed(send_resources=False)


@pytest.mark.parametrize("pause", PAUSES)
def test_an_earlier_model_is_not_given_up_because_of_a_pause(pause: timedelta) -> None:
    world = Observed(send_resources=False)
    world.script(*REFRESH, BAD, times=None)
    first = world.until(world.start(), Phase.PROMOTED)
    good = world.serving()
    ignore = world.script(*PATCH, TAKEN, times=None)
    second = world.until(world.next_run("b.csv", csv(3)), Phase.ROLLING_BACK, ticks=60)
    world.clock.move(pause)
    world.tick(1)
    assert world.now_of(second).phase is Phase.ROLLING_BACK
    ignore()
    world.until(second, Phase.UNCHANGED)
    assert world.serving() == good == world.model_of(first)
