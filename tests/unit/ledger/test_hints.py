"""What the marker of an open run says, so that the poll need not read its record."""

from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.ledger.open_markers import (
    BatchToOpen,
    CommandStored,
    JobHints,
    Marker,
    OpenMarker,
    RollbackToOpen,
    RunHints,
    VersionToOpen,
    decoded,
    encoded,
    hints_of,
    queue_of,
)
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
    assert hints.phase is phase
    assert hints.pipeline == one.pipeline
    at_endpoint = phase in (Phase.STAGING, Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
    assert hints.endpoint_id == (ref(UPDATE).id if at_endpoint else "")
    assert hints.service == (UPDATE if at_endpoint else f"{BASE}/jobs?api-version=2.0")
    assert hints.expires == (NOW + timedelta(days=2) if awaits else None)
    assert (hints.job is not None) is (phase is Phase.TRAINING)
    assert hints.next_check is None
    waits = one.model_copy(update={"step_failure": step_failure()})
    assert hints_of(waits).next_check == step_failure().next_check


def test_a_marker_names_the_queue_only_of_a_run_that_waits_in_it() -> None:
    waiting = run(Phase.WAITING, queue_name="run_queues/sample/x")
    assert hints_of(waiting).queue == "run_queues/sample/x"
    assert hints_of(run(Phase.WAITING)).queue == ""
    assert hints_of(waiting.evolve(cancelling=True)).queue == ""
    assert hints_of(run(Phase.RECEIVED, queue_name="run_queues/sample/x")).queue == ""


def test_a_job_that_is_to_be_stopped_is_not_looked_at_by_its_hint() -> None:
    running = run(Phase.TRAINING)
    assert hints_of(running).job is not None
    assert hints_of(running.evolve(cancelling=True)).job is None


def test_a_running_job_is_known_by_what_a_look_needs() -> None:
    running = run(Phase.TRAINING)
    timeout = running.config.training.timeout
    assert hints_of(running) == RunHints(
        phase=Phase.TRAINING,
        pipeline="sample",
        service=f"{BASE}/jobs?api-version=2.0",
        job=JobHints(id="j1", started=NOW, until=NOW + timeout),
    )
    assert hints_of(running.evolve(job=None)).job is None
    assert hints_of(running.evolve(started_at=None)).job is None
    bare = run(Phase.PROMOTING, config=pipeline(endpoints=[]))
    assert hints_of(bare).service == f"{BASE}/jobs?api-version=2.0"


MARKERS: tuple[OpenMarker, ...] = (
    RunHints(),
    hints_of(run(Phase.TRAINING)),
    hints_of(run(Phase.PROMOTING, step_failure=step_failure().evolve(waits_for="e1"))),
    VersionToOpen(version="v1"),
    BatchToOpen(pipeline="sample", key=("Zürich", "a"), service="https://x.example"),
    RollbackToOpen(pipeline="sample", endpoint="production", key=("a b",)),
    CommandStored(),
)


@pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: marker.kind)
def test_a_marker_is_read_as_it_was_written_and_travels_in_headers(marker: OpenMarker) -> None:
    assert decoded(encoded(marker)) == marker
    assert all(value.isascii() for value in encoded(marker).values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"kind":"other"}',
        '{"kind":"version"}',
        '{"kind":"run","more":1}',
        '{"kind":"run","phase":"other"}',
        '{"kind":"run","next_check":"soon"}',
        '{"kind":"run","next_check":"2026-03-01T12:00:00"}',
    ],
)
def test_a_marker_that_is_unknown_or_damaged_says_nothing(text: str) -> None:
    assert decoded({"marker": text}) == RunHints()
    assert decoded({}) == RunHints()


@pytest.mark.parametrize(
    ("phase", "said", "queue"),
    [
        (Phase.WAITING, "run_queues/x", "run_queues/x"),
        (Phase.WAITING, "shared_queues/x", "shared_queues/x"),
        (Phase.WAITING, "other/x", ""),
        (Phase.WAITING, "", ""),
        (Phase.PARKED, "run_queues/x", ""),
    ],
)
def test_a_run_waits_in_a_queue_only_where_its_marker_says_so(
    phase: Phase, said: str, queue: str
) -> None:
    hints = RunHints(phase=phase, queue=said)
    assert queue_of(Marker("sample-1", ETag("1"), NOW, hints)) == queue
    later = hints.evolve(next_check=NOW)
    assert queue_of(Marker("sample-1", ETag("1"), NOW, later)) == ""
    batch = BatchToOpen(pipeline="sample")
    assert queue_of(Marker("sample-1", ETag("1"), NOW, batch)) == ""
