"""Nothing is lost silently: each value of each sample belongs to one line of the report."""

import copy
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from cli.main import main
from tests.importers.imported import Imported, run_import
from tests.importers.walked import (
    BROKEN,
    Expected,
    Keys,
    activities,
    definitions,
    elements,
    files_of,
    folders,
    leaves,
    shown,
    value_of,
)

#: Of these, nothing can be made.
NOTHING: Final = frozenset(
    {
        "documented",
        "no_ml_activity",
        "not_a_definition",
        "missing_reference",
        "update_without_training",
    }
)
LEFT: Final = "not carried over"
FIRST_OF_TWO: Final = " (the first one)"
#: The place of a mistake that was put right, in a file that could be read all the same.
PUT_RIGHT: Final = "missing_comma.json"
#: Nothing reads what these hold: they are waited for, drive a schedule, or are a whole account.
NEVER_READ: Final = frozenset(
    {"placeholderBlob", "salesPrepared", "salesDone", "done", "churnUpdated", "ticketScores"}
    | {"pricesUpdated", "missingComma"}
)
STORAGE: Final = frozenset(
    {"AzureStorage", "AzureStorageSas", "AzureBlobStorage", "AzureStorageLinkedService"}
)
PLANTED: Final = "aKeyThatNobodyKnows"


