"""The import as a whole: it reports every omission, copies no secret, and counts windows."""

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cli.import_adf import _refused
from shared.importers.data_factory.account import ImportOutcome, Line, leaves
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import CONTAINER, Imported, import_definitions
from shared.importers.data_factory.report import as_json
from shared.importers.data_factory.report_markdown import markdown
from tests.cli.factories import FACTORY
from tests.unit.importers.drafted import NOW
from tests.unit.importers.factory import JOBS
from tests.unit.importers.templates import template

PLANTED = "cGxhbnRlZC1zZWNyZXQtcGxhbnRlZC1zZWNyZXQ="


def imported(factory: Mapping[str, Any] = FACTORY, **more: Any) -> Imported:
    files = {name: json.dumps(content).encode() for name, content in factory.items()}
    options = more.pop("options", ImportOptions())
    return import_definitions(files, options, more.pop("now", NOW), **more)


def line_of(found: Imported, file: str, at: str = "") -> Line:
    (line,) = (one for one in found.report.lines if (one.file, one.at) == (file, at))
    return line


def changed(file: str, *path: str | int, value: Any) -> dict[str, Any]:
    factory = copy.deepcopy(FACTORY)
    inner = factory[file]
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return factory


def test_the_walk_through_becomes_one_pipeline_with_its_settings() -> None:
    found = imported()
    assert found.settings == {
        CONTAINER: "training",
        "TRAININGENDPOINT_API_KEY": "<trainingEndpoint: apiKey>",
        "SCORINGENDPOINT_API_KEY": "<scoringEndpoint: apiKey>",
    }
    (pipeline,) = found.report.pipelines
    assert (pipeline.name, pipeline.endpoints) == ("churn", ("scoringEndpoint",))
    assert [name for name, _ in pipeline.made_from] == ["Retrain", "Update"]
    assert [one.name for one in found.report.settings] == [
        "TRAININGENDPOINT_API_KEY",
        "SCORINGENDPOINT_API_KEY",
    ]
    assert str(found.report.settings[0].stood[0]) == (
        "linkedService/training.json: properties.typeProperties.apiKey"
    )
    assert not found.report.settings[0].in_clear
    assert imported() == found, "the same definitions give the same result"


def test_the_next_ten_windows_and_those_of_the_past_are_said() -> None:
    (schedule,) = imported().report.schedules
    assert len(schedule.windows) == 10
    assert schedule.windows[0].due == datetime(2026, 11, 30, tzinfo=UTC)
    assert schedule.words.startswith("every week, from Monday 00:00 UTC")
    assert schedule.past == 46  # due from 12 January to 23 November 2026
    assert not schedule.backfill
    (backfilled,) = imported(options=ImportOptions(backfill=True)).report.schedules
    assert backfilled.backfill
    early = datetime(2026, 1, 1, tzinfo=UTC)
    assert imported(now=early).report.schedules[0].past == 0


def test_no_secret_in_clear_text_is_anywhere() -> None:
    places = (
        ("linkedService/training.json", "properties", "typeProperties", "apiKey"),
        ("linkedService/scoring.json", "properties", "typeProperties", "apiKey"),
    )
    for file, *path in places:
        found = imported(changed(file, *path, value=PLANTED))
        assert PLANTED not in f"{found.pipelines_yaml}{found.settings}{found.report}"
        line = line_of(found, file, ".".join(path))
        assert "rotate" in line.to_do
        assert any(one.in_clear for one in found.report.settings)


def test_a_secret_that_the_file_does_not_need_asks_for_nothing() -> None:
    path = ("properties", "typeProperties", "encryptedCredential")
    factory = changed("linkedService/scoring.json", *path, value="ew0KICAi")
    factory["linkedService/scoring.json"]["properties"]["typeProperties"].pop("apiKey", None)
    activity = factory["pipeline/churn.json"]["properties"]["activities"][1]
    activity["typeProperties"].pop("trainedModelName")
    found = imported(factory)
    line = line_of(found, "linkedService/scoring.json", ".".join(path))
    assert "no pipeline of the file uses it" in line.text
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert not line.asks
    assert "SCORINGENDPOINT_API_KEY" not in found.settings


