"""A server that is forked is a process as any other: it can be killed, and ends with its starter.

How servers are started by users is tested in tests/local/host/test_lifecycle.py.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from local.azurite import Azurite
from local.host.process import HostProcess
from tests.forked import servers_are_forked
from tests.local.host.conftest import APP, ToyHost
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are used on Linux alone")
#: What is enough here, and imported quickly.
FEW = ("local.host.__main__",)


def family_of(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def forked(tmp_path: Path, azurite: Azurite) -> Iterator[HostProcess]:
    with servers_are_forked(FEW):
        yield ToyHost(tmp_path, azurite).process("--poll-blobs", "0")


def test_a_forked_host_has_a_worker_that_is_replaced_and_both_can_be_killed(
    forked: HostProcess,
) -> None:
    with forked as host:
        first = family_of(host.pid)
        assert len(first) == 2
        assert "serving" in host.log
        assert requests.get(f"{host.url}/api/die", timeout=10).status_code == 502
        assert requests.get(f"{host.url}/api/items/2", timeout=10).text == "2"
        second = family_of(host.pid)
        host.kill()
        assert host.wait() == -signal.SIGKILL
        eventually(lambda: all(map(is_gone, {*first, *second})))
        assert len({*first, *second}) == 3
        host.start()
        assert requests.get(f"{host.url}/api/items/3", timeout=10).text == "3"
        assert host.stop() == 0


def test_a_forked_host_ends_with_its_starter_and_so_does_what_forked_it(
    tmp_path: Path, azurite: Azurite
) -> None:
    toy = ToyHost(tmp_path, azurite)
    source = (
        "import pathlib, time; from local import forks, served\n"
        "from local.host.process import HostProcess\n"
        f"forks._IMPORTED = {FEW}\n"
        "served.ServedProcess.launch = staticmethod(forks.forked_server)\n"
        f"with HostProcess(pathlib.Path({str(APP)!r}), {toy.settings!r}) as host:\n"
        "    print(host.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starter:  # noqa: S603 - ourselves
        assert starter.stdout is not None
        host = int(starter.stdout.readline())
        family = {*family_of(host), *family_of(starter.pid)[1:]}
        assert len(family) == 4  # also what forks, and a helper of Python's
        starter.kill()
    eventually(lambda: all(map(is_gone, family)))
