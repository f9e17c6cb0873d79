"""The metrics of jobs, as MLflow shows them (azure-machine-learning-v2 §2.8)."""

import re
from dataclasses import dataclass, field
from typing import Final

from local.azureml.answers import OK, Answer, Body, RequestBody
from local.azureml.bodies import LoggedBatch
from local.azureml.history import History, Run
from local.azureml.jobs import ENDED

_STATUSES: Final = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}
_WAITING: Final = frozenset({"NotStarted", "Starting", "Provisioning", "Preparing", "Queued"})


@dataclass
class Metrics:
    """The metrics that training processes logged; those of a pipeline job are at its steps."""

    history: History
    logged: dict[str, list[Body]] = field(default_factory=dict)  #: by run

    def log(self, name: str, key: str, value: float, step: int = 0) -> None:
        """Keep a metric of a run.

        Args:
            name: of the job or the step.
            key: of the metric.
            value: of the metric; may be no number.
            step: at which it was measured.
        """
        now = int(self.history.jobs.clock.now().timestamp() * 1000)
        one = {"key": key, "value": value, "timestamp": now, "step": step}
        self.logged.setdefault(name, []).append(one)

    def run(self, name: str) -> Answer:
        """Return a run as MLflow shows it: the last value of each metric."""
        if (found := self.history.find(name)) is None:
            body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Run {name} not found"}
            return Answer(404, body)
        return Answer(OK, {"run": self._shown(found)})

    def values(self, name: str, key: str) -> Answer:
        """Return every value of a metric.

        Args:
            name: of the job or the step.
            key: of the metric.

        Returns:
            Its history; empty where nothing was logged.
        """
        if self.history.find(name) is None:
            return self.run(name)
        found = [one for one in self.logged.get(name, []) if one["key"] == key]
        return Answer(OK, {"metrics": found})

    def search(self, body: RequestBody) -> Answer:
        """Return the runs of experiments, steps included.

        Args:
            body: `experiment_ids`; `filter` may name a parent run.

        Returns:
            The runs.
        """
        wanted = [str(one) for one in list(body.get("experiment_ids") or ())]
        filtered = re.search(r"parentRunId\W+=\s*'([^']+)'", str(body.get("filter") or ""))
        runs = [
            self._shown(run)
            for job in self.history.jobs.all.values()
            if not wanted or job.experiment in wanted
            for run in (Run(job), *Run(job).below())
            if filtered is None or run.parent == filtered[1]
        ]
        return Answer(OK, {"runs": runs})

    def take(self, body: RequestBody) -> Answer:
        """Take metrics from a process that trains: one, or `metrics`."""
        batch = LoggedBatch.model_validate({"metrics": [body], **body})
        for one in batch.metrics:
            self.log(batch.run_id, one.key, one.value, one.step)
        return Answer(OK, {})

    def _shown(self, run: Run) -> Body:
        status = self.history.status(run)
        state = "SCHEDULED" if status in _WAITING else "RUNNING"
        info = {
            "run_id": run.id,
            "run_uuid": run.id,
            "run_name": run.title,
            "experiment_id": run.job.experiment,
            "status": _STATUSES[status] if status in ENDED else state,
            "lifecycle_stage": "active",
        }
        last = {one["key"]: one for one in self.logged.get(run.id, [])}
        tags = [] if run.is_job else [{"key": "mlflow.parentRunId", "value": run.parent}]
        data = {"metrics": list(last.values()), "params": [], "tags": tags}
        return {"info": info, "data": data}