def test_an_expression_of_a_template_in_place_of_a_key_asks_for_the_setting_alone() -> None:
    typed = {"mlEndpoint": JOBS, "apiKey": {"type": "SecureString", "value": "[variables('k')]"}}
    service = {
        "type": "Microsoft.DataFactory/factories/linkedServices",
        "apiVersion": "2018-06-01",
        "name": "trainingEndpoint",
        "properties": {"type": "AzureML", "typeProperties": typed},
    }
    factory = copy.deepcopy(FACTORY)
    factory["linkedService/training.json"] = template(service)
    (line,) = (one for one in imported(factory).report.lines if "[variables('k')]" in one.text)
    assert line.at == "resources[0].properties.typeProperties.apiKey"
    assert line.to_do == "set TRAININGENDPOINT_API_KEY"


def test_no_value_is_asked_for_that_nothing_needs_or_that_is_a_secret() -> None:
    def service(name: str, kind: str) -> dict[str, Any]:
        typed = {"connectionString": "[parameters('connection')]"}
        properties = {"type": kind, "typeProperties": typed}
        return {
            "type": "Microsoft.DataFactory/factories/linkedServices",
            "apiVersion": "2018-06-01",
            "name": name,
            "properties": properties,
        }

    factory = {k: v for k, v in FACTORY.items() if "storage" not in k}
    factory["linkedService/more.json"] = template(
        service("sql", "AzureSqlDatabase"), service("storage", "AzureStorage")
    )
    said = [one for one in imported(factory).report.lines if one.name == "connectionString"]
    assert [one.outcome for one in said] == [
        ImportOutcome.NOT_CARRIED_OVER,
        ImportOutcome.APPROXIMATED,
    ]
    assert [one.asks for one in said] == [False, True]
    assert "--parameters" not in f"{said[0].text}{said[0].to_do}"
    assert not any("write the value" in one.to_do for one in said)


def test_the_name_of_a_setting_is_whole_in_the_report() -> None:
    planted = "@concat('Bearer ', 'planted1-a-token')"
    at = ("pipeline/churn.json", "properties", "activities", 0, "typeProperties")
    for name in ("bearer", "sig"):
        found = imported(changed(*at, "globalParameters", value={name: planted}))
        assert "planted1" not in f"{found.pipelines_yaml}{found.settings}{found.report}"
        (line,) = (one for one in found.report.lines if one.name == name)
        assert line.text.partition(", ")[2].startswith("since the value stands here in clear text")
        assert "rotate" in line.to_do
        assert f"{name.upper()}, and" in line.to_do


def test_a_secret_that_a_key_repeats_is_redacted() -> None:
    factory = changed(
        "linkedService/training.json", "properties", "typeProperties", "apiKey", value=PLANTED
    )
    retrain = factory["pipeline/churn.json"]["properties"]["activities"][0]
    retrain["inputs"].append({"name": PLANTED})
    found = imported(factory)
    assert PLANTED not in f"{found.pipelines_yaml}{found.report}"


def test_a_storage_account_that_no_pipeline_uses_is_not_carried_over() -> None:
    (file,) = (name for name, one in FACTORY.items() if "AzureStorage" in str(one))
    used = line_of(imported(), file)
    assert used.outcome is ImportOutcome.APPROXIMATED
    other = copy.deepcopy(FACTORY)
    other["linkedService/other.json"] = json.loads(
        json.dumps(FACTORY[file]).replace("AccountName=", "AccountName=un")
    )
    other["linkedService/other.json"]["name"] = "other"
    unused = line_of(imported(other), "linkedService/other.json")
    assert unused.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "no pipeline of the file uses it" in unused.text


def test_a_weak_secret_does_not_tear_the_report() -> None:
    key = ("linkedService/training.json", "properties", "typeProperties", "apiKey")
    for weak in ("training", "activity", "Week"):
        found = imported(changed(*key, value=weak))
        assert "*" not in "".join(one.text + one.name for one in found.report.lines), weak
        assert "api_key: ${TRAININGENDPOINT_API_KEY}" in found.pipelines_yaml


