"""Bad input: the lines of the report for each kind, with the real command."""

from pathlib import Path
from typing import Final

import pytest

from cli.main import main
from tests.importers.imported import run_import
from tests.importers.walked import SAMPLES

LEFT: Final = "not carried over"
ACTIVITY: Final = "properties.activities[0]"
SECOND: Final = "properties.activities[1]"
PARAMETERS: Final = f"{ACTIVITY}.typeProperties.globalParameters"
UPDATE_URL: Final = "properties.typeProperties.updateResourceEndpoint"

#: Folder, whether a pipeline is made, and lines: file, path, outcome, what it says.
CASES: Final = [
    ("no_ml_activity", False, ("pipeline.json", "", LEFT, "no activity of Machine Learning")),
    ("broken_json", True, ("broken.json", "", LEFT, "line 5, column 26")),
    ("broken_json", True, ("ends_early.json", "", LEFT, "line 4, column 34: the file ends too")),
    ("broken_json", True, ("empty.json", "", LEFT, "line 1, column 1: the file is empty")),
    ("missing_reference", False, ("pipeline.json", ACTIVITY, LEFT, "`rows` is missing")),
    ("missing_reference", False, ("model.json", "", LEFT, "activity `Update` uses it, which is")),
    ("two_of_one_name", True, ("copy/model.json", "", LEFT, "is in model.json: that one counts")),
    ("two_of_one_name", True, ("copy/pipeline.json", "", LEFT, "is in pipeline.json: that one")),
    (
        "unresolvable_expression",
        True,
        ("pipeline.json", f"{PARAMETERS}.Unknown", LEFT, "`$$Moon.Phase(SliceStart)`"),
    ),
    (
        "unresolvable_expression",
        True,
        ("version2.json", f"{PARAMETERS}.Run", LEFT, "`@pipeline().RunId`"),
    ),
    ("update_without_training", False, ("pipeline.json", ACTIVITY, LEFT, "no training writes")),
    (
        "training_without_update",
        True,
        ("pipeline.json", ACTIVITY, "approximated", "no update takes the model"),
    ),
    ("default_endpoint", True, ("pipeline.json", SECOND, LEFT, "default endpoint")),
    (
        "scoring_url_as_update_url",
        True,
        ("scoring.json", UPDATE_URL, LEFT, "is a scoring or batch"),
    ),
    (
        "clear_text_secrets",
        True,
        ("training.json", "properties.typeProperties.apiKey", "approximated", "in clear text"),
    ),
    ("not_a_definition", False, ("list.json", "", LEFT, "no definition of a data factory")),
]


@pytest.mark.parametrize(("folder", "made", "wanted"), CASES)
def test_bad_input_gets_a_line_that_says_what_to_do(
    folder: str,
    made: bool,  # noqa: FBT001 - a parameter of the cases
    wanted: tuple[str, str, str, str],
    tmp_path: Path,
) -> None:
    imported = run_import(SAMPLES / "bad" / folder, tmp_path / "result")
    file, path, outcome, text = wanted
    (line,) = (one for one in imported.lines if (one["file"], one["path"]) == (file, path))
    assert line["outcome"] == outcome
    assert text in line["text"]
    assert line["to_do"]
    assert imported.code == (0 if made else 1)
    assert (tmp_path / "result").exists() is made


def test_each_secret_in_clear_text_is_to_be_rotated(tmp_path: Path) -> None:
    imported = run_import(SAMPLES / "bad" / "clear_text_secrets", tmp_path / "result")
    warned = {
        (one["file"], one["path"]) for one in imported.lines if "rotate" in one.get("to_do", "")
    }
    assert warned == {
        ("training.json", "properties.typeProperties.apiKey"),
        ("scoring.json", "properties.typeProperties.apiKey"),
        ("store.json", ""),
        ("pipeline.json", f"{PARAMETERS}.Server user account password"),
        ("pipeline.json", f"{PARAMETERS}.Account key"),
        ("pipeline.json", f"{PARAMETERS}.Source"),
    }
    assert any(step.startswith("Rotate the secrets") for step in imported.report["steps"])


def test_nothing_is_written_over_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, result = SAMPLES / "v1_walk_through_classic", tmp_path / "result"
    result.mkdir()
    (result / "local.settings.json").write_text("mine")
    arguments = ["import-adf", str(source), "--output", str(result)]
    assert main(arguments) != 0
    assert "--force" in capsys.readouterr().err
    assert [one.name for one in result.iterdir()] == ["local.settings.json"]
    assert (result / "local.settings.json").read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert (result / "pipelines.yaml").exists()
    assert (result / "local.settings.json").read_text() != "mine"
