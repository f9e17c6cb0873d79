"""The worker check itself: it finds CPython 3.13, reports if there is none, and counts."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from local import virtual_environment
from local.virtual_environment import InstallError, python_with
from local.worker_check.__main__ import main
from local.worker_check.interpreters import NotUsableError, find_python, identity
from local.worker_check.report import Report
from local.worker_check.stage import copy_app
from local.worker_check.worker import ROOT

RUNNING = "/nowhere/python"


def command(place: Path, message: str, code: int = 0) -> Path:
    """Put a command there that says this, as an interpreter asked for its identity does."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\necho {message!r}\nexit {code}\n", encoding="ascii")
    place.chmod(0o755)
    return place


def none(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    return find_python(given, {}, RUNNING)


def test_no_python_is_said_loudly_and_is_no_failure_at_home(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([], {}, none) == 0
    said = capsys.readouterr().out
    assert "NOT CHECKED" in said
    assert "CPython 3.13" in said
    assert "passed" not in said


@pytest.mark.parametrize(("value", "code"), [("true", 1), ("false", 0), ("", 0)])
def test_no_python_fails_in_continuous_integration(value: str, code: int) -> None:
    assert main([], {"CI": value}, none) == code


def test_a_python_that_was_asked_for_must_be_the_right_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = command(tmp_path / "python", "CPython 3.12")
    with pytest.raises(NotUsableError, match=r"CPython 3\.12"):
        find_python(old, {})
    assert main(["--python", str(tmp_path / "missing")], {}) == 1
    assert "does not run" in capsys.readouterr().out


def test_a_shim_with_nothing_behind_it_is_passed_over(tmp_path: Path) -> None:
    command(tmp_path / "shims" / "python3.13", "pyenv: command not found", 127)
    real = command(tmp_path / "bin" / "python3.13", "CPython 3.13")
    path = {"PATH": f"{tmp_path / 'shims'}:{tmp_path / 'empty'}:{tmp_path / 'bin'}"}
    assert find_python(None, path, RUNNING) == real


def test_another_implementation_is_passed_over(tmp_path: Path) -> None:
    command(tmp_path / "python3.13", "PyPy 3.13")
    assert find_python(None, {"PATH": str(tmp_path)}, RUNNING) is None


@pytest.mark.parametrize("where", [{"PYENV_ROOT": "{}"}, {"HOME": "{}"}])
def test_the_newest_version_of_pyenv_is_taken(tmp_path: Path, where: dict[str, str]) -> None:
    root = tmp_path / ".pyenv" if "HOME" in where else tmp_path
    for version in ("3.12.9", "3.13.2", "3.13.10"):
        message = f"CPython {version.rpartition('.')[0]}"
        command(root / "versions" / version / "bin" / "python3.13", message)
    environment = {name: str(tmp_path) for name in where}
    found = find_python(None, environment, RUNNING)
    assert found == root / "versions" / "3.13.10" / "bin" / "python3.13"


def test_the_running_interpreter_is_taken_when_it_is_the_right_one(tmp_path: Path) -> None:
    running = command(tmp_path / "python", "CPython 3.13")
    assert find_python(None, {}, str(running)) == running


def test_an_app_that_does_not_run_has_no_identity(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("no program", encoding="ascii")
    assert identity(tmp_path / "python") is None
    assert identity(tmp_path / "missing") is None


def test_an_environment_is_made_once_for_the_same_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(arguments: list[str], _: object) -> None:
        ran.append(arguments)
        command(tmp_path / "venv" / "bin" / "python", "CPython 3.13")

    monkeypatch.setattr(virtual_environment, "_run", run)
    wanted = tmp_path / "requirements.txt"
    for text, commands in (("a==1\n", 2), ("a==1\n", 2), ("a==2\n", 4)):
        wanted.write_text(text, encoding="ascii")
        python_with(tmp_path / "venv", tmp_path / "python", wanted, lambda _: None, ["b==1"])
        assert len(ran) == commands
    assert ran[-1][-1] == "b==1"


def test_half_an_environment_is_made_again_and_the_failure_is_shown(tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("a==1\n", encoding="ascii")
    broken = command(tmp_path / "python", "no room left", 3)
    for _ in range(2):
        lines: list[str] = []
        with pytest.raises(InstallError, match="no room left"):
            python_with(tmp_path / "venv", broken, wanted, lines.append)
        assert lines[-1] == "no room left"


def test_only_what_is_deployed_is_given_to_the_worker(tmp_path: Path) -> None:
    app = copy_app(ROOT, tmp_path / "app")
    names = {path.name for path in app.iterdir()} - {"pipelines.yaml"}
    code = {"function_app.py", "functions", "shared"}
    assert names == code | {"host.json", "openapi.json", "requirements.txt"}
    assert not list(app.rglob("__pycache__"))


def test_a_failure_shows_both_sides_and_an_error_ends_its_group_only() -> None:
    report = Report()
    with report.group("first"):
        report.equal("a thing", [1], [1])
        report.equal("a number", 200, 503)
        int("what is not a number")
    with report.group("second"):
        report.equal("another", "x", "x")
    assert report.closing_line == "2 passed, 2 failed"
    shown = StringIO()
    report.show(Console(file=shown, width=200))
    for words in ("expected: 200", "came:     503", "ValueError: invalid literal"):
        assert words in shown.getvalue()


def test_those_of_a_kind_are_one_row_and_one_that_failed_is_named() -> None:
    report = Report()
    with report.group("first"):
        for name in ("a", "b", "c"):
            report.equal(f"bindings of {name}", 1, 2 if name == "b" else 1, kind="bindings")
    shown = StringIO()
    report.show(Console(file=shown, width=200))
    text = shown.getvalue().partition("FAILED first")[0]
    assert "bindings: 2 as expected" in text
    assert "bindings of b" in text
    assert "bindings of a" not in text
    assert report.closing_line == "2 passed, 1 failed"
