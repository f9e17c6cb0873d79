"""The run history and the metrics of jobs (azure-machine-learning-v2 §2.7, §2.8)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.azureml.answers import (
    API,
    LOCATION,
    SHORT,
    WORKSPACE,
    WORKSPACE_ID,
    Answer,
    Body,
    RequestBody,
    missing,
)
from local.azureml.jobs import ENDED, Job, Jobs, place_of
from local.azureml.places import ARTIFACTS_CONTAINER, NoSuchPlaceError
from local.azureml.steps import Step

_ASSET: Final = re.compile(
    r".*/(?:data|models)/azureml_(?P<run>[\w-]+)_output_(?:data|mlflow_model)_(?P<output>\w+)/versions/1"
)
_MODELS: Final = frozenset({"custom_model", "mlflow_model", "triton_model"})
_TYPES: Final = {
    "uri_file": "UriFile",
    "uri_folder": "UriFolder",
    "mltable": "MLTable",
    "custom_model": "CustomModel",
    "mlflow_model": "MLFlowModel",
    "triton_model": "TritonModel",
}
_MLFLOW: Final = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}
_WAITING: Final = frozenset({"NotStarted", "Starting", "Provisioning", "Preparing", "Queued"})


@dataclass
class History:
    """What is known of runs: jobs, and the steps of pipeline jobs."""

    jobs: Jobs
    metrics: dict[str, list[Body]] = field(default_factory=dict)  #: by run

    def run_data(self, name: str) -> Answer:
        """Return outputs and error of a run; of a pipeline the error names nodes."""
        if (found := self._run(name)) is None:
            return self.jobs.no_job(name)
        job, step = found
        own = self._shown(job, step)
        return Answer(200, {"runMetadata": own, "runDefinition": None, "jobSpecification": None})

    def children(self, name: str, query: Mapping[str, str] | None = None) -> Answer:
        """Return the steps of a pipeline job, with their errors.

        Args:
            name: of the job.
            query: `continuationtoken`, as a `nextLink` has it.

        Returns:
            One page.
        """
        if (job := self.jobs.all.get(name)) is None:
            return self.jobs.no_job(name)
        status = self.jobs.status(job)
        pipeline = job.properties["jobType"] == "Pipeline"
        if job.orphan or not pipeline or status in ("NotStarted", "Preparing"):
            return Answer(200, {"value": []})
        shown = [self._shown(job, step) for step in job.steps]
        skip = int((query or {}).get("continuationtoken") or 0)
        end = skip + self.jobs.switches.children_a_page
        body: Body = {"value": shown[skip:end], "continuationToken": None, "nextLink": None}
        if end < len(shown):
            link = f"{_history_url(name)}/children?continuationtoken={end}"
            body |= {"continuationToken": str(end), "nextLink": link}
        return Answer(200, body)

    def details(self, name: str) -> Answer:
        """Return the log files of a run, with signed addresses."""
        if (found := self._run(name)) is None:
            return self.jobs.no_job(name)
        files = self.jobs.assets.datastores.files
        prefix, base = f"ExperimentRun/dcid.{name}/", f"{files.account}.blob.{files.endpoint}"
        try:
            names = files.names(ARTIFACTS_CONTAINER, prefix)
        except NoSuchPlaceError:
            names = []
        place = f"{files.protocol}://{base}/{ARTIFACTS_CONTAINER}"
        logs = {one.removeprefix(prefix): f"{place}/{one}{files.sas()}" for one in names}
        own = self._shown(*found)
        return Answer(200, {**own, "logFiles": logs})

    def patch(self, name: str, body: RequestBody) -> Answer:
        """Change tags, display name or the archiving of a run, as the portal does.

        Args:
            name: of the job.
            body: `tags` (merged), `displayName`, `hidden`.

        Returns:
            The run.
        """
        if (job := self.jobs.all.get(name)) is None:
            return self.jobs.no_job(name)
        job.properties["tags"] = {**(job.properties.get("tags") or {}), **(body.get("tags") or {})}
        if "displayName" in body:
            job.properties["displayName"] = body["displayName"]
        if "hidden" in body:
            job.properties["isArchived"] = bool(body["hidden"])
        return Answer(200, self._shown(job, None))

    def resolve(self, asset_ids: list[str], *, models: bool = False) -> Answer:
        """Return the URIs of outputs that `run_data` names.

        Args:
            asset_ids: of data, or of models.
            models: whether models are asked for: they have a `path`, not a `uri`.

        Returns:
            The place of each.
        """
        values: Body = {}
        for asset in asset_ids:
            matched = _ASSET.fullmatch(asset)
            found = self._run(matched["run"]) if matched else None
            if matched is None or found is None:
                return missing(f"Asset {asset} was not found.", "DataVersionNotFound")
            uri = self._places(*found)[matched["output"]].replace("azureml://datastores", "", 1)
            kind = self._kind(*found, matched["output"])
            if uri.startswith("/"):
                uri = f"azureml://{SHORT}/datastores{uri}"
            values[asset] = {"path" if models else "uri": uri, "type": kind}
        return Answer(200, {"values": values})

    # MLflow.

    def log_metric(self, name: str, key: str, value: float, step: int = 0) -> None:
        """Keep a metric of a run.

        Args:
            name: of the job or the step.
            key: of the metric.
            value: of the metric; may be no number.
            step: at which it was measured.
        """
        now = int(self.jobs.clock.now().timestamp() * 1000)
        one = {"key": key, "value": value, "timestamp": now, "step": step}
        self.metrics.setdefault(name, []).append(one)

    def mlflow_run(self, name: str) -> Answer:
        """Return a run as MLflow shows it: the last value of each metric."""
        if (found := self._run(name)) is None:
            body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Run {name} not found"}
            return Answer(404, body)
        return Answer(200, {"run": self._mlflow(*found)})

    def mlflow_metrics(self, name: str, key: str) -> Answer:
        """Return every value of a metric.

        Args:
            name: of the job or the step.
            key: of the metric.

        Returns:
            Its history; empty where nothing was logged.
        """
        if self._run(name) is None:
            return self.mlflow_run(name)
        found = [one for one in self.metrics.get(name, []) if one["key"] == key]
        return Answer(200, {"metrics": found})

    def mlflow_search(self, body: RequestBody) -> Answer:
        """Return the runs of experiments, steps included.

        Args:
            body: `experiment_ids`; `filter` may name a parent run.

        Returns:
            The runs.
        """
        wanted = set(body.get("experiment_ids") or ())
        filtered = re.search(r"parentRunId\W+=\s*'([^']+)'", str(body.get("filter") or ""))
        runs = [
            self._mlflow(job, step)
            for job in self.jobs.all.values()
            if not wanted or job.experiment in wanted
            for step in (None, *job.steps)
            if filtered is None or (step is not None and job.name == filtered[1])
        ]
        return Answer(200, {"runs": runs})

    def mlflow_log(self, body: RequestBody) -> Answer:
        """Take metrics from a process that trains: one, or `metrics`."""
        for one in body.get("metrics") or [body]:
            value = float(one["value"])
            self.log_metric(body["run_id"], one["key"], value, int(one.get("step") or 0))
        return Answer(200, {})

    # What is shown.

    def _run(self, name: str) -> tuple[Job, Step | None] | None:
        if (job := self.jobs.all.get(name)) is not None:
            return job, None
        return next(
            (
                (job, step)
                for job in self.jobs.all.values()
                for step in job.steps
                if step.work.run_id == name
            ),
            None,
        )

    def _shown(self, job: Job, step: Step | None) -> Body:
        status = self._status(job, step)
        own: Body = {
            "runId": step.work.run_id if step else job.name,
            "parentRunId": job.name if step else None,
            "rootRunId": job.name,
            "experimentId": job.experiment,
            "status": status,
            "displayName": step.work.node if step else job.properties.get("displayName", job.name),
            "runType": "azureml.StepRun" if step else "azureml.PipelineRun",
            "createdUtc": job.since.isoformat(),
            "dataContainerId": f"dcid.{step.work.run_id if step else job.name}",
            "hidden": bool(job.properties.get("isArchived")),
            "tags": job.properties.get("tags") or {},
            "properties": self._properties(job, step),
            "inputs": {},
            "outputs": self._outputs(job, step) if status == "Completed" else None,
            "error": self._error(job, step) if status == "Failed" else None,
            "warnings": [],
        }
        if step is None and job.properties["jobType"] == "Command":
            own["runType"] = "azureml.scriptrun"
        return own

    def _status(self, job: Job, step: Step | None) -> str:
        status = self.jobs.status(job)
        if step is None or status not in ("Failed", "Canceled"):
            return status
        failed = job.outcome.failed
        order = [one.work.run_id for one in job.steps]
        if failed not in order:
            return status
        before = order.index(step.work.run_id) - order.index(failed)
        if before < 0:
            return "Completed"
        return status if before == 0 else "Canceled"

    def _properties(self, job: Job, step: Step | None) -> Body:
        if step is None:
            return {}
        own: Body = {"azureml.pipelinerunid": job.name, "azureml.rootpipelinerunid": job.name}
        own |= {"azureml.nodeid": step.work.run_id[:8], "azureml.moduleName": step.work.node}
        if step.reused is not None:
            older = step.writer.work.run_id
            own |= {"azureml.isreused": "true", "azureml.reusedrunid": older}
        return own

    def _places(self, job: Job, step: Step | None) -> dict[str, str]:
        if step is None:
            return self.jobs.uris(job)
        return {name: place_of(step, name) for name in step.work.outputs}

    def _kind(self, job: Job, step: Step | None, output: str) -> str:
        kinds = {}
        for one in [step] if step else job.steps:
            for name, given in one.work.outputs.items():
                kinds[name if step else one.bound.get(name, name)] = given.kind
        return kinds[output]

    def _outputs(self, job: Job, step: Step | None) -> Body | None:
        if step is None and not self.jobs.switches.outputs_at_parent:
            return None
        run_id = step.writer.work.run_id if step else job.name
        found = {}
        for output in self._places(job, step):
            kind = self._kind(job, step, output)
            model = kind in _MODELS
            what = ("models", "mlflow_model") if model else ("data", "data")
            where = f"azureml://locations/{LOCATION}/workspaces/{WORKSPACE_ID}/{what[0]}"
            asset = f"{where}/azureml_{run_id}_output_{what[1]}_{output}/versions/1"
            recorded = self.jobs.switches.output_types == "recorded"
            found[output] = {"assetId": asset, "type": _TYPES[kind] if recorded else kind}
        return found

    def _error(self, job: Job, step: Step | None) -> Body | None:
        outcome = job.outcome
        if step is not None or job.properties["jobType"] == "Command":
            error = {"code": outcome.code, "message": outcome.message, "messageParameters": {}}
            return {"error": error | {"details": [], "innerError": None}}
        failed = [s.work.node for s in job.steps if self._status(job, s) == "Failed"]
        nodes = ", ".join(f"/{node}" for node in failed)
        message = (
            f"Pipeline has failed child jobs. Failed nodes: {nodes}. For more details and logs, "
            "please go to the job detail page and check the child jobs."
        )
        code = {"code": "UserError", "referenceCode": "PipelineHasStepJobFailed"}
        return {"error": code | {"message": message}}

    def _mlflow(self, job: Job, step: Step | None) -> Body:
        name, status = step.work.run_id if step else job.name, self._status(job, step)
        state = "SCHEDULED" if status in _WAITING else "RUNNING"
        info = {
            "run_id": name,
            "run_uuid": name,
            "run_name": step.work.node if step else job.properties.get("displayName", name),
            "experiment_id": job.experiment,
            "status": _MLFLOW[status] if status in ENDED else state,
            "lifecycle_stage": "active",
        }
        last = {one["key"]: one for one in self.metrics.get(name, [])}
        tags: list[dict[str, Any]] = []
        if step is not None:
            tags = [{"key": "mlflow.parentRunId", "value": job.name}]
        data = {"metrics": list(last.values()), "params": [], "tags": tags}
        return {"info": info, "data": data}


def _history_url(name: str) -> str:
    return f"https://{API}/history/v1.0{WORKSPACE}/runs/{name}"
