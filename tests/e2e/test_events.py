"""Events that come by a queue, through the storage server and the local host."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from local.azurite import ACCOUNT_KEY
from local.demo.app_stage import PIPELINE, AppStage
from local.worker_check.stage import silent_service
from tests.waiting import eventually

NAME = "breast-cancer/new data #1 + 50%.csv"


class QueueStage(AppStage):
    """Events come only by the queue, and no service answers: a run is opened, and waits."""

    secrets: Sequence[str] = (ACCOUNT_KEY,)

    def _start_service(self, stack: ExitStack) -> None:
        self.service = stack.enter_context(silent_service())

    def _pipelines_by_name(self) -> dict[str, Any]:
        training = {
            "service": f"{self.service}/services/training/jobs",
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner"},
        }
        data = {"blob": "{folder}/{name}"}
        return {PIPELINE: {"data": data, "when_busy": "parallel", "training": training}}


@pytest.fixture(scope="module")
def stage() -> Iterator[QueueStage]:
    settings = {
        "TRAINING_KEY": "key",
        "AzureWebJobs.on_training_data.Disabled": "true",
        "AzureWebJobs_on_trained_model_Disabled": "1",
    }
    with QueueStage(settings) as built:
        yield built


def test_an_event_that_is_delivered_twice_opens_one_run(stage: QueueStage) -> None:
    stage.upload(NAME, stage.data(0.1))
    stage.queue_event(NAME)
    stage.queue_event(NAME)
    eventually(lambda: stage.host.log.count("on_storage_events succeeded") >= 2, "two deliveries")
    [run] = stage.runs()
    assert [blob["name"] for blob in run["manifest"]] == [NAME]
    assert "on_training_data succeeded" not in stage.host.log
    assert stage.leaks() == []


def test_a_scratch_blob_is_seen_and_opens_no_run(stage: QueueStage) -> None:
    name, before = ".relearn/scratch/e2e-1", len(stage.runs())
    stage.upload(name, b"1")
    stage.queue_event(name)

    def seen() -> Any:
        details = requests.get(f"{stage.host.url}/api/health/details", timeout=30).json()
        return details.get("last_event")

    event = eventually(seen, "the event of the scratch blob")
    assert (event["blob"], event["function"]) == (name, "on_storage_events")
    assert len(stage.runs()) == before
