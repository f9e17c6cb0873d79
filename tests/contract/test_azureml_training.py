"""The provider of training against the stand-in, with each spelling of its answers."""

from datetime import timedelta
from typing import Any, cast

import pytest
import yaml

from local.azureml.answers import WORKSPACE
from local.azureml.calls import Fault
from local.azureml.sample import EXAMPLES, publish_sample
from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.names import output_path
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.training import FinishedJob, JobRequest, JobStatus
from shared.providers.azureml.connections import AzureMlConnections
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.tokens import Tokens
from tests.fakes.azureml_http import AzureMlHttp, BlobFiles, Identity
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.world import DATA, MODELS
from tests.unit.providers.azureml.service import registered

RUN = "census-0123456789abcdef0123"
USUAL = {
    "kind": "azureml",
    "workspace": WORKSPACE,
    "component": "azureml:train_census:1",
    "inputs": {"training_data": "{data}", "regularization": 0.5},
    "outputs": {"model": "model", "evaluation": "evaluation"},
    "compute": "cpu-cluster",
}


class Bench:
    def __init__(self, changes: dict[str, Any] | None = None, **switches: Any) -> None:
        self.clock = FakeClock()
        self.blobs = FakeBlobs(self.clock)
        files = BlobFiles(self.blobs)
        self.service = AzureMl(self.clock, Switches(**switches), files=files)
        publish_sample(self.service)
        self.service.hooks.add_datastore("landing", DATA)
        self.service.hooks.add_datastore("kept", MODELS)
        self.http = AzureMlHttp(self.service)
        self.data = self.blobs.put(DATA, "census/a.csv", b"a,label\n1,2\n")
        self.began = self.clock.now()
        self.configure(changes or {})

    def configure(self, changes: dict[str, Any]) -> None:
        """Configure the training; None leaves a key out."""
        written = {name: one for name, one in (USUAL | changes).items() if one is not None}
        self.training = AzureMlTraining.model_validate(written, context={"development": False})
        connections = AzureMlConnections(
            http=self.http,
            slow=self.http,
            environment={},
            storage=Storage(self.blobs, self.blobs, MODELS, lambda _: self.blobs),
            tokens=Tokens(Identity()),
        )
        self.jobs = connections.training(self.training)

    def request(self, attempt: int = 1) -> JobRequest:
        outputs = {
            name: output_path("census", RUN, attempt, folder)
            for name, folder in self.training.outputs.items()
        }
        return JobRequest(
            run_id=RUN,
            attempt=attempt,
            inputs={"training_data": self.data},
            outputs=outputs,
            parameters=self.training.parameters,
            training=cast("Any", self.training),
        )

    def start(self, attempt: int = 1) -> str:
        request = self.request(attempt)
        handle = self.jobs.prepare(request)
        self.jobs.ensure_started(handle, request)
        return handle

    def finish(self) -> None:
        self.clock.move(timedelta(minutes=30))


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"values": "pascal"},
        {"values": "lower"},
        {"ids": "lower"},
        {"members": "reversed"},
        {"members": "no_nulls"},
        {"members": "more"},
        {"ml_header": "needed"},
        {"identical_job": "immutable", "immutable_status": 409},
        {"missing_job_has_body": False},
        {"children_a_page": 1, "datastores_a_page": 2},
        {"explicit_uri_honoured": False},
        {"explicit_uri_honoured": False, "output_types": "as_sent"},
        {"explicit_uri_honoured": False, "outputs_at_parent": False},
    ],
)
def test_a_job_is_trained_evaluated_and_registered(switches: dict[str, Any]) -> None:
    bench = Bench(**switches)
    handle = bench.start()
    assert bench.start() == handle
    assert bench.jobs.state(handle).status is JobStatus.RUNNING
    bench.finish()
    assert bench.jobs.state(handle).status is JobStatus.FINISHED
    job = FinishedJob(handle, bench.began, bench.request())
    assert b"AUC" in (bench.jobs.evaluation(job, "evaluation").content or b"")
    (first,) = registered(bench.jobs, job, {"production": "model"}).values()
    (again,) = registered(bench.jobs, job, {"production": "model"}).values()
    assert (first.name, first.digest) == (again.name, again.digest)
    assert len(bench.service.jobs.all) == len(bench.service.state.models) == 1


