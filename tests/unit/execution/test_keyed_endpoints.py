"""Values of a key that cannot name an endpoint, and secrets of a keyed pipeline."""

import json
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.run.record import Phase
from shared.providers.http.client import Answer
from tests.fakes.world import RESOURCE, ROWS
from tests.unit.fleet import BASE
from tests.unit.worlds import Observed

ARM = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearning/webServices/{customer}?api-version=2017-01-01"
)


def keyed(world: Observed, **changes: Any) -> None:
    """Have each customer's data go to the Classic endpoint of the customer's name."""
    update = BASE + world.endpoint.management_url.replace("/production", "/{customer}")
    endpoint = {
        "name": "theirs",
        "update": update,
        "workspace_token": "${WS}",
        "resource": RESOURCE,
        "verify": {"rows": ROWS, "within": "3m"},
    }
    tree = world.pipeline.model_dump(mode="json")
    tree |= {"data": {"blob": "{customer}/{name}.csv"}, "endpoints": [endpoint], "key": None}
    world.pipeline = Pipeline.model_validate(tree | changes, context={"development": False})
    world.environment["WS"] = "a-workspace-token"
    world.restart()


@pytest.mark.parametrize(
    "customer", ["default", "%2e%2e", "ACME", "a b", "{x}", "ü", "a" * 25, "a.b", "-"]
)
def test_a_value_that_cannot_name_an_endpoint_is_rejected_and_nothing_is_started(
    customer: str,
) -> None:
    world = Observed()
    keyed(world)
    run = world.start(f"{customer}/a.csv")
    assert run.phase is Phase.REJECTED
    assert not world.starts
    world.tick()
    assert not world.open_runs()
    world.blobs.put("models", f"promote/sample/{customer}/m.ilearner", b"{}")
    manual_model = world.app.model_events.model_arrived(f"promote/sample/{customer}/m.ilearner")
    assert manual_model is not None
    assert manual_model.phase is Phase.REJECTED
    assert not world.changes()


@pytest.mark.parametrize("customer", ["..", ".", "", "a\nb"])
def test_a_value_never_leads_out_of_its_segment(customer: str) -> None:
    endpoint = StudioEndpoint.model_validate(
        {"name": "theirs", "kind": "webservice", "update": ARM}, context={"development": False}
    )
    with pytest.raises(ValueError, match=r"URL|URI|not"):
        endpoint.chosen_by({"customer": customer})


@pytest.mark.parametrize("customer", ["a/b", "a?b", "a#b", "%2e%2e", "ü", "a b"])
def test_a_value_with_any_characters_is_one_segment(customer: str) -> None:
    endpoint = StudioEndpoint.model_validate(
        {"name": "theirs", "kind": "webservice", "update": ARM}, context={"development": False}
    )
    chosen = endpoint.chosen_by({"customer": customer})
    assert chosen.update.count("/") == ARM.count("/")
    assert chosen.tokens == ()
    text, context = chosen.model_dump_json(), {"development": False}
    again = StudioEndpoint.model_validate_json(text, context=context)
    assert again == chosen


@pytest.mark.parametrize(
    "path", ["promote/sample/m.ilearner", "promote/sample/a/b/m.ilearner", "promote/m.ilearner"]
)
def test_an_operators_model_without_its_key_opens_no_run(path: str) -> None:
    world = Observed()
    keyed(world)
    world.poll.tick()
    world.blobs.put("models", path, b"{}")
    assert world.app.model_events.model_arrived(path) is None
    world.tick()
    assert not world.runs()


def test_no_secret_of_a_keyed_pipeline_reaches_the_ledger_or_a_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed()
    keyed(world)
    secrets = [world.environment["WS"], world.environment["TRAINING_KEY"]]
    echo = json.dumps(
        {"error": {"code": "BadArgument", "message": f"no: {' '.join(secrets)}", "details": []}}
    ).encode()
    world.script("GET", "/production", Answer(400, {}, echo), times=None)
    run = world.until_idle(world.start("production/a.csv"), 30)
    assert run.phase is not Phase.PROMOTED
    said = world.everything_stored() + caplog.text
    assert not [secret for secret in secrets if secret in said]
