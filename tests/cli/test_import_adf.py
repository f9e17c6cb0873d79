"""`relearn import-adf`: the files that it reads and writes, and its output."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli import import_adf, import_report, whole_files
from cli.output import CommandError
from cli.whole_files import write_whole
from tests.cli.conftest import Relearn

FILES = ["import-report.json", "import-report.md", "local.settings.json", "pipelines.yaml"]


def written(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_factory_becomes_a_file_that_validate_accepts(
    factory: Path, folder: Path, relearn: Relearn, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = relearn("import-adf", str(factory))
    assert said.code == 0, said.out
    assert written(folder / "imported") == FILES
    assert "1 pipeline made from" in said.out
    assert "Check the file: relearn validate imported/pipelines.yaml" in said.out
    settings = json.loads((folder / "imported" / "local.settings.json").read_text())["Values"]
    assert settings["TRAINING_DATA_CONTAINER"] == "training"
    assert settings["TRAININGENDPOINT_API_KEY"].startswith("<trainingEndpoint: apiKey")
    report = json.loads((folder / "imported" / "import-report.json").read_text())
    assert {one["name"] for one in report["settings"]} == {
        name for name in settings if name.endswith("_API_KEY")
    }
    text = (folder / "imported" / "import-report.md").read_text()
    assert text.startswith("# Import from Azure Data Factory\n")
    assert relearn("validate", "imported/pipelines.yaml").code == 0
    monkeypatch.chdir(folder / "imported")
    assert relearn("validate", "pipelines.yaml").code == 0


def test_the_guide_shows_what_the_walk_through_says(relearn: Relearn) -> None:
    root = Path(__file__).resolve().parents[2]
    guide = " ".join((root / "docs" / "data-factory.md").read_text(encoding="utf-8").split())
    sample = str(root / "tests" / "vectors" / "data_factory" / "v1_walk_through_classic")
    for output, *more in (["first"], ["second", "--backfill"]):
        said = relearn("import-adf", sample, "--output", output, *more).out
        (summary,) = (line for line in said.splitlines() if "made from" in line)
        assert summary in guide
        (rest,) = (line for line in said.splitlines() if "other lines ask" in line)
        assert rest in guide


def test_no_other_container_has_the_name_of_that_of_the_data(
    factory: Path, folder: Path, relearn: Relearn
) -> None:
    for file in factory.rglob("*.json"):
        text = file.read_text(encoding="utf-8").replace('"training/churn', '"models/churn')
        file.write_text(text, encoding="utf-8")
    assert relearn("import-adf", str(factory)).code == 0
    settings = json.loads((folder / "imported" / "local.settings.json").read_text())["Values"]
    assert settings["TRAINING_DATA_CONTAINER"] == "models"
    assert settings["MODELS_CONTAINER"] == "relearn-models"
    assert settings["LEDGER_CONTAINER"] == "ledger"


def test_the_terminal_shows_what_asks_for_something_and_counts_the_rest(
    factory: Path, relearn: Relearn, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = relearn("import-adf", str(factory)).out
    assert "  mapped  " not in said
    assert "To do: set TRAININGENDPOINT_API_KEY" in said
    assert "other lines ask for nothing: in import-report.md, and with --all." in said
    table = said.partition("window from")[2].splitlines()[1:11]
    assert len(table) == 10
    for row in table:
        start, end, begins = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", row)
        assert start < end
        assert begins == end
    everything = relearn("import-adf", str(factory), "--force", "--all").out
    assert "  mapped           policy retry (" in everything
    assert "in import-report.md" not in everything.partition("What to do next")[0]
    for name in ("_MOST_LINES", "_MOST_SCHEDULES", "_MOST_SETTINGS"):
        monkeypatch.setattr(import_report, name, 0)
    few = relearn("import-adf", str(factory), "--force").out
    for what in ("more lines ask for something", "1 more schedule: ", "more settings: "):
        assert what in few


def test_nothing_is_written_over_without_force(
    factory: Path, folder: Path, relearn: Relearn
) -> None:
    spaced = relearn("import-adf", str(factory), "--output", "my out")
    assert "Check the file: relearn validate 'my out/pipelines.yaml'" in spaced.out
    there = folder / "out"
    there.mkdir()
    (there / "import-report.md").write_text("mine")
    said = relearn("import-adf", str(factory), "--output", "out")
    assert said.code == 1
    assert f"{Path('out', 'import-report.md')} exists: nothing was written" in said.err
    assert written(there) == ["import-report.md"]
    assert relearn("import-adf", str(factory), "--output", "out", "--force").code == 0
    assert written(there) == FILES
    assert (there / "import-report.md").read_text() != "mine"


def test_files_are_written_whole_or_not_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = folder / "out"
    write_whole(there, {"a": "1", "b": "2"})

    def full(self: Path, text: str, **_: Any) -> int:
        if self.name.startswith(".b"):
            raise OSError(28, "No space left on device")
        return original(self, text, encoding="utf-8")

    original = Path.write_text
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CommandError, match="No space left on device"):
        write_whole(there, {"a": "3", "b": "4"})
    assert written(there) == ["a", "b"]
    assert (there / "a").read_text() == "1"
    with pytest.raises(CommandError, match="exist: nothing was written"):
        whole_files.refuse_existing(there, ["a", "b", "c"])


def test_without_a_pipeline_the_report_is_shown_and_nothing_is_written(
    folder: Path, relearn: Relearn
) -> None:
    (folder / "empty").mkdir()
    said = relearn("import-adf", "empty")
    assert said.code == 1
    assert "Nothing was written." in said.out
    assert "Nothing was imported" in said.out
    (folder / "empty" / "package.json").write_text("{}")
    assert "not carried over file package.json" in relearn("import-adf", "empty").out
    assert not (folder / "imported").exists()
    shown = relearn("import-adf", "empty", "--json")
    assert (shown.code, shown.json["result"]) == (1, "nothing imported")
    assert shown.json["written"] == []


def test_json_is_the_report_and_says_what_was_written(
    factory: Path, folder: Path, relearn: Relearn
) -> None:
    said = relearn("import-adf", str(factory), "--json")
    assert said.code == 0
    stored = json.loads((folder / "imported" / "import-report.json").read_text())
    assert {**stored, "written": said.json["written"]} == said.json
    assert sorted(Path(one).name for one in said.json["written"]) == FILES


def test_values_for_the_parameters_of_a_template_come_from_a_file_elsewhere(
    factory: Path, folder: Path, relearn: Relearn
) -> None:
    vector = Path(__file__).parents[1] / "vectors" / "data_factory" / "v2_arm_template"
    values = folder / "elsewhere" / "values.json"
    values.parent.mkdir()
    shutil.copy(vector / "ARMTemplateForFactory.json", factory.parent)
    shutil.copy(vector / "ARMTemplateParametersForFactory.json", values)
    without = relearn("import-adf", "ARMTemplateForFactory.json", "--output", "without")
    assert "has no value: give it with --parameters" in without.out
    given = ("ARMTemplateForFactory.json", "--parameters", str(values))
    said = relearn("import-adf", *given, "--output", "with")
    assert said.code == 0, said.out
    assert "has no value" not in said.out
    assert "/services/34343434343434343434343434343434/jobs" in (
        (folder / "with" / "pipelines.yaml").read_text()
    )
    told = json.loads((folder / "with" / "import-report.json").read_text())["lines"]
    secrets = [one for one in told if one["file"] == "values.json" and "secret" in one["text"]]
    assert {one["name"] for one in secrets} == {
        "fleetScoring_apiKey",
        "fleetStorage_connectionString",
    }
    assert "planted" not in said.out + json.dumps(told)
    (folder / "values.json").write_text('{"parameters": {"factoryName": {"value": "f"}}}')
    again = relearn("import-adf", "values.json", *given, "--output", "again", "--json")
    assert "elsewhere/values.json" in {one["file"] for one in again.json["lines"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "there is no file or folder nowhere: correct the path"),
        (("factory", "--parameters", "none.json"), "correct --parameters"),
        (("factory", "--parameters", "factory/list.json"), "holds no parameters"),
    ],
)
def test_a_wrong_path_is_a_usage_error(
    factory: Path, relearn: Relearn, arguments: tuple[str, ...], message: str
) -> None:
    (factory / "list.json").write_text("[]")
    said = relearn("import-adf", *arguments)
    assert said.code == 2
    assert message in said.err


def test_what_the_app_would_refuse_is_found_by_its_own_reader() -> None:
    settings = {"KEY": "<the key>"}
    text = """\
pipelines:
  good:
    training: &training
      service: https://ussouthcentral.services.azureml.net/workspaces/w/services/e/jobs
      api_key: ${KEY}
      inputs: {}
  bad:
    training:
      <<: *training
      parameters: {a: "AccountKey=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
"""
    refused = import_adf._refused(text, settings)
    assert list(refused) == ["bad"]
    assert "what looks like a signature or a key" in refused["bad"]
    sound = text.partition("      parameters")[0]
    assert import_adf._refused(sound, settings) == {}
    assert list(import_adf._refused("pipelines: [", settings)) == [""]
