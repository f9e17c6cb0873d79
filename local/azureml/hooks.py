"""Changes of the workspace by a test: set it up, make it fail, change it as another program does.

None of them is a call: each is done at once, is not logged, and no fault applies to it. For
another program that sends requests see `Calls.other_writer`.
"""

from dataclasses import dataclass

from local.azureml.answers import CREATED, LOCATION, OK, Body
from local.azureml.endpoint_hooks import EndpointHooks
from local.azureml.jobs import ENDED
from local.azureml.places import Datastore
from local.azureml.training import Outcome


@dataclass
class Hooks(EndpointHooks):
    """The changes that a test can make to the workspace without a call."""

    def add_datastore(self, name: str, container: str, **about: str) -> None:
        """Register a datastore.

        Args:
            name: of the datastore.
            container: that it leads to.
            about: `kind` and `account`, where they are not the usual ones.
        """
        self.jobs.assets.datastores.add(Datastore(name, container, **about))

    def add_compute(self, name: str) -> None:
        """Make a cluster; with the first one, no other is there any more."""
        scale = {"maxNodeCount": 4, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"}
        inner: Body = {
            "vmSize": "STANDARD_DS2_V2",
            "vmPriority": "Dedicated",
            "scaleSettings": scale,
        }
        inner |= {"currentNodeCount": 0, "targetNodeCount": 0, "allocationState": "Steady"}
        inner["osType"] = "Linux"
        own = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": inner}
        self.jobs.assets.computes[name] = own | {"computeLocation": LOCATION}

    def add_asset(self, kind: str, name: str, version: str, properties: Body) -> str:
        """Register a version of something; with the first component, no other is there any more.

        Args:
            kind: components, environments, codes or data.
            name: of the asset.
            version: of the asset.
            properties: as a PUT has them.

        Returns:
            Its id.

        Raises:
            ValueError: the PUT would be refused.
        """
        answer = self.jobs.assets.put(kind, name, version, {"properties": properties})
        if answer.status not in (OK, CREATED):
            raise ValueError(answer.body["error"]["details"][0]["message"])
        return str(answer.body["id"])

    def set_job(self, name: str, status: str, code: str = "UserError", message: str = "") -> None:
        """Put a job into a status; it stays there unless it is cancelled.

        Args:
            name: of the job.
            status: any of azure-machine-learning-v2 §2.5.
            code: of a failed job's error.
            message: of a failed job's error.
        """
        job = self.jobs.all[name]
        job.fixed = status
        if status in ENDED:
            job.outcome = Outcome(status, code, message, self._last_step(name))

    def end_job_as(
        self, name: str, status: str, code: str = "UserError", message: str = ""
    ) -> None:
        """Say how a job will end when it has run its course.

        Args:
            name: of the job.
            status: Completed, Failed or Canceled (a time limit, preemption, an operator).
            code: of a failed job's error.
            message: of a failed job's error.
        """
        job = self.jobs.all[name]
        job.outcome = Outcome(status, code, message, self._last_step(name))

    def _last_step(self, name: str) -> str | None:
        steps = self.jobs.all[name].steps
        return steps[-1].work.run_id if steps else None

    def finish_jobs(self) -> None:
        """Complete every job that has not ended, was not cancelled and is not an orphan."""
        for job in self.jobs.all.values():
            open_still = self.jobs.status(job) not in ENDED
            if open_still and not job.orphan and job.cancelled_at is None:
                job.fixed = "Completed"
                self.jobs.status(job)
