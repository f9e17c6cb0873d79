"""One run of pytest that collects the tests once, and runs parts of them in forks."""

import contextlib
import gc
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest

from proofs.mutants.calls import CallRecorder, ours
from proofs.mutants.forks import limit
from proofs.mutants.in_place import Changed, Loaded

#: A test may take so much longer than it is known to take, in processor time.
_SECONDS, _TIMES = 5, 10
#: Libraries are imported before pytest could rewrite them: that is not a fault here.
OPTIONS: Final = (
    *("-x", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-p", "no:schemathesis", "-p", "no:anyio"),  # no test uses them as plugins
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


class NoTestsError(RuntimeError):
    """Pytest could not collect the tests."""


class Collected:
    """The collected tests; each can be run in a fork of this process."""

    def __init__(self, run: pytest.Session, called: set[CodeType]) -> None:
        self._pytest = run
        self._items = {item.nodeid: item for item in run.items}
        self._loaded = Loaded()
        self.called = frozenset(ours(called))  #: what is called while modules are imported

    def calls_of(self, file: str, store: Path) -> int:
        """Run the tests of a file, and store what they call. In a fork: it ends the process.

        Args:
            file: the tests.
            store: the file for the calls.
        """
        calls = CallRecorder()
        self._pytest.config.pluginmanager.register(calls)
        tests = [test for test in self._items if test.partition("::")[0] == file]
        self._pytest.config.option.maxfail = 0  # the others are noted as well
        for test in tests:
            self._run([test], {})
        calls.store(store)
        return 1 if self._pytest.testsfailed else 0

    def can_change(self, change: Changed) -> bool:
        """Whether the function is loaded."""
        return bool(self._loaded.those_of(change))

    def try_out(self, change: Changed, tests: Sequence[str], seconds: dict[str, float]) -> int:
        """Run tests with a changed function until one fails. In a fork, as above.

        Args:
            change: the function.
            tests: in this order.
            seconds: how long each of them takes.
        """
        for one in self._loaded.those_of(change):
            one.__code__ = change.code
        return self._run(tests, seconds)

    def _run(self, tests: Sequence[str], seconds: dict[str, float]) -> int:
        items = [self._items[test] for test in tests if test in self._items]
        for item, following in zip(items, [*items[1:], None], strict=True):
            limit(_SECONDS + _TIMES * seconds.get(item.nodeid, 60))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._pytest.testsfailed:
                return 1
        return 0


def with_tests(files: Sequence[str], do: Callable[[Collected], None]) -> None:
    """Collect the tests of files, and call a function with them.

    Args:
        files: the test files.
        do: is called once, with the collected tests.

    Raises:
        NoTestsError: they cannot be collected.
    """
    plugin = _Plugin(do)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), plugin.noting():
        pytest.main([*OPTIONS, *files], [plugin])
    if plugin.failure is not None:
        raise plugin.failure
    if not plugin.done:
        raise NoTestsError(f"pytest cannot collect the tests:\n{output.getvalue()}")


class _Plugin:
    """A plugin of pytest: calls a function instead of running all tests."""

    def __init__(self, do: Callable[[Collected], None]) -> None:
        self._do = do
        self._called: set[CodeType] = set()
        self.done = False
        self.failure: NoTestsError | None = None

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is called until the tests are collected."""
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self._called.add(frame.f_code)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Call the function with the collected tests."""
        sys.setprofile(None)
        if session.testsfailed:
            return True
        tests = Collected(session, self._called)
        gc.freeze()  # so that forks share this memory
        try:
            self._do(tests)
        except NoTestsError as exc:  # pytest would only show it
            self.failure = exc
        self.done = True
        return True
