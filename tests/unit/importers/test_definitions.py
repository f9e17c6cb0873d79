"""Definitions are found in files of all kinds, and all other files are reported."""

import json
import time
from typing import Any

import pytest

from shared.importers.data_factory.account import Account, ImportOutcome, Line, Place
from shared.importers.data_factory.reading.definitions import Definitions
from shared.importers.data_factory.reading.finder import found

AVAILABILITY = {"frequency": "Week", "interval": 1}
DATASET_1 = {
    "type": "AzureBlob",
    "linkedServiceName": "Store",
    "typeProperties": {"folderPath": "data/x", "fileName": "in.csv"},
    "availability": AVAILABILITY,
}
DATASET_2 = {
    "type": "DelimitedText",
    "linkedServiceName": {"referenceName": "Store", "type": "LinkedServiceReference"},
    "typeProperties": {},
}
STORE = {"type": "AzureStorage", "typeProperties": {"connectionString": "x"}}
ACTIVITY_1 = {"name": "a", "type": "AzureMLBatchExecution", "linkedServiceName": "ml"}
ACTIVITY_2 = {
    "name": "a",
    "type": "AzureMLBatchExecution",
    "linkedServiceName": {"referenceName": "ml", "type": "LinkedServiceReference"},
    "dependsOn": [],
}
TRIGGER = {"type": "ScheduleTrigger", "runtimeState": "Started", "typeProperties": {}}


def search(**files: Any) -> tuple[Definitions, Account]:
    """Return what is in files; `__` in a name stands for `/`, and `_json` is its end."""
    named = {
        name.replace("__", "/").replace("_json", ".json").replace("_txt", ".txt"): one
        for name, one in files.items()
    }
    return search_in(named)


def search_in(files: dict[str, Any], **parameters: Any) -> tuple[Definitions, Account]:
    account = Account()
    written = {
        name: one if isinstance(one, bytes) else json.dumps(one).encode()
        for name, one in files.items()
    }
    return found(written, parameters, account), account


def named(name: str, properties: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "properties": properties, **more}


def shown(definitions: Definitions) -> list[tuple[str, str, int]]:
    return [(one.kind, one.name, one.version) for one in definitions.all]


def line(account: Account, file: str, *path: str | int) -> Line:
    return account.lines[Place(file, path)]


def test_a_git_repository_of_a_factory_is_found_with_a_line_for_each_other_part() -> None:
    runtime = named("AutoResolve", {"type": "Managed", "typeProperties": {}})
    flow = named("Flow", {"type": "MappingDataFlow", "typeProperties": {}})
    factory = named("churn-adf", {"globalParameters": {"x": {"value": 1}}}, location="westeurope")
    definitions, account = search(
        pipeline__Retrain_json=named("Retrain", {"activities": [ACTIVITY_2], "annotations": []}),
        dataset__In_json=named("In", DATASET_2, type="Microsoft.DataFactory/factories/datasets"),
        linkedService__Store_json=named("Store", {**STORE, "annotations": []}),
        trigger__Weekly_json=named("Weekly", TRIGGER),
        integrationRuntime__AutoResolve_json=runtime,
        dataflow__Flow_json=flow,
        factory__churn_json=factory,
        publish_config_json={"publishBranch": "adf_publish"},
    )
    assert shown(definitions) == [
        ("pipeline", "Retrain", 2),
        ("dataset", "In", 2),
        ("linkedService", "Store", 2),
        ("trigger", "Weekly", 2),
    ]
    left = {one.file: one.text for one in definitions.problems}
    assert left == {
        "integrationRuntime/AutoResolve.json": "Relearn has no integration runtime",
        "dataflow/Flow.json": "Relearn has no data flow",
        "factory/churn.json": "Relearn has no factory",
        "publish_config.json": "it has no definition of a data factory",
    }
    assert {one.kind for one in account.lines.values()} == {"file"}


def test_files_that_are_plainly_no_json_are_skipped() -> None:
    definitions, account = search_in(
        {
            "README.md": b"[![Build](x)](y)",
            ".gitignore": b"*.user\n",
            "notes.txt": b"Ask Anna for the key",
            "logo.png": b"\x89PNG\r\n\x1a\n\xff",
            "binary": bytes(range(256)),
            ".git/config.json": b"{",
            "node_modules/x/package.json": b"{}",
        }
    )
    assert (definitions.all, account.lines) == ([], {})


