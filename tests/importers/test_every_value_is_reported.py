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
NOTHING: Final = frozenset({"documented", "no_ml_activity", "update_without_training"})
NOTHING_READ: Final = "not_a_definition"
LEFT: Final = "not carried over"
PLANTED: Final = "aKeyThatNobodyKnows"


@pytest.fixture(scope="module", params=folders(), ids=lambda folder: folder.name)
def sample(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture(scope="module")
def imported(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return run_import(sample, tmp_path_factory.mktemp("imported") / "result")


def of_file(lines: list[dict[str, str]], file: str) -> list[dict[str, str]]:
    """Return the lines of a file: a report may name it with the folder that it is in."""
    return [line for line in lines if f"/{line['file']}".endswith(f"/{file}")]


def line_over(lines: dict[str, dict[str, str]], keys: Keys) -> dict[str, str] | None:
    """Return the line that a value belongs to: that of the nearest element above it."""
    ways = (shown(keys[:length]) for length in range(len(keys), -1, -1))
    return next((lines[way] for way in ways if way in lines), None)


def test_each_value_of_each_file_belongs_to_one_line(sample: Path, imported: Imported) -> None:
    for file, raw in files_of(sample).items():
        lines = of_file(imported.lines, file)
        assert [
            at for at, count in Counter(one["path"] for one in lines).items() if count > 1
        ] == []
        by_path = {one["path"]: one for one in lines}
        lost = [shown(keys) for keys in leaves(raw) if line_over(by_path, keys) is None]
        assert lost == [], file


def test_each_element_has_exactly_one_line_of_its_kind(sample: Path, imported: Imported) -> None:
    for file, raw in files_of(sample).items():
        lines = of_file(imported.lines, file)
        for wanted in elements(raw):
            found = [one for one in lines if one["path"] == wanted.at]
            assert [one["kind"] for one in found] == [wanted.kind], (file, wanted, found)
            assert wanted.name in {found[0]["name"].strip(), ""}, (file, wanted, found)


def test_no_line_is_about_something_that_is_not_there(sample: Path, imported: Imported) -> None:
    files = files_of(sample)
    for line in imported.lines:
        assert line["text"], line
        assert line["outcome"] in {"mapped", "approximated", LEFT}
        assert line["outcome"] != LEFT or line.get("to_do"), line
        raw = next((raw for file, raw in files.items() if of_file([line], file)), None)
        places = {shown(keys[:n]) for keys in leaves(raw) for n in range(len(keys) + 1)}
        assert raw is None or line["path"] in places, line
    elements_of = [one for raw in files.values() for one in elements(raw)]
    for kind in ("activity", "trigger", "dataset", "pipeline", "linked service"):
        expected = sum(one.kind == kind for one in elements_of)
        assert sum(one["kind"] == kind for one in imported.lines) == expected, kind


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
    assert made is (sample.name not in {*NOTHING, NOTHING_READ})
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
        for place, activity in list(activities(properties, (*keys, name))):
            places.append((place, activity))
        for place, holder in list(places):
            for part in ("typeProperties", "policy", "availability", "scheduler"):
                if isinstance(value_of(holder, part), dict):
                    key = next(key for key in holder if key.lower() == part.lower())
                    places.append(((*place, key), holder[key]))
        for place, holder in places:
            holder[PLANTED] = 1
            yield (*place, PLANTED)


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
    for file, places in planted.items():
        by_path = {one["path"]: one for one in of_file(lines, file)}
        for keys in places:
            line = line_over(by_path, keys)
            assert line, (file, shown(keys))
            assert line["outcome"] == LEFT, (file, shown(keys), line)


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
