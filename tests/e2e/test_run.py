"""`make run`: what a restart keeps, and what a start refuses."""

import json
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from local.studio import HttpBlobs, InstantTrainer, OutputKind, Studio
from local.studio.sample import sample_data
from local.studio.server import StudioServer
from local.studio.training import Trained
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    "TRAINING_DATA_CONTAINER": "training-data",
    "MODELS_CONTAINER": "models",
    "LEDGER_CONTAINER": "ledger",
    "BLOB_SOURCE": "LogsAndContainerScan",
    "POLL_SCHEDULE": "*/1 * * * * *",
    "CHECK_INTERVAL_MIN": "1s",
}


class HeldTrainer:
    """Makes up a model when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        self.begun.set()
        assert self.let.wait(100)
        return InstantTrainer().train(inputs, parameters, label=label)


class Run:
    """One `make run` over a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.storage = folder, folder / "azurite"
        self.settings, self._log = folder / "settings.json", folder / "log"

    def write(self, settings: Mapping[str, str], pipelines: str) -> None:
        file = self.folder / "pipelines.yaml"
        file.write_text(pipelines)
        values = {**SETTINGS, "PIPELINES_FILE": str(file), **settings}
        self.settings.write_text(json.dumps({"Values": values}))

    @property
    def pipelines(self) -> str:
        return (self.folder / "pipelines.yaml").read_text()

    def command(self, *more: str) -> list[str]:
        options = ["--settings", str(self.settings), "--storage", str(self.storage)]
        return [sys.executable, "-u", "-m", "local.run", *options, *more]

    def refused(self, *more: str) -> str:
        """Start it, and return what it says as it ends at once."""
        done = subprocess.run(  # noqa: S603 -- ourselves
            self.command(*more), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1, done
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def running(self, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
        self._log.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            # As in the background of a shell, where SIGINT is ignored unless a program asks.
            background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
            process = subprocess.Popen(  # noqa: S603 -- ourselves
                [*background, *self.command("--port", "0", *more)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            eventually(lambda: "serving" in self.log or process.poll() is not None)
            assert process.poll() is None, self.log
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            finally:
                process.kill()

    def waits_for(self, text: str) -> None:
        try:
            eventually(lambda: text in self.log, text)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def url(self) -> str:
        return self.log.partition(" at http://")[2].partition(" ")[0]

    @property
    def connection(self) -> str:
        return self.log.partition("connect with: ")[2].partition("\n")[0]

    def runs(self) -> list[dict[str, Any]]:
        answer = requests.get(f"http://{self.url}/api/runs", timeout=30)
        lines: list[dict[str, Any]] = answer.json()["runs"] if answer.ok else []
        return lines

    def upload(self, name: str, content: bytes) -> None:
        with BlobServiceClient.from_connection_string(self.connection) as account:
            account.get_blob_client("training-data", name).upload_blob(content)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def published(studio: Studio, server: StudioServer) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a pipeline says of a new training service, and the settings with its key."""
    outputs = {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
    service = studio.publish_training("training", outputs=outputs)
    training = {
        "service": server.url + service.jobs_url,
        "api_key": "${TRAINING_KEY}",
        "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
    }
    return training, {"TRAINING_KEY": service.api_key}


def test_a_restart_kills_no_job_under_way(run: Run) -> None:
    trainer = HeldTrainer()
    studio = Studio(
        storage=HttpBlobs(),
        trainer=trainer,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: uuid.uuid4().hex,
    )
    with StudioServer(studio, trainer=InstantTrainer()) as server:
        training, settings = published(studio, server)
        pipeline = {"data": {"blob": "{name}.csv"}, "training": training}
        run.write(settings, json.dumps({"pipelines": {"one": pipeline}}))
        with run.running():
            run.waits_for("have no problem")
            run.upload("a.csv", sample_data())
            assert trainer.begun.wait(60), run.log
        with run.running():
            trainer.let.set()
            ended = {"finished", "failed", "parked"}
            found = eventually(lambda: [r for r in run.runs() if r["phase"] in ended], run.log)
            assert [line["phase"] for line in found] == ["finished"], (found, run.log)
        assert [len(job.started_at) for job in studio.jobs] == [1]


def test_a_taken_port_is_said_before_anything_starts(run: Run) -> None:
    run.write({}, "pipelines: {}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run.refused("--port", str(port))
    assert f"Port {port} is taken" in said
    assert not run.storage.exists()


def test_a_wrong_setting_is_said_and_a_second_one_on_its_folder_refused_before_it_starts_anything(
    run: Run,
) -> None:
    run.write({"CLAIM_LEASE": "soon"}, "pipelines: {}")
    with run.running() as first:
        run.waits_for("changed settings need a restart):")
        assert "CLAIM_LEASE" in run.log.partition("need a restart):")[2]
        run.upload("a.csv", b"a,b\n1,2\n")
        run.waits_for("blob a.csv: nothing is done, since a setting is wrong: CLAIM_LEASE")
        run.waits_for("it will be found within 25 minutes of that")
        said = run.refused("--port", "0")
        assert f"is in use by process {first.pid}" in said
        assert "--storage" in said
        assert "serving" not in said
        assert first.poll() is None
    assert "Traceback" not in run.log
    assert "poison" not in run.log
    assert "failed" not in run.log


def test_a_broken_file_is_said_used_once_it_is_edited_and_data_that_arrived_meanwhile_is_found(
    run: Run,
) -> None:
    studio = Studio(
        storage=HttpBlobs(),
        trainer=InstantTrainer(),
        clock=lambda: datetime.now(UTC),
        new_id=lambda: uuid.uuid4().hex,
    )
    with StudioServer(studio, trainer=InstantTrainer()) as server:
        training, settings = published(studio, server)
        first = {"data": {"blob": "first-{name}.csv"}, "training": training}
        second = {"data": {"blob": "second-{name}.csv"}, "training": training}

        def finished(pipeline: str) -> list[dict[str, Any]]:
            ends = {"finished", "failed", "parked"}
            lines = [r for r in run.runs() if r["pipeline"] == pipeline and r["phase"] in ends]
            assert all(line["phase"] == "finished" for line in lines), run.log
            return lines

        run.write(settings, "pipelines: [")
        with run.running():
            run.waits_for(" to correct (a changed pipelines file is used without a restart")
            run.waits_for("need a restart):\n  pipelines.yaml: is not plain YAML")
            run.upload("first-a.csv", sample_data())
            run.waits_for("blob first-a.csv opens no run now: the pipelines file has an error")
            run.waits_for("will be found within 2 minutes of that")
            assert "matches no pipeline" not in run.log
            run.write(settings, json.dumps({"pipelines": {"first": first}}))
            run.waits_for("is used from now on, without a restart: 1 sound pipelines, 0 problems")
            assert len(eventually(lambda: finished("first"), run.log)) == 1
            run.upload("second-a.csv", sample_data())
            run.waits_for("blob second-a.csv matches no pipeline")
            run.write(settings, json.dumps({"pipelines": {"first": first, "second": second}}))
            run.waits_for("is used from now on, without a restart: 2 sound pipelines, 0 problems")
            run.upload("second-b.csv", sample_data())
            assert len(eventually(lambda: finished("second"), run.log)) == 1
            run.write({**settings, "POLL_SCHEDULE": "*/2 * * * * *"}, run.pipelines)
            run.waits_for("settings.json was changed, which needs a restart")
    assert "Traceback" not in run.log
    assert "poison" not in run.log


def test_the_pipeline_that_the_workspace_shows_trains_there_as_it_is(run: Run) -> None:
    run.write({}, "pipelines: {}")
    with run.running("--azureml", "0"):
        run.waits_for("to correct")
        shown = run.log.partition("a pipeline that trains there:\n\n")[2].partition("\n\n")[0]
        run.write({}, shown)
        run.waits_for("is used from now on, without a restart: 1 sound pipelines, 0 problems")
        run.upload("census/a.csv", sample_data())
        (line,) = eventually(lambda: [r for r in run.runs() if r["phase"] == "finished"], run.log)
    assert line["pipeline"] == "census"
    assert "Traceback" not in run.log


def test_a_workspace_over_a_real_account_or_at_a_taken_port_is_refused(run: Run) -> None:
    run.write({"AzureWebJobsStorage": "AccountName=real"}, "pipelines: {}")
    assert "--azureml is for the local storage" in run.refused("--port", "0", "--azureml")
    run.write({}, "pipelines: {}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = run.refused("--port", "0", "--azureml", port)
    assert f"The workspace does not start: port {port} is taken" in said
