"""Which tests run which functions, so that a mutant is shown only to the tests that run it."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest

from proofs.mutants.mutations import Mutant
from proofs.mutants.tests_of import ROOT

#: What was learned from a file of tests is kept until it changes, or what it runs.
KEPT_IN: Final = ROOT / ".local" / "mutants"
_RUN: Final = ("shared/**/*.py", "functions/**/*.py", "tests/**/*.py")


def kept_calls(tests: Sequence[str]) -> dict[str, Path]:
    """Return where the calls of each file of tests are kept, whether they are known yet or not."""
    helped = hashlib.sha256()
    for file in sorted(file for pattern in _RUN for file in ROOT.glob(pattern)):
        if not file.name.startswith("test_"):
            helped.update(file.read_bytes())
    return {
        name: KEPT_IN / f"{_digest(helped.digest() + (ROOT / name).read_bytes())}.json"
        for name in tests
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


class Known:
    """Which tests call which functions, and how long they take."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._called: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}
        for file in files:
            for test, (seconds, called) in json.loads(file.read_text(encoding="utf-8")):
                self._called[test] = set(called)
                self.seconds[test] = seconds

    def tests_for(self, mutant: Mutant, files: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tests in these files that run the code of `mutant`, the likely ones first.

        Args:
            mutant: what they look at; some run when their modules are imported, in no test.
            files: the files of tests for its module.
        """
        wanted = function(mutant.file, mutant.runs_in) if mutant.runs_in else ""
        tests = self.tests_in(files)
        return tuple(test for test in tests if wanted in self._called[test])

    def tests_in(self, files: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tests in these files: the fast ones, and those of the first files, first."""
        times = {file: number for number, file in enumerate(files, start=1)}
        found = [test for test in self.seconds if test.partition("::")[0] in times]
        found.sort(key=lambda test: times[test.partition("::")[0]] * self.seconds[test])
        return tuple(found)


class Calls:
    """A plugin of pytest: notes which functions of the project each test calls."""

    def __init__(self) -> None:
        self.of_tests: dict[str, tuple[float, set[str]]] = {}
        self._called: set[CodeType] = set()
        self._failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note what is called while a test and its fixtures run."""
        _forget()
        self._called = set()
        sys.setprofile(self._note)
        threading.setprofile(self._note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            seconds, known = self.of_tests.get(item.nodeid, (0.0, set[str]()))
            self.of_tests[item.nodeid] = (seconds, known | ours(self._called))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long a test takes, and whether it fails: it may measure time itself."""
        if report.failed:
            self._failed.add(report.nodeid)
        seconds, called = self.of_tests.get(report.nodeid, (0.0, set[str]()))
        self.of_tests[report.nodeid] = (seconds + report.duration, called)

    def keep(self, file: Path) -> None:
        """Write what was noted of the tests that passed; the others could find nothing."""
        noted = [
            (test, (seconds, sorted(called)))
            for test, (seconds, called) in self.of_tests.items()
            if test not in self._failed
        ]
        part = file.with_suffix(".part")
        part.write_text(json.dumps(noted), encoding="utf-8")
        part.rename(file)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":  # of anything: it is sorted out afterwards, to be quick here
            self._called.add(frame.f_code)


def _forget() -> None:
    """Empty the caches of the core: what an earlier test asked for is called again."""
    for name, module in list(sys.modules.items()):
        if name.startswith("shared.core."):
            for one in list(vars(module).values()):
                if hasattr(type(one), "cache_clear"):
                    one.cache_clear()


def ours(called: set[CodeType]) -> set[str]:
    """Return how those of these functions are called that are ours."""
    return {
        function(code.co_filename, code.co_qualname)
        for code in called
        if code.co_filename.startswith(f"{ROOT}/shared/")
    }


def function(file: str, qualified: str) -> str:
    """Return how a function is called here: by its file and where it is defined in it."""
    path = Path(file)
    inside = path.relative_to(ROOT) if path.is_absolute() else path
    names = [name for name in qualified.split(".") if not name.startswith("<")]
    return f"{inside.as_posix()}:{'.'.join(names)}"
