"""The command line as a whole: help, exit codes, errors, and one real process."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from cli import main as command_line
from cli import validate
from cli.output import Output, printable
from shared.version import VERSION
from tests.cli.conftest import SECRET, Relearn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", ["doctor", "validate", "upload", "import-adf"])
def test_the_help_of_each_command_has_examples(relearn: Relearn, command: str) -> None:
    said = relearn(command, "--help")
    assert said.code == 0
    assert f"\n    relearn {command}" in said.out
    assert f"{command} " in relearn("--help").out


def test_the_help_names_the_exit_codes_and_the_key(relearn: Relearn) -> None:
    said = relearn("-h")
    assert "Exit codes: 0 all is well, 1 something is wrong, 2" in said.out
    assert "RELEARN_FUNCTION_KEY" in said.out


@pytest.mark.parametrize(
    "arguments",
    [(), ("nothing",), ("validate",), ("doctor", "--nothing"), ("upload",), ("import-adf",)],
)
def test_what_is_not_used_correctly_ends_with_2(
    relearn: Relearn, arguments: tuple[str, ...]
) -> None:
    said = relearn(*arguments)
    assert said.code == 2
    assert "relearn" in f"{said.out}{said.err}"


def test_the_version_is_shown(relearn: Relearn) -> None:
    assert relearn("--version").out == f"relearn {VERSION}\n"


def test_an_unexpected_error_is_one_line_with_what_to_do(
    relearn: Relearn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise KeyError(SECRET)

    monkeypatch.setattr(validate, "run", broken)
    said = relearn("validate", "pipelines.yaml")
    assert said.code == 1
    assert said.err == (
        "relearn: unexpected error (KeyError). To do: run it again with --debug, and report it\n"
    )


def test_debug_shows_where_an_unexpected_error_came_from(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise KeyError("x")

    del folder
    monkeypatch.setattr(validate, "run", broken)
    assert command_line.main(["validate", "pipelines.yaml", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_is_no_error(relearn: Relearn, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(validate, "run", interrupted)
    assert relearn("validate", "pipelines.yaml").code == 130


def test_a_service_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[2Jb\nc") == "a [2Jb c"
    Output().result("wrong", "[red]\x1b[2J[/red]", "[link=x]do[/link]")
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[red]" in said
    assert "[link=x]do[/link]" in said


def test_the_package_installs_this_command_and_what_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, function = project["project"]["scripts"]["relearn"].partition(":")
    assert getattr(import_module(module), function) is command_line.main
    files = project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]
    wanted = [line for name in files for line in (ROOT / name).read_text().splitlines()]
    names = {line.partition("==")[0] for line in wanted if line and not line.startswith("#")}
    assert {"typer", "rich", "azure-storage-blob", "pydantic", "requests"} <= names
    assert "cli" in (ROOT / ".funcignore").read_text().split()


def test_a_process_of_its_own_prints_no_colours_into_a_pipe(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "validate", "pipelines.yaml", "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"result": "ok"' in done.stdout
