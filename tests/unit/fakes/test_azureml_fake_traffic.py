"""Traffic of the stand-in, other writers and faults: azure-machine-learning-v2 §5 and §7."""

from collections import Counter
from datetime import timedelta

import pytest

from local.azureml.answers import Answer, NoAnswerError
from local.azureml.calls import Fault
from tests.unit.fakes.azureml_bench import Bench, codes, deployment

# Traffic that lags: azure-machine-learning-v2 §5.2.


def test_the_answer_to_a_change_of_traffic_and_reads_show_the_old_one_for_a_while() -> None:
    bench = Bench()
    bench.green()
    put = bench.put_traffic({"blue": 90, "green": 10})
    assert put.body["properties"]["traffic"] == bench.traffic() == {"blue": 100}
    assert put.body["properties"]["provisioningState"] == "Updating"
    assert set(bench.who(100)) == {"blue"}
    bench.wait(seconds=20)
    assert bench.operation(put)["status"] == "Succeeded"
    assert bench.traffic() == {"blue": 90, "green": 10}
    assert Counter(bench.who(100)) == {"blue": 90, "green": 10}


def test_requests_may_follow_the_old_traffic_after_the_update_has_succeeded() -> None:
    bench = Bench(routing_lag=timedelta(seconds=30))
    bench.green()
    bench.shift({"green": 100})
    assert set(bench.who(10)) == {"blue"}
    bench.wait(seconds=30)
    assert set(bench.who(10)) == {"green"}


def test_reads_may_see_an_update_run_several_times() -> None:
    bench = Bench(updating_endpoint=timedelta(0), updating_checks=2)
    bench.green()
    bench.put_traffic({"green": 100})
    assert [bench.traffic() for _ in range(3)] == [{"blue": 100}, {"blue": 100}, {"green": 100}]


def test_an_update_that_fails_leaves_the_traffic_as_it_was() -> None:
    bench = Bench()
    bench.green()
    bench.hooks.fail_next("census", "OperationCanceled")
    put = bench.put_traffic({"green": 100})
    bench.wait(seconds=20)
    assert bench.operation(put)["error"]["code"] == "OperationCanceled"
    shown = bench.endpoint()["properties"]
    assert (shown["provisioningState"], shown["traffic"]) == ("Canceled", {"blue": 100})
    bench.shift({"green": 100})


# Rules of traffic: azure-machine-learning-v2 §5.3.


