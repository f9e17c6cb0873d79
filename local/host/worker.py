"""The worker process: indexes the app, then runs invocations until its host is gone.

Started by `local.host.supervisor` as `python -P -u -m local.host.worker <descriptor> <app folder>`.
"""

import asyncio
import contextvars
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from local.host.config import RefusedError
from local.host.indexing import LoadedFunction, load
from local.host.invocation import invoke
from local.host.logs import configure_logging
from local.host.messages import Ending, Indexed, Invocation, Outcome, Refusal

_SPEAKER: Final = contextvars.ContextVar("speaker", default="app")
_ROOT: Final = str(Path(__file__).parents[2])


def main() -> None:
    """Serve until the host closes the pipe or dies, which closes it too."""
    descriptor, app = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host, which ends this one
    configure_logging(_SPEAKER.get)
    host: Connection[Any, Any] = Connection(descriptor)
    _see_only_the_app(app)
    try:
        functions, indexed = load(app)
    except RefusedError as error:
        host.send(Refusal(str(error)))
        return
    host.send(Indexed(indexed))
    _serve(host, functions)


def _see_only_the_app(app: Path) -> None:
    # As in Azure: the app's folder comes first, and the folder of this host is no import path.
    sys.path[:] = [str(app), *(entry for entry in sys.path if entry not in {_ROOT, str(app)})]
    sys.argv[:] = [str(app / "function_app.py")]
    os.environ.pop("PYTHONPATH", None)


def _serve(host: "Connection[Any, Any]", functions: dict[str, LoadedFunction]) -> None:
    count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
    pool = ThreadPoolExecutor(int(count) if count else None, thread_name_prefix="invocation")
    sending = threading.Lock()
    run = _event_loop()

    def answer(invocation: Invocation) -> None:
        _SPEAKER.set(invocation.function)
        if function := functions.get(invocation.function):
            outcome = invoke(function, invocation, run)
        else:  # edited away between two starts of the worker
            outcome = Outcome(invocation.id, Ending.FAILED, error="the app has it no longer")
        with sending:
            host.send(outcome)

    try:
        while True:
            pool.submit(answer, host.recv())
    except (EOFError, OSError):
        logging.shutdown()
        os._exit(0)  # invocations may hang in any thread: they are abandoned


def _event_loop() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    # As in the official worker, every `async def` function runs on one loop.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="event-loop", daemon=True).start()
    return lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()


if __name__ == "__main__":
    main()
