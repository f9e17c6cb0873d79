"""Occasional behaviour of the service: throttling, warming up, a wrong region."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from local.studio import LogisticTrainer, OutputKind, Parameter
from local.studio.control import ControlPlane
from local.studio.faults import FaultScript
from local.studio.wire import WireAnswer, WireRequest
from shared.ports.storage import Access
from shared.providers.studio.blob_references import signed_reference
from tests.unit.worlds import Observed

ROWS = json.dumps({"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["1", "2"]]}}})


def score(world: Observed) -> WireAnswer:
    key = {"Authorization": f"Bearer {world.endpoint.api_key}"}
    url = f"{world.endpoint.execute_url}?api-version=2.0"
    return world.studio.handle(WireRequest("POST", url, key, ROWS.encode()))


def codes(answer: WireAnswer) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status, error["code"], error["details"][0]["code"]


def test_more_requests_at_once_than_the_endpoint_takes_are_throttled() -> None:
    world = Observed()
    world.studio.busy_slots = 3
    assert score(world).status == 200
    world.studio.busy_slots = 4
    assert codes(score(world)) == (503, "ServiceUnavailable", "TooManyConcurrentRequests")
    world.studio.busy_slots = 0
    assert score(world).status == 200


def test_requests_that_come_after_each_other_are_never_throttled() -> None:
    world = Observed()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: score(world).status, range(50)))
    assert set(answers) == {200}


def test_the_wrong_regions_host_answers_as_the_real_one_did() -> None:
    world = Observed()
    world.studio.wrong_region = True
    key = {"Authorization": f"Bearer {world.endpoint.api_key}"}
    answer = world.studio.handle(WireRequest("GET", world.endpoint.management_url, key))
    assert answer.status == 500
    assert answer.json()["error"]["code"] == "GetWorkspaceFailed"
    assert "details" not in answer.json()["error"]


def test_an_endpoint_answers_401_for_a_while_after_it_was_made() -> None:
    world = Observed()
    world.studio._unauthorized_for = timedelta(minutes=1)
    assert codes(score(world))[:2] == (401, "Unauthorized")
    world.clock.move(timedelta(minutes=1))
    assert score(world).status == 200


def test_only_so_many_jobs_of_an_endpoint_run_at_once() -> None:
    world = Observed()
    world.studio._board._at_once = 1
    world.tick()
    for name in ("a.csv", "b.csv"):
        world.upload(name)
        world.deliver(name)
    for _ in range(4):
        world.clock.move(timedelta(seconds=30))
        world.poll.tick()
    states = [job.state.value for job in world.studio.jobs]
    assert sorted(states) == ["NotStarted", "Running"]
    world.until_ended()
    assert len(world.starts) == 2


def control(world: Observed, what: str, order: object) -> WireAnswer:
    plane = ControlPlane(world.studio, FaultScript(), LogisticTrainer())
    body = json.dumps(order).encode()
    return plane.handle(WireRequest("POST", f"/_studio/{what}", {}, body))


def test_a_new_service_can_be_published_and_switched_over_the_control_plane() -> None:
    world = Observed()
    order = {
        "kind": "webservice",
        "name": "new",
        "resource": "New [trained model]",
        "training_csv": "a,b,label\n1,2,0\n3,4,1\n",
        "uri": "https://account.blob.core.windows.net/c/first.ilearner",
    }
    reported = control(world, "services", order)
    assert reported.status == 201
    path = reported.json()["update_url"].removeprefix("https://studio.example")
    key = {"Authorization": f"Bearer {reported.json()['arm_token']}"}
    url = f"{path}?api-version=2017-01-01"
    shown = world.studio.handle(WireRequest("GET", url, key)).json()
    assert shown["properties"]["assets"]["asset3"]["name"] == "New [trained model]"
    assert control(world, "switches", {"roles": False, "provision_delay": 5}).status == 200
    assert world.studio.handle(WireRequest("GET", url, key)).status == 403
    assert world.studio.switches.provision_delay == timedelta(seconds=5)
    assert control(world, "switches", {"rolls": False}).status == 400


@pytest.mark.parametrize("value", [True, False, 3, 0.5, "x"])
def test_parameters_may_be_text_numbers_true_or_false(value: object) -> None:
    world = Observed()
    known = {"p": Parameter()}
    outputs = {"output1": OutputKind.MODEL}
    service = world.studio.publish_training("typed", outputs=outputs, parameters=known)
    world.blobs.put("training-data", "x.csv", b"a,b,label\n1,2,0\n")
    hour = timedelta(hours=1)
    body = {
        "Inputs": {
            "input1": signed_reference(
                world.blobs.sign("training-data", "x.csv", Access.READ, hour)
            )
        },
        "Outputs": {
            "output1": signed_reference(
                world.blobs.sign("models", "x.ilearner", Access.WRITE, hour)
            )
        },
        "GlobalParameters": {"p": value},
    }
    key = {"Authorization": f"Bearer {service.api_key}"}
    url = f"{service.jobs_url}?api-version=2.0"
    answer = world.studio.handle(WireRequest("POST", url, key, json.dumps(body).encode()))
    assert answer.status == 200, answer.body
    assert world.studio.jobs[-1].parameters == {"p": str(value)}
