"""Which files an import reads, leaves out or refuses."""

import os
from pathlib import Path

import pytest

from cli import definition_files
from cli.definition_files import read_definitions
from cli.output import CommandError
from tests.cli.conftest import Relearn
from tests.cli.factories import FACTORY, write_factory


def test_folders_are_read_without_those_of_tools_and_the_result(folder: Path) -> None:
    factory = write_factory(folder / "factory")
    for name in (".git", "node_modules", "out"):
        (factory / name).mkdir()
        (factory / name / "x.json").write_text("{}")
    (factory / "earlier").mkdir()
    for name in ("import-report.json", "local.settings.json"):
        (factory / "earlier" / name).write_text("{}")
    (factory / "notes.txt").write_text("not a definition")
    (factory / "factory.zip").write_bytes(b"PK\x03\x04")
    (factory / "real.txt").write_text("\ufeff {}", encoding="utf-8")
    (factory / "loop").symlink_to(factory)
    (factory / "nowhere.json").symlink_to(factory / "gone")
    found = read_definitions([factory], factory / "out")
    assert sorted(found.content) == sorted([*FACTORY, "real.txt"])
    assert list(found.unread) == ["nowhere.json"]
    named = [factory / name for name in ("pipeline", "notes.txt", "factory.zip")]
    found = read_definitions(named, folder / "out")
    assert list(found.content) == ["pipeline/churn.json"]
    assert "does not begin like JSON" in found.unread["notes.txt"]
    assert "unpacked" in found.unread["factory.zip"]


def test_names_that_are_no_utf8_stay_apart(folder: Path) -> None:
    names = [os.fsdecode(name) for name in (b"a\xfe.json", b"a\xff.json")]
    try:
        for name in names:
            (folder / name).write_text("{}")
    except OSError:
        pytest.skip("this file system takes no such names")
    found = read_definitions([folder / name for name in names], folder / "out")
    assert list(found.content) == ["a\\xfe.json", "a\\xff.json"]


def test_too_much_is_refused_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factory = write_factory(folder / "factory")
    monkeypatch.setattr(definition_files, "_MOST_FILES", 1)
    with pytest.raises(CommandError, match="name only the folder of the factory"):
        read_definitions([factory], folder / "out")
    monkeypatch.setattr(definition_files, "_MOST_VISITED", 1)
    with pytest.raises(CommandError, match="more than 1 files and folders"):
        read_definitions([factory], folder / "out")
    monkeypatch.setattr(definition_files, "_LARGEST", 10)
    found = read_definitions([factory / "pipeline" / "churn.json"], folder / "out")
    assert "at most 10 are read" in found.unread["churn.json"]


def test_a_file_that_may_not_be_read_is_reported(
    factory: Path, relearn: Relearn, monkeypatch: pytest.MonkeyPatch
) -> None:
    (factory / "pipeline" / "closed.json").write_text("{}")
    read = Path.read_bytes

    def refused(file: Path) -> bytes:  # the permissions of a file do not bind root
        if file.name == "closed.json":
            raise PermissionError(13, "Permission denied", str(file))
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", refused)
    said = relearn("import-adf", str(factory))
    assert "it cannot be read (PermissionError)" in said.out
    assert "1 pipeline made" in said.out