@pytest.mark.parametrize("file", ["train.job.yml", "command.job.yml"])
def test_a_file_of_az_ml_is_a_job_and_may_be_copied(file: str) -> None:
    own = {"component": None, "compute": None, "inputs": {"training_data": "{data}"}}
    bench = Bench(own | {"job": yaml.safe_load((EXAMPLES / file).read_text(encoding="utf-8"))})
    first = bench.start()
    bench.finish()
    assert bench.jobs.state(first).status is JobStatus.FINISHED
    bench.configure(own | {"like": first})
    copy = bench.start(attempt=2)
    bench.finish()
    assert bench.jobs.state(copy).status is JobStatus.FINISHED
    shown = bench.service.jobs.all[copy].properties
    assert shown["inputs"]["training_data"]["uri"].endswith("/paths/census/a.csv")
    assert shown["outputs"]["model"]["uri"].endswith("/2/model/")
    assert "default" not in shown["outputs"]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_start_that_went_wrong_is_one_job_in_the_end(fault: Fault) -> None:
    bench = Bench()
    bench.service.calls.fault_on("PUT job", fault)
    if fault is not Fault.CUT:  # its status says that it was done
        with pytest.raises((TransientError, OutcomeUnknownError)):
            bench.start()
    handle = bench.start()
    bench.clock.move(timedelta(minutes=2))  # what comes late has come
    bench.start()
    assert list(bench.service.jobs.all) == [handle]
    bench.finish()
    orphan = fault is Fault.GATEWAY
    wanted = JobStatus.ORPHANED if orphan else JobStatus.FINISHED
    assert bench.jobs.state(handle).status is wanted


def test_an_unchanged_job_costs_one_get() -> None:
    bench = Bench()
    handle = bench.start()
    bench.http.sent.clear()
    bench.jobs.state(handle)
    (sent,) = bench.http.sent
    assert sent.startswith("GET ")


def test_a_step_that_was_reused_all_the_same_is_said() -> None:
    bench = Bench(reuse="always")
    bench.start()
    bench.finish()
    bench.service.jobs.advance()
    handle = bench.start(attempt=2)
    bench.finish()
    assert "train" in bench.jobs.state(handle).note


def test_the_reason_of_a_failure_is_that_of_its_step() -> None:
    bench = Bench()
    handle = bench.start()
    bench.service.hooks.end_job_as(handle, "Failed", "UserError", "no such column 'x'")
    bench.finish()
    state = bench.jobs.state(handle)
    assert state.status is JobStatus.FAILED
    assert "no such column 'x'" in state.details


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"component": "azureml:nobody:1"}, "azureml:nobody:1"),
        ({"component": "azureml:nobody@latest"}, "azureml:nobody@latest"),
        ({"compute": "nobody"}, "'nobody'"),
        ({"datastore": "landing"}, "landing"),
        ({"datastore": "nobody"}, "'nobody'"),
        ({"outputs": {"other": "model"}}, "'other'"),
    ],
)
def test_what_is_not_there_is_said_before_a_job_is_sent(changes: dict[str, Any], why: str) -> None:
    bench = Bench(changes)
    with pytest.raises(PermanentError, match=why):
        bench.start()
    assert not bench.service.jobs.all


def test_a_late_role_is_waited_for() -> None:
    bench = Bench(roles_late=timedelta(minutes=15))
    with pytest.raises(TransientError, match="AuthorizationFailed"):
        bench.start()
    bench.clock.move(timedelta(minutes=15))
    assert bench.start()


@pytest.mark.parametrize("status", [200, 202])
def test_a_job_is_cancelled_and_again(status: int) -> None:
    bench = Bench(cancel_status=status)
    handle = bench.start()
    bench.jobs.cancel(handle)
    bench.finish()
    assert bench.jobs.state(handle).status is JobStatus.CANCELLED
    bench.jobs.cancel(handle)
