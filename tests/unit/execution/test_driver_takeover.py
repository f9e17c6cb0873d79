"""A worker that follows a dead one records and reports its results."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.run.record import Phase, Run
from shared.ledger.open_markers import CommandStored, RunHints, hints_of
from tests.fakes.faults import Kind
from tests.unit.fleet import Fleet
from tests.unit.samples import NOW
from tests.unit.worlds import RUNNING, Observed, refused

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def world() -> Observed:
    return Observed()


def dies_at(world: Observed, name: str, kind: Kind = Kind.CRASH_BEFORE) -> Run:
    """Start a run, and have its worker die at the first effect of this name."""
    world.upload()
    calm = Observed()
    calm.upload()
    calm.deliver()
    world.faults.plan = {calm.faults.sites.index(name): kind}
    assert not world.survive(world.deliver)
    return world.run()


def test_a_claim_is_followed_after_the_lease_and_the_silence_is_noted(world: Observed) -> None:
    one = dies_at(world, "POST start")
    died = world.clock.now()
    assert one.claim is not None
    world.clock.move(world.limits.lease - SECOND)
    world.poll.tick()
    assert world.now_of(one) == one
    world.clock.move(SECOND)
    world.script("POST", "/start", None, times=None)
    seen: list[Run] = []

    def noted(method: str, path: str) -> None:
        if method == "GET":
            seen.append(world.now_of(one))

    world.http.answers.append(noted)
    world.poll.tick()
    assert world.now_of(one).phase is Phase.TRAINING
    silent = seen[0].step_failure
    assert silent is not None
    assert (silent.count, silent.since, silent.cause_since) == (1, died, died)
    assert (silent.next_check, silent.patience) == (world.clock.now(), HOUR)
    assert seen[0].claim not in (None, one.claim)
    assert not world.context.ledger.drift_checks.read(one.run_id)


def test_a_second_silence_counts_from_the_first(world: Observed) -> None:
    one = dies_at(world, "POST start")
    died = world.clock.now()
    world.clock.move(world.limits.lease)
    stop = world.script("GET", "", RUNNING, times=None)
    stop()

    def dies(method: str, path: str) -> None:
        if method == "GET":
            world.faults.plan = {}
            raise Crashing

    world.http.answers.append(dies)
    with pytest.raises(Crashing):
        world.app.driver.advance(one.run_id)
    world.restart()
    world.clock.move(world.limits.lease)
    with pytest.raises(Crashing):
        world.app.driver.advance(one.run_id)
    silent = world.now_of(one).step_failure
    assert silent is not None
    assert (silent.count, silent.since) == (2, died)


class Crashing(BaseException):
    """The worker dies while it waits for an answer."""


def test_an_effect_whose_outcome_is_never_seen_is_given_up_when_the_patience_is_over(
    world: Observed,
) -> None:
    one = dies_at(world, "POST start")
    world.script("POST", "/start", refused(400, "BadArgument", "in other words"), times=None)
    while world.clock.now() < NOW + HOUR - world.limits.lease:
        world.clock.move(world.limits.lease)
        world.poll.tick()
    assert world.now_of(one).phase is Phase.CREATED
    world.clock.move(world.limits.lease)
    world.poll.tick()
    given_up = world.now_of(one)
    assert given_up.phase is Phase.PARKED
    assert "no answer is ever seen" in str(given_up.reason)


def test_a_wrong_setting_is_to_be_corrected_and_a_refusal_to_be_removed(world: Observed) -> None:
    del world.environment["TRAINING_KEY"]
    unset = world.start("a.csv")
    assert unset.advice == "correct the setting, restart, then retry the run"
    world = Observed()
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    refusal = world.start("b.csv")
    assert refusal.advice == "remove the cause, then retry the run, or cancel it"


def test_a_parked_runs_marker_says_so_at_once(world: Observed) -> None:
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    one = world.start()
    (marker,) = world.context.ledger.open_markers.listed()
    assert marker.hints == hints_of(one)
    assert marker.hints.phase is Phase.PARKED


def test_a_marker_that_is_behind_a_parked_run_is_renewed_and_the_run_reported_again(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    one = world.start()
    ledger, driver = world.context.ledger, world.app.driver
    caplog.clear()
    driver.advance(one.run_id, check_from=timedelta())
    assert caplog.text == ""  # its marker says so: all was reported
    ledger.open_markers.mark(one.run_id, CommandStored())
    driver.advance(one.run_id)
    assert "perhaps reported before" in caplog.text
    assert ledger.open_markers.hints(one.run_id) == hints_of(world.now_of(one))


def test_the_marker_of_an_ended_run_goes_and_what_its_worker_did_not_report_is_reported(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    one = world.start()
    failed = refused(200, "", "")
    world.script("GET", str(one.job), replace(failed, body=b'{"StatusCode": "Failed"}'))
    world.tick()
    assert world.now_of(one).phase is Phase.FAILED
    assert world.open_runs() == []
    caplog.clear()
    world.app.driver.advance(one.run_id)
    assert caplog.text == ""
    world.context.ledger.open_markers.mark(one.run_id, RunHints())
    world.app.driver.advance(one.run_id)
    assert "perhaps reported before" in caplog.text
    assert world.open_runs() == []


def test_a_roll_out_is_reported_once_of_each_delivery_that_is_resolved() -> None:
    fleet = Fleet(size=2)
    fleet.start()
    driver, opened = fleet.app.driver, 0
    until_idle: list[str] = []
    for _ in range(40):
        fleet.clock.move(30 * SECOND)
        fleet.studio.work()
        for marker in list(fleet.context.ledger.open_markers.listed()):
            advanced = driver.advance(marker.run_id, check_from=timedelta())
            opened += advanced.opened
            if advanced.roll_out:
                until_idle.append(advanced.roll_out)
                again = driver.advance(marker.run_id, check_from=timedelta())
                assert again.roll_out is None
        if until_idle:
            break
    assert set(until_idle) == {one.parent for one in fleet.runs() if one.parent}
    assert opened >= 1


def test_a_parked_delivery_is_resolved_too() -> None:
    fleet = Fleet(size=2)
    fleet.script("PATCH", "", refused(400, "BadArgument", "no"), times=None)
    fleet.start()
    driver = fleet.app.driver
    until_idle: set[str] = set()
    for _ in range(20):
        fleet.clock.move(30 * SECOND)
        fleet.studio.work()
        for marker in list(fleet.context.ledger.open_markers.listed()):
            ended = driver.advance(marker.run_id, check_from=timedelta()).roll_out
            until_idle |= {ended} if ended else set()
    assert until_idle == {one.parent for one in fleet.runs() if one.parent}


def test_what_a_dead_worker_sent_has_its_endpoint_verified_again_and_counts_as_sent(
    world: Observed,
) -> None:
    one = world.start()
    world.studio.work()
    world.clock.move(MINUTE)
    sites: list[int] = []

    def dies(method: str, path: str) -> None:
        if method == "PATCH":
            sites.append(1)
            raise Crashing

    world.http.answers.append(dies)
    with pytest.raises(Crashing):
        world.poll.tick()
    world.http.answers.remove(dies)
    claimed = world.now_of(one)
    assert claimed.phase is Phase.PROMOTING
    assert claimed.promotion is not None
    assert not claimed.promotion.ever_sent
    world.restart()
    assert not [name for name in world.documents.rows if name.startswith("drift_checks/")]
    world.clock.move(world.limits.lease)
    world.app.driver.advance(one.run_id)
    followed = world.now_of(one)
    assert followed.promotion is not None
    assert followed.promotion.ever_sent
    (drift_check,) = world.context.ledger.drift_checks.due()
    assert world.pipeline.endpoint is not None
    assert drift_check.due == world.clock.now() + world.pipeline.endpoint.within


def test_no_job_of_a_dead_worker_counts_as_an_update_that_was_sent(world: Observed) -> None:
    one = dies_at(world, "POST start")
    world.clock.move(world.limits.lease)
    world.poll.tick()
    assert world.now_of(one).phase is Phase.TRAINING
    assert not [name for name in world.documents.rows if name.startswith("drift_checks/")]


def test_what_a_run_came_to_is_logged_where_no_alert_is(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    one = world.start()
    world.script("GET", str(one.job), refused(503, "Busy", "Request was throttled."))
    world.tick()
    world.until(one, Phase.PROMOTED)
    assert (
        f"[RL2001 phase] run={one.run_id} pipeline=sample key=- phase=training: from=created "
        in (caplog.text)
    )
    assert f"run {one.run_id} (training) will try again" in caplog.text
