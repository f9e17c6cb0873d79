"""What is shown of an endpoint, and what a person who goes back or resumes is held to."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Hold,
    Resource,
    ServedModel,
    ServingHistoryEntry,
)
from shared.errors import ConflictError
from shared.execution.drift_schedule import drift_check_id
from shared.ledger.open_markers import OpenMarker, RollbackToOpen, decoded
from shared.operations.endpoints import (
    Endpoints,
    NoSuchEndpointError,
    NoSuchModelError,
    OperatorCommand,
    line_of,
)
from shared.operations.preconditions import PreconditionFailedError
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import NOW, blob, model_ref, ref, state_of
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
ADA = OperatorCommand(by="ada", reason="sales fell")
OLDER = blob("runs/sample/sample-0/1/model.ilearner", container=MODELS)


class Hand:
    """A person's hand on an endpoint of which the record says what a test puts there."""

    def __init__(self, **config: Any) -> None:
        self.world = Observed(config={"pipeline": config})
        self.world.intake.activate()
        self.ledger = self.world.intake._context.ledger
        self.endpoints = Endpoints(self.world.intake._context, self.world.intake)
        self.url = next((one.update for one in self.world.pipeline.endpoints), "")

    def put(self, resource: Resource | None = None, **endpoint_state: Any) -> str:
        known = EndpointState(
            ref=ref(self.url), resources={RESOURCE: resource} if resource else {}, **endpoint_state
        )
        stored = self.ledger.endpoint_states.read(ref(self.url).id)
        etag = self.ledger.endpoint_states.put(
            ref(self.url).id, known, stored.etag if stored else None
        ).etag
        return str(etag)

    def known(self) -> Resource:
        stored = self.ledger.endpoint_states.read(ref(self.url).id)
        assert stored is not None
        return stored.record.resource(RESOURCE)

    def back(self, to: str | None = None, command: OperatorCommand = ADA) -> Run:
        return self.endpoints.rollback("sample", "production", (), to, command)

    def show(self) -> dict[str, Any]:
        return self.endpoints.show("sample", "production", ())


def served(name: str, hours: int = 0, **more: Any) -> ServedModel:
    model = model_ref(f"runs/sample/{name}/1/m.ilearner")
    known = {"model": model, "manifest": (), **more}
    return ServedModel(run_id=name, since=NOW + hours * HOUR, verification="", **known)


#: Newest first: sample-3 serves, and the others did.
THREE = Resource(
    serving=served("sample-3", 3),
    previous=(served("sample-1", 1), served("sample-2", 2, trained_by="sample-t")),
    baseline=state_of(OLDER),
)


def test_an_endpoint_that_is_not_configured_is_told_with_those_that_are() -> None:
    hand = Hand()
    with pytest.raises(NoSuchEndpointError, match="'other' is not in the pipelines file"):
        hand.endpoints.show("other", "production", ())
    with pytest.raises(NoSuchEndpointError, match="the key of sample is none; 1 value was given"):
        hand.endpoints.show("sample", "production", ("x",))
    with pytest.raises(NoSuchEndpointError, match="no endpoint 'staging'; it has production"):
        hand.endpoints.show("sample", "staging", ())
    bare = Hand(endpoints=[])
    with pytest.raises(NoSuchEndpointError, match="no endpoint 'x'; it has none"):
        bare.endpoints.show("sample", "x", ())
    keyed = Hand(key="customer", data={"blob": "{customer}-{name}.csv"}, endpoints=[])
    with pytest.raises(NoSuchEndpointError, match=r"the key of sample is \{customer\}; 0 values"):
        keyed.endpoints.show("sample", "x", ())


