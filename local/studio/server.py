"""An HTTP server on loopback for `Studio`, which also carries out faults."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from local.handler import WireHandler
from local.listener import LoopbackServer
from local.studio.control import PREFIX, ControlPlane
from local.studio.faults import FaultKind, FaultRule, FaultScript, canned
from local.studio.state import Studio
from local.studio.training import Trainer

_WORK_EVERY_SECONDS = 0.1


class StudioServer(LoopbackServer):
    """Serves a `Studio`, and works on its jobs.

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
        self.studio = studio
        self.faults = faults or FaultScript()
        self.control = ControlPlane(studio, self.faults, trainer)
        self._queue_delay = queue_delay
        self._clock = clock
        super().__init__(port, self._handler(), "studio")
        studio.base_url = self.url

    def tasks(self) -> list[Callable[[], None]]:
        """Return that it answers, and works on jobs."""
        return [*super().tasks(), *([] if self._queue_delay is None else [self._work])]

    def _work(self) -> None:
        delay = self._queue_delay or timedelta()
        while not self.stopping.wait(_WORK_EVERY_SECONDS):
            self.studio.work(started_before=self._clock() - delay)

    def _handler(self) -> type["_Handler"]:
        server = self

        class Handler(_Handler):
            serving = server

        return Handler


class _Handler(WireHandler):
    """Answers, or acts out a fault."""

    server_version = "studio"
    serving: StudioServer

    def _serve(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(PREFIX):
            self.answer_with(self.serving.control.handle)
            return
        self.serving.control.log(self.command, path)
        rule = self.serving.faults.take(self.command, path)
        if rule is None:
            self.answer_with(self.serving.studio.handle)
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
            self.serving.stopping.wait(rule.seconds)
        answer = self.serving.studio.handle(request)
        if rule.kind is FaultKind.DELAY:
            self.send_answer(answer)
            return
        self.close_connection = True
        if rule.kind is FaultKind.TRUNCATED:
            self.send_answer(answer, cut=True)
