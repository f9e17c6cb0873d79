"""Redirects the app to another host, which must not get the key."""

import threading
from http.server import BaseHTTPRequestHandler

from local.listener import Listener
from proofs.hostile.findings import REDIRECTS, SECRETS, Findings
from shared.providers.http.client import RequestsHttp


class _Server(Listener):
    """A server that records requests, and answers one status and Location."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(0, _Handler)
        self.status, self.location = status, location
        self.got: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Stop, and close every connection."""
        self.shutdown()
        self.close_connections()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    def _any(self) -> None:
        server = self.server
        if isinstance(server, _Server):
            server.got.append(f"{self.command} {self.path} {dict(self.headers)}")
            self.send_response(server.status)
            self.send_header("Location", server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 -- the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Stay silent."""


def redirects(findings: Findings) -> None:
    """Answer every call of a real client by a redirect to another port, which must stay quiet."""
    other = _Server(200, "")
    try:
        for status in (301, 302, 303, 307, 308):
            first = _Server(status, f"{other.url}/taken")
            try:
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                    with findings.trial(REDIRECTS, f"hostile redirect: {status} to a {method}"):
                        _redirected(first, other, method, findings)
            finally:
                first.close()
    finally:
        other.close()


def _redirected(first: _Server, other: _Server, method: str, findings: Findings) -> None:
    http = RequestsHttp()
    try:
        key = {"Authorization": f"Bearer {SECRETS['ARM_TOKEN']}"}
        body = None if method in ("GET", "DELETE") else b"{}"
        answer = http.send(method, f"{first.url}/x", key, body)
    finally:
        http.close()
    if other.got:
        findings.broken(REDIRECTS, f"the other host got {other.got[0][:100]}")
        other.got.clear()
    if answer.status != first.status or not first.got:
        findings.broken(REDIRECTS, f"the answer is {answer.status}")
