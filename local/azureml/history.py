"""The run history of jobs: outputs, errors and logs (azure-machine-learning-v2 §2.7, §2.8)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from local.azureml.answers import (
    API,
    LOCATION,
    OK,
    SHORT,
    WORKSPACE,
    WORKSPACE_ID,
    Answer,
    Body,
    RequestBody,
    missing,
)
from local.azureml.bodies import RunChange
from local.azureml.jobs import Job, Jobs, place_of
from local.azureml.places import ARTIFACTS_CONTAINER, NoSuchPlaceError
from local.azureml.steps import Group, Step

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


@dataclass
class History:
    """The history of runs: jobs, and the steps of pipeline jobs."""

    jobs: Jobs

    def run_data(self, name: str) -> Answer:
        """Return outputs and error of a run; of a pipeline the error names nodes."""
        if (run := self.find(name)) is None:
            return self.jobs.no_job(name)
        own = self._shown(run)
        return Answer(OK, {"runMetadata": own, "runDefinition": None, "jobSpecification": None})

    def children(self, name: str, query: Mapping[str, str] | None = None) -> Answer:
        """Return the steps of a pipeline job, with their errors.

        Args:
            name: of the job, or of a step that is a pipeline.
            query: `continuationtoken`, as a `nextLink` has it.

        Returns:
            One page.
        """
        if (run := self.find(name)) is None:
            return self.jobs.no_job(name)
        job, status = run.job, self.jobs.status(run.job)
        pipeline = job.properties["jobType"] == "Pipeline" and run.step is None
        if job.orphan or not pipeline or status in ("NotStarted", "Preparing"):
            return Answer(OK, {"value": []})
        shown = [self._shown(one) for one in run.children()]
        skip = int((query or {}).get("continuationtoken") or 0)
        end = skip + self.jobs.switches.children_a_page
        body: Body = {"value": shown[skip:end], "continuationToken": None, "nextLink": None}
        if end < len(shown):
            link = f"{_history_url(name)}/children?continuationtoken={end}"
            body |= {"continuationToken": str(end), "nextLink": link}
        return Answer(OK, body)

    def details(self, name: str) -> Answer:
        """Return the log files of a run, with signed addresses."""
        if (run := self.find(name)) is None:
            return self.jobs.no_job(name)
        files = self.jobs.assets.datastores.files
        prefix, base = f"ExperimentRun/dcid.{name}/", f"{files.account}.blob.{files.endpoint}"
        try:
            names = files.names(ARTIFACTS_CONTAINER, prefix)
        except NoSuchPlaceError:
            names = []
        place = f"{files.protocol}://{base}/{ARTIFACTS_CONTAINER}"
        logs = {one.removeprefix(prefix): f"{place}/{one}{files.sas()}" for one in names}
        return Answer(OK, self._shown(run) | {"logFiles": logs})

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
        change = RunChange.model_validate(body)
        job.properties["tags"] = {**(job.properties.get("tags") or {}), **(change.tags or {})}
        if change.display_name is not None:
            job.properties["displayName"] = change.display_name
        if change.hidden is not None:
            job.properties["isArchived"] = change.hidden
        return Answer(OK, self._shown(Run(job)))

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
            run = self.find(matched["run"]) if matched else None
            if matched is None or run is None:
                return missing(f"Asset {asset} was not found.", "DataVersionNotFound")
            kind, uri = self._places(run)[matched["output"]]
            short = uri.removeprefix("azureml://datastores/")
            if short != uri:
                uri = f"azureml://{SHORT}/datastores/{short}"
            values[asset] = {"path" if models else "uri": uri, "type": _TYPES[kind]}
        return Answer(OK, {"values": values})

    def find(self, name: str) -> "Run | None":
        """Return the run of a job, or of one of its nodes."""
        if (job := self.jobs.all.get(name)) is not None:
            return Run(job)
        runs = (run for job in self.jobs.all.values() for run in Run(job).below())
        return next((run for run in runs if run.id == name), None)

    def status(self, run: "Run") -> str:
        """Return the status of a run: after a failure, what came before it has completed."""
        status, failed = self.jobs.status(run.job), run.job.outcome.failed
        order = [one.work.run_id for one in run.job.steps]
        if run.is_job or status not in ("Failed", "Canceled") or failed not in order:
            return status
        own = [order.index(one.work.run_id) - order.index(failed) for one in run.steps()]
        if 0 in own:
            return status
        return "Completed" if all(one < 0 for one in own) else "Canceled"

    def _shown(self, run: "Run") -> Body:
        job, status = run.job, self.status(run)
        return {
            "runId": run.id,
            "parentRunId": run.parent,
            "rootRunId": job.name,
            "experimentId": job.experiment,
            "status": status,
            "displayName": run.title,
            "runType": run.kind,
            "createdUtc": job.since.isoformat(),
            "dataContainerId": f"dcid.{run.id}",
            "hidden": bool(job.properties.get("isArchived")),
            "tags": job.properties.get("tags") or {},
            "properties": run.properties(),
            "inputs": {},
            "outputs": self._outputs(run) if status == "Completed" else None,
            "error": self._error(run) if status == "Failed" else None,
            "warnings": self._warnings(run) if status == "Failed" else [],
        }

    def _places(self, run: "Run") -> dict[str, tuple[str, str]]:
        """Return type and URI of each output."""
        found = {}
        for step in run.steps():
            for name, given in step.work.outputs.items():
                shown = step.bound.get(name, name) if run.step is None else name
                found[shown] = (given.kind, place_of(step, name))
        return found

    def _outputs(self, run: "Run") -> Body | None:
        if run.is_job and not self.jobs.switches.outputs_at_parent:
            return None
        run_id = run.step.writer.work.run_id if run.step else run.id
        found = {}
        for output, (kind, _) in self._places(run).items():
            what = ("models", "mlflow_model") if kind in _MODELS else ("data", "data")
            where = f"azureml://locations/{LOCATION}/workspaces/{WORKSPACE_ID}/{what[0]}"
            asset = f"{where}/azureml_{run_id}_output_{what[1]}_{output}/versions/1"
            recorded = self.jobs.switches.output_types == "recorded"
            found[output] = {"assetId": asset, "type": _TYPES[kind] if recorded else kind}
        return found

    def _warnings(self, run: "Run") -> list[Body]:
        message = self._error(run)["error"]["message"]
        return [{"source": run.job.name, "message": f"AzureMLCompute job failed\n{message}"}]

    def _error(self, run: "Run") -> Body:
        outcome = run.job.outcome
        if run.step is not None or run.job.properties["jobType"] == "Command":
            error = {"code": outcome.code, "message": outcome.message, "messageParameters": {}}
            return {"error": error | {"details": [], "innerError": None}}
        failed = [one.title for one in run.children() if self.status(one) == "Failed"]
        nodes = ", ".join(f"/{node}" for node in failed)
        message = (
            f"Pipeline has failed child jobs. Failed nodes: {nodes}. For more details and logs, "
            "please go to the job detail page and check the child jobs."
        )
        code = {"code": "UserError", "referenceCode": "PipelineHasStepJobFailed"}
        return {"error": code | {"message": message}}


@dataclass(frozen=True)
class Run:
    """A run in the history: a job, a step of it, or a node that is a pipeline."""

    job: Job
    step: Step | None = None
    group: Group | None = None

    @property
    def is_job(self) -> bool:
        """Return whether it is the job itself."""
        return self.step is None and self.group is None

    @property
    def id(self) -> str:
        """Return its id."""
        if self.group is not None:
            return self.group.run_id
        return self.step.work.run_id if self.step else self.job.name

    @property
    def parent(self) -> str | None:
        """Return the id of the run that it is a child of."""
        if self.is_job:
            return None
        outer = self.group.parent if self.group else self.step and self.step.group
        return outer or self.job.name

    @property
    def title(self) -> str:
        """Return its display name: that of the node."""
        if self.is_job:
            return str(self.job.properties.get("displayName") or self.job.name)
        node = self.group.node if self.group else self.step.work.node if self.step else ""
        return node.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Return the type of the run."""
        if self.step is not None:
            return "azureml.StepRun"
        command = self.job.properties["jobType"] == "Command"
        return "azureml.scriptrun" if command else "azureml.PipelineRun"

    def below(self) -> Iterator["Run"]:
        """Yield the runs of all nodes of the job; a command job has none."""
        if self.job.properties["jobType"] == "Pipeline":
            yield from (Run(self.job, group=one) for one in self.job.groups)
            yield from (Run(self.job, step=one) for one in self.job.steps)

    def children(self) -> list["Run"]:
        """Return the runs of its own nodes."""
        return [run for run in self.below() if run.parent == self.id]

    def steps(self) -> list[Step]:
        """Return the steps that it is made of."""
        if self.step is not None:
            return [self.step]
        if self.group is None:
            return self.job.steps
        return [step for run in self.children() for step in run.steps()]

    def properties(self) -> Body:
        """Return what the service says of it."""
        if self.is_job:
            return {}
        own: Body = {"azureml.pipelinerunid": self.parent, "azureml.moduleName": self.title}
        own |= {"azureml.rootpipelinerunid": self.job.name, "azureml.nodeid": self.id[:8]}
        if self.step is not None and self.step.reused is not None:
            older = self.step.writer.work.run_id
            own |= {"azureml.isreused": "true", "azureml.reusedrunid": older}
        return own


def _history_url(name: str) -> str:
    return f"https://{API}/history/v1.0{WORKSPACE}/runs/{name}"
