"""Which model each endpoint of a roll-out gets."""

from local.studio import InstantTrainer
from shared.core.run.record import Phase
from tests.unit.execution.roll_out_worlds import read, ticks, two_models
from tests.unit.fleet import Fleet


def test_each_endpoint_gets_the_model_that_it_wants() -> None:
    fleet = Fleet(size=2)
    two_models(fleet, "output1", "output3")
    fleet.start()
    assert fleet.finish().phase is Phase.PROMOTED
    named = [model.name for name in ("e1", "e2") if (model := fleet.child(name).model)]
    assert [name.rsplit("/", 1)[1] for name in named] == ["one.ilearner", "three.ilearner"]


def test_a_corrected_model_output_is_what_the_endpoint_gets() -> None:
    fleet = Fleet(size=2)
    tree = two_models(fleet, "output1", "output1")
    wrong = fleet.environment.pop("KEY_e1")
    fleet.start()
    parent = fleet.finish()
    fleet.environment["KEY_e1"] = wrong
    for endpoint in tree["endpoints"]:
        endpoint["model"] = "output3"
    read(fleet, tree)
    fleet.run_operations.retry(parent.run_id)
    assert fleet.finish().phase is Phase.PROMOTED
    for name in ("e1", "e2"):
        model = fleet.child(name).model
        assert model is not None
        assert model.name.endswith("three.ilearner")


def test_an_operators_model_does_not_go_to_endpoints_that_want_different_models() -> None:
    fleet = Fleet(size=2)
    two_models(fleet, "output1", "output3")
    fleet.poll.tick()
    trained = InstantTrainer().train({"input1": b"a,b,label\n9,9,1\n"}, {}, label=None)
    fleet.blobs.put("models", "promote/sample/one.ilearner", trained.model)
    run = fleet.app.model_events.model_arrived("promote/sample/one.ilearner")
    assert run is not None
    ticks(fleet, 10)
    assert fleet.now_of(run).phase is Phase.PARKED
    assert fleet.endpoints_serving(trained.model) == []
