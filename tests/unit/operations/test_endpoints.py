"""The view of an endpoint, and the version that a rollback or a resume is for."""

from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase
from shared.core.serving.drift import DriftCheck
from shared.core.serving.references import Candidate, EndpointAddress, ServingState
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Hold,
    Resource,
    ServingHistoryEntry,
)
from shared.errors import (
    ConflictError,
    NoSuchEndpointError,
)
from shared.execution.drift_schedule import drift_check_id
from shared.ledger.open_markers import hints_of
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import (
    EndpointLine,
    EndpointStatus,
    StagedStatus,
    line_of,
)
from tests.fakes.world import RESOURCE
from tests.unit.operations.endpoint_desk import THREE, EndpointDesk
from tests.unit.samples import NOW, ref, run


def test_an_endpoint_that_is_not_configured_is_reported_with_those_that_are() -> None:
    desk = EndpointDesk()
    with pytest.raises(NoSuchEndpointError, match="'other' is not in the pipelines file"):
        desk.endpoints.show(EndpointAddress("other", "production"))
    with pytest.raises(NoSuchEndpointError, match="the key of sample is none; 1 value was given"):
        desk.endpoints.show(EndpointAddress("sample", "production", ("x",)))
    with pytest.raises(NoSuchEndpointError, match="no endpoint 'staging'; it has production"):
        desk.endpoints.show(EndpointAddress("sample", "staging"))
    bare = EndpointDesk(endpoints=[])
    with pytest.raises(NoSuchEndpointError, match="no endpoint 'x'; it has none"):
        bare.endpoints.show(EndpointAddress("sample", "x"))
    keyed = EndpointDesk(key="customer", data={"blob": "{customer}-{name}.csv"}, endpoints=[])
    with pytest.raises(NoSuchEndpointError, match=r"the key of sample is \{customer\}; 0 values"):
        keyed.endpoints.show(EndpointAddress("sample", "x"))


def test_what_is_known_of_an_endpoint_is_shown_with_the_version_a_change_is_held_to() -> None:
    desk = EndpointDesk()
    shown = desk.show()
    assert shown == EndpointStatus(
        pipeline="sample",
        key=(),
        config=desk.world.pipeline.endpoints[0],
        state=EndpointState(ref=ref(desk.url)),
        version="none",
        open_runs=(),
    )
    assert (shown.line, shown.known) == ("nothing was promoted here yet", Resource())
    busy = EndpointLease(run_id="sample-9", resource=RESOURCE, model=None, generation=4, at=NOW)
    etag = desk.put(THREE, generation=4, endpoint_lease=busy)
    shown = desk.show()
    assert (shown.version, shown.state.generation) == (etag, 4)
    assert shown.updated_by == "sample-9"
    assert shown.known == THREE


def test_a_parked_run_is_shown_at_the_endpoint_that_it_waits_for() -> None:
    desk = EndpointDesk()
    config = desk.world.pipeline
    parked = run(Phase.PARKED, parked_in=Phase.PROMOTING, config=config, reason="busy")
    desk.ledger.runs.create(parked)
    desk.ledger.open_markers.mark(parked.run_id, hints_of(parked))
    (shown,) = desk.show().open_runs
    assert (shown.run_id, shown.phase) == ("sample-1", Phase.PARKED)
    elsewhere = parked.evolve(parked_in=Phase.TRAINING)
    assert hints_of(elsewhere).endpoint_id == ""
    candidate = Candidate(name="m-x", state=ServingState())
    waits = elsewhere.evolve(phase=Phase.AWAITING_APPROVAL, candidate=candidate)
    assert hints_of(waits).endpoint_id == ref(desk.url).id


def test_a_candidate_says_whether_it_serves_and_when_it_is_deleted() -> None:
    one = StagedStatus(
        "m-x",
        "sample-1",
        serves=False,
        instances=2,
        instance_type="Standard_DS3_v2",
        discard_at=None,
        instance_hours=None,
    )
    size = "m-x: 2 x Standard_DS3_v2"
    assert one.line == f"{size}, candidate of run sample-1, deleted once that run is over"
    assert replace(one, serves=True).line == f"{size}, serves"
    kept = replace(one, discard_at=NOW, instance_hours=48.0)
    assert kept.line == f"{size}, kept until {NOW.isoformat()} (instance hours: 48)"


