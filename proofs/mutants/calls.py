"""Records which functions each test calls, so that a mutant meets only the tests that run it."""

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
from proofs.mutants.scope import ROOT, distance

#: The calls of a test file are stored here until it changes, or anything that it may run.
CACHE: Final = ROOT / ".local" / "mutants"
_RUN: Final = ("shared/**/*.py", "functions/**/*.py", "tests/**/*.py")


def cache_files(tests: Sequence[str]) -> dict[str, Path]:
    """Return where the calls of each test file are stored, whether they are known yet or not."""
    helpers = hashlib.sha256()
    for file in sorted(file for pattern in _RUN for file in ROOT.glob(pattern)):
        if not file.name.startswith("test_"):
            helpers.update(file.read_bytes())
    return {
        name: CACHE / f"{_digest(helpers.digest() + (ROOT / name).read_bytes())}.json"
        for name in tests
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


class CallMap:
    """Which tests call which functions, and how long they take."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self._called: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}
        for file in files:
            for test, (seconds, called) in json.loads(file.read_text(encoding="utf-8")):
                self._called[test] = set(called)
                self.seconds[test] = seconds

    def tests_for(self, mutant: Mutant, *, at_import: bool = False) -> tuple[str, ...]:
        """Return the tests that run the changed code, the nearest first.

        The one that calls fewer functions is first of two tests that are equally near.

        Args:
            mutant: the change.
            at_import: whether it runs when its module is imported; its tests are then those that
                call any function of the module.
        """
        wanted = f"{mutant.file}:" if at_import else function(mutant.file, mutant.runs_in)
        found = [
            test
            for test, called in self._called.items()
            if wanted in called or (at_import and any(one.startswith(wanted) for one in called))
        ]

        def order(test: str) -> tuple[int, int, float]:
            near = distance(mutant.file, test.partition("::")[0])
            return near, len(self._called[test]), self.seconds[test]

        return tuple(sorted(found, key=order))

    def within(self, tests: Sequence[str], most: float) -> tuple[str, ...]:
        """Return the first of these tests, as many as take no longer than `most` together.

        Args:
            tests: in the order in which they are tried.
            most: seconds; the first test is tried however long it takes.
        """
        total, kept = 0.0, list[str]()
        for test in tests:
            total += self.seconds[test]
            if kept and total > most:
                break
            kept.append(test)
        return tuple(kept)


class CallRecorder:
    """A plugin of pytest: notes which functions of the project each test calls."""

    def __init__(self) -> None:
        self.of_tests: dict[str, tuple[float, set[str]]] = {}
        self._called: set[CodeType] = set()
        self._failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note what is called while a test and its fixtures run."""
        _clear_caches()
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

    def store(self, file: Path) -> None:
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
        if event == "call":  # of anything: sorted out afterwards, to be quick here
            self._called.add(frame.f_code)


def _clear_caches() -> None:
    """Empty the caches of the core: what an earlier test asked for is called again."""
    for name, module in list(sys.modules.items()):
        if name.startswith("shared.core."):
            for one in list(vars(module).values()):
                if hasattr(type(one), "cache_clear"):
                    one.cache_clear()


def ours(called: set[CodeType]) -> set[str]:
    """Return the names of those functions that are in `shared/`."""
    return {
        function(code.co_filename, code.co_qualname)
        for code in called
        if code.co_filename.startswith(f"{ROOT}/shared/")
    }


def function(file: str, qualified: str) -> str:
    """Return the name of a function here: its file and where it is defined in it.

    Args:
        file: its path, from the root of the project or absolute.
        qualified: its name with the classes and functions around it.
    """
    path = Path(file)
    inside = path.relative_to(ROOT) if path.is_absolute() else path
    names = [name for name in qualified.split(".") if not name.startswith("<")]
    return f"{inside.as_posix()}:{'.'.join(names)}"
