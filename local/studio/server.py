"""The HTTP skin: a loopback server around `Studio` that also acts out faults."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from local.handler import WireHandler
from local.listener import Listener
from local.studio.control import PREFIX, ControlPlane
from local.studio.faults import FaultKind, FaultRule, FaultScript, canned
from local.studio.state import Studio
from local.studio.training import Trainer

_WORK_EVERY_SECONDS = 0.1


class StudioServer:
    """Serves a `Studio` on 127.0.0.1 until stopped; a context manager.

    Listening begins when it is made, so `url` is known at once; answering begins with `start`.

    Args:
        studio: what is served; its `base_url` is set to where it is served.
        trainer: trains the models of services published with a CSV.
        port: the port, 0 for a free one.
        faults: the faults to act out.
        queue_delay: how long a started job waits before the background thread works on it, so
            that a quick client sees it queued. `None` leaves the work to the studio's owner.
        clock: the studio's clock.

    Raises:
        OSError: The port is not free.
    """

    def __init__(
        self,
        studio: Studio,
        *,
        trainer: Trainer,
        port: int = 0,
        faults: FaultScript | None = None,
        queue_delay: timedelta | None = timedelta(milliseconds=500),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._studio = studio
        self._faults = faults or FaultScript()
        self._control = ControlPlane(studio, self._faults, trainer)
        self._queue_delay = queue_delay
        self._clock = clock
        self._stopping = threading.Event()
        self._listener = Listener(port, self._handler())
        self.url = self._listener.url
        studio.base_url = self.url
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to answer, and to work on jobs; called once."""
        tasks: list[Callable[[], None]] = [lambda: self._listener.serve_forever(poll_interval=0.02)]
        if self._queue_delay is not None:
            tasks.append(self._work)
        self._threads = [threading.Thread(target=task, name="studio") for task in tasks]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop answering, let a job being trained end, close every connection and thread."""
        self._stopping.set()
        if self._threads:
            self._listener.shutdown()
        self._listener.close_connections()
        self._listener.server_close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _work(self) -> None:
        delay = self._queue_delay or timedelta()
        while not self._stopping.wait(_WORK_EVERY_SECONDS):
            self._studio.work(started_before=self._clock() - delay)

    def _handler(self) -> type["_Handler"]:
        server = self

        class Handler(_Handler):
            studio = server._studio
            control = server._control
            faults = server._faults
            stopping = server._stopping

        return Handler


class _Handler(WireHandler):
    """Answers, or acts out a fault."""

    server_version = "studio"
    studio: Studio
    control: ControlPlane
    faults: FaultScript
    stopping: threading.Event

    def _serve(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(PREFIX):
            self.answer_with(self.control.handle)
            return
        self.control.log(self.command, path)
        rule = self.faults.take(self.command, path)
        if rule is None:
            self.answer_with(self.studio.handle)
        else:
            self._act_out(rule)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _act_out(self, rule: FaultRule) -> None:
        if rule.kind is FaultKind.REFUSE:
            self.close_connection = True
            return
        request = self.read_request()
        if request is None:
            return
        answer = canned(rule)
        if answer is not None:
            self.send_answer(answer)
            return
        if rule.kind is FaultKind.DROP_BEFORE:
            self.close_connection = True
            return
        if rule.kind is FaultKind.DELAY:
            self.stopping.wait(rule.seconds)
        answer = self.studio.handle(request)
        if rule.kind is FaultKind.DELAY:
            self.send_answer(answer)
            return
        self.close_connection = True
        if rule.kind is FaultKind.TRUNCATED:
            self.send_answer(answer, cut=True)
