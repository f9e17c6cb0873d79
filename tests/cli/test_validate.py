"""The check of a pipelines file by itself."""

import json
from pathlib import Path

import pytest
from local.validate import main

GOOD = """\
pipelines:
  census:
    schedule: "0 */90 * * * *"
    training:
      service: https://ussouthcentral.services.azureml.net/workspaces/w/services/e/jobs
      api_key: ${KEY}
      inputs: {}
"""


@pytest.fixture
def settings(tmp_path: Path) -> str:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"Values": {"KEY": "c2VjcmV0c2VjcmV0"}}))
    return str(file)


def test_a_sound_file_passes_and_its_hints_are_shown(
    tmp_path: Path, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pipelines.yaml"
    file.write_text(GOOD)
    assert main([str(file), "--settings", settings]) == 0
    said = capsys.readouterr().out
    assert "hint: pipelines.yaml:3: pipelines.census.schedule: minute: */90 fires at 0" in said
    assert "1 sound, 0 with an error, problems: 0" in said


def test_every_problem_is_printed_with_its_line_and_no_secret(
    tmp_path: Path, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pipelines.yaml"
    file.write_text(GOOD.replace("*/90", "*/x").replace("inputs", "imputs"))
    assert main([str(file), "--settings", settings]) == 1
    said = capsys.readouterr().out
    assert "pipelines.yaml:3: pipelines.census.schedule" in said
    assert "pipelines.yaml:7: pipelines.census.training.imputs: unknown key" in said
    assert "c2VjcmV0" not in said
    assert main([str(tmp_path / "none.yaml"), "--settings", settings]) == 1