@pytest.mark.parametrize(
    ("traffic", "mirror"),
    [
        ({"blue": 90}, {}),
        ({"blue": 60, "green": 50}, {}),
        ({"blue": 110, "green": -10}, {}),
        ({"nobody": 100}, {}),
        ({"blue": 100}, {"nobody": 10}),
        ({"blue": 100}, {"green": 51}),
        ({"blue": 100}, {"blue": 10}),
        ({"green": 100}, {"green": 10}),
        ({"blue": 0}, {"green": 10, "blue": 10}),
    ],
)
def test_wrong_traffic_is_refused(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    bench = Bench()
    bench.green()
    refused = bench.put_traffic(traffic, mirror)
    assert refused.status == 400
    bench.wait(seconds=20)
    assert bench.traffic() == {"blue": 100}


def test_traffic_for_an_unknown_deployment_may_fail_later() -> None:
    bench = Bench(bad_traffic="operation_fails")
    put = bench.put_traffic({"nobody": 100})
    bench.wait(seconds=20)
    assert bench.operation(put)["error"]["code"] == "BadArgument"
    assert bench.traffic() == {"blue": 100}


def test_traffic_for_a_deployment_that_is_not_ready_is_a_choice() -> None:
    bench = Bench(lock="resource")
    bench.put_green()
    assert bench.put_traffic({"green": 100}).status == 400
    bench = Bench(lock="resource", traffic_to_unready="accepted")
    bench.put_green()
    bench.shift({"green": 100})
    assert bench.score().status == 404


def test_traffic_may_be_zero_and_zero_may_be_shown_or_not() -> None:
    bench = Bench()
    bench.shift({"blue": 0})
    assert bench.score().status == 404
    bench = Bench(zero_traffic_is_shown=False)
    bench.put_traffic({"blue": 0})
    bench.wait(seconds=20)
    assert bench.traffic() == {}


def test_a_mirror_gets_copies_and_keeps_its_deployment() -> None:
    bench = Bench()
    bench.green()
    bench.put_traffic({"blue": 100}, {"green": 20})
    bench.wait(seconds=20)
    assert set(bench.who(100)) == {"blue"}
    assert bench.service.scoring.mirrored == [("census", "green")] * 20
    bench.score("blue")  # it names a deployment, so it is not mirrored
    assert len(bench.service.scoring.mirrored) == 20
    assert bench.service.delete_deployment("census", "green").status == 400


def test_a_mirror_may_not_keep_its_deployment() -> None:
    bench = Bench(mirror_keeps_from_delete=False)
    bench.green()
    bench.hooks.set_traffic("census", {"blue": 100}, {"green": 20})
    assert bench.service.delete_deployment("census", "green").status == 202


def test_kubernetes_has_no_mirror() -> None:
    bench = Bench()
    bench.green()
    body = bench.changed({"blue": 100}, {"green": 20})
    body["properties"]["compute"] = "/computes/cluster"
    assert bench.service.put_endpoint("census", body).status == 400


# A busy endpoint: azure-machine-learning-v2 §5.5.


def test_one_operation_at_a_time_on_an_endpoint() -> None:
    bench = Bench()
    bench.put_green()
    for refused in (
        bench.put_traffic({"blue": 100}),
        bench.put_green(),
        bench.service.put_deployment("census", "third", deployment("1")),
        bench.service.delete_deployment("census", "blue"),
    ):
        assert (refused.status, codes(refused)[0]) == (409, "Conflict")
    bench.wait(minutes=10)
    assert bench.put_traffic({"blue": 100}).status == 200


def test_operations_may_wait_for_the_same_resource_only() -> None:
    bench = Bench(lock="resource")
    bench.put_green()
    assert bench.put_traffic({"blue": 100}).status == 200
    assert bench.put_green().status == 409


# No ETag: azure-machine-learning-v2 §5.1.


def test_another_writer_between_read_and_write_is_overwritten() -> None:
    bench = Bench()
    bench.green()
    bench.calls.before("PUT endpoint", lambda: bench.hooks.set_traffic("census", {"green": 100}))
    bench.put_traffic({"blue": 90, "green": 10})
    assert bench.traffic() == {"green": 100}  # the other one's, until ours is there
    bench.wait(seconds=20)
    assert bench.traffic() == {"blue": 90, "green": 10}


def test_another_writer_may_remove_a_deployment_and_make_the_endpoint_busy() -> None:
    bench = Bench()
    bench.green()
    bench.calls.before("PUT endpoint", lambda: bench.hooks.remove_deployment("census", "green"))
    assert bench.put_traffic({"green": 100}).status == 400
    logged = len(bench.calls.log)
    with bench.calls.other_writer():
        assert bench.put_traffic({"blue": 100}).status == 200
    assert len(bench.calls.log) == logged
    assert bench.put_traffic({"blue": 100}).status == 409


# Faults: azure-machine-learning-v2 §5.5 and §7.


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.THROTTLED, 429), (Fault.BUSY, 409), (Fault.UNAVAILABLE, 500)]
)
def test_a_refused_call_did_nothing(fault: Fault, status: int) -> None:
    bench = Bench()
    bench.calls.fault_on("PUT endpoint", fault, times=2)
    body = bench.changed({"blue": 0})
    answers = [bench.service.put_endpoint("census", body) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    assert answers[0].headers.get("Retry-After") == ("17" if status == 429 else None)
    assert not fault.done


@pytest.mark.parametrize("fault", [Fault.UNSENT, Fault.LOST, Fault.LATE, Fault.GATEWAY])
def test_a_call_of_unknown_outcome(fault: Fault) -> None:
    bench = Bench()
    bench.service.put_model("census", "2", {"properties": {"modelUri": "azureml://m"}})
    bench.calls.fault_on("PUT deployment", fault)

    def put() -> Answer:
        return bench.service.put_deployment("census", "green", deployment("2"))

    if fault is Fault.GATEWAY:
        assert put().status == 504
    else:
        with pytest.raises(NoAnswerError):
            put()
    assert (bench.state() == "Updating") == (fault in (Fault.LOST, Fault.GATEWAY))
    bench.wait(minutes=1)
    assert (bench.state() == "Updating") == fault.done
    assert bench.calls.count("PUT deployment") == 1


def test_a_fault_at_every_call_can_be_tried() -> None:
    def loop(bench: Bench) -> None:
        bench.put_green()
        bench.wait(minutes=10)
        bench.state()
        bench.put_traffic({"green": 100})

    well = Bench()
    loop(well)
    for number in range(len(well.calls.log)):
        bench = Bench()
        bench.calls.fault_at(number, Fault.LOST)
        with pytest.raises(NoAnswerError):
            loop(bench)
        assert bench.calls.log == well.calls.log[: number + 1]
