"""The markers of open runs: their content, and their writers."""

from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.errors import ConflictError
from shared.ledger.configurations import KeptConfiguration
from shared.ledger.ledger import Ledger
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
from tests.unit.ledger.contested import Contested
from tests.unit.samples import BASE, HOUR, NOW, UPDATE, pipeline, ref, run, step_failure

MARKERS: tuple[OpenMarker, ...] = (
    RunHints(),
    hints_of(run(Phase.TRAINING)),
    hints_of(run(Phase.PROMOTING, step_failure=step_failure().evolve(waits_for="e1"))),
    VersionToOpen(version="v1"),
    BatchToOpen(pipeline="sample", key=("Zürich", "a"), service="https://x.example"),
    RollbackToOpen(pipeline="sample", endpoint="production", key=("a b",)),
    CommandStored(),
)


def test_a_marker_hints_at_the_phase_of_its_own_run_alone(ledger: Ledger) -> None:
    assert ledger.open_markers.hints("sample-1") is None
    ledger.open_markers.mark("sample-10", RunHints(phase=Phase.PARKED))
    assert ledger.open_markers.hints("sample-1") is None
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    assert ledger.open_markers.hints("sample-1") == RunHints(phase=Phase.TRAINING)


def test_a_marker_holds_hints_and_no_body(ledger: Ledger, documents: Contested) -> None:
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.RECEIVED))
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    (marker,) = ledger.open_markers.listed()
    assert (marker.run_id, marker.hints) == ("sample-1", RunHints(phase=Phase.TRAINING))
    assert documents.rows["open/sample-1"].body == b""


def test_an_old_marker_of_a_run_that_is_announced_is_written_again(ledger: Ledger) -> None:
    ledger.open_markers.announce("sample-1", RunHints())
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.announce("sample-1", CommandStored())
    ledger.open_markers.remove(seen)  # as a poll that saw the old one is about to do
    (marker,) = ledger.open_markers.listed()
    assert marker.hints == CommandStored()


def test_hints_are_renewed_only_on_the_marker_that_was_seen(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.RECEIVED))
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.replace(seen, RunHints(phase=Phase.TRAINING))
    ledger.open_markers.replace(seen, RunHints(phase=Phase.PARKED))
    (marker,) = ledger.open_markers.listed()
    assert marker.hints == RunHints(phase=Phase.TRAINING)


def test_a_marker_that_was_renewed_meanwhile_is_not_dropped(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints())
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.mark("sample-1", CommandStored())
    ledger.open_markers.remove(seen)
    assert len(list(ledger.open_markers.listed())) == 1
    ledger.open_markers.remove_of("sample-1")
    ledger.open_markers.remove_of("sample-1")
    assert list(ledger.open_markers.listed()) == []


def test_a_hint_never_brings_back_a_marker_of_an_ended_run(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints())
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.remove_of("sample-1")
    ledger.open_markers.replace(seen, RunHints(phase=Phase.TRAINING))
    assert list(ledger.open_markers.listed()) == []


def test_a_marker_is_known_by_its_name_and_as_old_as_its_last_renewal(
    documents: Contested, ledger: Ledger
) -> None:
    assert not ledger.open_markers.has("sample-1")
    assert ledger.open_markers.age("sample-1") == timedelta()
    ledger.open_markers.mark("sample-1", RunHints())
    documents.clock.move(HOUR)
    assert ledger.open_markers.has("sample-1")
    assert ledger.open_markers.age("sample-1") == HOUR
    (marker,) = ledger.open_markers.listed()
    assert (marker.run_id, marker.modified) == ("sample-1", NOW)
    assert marker.etag == documents.rows["open/sample-1"].etag
    assert ledger.open_markers.remove_of("sample-1")
    assert not ledger.open_markers.remove_of("sample-1")


def test_the_phases_of_a_pipelines_runs_are_known_by_their_markers_alone(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    ledger.open_markers.mark("sample-2", RunHints())
    ledger.open_markers.mark("sample2-1", RunHints(phase=Phase.PARKED))
    assert ledger.open_markers.phases("sample") == {
        "sample-1": Phase.TRAINING,
        "sample-2": None,
    }
    assert ledger.open_markers.hints("sample-2") == RunHints()


def test_open_runs_are_shown_a_page_at_a_time(ledger: Ledger) -> None:
    for number in range(3):
        ledger.open_markers.mark(f"sample-{number}", RunHints())
    first = ledger.open_markers.page(2, None)
    assert [marker.run_id for marker in first.items] == ["sample-0", "sample-1"]
    last = ledger.open_markers.page(2, first.cursor)
    assert ([marker.run_id for marker in last.items], last.cursor) == (["sample-2"], None)


def test_a_configuration_is_kept_with_its_hints_over_the_one_that_was_read(
    documents: Contested, ledger: Ledger
) -> None:
    kept = KeptConfiguration(pipeline=pipeline(), recorded_at=NOW, scheduled_since=NOW)
    ledger.configurations.put(kept, {"digest": "1"}, None)
    stored = ledger.configurations.read("sample")
    assert stored is not None
    assert stored.record == kept
    ledger.configurations.put(kept, {"digest": "2"}, stored.etag)
    assert [item.metadata for item in ledger.configurations.listed()] == [{"digest": "2"}]
    assert list(documents.rows) == ["configurations/sample"]
    with pytest.raises(ConflictError):
        ledger.configurations.put(kept, {}, stored.etag)


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.ended])
def test_a_marker_says_when_its_run_is_to_be_checked_and_what_a_check_calls(
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


def test_a_job_that_is_to_be_stopped_is_not_checked_by_its_hint() -> None:
    running = run(Phase.TRAINING)
    assert hints_of(running).job is not None
    assert hints_of(running.evolve(cancelling=True)).job is None


def test_a_running_job_is_known_by_what_a_check_needs() -> None:
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
