"""Health, and what every HTTP function answers while settings or storage are wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.functions.timer import TimerRequest

from functions.process import handed_in
from functions.start_scheduled_runs import start_scheduled_runs
from shared.app import ROOT, App, Unusable
from shared.config.settings import Problem, read_settings
from shared.core.config.configuration import Configuration
from shared.core.run.record import Phase
from shared.errors import TransientError
from shared.ledger.open_markers import RunHints
from shared.maintenance.ticks import Containers, Ticks
from shared.version import VERSION
from tests.fakes.world import ENVIRONMENT, MODELS, World
from tests.functions.calls import Api
from tests.functions.conftest import NO_RUN, Serve, app_over, park
from tests.unit.worlds import Observed


def test_health_is_good_before_the_first_poll_and_reports_the_last_one(
    world: World, api: Api
) -> None:
    assert "last_poll" not in healthy(api)
    world.tick(0)
    answer = datetime.fromisoformat(healthy(api)["last_poll"])
    assert answer == world.clock.now()


def healthy(api: Api) -> Any:
    said, details = api.health(), api.health_details()
    assert (said.status, details.status) == (200, 200)
    assert (said.body["status"], said.body["problems"]) == ("healthy", {})
    assert (details.body["problems"], details.body["parked"]) == ([], [])
    assert (said.body["version"], details.body["version"]) == (VERSION, VERSION)
    return said.body


def test_health_fails_when_the_timer_fell_silent(world: World, api: Api) -> None:
    world.poll.tick()
    world.clock.move(timedelta(minutes=10))
    start_scheduled_runs(TimerRequest(past_due=False))
    world.clock.move(timedelta(minutes=-10))
    world.clock.move(timedelta(minutes=20))
    silent = api.health()
    assert (silent.status, silent.body["problems"]) == (503, {"poll": 1})
    assert "poll_jobs" in api.health_details().body["problems"][0]


def test_health_fails_when_the_timer_for_schedules_fell_silent(world: World, api: Api) -> None:
    tick = TimerRequest(past_due=False)
    start_scheduled_runs(tick)
    for _ in range(30):
        world.tick(60)  # the poll continues
    silent = api.health()
    assert (silent.status, silent.body["problems"]) == (503, {"schedules": 1})
    assert "start_scheduled_runs: no tick since" in api.health_details().body["problems"][0]
    start_scheduled_runs(tick)
    healthy(api)


def test_a_timer_that_is_rare_by_its_schedule_is_not_silent(world: World, serve: Serve) -> None:
    rare = {"POLL_SCHEDULE": "0 0 0 1 1 *", "SCHEDULE_TICK": "0 0 0 1 1 *"}
    settings = read_settings({**ENVIRONMENT, **rare}, ROOT)
    serve(App(settings, world.context, Configuration({}), world.started_at()))
    world.clock.move(timedelta(minutes=50))
    assert Api().health().body["problems"] == {}


def test_a_tick_of_the_schedules_is_recorded_every_five_minutes() -> None:
    world = Observed()
    ticks = Ticks(world.context)
    for _ in range(11):
        ticks.note()
        world.clock.move(timedelta(minutes=1))
    assert world.calls.count("read tick") == 3
    assert len([call for call in world.calls if call.endswith(" tick")]) == 6
    world.clock.move(timedelta(hours=-5))  # it was wrong, and is corrected now
    ticks.note()
    assert world.calls.count("read tick") == 4


def test_a_clock_that_was_hours_ahead_delays_no_look_at_the_containers(world: World) -> None:
    containers = Containers(world.context)
    assert containers.missing() == 0
    world.clock.move(timedelta(hours=-5))
    world.blobs.missing.add(MODELS)
    assert containers.missing() == 1


def test_health_fails_when_the_timer_never_ran(world: World, api: Api) -> None:
    world.clock.move(timedelta(minutes=14))
    healthy(api)
    world.clock.move(timedelta(minutes=2))
    silent = api.health()
    assert (silent.status, silent.body.get("last_poll")) == (503, None)
    assert "poll_jobs: no poll since" in api.health_details().body["problems"][0]


def test_health_counts_parked_runs_and_its_details_list_them(world: World, api: Api) -> None:
    run_id = park(world, api)
    world.tick(0)
    world.tick(0)
    said, details = api.health(), api.health_details()
    assert (said.status, said.body["status"]) == (200, "attention")
    assert (said.body["parked_runs"], said.body["open_runs"]) == (1, 1)
    assert run_id not in said.text
    assert (details.status, details.body["status"]) == (200, "attention")
    assert (details.body["parked"], details.body.get("next")) == ([run_id], None)


def test_parked_runs_are_listed_page_by_page(world: World, api: Api) -> None:
    ledger = world.context.ledger
    parked = [f"sample-{number:020x}" for number in range(7)]
    for run_id in parked:
        ledger.open_markers.mark(run_id, RunHints(phase=Phase.PARKED))
        ledger.open_markers.mark(f"{run_id}-open", RunHints(phase=Phase.TRAINING))
    found: list[str] = []
    query: dict[str, str] = {}
    for _ in range(10):
        page = api.health_details(limit="3", **query).body
        assert len(page["parked"]) <= 3
        found += page["parked"]
        if "next" not in page:
            break
        query = {"cursor": page["next"]}
    assert found == parked
    assert api.health_details(cursor="no such").status == 400
    assert api.health_details(limit="0").status == 400
    assert api.health_details(limt="3").status == 400


def test_anonymous_health_names_nothing_writes_nothing_and_costs_two_reads() -> None:
    world = Observed()
    world.clock.time = datetime.now(UTC)
    world.restart()
    world.blobs.missing.add("models")
    run = world.start()
    world.tick(0)
    world.calls.clear()
    found_up = world.blobs.head_calls
    problems = (Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key"),)
    built = app_over(world, *problems)
    with pytest.MonkeyPatch.context() as patch, handed_in(built):
        patch.setattr(world.blobs, "exists", refuse)
        said = Api().health()
    assert world.calls == ["read poll", "read tick"]
    assert world.blobs.head_calls == found_up
    assert (said.status, said.body["problems"]) == (503, {"configuration": 1, "storage": 1})
    for name in ("models", "training-data", "pipelines", "sample", run.run_id):
        assert name not in said.text


def refuse(*_: object) -> None:
    raise TransientError("the storage account cannot be reached")


def test_health_details_name_every_problem_of_settings_and_pipelines(
    world: World, api: Api, serve: Serve
) -> None:
    named = [
        Problem("MODELS_CONTAINER", "not set", "name the blob container"),
        Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key"),
    ]
    for built in (Unusable(tuple(named)), app_over(world, *named)):
        serve(built)
        said, details = api.health(), api.health_details()
        assert (said.status, said.body["status"]) == (503, "unusable")
        assert said.body["problems"] == {"configuration": 2}
        assert (details.status, details.body["status"]) == (503, "unusable")
        assert details.body["problems"][:2] == [str(problem) for problem in named]


def test_health_says_what_a_pipeline_with_an_error_continues_with(
    world: World, api: Api, serve: Serve
) -> None:
    problem = Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key")
    serve(app_over(world, problem))
    said = api.health_details().body["problems"]
    assert said == [
        str(problem),
        "pipelines.sample: has no earlier configuration, and opens no runs until corrected",
    ]
    world.file = None
    world.restart()
    world.poll.tick()
    serve(app_over(world, problem))
    said = api.health_details().body["problems"]
    at = world.clock.now().isoformat(timespec="seconds")
    note = f"pipelines.sample: continues with its last good configuration, of {at}"
    assert said == [str(problem), note]


def test_a_pipeline_that_was_never_sound_is_answered_with_its_mistakes(
    world: World, api: Api, serve: Serve
) -> None:
    serve(app_over(world, Problem("pipelines.yaml:3: pipelines.sample.key", "unknown key")))
    for said in (api.start(), api.endpoint(), api.rollback(), api.resume()):
        assert (said.status, said.title) == (503, "Pipeline in error")
        assert "pipelines.yaml:3: pipelines.sample.key: unknown key" in said.body["detail"]
    assert api.start(pipeline="none").status == 404


def test_health_details_say_how_far_the_full_listing_is(world: World, api: Api) -> None:
    assert "full_listing" not in api.health_details().body
    world.upload("existing.csv")
    world.clock.move(timedelta(hours=1))
    start_scheduled_runs(TimerRequest(past_due=False))
    start_scheduled_runs(TimerRequest(past_due=False))
    answer = api.health_details().body["full_listing"]
    assert (answer["complete"], answer["listed"], answer["found"]) == (True, 1, 0)
    assert (answer["damaged"], answer["recording_for"]) == ([], [])
    assert datetime.fromisoformat(answer["completed_at"]) == world.clock.now()


def test_health_details_name_records_of_the_full_listing_that_are_not_understood(
    world: World, api: Api
) -> None:
    rows = world.documents.rows
    world.upload("existing.csv")
    world.clock.move(timedelta(hours=1))
    start_scheduled_runs(TimerRequest(past_due=False))
    (name,) = [name for name in rows if name.startswith("existing/")]
    rows[name] = replace(rows[name], body=b"{not json")
    world.clock.move(timedelta(days=1))
    start_scheduled_runs(TimerRequest(past_due=False))
    answer = [one for one in api.health_details().body["problems"] if name in one]
    assert len(answer) == 1
    assert "open no run meanwhile" in answer[0]
    assert api.health_details().body["full_listing"]["damaged"] == [name]
    rows["full_listing"] = replace(rows["full_listing"], body=b"{not json")
    answer = [one for one in api.health_details().body["problems"] if "full_listing" in one]
    assert len(answer) == 1
    assert "no data that appear with an old time are found" in answer[0]
    assert api.health_details().body["full_listing_of_models"]["complete"] is True


def test_health_fails_while_the_ledger_cannot_be_read(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.documents, "read", refuse)
    said, details = api.health(), api.health_details()
    assert (said.status, said.body["problems"]) == (503, {"storage": 1})
    assert "reached" not in said.text
    assert details.status == 503
    assert details.body["problems"] == ["storage: the storage account cannot be reached"]
    assert api.get(NO_RUN).status == 503


def test_wrong_settings_answer_503_and_point_to_health(
    world: World, api: Api, serve: Serve
) -> None:
    serve(Unusable((Problem("MODELS_CONTAINER", "not set"),)))
    for said in (api.start(), api.get(NO_RUN), api.retry(NO_RUN), api.cancel(NO_RUN)):
        assert said.status == 503
        assert "/api/health/details" in said.body["detail"]


def test_open_runs_can_be_seen_and_stopped_while_the_pipelines_file_is_wrong(
    world: World, api: Api, serve: Serve
) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    serve(app_over(world, Problem("pipelines.yaml", "is not YAML")))
    assert api.get(run_id).status == 200
    assert api.cancel(run_id).body["phase"] == "cancelled"


def test_health_fails_while_a_container_does_not_exist(world: World, api: Api) -> None:
    world.blobs.missing.add("models")
    details = api.health_details()
    assert details.status == 503
    assert details.body["problems"] == [
        "MODELS_CONTAINER: container 'models' does not exist: create it"
    ]
    world.tick(0)
    said = api.health()
    assert (said.status, said.body["problems"]) == (503, {"storage": 1})
    world.blobs.missing.clear()
    world.tick(0)
    assert api.health().status == 200
