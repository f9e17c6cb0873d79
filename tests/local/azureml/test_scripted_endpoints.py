"""Endpoints under control of a test: changes by others, failures, no answers; also over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import refusal
from local.azureml.personalities import PERSONALITIES, personality
from local.azureml.process import AzureMlProcess
from local.azureml.server import AzureMlServer
from local.studio.wire import WireRequest
from tests.local.azureml.bench import Bench, missing_from, over_http, vector
from tests.local.azureml.conftest import MakeBench
from tests.local.azureml.endpoints import (
    ENDPOINT,
    OWN,
    add_green,
    deployment,
    put,
    served,
    shift,
    shown,
    state,
    who,
)
from tests.local.azureml.test_serving import path_of

CODES = ["OutOfQuota", "ImageBuildFailure", "BadArgument", "ResourceNotReady", "ResourceNotFound"]
CODES += ["OperationCanceled", "InternalServerError", "WorkspaceManagedNetworkNotReady"]
CODES += ["SecretsInjectionError", "ModelRegistryError"]
SECONDS = timedelta(seconds=20)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return served(make_bench())


@pytest.mark.parametrize("code", CODES)
def test_a_deployment_fails_with_each_code(bench: Bench, code: str) -> None:
    bench.hooks.fail_next("census/green", code, "because")
    bench.hooks.set_log("census/green", "first\nKeyError: x")
    operation = path_of(put(bench).headers["Azure-AsyncOperation"])
    bench.clock.move(timedelta(minutes=10))
    ended = "Canceled" if code == "OperationCanceled" else "Failed"
    told = bench.ask("GET", operation).json()
    assert (told["status"], told["error"]["code"], state(bench, "green")) == (ended, code, ended)
    assert set(vector("pub_operation_failed")["body"]) <= set(told)


def test_a_failure_may_be_seen_by_the_state_alone_and_be_forgotten(make_bench: MakeBench) -> None:
    bench = served(
        make_bench(failed_operations="without_error", operations_kept=timedelta(minutes=1))
    )
    bench.hooks.fail_next("census/green", "OutOfQuota")
    operation = path_of(put(bench).headers["Azure-AsyncOperation"])
    bench.clock.move(timedelta(minutes=10))
    assert "error" not in bench.ask("GET", operation).json()
    bench.clock.move(timedelta(minutes=2))
    assert bench.ask("GET", operation).status == 404
    assert state(bench, "green") == "Failed"


@pytest.mark.parametrize(("switch", "wanted"), [("Failed", "Failed"), ("Succeeded", "Succeeded")])
def test_what_an_endpoint_is_after_a_failed_update(
    make_bench: MakeBench, switch: str, wanted: str
) -> None:
    bench = served(make_bench(state_after_failed_update=switch))
    add_green(bench)
    bench.hooks.fail_next("census", "InternalServerError")
    shift(bench, {"green": 100})
    bench.clock.move(SECONDS)
    assert (state(bench), shown(bench), who(bench)) == (wanted, {"blue": 100}, {"blue"})


@pytest.mark.parametrize("after", [0, 60])
def test_an_update_may_be_undone_silently(bench: Bench, after: int) -> None:
    add_green(bench)
    bench.hooks.undo_next("census", timedelta(seconds=after))
    shift(bench, {"green": 100})
    bench.clock.move(SECONDS)
    assert state(bench) == "Succeeded"
    assert shown(bench) == ({"green": 100} if after else {"blue": 100})
    bench.clock.move(timedelta(seconds=61))
    assert (state(bench), shown(bench), who(bench)) == ("Succeeded", {"blue": 100}, {"blue"})


def test_answers_and_routes_may_lag(make_bench: MakeBench) -> None:
    lag = {"traffic_answer_lag": timedelta(seconds=15), "routing_lag": timedelta(seconds=30)}
    bench = served(make_bench(**lag))
    add_green(bench)
    shift(bench, {"green": 100})
    seen = []
    for _ in range(3):
        bench.clock.move(SECONDS)
        seen.append((state(bench), *shown(bench), *who(bench)))
    assert seen == [
        ("Succeeded", "blue", "blue"),
        ("Succeeded", "green", "blue"),
        ("Succeeded", "green", "green"),
    ]


def test_another_writer_acts_just_before_a_call(bench: Bench) -> None:
    add_green(bench)
    bench.calls.before("PUT endpoint", lambda: bench.hooks.set_traffic("census", {"green": 100}))
    bench.calls.before("PUT endpoint", lambda: bench.hooks.set_tags("census", "green", {}))
    body = shift(bench, {"blue": 50, "green": 50}).json()
    assert body["properties"]["traffic"] == {"green": 100}  # the answer shows what was before
    bench.hooks.change_model("census", "blue", "m/7")
    found = bench.ask("GET", f"{ENDPOINT}/deployments/blue").json()["properties"]
    assert found["model"].endswith("/models/m/versions/7")
    bench.hooks.set_state("census/green", "Failed")
    assert state(bench, "green") == "Failed"


def test_instances_and_tags_are_patched_and_nothing_else(bench: Bench) -> None:
    path = f"{ENDPOINT}/deployments/blue"
    assert bench.ask("PATCH", path, {"properties": {}}).status == 400
    assert bench.ask("PATCH", path, {"sku": {"capacity": 3}, "tags": {"a": "b"}}).status == 202
    assert state(bench, "blue") == "Scaling"
    assert bench.ask("PATCH", path, {"sku": {"capacity": 4}}).status == 409
    bench.clock.move(SECONDS)
    body = bench.ask("GET", path).json()
    assert (body["sku"]["capacity"], body["tags"], state(bench, "blue")) == (
        3,
        {"a": "b"},
        "Succeeded",
    )


def test_a_container_may_crash(bench: Bench) -> None:
    assert who(bench) == {"blue"}
    bench.hooks.crash("census", "blue")
    headers = {"Authorization": "Bearer key-0"}
    answer = bench.send(WireRequest("POST", "/scoring/census/score", headers, b"{}"))
    assert (answer.status, state(bench, "blue")) == (500, "Succeeded")


def test_an_operation_of_another_writer_is_in_the_way(bench: Bench) -> None:
    bench.hooks.keep_busy("census/blue", timedelta(minutes=1))
    assert (shift(bench, {"blue": 100}).status, put(bench).status) == (409, 409)
    bench.service.switches.lock = "resource"
    assert (shift(bench, {"blue": 100}).status, put(bench).status) == (200, 201)
    bench.clock.move(timedelta(minutes=10))
    assert shift(bench, {"blue": 100}).status == 200


@pytest.mark.parametrize("member", ["publicNetworkAccess", "tags"])
def test_a_member_may_be_unknown_to_the_version(make_bench: MakeBench, member: str) -> None:
    bench = served(make_bench(unknown_members=(member,)))
    refused = shift(bench, {"blue": 100})
    assert refused.status == 400
    said = refused.json()["error"]["details"][0]["message"]
    assert said.startswith(f"Could not find member '{member}' on object of type")


def test_members_of_answers_alone_may_be_refused(make_bench: MakeBench) -> None:
    bench = served(make_bench(read_only_members="refused"))
    refused = shift(bench, {"blue": 100}, scoringUri="https://x")
    assert (refused.status, "scoringUri" in refused.body.decode()) == (400, True)
    refused = shift(bench, {"blue": 100}, identity={"type": "SystemAssigned", "principalId": "p"})
    assert (refused.status, "principalId" in refused.body.decode()) == (400, True)
    assert shift(bench, {"blue": 100}).status == 200


def test_a_call_may_be_refused_as_a_test_wants(bench: Bench) -> None:
    bench.calls.refuse_on("PUT deployment", refusal(400, "UserError", "no", "OutOfQuota"))
    assert put(bench).json()["error"]["details"][0]["code"] == "OutOfQuota"
    assert put(bench).status == 201


@pytest.mark.parametrize("name", PERSONALITIES)
def test_the_way_of_the_contract_works_in_every_personality(name: str) -> None:
    bench = Bench(**PERSONALITIES[name])
    assert bench.service.switches == personality(name)
    bench.clock.move(timedelta(hours=1))  # roles are there
    served(bench)
    assert put(bench).status == 201
    for _ in range(3):
        bench.clock.move(timedelta(minutes=10))
        assert state(bench, "green").lower() in ("updating", "creating", "succeeded")
    dropped = PERSONALITIES[name].get("unknown_members", ())
    body = bench.ask("GET", ENDPOINT).json()
    own = {one: body["properties"][one] for one in ("authMode", "publicNetworkAccess")}
    own |= {"traffic": {"green": 100}, "mirrorTraffic": {}}
    own = {one: value for one, value in own.items() if one not in dropped}
    kept = {one: body[one] for one in ("location", "tags")} | {
        "identity": {"type": "SystemAssigned"}
    }
    assert bench.ask("PUT", ENDPOINT, kept | {"properties": own}).status == 200
    for _ in range(5):
        bench.clock.move(timedelta(minutes=2))
        bench.ask("GET", ENDPOINT)
    assert (shown(bench), who(bench)) == ({"green": 100}, {"green"})
    assert bench.service.violations == []


def test_endpoints_and_deployments_look_as_recorded(bench: Bench) -> None:
    put_recorded = vector("rec_online_deployment_put_201")
    own = deployment() | {"tags": {}}
    cut = {"codeConfiguration", "environmentId", "instanceType", "model", "description"}

    def problems(ours: Any, recorded: Any) -> list[str]:
        for name in (*cut, "properties"):
            recorded["properties"].pop(name)
        return missing_from(ours, recorded)

    answer = bench.ask("PUT", f"{ENDPOINT}/deployments/green", own)
    assert problems(answer.json(), put_recorded["response"]["body"]) == []
    bench.clock.move(timedelta(minutes=10))
    listed = bench.ask("GET", f"{ENDPOINT}/deployments").json()["value"]
    (recorded,) = vector("rec_online_deployments_list_200")["response"]["body"]["value"]
    assert problems(listed[-1], recorded) == []
    gone = bench.ask("GET", f"{ENDPOINT}/deployments/nobody")
    assert gone.status == vector("pub_deployment_404")["response"]["status"]
    traffic = vector("rec_online_endpoint_traffic_put_answer_then_get")
    shift(bench, {"green": 100})
    ours = bench.ask("GET", ENDPOINT).json()
    recorded = traffic["put_answer_body"]
    for body in (ours["properties"], recorded["properties"]):
        for name in ("traffic", "scoringUri", "swaggerUri", "authMode", "properties"):
            body.pop(name)
    assert missing_from(ours, recorded) == []


def test_the_control_plane_does_all_of_it() -> None:
    with AzureMlProcess(["--made-up-scores"]) as process:
        for what, members in (
            ("personality", {"name": "lenient, and fails later"}),
            ("failures", {"resource": "e/blue", "code": "OutOfQuota", "log": "x"}),
            ("refusals", {"kind": "PUT endpoint", "status": 400}),
            ("models", {"model": "m/1", "status": 500, "milliseconds": 90}),
            ("busy", {"resource": "e", "seconds": 1, "before": "PUT endpoint"}),
        ):
            process.order(what, **members)
        for what in ("traffic", "deployments", "undone", "keys"):
            wrong: dict[str, Any] = {"traffic": {}} if what == "traffic" else {}
            with pytest.raises(ValueError, match="error"):
                process.order(what, endpoint="e", **wrong)
        with pytest.raises(ValueError, match="lenient, and fails later"):
            process.order("personality", name="none")
        assert process.state["violations"] == []


def test_the_control_plane_is_another_writer() -> None:
    bench = served(Bench())
    with AzureMlServer(bench.service) as server:
        bench.send = over_http(server.url)
        add_green(bench)

        def order(what: str, **members: object) -> int:
            return bench.ask("POST", f"/_azureml/{what}", {"endpoint": "census"} | members).status

        assert order("traffic", traffic={"green": 100}, before="PUT endpoint") == 200
        assert shown(bench) == {"blue": 100}
        shift(bench, {"blue": 100})
        assert shown(bench) == {"green": 100}
        for does in ({"does": "model", "model": "m/8"}, {"does": "state", "state": "Failed"}):
            assert order("deployments", name="green", **does) == 200
        known = bench.ask("GET", "/_azureml/state").json()["deployments"]["census/green"]
        assert known == {"state": "Failed", "model": "m/versions/8", "tags": OWN}
        assert order("keys") == order("undone") == 200
        assert order("deployments", name="green", does="remove") == 200
