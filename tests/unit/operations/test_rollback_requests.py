"""Which model a rollback brings back, and what its request leaves in the ledger."""

from typing import Any

import pytest

from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
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
from shared.intake.rollbacks import EndpointAddress
from shared.ledger.open_markers import OpenMarker, RollbackToOpen, decoded
from shared.operations.commands import OperatorCommand
from tests.fakes.world import RESOURCE
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
    hand = EndpointDesk()
    hand.put(THREE)
    run = hand.back(to)
    hold = hand.known().held
    assert hold is not None
    assert (hold.to, hold.by, hold.reason) == (hold_to, "ada", "sales fell")
    assert (hold.run_id, hold.at) == (run.run_id, hand.world.clock.now())
    assert hold.state.model is not None
    assert model in hold.state.model.name
    assert (run.origin, run.model) == (Origin.ROLLBACK, hold.state.model)
    assert run.cause == f"ada goes back to {hold_to}: sales fell"
    stored = hand.world.now_of(run)
    assert stored.opened_at == hold.at
    assert [(one.phase, one.note) for one in stored.history[:1]] == [(Phase.PROMOTING, run.cause)]


def test_the_id_of_a_rollback_is_derived_from_what_was_looked_at() -> None:
    hand = EndpointDesk()
    etag = hand.put(THREE)
    at = hand.world.clock.now()
    run = hand.back()
    place = (ref(hand.url).id, RESOURCE, etag)
    assert run.run_id == run_id("sample", "rollback", *place, "sample-2", at.isoformat())
    assert hand.back("sample-2").run_id == run.run_id  # the same wish again
    assert hand.back().run_id == run.run_id
    assert hand.back("sample-1").run_id != run.run_id


def test_a_rollback_without_a_reason_has_none_in_its_cause() -> None:
    hand = EndpointDesk()
    manifest = (blob("3.csv"),)
    hand.put(THREE.model_copy(update={"previous": (served("sample-1", 1, manifest=manifest),)}))
    run = hand.back(command=OperatorCommand(by="ada"))
    assert run.cause == "ada goes back to sample-1"
    assert run.manifest == manifest


@pytest.mark.parametrize("place", [RESOURCE, "another"])
def test_while_a_model_is_being_tried_the_one_that_serves_is_the_one_from_before(
    place: str,
) -> None:
    hand = EndpointDesk()
    busy = EndpointLease(run_id="sample-9", resource=place, model=None, generation=1, at=NOW)
    hand.put(THREE, endpoint_lease=busy)
    run = hand.back()
    assert run.cause.startswith(
        f"ada goes back to {'sample-3' if place == RESOURCE else 'sample-2'}"
    )


def test_what_is_not_kept_is_refused_with_what_there_is() -> None:
    hand = EndpointDesk()
    with pytest.raises(NoSuchModelError, match="nothing was ever promoted at production"):
        hand.back()
    hand.put(THREE)
    with pytest.raises(NoSuchModelError) as told:
        hand.back("sample-x")
    assert str(told.value) == (
        "the model of sample-x is not kept; there is sample-3, sample-1, sample-2, baseline, "
        "sample-t"
    )
    hand.put(Resource())
    with pytest.raises(NoSuchModelError, match="an earlier model is not kept; there is nothing"):
        hand.back()


def test_a_wish_is_held_to_the_version_that_was_looked_at() -> None:
    hand = EndpointDesk()
    etag = hand.put(THREE)
    with pytest.raises(PreconditionFailedError):
        hand.back(command=OperatorCommand(by="ada", versions=("old",)))
    assert hand.known().held is None
    hand.back(command=OperatorCommand(by="ada", versions=(etag,)))
    assert hand.known().held is not None
    with pytest.raises(
        PreconditionFailedError, match="endpoint production: nothing was promoted here yet"
    ):
        hand.endpoints.resume(
            EndpointAddress("sample", "production"), OperatorCommand(by="ada", versions=("old",))
        )