@pytest.mark.parametrize(
    ("known", "reported"),
    [
        ({"reported": "it names x", "suspicion": "odd"}, "it names x"),
        ({"suspicion": "odd"}, "odd"),
        ({}, None),
    ],
)
def test_what_was_odd_at_an_endpoint_is_shown(known: dict[str, str], reported: str | None) -> None:
    desk = EndpointDesk()
    fields = {
        "ref": ref(desk.url),
        "resource": RESOURCE,
        "pipeline": "sample",
        "endpoint": "production",
    }
    drift_check = DriftCheck(**fields, next_check=NOW, **known)  # type: ignore[arg-type]
    desk.ledger.drift_checks.put(drift_check_id(ref(desk.url), RESOURCE), drift_check, None)
    assert desk.show().drift == reported


def test_a_drift_check_that_cannot_be_read_is_reported_where_it_is_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = EndpointDesk()
    desk.world.damage(f"drift_checks/{drift_check_id(ref(desk.url), RESOURCE)}")
    assert "is not understood" in (desk.show().drift or "")
    assert "is not understood" in caplog.text


def test_each_endpoint_is_one_line_and_those_of_customers_are_asked_for_by_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = EndpointDesk()
    (line,) = desk.endpoints.lines()
    assert line == EndpointLine("sample", "production", (), "nothing was promoted here yet")
    desk.put(Resource(history=(LINE,)))
    assert desk.endpoints.lines()[0].line == line_of(Resource(history=(LINE,)))
    desk.world.damage(f"endpoints/{ref(desk.url).id}")
    assert "is not understood" in desk.endpoints.lines()[0].line
    assert "is not understood" in caplog.text


SINCE = "2026-03-01T12:00:00+00:00"
TRAINED = f"models/m.ilearner since {SINCE}, trained on training-data/a.csv, training-data/b.csv"
LINE = ServingHistoryEntry(
    at=NOW,
    run_id="sample-1",
    trained_by="sample-t",
    model="models/m.ilearner",
    data=("training-data/a.csv", "training-data/b.csv"),
    blobs=3,
    arrived=4,
    approved_by="ada",
)


@pytest.mark.parametrize(
    ("changes", "held", "message"),
    [
        (
            {},
            None,
            f"{TRAINED} and 1 more (the newest of 4 that arrived), run sample-t, approved by ada",
        ),
        (
            {"blobs": 2, "arrived": 2, "approved_by": ""},
            Hold(run_id="x", to="y", by="bob", at=NOW),
            f"{TRAINED}, run sample-t; held by bob",
        ),
        (
            {"data": (), "blobs": 0, "arrived": 0, "approved_by": "", "model": None},
            None,
            f"the model of its own service since {SINCE}, no known data, run sample-t",
        ),
    ],
)
def test_the_live_model_is_reported_in_one_line(
    changes: dict[str, Any], held: Hold | None, message: str
) -> None:
    first = LINE.model_copy(update={"model": "earlier"})
    history = (first, LINE.model_copy(update=changes))
    assert line_of(Resource(history=history, held=held)) == message


def test_a_resume_lets_new_models_in_and_says_whether_the_endpoint_was_held() -> None:
    desk = EndpointDesk()
    assert not desk.endpoints.resume(EndpointAddress("sample", "production"))
    etag = desk.put(THREE)
    assert not desk.endpoints.resume(
        EndpointAddress("sample", "production"), OperatorCommand(by="ada", versions=(etag,))
    )
    desk.put(THREE.model_copy(update={"held": Hold(run_id="x", to="y", by="ada", at=NOW)}))
    assert desk.endpoints.resume(
        EndpointAddress("sample", "production"), OperatorCommand(by="bob", reason="corrected")
    )
    resumed = desk.known().resumed
    assert resumed is not None
    assert (resumed.by, resumed.reason) == ("bob", "corrected")
    assert desk.known() == THREE.model_copy(update={"resumed": resumed})


def test_a_resume_that_another_operator_precedes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = EndpointDesk()
    desk.put(THREE.model_copy(update={"held": Hold(run_id="x", to="y", by="ada", at=NOW)}))

    def late(*_: object) -> None:
        raise ConflictError("endpoints")

    monkeypatch.setattr(desk.ledger.endpoint_states, "put", late)
    with pytest.raises(ConflictError, match="it was changed at the same moment"):
        desk.endpoints.resume(EndpointAddress("sample", "production"))


def test_each_pipeline_has_its_endpoints_reported_in_order() -> None:
    desk = EndpointDesk()
    (one,) = desk.world.pipeline.endpoints
    other: Pipeline = desk.world.sibling(name="another")
    app = desk.world.another(other)
    endpoints = app.endpoints
    assert [line.pipeline for line in endpoints.lines()] == ["another", "sample"]
    assert one.name == "production"
