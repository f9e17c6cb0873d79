"""Runs the check of the official worker; `python -m local.worker_check --help`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from local.azurite import Azurite, AzuriteError
from local.virtual_environment import InstallError, python_with
from local.worker_check.checks import RUNTIME, check_all
from local.worker_check.interpreters import WANTED, NotUsableError, find_python
from local.worker_check.report import Report
from local.worker_check.stage import set_stage
from local.worker_check.traces import check_trace
from local.worker_check.worker import ROOT

_UNCHECKED: Final = (
    f"NOT CHECKED: there is no {WANTED} on this machine.\n"
    "Whether the official Functions worker indexes and runs this app is unknown:\n"
    "its bindings, auth levels, blob clients and answers were not checked.\n"
    "Install it (pyenv install 3.13, or --python PATH) and run this again."
)


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    find: Callable[[Path | None, Mapping[str, str]], Path | None] = find_python,
) -> int:
    """Check, show the result and return the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        python = find(options.python, environment)
        if python is None:
            console.print(_UNCHECKED, style="bold yellow", markup=False)
            return 1 if environment.get("CI") == "true" else 0
        inside = _environment(python, options.venv, console)
        report = _checked(inside)
    except (NotUsableError, InstallError, AzuriteError) as exc:
        console.print(str(exc), style="bold red", markup=False)
        return 1
    report.show(console)
    print(report.closing_line)
    return 1 if report.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.worker_check",
        description=(
            f"Check on {WANTED} that the official worker runtime ({RUNTIME}) indexes and runs "
            f"this app. Without {WANTED} nothing is checked: a message says so, and it is an error "
            "if the environment variable CI is `true`."
        ),
    )
    parser.add_argument("--python", type=Path, help=f"the {WANTED} to use (default: searched for)")
    parser.add_argument(
        "--venv",
        type=Path,
        default=ROOT / ".venv-worker",
        help="where its packages are kept between checks (default: .venv-worker)",
    )
    return parser


def _environment(python: Path, folder: Path, console: Console) -> Path:
    with console.status(f"{WANTED}: {python}") as status:

        def progress(line: str) -> None:
            if line.startswith(("Collecting", "Installing", "Successfully")):
                console.print(line[:100], style="dim", markup=False, highlight=False)
            status.update(f"installing the worker: {line[:60]}")

        return python_with(folder, python, ROOT / "requirements.txt", progress, [RUNTIME])


def _checked(inside: Path) -> Report:
    report = Report()
    with (
        Azurite() as azurite,
        tempfile.TemporaryDirectory(prefix="worker-check-") as folder,
        set_stage(Path(folder), ROOT, azurite.connection_string) as stage,
    ):
        check_all(inside, stage, report)
        check_trace(inside, stage, Path(folder), report)
    return report


if __name__ == "__main__":
    sys.exit(main())
