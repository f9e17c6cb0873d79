"""Reads the run history of a workspace: errors, reused steps, assets and metrics of jobs.

On the data plane, whose host the workspace itself names (azure-machine-learning-v2 §1, §2.7,
§2.8). Of a pipeline the cause of a failure is on its steps.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from shared.core.hosts import is_loopback
from shared.core.service import service
from shared.errors import PermanentError, RelearnError
from shared.providers.azureml.call import (
    AzureMlCall,
    Body,
    Memory,
    host_of,
    items_in,
    mapping_of,
    mappings_of,
    properties_of,
)

#: The error of a pipeline that only names the steps that failed.
_OF_STEPS: Final = "PipelineHasStepJobFailed"
_DEEPEST: Final = 3
_MOST_PAGES: Final = 10
_LONGEST: Final = 2000
_LONGEST_OF_STEP: Final = 600
_FAILED: Final = "failed"
_NOT_FOUND: Final = 404
#: Assets that a model registry keeps, with case and `_` left out.
_MODELS: Final = frozenset({"custommodel", "mlflowmodel", "tritonmodel"})
_ADVICE: Final = {
    "StreamAccess.Authentication": "give the identity of the compute the role Storage Blob Data "
    "Reader where the data is, and Storage Blob Data Contributor on the models container",
    "StreamAccess.NotFound": "the data that the job was given is not there any more",
    "StreamAccess.Authorization": "give the identity of the compute the role Storage Blob Data "
    "Contributor on the models container",
    "AzureMLComputeJobTimedOut": "raise the time limit of the component",
}


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed, in the service's own words."""

    words: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class OutputAsset:
    """An output as the run history names it."""

    asset: str
    type: str

    @property
    def is_model(self) -> bool:
        """Whether the model registry keeps it; spellings differ."""
        return self.type.lower().replace("_", "") in _MODELS


