"""A tiny service in the shape of Azure ML v2: names instead of ids, updates that take time.

It shows that the ports fit more than Studio: a job is one idempotent PUT under a name of the
caller's, and an endpoint's update is an operation that says how it stands.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import Verify
from shared.core.run.record import RollbackTarget
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from shared.errors import PermanentError
from shared.ports.ports import Current, JobRequest, JobState, JobStatus
from tests.fakes.clock import FakeClock


@dataclass
class V2Jobs:
    """`TrainingService` by PUT jobs/{name}; a job runs until `finish`."""

    jobs: dict[str, JobStatus] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)

    def prepare(self, request: JobRequest) -> str:
        seed = f"{request.run_id}/{request.attempt}".encode()
        return f"rt-{hashlib.sha256(seed).hexdigest()[:20]}"

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        return {"method": "PUT", "url": f"https://v2.example/jobs/{self.prepare(request)}"}

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        if handle not in self.jobs:
            self.jobs[handle] = JobStatus.RUNNING
            self.starts.append(handle)

    def state(self, handle: str) -> JobState:
        # A name that was prepared and never PUT is a job that has not started.
        return JobState(self.jobs.get(handle, JobStatus.NOT_STARTED))

    def cancel(self, handle: str) -> None:
        if self.jobs.get(handle) in (None, JobStatus.RUNNING):
            self.jobs[handle] = JobStatus.CANCELLED

    def finish(self) -> None:
        for name, status in self.jobs.items():
            if status is JobStatus.RUNNING:
                self.jobs[name] = JobStatus.FINISHED


@dataclass
class V2Endpoint:
    """`ServingEndpoint` whose update is an operation of `takes`."""

    clock: FakeClock
    verify: Verify | None
    takes: timedelta = timedelta(minutes=5)
    serving: str = "models/first"
    coming: tuple[datetime, str] | None = None
    refuse: bool = False

    def current(self) -> Current:
        self._settle()
        wanted = self.coming[1] if self.coming else self.serving
        return Current(location=("https://account.blob.core.windows.net/", wanted, ""))

    def ensure(self) -> None:
        pass

    def update(self, model: BlobVersion) -> str | None:
        if self.refuse:
            raise PermanentError("the deployment is read only")
        self.coming = (self.clock.now() + self.takes, model.path)
        return f"operations/{model.name}"

    def restore(self, previous: RollbackTarget) -> str | None:
        if previous.model is None:
            raise PermanentError("there is no model to go back to")
        return self.update(previous.model)

    def look(self, operation: str | None = None) -> EndpointCheck:
        self._settle()
        progress = UpdateProgress.PENDING if self.coming else UpdateProgress.DONE
        return EndpointCheck(progress, self._probe(), configured=self.serving)

    def _probe(self) -> ProbeAnswers | None:
        if self.verify is None:
            return None
        score = hashlib.sha256(self.serving.encode()).hexdigest()
        return ProbeAnswers(seen=ProbeOutcome.GOOD, columns=("score",), rows=((score,),))

    def _settle(self) -> None:
        if self.coming and self.clock.now() >= self.coming[0]:
            self.serving, self.coming = self.coming[1], None
