"""Two signals to stop, at any moment and to any thread: each program ends cleanly."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import run
from local.host import __main__ as program

BOTH = (signal.SIGINT, signal.SIGTERM)
MOMENTS = ("start", "ready", "stopping", "stop")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give the signals back, and end a program that never stops with an error, not with a hang."""
    kept = [(number, signal.getsignal(number)) for number in (*BOTH, signal.SIGALRM)]
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it did not stop"))
    signal.alarm(20)
    yield
    signal.alarm(0)
    for number, handler in kept:
        signal.signal(number, handler)


class Scene(logging.Handler):
    """A host that does nothing, and what happens at each moment of its life."""

    def __init__(self, at: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self.at, self.url, self.moments = at, "http://127.0.0.1:1", list[str]()

    def pass_moment(self, name: str) -> None:
        self.moments.append(name)
        self.at.get(name, int)()

    def start(self) -> None:
        self.pass_moment("start")

    def stop(self) -> None:
        self.pass_moment("stop")

    def emit(self, record: logging.LogRecord) -> None:
        self.pass_moment(record.getMessage())

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """Run the host's own main over it."""
        monkeypatch.setattr("local.host.config.HostConfig.load", lambda *_, **__: None)
        monkeypatch.setattr(program, "Host", lambda *_: self)
        monkeypatch.setattr(program, "configure_logging", lambda *_, **__: None)
        monkeypatch.setattr(program, "write_ready_file", lambda *_, **__: self.pass_moment("ready"))
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [self])
        monkeypatch.setattr(root, "level", logging.INFO)
        return program.main([])


def sent(*numbers: int) -> Callable[[], object]:
    def send() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return send


def test_both_at_once_while_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene({"ready": threading.Thread(target=sent(*BOTH)).start})
    assert scene.serve(monkeypatch) == 0
    assert scene.moments == ["start", "ready", "stopping", "stop"]


@pytest.mark.parametrize("second", MOMENTS)
@pytest.mark.parametrize("first", MOMENTS[:2])
def test_one_after_the_other(monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    at = {first: sent(*BOTH)} if first == second else {first: sent(2), second: sent(15)}
    scene = Scene(at)
    assert scene.serve(monkeypatch) == 0
    assert scene.moments[-2:] == ["stopping", "stop"]
    assert scene.moments.count("stop") == 1


def test_a_signal_that_another_thread_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    def take() -> None:  # the main thread waits meanwhile, and is not woken by it
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        stopped.wait(10)

    begin = threading.Thread(target=take).start
    scene = Scene({"ready": begin, "stop": stopped.set})
    assert scene.serve(monkeypatch) == 0


def test_a_host_that_does_not_stop_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"Values": {}}))
    monkeypatch.setattr(run, "_STOP_SECONDS", 0.2)
    started: list[subprocess.Popen[bytes]] = []

    class Deaf(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **options: object) -> None:
            del options
            code = (
                "import signal, sys\n"
                "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "open(sys.argv[1], 'w').write('{\"url\": \"http://127.0.0.1:1\"}')\n"
                "while True: signal.pause()"
            )
            ready = command[command.index("--ready-file") + 1]
            super().__init__([sys.executable, "-c", code, ready], stdin=subprocess.PIPE)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Deaf)
    monkeypatch.setattr(run, "_say_when_changed", lambda *_: sent(*BOTH)())
    assert run.main(["--port", "0", "--settings", str(settings)]) == 0
    assert [host.returncode for host in started] == [-signal.SIGKILL]
    said = capsys.readouterr().out
    assert "relearn doctor --url http://127.0.0.1:1; stop: Ctrl-C\n" in said
    assert said.endswith("stopped; nothing is left running\n")
