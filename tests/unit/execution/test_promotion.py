from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.providers.http.client import Answer
from tests.fakes.world import CSV
from tests.unit.worlds import RUNNING, Observed, refused

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
BAD = refused(400, "InvalidInputNames", "Invalid service input name(s).")
OTHER_COLUMNS = b"x,y,label\n1,2,0\n"
PATCH = ("PATCH", "/production")


@pytest.fixture
def world() -> Observed:
    return Observed()


@pytest.mark.parametrize("send_resources", [True, False])
def test_a_model_that_does_not_work_is_rolled_back(*, send_resources: bool) -> None:
    world = Observed(send_resources=send_resources)
    first = world.serving()
    world.upload(content=OTHER_COLUMNS)
    run = world.until(world.deliver()[0], Phase.ROLLED_BACK)
    assert "missing feature(s)" in str(run.reason)
    assert world.serving() == first


def test_after_a_good_model_a_broken_one_is_replaced_by_the_good_one(world: Observed) -> None:
    world.until(world.start("good.csv"), Phase.PROMOTED)
    good = world.serving()
    world.clock.move(MINUTE)
    world.upload("bad.csv", OTHER_COLUMNS)
    world.until(world.deliver("bad.csv")[0], Phase.ROLLED_BACK)
    assert world.serving() == good
    world.clock.move(MINUTE)
    world.upload("third.csv", CSV + b"5,6,1\n")
    world.until(world.deliver("third.csv")[0], Phase.PROMOTED)


def test_an_old_model_that_cannot_be_rolled_back_parks_the_run(world: Observed) -> None:
    world.script("POST", "/refresh", BAD, times=None)
    world.upload(content=OTHER_COLUMNS)
    run = world.until(world.deliver()[0], Phase.PARKED)
    assert run.parked_in is Phase.ROLLING_BACK
    assert "Invalid service input" in str(run.reason)


def test_a_rollback_target_that_is_never_confirmed_is_sent_again_a_few_times_and_then_parked(
    world: Observed,
) -> None:
    world.script("POST", "/refresh", refused(500, "InternalError", "Who knows."), times=None)
    world.upload(content=OTHER_COLUMNS)
    run = world.until(world.deliver()[0], Phase.PARKED, ticks=80)
    assert run.parked_in is Phase.ROLLING_BACK
    assert "the old model does not serve again" in str(run.reason)
    assert sum(sent.endswith("/refresh") for sent in world.http.sent) == 4


def test_an_update_that_changes_nothing_ends_unchanged_and_the_next_run_continues(
    world: Observed,
) -> None:
    ignore = world.script(*PATCH, Answer(200, {}, b""), times=None)
    world.studio._management._send_resources = False  # a read-back would report at once
    first = world.until(world.start("a.csv"), Phase.UNCHANGED)
    assert "stayed the same" in str(first.reason)
    ignore()
    world.clock.move(MINUTE)
    world.upload("b.csv", CSV + b"5,6,1\n")
    world.until(world.deliver("b.csv")[0], Phase.PROMOTED)


def test_a_deadline_shorter_than_the_polls_pace_does_not_hide_a_model_that_serves() -> None:
    probe = Observed().pipeline.endpoint
    assert probe is not None
    assert probe.verify is not None
    verify = {**probe.verify.model_dump(mode="json"), "within": "20s"}
    world = Observed(config={"endpoint": {"verify": verify}}, send_resources=False)
    run = world.start()
    for _ in range(6):
        world.tick(30)
    ended = world.now_of(run)
    assert ended.model is not None
    serves = (
        world.serving()
        == world.blobs.store.contents[f"https://account.blob.core.windows.net/{ended.model.name}"]
    )
    assert serves
    assert ended.phase is Phase.PROMOTED


def test_without_a_probe_a_run_ends_promoted_and_says_unproven() -> None:
    world = Observed(config={"endpoint": {"verify": None}})
    run = world.until(world.start(), Phase.PROMOTED)
    assert run.promotion is not None
    assert "unproven" in str(run.promotion.verification)


