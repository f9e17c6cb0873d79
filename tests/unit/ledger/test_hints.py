"""What the marker of an open run says, so that the poll need not read its record."""

from datetime import datetime, timedelta

import pytest

from shared.core.run.record import Phase
from shared.ledger.open_markers import Marker, hints_of, queue_of, time_in
from shared.ports.storage import ETag
from tests.unit.samples import BASE, NOW, UPDATE, pipeline, ref, run, step_failure


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.ended])
def test_a_marker_tells_when_its_run_is_to_be_looked_at_and_what_a_look_calls(
    phase: Phase,
) -> None:
    awaits = phase is Phase.AWAITING_APPROVAL
    config = pipeline(gate={"approval": "required", "expires": "2d"})
    one = run(phase, config=config, awaiting_since=NOW if awaits else None)
    hints = hints_of(one)
    assert hints["phase"] == phase
    assert hints["pipeline"] == one.pipeline
    at_endpoint = phase in (Phase.STAGING, Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
    assert hints.get("endpoint_id") == (ref(UPDATE).id if at_endpoint else None)
    assert hints["service"] == (UPDATE if at_endpoint else f"{BASE}/jobs?api-version=2.0")
    expires = (NOW + timedelta(days=2)).isoformat() if awaits else None
    assert hints.get("expires") == expires
    assert ("job" in hints) is (phase is Phase.TRAINING)
    assert "next_check" not in hints
    waits = one.model_copy(update={"step_failure": step_failure()})
    assert hints_of(waits)["next_check"] == step_failure().next_check.isoformat()


def test_a_marker_names_the_queue_only_of_a_run_that_waits_in_it() -> None:
    waiting = run(Phase.WAITING, queue_name="run_queues/sample/x")
    assert hints_of(waiting)["queue"] == "run_queues/sample/x"
    assert "queue" not in hints_of(run(Phase.WAITING))
    assert "queue" not in hints_of(waiting.model_copy(update={"cancelling": True}))
    assert "queue" not in hints_of(run(Phase.RECEIVED, queue_name="run_queues/sample/x"))


def test_a_job_that_is_to_be_stopped_is_not_looked_at_by_its_hint() -> None:
    running = run(Phase.TRAINING)
    assert hints_of(running)["job"] == "j1"
    assert "job" not in hints_of(running.model_copy(update={"cancelling": True}))


def test_a_running_job_is_known_by_what_a_look_needs() -> None:
    running = run(Phase.TRAINING)
    timeout = running.config.training.timeout
    assert hints_of(running) == {
        "phase": "training",
        "pipeline": "sample",
        "service": f"{BASE}/jobs?api-version=2.0",
        "job": "j1",
        "started": NOW.isoformat(),
        "until": (NOW + timeout).isoformat(),
    }
    assert "job" not in hints_of(running.model_copy(update={"job": None}))
    assert "job" not in hints_of(running.model_copy(update={"started_at": None}))
    assert "expires" not in hints_of(running)
    bare = run(Phase.PROMOTING, config=pipeline(endpoints=[]))
    assert hints_of(bare)["service"] == f"{BASE}/jobs?api-version=2.0"


@pytest.mark.parametrize("text", ["", "soon", "2026-03-01T12:00:00"])
def test_a_hint_that_is_no_time_is_none(text: str) -> None:
    assert time_in({"at": text}, "at") is None
    assert time_in({}, "at") is None
    at = datetime.fromisoformat(NOW.isoformat())
    assert time_in({"at": NOW.isoformat()}, "at") == at


@pytest.mark.parametrize(
    ("hints", "queue"),
    [
        ({"phase": "waiting", "queue": "run_queues/x"}, "run_queues/x"),
        ({"phase": "waiting", "queue": "shared_queues/x"}, "shared_queues/x"),
        ({"phase": "waiting", "queue": "other/x"}, ""),
        ({"phase": "waiting"}, ""),
        ({"phase": "parked", "queue": "run_queues/x"}, ""),
        ({"phase": "waiting", "queue": "run_queues/x", "next_check": "soon"}, ""),
    ],
)
def test_a_run_waits_in_a_queue_only_where_its_marker_says_so(
    hints: dict[str, str], queue: str
) -> None:
    assert queue_of(Marker("sample-1", ETag("1"), NOW, hints)) == queue
