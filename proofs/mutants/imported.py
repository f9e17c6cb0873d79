"""Runs tests with a module that is imported instead of another one; no file is written."""

import logging
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from proofs.mutants.collected import OPTIONS
from proofs.mutants.forks import limit
from proofs.mutants.scope import ROOT

_OURS: Final = ("shared", "functions", "local", "tests")
_TESTS_FAILED: Final = 1


def try_imported(module: Path, code: str, tests: Sequence[str], seconds: float) -> int:
    """Run tests with other code for a module until one fails. In a fork: it changes this process.

    Args:
        module: the module, from the root of the project.
        code: what is imported for it.
        tests: in this order.
        seconds: how long they take at most.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    # What the modules left there would be left there twice.
    logging.getLogger("relearn").filters.clear()
    sys.meta_path.insert(0, _InItsPlace(module, code))
    limit(seconds)
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    return pytest.main([*OPTIONS, *files], [_These(tests)])


class _These:
    """Selects tests, and puts them in order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._at = {test: number for number, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out all others."""
        wanted = [item for item in items if item.nodeid in self._at]
        items[:] = sorted(wanted, key=lambda item: self._at[item.nodeid])


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
