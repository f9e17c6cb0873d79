"""The example of Azure Machine Learning: it loads, and its scoring script answers its request."""

import importlib.util
import json
import math
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.config.file_locations import LocalFiles
from shared.config.loader import load_pipelines
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_training import AzureMlTraining
from shared.maintenance.changed_file import WatchedFiles
from shared.providers.azureml.deployment_bodies import deployment_properties

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "azureml"
REQUEST: dict[str, Any] = json.loads((EXAMPLES / "request.json").read_text())


def test_the_example_file_is_sound_but_for_the_ids_that_are_yours() -> None:
    watched = WatchedFiles(LocalFiles())
    file = ROOT / "pipelines.azureml.yaml"
    found = load_pipelines(file, {}, development=False, files=watched)
    assert found.problems == ()
    expected = ["endpoints.0.deployment: name is replaced: each deployment gets its own"]
    ids = "training.workspace: holds an id of the example file, which no service has: write yours"
    hints = [str(hint).partition(" pipelines.")[2] for hint in found.hints]
    assert hints == [f"breast-cancer.{one}" for one in (*expected, ids)] + [f"nightly.{ids}"]
    names = ("deployment.yml", "request.json", "train.job.yml")
    assert {one.name for one in watched.files} == {file.name, *names}
    component, job = found.pipelines["breast-cancer"], found.pipelines["nightly"]
    (endpoint,) = component.endpoints
    assert isinstance(endpoint, AzureMlEndpoint)
    assert endpoint.rows == REQUEST
    made = deployment_properties(endpoint.deployment, endpoint.workspace_parts)
    assert made["codeConfiguration"]["scoringScript"] == "score.py"
    assert made["requestSettings"]["requestTimeout"] == "PT5S"
    assert isinstance(job.training, AzureMlTraining)
    assert (job.endpoints, job.training.job is None) == ((), False)


def test_the_example_is_copied_with_its_files(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples" / "azureml")
    shutil.copy(ROOT / "pipelines.azureml.yaml", tmp_path / "pipelines.yaml")
    found = load_pipelines(tmp_path / "pipelines.yaml", {}, development=False)
    assert set(found.pipelines) == {"breast-cancer", "nightly"}


def test_the_comparison_in_its_comments_is_sound(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples" / "azureml")
    text = (ROOT / "pipelines.azureml.yaml").read_text(encoding="utf-8")
    inputs = 'inputs: { live: "{live.model}", anchor: "{anchor.model}", '
    text = re.sub(r"^( {6})# (compare:|  \w+: )", r"\1\2", text, flags=re.MULTILINE)
    text = text.replace("inputs: { ", inputs, 1)
    text = text.replace("outputs: { ", "outputs: { predictions: predictions, ", 1)
    (tmp_path / "pipelines.yaml").write_text(text, encoding="utf-8")
    found = load_pipelines(tmp_path / "pipelines.yaml", {}, development=False)
    assert found.problems == ()
    compare = found.pipelines["breast-cancer"].gate.compare
    assert compare is not None
    assert (compare.predictions, compare.anchor, compare.unsure) == ("predictions", "pinned", "ask")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    columns = REQUEST["input_data"]["columns"]
    learned = {
        "features": columns,
        "means": [0.0] * len(columns),
        "scales": [1.0] * len(columns),
        "weights": [0.1, *[0.0] * (len(columns) - 1)],
        "bias": -1.5,
        "classes": ["0", "1"],
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps(learned))
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    spec = importlib.util.spec_from_file_location("scoring", EXAMPLES / "src" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.init()
    return module


def test_the_scoring_script_answers_for_each_row(script: ModuleType) -> None:
    answers = script.run(json.dumps(REQUEST))
    given = REQUEST["input_data"]
    first = [row[0] for row in given["data"]]
    assert answers == pytest.approx([1 / (1 + math.exp(1.5 - 0.1 * value)) for value in first])
    turned = {
        "columns": given["columns"][::-1],
        "data": [row[::-1] for row in given["data"]],
    }
    assert script.run(json.dumps({"input_data": turned})) == pytest.approx(answers)


def test_a_request_without_a_column_is_refused(script: ModuleType) -> None:
    request = {"input_data": {"columns": ["mean radius"], "data": [[1]]}}
    with pytest.raises(ValueError, match="columns are missing: mean texture"):
        script.run(json.dumps(request))
