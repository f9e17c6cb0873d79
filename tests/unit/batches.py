"""StudioTraining services to try in tests, and the jobs to give them."""

from functools import partial
from typing import Any

from shared.core.config.setting_references import resolve
from shared.core.config.studio_training import StudioTraining
from shared.errors import RelearnError
from shared.ports.training import JobRequest
from shared.providers.http.client import Answer
from shared.providers.studio.batch import StudioBatch
from shared.providers.studio.call import StudioCall
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import BASE, blob, tree
from tests.unit.scripted import ENVIRONMENT, Script, call

JOB = "f7dfd22ed9ba4eeab1e9b6ef4b7eb0cf"
URL = f"{BASE}/jobs?api-version=2.0"
ACCOUNT_KEY = "YWNjb3VudC1rZXktd2l0aC1hLXNsYXNoLys="
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=account;AccountKey={ACCOUNT_KEY}"
KEYED = {"connection_string": "${STORAGE}"}


def request(**changes: Any) -> JobRequest:
    known: dict[str, Any] = {
        "run_id": "sample-1",
        "attempt": 1,
        "inputs": {"input1": blob("census/new.csv")},
        "outputs": {"output1": "runs/sample/sample-1/1/model.ilearner"},
        "parameters": {},
    }
    written = {**tree()["training"], **changes.pop("training", {})}
    if span := changes.pop("timeout", None):
        written["timeout"] = span
    training = StudioTraining.model_validate(written, context={"development": False})
    return JobRequest(**{**known, "training": training, **changes})


def batch(*answers: Answer | RelearnError) -> tuple[StudioBatch, Script]:
    script, blobs = Script(list(answers)), FakeBlobs(FakeClock())
    return StudioBatch(call(script), URL, blobs, blobs, "models"), script


def keyed(
    *answers: Answer | RelearnError, connection: str = CONNECTION
) -> tuple[StudioBatch, Script]:
    """Return a service whose app setting STORAGE is a connection string."""
    script, blobs = Script(list(answers)), FakeBlobs(FakeClock())
    environment = {**ENVIRONMENT, "STORAGE": connection, "SHORT": "c2NvcmU"}
    service = StudioCall(script, partial(resolve, environment), "${TRAINING_KEY}")
    return StudioBatch(service, URL, blobs, blobs, "models"), script
