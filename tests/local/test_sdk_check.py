"""The check by Microsoft's client: its pinned versions, and that it calls only the stand-in."""

import ast
import json
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from local.azureml.sample import EXAMPLES
from local.sdk_check import __main__ as check
from local.virtual_environment import NOT_CHECKED, InstallError

DRIVER = Path(check.__file__).with_name("driver.py")
DRIVEN = (DRIVER, DRIVER.with_name("endpoint_steps.py"))


def test_every_package_is_pinned() -> None:
    lines = check.REQUIREMENTS.read_text(encoding="ascii").splitlines()
    assert "azure-ai-ml==1.35.2" in lines
    assert all("==" in line for line in lines)


def test_the_driver_knows_nothing_of_this_project() -> None:
    names = {
        node.module or ""
        for file in DRIVEN
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    assert "azure.ai.ml" in names
    assert not [name for name in names if name.split(".")[0] in ("local", "shared", "tests")]


def test_every_example_has_a_loader_and_a_schema() -> None:
    kinds = set()
    for file in EXAMPLES.glob("*.yml"):
        kinds.add(file.stem.rpartition(".")[2])
        assert "azuremlschemas.azureedge.net" in yaml.safe_load(file.read_text())["$schema"]
    online = {"endpoint", "deployment"}
    assert kinds == {"component", "job", "environment", "model", "datastore"} | online


@pytest.mark.parametrize(
    ("arguments", "ci", "code"),
    [(["--reduced"], "", NOT_CHECKED), (["--reduced"], "true", 1), ([], "", 1)],
)
def test_without_the_client_nothing_is_checked_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    ci: str,
    code: int,
) -> None:
    def fail(*_: object) -> Path:
        raise InstallError("no network")

    monkeypatch.setattr(check, "python_with", fail)
    monkeypatch.setenv("CI", ci)
    assert check.main(arguments) == code
    said = capsys.readouterr().out
    assert "no network" in said
    assert ("NOT CHECKED" in said) is (code == NOT_CHECKED)


def test_the_sample_is_what_the_client_would_register() -> None:
    component = yaml.safe_load((EXAMPLES / "pipeline.component.yml").read_text())
    step = yaml.safe_load((EXAMPLES / "train.component.yml").read_text())
    node = component["jobs"]["train"]
    assert set(node["inputs"]) <= set(step["inputs"])
    assert set(node["outputs"]) == set(step["outputs"]) == set(component["outputs"])
    assert json.dumps(component["outputs"]) == json.dumps(
        {name: {"type": "uri_folder"} for name in ("model", "evaluation")}
    )


class App:
    """Notes what is done for the driver."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def train(self) -> None:
        self.did.append("train")

    def serve(self) -> None:
        self.did.append("serve")


def test_what_the_driver_asks_for_is_done_and_its_exit_code_returned() -> None:
    code = "print('the app: train', flush=True); assert input() == 'done'; raise SystemExit(3)"
    app = App()
    assert check._drive([sys.executable, "-c", code], cast("Any", app)) == 3
    assert app.did == ["train"]


def test_a_client_that_waits_without_end_is_stopped_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    assert check._drive(command, cast("Any", App()), longest=1) != 0
    assert "azure-ai-ml was stopped: it had not ended after 1 s" in capsys.readouterr().out
