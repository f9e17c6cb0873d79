"""Where models and evaluations of a finished job are found, and how a model is registered."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.azureml_models import model_named
from shared.core.config.azureml_names import workspace_of
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.training import FinishedJob
from tests.unit.providers.azureml.service import RUN, WS, Bench, refuses, registered, says, vector

VERSION = "0123456789abcdef0123-1"
LONG = "azureml://subscriptions/s1/resourcegroups/rg1/workspaces/ws1/datastores"
FOLDER = f"runs/census/{RUN}/1/model"
ONLY = {"production": None}


def trained(**changes: Any) -> tuple[Bench, FinishedJob]:
    bench = Bench(**changes)
    job = bench.finished()
    bench.write("model/MLmodel", b"flavors: {}")
    bench.write("model/model.pkl", b"x")
    bench.write("evaluation/evaluation.json", b'{"AUC": 0.91}')
    return bench, job


# Models


def test_a_model_is_registered_under_a_version_of_run_and_attempt() -> None:
    bench, job = trained()
    model = registered(bench.service, job, ONLY)["production"]
    assert (model.provider, model.name) == ("azureml", f"azureml:census:{VERSION}")
    assert model.reference["id"] == f"{WS}/models/census/versions/{VERSION}"
    (put,) = bench.workspace.calls("PUT", "/models/")
    assert put.url.endswith(f"/models/census/versions/{VERSION}?api-version=2025-12-01")
    assert put.json() == {
        "properties": {
            "modelType": "mlflow_model",
            "modelUri": f"{LONG}/modelstore/paths/{FOLDER}",
            "jobName": job.handle,
            "tags": {
                "relearn.run": RUN,
                "relearn.attempt": "1",
                "relearn.pipeline": "census",
            },
            "properties": {},
            "isArchived": False,
        }
    }


def test_registering_twice_is_registering_once() -> None:
    bench, job = trained()
    first = registered(bench.service, job, ONLY)
    assert registered(bench.service, job, ONLY) == first
    assert bench.workspace.count("PUT", "/models/") == 1


def test_a_version_that_is_there_counts_however_its_uri_is_written() -> None:
    bench, job = trained()
    uri = f"{LONG}/modelstore/paths/{FOLDER}/".replace("resourcegroups", "resourceGroups")
    known = {"properties": {"modelUri": uri, "modelType": "CustomModel"}}
    bench.workspace.resources[f"models/census/versions/{VERSION}"] = known
    assert registered(bench.service, job, ONLY)["production"].reference["version"] == VERSION
    assert bench.workspace.count("PUT", "/models/") == 0


def test_a_version_that_holds_something_else_is_never_changed() -> None:
    bench, job = trained()
    other = {"properties": {"modelUri": f"{LONG}/modelstore/paths/elsewhere"}}
    bench.workspace.resources[f"models/census/versions/{VERSION}"] = other
    model = registered(bench.service, job, ONLY)["production"]
    assert model.reference["version"] == f"{VERSION}-2"


def test_a_lost_answer_is_asked_for_again() -> None:
    for lost in (OutcomeUnknownError("PUT: the answer was lost"), refuses(503, "Busy")):
        bench, job = trained()
        bench.workspace.script("PUT", VERSION, lost)
        with pytest.raises(TransientError):
            registered(bench.service, job, ONLY)
        assert registered(bench.service, job, ONLY)


def test_a_missing_container_is_a_404_with_a_body() -> None:
    bench, job = trained()
    recorded = vector("rec_model_put_201_and_404")["get_latest_404"]
    bench.workspace.script("GET", VERSION, says(recorded["body"], 404))
    assert registered(bench.service, job, ONLY)


def test_name_type_and_tags_are_those_of_the_configuration() -> None:
    wanted = {"name": "churn", "type": "custom_model", "description": "d", "tags": {"a": "b"}}
    bench, job = trained(register_as={"model": wanted})
    assert registered(bench.service, job, ONLY)["production"].name == f"azureml:churn:{VERSION}"
    properties = bench.workspace.calls("PUT", "/models/")[0].json()["properties"]
    assert (properties["modelType"], properties["description"]) == ("custom_model", "d")
    assert properties["tags"]["a"] == "b"


def test_without_a_word_the_component_says_which_output_is_the_model() -> None:
    bench, job = trained(outputs={})
    bench.write("model/MLmodel", b"x")
    assert registered(bench.service, job, ONLY)["production"].name == f"azureml:census:{VERSION}"


def test_of_several_models_one_must_be_named() -> None:
    bench, job = trained(register_as={"model": "a", "metrics": "b"})
    with pytest.raises(PermanentError, match="several models, metrics, model: name one as `model`"):
        registered(bench.service, job, ONLY)
    both = registered(bench.service, job, {"x": "model", "y": "metrics"})
    assert [model.reference["name"] for model in both.values()] == ["a", "b"]


def test_a_component_without_a_model_makes_none() -> None:
    bench, job = trained(outputs={})
    spec = bench.workspace.resources["components/train-census/versions/3"]
    spec["properties"]["componentSpec"]["outputs"] = {"a": {"type": "uri_file"}, "b": {}}
    fresh = Bench(outputs={})
    fresh.workspace.resources = bench.workspace.resources
    assert registered(fresh.service, job, {"": None}) == {}


def test_a_model_that_is_not_there_yet_is_waited_for() -> None:
    bench = Bench()
    job = bench.finished()
    with pytest.raises(TransientError, match="has no file at models/runs/census") as caught:
        registered(bench.service, job, ONLY)
    assert caught.value.patience == timedelta(minutes=10)
    assert "training.outputs" in caught.value.advice


def test_files_of_an_earlier_job_do_not_count() -> None:
    bench = Bench()
    bench.write("model/MLmodel", b"old")
    job = bench.finished(bench.clock.now() + timedelta(minutes=5))
    with pytest.raises(TransientError):
        registered(bench.service, job, ONLY)


def test_an_empty_marker_of_a_folder_is_no_model() -> None:
    bench = Bench()
    job = bench.finished()
    bench.write("model", b"")
    bench.write("model-of-another/x", b"x")
    with pytest.raises(TransientError):
        registered(bench.service, job, ONLY)


# Outputs that the service put elsewhere


def elsewhere(bench: Bench, job: FinishedJob, kind: str = "UriFolder") -> None:
    history = bench.workspace.history
    history[f"children {job.handle}"] = [{"runId": "step-1", "displayName": "fit"}]
    outputs = {"model": {"assetId": "azureml://a/1", "type": kind}}
    history["rundata step-1"] = {"runMetadata": {"outputs": outputs}}
    uri = f"{LONG}/modelstore/paths/azureml/step-1/model/"
    history["places"] = {"azureml://a/1": {"uri": uri, "path": uri}}
    bench.blobs.put("models", "azureml/step-1/model/MLmodel", b"m")
    bench.blobs.put("models", "azureml/step-1/model/data/model.pkl", b"p")
    bench.blobs.put("models", "azureml/step-1/model-2/other", b"o")


@pytest.mark.parametrize("kind", ["UriFolder", "uri_folder", "MLFlowModel", "custom_model"])
def test_an_output_whose_uri_was_not_kept_is_found_and_copied(kind: str) -> None:
    bench = Bench()
    job = bench.finished()
    elsewhere(bench, job, kind)
    model = registered(bench.service, job, ONLY)["production"]
    assert model.reference["uri"] == f"{LONG}/modelstore/paths/{FOLDER}"
    assert bench.blobs.read("models", f"{FOLDER}/data/model.pkl", 9) == b"p"
    assert bench.blobs.read("models", f"{FOLDER}/other", 9) is None
    (resolved,) = bench.workspace.calls("POST", "batchGetResolvedUris")
    model_kind = kind not in ("UriFolder", "uri_folder")
    assert ("/modelregistry/" in resolved.url) is model_kind
    assert resolved.json() == {"values": ["azureml://a/1"]}


def test_a_command_says_itself_where_its_output_is() -> None:
    bench = Bench()
    job = bench.finished()
    uri = "azureml://datastores/modelstore/paths/azureml/x/model"
    bench.workspace.job(job.handle, "Completed", outputs={"model": {"uri": uri}})
    bench.blobs.put("models", "azureml/x/model/MLmodel", b"m")
    assert registered(bench.service, job, ONLY)
    assert bench.blobs.read("models", f"{FOLDER}/MLmodel", 9) == b"m"
    assert bench.workspace.count("POST", "/rundata") == 0


def test_the_last_resort_is_the_default_datastore() -> None:
    for start in ("azureml", "dataset"):
        bench = Bench()
        job = bench.finished()
        default = bench.workspace.resources["datastores"][0]
        default["properties"]["isDefault"] = True
        bench.blobs.put("models", f"{start}/{job.handle}/model/MLmodel", b"m")
        assert registered(bench.service, job, ONLY)
        assert bench.blobs.read("models", f"{FOLDER}/MLmodel", 9) == b"m"


# Evaluations


@pytest.mark.parametrize(
    ("files", "metrics", "read"),
    [
        ({"evaluation.json": b"{}", "a.csv": b"x"}, "metrics", "evaluation.json"),
        ({"scores.csv": b"a\n1"}, "metrics", "scores.csv"),
        ({"deep/report.JSON": b"{}", "plot.png": b"x"}, "metrics", "deep/report.JSON"),
        ({"a.json": b"{}", "b.json": b"[]"}, "metrics/b.json", "b.json"),
    ],
)
def test_which_file_of_a_folder_is_the_evaluation(
    files: dict[str, bytes], metrics: str, read: str
) -> None:
    bench = Bench()
    job = bench.finished()
    for name, content in files.items():
        bench.write(f"evaluation/{name}", content)
    found = bench.service.evaluation(job, metrics)
    assert found.path == f"runs/census/{RUN}/1/evaluation/{read}"
    assert found.content == files[read]


def test_of_several_files_none_is_guessed() -> None:
    bench = Bench()
    job = bench.finished()
    for name in ("a.json", "b.csv", "c.txt"):
        bench.write(f"evaluation/{name}", b"{}")
    with pytest.raises(PermanentError, match=r"it has a.json, b.csv, c.txt: write gate.metrics"):
        bench.service.evaluation(job, "metrics")


def test_a_file_that_is_not_there_is_missing_with_what_there_is() -> None:
    bench, job = trained()
    found = bench.service.evaluation(job, "metrics/report.json")
    assert (found.content, found.why) == (None, "output metrics has evaluation.json")
    empty = Bench()
    found = empty.service.evaluation(empty.finished(), "metrics")
    assert (found.content, found.why) == (None, "output metrics has no file")


def test_an_evaluation_that_cannot_be_looked_for_is_not_missing() -> None:
    bench = Bench()
    job = bench.finished()
    bench.workspace.script("POST", "/rundata", refuses(403, "AuthorizationFailed"))
    with pytest.raises(TransientError, match="AuthorizationFailed"):
        bench.service.evaluation(job, "metrics")


def test_a_lone_file_may_be_named_like_its_output() -> None:
    bench = Bench(outputs={"model": "model", "metrics": "metrics"})
    job = bench.finished()
    bench.write("metrics", b' {"AUC": 1}')
    found = bench.service.evaluation(job, "metrics")
    assert found.path.endswith("/1/metrics.json")
    assert found.content == b' {"AUC": 1}'


def test_without_an_output_it_is_the_file_beside_the_model() -> None:
    bench, job = trained()
    assert bench.service.evaluation(job, None).content is None
    bench.write("model/evaluation.json", b"{}")
    assert bench.service.evaluation(job, None).content == b"{}"


def metric(key: str, value: object) -> dict[str, object]:
    return {"key": key, "value": value, "timestamp": 1, "step": 0}


def test_metrics_of_mlflow_are_read_only_where_they_are_asked_for() -> None:
    bench, job = trained()
    logged = [metric("AUC", 0.9), metric("loss", "NaN"), metric("x", None), metric("n", "3")]
    bench.workspace.history["get"] = {"run": {"data": {"metrics": logged}}}
    found = bench.service.evaluation(job, "mlflow:")
    assert found.content == b'{"AUC": 0.9, "n": 3.0}'
    assert found.path == f"mlflow/{job.handle}.json"
    (get,) = bench.workspace.calls("GET", "/mlflow/v2.0")
    assert get.url.endswith(f"/runs/get?run_id={job.handle}")


def test_metrics_of_mlflow_may_be_those_of_a_step() -> None:
    bench, job = trained()
    bench.workspace.history[f"children {job.handle}"] = [{"runId": "s1", "displayName": "fit"}]
    assert bench.service.evaluation(job, "mlflow:score").content is None
    missing = bench.service.evaluation(job, "mlflow:fit")
    assert missing.content is None
    assert "has logged no finite metric" in missing.why
    assert bench.workspace.calls("GET", "run_id=s1")


# Models that operators name


def test_a_model_that_is_named_is_looked_up() -> None:
    bench = Bench()
    named = model_named("azureml:churn:7", workspace_of(WS))
    with pytest.raises(PermanentError, match="no model azureml:churn:7"):
        bench.service.model_again(named)
    properties = {"modelType": "mlflow_model", "modelUri": "azureml://x"}
    bench.workspace.resources["models/churn/versions/7"] = {"properties": properties}
    found = bench.service.model_again(named)
    assert (found.name, found.digest) == (named.name, named.digest)
    assert (found.reference["type"], found.reference["uri"]) == ("mlflow_model", "azureml://x")
    assert bench.service.evaluation_beside(found).content is None


@pytest.mark.parametrize("text", ["churn:7", "azureml:churn", "azureml:churn@latest", "x.ilearner"])
def test_a_model_is_named_with_its_version(text: str) -> None:
    with pytest.raises(ValueError, match=r"azureml:<name>:<version>|name the version"):
        model_named(text, workspace_of(WS))
