"""Batch jobs, as they are documented (studio-classic §1, §5)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.studio import JobState, OutputKind, Parameter, WireRequest
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


def test_results_by_account_key_are_signed_anew_at_each_poll(bench: Bench) -> None:
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


def test_parameters_arrive_as_text_with_their_defaults(bench: Bench) -> None:
    service = bench.publish_training()
    bench.submit(service, bench.order(GlobalParameters={"Data date": 20170301}))
    bench.submit(service, bench.order(GlobalParameters=None))
    assert [job.parameters for job in bench.studio.jobs] == [
        {"Regularization": "1", "Data date": "20170301"},
        {"Regularization": "1"},
    ]


def test_the_documented_single_input_form_is_taken(bench: Bench) -> None:
    service = bench.publish_training()
    body = bench.order(Input=bench.reference("/in/census.csv"), AzureBatchPoolId="8dfc151b")
    del body["Inputs"]
    assert bench.finished(service, body)["StatusCode"] == "Finished"


def test_a_service_without_inputs_takes_a_job_of_parameters_only(bench: Bench) -> None:
    service = bench.publish_training(
        inputs=(),
        outputs={"output1": OutputKind.MODEL},
        parameters={"URI": Parameter(required=True)},
    )
    body = {
        "GlobalParameters": {"URI": "https://data.blob.core.windows.net/in/census.csv"},
        "Outputs": {"output1": bench.reference("out/model001.ilearner", "cw")},
    }
    assert bench.submit(service, body).status == 200
    assert detail(bench.submit(service, {**body, "GlobalParameters": {}})) == (
        400,
        "BadArgument",
        "MissingRequiredGlobalParameters",
    )


def _refused(bench: Bench) -> dict[str, tuple[dict[str, Any], str]]:
    good = bench.order()
    source = good["Inputs"]["input1"]
    out = good["Outputs"]
    return {
        "both input forms": ({"Input": source}, "DuplicateInputInBatchCall"),
        "unknown input": ({"Inputs": {"X": source}}, "InvalidInputNames"),
        "no input": ({"Inputs": None}, "BatchJobInputsNotSpecified"),
        "an empty input": ({"Inputs": {"input1": {}}}, "InputBlobRelativeLocationInvalid"),
        "no place": (
            {"Inputs": {"input1": {**source, "RelativeLocation": ""}}},
            "InputBlobRelativeLocationInvalid",
        ),
        "no SAS": (
            {"Inputs": {"input1": {**source, "SasBlobToken": None}}},
            "MissingInputBlobInformation",
        ),
        "no container": (
            {"Inputs": {"input1": {**source, "RelativeLocation": "/a.csv"}}},
            "ContainerSegmentInvalid",
        ),
        "a base that is no URL": (
            {"Inputs": {"input1": {**source, "BaseLocation": "file:///etc/"}}},
            "InvalidBlob",
        ),
        "a connection string without a key": (
            {"Inputs": {"input1": {**source, "ConnectionString": "AccountName=a"}}},
            "InvalidBlobConnectionString",
        ),
        "input extension": (
            {"Inputs": {"input1": {**source, "RelativeLocation": "in/census"}}},
            "InvalidBlobExtension",
        ),
        "input not there": (
            {"Inputs": {"input1": {**source, "RelativeLocation": "in/none.csv"}}},
            "BlobNotFound",
        ),
        "input SAS expired": (
            {"Inputs": {"input1": {**source, "SasBlobToken": bench.sas(hours=-1)}}},
            "BlobNotFound",
        ),
        "output name in another case": (
            {"Outputs": {**out, "Output1": out["output1"]}},
            "InvalidOutputOverrideName",
        ),
        "output extension": (
            {"Outputs": {**out, "output1": {**out["output1"], "RelativeLocation": "o/m.csv"}}},
            "InvalidBlobExtension",
        ),
        "half an output": (
            {"Outputs": {**out, "output1": {**out["output1"], "BaseLocation": None}}},
            "MissingOutputOverrideSpecification",
        ),
        "one output only": (
            {"Outputs": {"output1": out["output1"]}},
            "MissingRequiredOutputOverrides",
        ),
        "unknown parameter": ({"GlobalParameters": {"X": "1"}}, "UnexpectedParameter"),
        "parameter of another type": (
            {"GlobalParameters": {"Regularization": "strong"}},
            "BadParameterValue",
        ),
        "a parameter that is no text": (
            {"GlobalParameters": {"Data date": ["2017"]}},
            "BadParameterValue",
        ),
        "a misspelt member": ({"GolbalParameters": {}}, "RequestBodyInvalid"),
        "a misspelt part": (
            {"Inputs": {"input1": {**source, "ConnetionString": "x"}}},
            "RequestBodyInvalid",
        ),
        "the old singular Output": ({"Output": None}, "RequestBodyInvalid"),
        "inputs as a list": ({"Inputs": [source]}, "RequestBodyInvalid"),
    }


@pytest.mark.parametrize("case", _refused(Bench()))
def test_an_order_that_does_not_fit_is_refused_by_its_documented_code(
    bench: Bench, case: str
) -> None:
    service = bench.publish_training()
    changes, code = _refused(bench)[case]
    answer = bench.submit(service, bench.order(**changes))
    assert detail(answer) == (400, "BadArgument", code)
    assert "SECRET" not in answer.body.decode()
    assert "U0VDUkVU" not in answer.body.decode()
    assert bench.studio.jobs == []


def test_refusals_use_the_words_that_were_recorded(bench: Bench) -> None:
    service = bench.publish_training()
    source = bench.reference("/vishal/training/input")
    assert message(bench.submit(service, bench.order(Inputs={"input1": source}))) == (
        "The blob reference: vishal/training/input has an invalid or missing file extension. "
        'Supported file extensions for this output type are: ".csv, .tsv, .arff".'
    )
    assert message(bench.submit(service, bench.order(Inputs={"X": source}))) == (
        "Invalid service input name(s) specified in the request: X. "
        "Please map the input data to the correct service inputs and try again."
    )
    assert message(bench.submit(service, bench.order(Outputs={"X": source}))) == (
        "Invalid output override name: X. The service does not have an output node with this name. "
        "Please pass in a correct output node name to override (case sensitivity applies)."
    )


def test_a_body_that_is_no_json_object_is_refused(bench: Bench) -> None:
    service = bench.publish_training()
    empty = bench.call("POST", service.jobs_url, service.api_key)
    assert detail(empty) == (400, "BadArgument", "RequestIsEmpty")
    bodies: tuple[object, ...] = ([], "text", 7)
    for body in bodies:
        answer = bench.submit(service, body)
        assert detail(answer) == (400, "BadArgument", "RequestBodyInvalid")


def test_only_the_endpoints_own_keys_are_let_in(bench: Bench) -> None:
    service, other = bench.publish_training(), bench.publish_training()
    for key in (None, "", other.api_key, bench.studio.workspace_token):
        answer = bench.call("POST", service.jobs_url, key, bench.order())
        assert detail(answer) == (401, "Unauthorized", "ScoreRequestUnauthorized")
        assert answer.json()["error"] == {
            "code": "Unauthorized",
            "message": "Request is unauthorized to access resource.",
            "details": [
                {"code": "ScoreRequestUnauthorized", "message": "Invalid credentials provided."}
            ],
        }


@pytest.mark.parametrize("version", ["", "1.0", "2.00"])
def test_another_api_version_is_refused(bench: Bench, version: str) -> None:
    service = bench.publish_training()
    answer = bench.call("POST", service.jobs_url, service.api_key, bench.order(), version=version)
    assert detail(answer) == (400, "BadArgument", "BadVersionCall")


def test_what_does_not_exist_is_not_found(bench: Bench) -> None:
    service, other = bench.publish_training(), bench.publish_training()
    job = bench.submit(service).json()
    key = service.api_key
    cases = {
        service.jobs_url.replace(service.endpoint_id, service.web_service_id): "WebServiceNotFound",
        service.jobs_url.replace(service.workspace_id, "0" * 32): "WorkspaceNotFound",
        f"{service.jobs_url}/{'f' * 32}": "JobNotFound",
        f"{service.jobs_url.removesuffix('jobs')}nothing": "OperationNotFound",
        "/": "OperationNotFound",
    }
    for url, code in cases.items():
        assert detail(bench.call("GET", url, key)) == (404, "NotFound", code)
    foreign = bench.call("GET", f"{other.jobs_url}/{job}", other.api_key)
    assert detail(foreign) == (404, "NotFound", "JobNotFound")
    for method, url in (("GET", f"{service.jobs_url}/"), ("POST", f"{service.jobs_url}//start")):
        assert detail(bench.call(method, url, key)) == (400, "BadArgument", "MissingJobId")


@pytest.mark.parametrize("name", ["a b's.csv", "größe.csv", "in(1)+2.csv", "tief/er/x.csv"])
def test_a_raw_name_reaches_the_blob_of_that_name(bench: Bench, name: str) -> None:
    service = bench.publish_training()
    bench.blobs.contents[f"{BASE}in/{name}"] = CSV
    order = bench.order(Inputs={"input1": bench.reference(f"in/{name}")})
    assert bench.finished(service, order)["StatusCode"] == "Finished"


@pytest.mark.parametrize("name", ["a#b.csv", "a?b.csv", "a%62.csv"])
def test_url_signs_in_a_name_mean_what_they_mean_in_a_url(bench: Bench, name: str) -> None:
    service = bench.publish_training()
    bench.blobs.contents[f"{BASE}in/{name}"] = CSV
    answer = bench.submit(service, bench.order(Inputs={"input1": bench.reference(f"in/{name}")}))
    assert detail(answer) == (400, "BadArgument", "BlobNotFound")


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


def test_the_bearer_scheme_is_known_in_any_case(bench: Bench) -> None:
    service = bench.publish_training()
    url = f"{service.jobs_url}?api-version=2.0"
    for scheme in ("Bearer", "bearer", "BEARER"):
        request = WireRequest("POST", url, {"authorization": f"{scheme} {service.api_key}"}, b"{}")
        assert bench.send(request).status == 400


def test_of_many_starts_at_once_exactly_one_is_accepted(bench: Bench) -> None:
    service = bench.publish_training()
    url = f"{service.jobs_url}/{bench.submit(service).json()}/start"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bench.call("POST", url, service.api_key), range(16)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 15
    assert bench.studio.work() == 1
