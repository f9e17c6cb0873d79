"""The life of a batch job, as it is documented (studio-classic §1, §5)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.studio import JobState
from tests.local.studio.bench import ACCOUNT, BASE, CSV, Bench, detail, message
from tests.local.studio.conftest import MakeBench


def test_a_submit_answers_the_id_as_a_json_string_and_starts_nothing(bench: Bench) -> None:
    service = bench.publish_training()
    answer = bench.submit(service)
    (job,) = bench.studio.jobs
    assert answer.status == 200
    assert answer.body == f'"{job.id}"'.encode()
    for _ in range(5):
        bench.clock.advance(days=1)
        assert bench.studio.work() == 0
        status = bench.call("GET", f"{service.jobs_url}/{job.id}", service.api_key)
        assert status.json() == {"StatusCode": "NotStarted", "Results": None, "Details": None}
    assert job.started_at == []


def test_a_started_job_is_queued_for_some_polls_then_runs_then_finishes(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(queued_polls=2)
    service = bench.publish_training()
    url = bench.started(service)
    seen = [bench.call("GET", url, service.api_key).json()["StatusCode"] for _ in range(4)]
    assert seen == ["NotStarted", "NotStarted", "Running", "Running"]
    assert bench.studio.work() == 1
    assert bench.call("GET", url, service.api_key).json()["StatusCode"] == "Finished"
    assert bench.studio.work() == 0


def test_states_are_sent_as_numbers_on_request(make_bench: MakeBench) -> None:
    bench = make_bench(numeric_status=True, queued_polls=0)
    service = bench.publish_training()
    url = bench.started(service)
    assert bench.call("GET", url, service.api_key).json()["StatusCode"] == 1
    bench.studio.work()
    assert bench.call("GET", url, service.api_key).json()["StatusCode"] == 4
    assert [state.number for state in JobState] == [0, 1, 2, 3, 4]


def test_a_finished_job_left_its_outputs_where_the_overrides_say(bench: Bench) -> None:
    service = bench.publish_training()
    status = bench.finished(service)
    assert status["StatusCode"] == "Finished"
    assert status["Details"] is None
    assert status["Results"]["output1"] == bench.reference("out/model.ilearner", "cw")
    header, values = bench.blobs.contents[f"{BASE}out/evaluation.csv"].decode().splitlines()
    assert header == ("Accuracy,Precision,Recall,F-Score,AUC,Average Log Loss,Training Log Loss")
    assert len(values.split(",")) == 7
    assert f"{BASE}out/model.ilearner" in bench.blobs.contents


def test_a_second_start_is_refused_in_every_state(bench: Bench) -> None:
    service = bench.publish_training()
    url = bench.started(service)
    for state in ("Running", "Finished"):
        answer = bench.call("POST", f"{url}/start", service.api_key)
        assert detail(answer) == (400, "InvalidOperation", "CannotStartJob")
        assert message(answer) == f"The job cannot be started because it is in {state} state."
        bench.studio.work()
    assert len(bench.studio.jobs[0].started_at) == 1


def test_a_start_takes_any_body(bench: Bench) -> None:
    service = bench.publish_training()
    bodies: tuple[object, ...] = (None, "", {})
    for body in bodies:
        url = f"{service.jobs_url}/{bench.submit(service).json()}/start"
        answer = bench.call("POST", url, service.api_key, body)
        assert (answer.status, answer.body) == (200, b"")


def test_a_delete_cancels_what_has_not_ended_and_may_be_repeated(bench: Bench) -> None:
    service = bench.publish_training()
    waiting = f"{service.jobs_url}/{bench.submit(service).json()}"
    queued = bench.started(service)
    done = bench.started(service)
    for url in (waiting, queued, queued):
        assert bench.call("DELETE", url, service.api_key).status == 200
    assert bench.studio.work() == 1
    assert bench.call("DELETE", done, service.api_key).status == 200
    states = [
        bench.call("GET", url, service.api_key).json()["StatusCode"]
        for url in (waiting, queued, done)
    ]
    assert states == ["Cancelled", "Cancelled", "Finished"]
    refused = bench.call("POST", f"{waiting}/start", service.api_key)
    assert message(refused) == "The job cannot be started because it is in Cancelled state."


def test_a_job_trains_on_the_bytes_there_are_when_it_runs(bench: Bench) -> None:
    service = bench.publish_training()
    bench.finished(service)
    before = bench.blobs.contents[f"{BASE}out/model.ilearner"]
    bench.started(service)
    bench.blobs.contents[f"{BASE}in/census.csv"] = CSV + b"70,31,1\n"
    bench.studio.work()
    assert bench.blobs.contents[f"{BASE}out/model.ilearner"] != before


def test_results_by_account_key_are_signed_again_at_each_poll(bench: Bench) -> None:
    service = bench.publish_training()
    place = "/retrain/model.ilearner"
    bench.blobs.contents["https://acct.blob.core.windows.net/retrain/in.csv"] = CSV
    order = bench.order(
        Inputs={"input1": {"ConnectionString": ACCOUNT, "RelativeLocation": "/retrain/in.csv"}},
    )
    order["Outputs"]["output1"] = {"ConnectionString": ACCOUNT, "RelativeLocation": place}
    url = bench.started(service, order)
    bench.studio.work()
    first = bench.call("GET", url, service.api_key).json()["Results"]["output1"]
    bench.clock.advance(hours=2)
    second = bench.call("GET", url, service.api_key).json()["Results"]["output1"]
    assert first["ConnectionString"] is None
    assert first["BaseLocation"] == "https://acct.blob.core.windows.net/"
    assert first["RelativeLocation"] == "retrain/model.ilearner"
    for part in (
        "?",
        "st=2017-03-01T10%3A01%3A12Z",
        "se=2017-03-02T10%3A06%3A12Z",
        "sp=r&",
        "sr=b",
    ):
        assert part in first["SasBlobToken"]
    assert first["SasBlobToken"] != second["SasBlobToken"]


def test_outputs_without_an_override_go_to_the_services_own_storage(make_bench: MakeBench) -> None:
    bench = make_bench(own_storage=ACCOUNT)
    service = bench.publish_training()
    results = bench.finished(service, bench.order(Outputs=None))["Results"]
    for name, extension in (("output1", ".ilearner"), ("output2", ".csv")):
        container, folder, file = results[name]["RelativeLocation"].split("/")
        assert container == "experimentoutput"
        assert file == f"{folder}{extension}"
        url = results[name]["BaseLocation"] + results[name]["RelativeLocation"]
        assert bench.blobs.read(url + results[name]["SasBlobToken"])


def test_outputs_without_an_override_are_refused_where_there_is_no_own_storage(
    bench: Bench,
) -> None:
    answer = bench.submit(bench.publish_training(), bench.order(Outputs=None))
    assert detail(answer) == (400, "BadArgument", "MissingRequiredOutputOverrides")


def test_a_job_whose_blob_went_away_fails_and_says_so(bench: Bench) -> None:
    service = bench.publish_training()
    url = bench.started(service)
    del bench.blobs.contents[f"{BASE}in/census.csv"]
    bench.studio.work()
    status = bench.call("GET", url, service.api_key).json()
    assert status["StatusCode"] == "Failed"
    assert status["Results"] is None
    assert status["Details"] == (
        "BlobNotFound: Unable to access the provided Azure blob - in/census.csv. "
        "Azure error message: BlobNotFound., Error code: LibraryExecutionError, "
        "Http status code: 400, Timestamp: Wed, 01 Mar 2017 10:06:12 GMT"
    )


def test_a_job_whose_output_may_not_be_written_fails(bench: Bench) -> None:
    service = bench.publish_training()
    order = bench.order()
    order["Outputs"]["output1"]["SasBlobToken"] = bench.sas("r")
    status = bench.finished(service, order)
    assert status["StatusCode"] == "Failed"
    assert "AuthorizationPermissionMismatch" in status["Details"]


def test_a_trainers_bug_fails_the_job_and_not_the_service(make_bench: MakeBench) -> None:
    class Broken:
        def train(self, *_: object, **__: object) -> Any:
            raise ZeroDivisionError("secret")

    bench = make_bench(trainer=Broken())
    status = bench.finished(bench.publish_training())
    assert status["StatusCode"] == "Failed"
    assert status["Details"].startswith("ModuleExecutionFailed: ZeroDivisionError, Error code:")
    assert "secret" not in status["Details"]


def test_a_job_cancelled_while_it_trains_writes_nothing() -> None:
    bench = Bench()
    service = bench.publish_training()
    inner = bench.trainer

    class Cancelling:
        def train(self, *args: Any, **options: Any) -> Any:
            bench.call("DELETE", url, service.api_key)
            return inner.train(*args, **options)

    bench.studio._board._trainer = Cancelling()
    url = bench.started(service)
    bench.studio.work()
    assert bench.call("GET", url, service.api_key).json()["StatusCode"] == "Cancelled"
    assert not any("/out/" in key for key in bench.blobs.contents)


def test_work_leaves_jobs_alone_that_were_started_too_lately() -> None:
    bench = Bench()
    bench.started(bench.publish_training())
    assert bench.studio.work(started_before=bench.clock()) == 0
    bench.clock.advance(seconds=1)
    assert bench.studio.work(started_before=bench.clock()) == 1


def test_of_many_starts_at_once_exactly_one_is_accepted(bench: Bench) -> None:
    service = bench.publish_training()
    url = f"{service.jobs_url}/{bench.submit(service).json()}/start"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bench.call("POST", url, service.api_key), range(16)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 15
    assert bench.studio.work() == 1
