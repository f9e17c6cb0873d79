"""The blob, queue and timer triggers: the effects of each, and its refusals."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.functions.queue import QueueMessage
from azure.functions.timer import TimerRequest
from azure.storage.blob import BlobClient

from functions import (
    on_storage_events,
    on_trained_model,
    on_training_data,
    on_workspace_events,
    poll_jobs,
    process,
    start_scheduled_runs,
)
from functions.process import STARTED_AT
from local.worker_check.worker import ROOT
from shared.app import App, SystemClock, Unusable, build
from shared.config.settings import Problem
from shared.errors import TransientError
from shared.providers.http.client import Answer
from tests.fakes.world import DATA, ENVIRONMENT, MODELS, World
from tests.functions.calls import Api
from tests.functions.conftest import Serve, app_over, present_world

PROBLEMS = (
    Problem("TRAINING_DATA_CONTAINER", "not set", "name the blob container"),
    Problem("pipelines.yaml:3: pipelines.sample", "unknown key"),
)
MANUALLY_PROMOTED = "promote/sample/by-hand.ilearner"


def data_arrived(name: str = "new.csv", container: str = DATA) -> None:
    on_training_data.on_training_data(client_of(container, name))


def model_arrived(name: str, container: str = MODELS) -> None:
    on_trained_model.on_trained_model(client_of(container, name))


def event_arrived(name: str = "new.csv") -> None:
    on_storage_events.on_storage_events(message_of(event_of(DATA, name)))


def job_ended() -> None:
    data = {"runId": "rl-sample-0123456789ab-1"}
    event = {"eventType": "Microsoft.MachineLearningServices.RunCompleted", "data": data}
    on_workspace_events.on_workspace_events(message_of(event))


def message_of(event: Mapping[str, Any]) -> QueueMessage:
    return QueueMessage(body=json.dumps(event))  # type: ignore[no-untyped-call]


def event_of(container: str, name: str) -> dict[str, Any]:
    subject = f"/blobServices/default/containers/{container}/blobs/{name}"
    return {"eventType": "Microsoft.Storage.BlobCreated", "subject": subject, "data": {}}


def poll_fires() -> None:
    poll_jobs.poll_jobs(TimerRequest(past_due=True))


def schedule_fires() -> None:
    start_scheduled_runs.start_scheduled_runs(TimerRequest(past_due=True))


def client_of(container: str, name: str) -> BlobClient:
    """Return a client whose use would fail: there is no such account."""
    return BlobClient("https://account.invalid", container, name)


def trained(world: World) -> str:
    """Bring a run to where its model lies in storage and nobody knows; return its name."""
    data_arrived()
    world.studio.work()
    (model,) = [
        blob.name for blob in world.blobs.listing(MODELS, "runs/") if "ilearner" in blob.name
    ]
    return model


@pytest.mark.usefixtures("api")
def test_new_data_opens_one_run_however_often_it_is_announced(world: World) -> None:
    world.upload()
    for _ in range(3):
        data_arrived()
    assert world.run().phase == "training"
    assert len(world.starts) == 1


@pytest.mark.usefixtures("api")
def test_an_event_of_the_queue_opens_the_same_run(world: World) -> None:
    world.upload()
    event_arrived()
    data_arrived()
    event_arrived()
    job_ended()
    assert world.run().phase == "training"
    assert len(world.starts) == 1


@pytest.mark.usefixtures("api")
def test_data_of_a_foreign_container_is_left_alone(world: World) -> None:
    world.upload()
    world.blobs.put(MODELS, "new.csv", b"a,b\n1,2\n")
    for container in (MODELS, "training-data-2", "ledger"):
        data_arrived(container=container)
    assert not world.runs()


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", ["gone.csv", "notes.txt"])
def test_data_that_is_gone_or_unwanted_opens_nothing(world: World, name: str) -> None:
    world.blobs.put(DATA, "notes.txt", b"text")
    data_arrived(name)
    assert not world.runs()


@pytest.mark.usefixtures("api")
def test_an_event_fails_only_while_it_could_not_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upload()
    with monkeypatch.context() as patched:
        patched.setattr(world.documents, "create", _unreachable)
        with pytest.raises(TransientError):  # so that the host delivers it again
            data_arrived()
    data_arrived()
    assert world.run().phase == "training"


@pytest.mark.usefixtures("api")
def test_a_trained_model_advances_its_run_at_once(world: World) -> None:
    world.upload()
    model_arrived(trained(world))
    assert world.run().phase == "verifying"


@pytest.mark.usefixtures("api")
def test_a_lost_model_event_is_made_up_for_by_the_poll(world: World) -> None:
    world.upload()
    trained(world)
    assert world.until_ended().phase == "promoted"


@pytest.mark.usefixtures("api")
def test_an_operators_model_opens_a_run(world: World) -> None:
    world.blobs.put(MODELS, MANUALLY_PROMOTED, b"model")
    model_arrived(MANUALLY_PROMOTED)
    assert world.run().origin == "model"


@pytest.mark.usefixtures("api")
def test_a_model_of_a_foreign_container_is_left_alone(world: World) -> None:
    world.blobs.put(MODELS, MANUALLY_PROMOTED, b"model")
    model_arrived(MANUALLY_PROMOTED, container=DATA)
    assert not world.runs()


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", ["evaluation.csv", "stray.ilearner", "promote/x/y.ilearner"])
def test_a_file_that_belongs_to_no_pipeline_is_left_alone(world: World, name: str) -> None:
    world.blobs.put(MODELS, name, b"content")
    model_arrived(name)
    assert not world.runs()


@pytest.mark.usefixtures("api")
def test_the_timer_brings_a_run_to_its_end_without_any_event(world: World) -> None:
    world.upload()
    data_arrived()
    for _ in range(20):
        world.tick()
        poll_fires()
    assert world.run().phase == "promoted"


def test_details_show_the_last_event_and_what_was_given_up(world: World, api: Api) -> None:
    before = api.health_details().body
    assert "last_event" not in before
    assert "undelivered" not in before
    event_arrived(".relearn/scratch/1a")
    world.queues.put("relearn-storage-events-poison", 3)
    poll_fires()
    details = api.health_details()
    now = world.clock.now().isoformat().replace("+00:00", "Z")
    assert details.status == 200  # an alert was raised; the app works
    assert details.body["last_event"] == {
        "at": now,
        "blob": ".relearn/scratch/1a",
        "function": "on_storage_events",
    }
    queue = {"account": "account", "name": "relearn-storage-events-poison", "messages": 3}
    assert details.body["undelivered"] == {"at": now, "poison": [queue], "dead_letters": 0}
    world.documents.rows["last_event"] = replace(world.documents.rows["last_event"], body=b"{}")
    damaged = api.health_details().body
    assert "last_event is not understood" in str(damaged["problems"])
    assert damaged["undelivered"] == details.body["undelivered"]


def test_a_due_time_opens_one_run_however_often_the_timer_fires(serve: Serve) -> None:
    world = present_world(pipeline={"schedule": "0 * * * * *"})
    serve(app_over(world))
    world.upload()
    schedule_fires()  # nothing is due yet: the pipeline is known from now on
    assert not world.runs()
    world.tick(60)
    for _ in range(3):
        schedule_fires()
    assert world.run().origin == "schedule"
    assert len(world.starts) == 1


FIRE: dict[str, Callable[[], None]] = {
    "on_training_data": data_arrived,
    "on_trained_model": lambda: model_arrived(MANUALLY_PROMOTED),
    "on_storage_events": event_arrived,
    "on_workspace_events": job_ended,
    "poll_jobs": poll_fires,
    "start_scheduled_runs": schedule_fires,
}


@pytest.mark.parametrize("trigger", FIRE)
def test_wrong_settings_fail_no_trigger_and_each_says_what_to_do(
    trigger: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serve(Unusable(PROBLEMS))
    process._UNUSABLE_LOGGED.__dict__["_logged"].clear()
    for _ in range(3):
        FIRE[trigger]()
    of_blob = trigger.startswith("on_") and trigger != "on_workspace_events"
    lines = [one for one in caplog.messages if str(PROBLEMS[0]) in one]
    assert len(lines) == (3 if of_blob else 1)  # a timer says it only now and then
    assert "and 1 more" in lines[0]
    assert "restart" in lines[0]
    assert ("will be found within 25 minutes" in lines[0]) == of_blob
    assert not [one for one in caplog.records if one.exc_info]


@pytest.mark.parametrize("trigger", ["on_training_data", "start_scheduled_runs"])
def test_a_pipeline_that_was_never_sound_opens_no_run_and_fails_no_trigger(
    world: World, serve: Serve, trigger: str
) -> None:
    serve(app_over(world, *PROBLEMS))
    world.upload()
    FIRE[trigger]()
    assert not world.runs()


def test_a_pipeline_with_an_error_has_its_runs_by_its_last_good_configuration(
    world: World, api: Api, serve: Serve
) -> None:
    api.start()  # with any answer: the pipeline is known from now on
    poll_fires()
    serve(app_over(world, *PROBLEMS))
    world.upload()
    data_arrived()
    assert world.run().phase == "training"
    assert api.start().status == 202
    schedule_fires()


def test_open_runs_end_by_their_own_configuration_while_the_file_is_wrong(
    world: World, api: Api, serve: Serve
) -> None:
    world.upload()
    run_id = api.start().body["run_id"]
    serve(app_over(world, *PROBLEMS))
    for _ in range(20):
        world.studio.work()
        world.clock.move(world.limits.check_interval_max)
        poll_fires()
    assert api.get(run_id).body["phase"] == "promoted"


class NoHttp:
    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        raise AssertionError(f"{method} {url} while the app is built")


def test_every_missing_setting_is_reported_at_once() -> None:
    empty = {"PIPELINES_FILE": "missing.yaml"}
    built = build(empty, ROOT, NoHttp(), SystemClock(), STARTED_AT)
    assert isinstance(built, Unusable)
    answer = "\n".join(str(problem) for problem in built.problems)
    assert [name for name in (*ENVIRONMENT, "missing.yaml") if name not in answer] == []


def test_the_app_is_built_without_any_request(tmp_path: Path) -> None:
    # Nobody answers at this address: a storage client that asked would fail.
    silent = "AccountName=a;AccountKey=a2V5;BlobEndpoint=https://a.invalid"
    environment = {**ENVIRONMENT, "AzureWebJobsStorage": silent, "PIPELINES_FILE": "missing.yaml"}
    built = build(environment, tmp_path, NoHttp(), SystemClock(), STARTED_AT)
    assert isinstance(built, App)
    assert [problem.where for problem in built.found] == ["missing.yaml"]
    assert "not all read yet" in str(built.problems[-1])


def test_queues_of_blob_triggers_that_are_disabled_are_not_looked_at(tmp_path: Path) -> None:
    silent = "AccountName=a;AccountKey=a2V5;BlobEndpoint=https://a.invalid"
    off = {"AzureWebJobs.on_training_data.Disabled": "true"}
    environment = {**ENVIRONMENT, "AzureWebJobsStorage": silent, **off}
    built = build(environment, tmp_path, NoHttp(), SystemClock(), STARTED_AT)
    assert isinstance(built, App)
    [queues] = built.context.events.blob_queues
    assert queues.account == "a"


def _unreachable(*_: object) -> None:
    raise TransientError("the storage account cannot be reached")
