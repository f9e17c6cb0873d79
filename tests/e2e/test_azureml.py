"""From new data to a registered model of Azure Machine Learning, over real processes.

Kills of the host at each call: `proofs/azureml_kills.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cli.main import main as relearn
from local.demo.azureml_stage import AzureMlStage
from tests.e2e.watching import ended, run_of
from tests.waiting import eventually

GOOD, BROKEN, USELESS, LATER = (
    f"breast-cancer/{name}.csv" for name in ("good", "broken", "useless", "later")
)
#: What a training script may say of its data when it fails.
SIGNED = b"https://account.blob.core.windows.net/c/a.csv?sv=2022-11-02&sp=r&sig=AbCdEf%2Fgh%3D"


@pytest.fixture(scope="module")
def stage() -> Iterator[AzureMlStage]:
    """The app, a workspace, and three data sets that it trains on at the same time."""
    with AzureMlStage() as built:
        built.upload(GOOD, built.data(0.5))
        built.upload(BROKEN, b"a,label\n%s,1\n" % SIGNED)
        built.upload(USELESS, built.useless_data())
        yield built


def shown(stage: AzureMlStage, run_id: str) -> dict[str, object]:
    answer = requests.get(f"{stage.host.url}/api/runs/{run_id}", timeout=30)
    assert answer.ok, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_run_says_what_it_waits_for(stage: AzureMlStage) -> None:
    stage.upload(LATER, stage.data(0.7))
    run_id = str(run_of(stage, LATER)["run_id"])

    def check() -> str:
        run = shown(stage, run_id)
        waiting = run["waiting"] if run["phase"] == "training" else {}
        return str(waiting["waits_for"]) if isinstance(waiting, dict) and waiting else ""

    waits_for = eventually(check, "a run that trains")
    assert waits_for == f"the training service: job {shown(stage, run_id)['job']} runs (attempt 1)"


def test_new_data_ends_with_a_registered_version_and_its_repeated_event_starts_nothing(
    stage: AzureMlStage,
) -> None:
    run = ended(stage, GOOD)
    assert run["phase"] == "finished", run
    version = f"breast-cancer/{run['run_id'].rpartition('-')[2]}-1"
    assert run["model"]["name"] == f"azureml:{version.replace('/', ':')}"
    assert version in stage.versions()
    jobs, seen = stage.jobs(), stage.deliveries()
    for _ in range(3):
        stage.deliver(GOOD)
    eventually(lambda: stage.deliveries() >= seen + 3, "three more deliveries")
    assert stage.jobs() == jobs
    assert jobs.count(run["job"]) == 1


def test_a_failed_job_gives_the_reason_of_its_failed_step(stage: AzureMlStage) -> None:
    run = ended(stage, BROKEN)
    assert run["phase"] == "failed", run
    assert "broken.csv cannot be trained on" in run["reason"]
    assert "account.blob.core.windows.net" in run["reason"]
    assert "sig=" not in run["reason"]
    assert "AbCdEf" not in str(shown(stage, run["run_id"]))
    assert "model" not in run


def test_a_model_that_learnt_nothing_is_rejected(stage: AzureMlStage) -> None:
    run = ended(stage, USELESS)
    assert run["phase"] == "rejected", run
    assert "AUC" in run["reason"]
    assert run["verdict"]["metrics"]["AUC"] < 0.9


def test_doctor_finds_this_app_well_and_leaves_nothing_behind(
    stage: AzureMlStage, capsys: pytest.CaptureFixture[str]
) -> None:
    code = relearn(["doctor", "--url", stage.host.url, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["result"]) == (0, "ok"), found
    well = {line["check"] for line in found["lines"] if line["result"] == "ok"}
    assert {
        "TRAINING_DATA_CONTAINER training-data: list, read",
        "MODELS_CONTAINER models: list, write, read, delete",
        "LEDGER_CONTAINER ledger: list, write, read, delete",
        "workspace relearn-ws: component azureml:train_census:1",
        "workspace relearn-ws: data plane",
        "poll_jobs and start_scheduled_runs",
    } <= well, found
    assert not [secret for secret in stage.secrets if secret in json.dumps(found)]
    for container in ("training-data", "models", "ledger"):
        client = stage.storage.get_container_client(container)
        assert not list(client.list_blobs(name_starts_with=".relearn/"))


def test_doctor_says_what_is_wrong_on_purpose(
    stage: AzureMlStage,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = json.loads((stage.folder / "pipelines.yaml").read_text())
    wrong = {"compute": "none", "component": "azureml:no:1"}
    text["pipelines"]["breast-cancer"]["training"] |= wrong
    (tmp_path / "pipelines.yaml").write_text(json.dumps(text))
    settings = {
        **stage.settings(),
        "PIPELINES_FILE": "pipelines.yaml",
        "MODELS_CONTAINER": "nowhere",
    }
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": settings}))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)  # by which the app's identity signs in
    code = relearn(["doctor", "--settings", str(tmp_path / "local.settings.json"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["result"]) == (1, "wrong")
    told = {line["check"]: line for line in found["lines"] if line["result"] == "wrong"}
    assert set(told) == {
        "MODELS_CONTAINER nowhere: list, write, read, delete",
        "workspace relearn-ws: compute none",
        "workspace relearn-ws: component azureml:no:1",
    }
    assert all(line["to_do"] for line in told.values())
    lines = {line["check"]: line for line in found["lines"]}
    account = stage.azurite.blob_endpoint.rpartition("/")[2]
    follows = lines[f"workspace relearn-ws: datastore of {account}/nowhere"]
    assert follows["result"] == "not_checked"  # a cause is told once
    assert "line of MODELS_CONTAINER" in follows["text"]


def test_no_secret_is_in_a_record_a_log_or_an_answer(stage: AzureMlStage) -> None:
    runs = [ended(stage, blob) for blob in (GOOD, BROKEN, USELESS)]
    assert stage.leaks() == []
    assert {run["job"] for run in runs} <= set(stage.jobs())
