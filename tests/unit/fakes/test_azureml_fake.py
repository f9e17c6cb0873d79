"""The stand-in for online endpoints behaves as azure-machine-learning-v2 §4, §5 and §7 say."""

from collections import Counter
from datetime import timedelta

import pytest

from local.azureml.calls import Call
from local.azureml.containers import error_of_model
from local.azureml.traffic import ScriptedDraw
from tests.unit.fakes.azureml_bench import KEY, ROWS, WHO, Bench, codes, deployment


def test_the_whole_loop_from_a_model_to_the_old_deployment_deleted_a_day_later() -> None:
    bench = Bench()
    bench.green()
    assert bench.score("green").headers[WHO] == "green"  # at 0 %: azure-machine-learning-v2 §5.4
    assert set(bench.who(100)) == {"blue"}
    for share in (10, 50, 100):
        bench.shift({"blue": 100 - share, "green": share})
        assert Counter(bench.who(100))["green"] == share
    bench.wait(days=1)
    assert bench.service.delete_deployment("census", "blue").status == 202
    assert bench.state("blue") == "Deleting"
    bench.wait(minutes=1)
    assert bench.state("blue") == "gone"


# Models: azure-machine-learning-v2 §4.


def test_a_version_is_registered_once_and_a_repeat_is_an_update() -> None:
    bench, body = Bench(), {"properties": {"modelUri": "azureml://A/paths/m", "tags": {"a": "b"}}}
    first, again = (bench.service.put_model("census", "7", body) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert again.body["properties"]["provisioningState"] == "Succeeded"
    same = {"properties": {"modelUri": "azureml://a/paths/m"}}
    assert bench.service.put_model("census", "7", same).status == 200
    other = {"properties": {"modelUri": "azureml://a/paths/M"}}
    assert bench.service.put_model("census", "7", other).status == 400
    assert "ModelNotFound" in codes(bench.service.get_model("other", "1"))


def test_another_address_for_a_version_may_be_taken() -> None:
    bench = Bench(changed_model_uri="taken")
    for uri in ("azureml://m", "azureml://n"):
        bench.service.put_model("census", "7", {"properties": {"modelUri": uri}})
    assert bench.service.get_model("census", "7").body["properties"]["modelUri"] == "azureml://n"


# Provisioning: azure-machine-learning-v2 §5.2 and §5.5.


def test_a_deployment_is_provisioned_over_minutes() -> None:
    bench = Bench()
    put = bench.put_green()
    assert (put.status, put.body["properties"]["provisioningState"]) == (201, "Updating")
    assert "Retry-After" not in put.headers
    assert bench.operation(put)["status"] == "Updating"
    assert bench.operation(put)["endTime"].startswith("0001")
    assert bench.score("green").status == 404
    bench.wait(minutes=9)
    assert bench.state() == "Updating"
    bench.wait(minutes=1)
    assert bench.operation(put)["status"] == bench.state() == "Succeeded"


def test_a_deployment_is_provisioned_over_several_status_checks() -> None:
    bench = Bench(
        provisioning=timedelta(0),
        provisioning_checks=3,
        new_deployment_state="Creating",
        operation_retry_after=5,
    )
    put = bench.put_green()
    answer = bench.service.get_operation(put.headers["Azure-AsyncOperation"])
    assert answer.headers["Retry-After"] == "5"
    assert [bench.state() for _ in range(3)] == ["Creating", "Creating", "Succeeded"]


@pytest.mark.parametrize(
    ("code", "ends"), [("ResourceNotReady", "Failed"), ("OperationCanceled", "Canceled")]
)
def test_provisioning_fails_and_the_operation_says_why(code: str, ends: str) -> None:
    bench = Bench()
    bench.hooks.fail_next("census/green", code, "score.py raised")
    put = bench.put_green()
    bench.wait(minutes=10)
    assert bench.state() == ends
    assert bench.operation(put)["status"] == ends
    assert bench.operation(put)["error"] == {"code": code, "message": "score.py raised"}
    assert bench.score("green").status == 404
    assert codes(bench.put_traffic({"green": 100}))[0] == "UserError"
    assert bench.service.delete_deployment("census", "green").status == 202


def test_an_unknown_model_and_a_full_endpoint_fail_while_provisioning() -> None:
    bench = Bench(max_deployments=1)
    put = bench.service.put_deployment("census", "other", deployment("99"))
    bench.wait(minutes=10)
    assert bench.operation(put)["error"]["code"] == "ResourceNotFound"
    put = bench.put_green()
    bench.wait(minutes=10)
    assert bench.operation(put)["error"]["code"] == "OutOfQuota"


@pytest.mark.parametrize(("switch", "status"), [("provisions", 200), ("refused", 400)])
def test_a_put_on_a_failed_deployment_is_a_choice(switch: str, status: int) -> None:
    bench = Bench(put_on_failed=switch)
    bench.hooks.fail_next("census/green", "InternalServerError")
    bench.put_green()
    bench.wait(minutes=10)
    assert bench.state() == "Failed"
    assert bench.put_green().status == status


def test_the_old_model_answers_until_the_new_one_is_there() -> None:
    bench = Bench()
    bench.green()
    before = bench.score("green").body
    assert bench.put_green("3").status == 200
    assert bench.score("green").body == before
    bench.wait(minutes=10)
    assert bench.score("green").body != before


# Bodies: azure-machine-learning-v2 §1 and §5.1.


def test_what_cannot_be_sent_is_refused() -> None:
    bench = Bench()
    green = deployment("1")
    unknown = green | {"autoDeleteSetting": None}
    assert "RequestInvalid" in codes(bench.service.put_deployment("census", "green", unknown))
    assert bench.service.put_deployment("census", "Green", green).status == 400
    assert bench.service.put_deployment("nobody", "green", green).status == 404
    other = deployment("1", instanceType="Standard_DS2_v2")
    assert bench.service.put_deployment("census", "blue", other).status == 400
    traffic = {"properties": {"traffic": {"blue": 100}}}
    assert "RequestInvalid" in codes(bench.service.patch_endpoint("census", traffic))
    assert bench.service.patch_endpoint("census", {"tags": {"a": "b"}}).status == 200
    assert bench.endpoint()["tags"] == {"a": "b"}


def test_a_wrong_endpoint_is_refused() -> None:
    bench, body = Bench(), {"location": "westus", "properties": {"authMode": "Key"}}
    assert bench.service.put_endpoint("a--b", body).status == 400
    assert bench.service.put_endpoint("adult", {"location": "westus"}).status == 400
    moved = bench.changed({"blue": 100}) | {"location": "eastus"}
    assert bench.service.put_endpoint("census", moved).status == 400


def test_what_is_not_there_is_answered_404() -> None:
    service = Bench().service
    for answer in (
        service.get_endpoint("nobody"),
        service.patch_endpoint("nobody", {}),
        service.list_keys("nobody"),
        service.get_token("nobody"),
        service.list_deployments("nobody"),
        service.get_deployment("nobody", "blue"),
        service.get_operation("https://management.azure.com/other"),
        service.score("nobody", ROWS, KEY),
        service.cancel_job("nobody"),
        service.get_children("nobody"),
        service.get_run_data("nobody"),
    ):
        assert answer.status == 404


def test_members_of_answers_may_be_refused() -> None:
    assert Bench().put_traffic({"blue": 100}).status == 200
    assert Bench(read_only_members="refused").put_traffic({"blue": 100}).status == 400


def test_a_put_replaces_the_whole_endpoint() -> None:
    bench = Bench()
    bench.service.patch_endpoint("census", {"tags": {"a": "b"}})
    body = {"location": "westus", "properties": {"authMode": "Key"}}
    assert bench.service.put_endpoint("census", body).status == 200
    bench.wait(seconds=20)
    assert bench.endpoint()["tags"] == bench.traffic() == {}
    assert bench.score().status == 404  # nothing has traffic: azure-machine-learning-v2 §5.4


def test_an_answer_has_more_than_was_sent() -> None:
    bench = Bench()
    put = bench.put_green()
    assert put.body["properties"]["requestSettings"]["requestTimeout"] == "PT0S"
    unsigned = put.body["properties"]["properties"]["AzureAsyncOperationUri"]
    assert put.headers["Azure-AsyncOperation"].startswith(f"{unsigned}?")
    assert bench.service.get_operation(unsigned).status == 200
    bench.wait(minutes=10)
    shown = bench.service.get_deployment("census", "green").body["properties"]
    assert shown["requestSettings"]["requestTimeout"] == "PT5S"
    assert "livenessProbe" in shown


def test_a_new_endpoint_takes_its_time() -> None:
    bench, body = Bench(), {"location": "westus", "properties": {"authMode": "AMLToken"}}
    assert bench.service.put_endpoint("adult", body).status == 201
    assert codes(bench.service.put_deployment("adult", "blue", deployment("1")))[0] == "Conflict"
    bench.wait(seconds=80)
    shown = bench.service.get_endpoint("adult").body["properties"]
    assert (shown["provisioningState"], shown["traffic"]) == ("Succeeded", {})


def test_the_same_deployment_again_may_be_no_operation() -> None:
    bench = Bench(same_deployment="nothing")
    bench.green()
    assert bench.put_green().status == 200
    assert bench.state() == "Succeeded"
    assert bench.put_green("3").status == 200
    assert bench.state() == "Updating"


def test_all_deployments_are_listed_and_a_deployment_has_logs() -> None:
    bench = Bench()
    bench.put_green()
    listed = bench.service.list_deployments("census").body["value"]
    states = {one["name"]: one["properties"]["provisioningState"] for one in listed}
    assert states == {"blue": "Succeeded", "green": "Updating"}
    assert "Updating" in bench.service.get_logs("census", "green").body["content"]
    assert bench.service.get_logs("census", "nobody").status == 404


# Deleting: azure-machine-learning-v2 §5.2 and §5.3.


@pytest.mark.parametrize("status", [400, 409])
def test_a_deployment_with_traffic_is_not_deleted(status: int) -> None:
    bench = Bench(delete_refused_with=status)
    assert bench.service.delete_deployment("census", "blue").status == status
    assert bench.service.delete_deployment("census", "nobody").status == 204


def test_a_deletion_can_fail() -> None:
    bench = Bench()
    bench.green()
    bench.hooks.fail_next("census/green", "InternalServerError")
    assert bench.service.delete_deployment("census", "green").status == 202
    bench.wait(minutes=1)
    assert bench.state() == "Succeeded"


# Scoring: azure-machine-learning-v2 §5.4.


def test_the_draw_is_handed_in() -> None:
    bench = Bench(draw=ScriptedDraw([89, 90, 0, 99]))
    bench.green()
    bench.shift({"blue": 90, "green": 10})
    assert bench.who(4) == ["blue", "green", "blue", "green"]


def test_a_key_that_was_changed_and_a_token_that_is_old_are_refused() -> None:
    bench = Bench()
    assert bench.score().status == 200
    bench.hooks.rotate_key("census")
    assert bench.score().status == 401
    key = bench.service.list_keys("census").body["primaryKey"]
    headers = {"authorization": f"Bearer {key}"}
    assert bench.service.score("census", ROWS, headers).status == 200
    bench.hooks.add_endpoint("adult", "AMLToken")
    bench.hooks.add_deployment("adult", "blue", "adult/1")
    token = bench.service.get_token("adult").body["accessToken"]
    sent = {"Authorization": f"Bearer {token}", WHO: "blue"}
    assert bench.service.score("adult", ROWS, sent).status == 200
    bench.wait(hours=24)
    assert bench.service.score("adult", ROWS, sent).status == 401


def test_a_broken_model_answers_424_and_says_its_own_status() -> None:
    bench = Bench()
    bench.hooks.set_model("census/1", error_of_model(500, "KeyError"))
    answer = bench.score()
    assert (answer.status, answer.headers[WHO]) == (424, "blue")
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"


def test_each_row_has_an_answer_and_models_differ() -> None:
    bench = Bench()
    bench.green()
    blue, green = bench.score("blue").body, bench.score("green").body
    assert len(blue) == len(green) == 2
    assert blue != green
    assert bench.score("blue").body == blue


def test_every_call_is_in_the_log() -> None:
    bench = Bench()
    bench.put_green()
    bench.state()
    bench.service.score("census", ROWS, KEY)
    assert bench.calls.log == [
        Call("PUT model", "census/2"),
        Call("PUT deployment", "census/green"),
        Call("GET deployment", "census/green"),
        Call("POST score", "census"),
    ]
    assert bench.calls.count("PUT deployment", "census/green") == 1
    assert [call.writes for call in bench.calls.log] == [True, True, False, False]