def test_a_text_file_with_json_is_read() -> None:
    text = b"\xef\xbb\xbf/* the week's data */\n" + json.dumps(named("In", DATASET_1)).encode()
    definitions, _ = search_in({"Datasets/In.txt": text, "export": text.replace(b"In", b"Out")})
    assert shown(definitions) == [("dataset", "In", 1), ("dataset", "Out", 1)]


def test_a_broken_file_is_reported_and_the_others_are_read() -> None:
    definitions, account = search_in(
        {"pipeline/a.json": b'{"name": "a",\n "properties": [}', "b.json": named("In", DATASET_1)}
    )
    assert shown(definitions) == [("dataset", "In", 1)]
    broken = line(account, "pipeline/a.json")
    assert (broken.kind, broken.name, broken.outcome) == ("file", "a.json", "not carried over")
    assert broken.text.startswith("it can't be read: line 2, column 17: ")
    assert definitions.problems == [broken]


@pytest.mark.parametrize(
    ("kind", "body", "version"),
    [
        ("pipeline", named("p", {"activities": [ACTIVITY_1]}), 1),
        ("pipeline", named("p", {"activities": [ACTIVITY_2]}), 2),
        ("pipeline", named("p", {"activities": [], "start": "2016-01-01", "end": "x"}), 1),
        ("pipeline", named("p", {"Activities": [], "Annotations": []}), 2),
        ("pipeline", named("p", {"activities": []}), 2),
        ("pipeline", {"name": "p", "activities": [ACTIVITY_1], "isPaused": True}, 1),
        ("dataset", named("p", DATASET_1), 1),
        ("dataset", named("p", DATASET_2), 2),
        ("dataset", named("p", {"type": "AzureBlob", "availability": AVAILABILITY}), 1),
        ("linkedService", named("p", {**STORE, "hubName": "h"}), 1),
        ("linkedService", named("p", {**STORE, "type": "AzureStorageSas"}), 1),
        (
            "linkedService",
            named("p", {"type": "AzureML", "typeProperties": {"apiKey": {"type": "SecureString"}}}),
            2,
        ),
        (
            "linkedService",
            named("p", {"type": "AzureML", "typeProperties": {"encryptedCredential": "x"}}),
            2,
        ),
        ("trigger", named("p", TRIGGER), 2),
        ("dataset", named("p", {}, type="Microsoft.DataFactory/datafactories/tables"), 1),
        ("pipeline", named("p", {}, type="Microsoft.Synapse/workspaces/pipelines"), 2),
    ],
)
def test_kind_and_version_are_recognised_by_the_shape(kind: str, body: Any, version: int) -> None:
    definitions, _ = search(anywhere_json=body)
    assert shown(definitions) == [(kind, "p", version)]
    assert definitions.all[0].properties.value == body.get("properties", body)


@pytest.mark.parametrize(("activity", "version"), [(ACTIVITY_1, 1), (ACTIVITY_2, 2)])
def test_what_fits_both_versions_is_of_that_of_the_pipelines(activity: Any, version: int) -> None:
    definitions, _ = search(
        s_json=named("Store", STORE), p_json=named("p", {"activities": [activity]})
    )
    service = definitions.named("linkedService", "store")
    assert service is not None
    assert service.version == version


def test_definitions_in_lists_and_wrappers_are_found_with_their_paths() -> None:
    several = b"\n".join(json.dumps(named(name, DATASET_1)).encode() for name in "ab")
    definitions, account = search_in(
        {
            "all.json": [named("c", DATASET_1), {"value": [named("d", DATASET_1)]}],
            "two.txt": several,
            "page.json": {"_note": {"of": "x", "at": 1}, "body": {"first": named("e", DATASET_2)}},
        }
    )
    places = {one.name: (one.file, one.body.path) for one in definitions.all}
    assert places == {
        "c": ("all.json", (0,)),
        "d": ("all.json", (1, "value", 0)),
        "a": ("two.txt", (0,)),
        "b": ("two.txt", (1,)),
        "e": ("page.json", ("body", "first")),
    }
    definitions.all[-1].body.mapped("dataset", "e", "read", whole=False)
    definitions.close(account)
    of_page = [path for file, path in account.lines if file == "page.json"]
    body = ("body", "first")
    assert set(of_page) >= {("_note",), body, (*body, "properties", "type")}
    assert (*body, "name") not in of_page


def test_names_match_in_any_letter_case_and_without_blanks_or_control_characters() -> None:
    definitions, _ = search(a_json=named(" Training\tData\n", DATASET_1), b_json=named("", STORE))
    assert definitions.named("dataset", "training DATA  ") is definitions.all[0]
    assert definitions.all[0].name == "Training Data"
    assert definitions.named("dataset", "b") is None
    assert definitions.named("linkedService", "B") is definitions.all[1]


