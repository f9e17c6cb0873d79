"""Everything that CI runs, with a table at the end: `make test`.

The tests wait for real hosts, and installing the other checks' packages waits for the network: so
several run at the same time, and the output of each is printed when it has ended. Types and the
first part of the tests begin while Azurite, the storage server of the others, is installed.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from local.test_parts import has_ended, parts, total, without_progress
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


def _module(name: str, promise: str, *command: str) -> Check:
    return Check(name, promise, (sys.executable, "-m", *command))


FIRST: Final = (
    _module(
        "format", "the code has the agreed format", "ruff", "format", "--check", "--quiet", "."
    ),
    _module("lint", "no known mistake in the code", "ruff", "check", "--quiet", "."),
)
TESTS: Final = tuple(_module(part.name, part.promise, *part.command()) for part in parts())
AZURITE: Final = Check(
    "Azurite",
    "the storage server is installed",
    # The environment is in use: it is not made anew, however old.
    ("make", "-s", "-o", ".venv/.installed", "node_modules/.installed"),
)
#: These need no Azurite. On a new clone nothing is compiled: mypy does not read it, and the tests
#: compile alone what five parts at once would all compile.
WITHOUT_AZURITE: Final = (
    _module("types", "mypy strict, product and tests", "mypy", "--no-error-summary"),
    TESTS[0],
)
#: The checks that wait longest begin first; those that only compute, last: no core waits alone.
WITH_AZURITE: Final = (
    *TESTS[1:-3],
    _module("sdk", "azure-ai-ml works with the stand-in", "local.sdk_check", "--reduced"),
    _module("worker", "the official worker runtime runs the app", "local.worker_check"),
    *TESTS[-3:],
)

_RESULTS: Final = {0: "[green]passed[/]", NOT_CHECKED: "[yellow]NOT CHECKED[/]"}


def main() -> int:
    """Run every check and return 0 when all passed."""
    argparse.ArgumentParser(prog="python -m local.checks", description=__doc__).parse_args()
    console = Console()
    results = [_shown(console, _made(check)) for check in FIRST]
    names = (check.name for check in (*WITHOUT_AZURITE, AZURITE, *WITH_AZURITE))
    console.print(f"running {', '.join(names)} …")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            results += _beside(pool, console)
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C ends what runs: nothing else begins
    console.print(_table(results))
    print("tests:", total(one.said for one in results if one.check in TESTS))
    codes = [result.code for result in results]
    passed, unmade = codes.count(0), codes.count(NOT_CHECKED)
    failed = len(codes) - passed - unmade
    print(f"checks: {passed} passed, {failed} failed" + f", {unmade} NOT CHECKED" * bool(unmade))
    return 1 if failed else 0


def _beside(pool: Executor, console: Console) -> Iterator[Result]:
    """Yield what came of each check; without Azurite, what needs it is not made."""
    begun = [pool.submit(_made, check) for check in WITHOUT_AZURITE]
    installed = _shown(console, _made(AZURITE))
    yield installed
    if installed.code:
        yield from (Result(check, NOT_CHECKED, 0.0, "") for check in WITH_AZURITE)
    else:
        begun += [pool.submit(_made, check) for check in WITH_AZURITE]
    yield from (_shown(console, done.result()) for done in as_completed(begun))


def _made(check: Check) -> Result:
    began = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    code = done.returncode
    # A part that ends early may give 0, or the code that other checks give for NOT CHECKED.
    if check in TESTS and (code == NOT_CHECKED or not has_ended(done.stdout)):
        code = 1
    return Result(check, code, time.monotonic() - began, done.stdout)


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
