"""Endpoint states, and drift checks as the listing shows them."""

from typing import Any

import pytest

from shared.core.serving.drift import DriftCheck
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointState, Resource
from shared.errors import ConflictError
from shared.ledger.ledger import Ledger
from tests.unit.ledger.contested import Contested
from tests.unit.samples import HOUR, NOW, UPDATE, pipeline, ref


def test_a_drift_check_says_when_it_is_due_and_whom_a_check_calls(
    documents: Contested, ledger: Ledger
) -> None:
    known: dict[str, Any] = {
        "ref": ref(UPDATE),
        "resource": "p",
        "pipeline": "sample",
        "endpoint": "production",
    }
    drift_check = DriftCheck(**known, next_check=NOW + HOUR, host="studio.example", silent=True)
    ledger.drift_checks.put("w1", drift_check, None)
    drift_kind = drift_check.model_copy(update={"host": "bücher.example", "silent": False})
    ledger.drift_checks.put("w2", drift_kind, None)
    documents.create("drift_checks/w3", b"", {"next_check": "2026-03-01T13:00:00"})
    reported = [(w.drift_check_id, w.due, w.host, w.silent) for w in ledger.drift_checks.due()]
    assert reported == [
        ("w1", NOW + HOUR, "studio.example", True),
        ("w2", NOW + HOUR, "", False),
        ("w3", NOW, "", False),  # a time without a zone is none: it is checked
    ]
    stored = ledger.drift_checks.read("w2")
    assert stored is not None
    ledger.drift_checks.put("w2", drift_check, stored.etag)
    assert documents.rows["drift_checks/w2"].metadata == documents.rows["drift_checks/w1"].metadata
    later = NOW + 2 * HOUR
    ledger.drift_checks.update("w2", lambda known: known and known.evolve(next_check=later))
    assert documents.rows["drift_checks/w2"].metadata["next_check"] == later.isoformat()


def test_an_endpoint_without_a_record_is_empty_and_its_first_record_is_a_new_one(
    ledger: Ledger,
) -> None:
    endpoint = pipeline().endpoints[0]
    known = ledger.endpoint_states.of(endpoint.ref)
    assert (known.record, known.etag) == (EndpointState(ref=endpoint.ref), None)
    assert ledger.endpoint_states.resource(endpoint) == Resource()
    served = Resource(baseline=ServingState())
    state = known.record.evolve(resources={endpoint.resource_name: served})
    ledger.endpoint_states.put(endpoint.ref.id, state, known.etag)
    with pytest.raises(ConflictError):
        ledger.endpoint_states.put(endpoint.ref.id, state, known.etag)
    assert ledger.endpoint_states.of(endpoint.ref).record == state
    assert ledger.endpoint_states.resource(endpoint) == served
