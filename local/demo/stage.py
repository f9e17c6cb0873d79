"""Starts the servers of the demo: storage, a stand-in for Studio (classic), and the app's host."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

import requests

from local.azurite import ACCOUNT_KEY
from local.demo.app_stage import DATA, LEDGER, MODELS, PIPELINE, ROOT, AppStage
from local.studio.process import StudioProcess

RESOURCE: Final = "Breast Cancer Model [trained model]"
_FIRST_ROWS: Final = 40
_PROBE_ROWS: Final = 3
_SWITCH_SECONDS: Final = 4
_SECONDS: Final = 30


class Stage(AppStage):
    """The stage with Studio (classic): a service that trains, and an endpoint.

    Args:
        settings: app settings over the demo's own.
        switch_seconds: how long the endpoint takes to switch after an update.
        on_disk: keep the storage in a folder; see `AppStage`.
        more_pipelines: called with the stage once its services are there; returns further
            pipelines, by name.
    """

    endpoints = ("production",)

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        switch_seconds: float = _SWITCH_SECONDS,
        on_disk: bool = False,
        more_pipelines: "Callable[[Stage], dict[str, Any]] | None" = None,
    ) -> None:
        super().__init__(settings, on_disk=on_disk)
        self._switch_seconds, self._more_pipelines = switch_seconds, more_pipelines

    def training_section(self) -> dict[str, Any]:
        """Return what a pipeline of the file says of the training service."""
        return {
            "service": self.training["jobs_url"],
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
        }

    def endpoint_section(self) -> dict[str, Any]:
        """Return what a pipeline of the file says of the endpoint."""
        return {
            "name": "production",
            "update": self.endpoint["management_url"],
            "api_key": "${ENDPOINT_KEY}",
            "resource": RESOURCE,
            "verify": {
                "score": self.endpoint["execute_url"],
                "rows": "probe.json",
                "within": "20s",  # it switches within a few, and is checked each second
            },
        }

    @property
    def secrets(self) -> Sequence[str]:
        """Every key that is in play, and what any signed URL holds."""
        keys = (self.training["api_key"], self.endpoint["api_key"], ACCOUNT_KEY)
        return (*keys, self.endpoint["workspace_token"], "sig=")

    def answers(self) -> list[str]:
        """Return what the endpoint answers for the probe rows now."""
        url = f"{self.endpoint['execute_url']}?api-version=2.0"
        key = {"Authorization": f"Bearer {self.endpoint['api_key']}"}
        answer = requests.post(url, json=self._probe(), headers=key, timeout=_SECONDS)
        answer.raise_for_status()
        table = answer.json()["Results"]["output1"]["value"]
        column = table["ColumnNames"].index("Scored Probabilities")
        return [f"{float(row[column]):.4f}" for row in table["Values"]]

    def _start_service(self, stack: ExitStack) -> None:
        switch = ["--switch-delay", str(self._switch_seconds)]
        self.studio = stack.enter_context(StudioProcess(switch))
        self.training = self.studio.publish_training("Breast Cancer [training exp.]")
        self.endpoint = self.studio.publish_scoring(
            "Breast Cancer [predictive exp.]", RESOURCE, self._few_rows(), "production"
        )

    def _few_rows(self) -> bytes:
        """Return the data of a weak model; who trains it needs scikit-learn anyway."""
        return self._header + b"".join(self._rows[:_FIRST_ROWS])

    def _probe(self) -> dict[str, Any]:
        table = csv.reader(io.StringIO((self._header + b"".join(self._rows)).decode()))
        names, *rows = table
        step = len(rows) // _PROBE_ROWS
        picked = [row[:-1] for row in rows[step // 2 :: step]]
        return {"Inputs": {"input1": {"ColumnNames": names[:-1], "Values": picked}}}

    def _pipelines_by_name(self) -> dict[str, Any]:
        (self.folder / "probe.json").write_text(json.dumps(self._probe()))
        pipeline = {
            "data": {"blob": "breast-cancer/{name}.csv"},
            "when_busy": "parallel",
            "training": self.training_section(),
            "endpoints": [self.endpoint_section()],
        }
        more = self._more_pipelines(self) if self._more_pipelines else {}
        return {PIPELINE: pipeline, **more}

    def _settings(self) -> dict[str, str]:
        return {
            "TRAINING_KEY": self.training["api_key"],
            "ENDPOINT_KEY": self.endpoint["api_key"],
            "WORKSPACE_TOKEN": self.endpoint["workspace_token"],
            **super()._settings(),
        }


__all__ = ["DATA", "LEDGER", "MODELS", "PIPELINE", "RESOURCE", "ROOT", "Stage"]
