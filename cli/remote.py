"""Asks an app that runs, with its function key; the key is never an argument, and never shown."""

import os
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
_CURES: Final = {
    401: "the function key is missing or wrong: set {key} to one of the app (az functionapp keys "
    "list --name <app> --resource-group <group> --query functionKeys)",
    403: "the app refuses this network: see its access restrictions",
    404: "there is no such address: is {host} a Relearn app of this version, and is it running?",
}


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
                "--url is no URL: write https://<app>.azurewebsites.net", _USAGE
            ) from None
        local = self.host in _LOOPBACK
        if not self.host or (parts.scheme != "https" and not (parts.scheme == "http" and local)):
            raise CommandError("--url must begin with https:// (http only on loopback)", _USAGE)
        if parts.username or parts.password or parts.query:
            raise CommandError(f"--url must not hold a key: set {KEY} instead", _USAGE)
        at = f"[{self.host}]" if ":" in self.host else self.host
        self._base = f"{parts.scheme}://{at}{f':{port}' if port else ''}/api"
        self._key = _key(self.host, local=local)

    def ask(self, method: str, path: str, seconds: float) -> Any:
        """Return the JSON that the app answers.

        Args:
            method: the HTTP method.
            path: below `/api/`.
            seconds: how long to wait for the answer.

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
                    timeout=(_CONNECT, seconds),
                    allow_redirects=False,
                )
            except requests.RequestException as exc:
                kind = type(exc).__name__  # its text may hold more than the address
                raise CommandError(
                    f"{self.host} gives no answer ({kind}): see that the address is right and the "
                    "app is running, and try again"
                ) from None
        return self._read(answer)

    def _read(self, answer: requests.Response) -> Any:
        if answer.status_code in _CURES:
            cure = _CURES[answer.status_code].format(key=KEY, host=self.host)
            raise CommandError(f"{self.host}: {cure}")
        try:
            said = answer.json()
        except ValueError:
            said = None
        if isinstance(said, dict) and answer.ok:
            return said
        detail = said.get("detail") if isinstance(said, dict) else None
        text = self._clean(str(detail or "no answer of a Relearn app"))
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
