"""Health, and what every HTTP function answers while settings or storage are wrong."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import TransientError
from shared.settings import Problem
from shared.wiring import Unusable
from tests.fakes.world import World
from tests.functions.calls import Api, Said
from tests.functions.conftest import NO_RUN, Serve, app_over, park


def test_health_is_good_before_the_first_poll_and_tells_the_last_one(
    world: World, api: Api
) -> None:
    assert healthy(api.health())["last_poll"] is None
    world.tick(0)
    told = datetime.fromisoformat(healthy(api.health())["last_poll"])
    assert told == world.clock.now()


def healthy(said: Said) -> Any:
    assert said.status == 200
    assert (said.body["status"], said.body["problems"], said.body["parked"]) == ("healthy", [], [])
    return said.body


def test_health_fails_when_the_timer_fell_silent(world: World, api: Api) -> None:
    world.poll.tick()
    world.clock.move(timedelta(minutes=20))
    silent = api.health()
    assert silent.status == 503
    assert "poll_jobs" in silent.body["problems"][0]


def test_health_fails_when_the_timer_never_ran(world: World, api: Api) -> None:
    world.clock.move(timedelta(minutes=14))
    healthy(api.health())
    world.clock.move(timedelta(minutes=2))
    silent = api.health()
    assert (silent.status, silent.body["last_poll"]) == (503, None)
    assert "poll_jobs: no poll since" in silent.body["problems"][0]


def test_health_lists_parked_runs_for_attention(world: World, api: Api) -> None:
    run_id = park(world, api)
    world.tick(0)
    said = api.health()
    assert (said.status, said.body["status"]) == (200, "attention")
    assert (said.body["parked"], said.body["open_runs"]) == ([run_id], 1)


def test_health_names_every_problem_of_settings_and_pipelines(
    world: World, api: Api, serve: Serve
) -> None:
    named = [
        Problem("MODELS_CONTAINER", "not set", "name the blob container"),
        Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key"),
    ]
    for built in (Unusable(tuple(named)), app_over(world, *named)):
        serve(built)
        said = api.health()
        assert (said.status, said.body["status"]) == (503, "unusable")
        assert said.body["problems"][:2] == [str(problem) for problem in named]


def test_health_says_what_a_pipeline_with_an_error_goes_on_by(
    world: World, api: Api, serve: Serve
) -> None:
    problem = Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key")
    serve(app_over(world, problem))
    said = api.health().body["problems"]
    assert said == [
        str(problem),
        "pipelines.sample: has no earlier configuration, and opens no runs until corrected",
    ]
    world.file = None
    world.restart()
    world.poll.tick()
    serve(app_over(world, problem))
    said = api.health().body["problems"]
    at = world.clock.now().isoformat(timespec="seconds")
    note = f"pipelines.sample: goes on by its last good configuration, of {at}"
    assert said == [str(problem), note]


def test_a_pipeline_that_was_never_sound_is_answered_with_its_mistakes(
    world: World, api: Api, serve: Serve
) -> None:
    serve(app_over(world, Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key")))
    for said in (api.start(), api.endpoint(), api.rollback(), api.resume()):
        assert (said.status, said.title) == (503, "Pipeline in error")
        assert "pipelines.yaml:3: pipelines.sample.key: unknown key" in said.body["detail"]
    assert api.start(pipeline="none").status == 404


def test_health_fails_while_the_ledger_cannot_be_read(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("the storage account cannot be reached")

    monkeypatch.setattr(world.documents, "read", refuse)
    said = api.health()
    assert said.status == 503
    assert said.body["problems"] == ["storage: the storage account cannot be reached"]
    assert api.get(NO_RUN).status == 503


def test_wrong_settings_answer_503_and_point_to_health(
    world: World, api: Api, serve: Serve
) -> None:
    serve(Unusable((Problem("MODELS_CONTAINER", "not set"),)))
    for said in (api.start(), api.get(NO_RUN), api.retry(NO_RUN), api.cancel(NO_RUN)):
        assert said.status == 503
        assert "/api/health" in said.body["detail"]


def test_open_runs_can_be_seen_and_stopped_while_the_pipelines_file_is_wrong(
    world: World, api: Api, serve: Serve
) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    serve(app_over(world, Problem("pipelines.yaml", "is not YAML")))
    assert api.get(run_id).status == 200
    assert api.cancel(run_id).body["phase"] == "cancelled"


def test_health_names_a_container_that_does_not_exist(world: World, api: Api) -> None:
    world.blobs.missing.add("models")
    said = api.health()
    assert said.status == 503
    assert said.body["problems"] == [
        "MODELS_CONTAINER: container 'models' does not exist: create it"
    ]
