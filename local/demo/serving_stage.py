"""Starts the servers of the demo with an online endpoint, and a client that calls it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import yaml

from local.azureml.answers import WORKSPACE
from local.demo.app_stage import PIPELINE, ROOT
from local.demo.azureml_stage import AzureMlStage
from local.demo.client import Client

#: What users copy, and the files that it names: the demo plays exactly these.
FILE: Final = ROOT / "pipelines.azureml.yaml"
_VERSION: Final = "api-version=2025-12-01"
_SECONDS: Final = 30
#: Minutes in Azure. The rules on requests are left out: their metrics come minutes late.
_TRAFFIC: Final = MappingProxyType({"steps": [10, 50, 100], "bake": "4s"})
_WITHIN: Final = "5s"


class ServingStage(AzureMlStage):
    """The stage with the pipeline of pipelines.azureml.yaml, by a workspace that serves models.

    Its endpoint is made by the app, with the first model.
    """

    endpoints = ("production",)
    #: The steps of a promotion.
    steps: Mapping[str, object] = _TRAFFIC

    def pipeline(self) -> dict[str, Any]:
        """Return the pipeline of the demo, with seconds instead of minutes."""
        named = yaml.safe_load(FILE.read_text(encoding="utf-8"))["pipelines"][PIPELINE]
        known: dict[str, Any] = named
        known["data"]["settle"] = "0s"
        known["training"]["workspace"] = f"{self.workspace.url}{WORKSPACE}"
        (endpoint,) = known["endpoints"]
        endpoint["traffic"] = dict(self.steps)
        endpoint["verify"]["within"] = _WITHIN
        shutil.copytree(ROOT / "examples", self.folder / "examples", dirs_exist_ok=True)
        self.endpoint = str(endpoint["endpoint"])
        self._rows_file = self.folder / endpoint["verify"]["rows"]
        return known

    def client(self) -> Client:
        """Return a client of the endpoint, not started."""
        return Client(self._address, json.loads(self._rows_file.read_text(encoding="utf-8")))

    def traffic(self) -> dict[str, int]:
        """Return which deployment gets which percentage of the requests."""
        found: dict[str, int] = self.workspace.state["endpoints"].get(self.endpoint, {})
        return {name: share for name, share in found.items() if share}

    def deployments(self) -> list[str]:
        """Return the deployments of the endpoint."""
        names = self.workspace.state["deployments"]
        return [name.partition("/")[2] for name in names]

    def violations(self) -> list[str]:
        """Return what the app asked of the endpoint that it must never ask."""
        found: list[str] = self.workspace.state["violations"]
        return found

    def crash(self, deployment: str) -> None:
        """End the container of a deployment, as a lack of memory does."""
        self.workspace.order("deployments", endpoint=self.endpoint, name=deployment, does="crash")

    @property
    def secrets(self) -> Sequence[str]:
        """Every key that is in play, and what any signed URL or token holds."""
        address = self._address()
        return (*super().secrets, *((address[1],) if address else ()))

    def _address(self) -> tuple[str, str] | None:
        """Return the scoring URL and the key; None while there is no endpoint."""
        base = f"{self.workspace.url}{WORKSPACE}/onlineEndpoints/{self.endpoint}"
        headers = {"Authorization": f"Bearer {self._token()}"}
        shown = requests.get(f"{base}?{_VERSION}", headers=headers, timeout=_SECONDS)
        if not shown.ok or not self.traffic():
            return None
        keys = requests.post(f"{base}/listKeys?{_VERSION}", headers=headers, timeout=_SECONDS)
        return str(shown.json()["properties"]["scoringUri"]), str(keys.json()["primaryKey"])

    def _token(self) -> str:
        known = self.workspace.environment
        parts = urlsplit(self.workspace.url)
        answer = requests.get(
            known["IDENTITY_ENDPOINT"],
            params={"resource": f"{parts.scheme}://{parts.netloc}", "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": known["IDENTITY_HEADER"]},
            timeout=_SECONDS,
        )
        return str(answer.json()["access_token"])