@pytest.fixture(scope="module", params=folders(), ids=lambda folder: folder.name)
def sample(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture(scope="module")
def imported(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return run_import(sample, tmp_path_factory.mktemp("imported") / "result")


def of_file(lines: list[dict[str, str]], file: str) -> list[dict[str, str]]:
    """Return the lines of a file, by their places; a key that occurs twice has two lines."""
    mine = (line for line in lines if line["file"] == file)
    return [line for line in mine if not line["path"].endswith(FIRST_OF_TWO)]


def places_in(raw: Any) -> Iterator[str]:
    """Yield where something is in the content of a file."""
    for keys in leaves(raw):
        yield from (shown(keys[:length]) for length in range(len(keys) + 1))


def line_over(lines: dict[str, dict[str, str]], keys: Keys) -> dict[str, str] | None:
    """Return the line that a value belongs to: that of the nearest element above it."""
    ways = (shown(keys[:length]) for length in range(len(keys), -1, -1))
    return next((lines[way] for way in ways if way in lines), None)


def named(line: dict[str, str], name: str) -> bool:
    """Whether a line names an element; a template has expressions in place of some names."""
    return line["name"].strip().endswith(name) or name.startswith("[") or not name


def test_each_value_of_each_file_belongs_to_one_line(sample: Path, imported: Imported) -> None:
    for file, raw in files_of(sample).items():
        lines = of_file(imported.lines, file)
        counts = Counter(one["path"] for one in lines)
        assert [at for at, count in counts.items() if count > 1] == []
        by_path = {one["path"]: one for one in lines}
        lost = [shown(keys) for keys in leaves(raw) if line_over(by_path, keys) is None]
        assert lost == [], file


def test_each_element_has_exactly_one_line_of_its_kind(sample: Path, imported: Imported) -> None:
    wrong = []
    for file, raw in files_of(sample).items():
        by_path = {one["path"]: one for one in of_file(imported.lines, file)}
        for wanted in elements(raw):
            line = by_path.get(wanted.at, {"kind": "none", "name": ""})
            if line["kind"] != wanted.kind or not named(line, wanted.name):
                wrong.append((file, wanted, line["kind"], line["name"]))
    assert wrong == []


def test_no_line_is_about_something_that_is_not_there(sample: Path, imported: Imported) -> None:
    files = files_of(sample)
    places = {file: set(places_in(raw)) for file, raw in files.items()}
    for line in imported.lines:
        assert line["text"], line
        assert line["outcome"] in {"mapped", "approximated", LEFT}
        if line["outcome"] == LEFT and line["kind"] in {"activity", "trigger"}:
            assert line.get("to_do"), line
        file = next((file for file in files if of_file([line], file)), None)
        path = line["path"].removesuffix(FIRST_OF_TWO)
        assert file is None or path in places[file] or line["file"] == PUT_RIGHT, line
    expected = Counter(one.kind for raw in files.values() for one in elements(raw))
    found = Counter(one["kind"] for one in imported.lines)
    for kind in ("activity", "trigger", "dataset", "pipeline", "linked service"):
        assert found[kind] == expected[kind], kind


def test_a_file_that_cannot_be_read_has_a_line(sample: Path, imported: Imported) -> None:
    for file in sorted(one.name for one in sample.rglob("*") if one.name in BROKEN):
        lines = of_file(imported.lines, file)
        assert [(one["kind"], one["outcome"]) for one in lines] == [("file", LEFT)]


def test_no_secret_is_copied(imported: Imported) -> None:
    written = imported.everything()
    assert "planted" not in written
    assert "cGxhbnRlZC1l" not in written  # the same in base64


def test_what_is_written_passes_validate(
    sample: Path,
    imported: Imported,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = bool(imported.text("pipelines.yaml"))
    assert made is (sample.name not in NOTHING)
    assert imported.code == (0 if made else 1)
    if made:
        monkeypatch.chdir(imported.folder)
        assert main(["validate", "pipelines.yaml"]) == 0, capsys.readouterr().out


def planted_in(raw: Any) -> Iterator[Keys]:
    """Put a key that nobody knows wherever keys are read, and yield each place."""
    for _, keys, body in list(definitions(raw)):
        name = next(key for key in body if key.lower() == "properties")
        properties = body[name]
        places = [((*keys, name), properties)]
        if value_of(body, "name") in NEVER_READ or value_of(properties, "type") in STORAGE:
            continue
        for place, activity in list(activities(properties, (*keys, name))):
            places.append((place, activity))
        for place, holder in list(places):
            parts = "typeProperties", "transformation", "location"
            for part in (*parts, "policy", "availability", "scheduler"):
                if isinstance(value_of(holder, part), dict):
                    key = next(key for key in holder if key.lower() == part.lower())
                    places.append(((*place, key), holder[key]))
        for place, holder in places:
            holder[PLANTED] = 1
            yield (*place, PLANTED)


def is_left(line: dict[str, str] | None) -> bool:
    """Whether a line says that its value is not carried over, or is reported at another place."""
    if line is None:
        return False
    elsewhere = line["text"].endswith(LEFT) or line["text"].startswith("the same definition")
    return line["outcome"] == LEFT or elsewhere


def test_a_key_that_nobody_knows_is_never_counted_as_carried_over(
    sample: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(sample, source)
    planted: dict[str, list[Keys]] = {}
    for file, raw in files_of(sample).items():
        changed = copy.deepcopy(raw)
        planted[file] = list(planted_in(changed))
        (source / file).write_text(json.dumps(changed), encoding="utf-8")
    lines = run_import(source, tmp_path / "imported").lines
    carried = []
    for file, places in planted.items():
        by_path = {one["path"]: one for one in of_file(lines, file)}
        over = ((keys, line_over(by_path, keys)) for keys in places)
        carried += [(file, shown(keys), line) for keys, line in over if not is_left(line)]
    assert carried == []


def test_the_walk_finds_what_is_there() -> None:
    raw = {
        "name": "p",
        "properties": {
            "activities": [
                {
                    "name": "a",
                    "policy": {"retry": 1},
                    "typeProperties": {"cases": [{"activities": [{"name": "b"}]}]},
                }
            ]
        },
    }
    inner = "properties.activities[0].typeProperties.cases[0].activities[0]"
    assert list(elements(raw)) == [
        Expected("pipeline", "", "p"),
        Expected("activity", "properties.activities[0]", "a"),
        Expected("policy", "properties.activities[0].policy.retry", "retry"),
        Expected("activity", inner, "b"),
    ]
    assert [shown(keys) for keys in leaves({"a": [{}, 1], "b": {"": None}})] == [
        "a[0]",
        "a[1]",
        "b.",
    ]
