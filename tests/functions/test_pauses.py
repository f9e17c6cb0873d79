"""Pause and resume a pipeline over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from functions import pipelines
from tests.fakes.faults import Kind
from tests.fakes.world import World
from tests.functions.calls import Api
from tests.functions.conftest import Serve, app_over, present_world
from tests.functions.operators import (
    BOSS,
    call,
    fails,
    pause,
    resume,
    rows,
    standing_version,
)


def test_a_paused_pipeline_begins_nothing_until_it_is_resumed(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue"})
    serve(app_over(world))
    answer = call(
        pipelines.pause_pipeline, "POST", {"reason": "holiday"}, headers=BOSS, pipeline="sample"
    )
    assert answer.body["paused"]["by"] == "boss@example.com"
    assert answer.body["paused"]["reason"] == "holiday"
    world.upload()
    world.deliver()
    for _ in range(20):
        world.tick(60)
    assert not world.starts
    again = call(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")
    assert again.body["paused"]["by"] == "boss@example.com"
    assert "paused" not in call(pipelines.resume_pipeline, "POST", pipeline="sample").body
    assert call(pipelines.resume_pipeline, "POST", pipeline="sample").status == 200
    for _ in range(20):
        world.tick(60)
    assert len(world.starts) == 1


def test_of_two_operators_who_pause_in_the_same_moment_the_second_is_refused(
    world: World, api: Api
) -> None:
    def another() -> None:
        call(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")

    world.faults.other_worker = another
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    answer = call(pipelines.pause_pipeline, "POST", {"by": "ada"}, pipeline="sample")
    assert answer.status == 409
    shown = call(pipelines.get_pipeline, pipeline="sample").body
    assert shown["paused"]["by"] == "bob (unverified)"


def test_a_pause_and_a_resume_are_for_the_version_that_was_read(world: World, api: Api) -> None:
    checked = standing_version()
    assert pause(If_Match='"old"').status == 412
    assert "paused" not in call(pipelines.get_pipeline, pipeline="sample").body
    paused = pause(If_Match=checked)
    assert paused.status == 200
    assert paused.headers["ETag"] == standing_version() != checked
    late = resume(If_Match=checked)
    assert (late.status, late.title) == (412, "Changed since that version")
    assert "paused by ada" in late.body["detail"]
    assert pause(If_Match=checked).status == 412
    assert resume(If_Match=paused.headers["ETag"]).status == 200
    assert "paused" not in call(pipelines.get_pipeline, pipeline="sample").body


def test_what_runs_does_not_change_the_version_that_a_pause_is_for(world: World, api: Api) -> None:
    checked = standing_version()
    world.upload()
    api.start()
    world.until_ended()
    assert standing_version() == checked
    assert pause(If_Match=checked).status == 200


def test_a_pause_by_failures_is_another_version_for_the_operator_who_resumes(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue", "pause_after": 2})
    serve(app_over(world))
    fails(world, 1)
    checked = standing_version()
    fails(world, 2)
    world.upload("3.csv", rows(3))
    world.deliver("3.csv")
    for _ in range(5):
        world.tick()
    late = resume(If_Match=checked)
    assert late.status == 412
    assert "paused by relearn" in late.body["detail"]
    resumed = resume(If_Match=standing_version())
    assert (resumed.status, "paused" in resumed.body) == (200, False)


@pytest.mark.parametrize(("version", "status"), [(True, 412), (False, 409)])
def test_of_two_operators_at_a_pipeline_the_slower_one_learns_what_its_state_is(
    world: World, api: Api, *, version: bool, status: int
) -> None:
    held = {"If_Match": standing_version()} if version else {}

    def another() -> None:
        call(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")

    world.faults.other_worker = another
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    late = pause(**held)
    assert late.status == status
    assert "paused by bob" in late.body["detail"]
    assert "pauses/" not in late.body["detail"]


@pytest.mark.parametrize(("version", "status"), [(True, 412), (False, 409)])
def test_a_resume_never_ends_a_pause_that_was_not_read(
    world: World, api: Api, *, version: bool, status: int
) -> None:
    checked = pause().headers["ETag"]

    def another() -> None:
        resume()
        call(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")

    world.faults.other_worker = another
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    late = resume(**({"If_Match": checked} if version else {}))
    assert late.status == status
    assert "paused by bob" in late.body["detail"]
    shown = call(pipelines.get_pipeline, pipeline="sample").body
    assert shown["paused"]["by"] == "bob (unverified)"


def test_failures_from_before_a_resume_count_no_more_also_after_a_pause_by_an_operator(
    serve: Serve,
) -> None:
    world = present_world(pipeline={"when_busy": "queue", "pause_after": 3})
    serve(app_over(world))
    fails(world, 1)
    fails(world, 2)
    call(pipelines.pause_pipeline, "POST", {"by": "ada"}, pipeline="sample")
    call(pipelines.resume_pipeline, "POST", pipeline="sample")
    fails(world, 3)
    world.clock.move(timedelta(minutes=1))
    world.upload("4.csv", rows(4))
    world.deliver("4.csv")
    for _ in range(5):
        world.tick()
    shown = call(pipelines.get_pipeline, pipeline="sample").body
    assert "paused" not in shown, shown["paused"]
    assert len(world.starts) == 1


def test_a_manual_run_of_a_paused_pipeline_waits_like_any_other(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue"})
    serve(app_over(world))
    world.upload()
    call(pipelines.pause_pipeline, "POST", {"by": "ada", "reason": "holiday"}, pipeline="sample")
    started = Api().start()
    assert (started.status, started.body["phase"]) == (202, "waiting")
    assert "holiday" in started.body["reason"]


@pytest.mark.parametrize(
    ("handler", "method"),
    [
        (pipelines.get_pipeline, "GET"),
        (pipelines.pause_pipeline, "POST"),
        (pipelines.resume_pipeline, "POST"),
        (pipelines.preview_pipeline, "GET"),
    ],
)
@pytest.mark.parametrize("name", ["simple", "..", "", "x" * 5000, "sample/", "\x00"])
def test_an_unknown_pipeline_is_not_found(
    world: World, api: Api, handler: Any, method: str, name: str
) -> None:
    answer = call(handler, method, pipeline=name)
    assert answer.status == 404
    assert "sample" in answer.body["detail"]
    assert not world.documents.rows


BUDGETS: list[tuple[dict[str, Any], str]] = [
    ({"least_interval": "2h"}, "the budget allows the next run at "),
    ({"most_per_day": 1}, "the budget's 1 run within 24 hours is used up"),
]


@pytest.mark.parametrize(("budget", "words"), BUDGETS)
def test_a_budget_that_is_used_up_is_shown_as_its_waiting_run_says_it(
    serve: Serve, budget: dict[str, Any], words: str
) -> None:
    world = present_world(pipeline={"when_busy": "queue", "budget": budget})
    serve(app_over(world))
    world.upload()
    Api().start()
    world.until_ended()
    waiting = Api().start().body
    (run_queue,) = call(pipelines.get_pipeline, pipeline="sample").body["keys"]
    assert run_queue["over_budget"] == waiting["reason"]
    assert run_queue["over_budget"].startswith(words)
    world.clock.move(timedelta(days=1))
    (run_queue,) = call(pipelines.get_pipeline, pipeline="sample").body["keys"]
    assert "over_budget" not in run_queue
