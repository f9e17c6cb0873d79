"""When an endpoint is checked for drift, and during which runs it is not."""

from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.core.serving.state import EndpointLease, Resource
from shared.errors import TransientError
from shared.execution.drift_schedule import drift_check_id, schedule_drift_check
from tests.fakes.world import RESOURCE
from tests.unit.maintenance.checked_endpoints import HOUR, MINUTE, OTHER, CheckedEndpoint
from tests.unit.samples import NOW, ref
from tests.unit.samples import run as sample

# Who else is at work there


@pytest.mark.parametrize(
    ("phase", "checks", "wait", "repairs"),
    [
        (Phase.VERIFYING, 0, 5 * MINUTE, 0),
        (Phase.PARKED, 2, HOUR, 0),
        (Phase.AWAITING_APPROVAL, 2, HOUR, 1),
        (Phase.FAILED, 2, HOUR, 1),
        (None, 2, HOUR, 1),
    ],
)
def test_a_run_that_updates_the_endpoint_or_is_parked_there_has_it_left_alone(
    phase: Phase | None,
    checks: int,
    wait: timedelta,
    repairs: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = CheckedEndpoint()
    if phase is not None:
        case.ledger.runs.create(sample(phase, run_id="sample-9"))
    endpoint_lease = EndpointLease(
        run_id="sample-9", resource="x", model=None, generation=1, at=NOW
    )
    case.put_endpoint_state(
        resources={RESOURCE: Resource(serving=case.served)}, endpoint_lease=endpoint_lease
    )
    found = case.drifted() if checks else case.check(OTHER)
    assert len(found) == repairs
    assert len(case.endpoint.asked) == checks
    assert case.wait() == wait
    held = "run sample-9 is parked and holds the endpoint: retry or cancel it"
    assert (held in caplog.text) is (phase is Phase.PARKED)


@pytest.mark.parametrize("gone", ["endpoint_state", "serving", "run", "endpoint", "resource"])
def test_an_endpoint_of_which_nothing_of_ours_is_known_is_left_for_an_hour(
    gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    case = CheckedEndpoint()
    if gone == "endpoint_state":
        del case.world.documents.rows[f"endpoints/{ref(case.url).id}"]
    elif gone == "serving":
        case.put_endpoint_state(resources={RESOURCE: Resource()})
    elif gone == "run":
        del case.world.documents.rows["runs/sample-1"]
    else:
        (one,) = case.configured
        changes = {"update": f"{one.address}x"} if gone == "endpoint" else {"resource": "other"}
        case.configured = (one.model_copy(update=changes),)
    case.check(OTHER)
    assert case.endpoint.asked == []
    assert case.wait() == HOUR
    said = f"drift check {case.name}: not checked, the record of run sample-1"
    assert (said in caplog.text) is (gone == "run")


# When the next check is


@pytest.mark.parametrize(
    ("planned", "wait", "due"),
    [
        (None, HOUR, HOUR),
        (timedelta(), 5 * MINUTE, 5 * MINUTE),
        (-MINUTE, HOUR, HOUR),
        (2 * MINUTE, HOUR, 2 * MINUTE),
        (HOUR, 5 * MINUTE, 5 * MINUTE),
    ],
)
def test_a_check_is_planned_for_the_earlier_time(
    planned: timedelta | None, wait: timedelta, due: timedelta
) -> None:
    case = CheckedEndpoint()
    now = case.world.clock.now()
    if planned is None:
        del case.world.documents.rows[f"drift_checks/{case.name}"]
    else:
        case.drift_check(next_check=now + planned, suspicion="odd")
    (endpoint,) = case.world.pipeline.endpoints
    schedule_drift_check(case.context, case.run, endpoint, wait)
    known = case.now()
    assert known.next_check == now + due
    assert (known.ref.name, known.resource, known.suspicion) == (
        endpoint.address,
        endpoint.resource_name,
        "",
    )
    assert (known.pipeline, known.endpoint, known.host) == (
        "sample",
        "production",
        "studio.example",
    )


def test_a_check_calls_the_host_that_scores_or_else_the_one_that_is_updated() -> None:
    case = CheckedEndpoint()
    (endpoint,) = case.world.pipeline.endpoints
    verify = endpoint.verify
    assert verify is not None
    elsewhere = verify.model_copy(update={"score": "https://score.example/execute"})
    update = {"update": "https://update.example/x", "resource": None}
    for changes, host in (
        ({**update, "verify": elsewhere}, "score.example"),
        ({**update, "verify": None}, "update.example"),
    ):
        one = endpoint.model_copy(update=changes)
        schedule_drift_check(case.context, case.run, one)
        stored = case.ledger.drift_checks.read(drift_check_id(one.ref, one.resource_name))
        assert stored is not None
        assert stored.record.host == host


def test_a_drift_check_that_cannot_be_stored_now_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    case = CheckedEndpoint()

    def fails(*_: object) -> None:
        raise TransientError("busy")

    monkeypatch.setattr(case.ledger.drift_checks, "put", fails)
    schedule_drift_check(case.context, case.run, case.world.pipeline.endpoints[0])
    assert "endpoint production: the drift check cannot be scheduled now: busy" in caplog.text
