"""A folder with settings and a pipelines file, and the command line in it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.cli.factories import write_factory

SECRET = "c2VjcmV0c2VjcmV0"
PIPELINES = """\
pipelines:
  census:
    data:
      blob: census/{name}.csv
    training:
      service: https://127.0.0.1:1/workspaces/w/services/e/jobs
      api_key: ${KEY}
"""
SETTINGS = {
    "AzureWebJobsStorage": "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
    "BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a",
    "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    "TRAINING_DATA_CONTAINER": "training-data",
    "MODELS_CONTAINER": "models",
    "LEDGER_CONTAINER": "ledger",
    "KEY": SECRET,
}


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Relearn = Callable[..., Said]


def write_settings(folder: Path, **changes: str) -> None:
    values = {"Values": {**SETTINGS, **changes}}
    (folder / "local.settings.json").write_text(json.dumps(values))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the commands run."""
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    write_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RELEARN_FUNCTION_KEY", raising=False)
    return tmp_path


@pytest.fixture
def factory(folder: Path) -> Path:
    """A folder with the definitions of a factory; there is no app around it yet."""
    (folder / "pipelines.yaml").unlink()
    (folder / "local.settings.json").unlink()
    return write_factory(folder / "factory")


@pytest.fixture
def relearn(folder: Path, capsys: pytest.CaptureFixture[str]) -> Relearn:
    """Runs a command in the folder; nothing that it prints is a traceback or holds a secret."""
    del folder

    def run(*arguments: str) -> Said:
        code = main(arguments)
        said = capsys.readouterr()
        assert "Traceback" not in f"{said.out}{said.err}"
        assert SECRET not in f"{said.out}{said.err}"
        assert "\x1b" not in f"{said.out}{said.err}", "colours are only for terminals"
        return Said(code, said.out, said.err)

    return run
