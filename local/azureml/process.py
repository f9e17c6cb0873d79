"""Runs the stand-in as a process of its own, and talks to its control plane."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from local.served import ServedProcess

_SECONDS = 30


class AzureMlProcess(ServedProcess):
    """`python -m local.azureml` on a free port, ready when the `with` block begins.

    Args:
        arguments: further ones, such as `["--storage", "AzureWebJobsStorage"]`.
        trusted: the certificate of a stand-in that serves https.
        variables: environment variables besides those of its starter, such as that which
            `--storage` names.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        trusted: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("local.azureml", arguments, variables=variables)
        self._connections = requests.Session()
        self._connections.trust_env = False
        if trusted is not None:
            self._connections.verify = str(trusted)

    def order(self, what: str, **members: object) -> dict[str, Any]:
        """Prepare or disturb something; see `python -m local.azureml --help`.

        Args:
            what: the last part of the address.
            members: of the body.

        Returns:
            What was answered.

        Raises:
            ValueError: it is refused; the message says why.
        """
        url = f"{self.url}/_azureml/{what}"
        answer = self._connections.post(url, json=members, timeout=_SECONDS)
        if not answer.ok:
            raise ValueError(answer.text)
        found: dict[str, Any] = answer.json()
        return found

    @property
    def requests(self) -> list[str]:
        """Return the calls so far, as `PUT job NAME`."""
        found: list[str] = self._get("requests")
        return found

    @property
    def state(self) -> dict[str, Any]:
        """Return what it holds: jobs with their steps, models, components, endpoints."""
        found: dict[str, Any] = self._get("state")
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which `DefaultAzureCredential` gets its tokens here."""
        found: dict[str, str] = self._get("identity")
        return {"IDENTITY_ENDPOINT": found["endpoint"], "IDENTITY_HEADER": found["header"]}

    def _get(self, what: str) -> Any:
        answer = self._connections.get(f"{self.url}/_azureml/{what}", timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()
