"""HTTP functions, and the routes that the host adds."""

import http.client
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from local.host.process import HostProcess
from local.host.web import LARGEST_BODY
from tests.local.host.conftest import APP
from tests.waiting import eventually


def test_everything_of_a_request_reaches_the_function(host: HostProcess) -> None:
    answer = requests.put(
        f"{host.url}/api/echo/x/y/z?q=1&q=2&empty=",
        data=b"\x00hello",
        headers={"X-Test": "yes", "traceparent": "00-1-2-3"},
        timeout=10,
    )
    seen = answer.json()
    assert answer.status_code == 201
    assert answer.headers["X-Answer"] == "yes"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.cookies["a"] == "1"
    assert seen["method"] == "PUT"
    assert seen["url"].endswith("/api/echo/x/y/z?q=1&q=2&empty=")
    assert seen["params"] == {"q": "1,2", "empty": ""}
    assert seen["route"] == {"a": "x", "rest": "y/z"}
    assert (seen["header"], seen["body"], seen["length"]) == ("yes", "\x00hello", 6)
    assert (seen["function"], seen["trace"]) == ("echo", "00-1-2-3")


def test_the_worker_sees_its_app_only(host: HostProcess) -> None:
    seen = requests.get(f"{host.url}/api/echo/x/", timeout=10).json()
    assert seen["first_path"] == seen["folder"] == str(APP)
    assert seen["environment"] == "Development"
    assert seen["route"] == {"a": "x"}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("items/007", 200, "007"),
        ("items", 200, "none"),
        ("items/seven", 404, ""),
        ("later", 200, "later"),
        ("nothing", 204, ""),
        ("unknown", 404, ""),
    ],
)
def test_routes(host: HostProcess, path: str, status: int, body: str) -> None:
    answer = requests.get(f"{host.url}/api/{path}", timeout=10)
    assert (answer.status_code, answer.text) == (status, body)


def test_a_method_that_is_not_listed_is_not_found(host: HostProcess) -> None:
    assert requests.post(f"{host.url}/api/items", timeout=10).status_code == 404
    assert requests.head(f"{host.url}/api/items", timeout=10).status_code == 404


@pytest.mark.parametrize("path", ["raise", "exit"])
def test_a_raising_function_answers_500_and_logs_its_trace(host: HostProcess, path: str) -> None:
    answer = requests.get(f"{host.url}/api/{path}", timeout=10)
    assert (answer.status_code, answer.text) == (500, "")
    expected = "this one raises" if path == "raise" else "SystemExit: 5"
    assert expected in host.log


def test_the_log_names_function_outcome_and_duration_but_no_secret(host: HostProcess) -> None:
    requests.get(f"{host.url}/api/echo/x/y", timeout=10)
    requests.get(f"{host.url}/api/raise", timeout=10)
    assert "INFO    [echo] echo has something to say" in host.log
    assert "echo succeeded in " not in host.log  # clients ask each second
    eventually(lambda: "tick succeeded in " in host.log)
    assert "raising failed in " in host.log
    assert "verysecret" not in host.log


def test_requests_run_at_the_same_time(host: HostProcess) -> None:
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(requests.get, f"{host.url}/api/two", timeout=15) for _ in range(2)]
        assert [call.result().text for call in calls] == ["two", "two"]


def test_a_body_over_the_limit_is_refused(host: HostProcess) -> None:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=10)
    connection.putrequest("POST", "/api/echo/x/y")
    connection.putheader("Content-Length", str(LARGEST_BODY + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_large_bodies_pass(host: HostProcess) -> None:
    body = os.urandom(8 * 1024 * 1024)
    answer = requests.post(f"{host.url}/api/echo/x/y", data=body, timeout=20)
    assert answer.json()["length"] == len(body)


def test_functions_are_listed_with_their_bindings(host: HostProcess) -> None:
    listed = requests.get(f"{host.url}/admin/functions", timeout=10).json()
    functions = {one["name"]: one for one in listed}
    assert functions["echo"]["authLevel"] == "function"
    assert functions["items"]["authLevel"] == "anonymous"
    assert functions["tick"]["trigger"] == "timerTrigger"
    assert functions["on_client"]["bindings"][0]["path"] == "%DATA%/in/{name}.csv"


def test_status_names_a_running_worker(host: HostProcess) -> None:
    status = requests.get(f"{host.url}/admin/host/status", timeout=10).json()
    assert status["state"] == "Running"
    assert psutil.Process(status["workerPid"]).ppid() == host.pid


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("at_start", '{"input": ""}', 202),
        ("at_start", "", 202),
        ("at_start", '{"input": "a/b"}', 400),
        ("at_start", "{", 400),
        ("at_start", "[]", 400),
        ("on_client", '{"input": ""}', 400),
        ("echo", '{"input": ""}', 400),
        ("unknown", '{"input": ""}', 404),
    ],
)
def test_functions_started_manually(host: HostProcess, name: str, body: str, status: int) -> None:
    answer = requests.post(f"{host.url}/admin/functions/{name}", data=body, timeout=10)
    assert answer.status_code == status