def test_of_two_definitions_of_one_name_the_first_counts() -> None:
    other = {**DATASET_1, "availability": {"frequency": "Day", "interval": 1}}
    definitions, account = search_in(
        {
            "one/In.json": named("In", DATASET_1),
            "two/In.json": named("in ", DATASET_1),
            "three/In.json": named("IN", other),
            "four/In.json": named("In", STORE),
        }
    )
    assert shown(definitions) == [("dataset", "In", 1), ("linkedService", "In", 1)]
    same, different = line(account, "two/In.json"), line(account, "three/In.json")
    assert (same.kind, same.outcome) == ("dataset", ImportOutcome.NOT_CARRIED_OVER)
    assert not same.asks
    assert same.text == "the same definition is in one/In.json already"
    assert different.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert different.text == "another dataset of this name is in one/In.json: that one counts"
    definitions.close(account)
    of_doubles = [key for key in account.lines if key[0] in ("two/In.json", "three/In.json")]
    assert [path for _, path in of_doubles] == [(), ()]


def test_an_activity_alone_is_reported() -> None:
    _, account = search(update_json={**ACTIVITY_2, "typeProperties": {}})
    alone = line(account, "update.json")
    assert (alone.kind, alone.name, alone.text) == (
        "activity",
        "a",
        "an activity without its pipeline",
    )


def test_a_correction_of_the_reader_is_reported_at_the_definition() -> None:
    text = (
        b'{"name": "In", "properties": {"type": "AzureBlob"\n "availability": {}, "x": 1, "x": 2}}'
    )
    definitions, account = search_in({"In.json": text})
    assert definitions.all[0].properties.value == {"type": "AzureBlob", "availability": {}, "x": 2}
    comma = line(account, "In.json", "line 2, column 2")
    assert (comma.outcome, comma.to_do) == (ImportOutcome.APPROXIMATED, "add it")
    twice = line(account, "In.json", "properties", "x (the first one)")
    assert (twice.name, twice.outcome) == ("x", ImportOutcome.NOT_CARRIED_OVER)
    _, account = search_in({"In.json": b'{"apiKey": "planted1", "apiKey": "planted2"}'})
    assert "rotate" in line(account, "In.json", "apiKey (the first one)").to_do


def test_the_settings_of_an_export_are_no_definitions() -> None:
    entry = {"properties": {"activities": [{"typeProperties": {"x": "="}}]}}
    _, account = search(
        arm_template_parameters_definition_json={"Microsoft.DataFactory/factories/pipelines": entry}
    )
    (only,) = account.lines.values()
    assert only.text == "it has no definition of a data factory"


def test_a_configuration_of_visual_studio_is_reported_as_one() -> None:
    pair = {"name": "$.properties.typeProperties.apiKey", "value": "planted1"}
    _, account = search(Dev_json={"$schema": "x", "training": [pair]}, other_json={"training": [1]})
    assert line(account, "Dev.json").to_do == "write them into the definitions, and import again"
    assert line(account, "other.json").text == "it has no definition of a data factory"


OTHER_JSON = (
    *b'[] {} null "x" 1 [[[[[[{}]]]]]]'.split(),
    b'{"properties": []}',
    b'{"resources": 1}',
    b'{"parameters": []}',
    b'{"name": {}, "properties": {"type": []}}',
    b'{"properties": {"activities": {}}}',
    b'{"type": ["x"], "properties": {"type": "x"}}',
)


@pytest.mark.parametrize("content", OTHER_JSON)
def test_other_json_is_reported_as_no_definition(content: bytes) -> None:
    definitions, account = search_in({"x.json": content})
    assert (definitions.all, len(account.lines)) == ([], 1)
    assert line(account, "x.json").kind == "file"


@pytest.mark.parametrize("activities", [[1], ["x"], [None], [[]], [{"inputs": 1, "outputs": [2]}]])
def test_odd_activities_do_not_stop_the_search(activities: Any) -> None:
    definitions, _ = search(x_json=named("p", {"activities": activities}))
    assert [one.kind for one in definitions.all] == ["pipeline"]


def test_thousands_of_definitions_are_found_in_seconds() -> None:
    content = {f"dataset/d{n}.json": named(f"d{n}", DATASET_1) for n in range(4_000)}
    begun = time.process_time()
    definitions, account = search_in(content)
    assert all(definitions.named("dataset", f"D{n}") for n in range(4_000))
    assert (len(definitions.all), account.lines) == (4_000, {})
    assert time.process_time() - begun < 6
