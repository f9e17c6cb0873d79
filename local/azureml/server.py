"""An HTTP server on loopback for `AzureMl`, with its identity endpoint."""

import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from local.azureml.answers import NoAnswerError
from local.azureml.control import PREFIX, ControlPlane
from local.azureml.routes import Routes
from local.azureml.service import AzureMl
from local.handler import WireHandler
from local.identity import make_token
from local.listener import LoopbackServer
from local.studio.wire import WireAnswer, WireRequest, json_answer

_WORK_EVERY_SECONDS: Final = 0.1
IDENTITY: Final = "/identity/token"
_METADATA: Final = "/metadata/endpoints"
_AN_HOUR: Final = 3600


class AzureMlServer(LoopbackServer):
    """Serves a workspace, and works on its jobs and operations.

    Args:
        service: what is served; one call is answered at a time.
        port: the port, 0 for a free one.
        secured_by: a certificate and its key: it serves https.

    Raises:
        OSError: The port is not free.
    """

    def __init__(
        self, service: AzureMl, *, port: int = 0, secured_by: tuple[Path, Path] | None = None
    ) -> None:
        super().__init__(port, self._handler(), "azureml")
        self.service = service
        self.lock = threading.RLock()
        self.identity_secret = secrets.token_hex(16)
        if secured_by is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*secured_by)
            self.listener.socket = context.wrap_socket(
                self.listener.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = self.url.replace("http://", "https://")
        self._routes: dict[str, Routes] = {}
        self.control = ControlPlane(service)
        service.scoring.outside = self._unlocked
        service.scoring.inside = lambda: self.lock

    def tasks(self) -> list[Callable[[], None]]:
        """Answer a health request, and advance the operations that take time."""
        return [*super().tasks(), self._work]

    def stop(self) -> None:
        """Stop answering, and end what is being trained and served."""
        super().stop()
        running = [job.training for job in self.service.jobs.all.values() if job.training]
        for training in running:
            training.stop()
        for training in running:
            training.wait()
        self.service.stop()

    def answer(self, request: WireRequest) -> WireAnswer:
        """Answer a request to the workspace, the control plane or the identity endpoint.

        Args:
            request: what is asked.

        Returns:
            The answer.

        Raises:
            NoAnswerError: a fault is that nothing is answered.
        """
        path = request.url.partition("?")[0]
        if path == _METADATA:
            return json_answer([self._cloud()])
        if path == IDENTITY:
            return self._identity(request)
        with self.lock:
            if path == f"{PREFIX}identity":
                about = {"endpoint": self.url + IDENTITY, "header": self.identity_secret}
                return json_answer(about)
            if path.startswith(PREFIX):
                return self.control.handle(request)
            answer = self._routes_at(request).handle(request)
        self._wait(f"{request.method} {path}")
        return answer

    def _routes_at(self, request: WireRequest) -> Routes:
        """Return the routes that name this server as the request does, such as by a proxy."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        host = headers.get("host") or urlsplit(self.url).netloc
        if host not in self._routes:
            scheme = urlsplit(self.url).scheme
            self._routes[host] = Routes(self.service, f"{scheme}://{host}")
        return self._routes[host]

    @contextmanager
    def _unlocked(self) -> Iterator[None]:
        """Let other calls be answered while a container works on one."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    def _wait(self, line: str) -> None:
        for delay in self.control.delays:
            if delay.times and fnmatchcase(line, delay.match):
                delay.times -= 1
                self.stopping.wait(delay.seconds)

    def _work(self) -> None:
        while not self.stopping.wait(_WORK_EVERY_SECONDS):
            with self.lock:
                self.service.operations.finish_due()
                self.service.jobs.advance()

    def _identity(self, request: WireRequest) -> WireAnswer:
        """Answer as the identity endpoint of App Service does, for `ManagedIdentityCredential`."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("x-identity-header") != self.identity_secret:
            return WireAnswer(401)
        resource = parse_qs(urlsplit(request.url).query).get("resource", [""])[0]
        if not resource:
            return WireAnswer(400)
        expires = int(self.service.clock.now().timestamp()) + _AN_HOUR
        answer = {"access_token": make_token(resource), "expires_on": str(expires)}
        return json_answer(answer | {"resource": resource, "token_type": "Bearer"})

    def _cloud(self) -> dict[str, Any]:
        """Describe a cloud whose Resource Manager is this server."""
        return {
            "name": "RelearnLocal",
            "portal": "https://portal.azure.localhost",
            "resourceManager": self.url,
            "authentication": {"loginEndpoint": self.url, "audiences": [self.url]},
            "suffixes": {"storage": self.service.files.endpoint},
        }

    def _handler(self) -> type[WireHandler]:
        server = self

        class Handler(WireHandler):
            server_version = "azureml"

            def _serve(self) -> None:
                try:
                    self.answer_with(server.answer)
                except NoAnswerError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

        return Handler
