"""Vendors the packages of the app for CPython 3.13 on Linux x86-64, and checks that they work."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_functions import expected_functions
from console import WRONG_USE, Console, HookError, ended_with
from environment import ROOT
from vendored_packages import pinned, vendored, wrong_in

_ABOUT: Final = """\
azd runs this before it packs the app. It puts the packages of requirements.txt into
.python_packages/lib/site-packages, as wheels for Python 3.13 on Linux x86-64, and checks that each
pinned version is there and fits. On Linux with Python 3.13 it also imports the app with them.
"""
_MORE: Final = """\
It has to run with CPython 3.13, on any system: pip decides by the Python it runs on which lines of
requirements.txt count, so another one would vendor packages with which the app has no functions.

exit codes: 0 done · 1 something is wrong: the message says what to do · 2 the hook could not begin

examples:
  python3.13 infra/hooks/package.py
  python3.13 infra/hooks/package.py --check     only check what is there
"""
FOLDER: Final = Path(".python_packages/lib/site-packages")
PIP: Final = (
    "--no-deps",
    "--only-binary=:all:",
    "--platform",
    "manylinux2014_x86_64",
    "--python-version",
    "3.13",
    "--implementation",
    "cp",
)
#: They would put the packages elsewhere, or ask a question.
_PIP_VARIABLES: Final = {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
_WANTED: Final = ("CPython", 3, 13)
_PIP_SECONDS: Final = 900
_IMPORT_SECONDS: Final = 120
_LAST_LINES: Final = 15
_MOST_SHOWN: Final = 20
_LARGEST: Final = 8
_MEGABYTE: Final = 1_000_000
#: The code of a clean process, which has the folder of the app, the packages, and nothing else.
LIST_FUNCTIONS: Final = """
import json, sys
sys.path[:0] = sys.argv[1:]
import function_app
print(json.dumps([one.get_function_name() for one in function_app.app.get_functions()]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python, as far as it matters here."""

    path: str
    implementation: str
    version: tuple[int, int]
    system: str
    machine: str

    @classmethod
    def running(cls) -> "Interpreter":
        """Return the one that runs this."""
        return cls(
            sys.executable,
            platform.python_implementation(),
            sys.version_info[:2],
            platform.system(),
            platform.machine(),
        )

    @property
    def is_that_of_the_app(self) -> bool:
        """Whether the app would run on it as it does in Azure."""
        return (self.system, self.machine) == ("Linux", "x86_64")

    def check(self) -> None:
        """Refuse every Python but CPython 3.13.

        Raises:
            HookError: it is another.
        """
        if (self.implementation, *self.version) == _WANTED:
            return
        have = f"{self.implementation} {self.version[0]}.{self.version[1]} ({self.path})"
        raise HookError(
            f"this is {have}, and packages for the app can be vendored only with CPython 3.13",
            "have python3.13 on the PATH (pyenv: `pyenv local 3.11 3.13`; uv: `uv python install"
            " 3.13`; on Windows python.org and `py -3.13`), then repeat `azd deploy`, or run"
            " `python3.13 infra/hooks/package.py`",
            known=1,
            exit_code=WRONG_USE,
        )


Run = Callable[[Sequence[str], Mapping[str, str], float], "subprocess.CompletedProcess[str]"]


def run_command(
    command: Sequence[str], variables: Mapping[str, str], seconds: float
) -> "subprocess.CompletedProcess[str]":
    """Run a command in the folder of the app, and return what it printed.

    Args:
        command: and its arguments.
        variables: its whole environment.
        seconds: how long it may take.

    Returns:
        What became of it; both outputs are in `stdout`.

    Raises:
        HookError: it took too long.
    """
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=dict(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        what = f"`{' '.join(command[1:4])} …` did not end within {seconds:.0f} s"
        raise HookError(what, "check the network, then repeat") from None


@dataclass(frozen=True)
class Vendoring:
    """The steps of the hook."""

    root: Path
    python: Interpreter
    console: Console
    run: Run = run_command

    @property
    def folder(self) -> Path:
        """Where the packages are put."""
        return self.root / FOLDER

    def install(self) -> None:
        """Remove what is there, and have pip put the packages there.

        Raises:
            HookError: pip failed; then nothing is left there.
        """
        self.console.step(f"packages of requirements.txt into {FOLDER.as_posix()}")
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            what = f"{FOLDER.as_posix()} cannot be removed"
            raise HookError(what, "close what has files of it open, then repeat")
        wanted = ["--target", str(self.folder), "-r", str(self.root / "requirements.txt")]
        command = [self.python.path, "-m", "pip", "install", *PIP, "--no-compile", *wanted]
        done = self.run(command, {**os.environ, **_PIP_VARIABLES}, _PIP_SECONDS)
        if done.returncode:
            shutil.rmtree(self.folder, ignore_errors=True)  # half of it must not be deployed
            for line in done.stdout.splitlines()[-_LAST_LINES:]:
                self.console.detail(line)
            advice = "read the lines of pip above"
            if "No module named pip" in done.stdout:
                advice = f"run `{self.python.path} -m ensurepip`, then repeat"
            raise HookError(f"pip failed (exit code {done.returncode})", advice)

    def check(self) -> None:
        """Check every package that is there.

        Raises:
            HookError: one is missing, or does not fit.
        """
        self.console.step("checking each package")
        pins = pinned((self.root / "requirements.txt").read_text(encoding="utf-8"))
        if wrong := wrong_in(self.folder, pins):
            for line in wrong[:_MOST_SHOWN]:
                self.console.detail(line)
            if more := len(wrong[_MOST_SHOWN:]):
                self.console.detail(f"and {more} more")
            raise HookError(
                f"{FOLDER.as_posix()} is not what the app needs: {len(wrong)} faults",
                "run `python3.13 infra/hooks/package.py`, which makes it anew",
                known=1,
            )
        text = f"{len(pins)}, each in its pinned version, for CPython 3.13 on Linux x86-64"
        self.console.result("packages", "done", text)

    def list_functions(self) -> None:
        """Import the app with its packages in a clean process, where that is possible.

        Raises:
            HookError: it cannot be imported, or has other functions than its source says.
        """
        self.console.step("importing the app with these packages")
        if not self.python.is_that_of_the_app:
            have = f"{self.python.system} {self.python.machine}"
            text = f"this is {have}, and the packages are for Linux x86_64"
            self.console.result("import of the app", "not tried", text)
            return
        code = [self.python.path, "-I", "-S", "-B", "-c", LIST_FUNCTIONS]
        command = [*code, str(self.root), str(self.folder)]
        done = self.run(command, {"PATH": os.environ.get("PATH", "")}, _IMPORT_SECONDS)
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            for line in lines[-_LAST_LINES:]:
                self.console.detail(line)
            raise HookError(
                "the app cannot be imported with its packages, so it would have no functions",
                "read the error above: is a package missing in requirements.in? Then `make lock`",
                known=4,
            )
        found, expected = frozenset(map(str, json.loads(lines[-1]))), expected_functions(self.root)
        if found != expected:
            differing = ", ".join(sorted(found ^ expected))
            raise HookError(
                f"the app has {len(found)} functions, and its source names {len(expected)}:"
                f" {differing}",
                "register each module of functions/ in function_app.py",
                known=4,
            )
        self.console.result("import of the app", "done", f"{len(found)} functions")

    def sizes(self) -> None:
        """Print how large the packages are."""
        sizes = sorted(
            ((one.size(), f"{one.name} {one.version}") for one in vendored(self.folder)),
            reverse=True,
        )
        rest = sizes[_LARGEST:]
        for size, name in sizes[:_LARGEST]:
            self.console.line(f"  {size / _MEGABYTE:7.1f} MB  {name}")
        if rest:
            others = sum(size for size, _ in rest) / _MEGABYTE
            self.console.line(f"  {others:7.1f} MB  {len(rest)} others")
        total = sum(size for size, _ in sizes)
        self.console.line(f"  {total / _MEGABYTE:7.1f} MB  in all")


def main(
    arguments: Sequence[str] | None = None,
    console: Console | None = None,
    python: Interpreter | None = None,
    root: Path = ROOT,
    run: Run = run_command,
) -> int:
    """Run the hook and return its exit code.

    Args:
        arguments: of the command line; None takes those of the process.
        console: prints.
        python: that runs the hook.
        root: the folder of the app.
        run: runs pip, and the process that imports the app.
    """
    made = argparse.ArgumentParser(
        prog="package.py",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--check", action="store_true", help="only check the packages that are there")
    given = made.parse_args(arguments)
    shown = console or Console()

    def work() -> None:
        used = python or Interpreter.running()
        used.check()
        steps = Vendoring(root, used, shown, run)
        if not given.check:
            steps.install()
        steps.check()
        steps.list_functions()
        steps.sizes()

    return ended_with(shown, work)
