"""A ledger over documents in memory."""

import pytest

from shared.ledger.ledger import Ledger
from tests.fakes.clock import FakeClock
from tests.unit.ledger.contested import Contested


@pytest.fixture
def documents() -> Contested:
    return Contested(FakeClock())


@pytest.fixture
def ledger(documents: Contested) -> Ledger:
    return Ledger(documents)