@service
class RunHistory:
    """The run history of one workspace.

    Args:
        call: calls the workspace.
        memory: what was read before by this process.
    """

    call: AzureMlCall
    memory: Memory

    def children(self, job: str) -> list[Body]:
        """Return the steps of a job, none for one that has none. Raises as `failure`."""
        what = f"list the steps of {job}"
        url: str | None = f"{self._api}/history/v1.0{self._id}/runs/{_part(job)}/children"
        found: list[Body] = []
        for _ in range(_MOST_PAGES):
            try:
                page = self.call.data_plane("GET", str(url), what)
            except PermanentError as exc:
                if getattr(getattr(exc, "refusal", None), "status", 0) == _NOT_FOUND:
                    return found  # the history does not know a job that never began
                raise
            found += items_in(page, what)
            url = self._next(page, str(url))
            if url is None:
                break
        return found

    def failure(self, job: str) -> JobFailure:
        """Return why a job failed: of a pipeline, the errors of its failed steps.

        Raises:
            TransientError: the run history gives no usable answer now.
            PermanentError: it refuses.
        """
        error = _error_of(self._metadata(job))
        words = self._words(error) if error else ""
        if not error or error.get("referenceCode") == _OF_STEPS or "child jobs" in words:
            steps = "; ".join(self._of_steps(job, _DEEPEST))
            words = steps or words
        clean = " ".join(self.call.clean(words).split())
        return JobFailure(clean[:_LONGEST], _advice(clean))

    def reused(self, job: str) -> tuple[str, ...]:
        """Return a note for each step of a job that took the result of an older run."""
        notes = []
        for step in self.children(job):
            known = properties_of(step)
            if str(known.get("azureml.isreused")).lower() == "true":
                older = known.get("azureml.reusedrunid") or "an older run"
                notes.append(f"step {_name(step)} was not run again: it took the result of {older}")
        return tuple(self.call.clean(note) for note in notes)

    def uris(self, job: str, outputs: tuple[str, ...]) -> dict[str, str]:
        """Return where outputs of a finished job are, of those that the history knows.

        Of a pipeline the step that writes an output may be the only one that knows it.

        Args:
            job: the job.
            outputs: the outputs that are wanted.

        Raises TransientError, PermanentError.
        """
        assets = _assets(self._metadata(job))
        if any(output not in assets for output in outputs):
            for step in self.children(job):
                known = _assets(step) or _assets(self._metadata(str(step.get("runId"))))
                assets = {**known, **assets}
        wanted = {output: assets[output] for output in outputs if output in assets}
        found: dict[str, str] = {}
        for models in (False, True):
            some = {o: a.asset for o, a in wanted.items() if a.is_model is models}
            if some:
                places = self._resolved(list(some.values()), models=models)
                found |= {o: places[asset] for o, asset in some.items() if asset in places}
        return found

    def metrics(self, job: str, step: str | None) -> dict[str, float] | None:
        """Return the metrics that MLflow keeps of a job, or of one of its steps; finite ones only.

        Args:
            job: the job.
            step: the name of a step; None: the job itself.

        Returns:
            The metrics; None where there is no such step.

        Raises TransientError, PermanentError.
        """
        run = job if step is None else self._step_run(job, step)
        if run is None:
            return None
        path = f"/mlflow/v2.0{self._id}/api/2.0/mlflow/runs/get?run_id={_part(run)}"
        answered = self.call.data_plane("GET", f"{self._api}{path}", f"metrics of {run}")
        found: dict[str, float] = {}
        for one in mappings_of(_inside(answered, "run", "data").get("metrics")):
            value = _number(one.get("value"))
            if value is not None and isinstance(one.get("key"), str):
                found[one["key"]] = value
        return found

    @property
    def _id(self) -> str:
        return self.call.workspace.id

    @property
    def _api(self) -> str:
        """The URL of the data plane, as the workspace names it; it is not built from the region."""
        key = ("api", self.call.workspace.identity)
        if (known := self.memory.known(key, str)) is not None:
            return known
        url = self.call.url("", self.call.versions.workspaces)
        known_of = properties_of(self.call.read(url, "GET workspace"))
        tracking = host_of(str(known_of.get("mlFlowTrackingUri") or ""))
        if tracking:
            here = urlsplit(self.call.workspace.host)
            local = self.call.development and is_loopback(f"https://{tracking}")
            found = f"{here.scheme if local else 'https'}://{tracking}"
        else:
            where = str(known_of.get("discoveryUrl") or "")
            found = str(self.call.open_url(where, "discover the workspace").get("api") or "")
        found = self.call.require(found.rstrip("/"), "discover the workspace")
        self.memory.keep(key, found)
        return found

    def _metadata(self, run: str) -> Body:
        body = {"runId": run, "selectRunMetadata": True}
        url = f"{self._api}/history/v1.0{self._id}/rundata?api-version=v1.0"
        answered = self.call.data_plane("POST", url, f"run history of {run}", body)
        return _inside(answered, "runMetadata")

    def _of_steps(self, job: str, depth: int) -> Iterator[str]:
        for step in self.children(job):
            if str(step.get("status")).lower() != _FAILED:
                continue
            error = _error_of(step)
            below = error.get("referenceCode") == _OF_STEPS and depth > 1
            inner = list(self._of_steps(str(step.get("runId")), depth - 1)) if below else []
            words = "; ".join(inner) or self._words(error) or "no reason given"
            yield f"step {_name(step)}: {words}"

    def _words(self, error: Mapping[str, Any]) -> str:
        message = " ".join(self.call.clean(str(error.get("message") or "")).split())
        code = str(error.get("code") or "")
        return f"{code}: {message}"[:_LONGEST_OF_STEP] if code or message else ""

    def _resolved(self, assets: list[str], *, models: bool) -> dict[str, str]:
        path, member = (
            ("/modelregistry/v1.0{}/models/batchGetResolvedUris", "path")
            if models
            else ("/data/v1.0{}/dataversion/batchGetResolvedUris?api-version=1.5.0", "uri")
        )
        url = f"{self._api}{path.format(self._id)}"
        answered = self.call.data_plane("POST", url, "resolve outputs", {"values": assets})
        values = _inside(answered, "values")
        places = {str(asset): _inside(values, str(asset)).get(member) for asset in values}
        return {asset: str(place) for asset, place in places.items() if place}

    def _step_run(self, job: str, step: str) -> str | None:
        return next(
            (str(one.get("runId")) for one in self.children(job) if _name(one) == step), None
        )

    def _next(self, page: Mapping[str, Any], url: str) -> str | None:
        link, token = page.get("nextLink"), page.get("continuationToken")
        if isinstance(link, str) and link and host_of(link) == host_of(url):
            return link
        following = f"{url.partition('?')[0]}?continuationToken="
        return f"{following}{_part(str(token))}" if token else None


def failure_or_silence(history: RunHistory, job: str) -> JobFailure:
    """Return why a job failed; where the history does not answer twice, that it does not.

    The job has failed all the same: a run must not wait for a reason.

    Args:
        history: of its workspace.
        job: the job.
    """
    for last in (False, True):
        try:
            return history.failure(job)
        except RelearnError as exc:
            if last:
                return JobFailure(f"its reason could not be read ({exc})")
    return JobFailure("")


def _advice(words: str) -> str:
    found = next((advice for code, advice in _ADVICE.items() if code in words), "")
    return found or ("see its logs in Studio" if words else "")


def _part(name: str) -> str:
    return quote(name, safe="")


def _name(step: Mapping[str, Any]) -> str:
    return str(step.get("displayName") or step.get("name") or step.get("runId"))


def _error_of(run: Mapping[str, Any]) -> Body:
    return _inside(run, "error", "error")


def _assets(run: Mapping[str, Any]) -> dict[str, OutputAsset]:
    outputs = _inside(run, "outputs")
    found = {name: _inside(outputs, name) for name in outputs}
    return {
        name: OutputAsset(str(one["assetId"]), str(one.get("type") or ""))
        for name, one in found.items()
        if one.get("assetId")
    }


def _inside(holder: Mapping[str, Any], *path: str) -> Body:
    for name in path:
        holder = mapping_of(holder.get(name))
    return dict(holder)


def _number(value: object) -> float | None:
    """Return a finite number; None for another value: what is missing is not zero."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
