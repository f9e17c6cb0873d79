"""`relearn doctor`: on this machine with its settings, and over HTTP with a function key."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from cli import remote
from cli.doctor import interruptible
from tests.cli.conftest import SECRET, Relearn, write_settings

KEY = "ZnVuY3Rpb24ta2V5LW9mLWEtdGVzdA=="
GOOD = {
    "version": "1",
    "result": "ok",
    "ok": 1,
    "wrong": 0,
    "not_checked": 0,
    "lines": [{"part": "storage", "check": "ledger", "result": "ok", "text": "well"}],
}
BAD = {
    **GOOD,
    "result": "wrong",
    "wrong": 1,
    "lines": [
        {"part": "storage", "check": "x", "result": "wrong", "text": "no role", "to_do": "give it"},
        {"part": "events", "check": "y", "result": "not_checked", "text": "no time"},
    ],
}


class App(BaseHTTPRequestHandler):
    """An app, or what stands at its address."""

    answer: ClassVar[tuple[int, Any]] = (200, GOOD)
    asked: ClassVar[list[tuple[str, str, str | None]]] = []

    def do_POST(self) -> None:
        self.asked.append((self.command, self.path, self.headers.get("x-functions-key")))
        status, body = self.answer
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    App.answer, App.asked[:] = (200, GOOD), []
    with HTTPServer(("127.0.0.1", 0), App) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RELEARN_FUNCTION_KEY", KEY)
    return KEY


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # the SDK's, between its calls


def test_wrong_settings_are_reported_and_what_depends_on_them_is_not_checked(
    folder: Path, relearn: Relearn
) -> None:
    write_settings(folder, MODELS_CONTAINER="", AzureWebJobsStorage="nonsense")
    said = relearn("doctor")
    assert said.code == 1
    assert "  wrong       MODELS_CONTAINER: not set\n" in said.out
    assert "              To do: name the blob container\n" in said.out
    assert "not checked MODELS_CONTAINER" in said.out
    assert " checks: 0 ok, " in said.out.splitlines()[-1]


def test_json_is_the_form_of_the_http_api(folder: Path, relearn: Relearn) -> None:
    write_settings(folder, CLAIM_LEASE="1s")
    said = relearn("doctor", "--json")
    assert said.code == 1
    assert said.json["result"] == "wrong"
    assert said.json["lines"][0]["check"] == "CLAIM_LEASE"
    assert {"part", "check", "result", "text"} <= set(said.json["lines"][0])
    storage = [line for line in said.json["lines"] if line["part"] == "storage"]
    assert {line["result"] for line in storage} == {"wrong"}
    assert all("the account cannot be reached" in line["text"] for line in storage)


@pytest.fixture
def heard() -> Iterator[None]:
    """Let Ctrl-C be heard: the background of a shell starts programs that ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_does_not_wait_for_a_service_that_hangs() -> None:
    over = threading.Event()

    def hangs() -> bool:
        signal.raise_signal(signal.SIGINT)
        return over.wait(60)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interruptible(hangs)
    over.set()
    assert time.monotonic() - began < 30
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0)


def test_an_app_is_asked_with_its_key(relearn: Relearn, url: str, key: str) -> None:
    said = relearn("doctor", "--url", url)
    assert (said.code, App.asked) == (0, [("POST", "/api/doctor", key)])
    assert said.out.splitlines() == [
        "storage",
        "  ok          ledger: well",
        "1 check: 1 ok, 0 wrong, 0 not checked",
    ]


def test_what_is_wrong_in_an_app_ends_with_1(relearn: Relearn, url: str) -> None:
    App.answer = (200, BAD)
    said = relearn("doctor", "--url", url)
    assert said.code == 1
    assert "  wrong       x: no role\n              To do: give it\n" in said.out
    assert "  not checked y: no time\n" in said.out
    assert relearn("doctor", "--url", url, "--json").json == BAD


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, b""), "set RELEARN_FUNCTION_KEY to one of the app"),
        ((404, b""), "a Relearn app of this version"),
        ((403, b""), "access restrictions"),
        ((503, {"detail": f"not now {KEY}"}), "not now ***"),
        ((403, b"<html>Site Disabled"), "the app is stopped"),
        ((500, b""), "see its log"),
        ((503, b"<html>"), "starting, stopped or busy"),
        ((302, b""), "not from a Relearn app: correct --url"),
        ((200, b"<html>"), "not from a Relearn app: correct --url"),
        ((200, {**GOOD, "lines": [{"part": "x"}]}), "is --url that of a Relearn app?"),
        ((200, {"result": "ok"}), "is --url that of a Relearn app?"),
        ((200, [1]), "not from a Relearn app: correct --url"),
    ],
)
def test_an_answer_that_is_not_doctors_says_what_to_do(
    relearn: Relearn, url: str, key: str, answer: tuple[int, Any], says: str
) -> None:
    App.answer = answer
    said = relearn("doctor", "--url", url)
    assert said.code == 1
    assert says in said.err
    assert said.out == ""
    assert key not in f"{said.out}{said.err}"
    told = relearn("doctor", "--json", "--url", url)
    assert (told.code, told.json["result"]) == (1, "error")
    assert says in told.json["text"]


@pytest.mark.parametrize("wrong", ["kläy", "a\nb", "two words"])
def test_a_key_that_cannot_be_one_is_reported(
    relearn: Relearn, url: str, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("RELEARN_FUNCTION_KEY", wrong)
    said = relearn("doctor", "--url", url)
    assert (said.code, said.out) == (2, "")
    assert "copy it into RELEARN_FUNCTION_KEY again" in said.err
    assert wrong not in said.err


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("http://app.example", "must begin with https://"),
        ("ftp://app.example", "must begin with https://"),
        (f"https://app.example?code={KEY}", "must not hold a key"),
        (f"https://x:{KEY}@app.example", "must not hold a key"),
        ("https://[", "is not a URL"),
        ("https://app.example", "set RELEARN_FUNCTION_KEY"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_usage_error(
    relearn: Relearn, wrong: str, says: str
) -> None:
    said = relearn("doctor", "--url", wrong)
    assert said.code == 2
    assert says in said.err
    assert KEY not in said.err
    assert SECRET not in said.err


def test_an_app_that_does_not_answer_is_reported(relearn: Relearn) -> None:
    said = relearn("doctor", "--url", "http://127.0.0.1:1")
    assert said.code == 1
    assert "127.0.0.1 gives no answer (ConnectionError)" in said.err


def test_on_a_terminal_the_key_is_asked_for_and_not_shown(
    relearn: Relearn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def hidden(question: str) -> str:
        asked.append(question)
        return f" {KEY} "

    monkeypatch.setattr(remote, "getpass", hidden)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    said = relearn("doctor", "--url", "https://localhost.invalid:1")
    assert asked == ["function key of localhost.invalid: "]
    assert "gives no answer" in said.err
    assert KEY not in f"{said.out}{said.err}"
