"""Packages are installed into an environment by the uv next to the interpreter, or by pip."""

import sys
import threading
import time
from pathlib import Path

import pytest

from local import virtual_environment
from local.virtual_environment import InstallError, python_with


@pytest.mark.parametrize("beside", ["it", "the running one"])
@pytest.mark.parametrize("tools", [["uv"], ["uv", "pip"]])
def test_uv_is_tried_first_and_pip_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: list[str], beside: str
) -> None:
    ran: list[str] = []
    has_pip = False
    works = "pip" not in tools

    def run(arguments: list[str], _: object) -> None:
        nonlocal has_pip
        if "venv" in arguments:
            has_pip = "--without-pip" not in arguments
            return
        ran.append("pip" if "-m" in arguments else Path(arguments[0]).name)
        assert has_pip == (ran[-1] == "pip")
        if ran[-1] == "uv" and not works:
            raise InstallError("no such index")

    monkeypatch.setattr(virtual_environment, "_run", run)
    running, given = tmp_path / "running", tmp_path / "given"
    monkeypatch.setattr(sys, "executable", str(running / "python"))
    for folder in (running, given):
        folder.mkdir()
    ((given if beside == "it" else running) / "uv").touch()
    wanted = tmp_path / "requirements.txt"
    wanted.touch()
    said: list[str] = []
    python_with(tmp_path / "venv", given / "python", wanted, said.append)
    assert (ran, bool(said)) == (tools, not works)


def test_nobody_makes_an_environment_that_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []

    def run(*_: object) -> None:
        log.append("(")
        time.sleep(0.05)
        log.append(")")

    monkeypatch.setattr(virtual_environment, "_run", run)
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("", encoding="ascii")
    made = (tmp_path / "venv", tmp_path / "python", wanted, log.append)
    threads = [threading.Thread(target=python_with, args=made) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "".join(log) == "()" * 4
