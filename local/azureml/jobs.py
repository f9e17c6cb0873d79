"""Jobs: an idempotent PUT of a name (azure-machine-learning-v2 §2.4, §2.5, §2.6 and §2.7)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from local.azureml import forms
from local.azureml.answers import (
    ARM,
    CREATED,
    OK,
    WORKSPACE,
    Answer,
    Body,
    RequestBody,
    copied,
    invalid,
    missing,
    page_of,
    refusal,
    resource,
)
from local.azureml.assets import Assets, viewed
from local.azureml.bodies import bad_job, texts
from local.azureml.places import ARTIFACTS
from local.azureml.steps import BadPipelineError, Group, Planner, Step, folder_of
from local.azureml.switches import Course, Switches
from local.azureml.training import Ended, InstantTrainer, Outcome, Trainer, Training
from shared.ports.clock import Clock

ENDED: Final = frozenset({"Completed", "Failed", "Canceled"})
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
#: What a second PUT may change.
_MUTABLE: Final = ("description", "tags", "displayName", "properties", "isArchived")


@dataclass
class Job:
    """One job, and how it will go."""

    name: str
    properties: Body
    first: str  #: the status of the answer to the PUT
    since: datetime
    course: Course
    steps: list[Step] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    training: Training | None = None
    trained_at: datetime | None = None
    outcome: Outcome = field(default_factory=Outcome)
    fixed: str | None = None  #: a status that a test has set
    cancelled_at: datetime | None = None
    orphan: bool = False  #: NotStarted without children, for ever
    reported: bool = False  #: whether `finished` was called
    experiment: str = "Default"


@dataclass
class Jobs:
    """The jobs of the workspace."""

    clock: Clock
    switches: Switches
    assets: Assets
    trainer: Trainer = field(default_factory=InstantTrainer)
    all: dict[str, Job] = field(default_factory=dict)
    #: Told of each completed job: its name and the URI of each output.
    finished: Callable[[str, Mapping[str, str]], object] = lambda _name, _uris: None
    _results: dict[object, Step] = field(default_factory=dict)  #: to be reused

    def put(self, name: str, body: RequestBody, api: str = "") -> Answer:
        """Start a job, or find it again; a name never runs twice.

        Args:
            name: derived by the caller.
            body: `properties` of a command or pipeline job.
            api: the api-version.

        Returns:
            201, 200, or `JobPropertyImmutable`.
        """
        if wrong := bad_job(body, api):
            return wrong
        own = copied(dict(body["properties"]))
        for kind in ("tags", "properties", "environmentVariables"):
            if kind in own:
                own[kind] = texts(own[kind])
        if (job := self.all.get(name)) is not None:
            return self._again(job, own)
        if not _NAME.fullmatch(name):
            return invalid(f"{name} is not a name of a job.")
        compute = str(
            own.get("computeId") or (own.get("settings") or {}).get("default_compute") or ""
        )
        if (
            compute
            and self.assets.computes
            and compute.rpartition("/")[2] not in self.assets.computes
        ):
            message = f"Compute {compute.rpartition('/')[2]} was not found."
            return refusal(400, "UserError", message, "ComputeNotFound")
        honoured = self.switches.explicit_uri_honoured or not own.get("componentId")
        planner = Planner(self.assets, name, honoured)
        try:
            steps = planner.plan(own)
        except BadPipelineError as error:
            return invalid(str(error))
        first = "Preparing" if own["jobType"] == "Pipeline" else "Starting"
        job = Job(name, own, first, self.clock.now(), self.switches.course, steps)
        job.groups = planner.groups
        job.experiment = own.get("experimentName") or "Default"
        self.all[name] = job
        headers = {"Location": f"{ARM}{WORKSPACE}/jobs/{name}"}
        return Answer(CREATED, self._shown(job, first), headers)

    def get(self, name: str) -> Answer:
        """Return a job, or 404."""
        if (job := self.all.get(name)) is None:
            return self.no_job(name)
        return Answer(OK, self._shown(job))

    def page(self, query: Mapping[str, str]) -> Answer:
        """List jobs.

        Args:
            query: `tag` (the key of a tag that they have), `properties` (as `a,b=c`), `jobType`,
                `listViewType`; `$skip` as a `nextLink` has it.

        Returns:
            One page; `nextLink` is absent on the last.
        """
        tag, kind = query.get("tag"), query.get("jobType", "").lower()
        view = query.get("listViewType", "ActiveOnly")
        found = [
            self._shown(job)
            for job in self.all.values()
            if (not tag or tag in (job.properties.get("tags") or {}))
            and kind in ("", job.properties["jobType"].lower())
            and viewed(view, archived=bool(job.properties.get("isArchived")))
            and _has(job.properties.get("properties") or {}, query.get("properties", ""))
        ]
        return page_of(found, "jobs", query, self.switches.jobs_a_page)

    def cancel(self, name: str) -> Answer:
        """Ask a job to end; one that has ended refuses.

        Args:
            name: of the job.

        Returns:
            200 or 202; 400 `CancelPipelineRunInTerminalStatus` after its end.
        """
        if (job := self.all.get(name)) is None:
            return self.no_job(name)
        if self.status(job) in ENDED:
            message = f"The pipeline run {name} is in terminal status, it can't be canceled."
            inner = ("BadArgument", "ArgumentInvalid", "CancelPipelineRunInTerminalStatus")
            return refusal(400, "UserError", message, "", *inner)
        if job.cancelled_at is None:
            job.cancelled_at = self.clock.now()
        if job.training is not None and self.switches.cancel_wins:
            job.training.stop()
        if self.switches.cancel_status == OK:
            return Answer(OK)
        return Answer(202, None, {"Location": f"{ARM}{WORKSPACE}/jobs/{name}", "Retry-After": "5"})

    def delete(self, name: str) -> Answer:
        """Delete a job that has ended; 204 if there is none."""
        if (job := self.all.get(name)) is None:
            return Answer(204)
        if self.status(job) not in ENDED:
            return invalid(f"Job {name} has not ended.")
        del self.all[name]
        return Answer(202, None, {"Location": f"{ARM}{WORKSPACE}/jobs/{name}"})

    def advance(self) -> None:
        """Begin the training of every job whose time has come."""
        for job in tuple(self.all.values()):
            if not job.orphan and job.cancelled_at is None:
                self.status(job)

    def status(self, job: Job) -> str:
        """Return where a job is on its course."""
        status = self._status(job)
        if status == "Completed" and self.trainer.instant and job.training is None:
            ended = self._start(job).outcome()
            if ended and ended.status != "Completed":
                job.outcome, job.fixed = ended, job.fixed and ended.status
                return ended.status
        if status == "Completed" and not job.reported:
            job.reported = True
            for step in job.steps:
                if step.reused is None:
                    self._results[step.key] = step
            self.finished(job.name, self.uris(job))
        return status

    def uris(self, job: Job) -> dict[str, str]:
        """Return where the outputs of a job really are."""
        found = {}
        for step in job.steps:
            for output, one in step.writer.work.outputs.items():
                if job.properties["jobType"] == "Command":
                    found[output] = one.value
                elif output in step.bound:
                    found[step.bound[output]] = one.value
        return found

    def no_job(self, name: str) -> Answer:
        """Say that there is no such job."""
        if not self.switches.missing_job_has_body:
            return Answer(404)
        return missing(f"Run {name} was not found.", "RunNotFound")

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
            if status == "Running" and not self.trainer.instant:
                return self._trained(job)
            end += span
            if time < end:
                return status
        return job.outcome.status

    def _trained(self, job: Job) -> str:
        """Return the status of a job that is trained for real, from its running on."""
        if job.training is None and job.cancelled_at is not None:
            return "Canceled"
        outcome = (job.training or self._start(job)).outcome()
        if outcome is None:
            return "Running"
        if job.trained_at is None:
            job.trained_at = self.clock.now()
            if job.outcome.status == "Completed":
                job.outcome = outcome
        last = dict(job.course).get("Finalizing", timedelta())
        return "Finalizing" if self.clock.now() < job.trained_at + last else job.outcome.status

    def _start(self, job: Job) -> Training:
        always, forced = self.switches.reuse == "always", self.switches.reuse == "never"
        forced = forced or bool((job.properties.get("settings") or {}).get("force_rerun"))
        for step in job.steps:
            result = self._results.get(step.key)
            if result is not None and step.deterministic and (always or not forced):
                step.reused = result
        work = [step.work for step in job.steps if step.reused is None]
        job.training = self.trainer.start(work, self.assets.datastores) if work else Ended()
        return job.training

    def _absent_compute(self, own: Body) -> str | None:
        """Return the compute that a job names and that is not there; any is while none is known."""
        said = own.get("computeId") or (own.get("settings") or {}).get("default_compute")
        name = str(said or "").rpartition("/")[2].rpartition(":")[2]
        known = self.assets.computes
        return name if known and name not in ("", "serverless", *known) else None

    def _again(self, job: Job, own: Body) -> Answer:
        def fixed(properties: Body) -> Body:
            return {
                key: value
                for key, value in properties.items()
                if key not in _MUTABLE and value is not None
            }

        immutable = self.switches.identical_job == "immutable"
        if immutable or fixed(own) != fixed(job.properties):
            message = "Only description, tags, displayName, properties and isArchived can change."
            status = self.switches.immutable_status
            return refusal(status, "UserError", message, "", "BadArgument", "JobPropertyImmutable")
        job.properties = own
        return Answer(OK, self._shown(job))

    def _shown(self, job: Job, status: str | None = None) -> Body:
        uris = {}
        if job.properties["jobType"] == "Command":
            default = f"azureml://datastores/{ARTIFACTS}/ExperimentRun/dcid.{job.name}"
            uris = {"default": default} | self.uris(job)
        own = forms.answered(job.name, job.properties, status or self.status(job), uris)
        return resource(f"{WORKSPACE}/jobs/{job.name}", own, job.since)


def _has(properties: Body, wanted: str) -> bool:
    """Whether a job has each of the properties, with its value where one is given."""
    for one in filter(None, wanted.split(",")):
        name, equals, value = one.partition("=")
        if name not in properties or (equals and properties[name] != value):
            return False
    return True


def place_of(step: Step, output: str) -> str:
    """Return where an output of a step is: of a reused step, where the older one has it.

    Args:
        step: of a job.
        output: its name at the step.

    Returns:
        The URI.
    """
    writer = step.writer
    given = writer.work.outputs.get(output)
    return given.value if given else folder_of(writer.work.run_id, output)
