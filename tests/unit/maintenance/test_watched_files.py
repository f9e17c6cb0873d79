"""A change of a watched file is noticed, for anything that is at its name."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.config.file_locations import LocalFiles
from shared.errors import FileRefusedError
from shared.maintenance.changed_file import WatchedFiles
from tests.unit.maintenance.live_files import Live, attempts, taken


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Live:
    caplog.set_level("INFO", "relearn")
    made = Live(folder=tmp_path)
    made.tick()
    made.search.run_until(made.poll.until())
    return made


def watching(*files: Path) -> WatchedFiles:
    watched = WatchedFiles(LocalFiles())
    for file in files:
        with suppress(FileRefusedError):
            watched.read(file, 100)
    return watched


def test_anything_at_the_name_of_a_watched_file_is_checked_without_an_error(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    watched = watching(file, other)
    assert not watched.changed()
    file.mkdir()
    assert not watched.changed()
    file.rmdir()
    file.write_text("x")
    assert watched.changed()
    watched = watching(file)
    file.unlink()
    file.symlink_to("/dev/zero")
    assert watched.changed()
    watched = watching(file, tmp_path / ("n" * 300))
    assert not watched.changed()


def test_content_moved_from_one_file_to_the_other_is_a_change(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("xy")
    other.write_text("z")
    watched = watching(file, other)
    file.write_text("x")
    other.write_text("yz")
    assert watched.changed()


def test_a_file_that_cannot_be_read_for_a_while_is_checked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_text("x")

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        os.utime(file, (1_700_000_000, 1_700_000_000))
        watched = watching(file)
        assert not watched.changed()
    assert watched.changed()  # though its time and its size are as they were


def test_a_change_that_could_not_be_read_at_first_is_used_once_it_can(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.change(attempts(3))
    whole = Path.open

    def fails(path: Path, *given: Any, **named: Any) -> Any:
        if path == world.path:
            raise OSError(5, "Input/output error")
        return whole(path, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        os.utime(world.path, (1_700_000_000, 1_700_000_000))
        world.tick()
    assert taken(world) == {"sample": 1, "other": 1}
    assert not world.app.last_good.file.readable
    world.tick()
    assert taken(world) == {"sample": 3, "other": 3}
