"""Reads the ledger directly, bypassing the app."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from azure.core.exceptions import ResourceNotFoundError
from pydantic import BaseModel, ValidationError

from local.demo.app_stage import LEDGER, MODELS, AppStage
from local.demo.azureml_stage import AzureMlStage
from local.demo.serving_stage import ServingStage
from local.demo.stage import Stage
from shared.core.config.azureml_models import ATTEMPT_TAG, RUN_TAG
from shared.core.counting import counted
from shared.core.full_listing import Existing, FullListing
from shared.core.run.concurrency import Pause, RunQueue
from shared.core.run.record import Origin, Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.state import EndpointState
from shared.core.serving.traffic import ALL
from shared.ledger.configurations import KeptConfiguration
from shared.ledger.progress import Heartbeat, LastEvent, SearchState, Tick, Undelivered
from shared.ledger.schedules import Activation, ScheduleRecord
from shared.ledger.versions import VersionEntry

R = TypeVar("R", bound=BaseModel)
#: A version of training data: its name, and its ETag without quotes.
Cause = tuple[str, str]

_RECORDS: Final[Mapping[str, type[BaseModel]]] = {
    "runs": Run,
    "versions": VersionEntry,
    "inbox": VersionEntry,
    "run_queues": RunQueue,
    "shared_queues": RunQueue,
    "pauses": Pause,
    "endpoints": EndpointState,
    "drift_checks": DriftCheck,
    "pipelines": Activation,
    "schedules": ScheduleRecord,
    "configurations": KeptConfiguration,
    "cleaning": ScheduleRecord,
    "poll": Heartbeat,
    "tick": Tick,
    "last_event": LastEvent,
    "undelivered": Undelivered,
    "search": SearchState,
    "full_listing": FullListing,
    "existing": Existing,
}


class Records(ABC):
    """The records of a stage, and its jobs; each version of a record is read once."""

    def __init__(self, stage: AppStage) -> None:
        self._stage = stage
        self._container = stage.storage.get_container_client(LEDGER)
        self._runs: dict[str, tuple[str, Run]] = {}
        self._checked: set[tuple[str, str]] = set()

    def runs(self) -> Iterator[tuple[Run, datetime]]:
        """Yield every run that can be read, with the time of its last change."""
        for listed in list(self._listed("runs/")):
            etag, run = self._runs.get(listed.name, ("", None))
            if run is None or etag != listed.etag:
                run = self._parsed(listed.name, Run)
                if run is None:
                    continue
                self._runs[listed.name] = (listed.etag, run)
            yield run, listed.last_modified

    def opened_by(self, cause: Cause) -> list[Run]:
        """Return the runs that this data opened."""
        return [
            run
            for run, _ in self.runs()
            if run.origin is Origin.DATA
            if cause in {(blob.name, blob.etag) for blob in run.manifest}
        ]

    @abstractmethod
    def starts(self) -> Counter[str]:
        """Return how often a job was started for each attempt, by a text that names its run."""

    def started_twice(self) -> list[str]:
        """Return the attempts for which more than one job was started."""
        return [
            f"{attempt}: {counted(times, 'start')}"
            for attempt, times in self.starts().items()
            if times > 1
        ]

    def is_idle_since(self, moment: datetime) -> bool:
        """Whether a tick after `moment` found no open run."""
        beat = self._parsed("poll", Heartbeat)
        return beat is not None and beat.at > moment and not list(self._listed("open/"))

    def unreadable(self) -> list[str]:
        """Return the records that cannot be read, of those written since the last call."""
        found = []
        for listed in list(self._listed("")):
            kind = _RECORDS.get(listed.name.partition("/")[0])
            if (listed.name, listed.etag) in self._checked or listed.size == 0:
                continue
            self._checked.add((listed.name, listed.etag))
            if kind is None:
                found.append(f"{listed.name}: of no known kind")
            elif problem := self._problem(listed.name, kind):
                found.append(f"{listed.name}: {problem}")
        return found

    def _listed(self, prefix: str) -> Iterator[Any]:
        return iter(self._container.list_blobs(name_starts_with=prefix or None))

    def _problem(self, name: str, kind: type[BaseModel]) -> str:
        try:
            kind.model_validate_json(self._container.download_blob(name).readall())
        except ResourceNotFoundError:
            return ""  # gone meanwhile
        except ValidationError as error:
            return str(error)
        return ""

    def serving(self) -> str | None:
        """Return the run whose model the ledger says serves."""
        serving = [
            known.serving
            for endpoint_state in self.endpoint_states()
            for known in endpoint_state.resources.values()
        ]
        return next((one.run_id for one in serving if one), None)

    def endpoint_states(self) -> list[EndpointState]:
        """Return the records of endpoints that can be read."""
        names = [listed.name for listed in list(self._listed("endpoints/"))]
        found = (self._parsed(name, EndpointState) for name in names)
        return [endpoint_state for endpoint_state in found if endpoint_state]

    def _parsed(self, name: str, kind: type[R]) -> R | None:
        try:
            return kind.model_validate_json(self._container.download_blob(name).readall())
        except (ResourceNotFoundError, ValidationError):
            return None


class StudioRecords(Records):
    """The records of a stage, and the jobs and the endpoint of Studio."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._studio = stage.studio

    def starts(self) -> Counter[str]:
        """Return how often a job was started for each attempt, by the folder of its model."""
        started: Counter[str] = Counter()
        for job in self._studio.state["jobs"]:
            attempt = str(job["outputs"]["output1"]).rpartition("/")[0]
            started[attempt] += job["starts"]
        return started

    def not_serving(self, run: Run) -> list[str]:
        """Return what contradicts that the model of `run` serves: the endpoint, or the ledger."""
        if run.model is None:
            return [f"{run.run_id} has no model"]
        model = self._stage.storage.get_blob_client(*run.model.name.split("/", 1))
        wanted = hashlib.sha256(model.download_blob().readall()).hexdigest()
        served = [
            endpoint["serving_sha256"]
            for service in self._studio.state["services"]
            for endpoint in service["endpoints"]
            if endpoint["name"] == "production"
        ]
        found = []
        if served != [wanted]:
            found.append(f"the endpoint does not serve the model of {run.run_id}")
        if (serving := self.serving()) != run.run_id:
            found.append(f"the ledger says that {serving} serves, and not {run.run_id}")
        return found


