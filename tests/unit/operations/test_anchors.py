"""An operator pins a model of an endpoint, also one that is no longer among those kept."""

from datetime import timedelta

import pytest

from shared.core.serving.references import EndpointAddress
from shared.core.serving.state import Anchor, EndpointState, Resource
from shared.errors import ConflictError, NoSuchModelError, PreconditionFailedError
from shared.operations.commands import OperatorCommand
from tests.fakes.world import RESOURCE, World
from tests.unit.maintenance.cleaning import AGES, cleaned, kept, promoted
from tests.unit.operations.endpoint_desk import ADA, THREE, EndpointDesk, served
from tests.unit.samples import ref

HERE = EndpointAddress("sample", "production")


def pinned(desk: EndpointDesk) -> Anchor:
    anchor = desk.known().anchor
    assert anchor is not None
    return anchor


def test_the_model_that_serves_is_pinned_where_no_run_is_named() -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    desk.world.app.endpoints.pin(HERE, command=ADA)

    anchor = pinned(desk)
    assert anchor == Anchor(
        served=served("sample-3", 3),
        by="ada",
        at=desk.world.host.now(),
        reason="sales fell",
    )
    assert desk.known().evolve(anchor=None) == THREE


@pytest.mark.parametrize(("named", "run_id"), [("sample-1", "sample-1"), ("sample-t", "sample-2")])
def test_a_kept_model_is_pinned_by_its_run(named: str, run_id: str) -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    desk.world.app.endpoints.pin(HERE, named, ADA)

    assert pinned(desk).served.run_id == run_id


def test_a_model_that_is_no_longer_kept_is_pinned_and_its_record_is_kept() -> None:
    world = World()
    runs = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    first = world.app.run_operations.find(runs[0]).record
    before = known_of(world)
    assert first.run_id not in [one.run_id for one in before.kept]
    world.app.endpoints.pin(HERE, first.run_id, ADA)

    anchor = known_of(world).anchor
    assert anchor is not None
    (line,) = [line for line in before.history if line.run_id == first.run_id]
    assert (anchor.served.model, anchor.served.since) == (first.model, line.at)
    assert anchor.served.verification == line.verification
    world.clock.move(AGES)
    cleaned(world)
    assert kept(world, "runs") == sorted(f"runs/{run}" for run in (runs[0], *runs[2:]))


def known_of(world: World) -> Resource:
    url = world.pipeline.endpoints[0].address
    stored = world.context.ledger.endpoint_states.read(ref(url).id)
    assert stored is not None
    return stored.record.resource(RESOURCE)


def test_another_model_takes_the_place_of_the_anchor_and_the_same_one_changes_nothing() -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    desk.world.app.endpoints.pin(HERE, "sample-1", ADA)
    first, version = desk.known(), desk.show().version
    desk.world.clock.move(timedelta(hours=1))
    desk.world.app.endpoints.pin(HERE, "sample-1", OperatorCommand(by="bob"))
    assert (desk.known(), desk.show().version) == (first, version)

    desk.world.app.endpoints.pin(HERE, "sample-3", OperatorCommand(by="bob"))
    assert (pinned(desk).served.run_id, pinned(desk).by) == ("sample-3", "bob")


def test_an_unpinned_endpoint_has_no_anchor_and_its_models_stay() -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    desk.world.app.endpoints.unpin(HERE, ADA)
    assert desk.known() == THREE
    desk.world.app.endpoints.pin(HERE, None, ADA)
    desk.world.app.endpoints.unpin(HERE, ADA)

    assert desk.known() == THREE


@pytest.mark.parametrize(
    ("there", "named", "said"),
    [
        (Resource(), None, "no model of a run serves at production: name a run as `run`"),
        (Resource(serving=served("x", model=None)), None, "no model of a run serves"),
        (THREE, "sample-9", "the model of sample-9 was never promoted at production"),
    ],
)
def test_what_is_no_model_of_a_run_cannot_be_pinned(
    there: Resource, named: str | None, said: str
) -> None:
    desk = EndpointDesk()
    desk.put(there)
    with pytest.raises(NoSuchModelError, match=said):
        desk.world.app.endpoints.pin(HERE, named, ADA)
    assert desk.known() == there


def test_a_pin_is_for_the_version_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = EndpointDesk()
    version = desk.put(THREE)
    stale = OperatorCommand(by="ada", versions=("old",))
    with pytest.raises(PreconditionFailedError, match="it was changed since"):
        desk.world.app.endpoints.pin(HERE, None, stale)
    with pytest.raises(PreconditionFailedError, match="it was changed since"):
        desk.world.app.endpoints.unpin(HERE, stale)

    def late(name: str, state: EndpointState, expected: object) -> None:
        raise ConflictError(name)

    monkeypatch.setattr(desk.ledger.endpoint_states, "put", late)
    with pytest.raises(ConflictError, match="it was changed at the same moment"):
        desk.world.app.endpoints.pin(HERE, None, ADA)
    with pytest.raises(PreconditionFailedError, match="it was changed since"):
        desk.world.app.endpoints.pin(HERE, None, OperatorCommand(versions=(version,)))


def test_an_operator_rolls_back_to_the_anchor() -> None:
    desk = EndpointDesk()
    anchor = Anchor(served=served("sample-0"), by="ada", at=desk.world.host.now())
    desk.put(THREE.evolve(anchor=anchor))

    back = desk.roll_back("sample-0")
    assert back.restores == anchor.served.target_model


def test_a_run_without_a_name_is_no_run() -> None:
    desk = EndpointDesk()
    desk.put(THREE)
    with pytest.raises(NoSuchModelError, match="was never promoted"):
        desk.world.app.endpoints.pin(HERE, "", ADA)
    assert desk.known().anchor is None
