"""One pipeline entry, many customers: each one's data trains a model for its own endpoint."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import Endpoints
from tests.fakes.world import MODELS, ROWS, pipeline
from tests.unit.worlds import Observed

BASE = "https://studio.example"
OF_ACME = b"a,b,label\n1,2,0\n3,4,1\n"
OF_BETA = b"a,b,label\n5,6,1\n7,8,0\n"


@dataclass
class Customers(Observed):
    """A world whose pipeline chooses the endpoint by the first folder of the data's path."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.environment["WORKSPACE_TOKEN"] = self.studio.workspace_token
        changes: dict[str, Any] = {
            "data": {"blob": "{customer}/{date}.csv"},
            "endpoints": [
                {
                    "name": "theirs",
                    "update": BASE
                    + self.endpoint.management_url.replace("production", "{customer}"),
                    "workspace_token": "${WORKSPACE_TOKEN}",
                    "create": True,
                    "resource": "Sample [trained model]",
                    "verify": {"rows": ROWS, "within": "3m"},
                }
            ],
        }
        self.pipeline = pipeline(self.training, self.endpoint, {"pipeline": changes})
        self.restart()

    def serves(self, customer: str) -> bytes | None:
        for _, endpoints in self.studio.services():
            for endpoint in endpoints:
                if endpoint.name == customer:
                    return self.studio.serving(endpoint)
        return None

    def endpoints(self) -> Endpoints:
        return self.app.endpoints


def both() -> tuple[Customers, Run, Run]:
    world = Customers()
    world.upload("acme/monday.csv", OF_ACME)
    world.upload("beta/monday.csv", OF_BETA)
    (acme,), (beta,) = world.deliver("acme/monday.csv"), world.deliver("beta/monday.csv")
    return world, world.until(acme, Phase.PROMOTED), world.until(beta, Phase.PROMOTED)


def test_each_customers_endpoint_is_made_and_serves_its_own_model() -> None:
    world, acme, beta = both()
    assert acme.key == ("acme",)
    assert acme.tokens == {"customer": "acme", "date": "monday"}
    assert world.serves("acme") == world.model_of(acme)
    assert world.serves("beta") == world.model_of(beta)
    assert world.serves("acme") != world.serves("beta")
    proofs = [run.promotion.verification for run in (acme, beta) if run.promotion]
    assert proofs == ["answers changed, and two probes in a row agree"] * 2


def test_no_secret_of_any_customer_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    world, _, _ = both()
    keys = [key for _, many in world.studio.services() for one in many for key in one.keys]
    said = world.everything_stored() + caplog.text
    assert not [key for key in (*keys, world.studio.workspace_token) if key in said]
    assert "sig=" not in said


def test_one_customers_newer_data_does_not_count_against_another() -> None:
    world, _, _ = both()
    world.upload("beta/tuesday.csv", b"a,b,label\n9,9,0\n1,1,1\n")
    world.clock.move(world.limits.check_interval_max)
    newer = world.next_run("acme/tuesday.csv", OF_BETA)
    older = world.deliver("beta/tuesday.csv")[0]
    world.until(newer, Phase.PROMOTED)
    world.until(older, Phase.PROMOTED)


@pytest.mark.parametrize("name", ["Acme", "a-b", "a" * 25, "default", "ümlaut"])
def test_a_customer_that_cannot_name_an_endpoint_is_rejected_with_the_reason(name: str) -> None:
    world = Customers()
    run = world.start(f"{name}/monday.csv")
    assert run.phase is Phase.REJECTED
    assert name in (run.reason or "")
    assert not world.starts
    assert not [one for one in world.http.sent if "PUT" in one]


def test_a_schedule_trains_each_customer_on_its_newest_data() -> None:
    world = Customers()
    for name in ("acme/1.csv", "acme/2.csv", "beta/1.csv"):
        world.clock.move(world.limits.check_interval_min)
        world.upload(name, OF_ACME if name.startswith("acme") else OF_BETA)
    world.pipeline = world.pipeline.model_copy(update={"schedule": "0 0 * * * *"})
    world.clock.move(world.limits.check_interval_min)
    app = world.another()
    poll = app.poll
    poll.tick()
    world.clock.move(world.limits.keep / 9600)  # an hour
    poll.start_scheduled()
    poll.start_scheduled()
    runs = [run for run in world.runs() if run.origin is Origin.SCHEDULE]
    assert sorted((run.key, run.manifest[0].name) for run in runs) == [
        (("acme",), "acme/2.csv"),
        (("beta",), "beta/1.csv"),
    ]
    assert app.catalogue.pipeline("sample") is world.pipeline


def test_an_operators_model_names_its_customer() -> None:
    world, acme, _ = both()
    world.clock.move(world.limits.check_interval_max)
    model = world.model_of(acme)
    world.blobs.put(MODELS, "promote/sample/beta/mine.ilearner", model)
    run = world.app.model_events.model_arrived("promote/sample/beta/mine.ilearner")
    assert run is not None
    world.until(run, Phase.PROMOTED)
    assert world.serves("beta") == model
    world.blobs.put(MODELS, "promote/sample/mine.ilearner", model)
    assert world.app.model_events.model_arrived("promote/sample/mine.ilearner") is None


def test_a_rollback_names_the_customer_and_leaves_the_others_alone() -> None:
    world, acme, _ = both()
    first, others = world.serves("acme"), world.serves("beta")
    world.until(world.next_run("acme/tuesday.csv", b"a,b,label\n9,9,0\n1,1,1\n"), Phase.PROMOTED)
    assert world.serves("acme") != first
    rollback = world.endpoints().rollback(
        EndpointAddress("sample", "theirs", ("acme",)), None, OperatorCommand(by="boss")
    )
    world.until(rollback, Phase.PROMOTED)
    assert world.serves("acme") == first
    assert world.serves("beta") == others
    shown = world.endpoints().show(EndpointAddress("sample", "theirs", ("acme",)))
    assert shown.known.serving is not None
    assert shown.known.serving.run_id == acme.run_id
    assert world.endpoints().show(EndpointAddress("sample", "theirs", ("beta",))).known.held is None
    world.until(world.next_run("beta/tuesday.csv", b"a,b,label\n4,4,0\n2,1,1\n"), Phase.PROMOTED)


def test_without_create_a_missing_endpoint_is_reported_with_those_that_exist() -> None:
    world = Customers()
    (endpoint,) = world.pipeline.endpoints
    fixed = endpoint.model_copy(update={"create": False})
    world.pipeline = world.pipeline.model_copy(update={"endpoints": (fixed,)})
    world.restart()
    run = world.until(world.start("acme/monday.csv"), Phase.PARKED)
    assert "there is no endpoint acme" in (run.reason or "")
    assert "production" in (run.reason or "")
    assert "create: true" in (run.reason or "")
