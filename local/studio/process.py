"""Runs the stand-in as a process of its own, and talks to its control plane."""

from collections.abc import Sequence
from typing import Any

import requests

from local.served import ServedProcess

_SECONDS = 30


class StudioProcess(ServedProcess):
    """`python -m local.studio` on a free port, ready when the `with` block begins.

    Args:
        arguments: further ones, such as `["--switch-delay", "5"]`.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        super().__init__("local.studio", arguments)

    def publish_training(self, name: str, **options: object) -> dict[str, Any]:
        """Publish a training service and return its addresses and key."""
        return self._control("services", {"kind": "training", "name": name, **options})

    def publish_scoring(
        self, name: str, resource: str, data: bytes, endpoint: str
    ) -> dict[str, Any]:
        """Publish a scoring service with one more endpoint, and return that endpoint's.

        Args:
            name: of the service.
            resource: of its model.
            data: a CSV, on which the model is trained there.
            endpoint: its name.
        """
        order = {"kind": "scoring", "name": name, "resource": resource}
        order["training_csv"] = data.decode()
        service = self._control("services", order)
        return self._control(
            "endpoints", {"web_service_id": service["web_service_id"], "name": endpoint}
        )

    def add_fault(self, **rule: object) -> None:
        """Have something go wrong; see `python -m local.studio --help`."""
        self._control("faults", rule)

    @property
    def requests(self) -> list[str]:
        """The requests so far, as `METHOD /path`."""
        answer = requests.get(f"{self.url}/_studio/requests", timeout=_SECONDS)
        answer.raise_for_status()
        asked: list[str] = answer.json()
        return asked

    @property
    def state(self) -> dict[str, Any]:
        """The services, endpoints, and jobs with their starts."""
        answer = requests.get(f"{self.url}/_studio/state", timeout=_SECONDS)
        answer.raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    def _control(self, what: str, order: object) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/_studio/{what}", json=order, timeout=_SECONDS)
        answer.raise_for_status()
        members = answer.json()
        return members if isinstance(members, dict) else {}
