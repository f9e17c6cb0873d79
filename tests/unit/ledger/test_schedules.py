"""When a pipeline was first seen, and its due times."""

from datetime import timedelta

import pytest

from shared.errors import ConflictError
from shared.ledger.ledger import Ledger
from shared.ledger.schedules import Activation, ScheduleRecord
from shared.ports.storage import ETag
from tests.unit.samples import HOUR, NOW


def test_the_first_activation_stays(ledger: Ledger) -> None:
    assert ledger.activations.activate("sample", NOW) == NOW
    assert ledger.activations.activate("sample", NOW + HOUR) == NOW


def test_of_two_workers_that_start_at_once_the_earlier_time_stays(ledger: Ledger) -> None:
    earlier = NOW - timedelta(seconds=1)
    ledger.activations.activate("sample", NOW)
    assert ledger.activations.activate("sample", earlier) == earlier
    assert ledger.activations.activate("sample", NOW) == earlier


def test_a_due_time_is_stored_once(ledger: Ledger) -> None:
    ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    with pytest.raises(ConflictError):
        ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    with pytest.raises(ConflictError):
        ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), ETag("old"))


def test_the_first_activation_keeps_what_else_is_known_of_its_pipeline(ledger: Ledger) -> None:
    ledger.activations.activate("sample", NOW)
    stored = ledger.activations.read("sample")
    assert stored is not None
    done = Activation(activated_at=NOW, backfilled_at=NOW)
    ledger.activations.put("sample", done, stored.etag)
    ledger.activations.activate("sample", NOW - HOUR)
    again = ledger.activations.read("sample")
    assert again is not None
    assert again.record == Activation(activated_at=NOW - HOUR, backfilled_at=NOW)
