"""Host side: keeps one worker process running, and hands it invocations under functionTimeout."""

import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from multiprocessing import Pipe
from pathlib import Path
from typing import Final

from local.forks import become, can_fork, forked
from local.host.config import RefusedError
from local.host.messages import (
    Ending,
    HttpCall,
    Indexed,
    IndexedFunction,
    Invocation,
    Outcome,
    Refusal,
    TriggerData,
)
from local.served import Running

_ROOT: Final = Path(__file__).parents[2]
_WORKER: Final = "local.host.worker"
_FIRST_BACKOFF_SECONDS: Final = 0.2
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 10.0  # a worker that lived this long starts the backoff anew
_EXIT_SECONDS: Final = 2.0
_START_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class _Worker:
    """One child process, from its start to its end.

    It learns of its host's death from the pipe: the host's end closes even when the host is
    killed, and no other process holds it.
    """

    def __init__(self, app: Path, environment: Mapping[str, str]) -> None:
        self.functions: tuple[IndexedFunction, ...] = ()
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[Outcome]] = {}
        self._over = False
        self.pipe, theirs = Pipe()
        with theirs:
            start = self._forked if can_fork() else self._started
            self.process: Running = start(app, environment, theirs.fileno())

    def _started(self, app: Path, environment: Mapping[str, str], descriptor: int) -> Running:
        path = [str(_ROOT), environment.get("PYTHONPATH")]
        # -P: neither this folder nor the current one becomes an import path by accident;
        # -u: what the app prints is out before the worker can be killed.
        return subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", _WORKER, str(descriptor), str(app)],
            cwd=app,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, path))},
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            process_group=0,  # Ctrl-C is for the host, also while this one starts
        )

    def _forked(self, app: Path, environment: Mapping[str, str], descriptor: int) -> Running:
        def work() -> None:
            self.pipe.close()  # only a host's own end may be open: it closes with the host
            os.setpgid(0, 0)
            os.chdir(app)
            become(_WORKER, (str(descriptor), str(app)), environment, os.open(os.devnull, 0))

        return forked(work)

    def index(self) -> None:
        """Wait for the worker's first word.

        Raises:
            RefusedError: the app cannot be indexed, or the worker died over it.
        """
        try:
            first = self.pipe.recv()
        except (EOFError, OSError):
            first = Refusal(f"the worker ended with code {self.end()} before it was ready")
        if not isinstance(first, Indexed):
            self.end()
            raise RefusedError(first.reason)
        self.functions = first.functions

    def send(self, invocation: Invocation) -> "Future[Outcome]":
        """Hand over one invocation; the future also ends when the worker does."""
        future: Future[Outcome] = Future()
        with self._lock:
            try:
                if not self._over:
                    self._waiting[invocation.id] = future
                    self.pipe.send(invocation)
                    return future
            except OSError:
                self._waiting.pop(invocation.id, None)
        future.set_result(Outcome(invocation.id, Ending.LOST))
        return future

    def serve(self) -> int:
        """Pass outcomes on until the worker is gone; return its exit code."""
        try:
            while True:
                outcome = self.pipe.recv()
                if future := self._waiting.pop(outcome.id, None):
                    future.set_result(outcome)
        except (EOFError, OSError):
            pass
        code = self.end()
        with self._lock:
            self._over = True
            lost, self._waiting = self._waiting, {}
        for id_, future in lost.items():
            future.set_result(Outcome(id_, Ending.LOST))
        return code

    def busy(self) -> bool:
        """Return whether invocations are under way."""
        return bool(self._waiting)

    def forget(self, invocation: Invocation) -> None:
        """Stop waiting for one invocation."""
        self._waiting.pop(invocation.id, None)

    def end(self) -> int:
        """Return the exit code of a process that closed its pipe, killed if it lingers."""
        try:
            self.process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait()


