"""Runs functions in forks of this process, several at a time, each within a limit of time."""

import contextlib
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

from proofs.mutants.scope import ROOT

#: Besides what is known to be needed.
_SECONDS: Final = 120
#: Bytes of memory for one fork: a changed loop may never end.
_MEMORY: Final = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Job:
    """The work of a fork, which ends with the result of `run`."""

    run: Callable[[], int]
    seconds: float = 0.0  #: how long that takes


def ended(jobs: Sequence[Job], at_once: int) -> Iterator[tuple[int, int]]:
    """Yield the number and the exit code of each job as it ends; it is killed if it hangs.

    Args:
        jobs: what is run.
        at_once: how many processes run at the same time.
    """
    waiting, running = deque(enumerate(jobs)), dict[BaseProcess, tuple[int, float]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            number, job = waiting.popleft()
            process: BaseProcess = get_context("fork").Process(target=_run, args=(job,))
            process.start()
            running[process] = (number, time.monotonic() + _SECONDS + 10 * job.seconds)
        wait([process.sentinel for process in running], timeout=1)
        for process, (number, until) in list(running.items()):
            if process.is_alive() and time.monotonic() < until:
                continue
            _end(process)
            del running[process]
            yield number, process.exitcode or 0


def limit(seconds: float) -> None:
    """Have this process killed once it has used so much more processor time."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


def _end(process: BaseProcess) -> None:
    # With the processes that it started: it leads a group of its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()


def _run(job: Job) -> None:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.chdir(ROOT)
    os._exit(job.run())
