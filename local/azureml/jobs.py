"""Jobs: an idempotent PUT of a name (azure-machine-learning-v2 §2.4, §2.5, §2.6, §2.7, §2.8)."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

from local.azureml.answers import (
    ARM,
    OK,
    WORKSPACE,
    Answer,
    Body,
    RequestBody,
    Shape,
    invalid,
    missing,
    refusal,
)
from local.azureml.switches import Course, Switches
from shared.ports.clock import Clock

ENDED = frozenset({"Completed", "Failed", "Canceled"})
#: What a second PUT may change.
_MUTABLE = ("description", "tags", "displayName", "properties", "isArchived")
_SHAPE = Shape.of(
    top="properties",
    properties=(
        "jobType componentId jobs command codeId environmentId environmentVariables computeId "
        "experimentName displayName description tags properties inputs outputs settings limits "
        "resources distribution identity queueSettings services notificationSetting "
        "isArchived"
    ),
    read_only="id name type systemData status",
)


@dataclass
class Job:
    """One job, and how it will go."""

    name: str
    properties: Body
    first: str  #: the status of the answer to the PUT
    since: datetime
    course: Course
    ending: str = "Completed"
    code: str = "UserError"
    message: str = ""
    fixed: str | None = None  #: a status that a test has set
    cancelled_at: datetime | None = None
    orphan: bool = False  #: NotStarted without children, for ever
    reported: bool = False  #: whether `finished` was called


@dataclass
class Jobs:
    """The jobs of the workspace."""

    clock: Clock
    switches: Switches
    all: dict[str, Job] = field(default_factory=dict)
    #: Writes the outputs of a completed job: its name and the URI of each output.
    finished: Callable[[str, Mapping[str, str]], object] = lambda _name, _uris: None

    def put(self, name: str, body: RequestBody) -> Answer:
        """Start a job, or find it again; a name never runs twice.

        Args:
            name: derived by the caller.
            body: `properties` of a command or pipeline job.

        Returns:
            201, 200, or `JobPropertyImmutable`.
        """
        if refused := _SHAPE.unknown(body, read_only=False):
            return refused
        own = deepcopy(dict(body["properties"]))
        if own.get("jobType") not in ("Pipeline", "Command"):
            return invalid("jobType is required.")
        if (job := self.all.get(name)) is not None:
            return self._again(job, own)
        first = "Preparing" if own["jobType"] == "Pipeline" else "Starting"
        job = Job(name, own, first, self.clock.now(), self.switches.course)
        self.all[name] = job
        headers = {"Location": f"{ARM}{WORKSPACE}/jobs/{name}"}
        return Answer(201, self._shown(job, first), headers)

    def get(self, name: str) -> Answer:
        """Return a job, or 404."""
        if (job := self.all.get(name)) is None:
            return self._missing(name)
        return Answer(200, self._shown(job))

    def page(self, tag: str | None, skip: int) -> Answer:
        """List jobs.

        Args:
            tag: the key of a tag that they have.
            skip: how many to leave out, from `$skip` of a `nextLink`.

        Returns:
            One page; `nextLink` is absent on the last.
        """
        found = [
            self._shown(job)
            for job in self.all.values()
            if tag is None or tag in (job.properties.get("tags") or {})
        ]
        end = skip + self.switches.jobs_a_page
        body: Body = {"value": found[skip:end]}
        if end < len(found):
            body["nextLink"] = f"{ARM}{WORKSPACE}/jobs?$skip={end}"
        return Answer(200, body)

    def cancel(self, name: str) -> Answer:
        """Ask a job to end; one that has ended refuses.

        Args:
            name: of the job.

        Returns:
            200 or 202; 400 `CancelPipelineRunInTerminalStatus` after its end.
        """
        if (job := self.all.get(name)) is None:
            return self._missing(name)
        if self.status(job) in ENDED:
            message = f"The pipeline run {name} is in terminal status, it can't be canceled."
            inner = ("BadArgument", "ArgumentInvalid", "CancelPipelineRunInTerminalStatus")
            return refusal(400, "UserError", message, "", *inner)
        if job.cancelled_at is None:
            job.cancelled_at = self.clock.now()
        if self.switches.cancel_status == OK:
            return Answer(200)
        return Answer(202, None, {"Location": f"{ARM}{WORKSPACE}/jobs/{name}", "Retry-After": "5"})

    def run_data(self, name: str) -> Answer:
        """Return outputs and error of the run history; of a pipeline the error names nodes."""
        if (job := self.all.get(name)) is None:
            return self._missing(name)
        status = self.status(job)
        shown: Body = {"runId": name, "status": status, "outputs": None, "error": None}
        if status == "Completed":
            ids = {output: f"azureml://data/{name}/{output}/versions/1" for output in _outputs(job)}
            shown["outputs"] = {k: {"assetId": v, "type": "UriFolder"} for k, v in ids.items()}
        if status == "Failed":
            shown["error"] = self._error(job)
        return Answer(200, {"runMetadata": shown})

    def resolve(self, asset_ids: list[str]) -> Answer:
        """Return the URIs of outputs that `run_data` names."""
        values = {}
        for asset in asset_ids:
            name, output = asset.removeprefix("azureml://data/").split("/")[:2]
            uri = self._uris(self.all[name])[output]
            values[asset] = {"uri": uri, "type": "UriFolder"}
        return Answer(200, {"values": values})

    def children(self, name: str) -> Answer:
        """Return the steps of a pipeline job, with their errors."""
        if (job := self.all.get(name)) is None:
            return self._missing(name)
        status = self.status(job)
        pipeline = job.properties["jobType"] == "Pipeline"
        if job.orphan or not pipeline or status in ("NotStarted", "Preparing"):
            return Answer(200, {"value": []})
        step: Body = {"runId": f"{name}-step", "displayName": "train", "status": status}
        if status == "Failed":
            step["error"] = {"error": {"code": job.code, "message": job.message}}
        return Answer(200, {"value": [step]})

    def status(self, job: Job) -> str:
        """Return where a job is on its course."""
        status = self._status(job)
        if status == "Completed" and not job.reported:
            job.reported = True
            self.finished(job.name, self._uris(job))
        return status

    def _status(self, job: Job) -> str:
        if job.orphan:
            return "NotStarted"
        if job.fixed in ENDED:
            return str(job.fixed)
        now = self.clock.now()
        if job.cancelled_at is None:
            return job.fixed or self._at(job, now)
        end = job.cancelled_at + self.switches.cancelling
        reached = self._at(job, min(now, end))
        if reached in ENDED and not self.switches.cancel_wins:
            return reached
        return "Canceled" if now >= end else "CancelRequested"

    def _at(self, job: Job, time: datetime) -> str:
        end = job.since
        for status, span in job.course:
            end += span
            if time < end:
                return status
        return job.ending

    def _again(self, job: Job, own: Body) -> Answer:
        def fixed(properties: Body) -> Body:
            return {key: value for key, value in properties.items() if key not in _MUTABLE}

        immutable = self.switches.identical_job == "immutable"
        if immutable or fixed(own) != fixed(job.properties):
            message = "Only description, tags, displayName, properties and isArchived can change."
            status = self.switches.immutable_status
            return refusal(status, "UserError", message, "", "BadArgument", "JobPropertyImmutable")
        job.properties = own
        return Answer(200, self._shown(job))

    def _shown(self, job: Job, status: str | None = None) -> Body:
        own = deepcopy(job.properties)
        own["status"] = status or self.status(job)
        if own["jobType"] == "Command":
            for output, uri in self._uris(job).items():
                own["outputs"][output] = {**(own["outputs"][output] or {}), "uri": uri}
        own["services"] = {"Studio": {"endpoint": f"https://ml.azure.com/runs/{job.name}"}}
        return {"id": f"{WORKSPACE}/jobs/{job.name}", "name": job.name, "properties": own}

    def _uris(self, job: Job) -> dict[str, str]:
        """Return where the outputs really are."""
        store = "azureml://datastores/workspaceblobstore/paths/azureml"
        honoured = self.switches.explicit_uri_honoured or not job.properties.get("componentId")
        return {
            output: (honoured and (asked or {}).get("uri")) or f"{store}/{job.name}/{output}/"
            for output, asked in _outputs(job).items()
        }

    def _error(self, job: Job) -> Body:
        if job.properties["jobType"] == "Command":
            return {"error": {"code": job.code, "message": job.message}}
        message = "Pipeline has failed child jobs. Failed nodes: /train."
        code = {"code": "UserError", "referenceCode": "PipelineHasStepJobFailed"}
        return {"error": code | {"message": message}}

    def _missing(self, name: str) -> Answer:
        if not self.switches.missing_job_has_body:
            return Answer(404)
        return missing(f"Run {name} was not found.", "RunNotFound")


def _outputs(job: Job) -> Body:
    return job.properties.get("outputs") or {}
