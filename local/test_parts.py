"""Divides the tests into parts, each for a process of its own, and adds up their results.

A process collects only the tests of its own part, and runs them one after the other. Tests that
no other part names are in `contracts`, so each test is in exactly one part.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.core.counting import counted

_TESTS: Final = "tests"
_PROGRESS: Final = re.compile(r"[.sxXFE]* *\[ *\d+%\]")
_SUMMARY: Final = re.compile(r"\d+ \w+(?:, \d+ \w+)* in \d+\.\d+s.*")
_NUMBER: Final = re.compile(r"(\d+) (\w+)")

#: Several parts at once would write one cache, none shares its tests with other processes, and
#: no test uses the rest as a plugin: to load them takes most of a second.
_PLUGINS: Final = tuple(
    f"-pno:{name}" for name in ("cacheprovider", "xdist", "schemathesis", "anyio")
)


@dataclass(frozen=True, slots=True)
class Part:
    """Some folders and files of tests.

    Args:
        name: what the tests are called.
        promise: what they make sure of.
        paths: the folders and files, of the project.
        without: those that are in a part of their own.
    """

    name: str
    promise: str
    paths: tuple[str, ...]
    without: tuple[str, ...] = ()

    def command(self) -> tuple[str, ...]:
        """Return the command that runs it, without the interpreter."""
        without = (f"--ignore={one}" for one in self.without)
        return ("pytest", "-q", *_PLUGINS, *self.paths, *without)

    def has(self, file: Path) -> bool:
        """Return whether a file of tests is in it.

        Args:
            file: relative to the project.
        """
        return _is_in(file, self.paths) and not _is_in(file, self.without)


def parts() -> tuple[Part, ...]:
    """Return every part, in the order in which they are to begin.

    The first needs no Azurite. Then come those that wait for real processes most of the time: the
    others use the cores meanwhile. The last three only compute, and the shortest of them is last.
    """
    killed = _in(f"{_TESTS}/e2e", "test_demo.py", "test_proof_host_kills.py")
    many = _in(f"{_TESTS}/e2e", "test_proof_hosts.py", "test_run.py", "test_many_endpoints.py")
    many += _in(f"{_TESTS}/e2e", "test_killed.py")
    pure = _in(f"{_TESTS}/unit", "core", "config", "importers")
    flows = _in(f"{_TESTS}/unit", "execution", "intake")
    workspace = _in(f"{_TESTS}/sweep", "test_azureml_training_sweep.py", "test_holdout_sweep.py")
    workspace += _in(f"{_TESTS}/sweep", "test_serving_sweep.py", "test_steps_sweep.py")
    workspace += _in(f"{_TESTS}/sweep", "test_proofs_of_runs_short.py")
    unit, e2e = f"{_TESTS}/unit", f"{_TESTS}/e2e"
    local, sweep = f"{_TESTS}/local", f"{_TESTS}/sweep"
    named = (e2e, local, sweep, unit)
    return (
        Part("unit: runs", "the steps from new data to a live model", flows),
        Part("demo, kills", "the demo's output is true, and no kill breaks a promise", killed),
        Part("hosts", "many runs, two hosts, `make run` and its restart", many),
        Part("end to end", "real storage, real HTTP, the app in its host", (e2e,), killed + many),
        Part("unit: rest", "all others, and the rules for the code", (unit,), (*pure, *flows)),
        Part("local servers", "the stand-ins behave as documented", (local,)),
        Part("contracts", "ports, functions, command line, infrastructure", (_TESTS,), named),
        Part("fault sweep", "no fault at any call breaks a promise", (sweep,), workspace),
        Part("faults: workspace", "no fault of Azure ML or at random breaks a promise", workspace),
        Part("unit: core", "decisions, and files that are read", pure),
    )


def without_progress(said: str) -> str:
    """Return what pytest said, without the lines of dots."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if not _PROGRESS.fullmatch(line.rstrip()))


def has_ended(said: str) -> bool:
    """Return whether pytest came to its end, which says how many tests passed."""
    return next(_summaries(said), None) is not None


def total(said: Iterable[str]) -> str:
    """Return how many tests passed, failed and so on, over all parts.

    Args:
        said: the output of each part.

    Returns:
        Such as `15,900 passed, 1 failed`; of a part that did not come to its end, that it did not.
    """
    numbers: Counter[str] = Counter()
    broken = 0
    for one in said:
        summary = next(_summaries(one), None)
        broken += summary is None
        for number, what in _NUMBER.findall((summary or "").partition(" in ")[0]):
            numbers[what] += int(number)
    found = [f"{number:,} {what}" for what, number in numbers.items()]
    found += [f"{counted(broken, 'part')} not run to the end"] * bool(broken)
    return ", ".join(found)


def _summaries(said: str) -> Iterator[str]:
    return (line for line in reversed(said.splitlines()) if _SUMMARY.fullmatch(line.strip("= ")))


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


def _is_in(file: Path, paths: tuple[str, ...]) -> bool:
    return any(file.is_relative_to(path) for path in paths)