class Supervisor:
    """Runs invocations in a worker that is replaced when it hangs or dies.

    Args:
        app: the folder with function_app.py.
        environment: of the worker.
        function_timeout: seconds; an invocation over it costs the worker its life, as in Azure
            (azure-functions §1.2). None is without end.
    """

    def __init__(
        self, app: Path, environment: Mapping[str, str], function_timeout: float | None
    ) -> None:
        self._app, self._environment, self._timeout = app, environment, function_timeout
        self._changed = threading.Condition()
        self._worker: _Worker | None = None
        self._killed: _Worker | None = None
        self._spawned: _Worker | None = None  # the newest, ready or not
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name="supervisor")

    def start(self) -> tuple[IndexedFunction, ...]:
        """Start the worker and return what it indexed.

        Raises:
            RefusedError: the app cannot be indexed.
        """
        worker = self._worker = self._spawn()
        self._thread.start()
        return worker.functions

    @property
    def worker_pid(self) -> int | None:
        """Return the process id of the worker, None while it is being replaced."""
        worker = self._worker
        return worker.process.pid if worker else None

    def invoke(self, function: str, data: TriggerData) -> Outcome:
        """Run one invocation to its end and log one line about it; never raises.

        The line about a request that was answered is for debugging: clients ask each second.
        """
        invocation = Invocation(str(uuid.uuid4()), function, data)
        started = time.monotonic()
        outcome = self._run(invocation)
        took = (time.monotonic() - started) * 1000
        fine = logging.DEBUG if isinstance(data, HttpCall) else logging.INFO
        level = fine if outcome.ok else logging.ERROR
        line = "%s %s in %.0f ms (%s)%s"
        error = f"\n{outcome.error.rstrip()}" if outcome.error else ""
        _log.log(level, line, function, outcome.ending, took, invocation.id, error)
        return outcome

    def stop(self, drain_seconds: float = 0.0) -> None:
        """Let invocations end for up to `drain_seconds`, then end the worker."""
        deadline = time.monotonic() + drain_seconds
        while (worker := self._worker) and worker.busy() and time.monotonic() < deadline:
            time.sleep(0.02)
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
            newest = self._spawned
        if newest:
            newest.process.kill()
            newest.process.wait()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self, invocation: Invocation) -> Outcome:
        with self._changed:
            # A worker that is being replaced costs time, but not the time of this invocation.
            self._changed.wait_for(
                lambda: self._worker or self._stopping.is_set(), timeout=_START_SECONDS
            )
            worker = self._worker
        if worker is None:
            return Outcome(invocation.id, Ending.LOST)
        try:
            return worker.send(invocation).result(self._timeout)
        except TimeoutError:
            worker.forget(invocation)
            self._kill(worker)
            return Outcome(invocation.id, Ending.TIMED_OUT)

    def _kill(self, worker: _Worker) -> None:
        with self._changed:
            if self._killed is worker:
                return
            self._killed = worker
            if self._worker is worker:
                self._worker = None  # what comes in from here on waits for the next one
        _log.error("functionTimeout of %g s is over: the worker is replaced", self._timeout)
        worker.process.kill()

    def _spawn(self) -> _Worker:
        worker = self._spawned = _Worker(self._app, self._environment)
        worker.index()
        return worker

    def _keep_running(self) -> None:
        worker: _Worker | None = self._worker
        deaths = 0
        while worker:
            started = time.monotonic()
            code = worker.serve()
            with self._changed:
                self._worker = None
            if self._killed is worker or time.monotonic() - started > _STEADY_SECONDS:
                deaths = 0
            if self._killed is not worker and not self._stopping.is_set():
                _log.error("the worker died with code %s: it is replaced", code)
                deaths += 1
            worker = self._replace(deaths)

    def _replace(self, deaths: int) -> _Worker | None:
        while True:
            backoff = _FIRST_BACKOFF_SECONDS * 2 ** (deaths - 1) if deaths else 0.0
            if self._stopping.wait(min(backoff, _LONGEST_BACKOFF_SECONDS)):
                return None
            try:
                worker = self._spawn()
            except RefusedError as error:
                _log.error("the worker does not start: %s", error)
                deaths += 1
                continue
            with self._changed:
                if not self._stopping.is_set():
                    self._worker = worker
                    self._changed.notify_all()
                    return worker
            worker.process.kill()
            worker.end()
            return None
