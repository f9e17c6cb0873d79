"""`relearn validate`: the check of a pipelines file by itself."""

from pathlib import Path

from tests.cli.conftest import Relearn

GOOD = """\
pipelines:
  census:
    schedule: "0 */90 * * * *"
    training:
      service: https://ussouthcentral.services.azureml.net/workspaces/w/services/e/jobs
      api_key: ${KEY}
      inputs: {}
"""


def test_a_sound_file_passes_and_its_hints_are_shown(folder: Path, relearn: Relearn) -> None:
    (folder / "pipelines.yaml").write_text(GOOD)
    said = relearn("validate", "pipelines.yaml")
    assert said.code == 0
    assert "hint        pipelines.yaml:3: pipelines.census.schedule: minute: */90" in said.out
    assert "1 pipeline without an error, 0 with one; 0 problems" in said.out


def test_a_schedule_that_opens_no_run_has_a_hint_with_its_line(
    folder: Path, relearn: Relearn
) -> None:
    weekly = "{frequency: Week, start: 2016-02-13, end: 2016-02-14}"
    file = GOOD.replace('"0 */90 * * * *"', weekly)
    (folder / "pipelines.yaml").write_text(file)
    said = relearn("validate", "pipelines.yaml")
    assert said.code == 0
    assert (
        "hint        pipelines.yaml:3: pipelines.census.schedule: its active period was over at "
        "2016-02-14 00:00 UTC, so that no window follows: write a later `end`, or remove the"
    ) in said.out
    paused = GOOD.replace('"0 */90 * * * *"', "{frequency: Week, paused: true}")
    (folder / "pipelines.yaml").write_text(paused)
    said = relearn("validate", "pipelines.yaml", "--json")
    assert said.code == 0
    (hint,) = said.json["hints"]
    assert hint["text"] == "it is paused, so that no due time opens a run"
    assert hint["to_do"] == "remove `paused`, and catch_up decides what passed"


def test_every_problem_is_printed_with_its_line_and_what_to_do(
    folder: Path, relearn: Relearn
) -> None:
    (folder / "pipelines.yaml").write_text(GOOD.replace("*/90", "*/x").replace("inputs", "imputs"))
    said = relearn("validate", "pipelines.yaml")
    assert said.code == 1
    assert "pipelines.yaml:3: pipelines.census.schedule" in said.out
    assert "pipelines.yaml:7: pipelines.census.training.imputs: unknown key" in said.out
    assert said.out.count("To do: ") == said.out.count("  wrong  ") == 3
    assert relearn("validate", "none.yaml").code == 2


def test_json_has_every_problem_and_the_same_exit_code(folder: Path, relearn: Relearn) -> None:
    second = GOOD.partition("\n")[2].replace("census", "other").replace("inputs", "imputs")
    (folder / "pipelines.yaml").write_text(GOOD + second)
    said = relearn("validate", "pipelines.yaml", "--json")
    assert said.code == 1
    assert said.json["result"] == "wrong"
    assert (said.json["sound"], said.json["broken"]) == (1, 1)
    problem = {one["where"]: one for one in said.json["problems"]}[
        "pipelines.yaml:13: pipelines.other.training.imputs"
    ]
    assert problem["text"] == "unknown key"
    assert problem["to_do"] == "did you mean `inputs`?"
    (hint,) = said.json["hints"]
    assert "*/90" in hint["text"]


def test_settings_that_cannot_be_read_are_a_usage_error(folder: Path, relearn: Relearn) -> None:
    (folder / "broken.json").write_text("{")
    said = relearn("validate", "pipelines.yaml", "--settings", "broken.json")
    assert (said.code, said.out) == (2, "")
    assert "broken.json cannot be read" in said.err
    said = relearn("validate", "pipelines.yaml", "--settings", "none.json")
    assert said.code == 2
    assert "correct --settings" in said.err


def test_without_a_file_of_settings_the_environment_counts(folder: Path, relearn: Relearn) -> None:
    (folder / "pipelines.yaml").write_text(GOOD)
    (folder / "local.settings.json").unlink()
    said = relearn("validate", "pipelines.yaml")
    assert said.code == 1
    assert "app setting KEY is not set" in said.out
