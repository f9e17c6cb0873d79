"""Forbidden requests of the app are found, also when other programs write."""

from functools import partial

import pytest

from tests.local.azureml.bench import Bench
from tests.local.azureml.conftest import MakeBench
from tests.local.azureml.endpoints import ENDPOINT, add_green, deployment, put, served, shift


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    bench = served(make_bench(lock="resource", traffic_to_unready="accepted"))
    add_green(bench)
    return bench


def problems(bench: Bench) -> list[str]:
    return [f"{one.request}: {one.problem}" for one in bench.service.violations]


def settle(bench: Bench) -> None:
    bench.clock.move(bench.service.switches.provisioning)


def test_what_the_app_does_is_no_violation(bench: Bench) -> None:
    for traffic in ({"blue": 90, "green": 10}, {"green": 100}, {"blue": 100}):
        assert shift(bench, traffic).status == 200
        settle(bench)
    assert put(bench).status == 200  # the same again, after a lost answer
    settle(bench)
    assert bench.ask("DELETE", f"{ENDPOINT}/deployments/green").status == 202
    assert problems(bench) == []


def test_each_thing_that_may_never_be_is_found(bench: Bench) -> None:
    shift(bench, {"blue": 0})
    settle(bench)
    put(bench, "red")
    shift(bench, {"red": 10, "green": 90})
    settle(bench)
    put(bench, "red", version="2")
    settle(bench)
    assert bench.ask("PATCH", f"{ENDPOINT}/deployments/red", {"sku": {"capacity": 2}}).status == 202
    shift(bench, {"green": 100}, description="mine")
    bench.ask("DELETE", f"{ENDPOINT}/deployments/blue")
    settle(bench)
    assert bench.ask("DELETE", ENDPOINT).status == 202
    assert problems(bench) == [
        "PUT endpoint census: makes the traffic sum to 0, and blue, green is good",
        "PUT endpoint census: sends 10 % to red, which is Updating",
        "PUT deployment census/red: changes model of red in place",
        "PATCH deployment census/red: changes sku or tags of red in place",
        "PUT endpoint census: changes description of the endpoint",
        "DELETE deployment census/blue: deletes blue, which has no tag relearn.run",
        "DELETE endpoint census: deletes the endpoint census",
    ]


def test_an_endpoint_may_not_lose_what_it_has(bench: Bench) -> None:
    bench.ask("PATCH", ENDPOINT, {"tags": {"owner": "them"}})
    body = bench.ask("GET", ENDPOINT).json()
    own = {"authMode": "AMLToken", "traffic": {"blue": 100}}
    bench.ask("PUT", ENDPOINT, {"location": body["location"], "properties": own})
    assert problems(bench) == [
        f"PUT endpoint census: changes {name} of the endpoint"
        for name in ("tags", "identity", "authMode")
    ]


def test_what_another_writer_does_is_not_the_apps(bench: Bench) -> None:
    other = {"x-relearn-writer": "other"}
    assert shift(bench, {"blue": 0}, other).status == 200
    settle(bench)
    path = f"{ENDPOINT}/deployments/blue"
    assert bench.ask("PUT", path, deployment(version="2"), other).status == 200
    settle(bench)
    assert bench.ask("DELETE", path, None, other).status == 202
    assert problems(bench) == []
    assert not [call for call in bench.calls.log if call.kind == "DELETE deployment"]


def test_a_request_that_is_refused_is_none(bench: Bench) -> None:
    bench.hooks.set_traffic("census", {"blue": 100})
    assert bench.ask("DELETE", f"{ENDPOINT}/deployments/blue").status == 400
    assert shift(bench, {"blue": 1}).status == 400
    assert problems(bench) == []


def test_what_another_writer_did_since_the_last_request_cannot_be_known(
    make_bench: MakeBench,
) -> None:
    bench = served(make_bench(bad_traffic="operation_fails", lock="resource"))
    add_green(bench)
    hooks = bench.hooks

    def others() -> None:
        hooks.remove_deployment("census", "green")
        bench.service.state.endpoints["census"].tags = {"owner": "them"}

    bench.calls.before("PUT endpoint", others, bench.calls.count("PUT endpoint"))
    assert shift(bench, {"green": 100}).status == 200
    settle(bench)
    assert put(bench).status == 201
    settle(bench)
    for kind, tags in (("PUT deployment", {"a": "b"}), ("DELETE deployment", {})):
        bench.ask("GET", ENDPOINT)
        change = partial(hooks.set_tags, "census", "green", tags)
        bench.calls.before(kind, change, bench.calls.count(kind))
        body = deployment() if kind.startswith("PUT") else None
        answer = bench.ask(kind.split()[0], f"{ENDPOINT}/deployments/green", body)
        assert answer.status in (200, 202)
        settle(bench)
    assert problems(bench) == []
    shift(bench, {"nobody": 100})
    assert problems(bench) == ["PUT endpoint census: sends 100 % to nobody, which is not there"]