def test_what_the_app_refuses_is_left_out_and_said_everywhere() -> None:
    def refuses(text: str, settings: Mapping[str, str]) -> dict[str, str]:
        assert set(settings) >= {CONTAINER, "SCORINGENDPOINT_API_KEY"}
        return {"churn": "it is too odd"} if "churn:" in text else {}

    found = imported(check=refuses)
    assert (found.pipelines_yaml, found.settings, found.report.pipelines) == ("", {}, ())
    line = line_of(found, "pipeline/churn.json", "properties.activities[0]")
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "it is too odd" in line.text
    said = [one for one in found.report.lines if "churn: " in one.text]
    assert len(said) > 5
    assert {one.outcome for one in said} == {ImportOutcome.NOT_CARRIED_OVER}
    assert line_of(found, "pipeline/churn.json").outcome is ImportOutcome.NOT_CARRIED_OVER
    assert all(one.to_do for one in said if one.kind == "activity")
    key = line_of(found, "linkedService/training.json", "properties.typeProperties.apiKey")
    assert "no pipeline of the file uses it" in key.text


def test_a_line_of_several_pipelines_says_which_of_them_the_app_refuses() -> None:
    sample = Path(__file__).resolve().parents[2] / "vectors" / "data_factory" / "v2_repository"
    files = {one.relative_to(sample).as_posix(): one.read_bytes() for one in sample.rglob("*.json")}
    gone = "on-arrival-old-polling"
    refuses = lambda text, _: {gone: "it is too odd"} if f"{gone}:" in text else {}  # noqa: E731
    found = import_definitions(files, ImportOptions(), NOW, refuses)
    assert f"{gone}:" not in found.pipelines_yaml
    for line in found.report.lines:
        if gone in line.text and line.outcome is not ImportOutcome.NOT_CARRIED_OVER:
            assert line.text.endswith(f"; {gone}: not in the file"), line
    root = line_of(found, "pipeline/on_arrival.json", "properties.activities[0]")
    assert f"{gone}: not in the file, because the app would refuse it" in root.text


def test_a_file_that_the_app_refuses_as_a_whole_has_no_pipeline() -> None:
    found = imported(check=lambda *_: {"": "it is too large"})
    assert found.pipelines_yaml == ""
    (said, *_) = (one for one in found.report.lines if "it is too large" in one.text)
    assert said.to_do == "import fewer pipelines at once, or correct the definition"


def test_a_container_that_is_no_name_is_asked_for() -> None:
    path = ("dataset/examples.json", "properties", "typeProperties", "folderPath")
    found = imported(changed(*path, value="Training_Data/churn"))
    text = "the container of the training data; the definitions say Training_Data"
    assert found.settings[CONTAINER] == f"<{text}>"
    assert (found.report.settings[0].name, found.report.settings[0].text) == (CONTAINER, text)
    assert not any("Training_Data is TRAINING" in one for one in found.report.steps())


def test_nothing_in_gives_nothing_out() -> None:
    found = imported({})
    assert (found.pipelines_yaml, found.settings, found.report.lines) == ("", {}, ())


ODD: Final[tuple[Any, ...]] = (
    *(None, "", " ", True, 0, -1, 1.5, 10**30, [], {}, [[]], "${KEY}", "$${x}", "{token}"),
    *("{start:}", "@{", "a\nb", "\x1b[2Jx", "|`*<b>", "x" * 12_000, "\ud800", "é/日本"),
    *("9999-12-31T23:59:59Z", "0001-01-01", "1.00:00:00", "99999999999.00:00:00", "../.."),
    *("$$Text.Format('{0:yyyy}', SliceStart)", "https://", {"type": "Expression", "value": "@x"}),
)


def test_no_odd_value_ends_an_import_and_the_app_takes_what_is_left() -> None:
    places = [(file, path) for file, root in FACTORY.items() for path, _ in leaves(root)]
    made = 0
    for at, (file, path) in enumerate(places):
        found = imported(changed(file, *path, value=ODD[at % len(ODD)]), check=_refused)
        assert len({(one.file, one.path) for one in found.report.lines}) == len(found.report.lines)
        texts = (found.pipelines_yaml, markdown(found.report), json.dumps(as_json(found.report)))
        assert all(text.isascii() or text.encode() for text in texts)
        if found.pipelines_yaml:
            made += 1
            assert _refused(found.pipelines_yaml, found.settings) == {}
    assert made > len(places) // 3
