"""A forked server is a process like any other: it can be killed, and ends with its starter.

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

from local import forks
from local.azurite import Azurite
from local.host.process import HostProcess
from tests.forked import servers_are_forked
from tests.local.host.conftest import APP, ToyHost
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are used only on Linux")
#: What is enough here, and imported quickly.
FEW = ("local.host.__main__",)


def family_of(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


#: Says what it was given, and waits where it is told to.
SCRIPT = """
import os, sys, time
import beside
print(os.getpid(), sys.argv, beside.WORD, sorted(os.environ), os.getcwd(), flush=True)
if sys.argv[1] == "wait":
    time.sleep(60)
sys.exit("that was all")
"""


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


def started(folder: Path, argument: str) -> tuple[forks.Fork, str]:
    """Have a server that is a fork run the script as one; return it, and what the script said."""
    (folder / "beside.py").write_text("WORD = 'found'")
    (folder / "script.py").write_text(SCRIPT)
    log, given = folder / "said", [str(folder / "script.py"), argument]
    server = forks.forked_server("tests.local.starts_a_script", given, log, {})
    return server, eventually(lambda: log.read_text() if log.exists() else "")


def test_a_script_that_a_fork_runs_is_given_what_python_gives_it(tmp_path: Path) -> None:
    with servers_are_forked(FEW):
        server, _ = started(tmp_path, "it's")
        assert server.wait(20) == 1
    pid, said = (tmp_path / "said").read_text().split(" ", 1)
    assert int(pid) != server.pid
    expected = f"['script.py', \"it's\"] found ['NAME'] {tmp_path}\nthat was all\n"
    assert said == expected


def test_a_script_ends_with_the_fork_that_started_it(tmp_path: Path) -> None:
    with servers_are_forked(FEW):
        server, said = started(tmp_path, "wait")
        script = psutil.Process(int(said.split()[0]))
        server.kill()
        eventually(lambda: is_gone(script))


def test_a_process_that_is_not_a_fork_runs_no_script_as_one(tmp_path: Path) -> None:
    assert forks.forked_script(tmp_path / "script.py", (), tmp_path / "said", {}) is None
