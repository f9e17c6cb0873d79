"""Asks an app that runs, with its function key; the key is never an argument, and never shown."""

import os
import re
import sys
from getpass import getpass
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from cli.output import CommandError

KEY: Final = "RELEARN_FUNCTION_KEY"
_USAGE: Final = 2
_CONNECT: Final = 10.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LONGEST: Final = 500
_BUSY: Final = "the app is starting, stopped or busy: try again in a minute, and see its state"
_ADVICE: Final = {
    401: "the function key is missing or wrong: set {key} to one of the app (az functionapp keys "
    "list --name <app> --resource-group <group> --query functionKeys)",
    403: "the app is stopped, or refuses this network: start it, or see its access restrictions",
    404: "there is no such address: is {host} a Relearn app of this version, and is it running?",
    429: _BUSY,
    500: "the app failed: see its log for the cause, and try again",
    502: _BUSY,
    503: _BUSY,
    504: "the app did not answer in time: see whether it is busy, and try again",
}
_NO_APP: Final = (
    "the answer is not from a Relearn app: correct --url; a sign-in page or a proxy may answer in "
    "its place"
)
#: Statuses of which the advice says more than the answer does.
_NOT_OURS: Final = (401, 403, 404)
#: Signs that a key has; others cannot be sent.
_KEY_FORM: Final = re.compile(r"[!-~]+")


class RemoteApp:
    """An app that answers over HTTP.

    Args:
        url: such as https://<app>.azurewebsites.net.

    Raises:
        CommandError: it cannot be used.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"https://{url}")
            self.host, port = parts.hostname or "", parts.port
        except ValueError:
            raise CommandError(
                "--url is not a URL: write https://<app>.azurewebsites.net", _USAGE
            ) from None
        local = self.host in _LOOPBACK
        if not self.host or (parts.scheme != "https" and not (parts.scheme == "http" and local)):
            raise CommandError("--url must begin with https:// (http only on loopback)", _USAGE)
        if parts.username or parts.password or parts.query:
            raise CommandError(f"--url must not hold a key: set {KEY} instead", _USAGE)
        at = f"[{self.host}]" if ":" in self.host else self.host
        self._base = f"{parts.scheme}://{at}{f':{port}' if port else ''}/api"
        self._key = _key(self.host, local=local)
        if self._key and not _KEY_FORM.fullmatch(self._key):
            text = f"the function key holds signs that no key has: copy it into {KEY} again"
            raise CommandError(text, _USAGE)

    def ask(self, method: str, path: str, seconds: float, body: Any = None) -> Any:
        """Return the JSON that the app answers.

        Args:
            method: the HTTP method.
            path: below `/api/`.
            seconds: how long to wait for the answer.
            body: that is sent as JSON; None: nothing is.

        Raises:
            CommandError: there is no usable answer; the message says what to do.
        """
        headers = {"x-functions-key": self._key} if self._key else {}
        with requests.Session() as session:
            session.trust_env = False  # no .netrc adds a key of another host
            try:
                answer = session.request(
                    method,
                    f"{self._base}/{path}",
                    headers=headers,
                    json=body,
                    timeout=(_CONNECT, seconds),
                    allow_redirects=False,
                )
            except requests.RequestException as exc:
                # The text may hold more than the address: it is not shown.
                unknown = "NameResolutionError" in str(exc)
                kind = "no such host is known" if unknown else type(exc).__name__
                raise CommandError(
                    f"{self.host} gives no answer ({kind}): see that the address is right and the "
                    "app is running, and try again"
                ) from None
        return self._read(answer)

    def _read(self, answer: requests.Response) -> Any:
        try:
            said = answer.json()
        except ValueError:
            said = None
        if isinstance(said, dict) and answer.ok:
            return said
        detail = said.get("detail") if isinstance(said, dict) else None
        advice = _ADVICE.get(answer.status_code, _NO_APP).format(key=KEY, host=self.host)
        named = isinstance(said, dict) and "kind" in said  # a problem of ours, such as no pipeline
        if (answer.status_code in _NOT_OURS and not named) or not detail:
            raise CommandError(f"{self.host}: {advice} (HTTP {answer.status_code})")
        text = self._clean(str(detail))
        raise CommandError(f"{self.host}: {text} (HTTP {answer.status_code})")

    def _clean(self, text: str) -> str:
        """Return a text without the key, which a wrong host may repeat."""
        clean = text.replace(self._key, "***") if self._key else text
        return " ".join(clean.split())[:_LONGEST]


def _key(host: str, *, local: bool) -> str:
    """Return the function key, from the environment or a hidden question."""
    if key := os.environ.get(KEY, "").strip():
        return key
    if local:
        return ""  # the host of `make run` asks for none
    if not sys.stdin.isatty():
        raise CommandError(f"set {KEY} to a function key of {host}", _USAGE)
    return getpass(f"function key of {host}: ").strip()
