"""Keys in the names of endpoints and folders."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core import names
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.run.record import Origin, Phase, Run
from shared.providers.http.client import Answer
from tests.fakes.world import RESOURCE, ROWS
from tests.unit.execution.roll_out_worlds import read, ticks, written
from tests.unit.fleet import BASE
from tests.unit.worlds import Observed

HOUR = timedelta(hours=1)
ARM = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearning/webServices/{customer}?api-version=2017-01-01"
)


def keyed(world: Observed, *endpoints: dict[str, Any], **more: Any) -> None:
    """Have tokens of the data's path choose these endpoints, over the usual templated one."""
    usual = {
        "name": "theirs",
        "update": BASE + world.endpoint.management_url.replace("production", "{customer}"),
        "workspace_token": "${WORKSPACE_TOKEN}",
        "resource": RESOURCE,
        "verify": {"rows": ROWS, "within": "3m"},
    }
    listed = [{**usual, **endpoint} for endpoint in endpoints]
    world.environment["WORKSPACE_TOKEN"] = world.studio.workspace_token
    blob = {"data": {"blob": "{customer}/{name}.csv"}, "key": None}
    read(world, {**written(world), **blob, "endpoints": listed, **more})


@pytest.mark.parametrize("folder", ["{zz}", "{name}"])
def test_braces_in_a_path_do_not_make_a_record_unreadable(folder: str) -> None:
    world = Observed()
    fixed = BASE + world.endpoint.management_url
    keyed(world, {"update": fixed, "resource": "{customer} [trained model]"})
    assert world.start(f"{folder}/a.csv").phase is Phase.REJECTED
    ticks(world, 3)
    assert world.run().phase is Phase.REJECTED


def test_two_endpoints_that_a_key_makes_the_same_are_refused_for_that_key() -> None:
    world = Observed()
    fixed = BASE + world.endpoint.management_url
    keyed(world, {"name": "canary", "update": fixed}, {})
    assert world.start("production/a.csv").phase is Phase.REJECTED
    ticks(world, 3)
    assert "the same one" in (world.run().reason or "")


def test_a_value_with_a_full_stop_does_not_lead_to_another_service() -> None:
    endpoint = StudioEndpoint.model_validate(
        {"name": "theirs", "kind": "webservice", "update": ARM}, context={"development": False}
    )
    assert "/acme?" in endpoint.chosen_by({"customer": "acme"}).update
    with pytest.raises(ValueError, match="not a URL that an endpoint can have"):
        endpoint.chosen_by({"customer": "acme."})


def test_one_customers_damaged_record_does_not_stop_the_schedule_of_the_others() -> None:
    world = Observed()
    keyed(world, {}, schedule="0 0 * * * *")
    world.poll.tick()
    for name in ("a", "b", "c"):
        world.upload(f"{name}/x.csv")
    due = (world.clock.now() + HOUR).replace(minute=0, second=0)
    world.damage(f"runs/{names.run_id('sample', 'schedule', 'a', due.isoformat())}")
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    bodies = [row.body for name, row in world.documents.rows.items() if name.startswith("runs/")]
    runs = [Run.model_validate_json(body) for body in bodies if body != b"{not json"]
    assert {run.tokens["customer"] for run in runs} == {"b", "c"}
    assert {run.origin for run in runs} == {Origin.SCHEDULE}


def test_the_schedule_of_many_customers_ends_in_time_and_is_continued_with() -> None:
    world = Observed()
    keyed(world, {}, schedule="0 0 * * * *")
    world.poll.tick()
    for number in range(30):
        world.upload(f"c{number}/x.csv")
    world.clock.move(HOUR)

    def slow(_: str, __: str) -> Answer | None:
        world.clock.move(timedelta(seconds=10))
        return None

    world.http.answers.append(slow)
    began = world.clock.now()
    world.poll.start_scheduled()
    assert world.clock.now() - began <= world.limits.tick
    assert len(world.runs()) == 30  # opened first, and driven as far as there is time
    assert 0 < len(world.starts) < 30
    world.http.answers.remove(slow)
    world.tick()
    assert len(world.starts) == 30
