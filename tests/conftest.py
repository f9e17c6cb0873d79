"""One storage emulator for all tests that need a real one, and the size of the fault sweep."""

from collections.abc import Iterator

import pytest

from local.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as storage:
        yield storage


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases the fault sweep walked, summed over the processes that walked them."""
    told = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in getattr(report, "user_properties", ())
        if name == "fault sweep"
    ]
    if told:
        effects, kinds, _ = told[0]
        cases = sum(number for *_, number in told)
        terminalreporter.write_line(
            f"fault sweep: {effects} effects x {kinds} kinds of fault, "
            f"every single one and every pair: {cases} cases"
        )
