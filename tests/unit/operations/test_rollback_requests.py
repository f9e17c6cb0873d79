"""Which model a rollback brings back, and the records of its request."""

from typing import Any

import pytest

from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.core.serving.state import (
    EndpointLease,
    Hold,
    Resource,
)
from shared.errors import (
    ConflictError,
    NoSuchModelError,
    PreconditionFailedError,
)
from shared.ledger.open_markers import OpenMarker, RollbackToOpen, decoded
from shared.operations.commands import OperatorCommand
from tests.fakes.world import RESOURCE
from tests.unit.intake.windowed_worlds import Windowed
from tests.unit.operations.endpoint_desk import (
    OLDER,
    THREE,
    EndpointDesk,
    served,
)
from tests.unit.samples import NOW, blob, ref, state_of
from tests.unit.samples import run as sample


@pytest.mark.parametrize(
    ("to", "hold_to", "model"),
    [
        (None, "sample-2", "sample-2"),
        ("sample-1", "sample-1", "sample-1"),
        ("sample-3", "sample-3", "sample-3"),
        ("sample-t", "sample-t", "sample-2"),
        ("baseline", "baseline", "sample-0"),
    ],
)
def test_an_operator_goes_back_to_the_model_from_before_or_to_the_one_that_is_named(
    to: str | None, hold_to: str, model: str
) -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    run = desk.roll_back(to)
    hold = desk.known().held
    assert hold is not None
    assert (hold.to, hold.by, hold.reason) == (hold_to, "ada", "sales fell")
    assert (hold.run_id, hold.at) == (run.run_id, desk.world.clock.now())
    assert hold.state.model is not None
    assert model in hold.state.model.name
    assert (run.origin, run.model) == (Origin.ROLLBACK, hold.state.model)
    assert run.cause == f"ada rolls back to {hold_to}: sales fell"
    stored = desk.world.now_of(run)
    assert stored.opened_at == hold.at
    assert [(one.phase, one.note) for one in stored.history[:1]] == [(Phase.PROMOTING, run.cause)]


def test_the_id_of_a_rollback_is_derived_from_the_version_that_was_read() -> None:
    desk = EndpointDesk()
    etag = desk.put(THREE)
    at = desk.world.clock.now()
    run = desk.roll_back()
    resource_name = (ref(desk.url).id, RESOURCE, etag)
    assert run.run_id == run_id("sample", "rollback", *resource_name, "sample-2", at.isoformat())
    assert desk.roll_back("sample-2").run_id == run.run_id  # the same request again
    assert desk.roll_back().run_id == run.run_id
    assert desk.roll_back("sample-1").run_id != run.run_id


def test_a_rollback_without_a_reason_has_none_in_its_cause() -> None:
    desk = EndpointDesk()
    manifest = (blob("3.csv"),)
    desk.put(THREE.model_copy(update={"previous": (served("sample-1", 1, manifest=manifest),)}))
    run = desk.roll_back(command=OperatorCommand(by="ada"))
    assert run.cause == "ada rolls back to sample-1"
    assert run.manifest == manifest


@pytest.mark.parametrize("resource_name", [RESOURCE, "another"])
def test_while_a_model_is_being_tried_the_one_that_serves_is_the_one_from_before(
    resource_name: str,
) -> None:
    desk = EndpointDesk()
    busy = EndpointLease(
        run_id="sample-9", resource=resource_name, model=None, generation=1, at=NOW
    )
    desk.put(THREE, endpoint_lease=busy)
    run = desk.roll_back()
    assert run.cause.startswith(
        f"ada rolls back to {'sample-3' if resource_name == RESOURCE else 'sample-2'}"
    )


def test_what_is_not_kept_is_refused_with_what_there_is() -> None:
    desk = EndpointDesk()
    with pytest.raises(NoSuchModelError, match="nothing was ever promoted at production"):
        desk.roll_back()
    desk.put(THREE)
    with pytest.raises(NoSuchModelError) as raised:
        desk.roll_back("sample-x")
    assert str(raised.value) == (
        "the model of sample-x is not kept; there is sample-3, sample-1, sample-2, baseline, "
        "sample-t"
    )
    desk.put(Resource())
    with pytest.raises(NoSuchModelError, match="an earlier model is not kept; there is nothing"):
        desk.roll_back()


def test_a_rollback_request_is_held_to_the_version_that_was_read() -> None:
    desk = EndpointDesk()
    etag = desk.put(THREE)
    with pytest.raises(PreconditionFailedError):
        desk.roll_back(command=OperatorCommand(by="ada", versions=("old",)))
    assert desk.known().held is None
    desk.roll_back(command=OperatorCommand(by="ada", versions=(etag,)))
    assert desk.known().held is not None
    with pytest.raises(
        PreconditionFailedError, match="endpoint production: nothing was promoted here yet"
    ):
        desk.endpoints.resume(
            EndpointAddress("sample", "production"), OperatorCommand(by="ada", versions=("old",))
        )


