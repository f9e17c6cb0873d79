"""Fixtures of all sweeps."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # thousands of faults are reported as planned
    yield
    logging.disable(logging.NOTSET)
