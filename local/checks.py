"""Everything that CI runs, one check after the other, with a table at the end: `make test`."""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from local.virtual_environment import NOT_CHECKED

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Check:
    """One command, and what it makes sure of."""

    name: str
    promise: str
    command: tuple[str, ...]


# One more than cores: those with a real host wait most of the time.
_PYTEST: Final = ("pytest", "-q", "--numprocesses=3", "--dist=worksteal")
CHECKS: Final = (
    Check(
        "format", "the code is laid out as agreed", ("ruff", "format", "--check", "--quiet", ".")
    ),
    Check("lint", "no known mistake in the code", ("ruff", "check", "--quiet", ".")),
    Check("types", "mypy strict, product and tests", ("mypy", "--no-error-summary")),
    Check("tests", "unit, contract, fault sweep, functions, end to end", (*_PYTEST, "tests")),
    Check("worker", "the official worker runtime runs the app", ("local.worker_check",)),
    Check("sdk", "azure-ai-ml takes the stand-in for real", ("local.sdk_check", "--reduced")),
)

_RESULTS: Final = {0: "[green]passed[/]", NOT_CHECKED: "[yellow]NOT CHECKED[/]"}


def main() -> int:
    """Run every check and return 0 when all passed."""
    argparse.ArgumentParser(prog="python -m local.checks", description=__doc__).parse_args()
    console = Console()
    table = Table(title="\nmake test", title_justify="left")
    for heading in ("check", "what it makes sure of", "seconds", "result"):
        table.add_column(heading)
    codes: list[int] = []
    for check in CHECKS:
        console.rule(check.name, align="left")
        began = time.monotonic()
        command = [sys.executable, "-m", *check.command]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        codes.append(code)
        result = _RESULTS.get(code, "[red]failed[/]")
        table.add_row(check.name, check.promise, f"{time.monotonic() - began:.0f}", result)
    console.print(table)
    passed, unmade = codes.count(0), codes.count(NOT_CHECKED)
    failed = len(codes) - passed - unmade
    print(f"checks: {passed} passed, {failed} failed" + f", {unmade} NOT CHECKED" * bool(unmade))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
