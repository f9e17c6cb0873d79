"""New (Resource Manager) web services: updated by definition, followed, read back, and verified."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.blobs import ACCOUNT
from tests.fakes.faults import Kind
from tests.fakes.world import ROWS, pipeline
from tests.unit.samples import state_of
from tests.unit.worlds import Observed

BASE = "https://studio.example"
RESOURCE = "Sample [trained model]"
FIRST = f"{ACCOUNT}experimentoutput/first.ilearner"
OTHER_COLUMNS = b"hello,label\n1,0\n2,1\n"


@dataclass
class NewService(Observed):
    """A world whose pipeline feeds a New web service."""

    resource: str | None = None
    verified: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        first = InstantTrainer().train({"input1": b"a,b,label\n0,0,0\n"}, {}, label=None)
        self.blobs.put("experimentoutput", "first.ilearner", first.model)
        self.service = self.studio.publish_web_service(
            "census", resource=RESOURCE, model=first.model, uri=FIRST
        )
        written: dict[str, Any] = {
            "name": "new",
            "kind": "webservice",
            "update": BASE + self.service.path,
            "resource": self.resource,
        }
        if self.verified:
            written["verify"] = {"rows": ROWS, "within": "3m"}
        self.pipeline = pipeline(
            self.training, self.endpoint, {"pipeline": {"endpoints": [written]}}
        )
        self.restart()

    def serves(self) -> bytes:
        return self.studio.web_service_serves(self.service)

    def named(self) -> str:
        return str(self.service.definition["properties"]["assets"]["asset3"]["locationInfo"]["uri"])

    def patches(self) -> list[Any]:
        sent = zip(self.http.sent, self.bodies, strict=True)
        return [json.loads(body) for one, body in sent if one.startswith("PATCH")]


def test_a_new_model_is_patched_followed_read_back_and_verified() -> None:
    world = NewService()
    run = world.until(world.start(), Phase.PROMOTED)
    assert world.serves() == world.model_of(run)
    assert run.model is not None
    assert world.named() == f"{ACCOUNT}{run.model.name}"
    assert run.promotion is not None
    assert run.promotion.verification == "answers changed, and two probes in a row agree"
    (sent,) = world.patches()
    assert sent["properties"]["package"]["nodes"] == {"node1": {"assetId": "asset3"}}
    assert sent["properties"]["assets"]["asset1"]["name"] == "Score Model"
    assert "sig=" not in json.dumps(sent)
    assert not [one for one in world.http.sent if one.startswith("PUT")]


def test_a_second_model_and_the_rollback_go_the_same_way() -> None:
    world = NewService()
    world.until(world.start(), Phase.PROMOTED)
    first = world.serves()
    world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED)
    assert world.serves() != first
    endpoints = world.app.endpoints
    rollback = endpoints.rollback(
        EndpointAddress("sample", "new"), None, OperatorCommand(by="boss")
    )
    world.until(rollback, Phase.PROMOTED)
    assert world.serves() == first


def test_back_to_what_served_before_us() -> None:
    world = NewService()
    before = world.serves()
    world.until(world.start(), Phase.PROMOTED)
    endpoints = world.app.endpoints
    world.until(
        endpoints.rollback(EndpointAddress("sample", "new"), None, OperatorCommand(by="boss")),
        Phase.PROMOTED,
    )
    assert world.serves() == before
    assert world.named() == FIRST


def test_an_accepted_update_that_changes_nothing_is_no_success() -> None:
    world = NewService()
    world.studio.switches.ignores_updates = True
    before = world.serves()
    run = world.until_idle(world.start())
    assert run.phase is Phase.UNCHANGED
    assert "still names" in (run.reason or "")
    assert world.serves() == before
    assert world.endpoint_state().resource("").serving is None


def test_without_probe_rows_the_read_back_distinguishes_an_update_from_none() -> None:
    world = NewService(verified=False)
    run = world.until(world.start(), Phase.PROMOTED)
    assert run.promotion is not None
    assert run.promotion.verification == "unproven: by read-back only"
    assert world.serves() == world.model_of(run)
    ignored = NewService(verified=False)
    ignored.studio.switches.ignores_updates = True
    assert ignored.until_idle(ignored.start(), ticks=80).phase is Phase.UNCHANGED


def test_an_incompatible_model_is_taken_and_then_rolled_back() -> None:
    world = NewService()
    before = world.serves()
    world.upload("odd.csv", OTHER_COLUMNS)
    run = world.until_idle(world.deliver("odd.csv")[0])
    assert run.phase is Phase.ROLLED_BACK
    assert "hello" in (run.reason or "")
    assert world.serves() == before
    assert world.named() == FIRST


def test_an_update_that_fails_while_it_provisions_is_rolled_back_with_the_services_reason() -> None:
    world = NewService()
    before = world.serves()
    world.studio.switches.fails_updates = "The model could not be loaded."
    run = world.until(world.start(), Phase.VERIFYING)
    world.studio.switches.fails_updates = ""
    ended = world.until_idle(run)
    assert ended.phase is Phase.ROLLED_BACK, ended.reason
    assert "The model could not be loaded." in (ended.reason or "")
    assert world.serves() == before


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.LATE, Kind.CRASH_AFTER, Kind.CRASH_BEFORE])
def test_a_patch_that_may_have_arrived_is_resolved_by_a_check(kind: Kind) -> None:
    calm = NewService()
    calm.until(calm.start(), Phase.PROMOTED)
    site = next(i for i, one in enumerate(calm.faults.sites) if one.startswith("PATCH"))
    world = NewService()
    world.faults.plan = {site: kind}
    run = world.start()
    for _ in range(40):
        world.survive(world.tick)
    assert world.now_of(run).phase is Phase.PROMOTED
    assert world.serves() == world.model_of(run)


def test_provisioning_may_take_its_time() -> None:
    world = NewService()
    world.studio.switches.provision_delay = timedelta(seconds=150)
    world.until(world.start(), Phase.PROMOTED)


def test_neither_the_case_of_members_nor_a_missing_operation_matters() -> None:
    world = NewService(resource=RESOURCE)
    world.studio.switches.upper_case = True
    world.studio.switches.names_operation = False
    run = world.start()
    while not world.patches():
        world.tick()
    (sent,) = world.patches()
    assert sent["properties"]["Assets"]["asset3"]["LocationInfo"]["Uri"].endswith("model.ilearner")
    assert world.now_of(run).phase in (Phase.VERIFYING, Phase.PROMOTED)


def test_what_an_operator_must_change_is_named(caplog: pytest.LogCaptureFixture) -> None:
    world = NewService()
    world.service.definition["properties"]["readOnly"] = True
    assert "readOnly" in (world.until_idle(world.start()).reason or "")
    world = NewService()
    world.service.definition["properties"]["storageAccount"] = {"name": "other"}
    reason = world.until_idle(world.start()).reason or ""
    assert "other" in reason
    assert "not the service's own" in reason
    world = NewService()
    world.studio.switches.roles = False
    run = world.until_idle(world.start())
    assert run.phase is Phase.PARKED
    assert "Contributor" in (run.reason or "")
    world = NewService(resource="Wrong [trained model]")
    assert RESOURCE in (world.until_idle(world.start()).reason or "")
    assert not world.patches()
    assert "Bearer" not in caplog.text


def test_no_token_or_key_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    world = NewService()
    world.until(world.start(), Phase.PROMOTED)
    said = world.everything_stored() + caplog.text
    assert world.studio.arm_token not in said
    assert world.service.api_key not in said
    assert "t=signed" not in said


def test_a_foreign_model_is_noticed_by_what_the_definition_names() -> None:
    world = NewService()
    run: Run = world.until(world.start(), Phase.PROMOTED)
    foreign = world.blobs.put("elsewhere", "x.ilearner", world.model_of(run))
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(foreign))
    world.idle(timedelta(minutes=80))
    assert run.model is not None
    assert world.named() == f"{ACCOUNT}{run.model.name}"
