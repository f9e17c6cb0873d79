"""The pipelines file that the tests of the loader change."""

import json
from pathlib import Path

import pytest

from shared.config.loader import Configuration, load_pipelines
from tests.unit.config.pipelines_file import ENVIRONMENT, Change, Load, written
from tests.unit.samples import ROWS
from tests.unit.written_yaml import yaml_of


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write pipelines.yaml with one pipeline, changed, or a text; and read it."""

    def write(given: str | Change = lambda _: None, *, development: bool = False) -> Configuration:
        text = given
        if not isinstance(given, str):
            text = yaml_of({"pipelines": {"census": written(given)}}, sort_keys=False)
        (tmp_path / "probe.json").write_text(json.dumps(ROWS))
        (tmp_path / "list.json").write_text("[1]")
        (tmp_path / "empty.json").write_text(json.dumps({"Inputs": {"input1": []}}))
        (tmp_path / "broken.json").write_text("{not json")
        file = tmp_path / "pipelines.yaml"
        file.write_text(str(text), encoding="utf-8")
        return load_pipelines(file, ENVIRONMENT, development=development)

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the file, with a probe in it and others outside."""
    inside = tmp_path / "app"
    (inside / "probes").mkdir(parents=True)
    for file in (inside / "probe.json", inside / "probes" / "deep.json", tmp_path / "outside.json"):
        file.write_text(json.dumps(ROWS))
    return inside
