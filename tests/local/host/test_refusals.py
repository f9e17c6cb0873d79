"""Apps and settings that cannot work are refused, with a reason that names the correction."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.host.config import HostConfig, RefusedError
from local.host.process import HostProcess
from local.host.runtime import Host
from local.served import NotStartedError

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"
TIMER = HEAD + "@app.timer_trigger(arg_name='t', schedule='{}')\ndef tick(t) -> None: ...\n"
BLOB = HEAD + "@app.blob_trigger(arg_name='b', path='{}', connection='Data')\ndef seen(b): ...\n"
HTTP = HEAD + "@app.route(route='{}')\ndef answer({}): ...\n"
QUEUE = "@app.queue_trigger(arg_name='q', queue_name='q', connection='Data')\ndef queued(q): ...\n"
OTHER = "@app.event_grid_trigger(arg_name='e')\ndef seen(e): ...\n"
SECRET = "verysecret"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere\n", "No module named 'nowhere'"),
        ("x = 1\n", "exactly one FunctionApp at its top level, found 0"),
        (HEAD + "two = func.FunctionApp()\n", "found 2"),
        (HTTP.format("a", "req") + HTTP.format("b", "req").removeprefix(HEAD), "unique"),
        (HTTP.format("a", "req, other"), "function answer: .*other"),
        (HTTP.format("a/{b", "req"), "route 'api/a/{b'"),
        (HEAD + OTHER, "function seen: trigger eventGridTrigger is not emulated"),
        (HEAD + QUEUE, "function queued: there is no setting Data "),
        (
            HEAD + QUEUE.replace("Data", "Good").replace("queue_name='q'", "queue_name='Q'"),
            "'Q' is not a name",
        ),
        (TIMER.format("%WHEN%"), "function tick: %WHEN% has no value; add the setting WHEN"),
        (TIMER.format("00:01:00"), "function tick: .*TimeSpan"),
        (BLOB.format("c/{name}"), "function seen: there is no setting Data "),
        (BLOB.format("c/{name}").replace("Data", "Bad"), "the setting Bad is not a connection"),
        (BLOB.format("c").replace("Data", "Good"), "container/{name}"),
        (BLOB.format("{c}/{name}").replace("Data", "Good"), "container/{name}"),
        (BLOB.format("c/{name").replace("Data", "Good"), "braces"),
    ],
)
def test_refused(
    forking: None, refused_app: Callable[[str], Path], source: str, message: str
) -> None:
    good = "UseDevelopmentStorage=true"
    values = {"Bad": SECRET, "Good": good, "AzureWebJobsStorage": good}
    host = HostProcess(refused_app(source), values)
    with pytest.raises(NotStartedError, match=message) as caught, host:
        pass
    assert str(caught.value).startswith("it ended with code 1:\n")
    assert "\ncannot serve: " in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_port_that_is_taken_is_refused_before_a_worker_starts(
    refused_app: Callable[[str], Path],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = refused_app("raise SystemExit('a worker started')")
        host = Host(HostConfig.load(app), port)
        try:
            with pytest.raises(RefusedError, match=f"port {port} is taken: .*--port"):
                host.start()
        finally:
            host.stop()


def test_an_identity_is_accepted_for_a_connection(
    forking: None, refused_app: Callable[[str], Path]
) -> None:
    values = {f"{name}__blobServiceUri": "https://127.0.0.1:1/x" for name in ("A", "B")}
    values["AzureWebJobsStorage__blobServiceUri"] = values.pop("B__blobServiceUri")
    app = refused_app(BLOB.format("c/{name}").replace("Data", "A"))
    with HostProcess(app, values, ["--poll-blobs", "0"]) as host:
        assert "serving" in host.log


def test_the_command_prints_the_trace_and_ends_with_code_1(
    refused_app: Callable[[str], Path],
) -> None:
    app = refused_app("def broken():\n    raise RuntimeError('at import')\nbroken()\n")
    command = [sys.executable, "-m", "local.host", "--app", str(app), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    assert ended.returncode == 1
    assert "RuntimeError: at import" in ended.stderr
    assert "in broken" in ended.stderr


def test_a_worker_that_dies_over_the_import_is_refused(
    refused_app: Callable[[str], Path],
) -> None:
    host = HostProcess(refused_app("import os\nos._exit(7)\n"), {})
    with pytest.raises(NotStartedError, match="ended with code 7 before it was ready"), host:
        pass
