"""Everything that CI runs, with a table at the end: `make test`.

The tests wait for real hosts, and installing the other checks' packages waits for the network: so
several run at the same time, and the output of each is printed when it has ended.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from local.test_parts import parts, total, without_progress
from local.virtual_environment import NOT_CHECKED

ROOT: Final = Path(__file__).parents[1]
#: Three more than cores: those with a real host wait most of the time.
_AT_ONCE: Final = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One command, and what it checks."""

    name: str
    promise: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check."""

    check: Check
    code: int
    seconds: float
    said: str


FIRST: Final = (
    Check(
        "format", "the code has the agreed format", ("ruff", "format", "--check", "--quiet", ".")
    ),
    Check("lint", "no known mistake in the code", ("ruff", "check", "--quiet", ".")),
)
TESTS: Final = tuple(Check(part.name, part.promise, part.command()) for part in parts())
#: The checks that wait longest begin first.
BESIDE: Final = (
    *TESTS[:3],
    Check("sdk", "azure-ai-ml works with the stand-in", ("local.sdk_check", "--reduced")),
    *TESTS[3:],
    Check("types", "mypy strict, product and tests", ("mypy", "--no-error-summary")),
    Check("worker", "the official worker runtime runs the app", ("local.worker_check",)),
)

_RESULTS: Final = {0: "[green]passed[/]", NOT_CHECKED: "[yellow]NOT CHECKED[/]"}


def main() -> int:
    """Run every check and return 0 when all passed."""
    argparse.ArgumentParser(prog="python -m local.checks", description=__doc__).parse_args()
    console = Console()
    results = [_shown(console, _made(check)) for check in FIRST]
    console.print(f"running {', '.join(check.name for check in BESIDE)} …")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = [pool.submit(_made, check) for check in BESIDE]
        try:
            results += [_shown(console, done.result()) for done in as_completed(begun)]
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C ends what runs: nothing else begins
    console.print(_table(results))
    print("tests:", total(one.said for one in results if one.check in TESTS))
    codes = [result.code for result in results]
    passed, unmade = codes.count(0), codes.count(NOT_CHECKED)
    failed = len(codes) - passed - unmade
    print(f"checks: {passed} passed, {failed} failed" + f", {unmade} NOT CHECKED" * bool(unmade))
    return 1 if failed else 0


def _made(check: Check) -> Result:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *check.command],
        cwd=ROOT,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return Result(check, done.returncode, time.monotonic() - began, done.stdout)


def _shown(console: Console, result: Result) -> Result:
    console.rule(result.check.name, align="left")
    print(without_progress(result.said), end="", flush=True)
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