def test_what_is_known_of_an_endpoint_is_shown_with_the_version_a_change_is_held_to() -> None:
    hand = Hand()
    shown = hand.show()
    assert shown == {
        "open_runs": [],
        "pipeline": "sample",
        "endpoint": "production",
        "key": [],
        "kind": hand.world.pipeline.endpoints[0].kind,
        "update": hand.url,
        "resource": RESOURCE,
        "generation": 0,
        "version": "none",
        "line": "nothing was promoted here yet",
        "drift": None,
        "previous": [],
        "history": [],
    }
    busy = EndpointLease(run_id="sample-9", resource=RESOURCE, model=None, generation=4, at=NOW)
    etag = hand.put(THREE, generation=4, endpoint_lease=busy)
    shown = hand.show()
    assert (shown["version"], shown["generation"]) == (etag, 4)
    assert shown["being_updated_by"] == "sample-9"
    assert shown["serving"]["run_id"] == "sample-3"
    assert "held" not in shown


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"reported": "it names x", "suspicion": "odd"}, "it names x"),
        ({"suspicion": "odd"}, "odd"),
        ({}, None),
    ],
)
def test_what_was_odd_at_an_endpoint_is_shown(known: dict[str, str], told: str | None) -> None:
    hand = Hand()
    place = {
        "ref": ref(hand.url),
        "place": RESOURCE,
        "pipeline": "sample",
        "endpoint": "production",
    }
    drift_check = DriftCheck(**place, next_check=NOW, **known)  # type: ignore[arg-type]
    hand.ledger.drift_checks.put(drift_check_id(ref(hand.url), RESOURCE), drift_check, None)
    assert hand.show()["drift"] == told


def test_a_watch_that_cannot_be_read_is_told_in_its_place(caplog: pytest.LogCaptureFixture) -> None:
    hand = Hand()
    hand.world.damage(f"drift_checks/{drift_check_id(ref(hand.url), RESOURCE)}")
    assert "is not understood" in hand.show()["drift"]
    assert "is not understood" in caplog.text


def test_each_endpoint_is_one_line_and_those_of_customers_are_asked_for_by_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hand = Hand()
    (line,) = hand.endpoints.lines()
    assert line == {
        "open_runs": [],
        "pipeline": "sample",
        "endpoint": "production",
        "key": [],
        "line": "nothing was promoted here yet",
    }
    hand.put(Resource(history=(LINE,)))
    assert hand.endpoints.lines()[0]["line"] == line_of(Resource(history=(LINE,)))
    hand.world.damage(f"endpoints/{ref(hand.url).id}")
    assert "is not understood" in hand.endpoints.lines()[0]["line"]
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
    ("changes", "held", "says"),
    [
        (
            {},
            None,
            f"{TRAINED} and 1 more (the newest of 4 that landed), run sample-t, approved by ada",
        ),
        (
            {"blobs": 2, "arrived": 2, "approved_by": ""},
            Hold(run_id="x", to="y", by="bob", at=NOW),
            f"{TRAINED}, run sample-t; held by bob",
        ),
        (
            {"data": (), "blobs": 0, "arrived": 0, "approved_by": "", "model": None},
            None,
            f"the model of its own service since {SINCE}, no data of ours, run sample-t",
        ),
    ],
)
def test_what_serves_is_told_in_one_line(
    changes: dict[str, Any], held: Hold | None, says: str
) -> None:
    first = LINE.model_copy(update={"model": "earlier"})
    history = (first, LINE.model_copy(update=changes))
    assert line_of(Resource(history=history, held=held)) == says


# Going back


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
def test_a_person_goes_back_to_the_model_from_before_or_to_the_one_that_is_named(
    to: str | None, hold_to: str, model: str
) -> None:
    hand = Hand()
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
    hand = Hand()
    etag = hand.put(THREE)
    at = hand.world.clock.now()
    run = hand.back()
    place = (ref(hand.url).id, RESOURCE, etag)
    assert run.run_id == run_id("sample", "rollback", *place, "sample-2", at.isoformat())
    assert hand.back("sample-2").run_id == run.run_id  # the same wish again
    assert hand.back().run_id == run.run_id
    assert hand.back("sample-1").run_id != run.run_id


def test_a_rollback_without_a_reason_has_none_in_its_cause() -> None:
    hand = Hand()
    manifest = (blob("3.csv"),)
    hand.put(THREE.model_copy(update={"previous": (served("sample-1", 1, manifest=manifest),)}))
    run = hand.back(command=OperatorCommand(by="ada"))
    assert run.cause == "ada goes back to sample-1"
    assert run.manifest == manifest


