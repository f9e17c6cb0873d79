"""Functions that hang, crashes, stops and restarts: no event is lost silently, no process left."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from local.azurite import make_container
from local.host.process import HostProcess
from tests.local.host.conftest import APP, ToyHost
from tests.waiting import eventually


def worker_of(host: HostProcess) -> psutil.Process | None:
    pid = requests.get(f"{host.url}/admin/host/status", timeout=10).json()["workerPid"]
    return psutil.Process(pid) if pid and psutil.pid_exists(pid) else None


def hang(host: HostProcess) -> int:
    return requests.get(f"{host.url}/api/hang", timeout=20).status_code


def hang_unheard(host: HostProcess) -> None:
    with contextlib.suppress(requests.ConnectionError):  # the host is killed meanwhile
        hang(host)


def test_a_hanging_worker_is_replaced_with_all_it_was_doing(
    host: HostProcess, shared_toy: ToyHost
) -> None:
    first = worker_of(host)
    before = len(shared_toy.notes("hang"))
    with ThreadPoolExecutor(2) as pool:
        started = time.monotonic()
        over = pool.submit(hang, host)
        shared_toy.wait_for("hang", before + 1)
        eventually(lambda: time.monotonic() - started > 1)  # well after, well before its end
        lost = pool.submit(hang, host)
        assert (over.result(), lost.result()) == (500, 502)
        assert 1.9 < time.monotonic() - started < 3.5
    assert requests.get(f"{host.url}/api/items/1", timeout=10).text == "1"
    second = worker_of(host)
    assert first
    assert second
    assert not first.is_running()
    assert first.pid != second.pid


def test_a_worker_that_dies_is_replaced(host: HostProcess) -> None:
    assert requests.get(f"{host.url}/api/die", timeout=10).status_code == 502
    assert requests.get(f"{host.url}/api/items/2", timeout=10).text == "2"
    assert "the worker died with code 3" in host.log
    killed = worker_of(host)
    assert killed
    killed.kill()
    eventually(lambda: worker_of(host) not in {None, killed})
    assert requests.get(f"{host.url}/api/items/3", timeout=10).text == "3"


def test_what_succeeded_does_not_come_again_after_a_restart(forking: None, toy: ToyHost) -> None:
    make_container(toy.container)
    toy.container.upload_blob("in/first.csv", b"1")
    host = toy.process()
    with host:
        toy.wait_for("on_client", name="in/first.csv")
        assert host.stop() == 0
        host.start()
        toy.container.upload_blob("in/second.csv", b"1")
        toy.wait_for("on_client", name="in/second.csv")
        assert len(toy.notes("on_client", name="in/first.csv")) == 1


def test_two_hosts_collide(forking: None, toy: ToyHost) -> None:
    every_second = {"EVERY_SECOND": "* * * * * *"}
    with toy.process(**every_second), toy.process(**every_second):
        # Both have run, so both have read their receipts before the blob is there.
        eventually(lambda: len({note["pid"] for note in toy.notes("tick")}) == 2)
        make_container(toy.container)
        toy.container.upload_blob("in/both.csv", b"1")
        toy.wait_for("on_client", 2, name="in/both.csv")
        assert len({note["pid"] for note in toy.notes("on_client")}) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(toy: ToyHost, number: int) -> None:
    with toy.process("--poll-blobs", "0") as host, ThreadPoolExecutor(1) as pool:
        family = [psutil.Process(host.pid), *psutil.Process(host.pid).children(recursive=True)]
        assert len(family) == 2
        if number != signal.SIGINT:
            pool.submit(hang_unheard, host)
            toy.wait_for("hang")
        os.kill(host.pid, number)
        expected = 0 if number != signal.SIGKILL else -signal.SIGKILL
        assert host.wait() == expected
        eventually(lambda: not any(process.is_running() for process in family))


def test_a_host_ends_with_its_starter(toy: ToyHost) -> None:
    source = (
        "import pathlib, sys, time; from local.host.process import HostProcess\n"
        f"with HostProcess(pathlib.Path({str(APP)!r}), {toy.settings!r}) as host:\n"
        "    print(host.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starter:  # noqa: S603 - ourselves
        assert starter.stdout is not None
        host = psutil.Process(int(starter.stdout.readline()))
        family = [host, *host.children(recursive=True)]
        starter.kill()
    eventually(lambda: not any(process.is_running() for process in family))
