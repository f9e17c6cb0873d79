"""The demo's output is true, and it leaves no process behind, also after an error or Ctrl-C."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


#: What the demo is played with, by the argument that chooses it.
ENDS = {
    "--classic": "2 data versions, 2 started jobs, 5 events; the endpoint answers with the last "
    "model",
    "": "3 data versions, 3 started jobs, 6 events; the second model serves, and a third that "
    "broke at 10 % was rolled back",
}


@pytest.fixture
def demo(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    said = tmp_path / "said"
    given = [request.param] if getattr(request, "param", "") else []
    with said.open("wb") as out:
        command = [sys.executable, "-u", "-m", "local.demo", *given]
        process = subprocess.Popen(  # noqa: S603 -- ourselves
            command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
        )
    yield process, said
    process.kill()
    process.wait()


@pytest.mark.parametrize(("demo", "end"), ENDS.items(), indirect=["demo"])
def test_it_ends_well_and_says_what_happened(
    demo: tuple["subprocess.Popen[bytes]", Path], end: str
) -> None:
    process, said = demo
    assert process.wait(180) == 0, said.read_text()
    assert end in " ".join(said.read_text().split())


@pytest.mark.parametrize(
    ("demo", "number", "fewest"),
    [("--classic", signal.SIGINT, 4), ("", signal.SIGTERM, 6), ("", signal.SIGKILL, 6)],
    indirect=["demo"],
)
def test_nothing_is_left_running(
    demo: tuple["subprocess.Popen[bytes]", Path], number: signal.Signals, fewest: int
) -> None:
    process, said = demo
    eventually(lambda: "uploading" in said.read_text(), "the first upload", 120)

    def family_at_work() -> list[psutil.Process]:
        found = psutil.Process(process.pid).children(recursive=True)
        return found if len(found) >= fewest else []

    # Storage, service, host and worker; of a workspace also what trains, below a shell.
    family = eventually(family_at_work, f"{fewest} processes")
    process.send_signal(number)
    code = process.wait(30)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 130), said.read_text()
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert len(gone) == len(family)
