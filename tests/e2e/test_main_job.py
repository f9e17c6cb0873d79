"""From new data to a better model behind the endpoint, over real processes."""

import time

import requests

from local.demo.stage import MODELS, PIPELINE, Stage
from tests.e2e.watching import ended, starts
from tests.waiting import eventually


def test_new_data_goes_live_and_its_repeated_event_starts_nothing(stage: Stage) -> None:
    before = stage.answers()
    stage.upload("breast-cancer/main.csv", stage.data(0.5))
    run = ended(stage, "breast-cancer/main.csv")
    jobs = len(starts(stage))
    assert run["phase"] == "promoted", run
    assert "two probes" in run["promotion"]["verification"]
    assert stage.answers() != before
    seen = stage.deliveries()
    for _ in range(3):
        stage.deliver("breast-cancer/main.csv")
    eventually(lambda: stage.deliveries() >= seen + 3, "three more deliveries")
    assert set(starts(stage)) == {1}
    assert len(starts(stage)) == jobs
    assert stage.leaks() == []


def test_unusual_names_work(stage: Stage) -> None:
    names = ["with space & 'quotes'", "üñï-漢字", "n" * 980]
    blobs = [f"breast-cancer/{name}.csv" for name in names]
    for blob in blobs:
        stage.upload(blob, stage.data(0.3 + len(blob) / 10_000))
    runs = [ended(stage, blob) for blob in blobs]
    # They share an endpoint: one that trains longer may find newer data there already.
    assert {run["phase"] for run in runs} <= {"promoted", "superseded"}, runs
    assert all(run["job"] and not run["ended_attempts"] for run in runs)


def test_a_name_that_the_service_would_misread_is_refused_with_a_reason(stage: Stage) -> None:
    blob = "breast-cancer/100%41#.csv"
    stage.upload(blob, stage.data(0.3))
    run = ended(stage, blob)
    assert run["phase"] == "rejected"
    assert "# %" in run["reason"]
    assert "another name" in run["advice"]


def test_data_that_cannot_be_trained_on_fails_with_the_services_own_reason(stage: Stage) -> None:
    stage.upload("breast-cancer/broken.csv", b"a,label\n1,0\n2,0\n")
    run = ended(stage, "breast-cancer/broken.csv")
    assert run["phase"] == "failed"
    assert "LibraryExecutionError" in run["reason"]


def test_an_operators_model_goes_live(stage: Stage) -> None:
    stage.upload("breast-cancer/for-hand.csv", stage.data(0.8))
    trained = ended(stage, "breast-cancer/for-hand.csv")
    stage.upload("breast-cancer/between.csv", stage.data(0.2))
    assert ended(stage, "breast-cancer/between.csv")["phase"] == "promoted"
    model = stage.storage.get_blob_client(*trained["model"]["name"].split("/", 1))
    answers = stage.answers()
    manual_model = f"promote/{PIPELINE}/mine.ilearner"
    stage.storage.get_blob_client(MODELS, manual_model).upload_blob(model.download_blob().readall())
    assert ended(stage, manual_model)["phase"] == "promoted"
    assert stage.answers() != answers


def test_a_model_of_other_features_is_rolled_back(stage: Stage) -> None:
    before = stage.answers()
    header, *rows = stage.data(1).splitlines(keepends=True)
    # Trained on a table with a column more: it updates fine and fails when it is scored.
    more = [b"hello," + header, *(b"%d," % (i % 7) + row for i, row in enumerate(rows))]
    stage.upload("breast-cancer/foreign.csv", b"".join(more))
    run = ended(stage, "breast-cancer/foreign.csv")
    assert run["phase"] == "rolled_back", run
    assert "hello" in run["reason"]
    assert stage.answers() == before


def test_a_manual_run_over_http_goes_live(stage: Stage) -> None:
    url = f"{stage.host.url}/api/pipelines/{PIPELINE}/runs"
    key = {"Idempotency-Key": f"e2e-{time.monotonic_ns()}"}
    stage.upload("breast-cancer/manual.csv", stage.data(0.6))
    assert ended(stage, "breast-cancer/manual.csv")["phase"] == "promoted"
    asked = {"data": "breast-cancer/manual.csv", "parameters": {}}
    first = requests.post(url, json=asked, headers=key, timeout=30)
    again = requests.post(url, json=asked, headers=key, timeout=30)
    other = requests.post(url, json={"data": "breast-cancer/main.csv"}, headers=key, timeout=30)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert first.headers["Location"] == again.headers["Location"]
    shown = requests.get(f"{stage.host.url}{first.headers['Location']}", timeout=30).json()
    assert shown["origin"] == "manual"


def test_health_reports_the_last_poll(stage: Stage) -> None:
    def check() -> object:
        answer = requests.get(f"{stage.host.url}/api/health", timeout=30)
        return answer.status_code == 200 and answer.json().get("last_poll")

    assert eventually(check, "a poll")