class WorkspaceRecords(Records):
    """The records of a stage, and the jobs and models of a workspace."""

    def __init__(self, stage: AzureMlStage) -> None:
        super().__init__(stage)
        self._workspace = stage.workspace

    def starts(self) -> Counter[str]:
        """Return how many jobs there are for each attempt, without those that never begin."""
        jobs = [job for job in self._workspace.state["jobs"] if not job["orphan"]]
        return Counter(f"{job['tags'][RUN_TAG]} {job['tags'][ATTEMPT_TAG]}" for job in jobs)

    def not_registered(self, run: Run) -> list[str]:
        """Return what contradicts that one version is registered for `run`, and has its file."""
        if run.model is None:
            return [f"{run.run_id} has no model"]
        mark = f"/{run.run_id.rpartition('-')[2]}-"
        found = [str(version) for version in self._workspace.state["models"] if mark in version]
        named = run.model.name.removeprefix("azureml:").replace(":", "/")
        folder = f"runs/{run.config.name}/{run.run_id}/{run.attempt}"
        file = self._stage.storage.get_blob_client(MODELS, f"{folder}/model/model.json")
        missing = [] if file.exists() else [f"{file.blob_name} is not there"]
        wrong = [] if found == [named] else [f"{run.run_id} names {named}; registered: {found}"]
        return missing + wrong


class ServingRecords(WorkspaceRecords):
    """The records of a stage, and the jobs, models and the endpoint of a workspace."""

    def __init__(self, stage: ServingStage) -> None:
        super().__init__(stage)
        self._endpoint = stage

    def not_serving(self, run: Run) -> list[str]:
        """Return what contradicts that the model of `run` serves: the endpoint, or the ledger."""
        wanted = {run.candidate.name: ALL} if run.candidate else {}
        found = self.not_registered(run)
        if (traffic := self._endpoint.traffic()) != wanted:
            found.append(f"the traffic is {traffic}, and not {wanted}")
        if (serving := self.serving()) != run.run_id:
            found.append(f"the ledger says that {serving} serves, and not {run.run_id}")
        return found

    def left_behind(self, run: Run) -> list[str]:
        """Return that the candidate of `run` is there and will never be discarded, if so."""
        name = run.candidate.name if run.candidate else ""
        due = {one.candidate.name for known in self.endpoint_states() for one in known.staged}
        left = name in self._endpoint.deployments() and name not in due
        return [f"{name} of {run.run_id} will never be discarded"] if left else []
