"""Endpoints of Azure ML whose names are chosen by the data: one for each customer, made for it."""

from typing import Any

from shared.core.run.record import Phase
from tests.fakes.azureml_world import CENSUS, AzureMlWorld

CONFIG: dict[str, Any] = {
    "pipeline": {
        "data": {"blob": "{customer}/{name}.csv"},
        "gate": {"first_model": "allow"},
    },
    "online": {"endpoint": "census-{customer}", "create": True},
}


def test_each_customer_has_an_endpoint_of_their_own() -> None:
    world = AzureMlWorld(config=CONFIG)
    runs = [world.start(f"{customer}/1.csv") for customer in ("acme", "bolt")]
    for run in runs:
        assert world.until_idle(run, ticks=80).phase is Phase.PROMOTED
    traffic = {
        name: one.traffic for name, one in world.azureml.state.endpoints.items() if name != CENSUS
    }
    names = [world.now_of(run).candidate for run in runs]
    assert None not in names
    assert traffic == {
        "census-acme": {names[0].name if names[0] else "": 100},
        "census-bolt": {names[1].name if names[1] else "": 100},
    }
    assert world.traffic() == {"blue": 100}
    assert world.azureml.violations == []


def test_a_customer_whose_name_makes_no_legal_name_is_rejected_with_the_reason() -> None:
    world = AzureMlWorld(config=CONFIG)
    run = world.until_idle(world.start("Ac_me/1.csv"), ticks=40)
    assert run.phase is Phase.REJECTED
    assert "census-Ac_me" in (run.reason or "")
    assert "cannot name an endpoint" in (run.reason or "")
    assert world.jobs == []
