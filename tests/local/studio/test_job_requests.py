"""Requests for a batch job: their forms, and their refusals (studio-classic §1, §5)."""

from typing import Any

import pytest

from local.studio import OutputKind, Parameter, WireRequest
from tests.local.studio.bench import BASE, CSV, Bench, detail, message


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
        "a base that is not a URL": (
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
        "a parameter that is not a text": (
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
def test_a_request_that_does_not_fit_is_refused_by_its_documented_code(
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


def test_the_bearer_scheme_is_known_in_any_case(bench: Bench) -> None:
    service = bench.publish_training()
    url = f"{service.jobs_url}?api-version=2.0"
    for scheme in ("Bearer", "bearer", "BEARER"):
        request = WireRequest("POST", url, {"authorization": f"{scheme} {service.api_key}"}, b"{}")
        assert bench.send(request).status == 400
