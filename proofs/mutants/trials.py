"""Runs tests in forks of this process, with or without a mutant.

A fork has pytest and all libraries imported already, but nothing of the project: a mutant
is what every other module imports, and no file is written.
"""

import contextlib
import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from proofs.mutants.calls import Calls
from proofs.mutants.tests_of import ROOT, modules

_OURS: Final = ("shared", "functions", "local", "tests")
#: Libraries are imported before pytest could rewrite them: that is no fault here.
_PYTEST: Final = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
#: Processor time, and time: a mutant that takes longer hangs, which is found as well.
_CPU_SECONDS: Final = 60
_SECONDS: Final = 240
_NOTHING_RAN: Final = (4, 5)


@dataclass(frozen=True, slots=True)
class Trial:
    """Tests, the code that stands in the place of a module, and where their calls are kept."""

    tests: tuple[str, ...]
    module: Path | None = None
    code: str = ""
    calls: Path | None = None


class NoTestsError(RuntimeError):
    """Pytest could not run the tests of a trial at all."""


def warm_up() -> None:
    """Import all that the modules and their tests need, and forget what is ours."""
    for module in modules():
        importlib.import_module(".".join(module.with_suffix("").parts))
    for name in ("functions.pipelines", "tests.unit.worlds", "tests.functions.calls"):
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]


def results(trials: Sequence[Trial], at_once: int) -> Iterator[tuple[int, bool]]:
    """Yield the number of each trial and whether its tests passed, as they end.

    Args:
        trials: what is tried.
        at_once: how many processes run at the same time.

    Raises:
        NoTestsError: the tests of a trial could not be run.
    """
    waiting, running = list(enumerate(trials)), dict[BaseProcess, tuple[int, float]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            number, trial = waiting.pop(0)
            process: BaseProcess = get_context("fork").Process(target=_run, args=(trial,))
            process.start()
            running[process] = (number, time.monotonic())
        wait([process.sentinel for process in running], timeout=1)
        for process, (number, began) in list(running.items()):
            if process.is_alive() and time.monotonic() - began < _SECONDS:
                continue
            _end(process)
            del running[process]
            if process.exitcode in _NOTHING_RAN:
                raise NoTestsError(f"pytest cannot run: {' '.join(trials[number].tests)}")
            yield number, process.exitcode == 0


def _end(process: BaseProcess) -> None:
    # With whatever it started: it leads a group of its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()


def _run(trial: Trial) -> None:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.chdir(ROOT)
    if trial.module is not None:
        sys.meta_path.insert(0, _InItsPlace(trial.module, trial.code))
    calls = Calls()
    code = pytest.main([*_PYTEST, *trial.tests], [calls] if trial.calls else [])
    if trial.calls:
        calls.keep(trial.calls)
    os._exit(code)


class _InItsPlace(MetaPathFinder, Loader):
    """Imports other code where a module is asked for."""

    def __init__(self, module: Path, code: str) -> None:
        self._name = ".".join(module.with_suffix("").parts)
        self._file, self._code = str(ROOT / module), code

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the module, and None for all others."""
        del path, target
        if fullname != self._name:
            return None
        return spec_from_loader(fullname, self, origin=self._file)

    def exec_module(self, module: ModuleType) -> None:
        """Run the code as the module."""
        module.__file__ = self._file
        exec(compile(self._code, self._file, "exec"), module.__dict__)  # noqa: S102 -- our own
