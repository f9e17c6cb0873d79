"""Checks the infrastructure without Azure: `make infra-check`.

`make test` has the first check. checkov and zizmor get a virtual environment of their own.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from local.infra_check.check import ROOT, check_here
from local.infra_check.tools import Judged, checkov, zizmor
from local.virtual_environment import NOT_CHECKED, InstallError, python_with
from shared.core.counting import counted

ENVIRONMENT: Final = ROOT / ".venv-infra"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what it holds, and what runs it."""

    name: str
    promise: str
    run: Callable[[], Judged]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks, print what is wrong and a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.infra_check", description=__doc__)
    parser.add_argument("--types", action="store_true", help="only the check that needs no tool")
    options = parser.parse_args(arguments)
    checks = [Check("types", "templates fit the types of Azure, the app and azd", _types)]
    unmade = 0
    if not options.types:
        try:
            python = python_with(ENVIRONMENT, Path(sys.executable), REQUIREMENTS, _progress)
        except InstallError as error:
            print(error)
            unmade = 1 if os.environ.get("CI") == "true" else NOT_CHECKED
        else:
            checks += _with_tools(python.parent)
    return _reported(checks, unmade)


def _types() -> Judged:
    return Judged(tuple(map(str, check_here())))


def _with_tools(tools: Path) -> list[Check]:
    folder = ROOT / ".github"
    promise = "no known weakness in the templates"
    return [
        Check("checkov", promise, lambda: checkov(tools, ROOT / "infra")),
        Check("zizmor", "no known weakness in the workflows", lambda: zizmor(tools, folder)),
    ]


def _reported(checks: Sequence[Check], unmade: int) -> int:
    console = Console()
    table = Table(title="\nmake infra-check", title_justify="left")
    for heading in ("check", "what it makes sure of", "seconds", "result"):
        table.add_column(heading)
    wrong = skipped = 0
    for check in checks:
        began = time.monotonic()
        result = check.run()
        skipped += result.skipped
        print(*result.wrong, sep="\n", end="\n" * bool(result.wrong))
        wrong += len(result.wrong)
        shown = f"[red]{len(result.wrong)} wrong[/]" if result.wrong else "[green]passed[/]"
        table.add_row(check.name, check.promise, f"{time.monotonic() - began:.0f}", shown)
    if unmade:
        table.add_row("checkov, zizmor", "no known weakness", "0", "[yellow]NOT CHECKED[/]")
    console.print(table)
    if skipped:
        print(
            f"checkov: {counted(skipped, 'finding')} may stay; local/infra_check/tools.py says why"
        )
    return 1 if wrong else unmade


def _progress(line: str) -> None:
    if line.startswith(("Collecting", "Installing", "Successfully", "Prepared", "Installed")):
        print(line[:100], flush=True)


if __name__ == "__main__":
    sys.exit(main())