@pytest.mark.parametrize(
    ("versions", "error"), [(None, ConflictError), (True, PreconditionFailedError)]
)
def test_the_slower_operator_is_told_how_the_endpoint_stands_now(
    monkeypatch: pytest.MonkeyPatch,
    versions: Any,
    error: Any,
) -> None:
    hand = EndpointDesk()
    etag = hand.put(THREE)
    put = hand.ledger.endpoint_states.put
    busy = EndpointLease(run_id="sample-9", resource=RESOURCE, model=None, generation=1, at=NOW)

    def late(*_: object) -> None:
        monkeypatch.setattr(hand.ledger.endpoint_states, "put", put)
        hand.put(THREE, endpoint_lease=busy)
        raise ConflictError("endpoints")

    monkeypatch.setattr(hand.ledger.endpoint_states, "put", late)
    command = OperatorCommand(by="ada", versions=(etag,) if versions else None)
    with pytest.raises(error, match="run sample-9 updates it"):
        hand.back(command=command)


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
    hand = EndpointDesk()
    hold = Hold(
        run_id="sample-5", to="sample-1", state=served("sample-1").target_model, by="bob", at=NOW
    )
    hand.put(THREE.model_copy(update={"held": hold}))
    if phase is None:
        hand.ledger.tombstones.add("sample-5")
    else:
        hand.ledger.runs.create(sample(phase, run_id="sample-5", config=hand.world.pipeline))
    run = hand.back()
    assert (run.run_id != "sample-5") is anew
    known = hand.known().held
    assert known is not None
    assert (known.to, known.state) == (hold.to, hold.state)
    assert known.by == ("ada" if anew else "bob")


def test_a_rollback_that_was_only_wished_for_is_begun_as_it_was_wished() -> None:
    hand = EndpointDesk()
    hold = Hold(run_id="sample-5", to="sample-1", state=state_of(OLDER), by="bob", at=NOW)
    hand.put(THREE.model_copy(update={"held": hold}))
    run = hand.back()
    assert (run.run_id, run.cause) == ("sample-5", "bob goes back to sample-1")
    marker = decoded(hand.world.documents.rows["open/sample-5"].metadata)
    assert marker.phase in (Phase.PROMOTING, Phase.PARKED)


def wished(hand: EndpointDesk, run_id: str = "sample-5", **changes: Any) -> Run | None:
    known = {"pipeline": "sample", "endpoint": "production", **changes}
    return hand.endpoints._rollbacks.open_announced(RollbackToOpen.model_validate(known), run_id)


def test_the_poll_carries_out_a_wish_only_where_the_endpoint_is_held_for_it() -> None:
    hold = Hold(run_id="sample-5", to="sample-1", state=state_of(OLDER), by="bob", at=NOW)
    hand = EndpointDesk()
    assert wished(hand) is None  # nothing is known of the endpoint
    hand.put(THREE)
    assert wished(hand) is None
    hand.put(THREE.model_copy(update={"held": hold}))
    assert wished(hand, "sample-6") is None
    assert wished(hand, pipeline="other") is None
    assert wished(hand, endpoint="other") is None
    assert wished(hand, key=("x",)) is None
    run = wished(hand)
    assert run is not None
    assert run.run_id == "sample-5"
    assert wished(hand) is None  # it was there


def test_the_marker_of_a_wish_names_the_endpoint_and_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand = EndpointDesk()
    hand.put(THREE)
    marked: list[OpenMarker] = []
    mark = hand.ledger.open_markers.mark

    def noted(run_id: str, hints: OpenMarker) -> None:
        marked.append(hints)
        mark(run_id, hints)

    monkeypatch.setattr(hand.ledger.open_markers, "mark", noted)
    hand.back()
    assert marked[0] == RollbackToOpen(pipeline="sample", endpoint="production")
    assert marked.count(marked[0]) == 1  # it is written once
