"""The host itself: one worker, and the timers, blob listings and HTTP server that feed it."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

from local.host.config import HostConfig, RefusedError
from local.host.deliveries import Deliveries
from local.host.messages import HttpCall, IndexedFunction, JsonObject, Outcome
from local.host.polling import BlobPoller
from local.host.queues import QueueListener, QueueOptions
from local.host.receipts import HOST_CONTAINER, BlobVersion, Receipts
from local.host.storage import blob_service
from local.host.supervisor import Supervisor
from local.host.timers import Timer
from local.host.triggers import (
    HOST_STORAGE,
    BlobTrigger,
    HttpTrigger,
    QueueTrigger,
    TimerTrigger,
    Trigger,
    read_triggers,
)
from local.host.web import Web, serve
from local.storage_folder import port_is_free
from shared.core.counting import counted

# Per function (azure-functions §1.2; the real default is 8 per core).
_PARALLEL_BLOBS: Final = 8
_TRIES: Final = 5
_DRAIN_SECONDS: Final = 1.0
_STOP_CHECK_SECONDS: Final = 0.05

_log = logging.getLogger(__name__)


class Host:
    """Runs one app from `start` to `stop`.

    Args:
        config: what to run and how.
        port: on loopback; 0 takes a free one.
    """

    def __init__(self, config: HostConfig, port: int) -> None:
        self.url = ""
        self.functions: Sequence[IndexedFunction] = ()
        self._config, self._port = config, port
        self._supervisor = Supervisor(config.app, config.environment, config.function_timeout)
        self._deliveries: dict[str, Deliveries] = {}
        self._pollers: list[BlobPoller] = []
        self._queues: list[QueueListener] = []
        self._timers: dict[str, Timer] = {}
        self._http: threading.Thread | None = None
        self._started = time.monotonic()

    def start(self) -> None:
        """Index the app and begin to serve.

        Raises:
            RefusedError: the app or a setting is not sound, or the port is taken.
        """
        if not port_is_free(self._port):  # before a worker starts
            raise RefusedError(f"port {self._port} is taken: choose another with --port")
        self.functions = self._supervisor.start()
        triggers = read_triggers(self.functions, self._config)
        for trigger in triggers:
            match trigger:
                case TimerTrigger():
                    self._timers[trigger.function] = self._timer(trigger)
                case BlobTrigger():
                    self._add_blob(trigger)
                case QueueTrigger():
                    self._queues.append(self._queue(trigger))
                case HttpTrigger():
                    pass  # all of them go to the server, below
        http = [trigger for trigger in triggers if isinstance(trigger, HttpTrigger)]
        self._server = serve(Web(http, self._config.route_prefix, self), self._port)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._announce_start(triggers)
        serve_forever, often = self._server.serve_forever, {"poll_interval": _STOP_CHECK_SECONDS}
        self._http = threading.Thread(target=serve_forever, kwargs=often, name="http", daemon=True)
        self._http.start()
        for part in self._feeding:
            part.start()

    def stop(self) -> None:
        """Take nothing new, give invocations a moment to end, and leave no process behind."""
        for part in self._feeding:
            part.stop()
        for deliveries in self._deliveries.values():
            deliveries.stop()
        if self._http:
            self._server.shutdown()
            self._server.server_close()
        self._supervisor.stop(_DRAIN_SECONDS)

    def call(self, function: str, data: HttpCall) -> Outcome:
        """Run an HTTP function to its end."""
        return self._supervisor.invoke(function, data)

    def announce(self, function: str, blob: BlobVersion) -> None:
        """Queue a blob for a blob function."""
        self._deliveries[function].announced(blob)

    def fire(self, function: str) -> None:
        """Start a run of a timer function, whether or not another is under way."""
        call = function, self._timers[function].tick()
        threading.Thread(target=self._supervisor.invoke, args=call, daemon=True).start()

    def disabled(self, function: str) -> bool:
        """Whether a setting keeps the trigger of a function from being served."""
        return self._config.disabled(function)

    def status(self) -> JsonObject:
        """Return what `GET /admin/host/status` answers."""
        return {
            "id": self._config.host_id,
            "state": "Running" if self._supervisor.worker_pid else "WorkerIsReplaced",
            "version": "local",
            "workerPid": self._supervisor.worker_pid,
            "processUptime": int((time.monotonic() - self._started) * 1000),
        }

    @property
    def _feeding(self) -> list[Timer | BlobPoller | QueueListener]:
        """The triggers that make invocations by themselves."""
        return [*self._timers.values(), *self._pollers, *self._queues]

    def _queue(self, trigger: QueueTrigger) -> QueueListener:
        return QueueListener(
            trigger,
            self._config.environment,
            lambda item: self._supervisor.invoke(trigger.function, item),
            QueueOptions.read(self._config.extension("queues")),
        )

    def _timer(self, trigger: TimerTrigger) -> Timer:
        return Timer(
            trigger.function,
            trigger.schedule,
            run_on_startup=trigger.run_on_startup,
            fire=lambda tick: self._supervisor.invoke(trigger.function, tick),
        )

    def _add_blob(self, trigger: BlobTrigger) -> None:
        options, environment = self._config.extension("blobs"), self._config.environment
        deliveries = self._deliveries[trigger.function] = Deliveries(
            trigger,
            environment,
            lambda data: self._supervisor.invoke(trigger.function, data),
            tries=int(options.get("poisonBlobThreshold", _TRIES)),
            parallel=int(options.get("maxDegreeOfParallelism", _PARALLEL_BLOBS)),
        )
        if self._config.poll_blobs > 0:
            kept = blob_service(HOST_STORAGE, environment).get_container_client(HOST_CONTAINER)
            receipts = Receipts(kept, self._config.host_id, trigger.function)
            data = blob_service(trigger.connection, environment)
            container = data.get_container_client(trigger.container)
            self._pollers.append(
                BlobPoller(trigger, container, receipts, deliveries, self._config.poll_blobs)
            )

    def _announce_start(self, triggers: Sequence[Trigger]) -> None:
        lines = [f"serving {self._config.app} at {self.url} (host id {self._config.host_id})"]
        http = [one for one in triggers if isinstance(one, HttpTrigger)]
        lines += [f"  {_line(one)}" for one in triggers if not isinstance(one, HttpTrigger)]
        if http:
            functions = counted(len(http), "HTTP function")
            prefix = self._config.route_prefix
            lines.append(f"  {functions} below {self.url}/{prefix}; keys are not asked for here")
            _log.debug("%s", "\n".join(f"  {_http_line(one, prefix)}" for one in http))
        if self._deliveries:
            seconds = self._config.poll_blobs
            found = f"by listing every {seconds:g} s" if seconds > 0 else "by events only"
            lines.append(f"blobs are found {found}, for every source that a trigger names")
        if off := [one.name for one in self.functions if self._config.disabled(one.name)]:
            lines.append(f"disabled by a setting: {', '.join(off)}")
        if retried := [function.name for function in self.functions if function.retried]:
            lines.append(f"retry policies are not emulated: {', '.join(retried)}")
        _log.info("%s", "\n".join(lines))


def _http_line(trigger: HttpTrigger, prefix: str) -> str:
    methods = ",".join(trigger.methods) or "any method"
    path = f"{prefix}/{trigger.route}".strip("/")
    return f"{trigger.function}: {methods} /{path} (auth level {trigger.auth_level})"


def _line(trigger: TimerTrigger | QueueTrigger | BlobTrigger) -> str:
    match trigger:
        case TimerTrigger():
            return f"{trigger.function}: at {trigger.schedule} UTC"
        case QueueTrigger():
            return f"{trigger.function}: messages of the queue {trigger.queue}"
        case BlobTrigger():
            where = f"{trigger.container}/{trigger.prefix}…"
            return f"{trigger.function}: blobs in {where} (source {trigger.source})"