@pytest.mark.parametrize(
    ("versions", "error"), [(None, ConflictError), (True, PreconditionFailedError)]
)
def test_the_slower_operator_learns_the_state_of_the_endpoint_now(
    monkeypatch: pytest.MonkeyPatch,
    versions: Any,
    error: Any,
) -> None:
    desk = EndpointDesk()
    etag = desk.put(THREE)
    put = desk.ledger.endpoint_states.put
    busy = EndpointLease(run_id="sample-9", resource=RESOURCE, model=None, generation=1, at=NOW)

    def late(*_: object) -> None:
        monkeypatch.setattr(desk.ledger.endpoint_states, "put", put)
        desk.put(THREE, endpoint_lease=busy)
        raise ConflictError("endpoints")

    monkeypatch.setattr(desk.ledger.endpoint_states, "put", late)
    command = OperatorCommand(by="ada", versions=(etag,) if versions else None)
    with pytest.raises(error, match="run sample-9 updates it"):
        desk.roll_back(command=command)


@pytest.mark.parametrize(
    ("phase", "anew"),
    [
        (Phase.PROMOTED, False),
        (Phase.PARKED, False),
        (Phase.FAILED, True),
        (Phase.CANCELLED, True),
        (None, True),
    ],
)
def test_a_rollback_that_failed_can_be_asked_for_again(phase: Phase | None, *, anew: bool) -> None:
    desk = EndpointDesk()
    hold = Hold(
        run_id="sample-5", to="sample-1", state=served("sample-1").target_model, by="bob", at=NOW
    )
    desk.put(THREE.model_copy(update={"held": hold}))
    if phase is None:
        desk.ledger.tombstones.add("sample-5")
    else:
        desk.ledger.runs.create(sample(phase, run_id="sample-5", config=desk.world.pipeline))
    run = desk.roll_back()
    assert (run.run_id != "sample-5") is anew
    known = desk.known().held
    assert known is not None
    assert (known.to, known.state) == (hold.to, hold.state)
    assert known.by == ("ada" if anew else "bob")


def test_a_rollback_that_was_only_announced_is_begun_as_it_was_requested() -> None:
    desk = EndpointDesk()
    hold = Hold(run_id="sample-5", to="sample-1", state=state_of(OLDER), by="bob", at=NOW)
    desk.put(THREE.model_copy(update={"held": hold}))
    run = desk.roll_back()
    assert (run.run_id, run.cause) == ("sample-5", "bob rolls back to sample-1")
    marker = decoded(desk.world.documents.rows["open/sample-5"].metadata)
    assert marker.phase in (Phase.PROMOTING, Phase.PARKED)


def announced(hand: EndpointDesk, run_id: str = "sample-5", **changes: Any) -> Run | None:
    known = {"pipeline": "sample", "endpoint": "production", **changes}
    return hand.endpoints._rollbacks.open_announced(RollbackToOpen.model_validate(known), run_id)


def test_the_poll_carries_out_a_rollback_request_only_where_the_endpoint_is_held_for_it() -> None:
    hold = Hold(run_id="sample-5", to="sample-1", state=state_of(OLDER), by="bob", at=NOW)
    desk = EndpointDesk()
    assert announced(desk) is None  # nothing is known of the endpoint
    desk.put(THREE)
    assert announced(desk) is None
    desk.put(THREE.model_copy(update={"held": hold}))
    assert announced(desk, "sample-6") is None
    assert announced(desk, pipeline="other") is None
    assert announced(desk, endpoint="other") is None
    assert announced(desk, key=("x",)) is None
    run = announced(desk)
    assert run is not None
    assert run.run_id == "sample-5"
    assert announced(desk) is None  # it was there


def test_the_marker_of_a_rollback_request_names_the_endpoint_and_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    marked: list[OpenMarker] = []
    mark = desk.ledger.open_markers.mark

    def noted(run_id: str, hints: OpenMarker) -> None:
        marked.append(hints)
        mark(run_id, hints)

    monkeypatch.setattr(desk.ledger.open_markers, "mark", noted)
    desk.roll_back()
    assert marked[0] == RollbackToOpen(pipeline="sample", endpoint="production")
    assert marked.count(marked[0]) == 1  # it is written once


def test_a_rollback_is_retried_by_the_present_configuration_though_it_has_no_window() -> None:
    world = Windowed.of(catch_up="all")
    world.days(1)
    world.until_ended(60)
    address = EndpointAddress("sample", "production")
    run = world.app.endpoints.rollback(address, None, OperatorCommand(by="a", reason="b"))
    assert run.window is None
    now = world.app.catalogue.configured_for(run)  # also where its texts hold times of windows
    assert now is not None
    assert now.endpoints == world.pipeline.endpoints