@pytest.mark.parametrize("place", [RESOURCE, "another"])
def test_while_a_model_is_being_tried_the_one_that_serves_is_the_one_from_before(
    place: str,
) -> None:
    hand = Hand()
    busy = EndpointLease(run_id="sample-9", resource=place, model=None, generation=1, at=NOW)
    hand.put(THREE, endpoint_lease=busy)
    run = hand.back()
    assert run.cause.startswith(
        f"ada goes back to {'sample-3' if place == RESOURCE else 'sample-2'}"
    )


def test_what_is_not_kept_is_refused_with_what_there_is() -> None:
    hand = Hand()
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
    hand = Hand()
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
            "sample", "production", (), OperatorCommand(by="ada", versions=("old",))
        )


@pytest.mark.parametrize(
    ("versions", "error"), [(None, ConflictError), (True, PreconditionFailedError)]
)
def test_whoever_is_slower_is_told_how_the_endpoint_stands_now(
    monkeypatch: pytest.MonkeyPatch,
    versions: Any,
    error: Any,
) -> None:
    hand = Hand()
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
    hand = Hand()
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
    hand = Hand()
    hold = Hold(run_id="sample-5", to="sample-1", state=state_of(OLDER), by="bob", at=NOW)
    hand.put(THREE.model_copy(update={"held": hold}))
    run = hand.back()
    assert (run.run_id, run.cause) == ("sample-5", "bob goes back to sample-1")
    marker = decoded(hand.world.documents.rows["open/sample-5"].metadata)
    assert marker.phase in (Phase.PROMOTING, Phase.PARKED)


def wished(hand: Hand, run_id: str = "sample-5", **changes: Any) -> Run | None:
    known = {"pipeline": "sample", "endpoint": "production", **changes}
    return hand.endpoints.carry_out(RollbackToOpen.model_validate(known), run_id)


def test_the_poll_carries_out_a_wish_only_where_the_endpoint_is_held_for_it() -> None:
    hold = Hold(run_id="sample-5", to="sample-1", state=state_of(OLDER), by="bob", at=NOW)
    hand = Hand()
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
    hand = Hand()
    hand.put(THREE)
    marked: list[OpenMarker] = []
    mark = hand.ledger.open_markers.mark

    def noted(run_id: str, hints: OpenMarker) -> None:
        marked.append(hints)
        mark(run_id, hints)

    monkeypatch.setattr(hand.ledger.open_markers, "mark", noted)
    hand.back()
    assert marked[0] == RollbackToOpen(pipeline="sample", endpoint="production")
    assert marked[1] == marked[0]


# Resuming


def test_a_resume_lets_new_models_in_and_says_whether_the_endpoint_was_held() -> None:
    hand = Hand()
    assert not hand.endpoints.resume("sample", "production", ())
    etag = hand.put(THREE)
    assert not hand.endpoints.resume(
        "sample", "production", (), OperatorCommand(by="ada", versions=(etag,))
    )
    hand.put(THREE.model_copy(update={"held": Hold(run_id="x", to="y", by="ada", at=NOW)}))
    assert hand.endpoints.resume(
        "sample", "production", (), OperatorCommand(by="bob", reason="mended")
    )
    resumed = hand.known().resumed
    assert resumed is not None
    assert (resumed.by, resumed.reason) == ("bob", "mended")
    assert hand.known() == THREE.model_copy(update={"resumed": resumed})


def test_a_resume_that_somebody_else_is_faster_than_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand = Hand()
    hand.put(THREE.model_copy(update={"held": Hold(run_id="x", to="y", by="ada", at=NOW)}))

    def late(*_: object) -> None:
        raise ConflictError("endpoints")

    monkeypatch.setattr(hand.ledger.endpoint_states, "put", late)
    with pytest.raises(ConflictError, match="somebody else changed it this moment"):
        hand.endpoints.resume("sample", "production", ())


def test_each_pipeline_has_its_endpoints_told_in_order() -> None:
    hand = Hand()
    (one,) = hand.world.pipeline.endpoints
    other: Pipeline = hand.world.sibling(name="another")
    intake, _ = hand.world.another(other)
    endpoints = Endpoints(intake._context, intake)
    assert [line["pipeline"] for line in endpoints.lines()] == ["another", "sample"]
    assert one.name == "production"
