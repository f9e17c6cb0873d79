"""The request-response service (studio-classic §2)."""

import pytest

from local.studio import InstantTrainer
from local.studio.model import BadModelError, Model
from tests.local.studio.bench import BASE, CSV, Bench, detail, message

SURFACE = Model(("surface",), (100.0,), (50.0,), (2.0,), 0.0, ("cheap", "dear")).dumps()


def _table(bench: Bench, *rows: list[object]) -> dict[str, object]:
    return {"Inputs": {"input1": {"ColumnNames": ["surface"], "Values": rows}}}


def test_a_table_comes_back_with_its_scores_all_as_text(bench: Bench) -> None:
    service = bench.studio.publish_scoring("Immo", resource="m", model=SURFACE)
    body = {**_table(bench, ["100"], [150]), "GlobalParameters": {}}
    url = service.execute_url
    answer = bench.call("POST", url, service.api_key, body, query="&details=true")
    assert answer.json() == {
        "Results": {
            "output1": {
                "type": "table",
                "value": {
                    "ColumnNames": ["surface", "Scored Labels", "Scored Probabilities"],
                    "ColumnTypes": ["Int32", "String", "Double"],
                    "Values": [
                        ["100", "dear", "0.5"],
                        ["150", "dear", "0.8807970779778823"],
                    ],
                },
            }
        }
    }


def test_column_types_are_reported_with_details_only(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    for query in ("", "&details=false"):
        value = bench.score(endpoint, query=query).json()["Results"]["output1"]["value"]
        assert list(value) == ["ColumnNames", "Values"]
    value = bench.score(endpoint, query="&details=true", age=1, income=2.5, name="x", big=2**31)
    types = value.json()["Results"]["output1"]["value"]["ColumnTypes"]
    assert types == ["Int32", "Double", "String", "Double", "Int32", "Double"]


def test_row_objects_come_back_as_row_objects(bench: Bench) -> None:
    service = bench.studio.publish_scoring("Immo", resource="m", model=SURFACE)
    body = {"Inputs": {"input1": [{"surface": "100"}, {"surface": 50}]}}
    query = "&format=swagger"
    answer = bench.call("POST", service.execute_url, service.api_key, body, query=query)
    assert answer.json() == {
        "Results": {
            "output1": [
                {"surface": "100", "Scored Labels": "dear", "Scored Probabilities": "0.5"},
                {
                    "surface": "50",
                    "Scored Labels": "cheap",
                    "Scored Probabilities": "0.11920292202211755",
                },
            ]
        }
    }


def test_a_model_trained_on_other_features_fails_only_when_scored(bench: Bench) -> None:
    endpoint = bench.publish_scoring()
    other = InstantTrainer().train({"input1": b"age,hello,label\n1,2,0\n"}, {}, label=None)
    bench.blobs.contents[f"{BASE}m/x.ilearner"] = other.model
    assert bench.patch(endpoint, bench.reference("m/x.ilearner")).status == 200
    assert bench.score(endpoint).status == 200
    bench.clock.advance(minutes=1)
    answer = bench.score(endpoint)
    assert detail(answer) == (400, "LibraryExecutionError", "ModuleExecutionError")
    assert message(answer) == (
        "table: The data set being scored must contain all features used during training, "
        "missing feature(s): 'hello'."
    )
    assert answer.json()["error"]["details"][0]["target"] == "Score Model (AFx Library)"


@pytest.mark.parametrize("content", [b"", b"no model", b"{}", b'{"format": "studio-model/2"}'])
def test_a_file_that_is_no_model_fails_when_it_is_to_serve(bench: Bench, content: bytes) -> None:
    endpoint = bench.publish_scoring()
    bench.blobs.contents[f"{BASE}m/x.ilearner"] = content
    assert bench.patch(endpoint, bench.reference("m/x.ilearner")).status == 200
    bench.clock.advance(minutes=1)
    assert detail(bench.score(endpoint)) == (500, "InternalError", "ResourceLoadFailed")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ("BadArgument", "MissingRequestInput")),
        ({"Inputs": {"input2": []}}, ("BadArgument", "MissingRequestInput")),
        ({"Inputs": {"input1": {}, "input2": {}}}, ("BadArgument", "InvalidInputNames")),
        ({"Inputs": {"input1": [{"surface": 1}]}}, ("BadArgument", "RequestBodyInvalid")),
        (
            {"Inputs": {"input1": {"ColumnNames": ["surface"], "Values": [[1, 2]]}}},
            ("BadUserArgument", "InputMismatchError"),
        ),
        (
            {"Inputs": {"input1": {"ColumnNames": ["surface", "surface"], "Values": []}}},
            ("BadUserArgument", "InputMismatchError"),
        ),
        (
            {"Inputs": {"input1": {"ColumnNames": ["surface"], "Values": [["wide"]]}}},
            ("BadUserArgument", "InputParseError"),
        ),
        (
            {"Inputs": {"input1": {"ColumnNames": ["surface"], "Values": [[None]]}}},
            ("BadUserArgument", "InputParseError"),
        ),
        (
            {"Inputs": {"input1": {}}, "GlobalParameters": {"x": 1}},
            ("BadArgument", "UnexpectedParameter"),
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    bench: Bench, body: object, expected: tuple[str, str]
) -> None:
    service = bench.studio.publish_scoring("Immo", resource="m", model=SURFACE)
    answer = bench.call("POST", service.execute_url, service.api_key, body)
    assert detail(answer) == (400, *expected)


def test_each_service_does_its_own_kind_of_work_only(bench: Bench) -> None:
    training, scoring = bench.publish_training(), bench.publish_scoring()
    refused = (400, "BadArgument", "WebServiceTypeInvalid")
    assert detail(bench.score(training)) == refused
    assert detail(bench.submit(scoring)) == refused


def test_the_description_needs_no_key_and_names_the_columns(bench: Bench) -> None:
    endpoint = bench.publish_scoring(CSV)
    url = endpoint.execute_url.replace("execute", "swagger.json")
    found = bench.call("GET", url, version="").json()
    assert list(found["definitions"]["input1Item"]["properties"]) == ["age", "income"]
    assert list(found["paths"])[1] == "/execute?api-version=2.0&format=swagger"
    assert found["definitions"]["ExecutionRequest"]["example"]["Inputs"]["input1"]


def test_a_model_survives_being_written_and_read() -> None:
    model = Model(("a", "b"), (1.0, 2.0), (1.0, 0.5), (-1.0, 2.0), 0.25, ("0", "1"))
    assert Model.loads(model.dumps()) == model
    assert model.score({"a": 1e308, "b": -1e308}).probability == 0.0
    assert model.score({"a": -1e308, "b": 2.0}).probability == 1.0


@pytest.mark.parametrize(
    "change",
    [
        b'"scales": [0.0]',
        b'"scales": [1.0, 1.0]',
        b'"means": ["x"]',
        b'"means": [NaN]',
        b'"classes": ["0"]',
        b'"features": [1]',
        b'"intercept": null',
    ],
)
def test_a_model_whose_parts_do_not_fit_is_not_read(change: bytes) -> None:
    with pytest.raises(BadModelError):
        Model.loads(SURFACE.replace(b"}", b", " + change + b"}"))
