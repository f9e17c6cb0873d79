"""One storage emulator for all tests that need a real one, the size of the fault sweep, and which
process of several runs what first.
"""

import gc
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from local.azurite import Azurite

_TESTS: Final = Path(__file__).parent
#: Tests with real hosts wait most of the time.
_WAITING: Final = _TESTS / "e2e"
#: About how long the longest of them take.
_LONG: Final = {
    "test_demo": 140,
    "test_proof_host_kills": 140,
    "test_run": 130,
    "test_proof_hosts": 110,
    "test_many_endpoints": 100,
    "test_main_job": 90,
    "test_azureml_serving": 50,
}
_WORKERS: Final = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as storage:
        yield storage


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-pair",
        action="store_true",
        help="walk every pair of faults in the fault sweep, and not one in 47",
    )
    parser.addoption(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="run the files, and the tests of each, in an order of their own",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests in the same way in each process that they are spread over."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        shuffle(items, seed)
    elif _WORKERS > 1:
        items[:] = dealt(items, _WORKERS)


def shuffle(items: list[pytest.Item], seed: int) -> None:
    """Shuffle the files, and the tests of each."""
    chance = random.Random(seed)  # noqa: S311 -- an order, not a secret
    chance.shuffle(items)
    files = sorted({item.path for item in items})
    chance.shuffle(files)
    items.sort(key=lambda item: files.index(item.path))


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests in an order in which each process but one begins with some that wait.

    pytest-xdist gives each process an equal part of the list, from the front, and moves tests
    from the end of one part to another process only. One process would have all that wait; and
    if all began with those, the cores would have nothing to do.
    """
    waiting: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    rest: list[pytest.Item] = []
    for item in items:
        waits = item.path.is_relative_to(_WAITING)
        (waiting[item.path.stem] if waits else rest).append(item)
    parts: list[list[pytest.Item]] = [[] for _ in range(max(1, workers - 1))]
    seconds = [0] * len(parts)
    for file in sorted(waiting, key=_seconds, reverse=True):
        least = seconds.index(min(seconds))
        parts[least] += waiting[file]
        seconds[least] += _seconds(file)
    order: list[pytest.Item] = []
    others = iter(rest)
    for worker, part in enumerate(parts):
        size = (len(items) - len(order)) // (workers - worker)
        order += part
        order += islice(others, max(0, size - len(part)))
    return [*order, *others]


def _seconds(file: str) -> int:
    return _LONG.get(file, 30)


def pytest_collection_finish() -> None:
    """Leave the modules and the thousands of tests, which all stay, to no search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def one_in(request: pytest.FixtureRequest) -> int:
    """How many pairs of faults stand for one that is walked; a prime."""
    return 1 if request.config.getoption("--every-pair") else 47


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases the fault sweep walked, summed over the processes that walked them."""
    reported = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in getattr(report, "user_properties", ())
        if name == "fault sweep"
    ]
    every = terminalreporter.config.getoption("--every-pair")
    if reported:
        effects, kinds, _ = reported[0]
        cases = sum(number for *_, number in reported)
        terminalreporter.write_line(
            f"fault sweep: {effects} effects, {kinds} kinds of fault, {cases} cases: every "
            f"single one, and {'every pair' if every else 'one pair in 47'}"
        )