def test_a_pipeline_without_an_endpoint_finishes_with_its_model() -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    run = world.until(world.start(), Phase.FINISHED)
    assert run.model is not None
    assert not [sent for sent in world.http.sent if sent.startswith("PATCH")]


def test_a_wrong_resource_name_is_reported_before_anything_is_sent() -> None:
    world = Observed(config={"endpoint": {"resource": "Smaple [trained model]"}})
    run = world.until(world.start(), Phase.PARKED)
    assert "'Sample [trained model]'" in str(run.reason)
    assert "resource" in str(run.advice)
    assert not [sent for sent in world.http.sent if sent.startswith("PATCH")]


def test_of_two_runs_that_finish_out_of_order_the_older_is_superseded(world: Observed) -> None:
    old = world.start("a.csv")
    world.clock.move(MINUTE)
    world.upload("b.csv", CSV + b"5,6,1\n")
    new = world.deliver("b.csv")[0]
    release = world.script("GET", str(old.job), RUNNING, times=None)
    world.until(new, Phase.PROMOTED)
    serves = world.serving()
    release()
    ended = world.until(old, Phase.SUPERSEDED)
    assert "newer data" in str(ended.reason)
    assert world.serving() == serves


def test_two_pipelines_on_one_endpoint_update_it_one_after_the_other(world: Observed) -> None:
    app = world.another(world.sibling())
    world.upload("new.csv")
    world.upload("other-new.csv", CSV + b"5,6,1\n")
    runs = [
        *app.blob_events.blob_arrived("new.csv"),
        *app.blob_events.blob_arrived("other-new.csv"),
    ]
    runs = list({run.run_id: run for run in runs}.values())
    updating = set()
    for _ in range(40):
        world.clock.move(15 * SECOND)
        world.studio.work()
        app.poll.tick()
        now = [world.now_of(run).phase for run in runs]
        updating.add(sum(phase is Phase.VERIFYING for phase in now))
        if all(phase.ended for phase in now):
            break
    assert all(world.now_of(run).phase.ended for run in runs)
    assert max(updating) == 1
    assert Phase.PROMOTED in {world.now_of(run).phase for run in runs}


def test_after_a_lease_left_behind_the_known_model_is_rolled_back_first(
    world: Observed,
) -> None:
    mend = world.script(*PATCH, BAD, times=None)
    parked = world.until(world.start("a.csv"), Phase.PARKED)
    mend()
    world.clock.move(MINUTE)
    world.upload("b.csv", CSV + b"5,6,1\n")
    asked = len(world.http.sent)
    ended = world.until(world.deliver("b.csv")[0], Phase.PROMOTED)
    changes = [s for s in world.http.sent[asked:] if s.startswith("PATCH") or "refresh" in s]
    assert len(changes) == 2
    assert changes[0].endswith("/refresh")
    assert changes[1].startswith("PATCH")
    assert ended.promotion is not None
    # An operator who now retries the parked run must not bring older data back.
    world.run_operations.retry(parked.run_id)
    world.until(parked, Phase.SUPERSEDED)


def test_an_older_run_that_waits_for_a_slot_is_superseded_when_it_comes(world: Observed) -> None:
    old = world.start("a.csv")
    world.clock.move(MINUTE)
    world.upload("b.csv", CSV + b"5,6,1\n")
    new = world.deliver("b.csv")[0]
    release = world.script("GET", str(old.job), RUNNING, times=None)
    world.until(new, Phase.VERIFYING)
    release()
    world.tick(10)
    waiting = world.now_of(old)
    assert waiting.phase is Phase.PROMOTING
    assert waiting.step_failure is not None
    assert f"run {new.run_id} is updating this endpoint" in waiting.step_failure.reason
    world.until(new, Phase.PROMOTED)
    world.until(old, Phase.SUPERSEDED)
