"""Everything that CI runs, with a table at the end: `make test`.

The tests wait for real hosts, and installing the other checks' packages waits for the network:
so those run beside the tests, one after the other, and what they say is printed afterwards.
One process imports every test first: the others then read what it has compiled.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check."""

    check: Check
    code: int
    seconds: float
    said: str = ""  #: nothing if it was printed at once


_PYTEST: Final = ("pytest", "-q")
# One more than cores: those with a real host wait most of the time.
_PROCESSES: Final = ("--numprocesses=3", "--dist=worksteal")
FIRST: Final = (
    Check(
        "format", "the code is laid out as agreed", ("ruff", "format", "--check", "--quiet", ".")
    ),
    Check("lint", "no known mistake in the code", ("ruff", "check", "--quiet", ".")),
)
IMPORTS: Final = Check(
    "imports", "every test can be imported", (*_PYTEST, "-q", "--collect-only", "tests")
)
TESTS: Final = Check(
    "tests",
    "unit, contract, fault sweep, functions, end to end",
    (*_PYTEST, *_PROCESSES, "tests"),
)
BESIDE: Final = (
    Check("types", "mypy strict, product and tests", ("mypy", "--no-error-summary")),
    Check("worker", "the official worker runtime runs the app", ("local.worker_check",)),
    Check("sdk", "azure-ai-ml takes the stand-in for real", ("local.sdk_check", "--reduced")),
)

_RESULTS: Final = {0: "[green]passed[/]", NOT_CHECKED: "[yellow]NOT CHECKED[/]"}


def main() -> int:
    """Run every check and return 0 when all passed."""
    argparse.ArgumentParser(prog="python -m local.checks", description=__doc__).parse_args()
    console = Console()
    results: list[Result] = []
    with ThreadPoolExecutor(1) as pool:
        beside = [pool.submit(_made, check, printed=False) for check in BESIDE]
        for check in FIRST:
            console.rule(check.name, align="left")
            results.append(_made(check, printed=True))
        imports = _made(IMPORTS, printed=False)
        results.append(_shown(console, imports) if imports.code else imports)
        console.rule(TESTS.name, align="left")
        results.append(_made(TESTS, printed=True))
        results += [_shown(console, waited.result()) for waited in beside]
    console.print(_table(results))
    codes = [result.code for result in results]
    passed, unmade = codes.count(0), codes.count(NOT_CHECKED)
    failed = len(codes) - passed - unmade
    print(f"checks: {passed} passed, {failed} failed" + f", {unmade} NOT CHECKED" * bool(unmade))
    return 1 if failed else 0


def _made(check: Check, *, printed: bool) -> Result:
    """Make a check.

    Args:
        check: the check.
        printed: whether what it says is printed at once; else it is in the result.
    """
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *check.command],
        cwd=ROOT,
        check=False,
        text=True,
        stdout=None if printed else subprocess.PIPE,
        stderr=None if printed else subprocess.STDOUT,
    )
    return Result(check, done.returncode, time.monotonic() - began, done.stdout or "")


def _shown(console: Console, result: Result) -> Result:
    console.rule(result.check.name, align="left")
    print(result.said, end="", flush=True)
    return result


def _table(results: Sequence[Result]) -> Table:
    table = Table(title="\nmake test", title_justify="left")
    for heading in ("check", "what it makes sure of", "seconds", "result"):
        table.add_column(heading)
    for one in results:
        result = _RESULTS.get(one.code, "[red]failed[/]")
        table.add_row(one.check.name, one.check.promise, f"{one.seconds:.0f}", result)
    return table


if __name__ == "__main__":
    sys.exit(main())
