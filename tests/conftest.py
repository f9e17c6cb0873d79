"""One storage emulator for all tests that need a real one, the size of the fault sweep, and the
order of the tests.
"""

import gc
import random
from collections.abc import Generator, Iterator
from typing import Final

import pytest

from local.azurite import Azurite

_OBJECTS: Final = 20_000


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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no garbage while the tests are read: what they import all stays.

    A first run also rewrites their asserts, and each search would look through those trees.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle the tests where that is asked for."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        shuffle(items, seed)


def shuffle(items: list[pytest.Item], seed: int) -> None:
    """Shuffle the files, and the tests of each."""
    chance = random.Random(seed)  # noqa: S311 -- an order, not a secret
    chance.shuffle(items)
    files = sorted({item.path for item in items})
    chance.shuffle(files)
    items.sort(key=lambda item: files.index(item.path))


def pytest_collection_finish() -> None:
    """Leave the modules and the thousands of tests, which all stay, to no search for garbage.

    What the tests make is searched less often than usual: a search after 700 objects finds little.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS)


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
