"""Starts local servers as forks of a process that has already imported their modules.

It is for tests that start many servers: most of a start is the import of the app and of its host.
The process that forks has one thread. Each fork is a process of its own, and is killed like any.
"""

import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

#: Of `functions` only what reads no setting and no clock when it is imported.
_IMPORTED: Final = (
    "local.host.__main__",
    "local.host.invocation",  # with what it needs, the rest of what a worker imports
    "local.azureml.__main__",
    "local.studio.__main__",
    "shared.app",
    "azure.identity",
    "azurefunctions.extensions.bindings.blob",
    "functions.api_models.doctor",
    "functions.api_models.health",
    "functions.api_models.pipelines",
    "functions.api_models.requests",
    "functions.api_models.runs",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",  # for what a workspace trains by
    "sklearn.preprocessing",
)
#: Held by who starts a fork, which asks for the ends of the others too, or asks for one's end: what
#: two threads read at once of a fork's end would be wrong for one of them.
_ENDS: Final = threading.Lock()
_is_fork = False


class Fork:
    """One process, which is handled as one of `subprocess.Popen` is.

    Args:
        process: started.
        stdin: the other end of its standard input.
    """

    def __init__(self, process: BaseProcess, stdin: "Connection[Any, Any] | None" = None) -> None:
        self.stdin = stdin
        self._process = process

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Return its exit code once it has ended."""
        return self.poll()

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        with _ENDS:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        if not wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        with _ENDS:
            self._process.join()  # its end is near: it has closed all that it had open
        return self._process.exitcode or 0

    def terminate(self) -> None:
        """Ask it to stop."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def forked_server(
    module: str, arguments: Sequence[str], log: Path, variables: Mapping[str, str]
) -> Fork:
    """Start `python -m MODULE` as a fork, in place of `local.served.new_process`.

    Args:
        module: what to run.
        arguments: its arguments.
        log: gets what it writes.
        variables: its environment.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    theirs, ours = context.Pipe(duplex=False)
    given = (theirs, module, tuple(arguments), log, dict(variables))
    process = context.Process(target=_serve, args=given, name=module)
    with theirs, _ENDS:
        process.start()
    return Fork(process, ours)


def forked_script(
    script: Path, arguments: Sequence[str], log: Path, variables: Mapping[str, str]
) -> Fork | None:
    """Run `python SCRIPT` in its folder as a fork; None in a process that is no fork itself.

    It ends with its starter, and is the leader of a group of processes.

    Args:
        script: what to run.
        arguments: its arguments.
        log: gets what it writes.
        variables: its environment.
    """
    if not _is_fork:
        return None
    given = (script, tuple(arguments), log, dict(variables))
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=given, name=script.name, daemon=True)
    with _ENDS:
        process.start()
    return Fork(process)


def can_fork() -> bool:
    """Return whether this process is a fork and has no other thread, so that it can fork too."""
    return _is_fork and threading.active_count() == 1


def forked(run: Callable[[], None]) -> Fork:
    """Return a new child of this process; it calls `run` and ends."""
    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return Fork(process)


def become(module: str, arguments: Sequence[str], variables: Mapping[str, str], stdin: int) -> None:
    """Go on as `python -u -m MODULE` would, in a fork.

    Args:
        module: what to run.
        arguments: its arguments.
        variables: its environment.
        stdin: the descriptor of its standard input.
    """
    os.dup2(stdin, 0)
    sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 -- it stays open
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(variables)
    sys.argv[:] = [module, *arguments]
    sys.modules.pop(f"{module}.__main__", None)  # it was imported, and is warned of
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _serve(
    stdin: "Connection[Any, Any]",
    module: str,
    arguments: Sequence[str],
    log: Path,
    variables: Mapping[str, str],
) -> None:
    global _is_fork  # noqa: PLW0603 -- of this process, which serves one module
    _is_fork = True
    # What forked this one forks for it too; else Python starts another one, anew.
    setattr(forkserver._forkserver, "ensure_running", lambda: None)  # noqa: B010, SLF001
    _alone_with(log)
    become(module, arguments, variables, stdin.fileno())


def _run(script: Path, arguments: Sequence[str], log: Path, variables: Mapping[str, str]) -> None:
    _alone_with(log)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    os.chdir(script.parent)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv[:] = [script.name, *arguments]
    sys.path[0] = str(script.parent)
    runpy.run_path(script.name, run_name="__main__")


def _end_with_starter() -> None:
    if starter := multiprocessing.parent_process():
        wait([starter.sentinel])
        os._exit(1)


def _alone_with(log: Path) -> None:
    """Leave the group of processes of what forked this one, and write into a file.

    What was imported before stays: no search for garbage goes through it.
    """
    gc.freeze()
    os.setsid()
    with log.open("ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
