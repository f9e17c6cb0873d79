"""The server and its command line: controlled over HTTP, and stopped without a process left."""

import base64
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.studio import InstantTrainer, WireRequest
from local.studio.__main__ import main
from local.studio.faults import FaultRule, FaultScript
from local.studio.server import StudioServer
from tests.local.studio.bench import CSV, Bench, over_http

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    with StudioServer(bench.studio, trainer=bench.trainer, queue_delay=None) as server:
        bench.send = over_http(server.url)
        yield bench


def _until(check: Any, seconds: float = 10) -> Any:
    """Wait for another thread or process; gives what `check` gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen in time")


def test_services_are_published_over_the_control_plane(bench: Bench) -> None:
    training = bench.call("POST", "/_studio/services", body={"kind": "training", "name": "T"})
    assert training.status == 201
    found = training.json()
    assert found["workspace_token"] == bench.studio.workspace_token
    url = found["jobs_url"].removeprefix(bench.studio.base_url)
    assert bench.call("POST", url, found["api_key"], bench.order()).status == 200
    model = InstantTrainer().train({"i": CSV}, {}, label=None).model
    for source in (
        {"model": base64.b64encode(model).decode()},
        {"training_csv": CSV.decode()},
    ):
        body = {"kind": "scoring", "name": "S", "resource": "m", **source}
        scoring = bench.call("POST", "/_studio/services", body=body).json()
        added = bench.call(
            "POST",
            "/_studio/endpoints",
            body={"web_service_id": scoring["web_service_id"], "name": "production"},
        ).json()
        assert added["management_url"].endswith("/endpoints/production")
        path = added["management_url"].removeprefix(bench.studio.base_url)
        assert bench.call("GET", path, added["api_key"]).json()["Name"] == "production"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("services", {"kind": "training"}, 400),
        ("services", {"kind": "scoring", "name": "S", "resource": "m", "model": "?"}, 400),
        ("services", {"kind": "scoring", "name": "S", "resource": "m"}, 400),
        ("services", {"kind": "training", "name": "T", "input": ["a"]}, 400),
        ("endpoints", {"web_service_id": "none", "name": "a"}, 404),
        ("nothing", {}, 404),
    ],
)
def test_a_wrong_control_request_is_answered_with_what_is_wrong(
    bench: Bench, path: str, body: object, status: int
) -> None:
    answer = bench.call("POST", f"/_studio/{path}", body=body)
    assert answer.status == status
    assert answer.json()["error"]


def test_the_state_reports_starts_and_models_but_no_keys(bench: Bench) -> None:
    service, endpoint = bench.publish_training(), bench.publish_scoring()
    bench.started(service)
    answer = bench.call("GET", "/_studio/state")
    state = answer.json()
    assert [item["kind"] for item in state["services"]] == ["training", "scoring"]
    assert [item["name"] for item in state["services"][1]["endpoints"]] == ["default", "production"]
    assert state["services"][1]["endpoints"][0]["serving_sha256"]
    (job,) = state["jobs"]
    assert (job["state"], job["starts"]) == ("NotStarted", 1)
    assert job["inputs"] == {"input1": "in/census.csv"}
    for secret in (service.api_key, endpoint.api_key, bench.studio.workspace_token, "U0VDUkVU"):
        assert secret not in answer.body.decode()


def test_the_log_of_requests_has_no_queries_and_no_control_requests(bench: Bench) -> None:
    service = bench.publish_training()
    bench.submit(service)
    bench.call("GET", "/_studio/state")
    log = bench.call("GET", "/_studio/requests").json()
    assert log == [f"POST {service.jobs_url}"]


def test_jobs_are_worked_on_in_the_background() -> None:
    bench = Bench(queued_polls=0)
    start = time.monotonic()

    def clock() -> Any:
        return bench.clock() + timedelta(seconds=time.monotonic() - start)

    bench.studio._board._clock = clock
    server = StudioServer(
        bench.studio, trainer=bench.trainer, queue_delay=timedelta(milliseconds=50), clock=clock
    )
    with server:
        bench.send = over_http(server.url)
        service = bench.publish_training()
        url = bench.started(service)

        def finished() -> bool:
            status = bench.call("GET", url, service.api_key).json()
            return bool(status["StatusCode"] == "Finished")

        assert _until(finished)


def test_a_connection_is_kept_for_the_next_request(bench: Bench) -> None:
    host, port = bench.studio.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(b"GET /_studio/requests HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Content-Length: -1", b"411"),
        (b"Content-Length: x", b"411"),
        (b"Transfer-Encoding: chunked", b"411"),
        (b"Content-Length: 99999999999", b"413"),
    ],
)
def test_a_body_of_unknown_or_absurd_length_is_refused(
    bench: Bench, header: bytes, status: bytes
) -> None:
    host, port = bench.studio.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n" + header + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 " + status)


def test_a_request_cut_short_by_its_client_has_no_effect(bench: Bench) -> None:
    service = bench.publish_training()
    host, port = bench.studio.base_url.removeprefix("http://").split(":")
    url = f"{service.jobs_url}/{bench.submit(service).json()}/start?api-version=2.0"
    head = f"POST {url} HTTP/1.1\r\nAuthorization: Bearer {service.api_key}\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"{head}Content-Length: 10\r\n\r\nhalf".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65_536) == b""
    assert bench.studio.jobs[0].started_at == []


def test_stopping_leaves_no_thread_even_with_idle_and_delayed_clients() -> None:
    before = set(threading.enumerate())
    bench = Bench()
    faults = FaultScript([FaultRule.model_validate({"kind": "delay", "seconds": 600})])
    server = StudioServer(bench.studio, trainer=bench.trainer, faults=faults)
    server.start()
    host, port = server.url.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=5) as idle,
        socket.create_connection((host, int(port)), timeout=5) as delayed,
    ):
        delayed.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _until(lambda: not faults.rules)
        server.stop()
        assert idle.recv(1) == b""
    assert set(threading.enumerate()) == before


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    bench = Bench()
    server = StudioServer(bench.studio, trainer=bench.trainer)
    assert bench.studio.base_url == server.url
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_asked_to_stop(tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready.json"
    rules = tmp_path / "faults.json"
    rules.write_text('[{"kind": "html"}]', encoding="utf-8")
    command = [sys.executable, "-m", "local.studio", "--ready-file", str(ready)]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--faults", str(rules), "--switch-delay", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        url = json.loads(_until(lambda: ready.exists() and ready.read_text()))["url"]
        send = over_http(url)
        assert send(WireRequest("GET", "/")).status == 502
        assert send(WireRequest("GET", "/_studio/state")).json()["jobs"] == []
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert output == f"Studio (classic) stand-in: {url}\n"
    assert errors == ""
    assert {file.name for file in tmp_path.iterdir()} == {"ready.json", "faults.json"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--faults", "no/such/file"], "No such file"),
        (["--faults", "{rules}"], "0.kind"),
        (["--own-storage", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_an_option_that_cannot_be_used_is_explained(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    why: str,
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    rules = tmp_path / "faults.json"
    rules.write_text('[{"kind": "explode"}]', encoding="utf-8")
    assert main([option.format(rules=rules) for option in options]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--switch-delay=-1", "--queue-delay=inf", "--switch-delay=soon", "--port=65536"]
)
def test_a_number_that_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([option])
    assert stopped.value.code == 2
    assert "give a number" in capsys.readouterr().err


def test_the_sample_is_a_pair_that_retrains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs the command in this process, with a signal that arrives at once."""
    monkeypatch.setattr(signal, "signal", lambda _, handler: handler())
    data = tmp_path / "sample.csv"
    assert main(["--sample", "--sample-data", str(data)]) == 0
    shown = capsys.readouterr().out
    (pipeline,) = yaml.safe_load(shown[shown.index("pipelines:") : shown.index("The keys")])[
        "pipelines"
    ].values()
    assert pipeline["training"]["service"].endswith("/jobs")
    assert pipeline["endpoints"][0]["update"].endswith("/endpoints/production")
    assert "==" not in shown
    assert data.read_bytes().count(b"\n") == 570
    arff = tmp_path / "sample.arff"
    main(["--sample-data", str(arff)])
    capsys.readouterr()
    assert arff.read_bytes().startswith(b"@relation")
    main(["--sample", "--show-keys"])
    assert capsys.readouterr().out.count("==\n") == 2
