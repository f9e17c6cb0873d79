"""Finds the models and the evaluation that a finished job of Studio left (design rule 10).

Models are chosen by `.ilearner`, never by the name of the output (studio-classic §7).
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from shared.core.blob_locations import escaped
from shared.core.blobs import BlobVersion
from shared.core.config.studio_types import MODEL_SUFFIX, blob_of, is_model_path, model_of
from shared.core.config.training import OTHER_MODELS
from shared.core.config.types import Scalar
from shared.core.names import output_path, pipeline_of
from shared.core.service import service
from shared.core.serving.references import ModelRef
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Access, Blobs, SignedBlob
from shared.ports.training import Evaluation, FinishedJob, JobRequest, JobState, JobStatus

#: A record that a service no longer shows, or a blob it says it wrote, may be late.
LATE: Final = timedelta(minutes=10)
#: The evaluation where no output is named for it (azure-machine-learning-v2 §2.8).
BESIDE: Final = "evaluation.json"
_LONGEST: Final = 1024 * 1024
_WRITTEN_ELSEWHERE: Final = "see where the job wrote its model, and correct training.outputs"
_Left = Mapping[str, SignedBlob]


@service
class StudioModels:
    """The outputs of jobs: at their configured paths, or at the service.

    Args:
        models: the account that models are kept in.
        container: the container there.
        state: returns the state of a job, and its results.
    """

    models: Blobs
    container: str
    state: Callable[[str], tuple[JobState, _Left]]

    def of(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        """Return the model for each endpoint. Raises as the port says.

        Args:
            job: a finished job.
            wanted: endpoint -> the output that is its model; None: the only one.
        """
        declared = _declared(job)
        left = _models_in(self._results(job)) if _must_ask(wanted, declared) else {}
        outputs = {
            name: _output_for(name, output, declared, left) for name, output in wanted.items()
        }
        found = {
            output: self._model(job, output, left) for output in set(outputs.values()) if output
        }
        return {name: model_of(found[output]) for name, output in outputs.items() if output}

    def with_models(
        self, request: JobRequest, parameters: Mapping[str, Scalar], valid: timedelta | None
    ) -> dict[str, Scalar]:
        """Return the parameters with the signed URL of each other model that the job scores.

        A parameter whose model does not exist is left out: the experiment has a default.

        Args:
            request: the attempt; a parameter that its run was given counts as it is.
            parameters: of the request, with the values of app settings.
            valid: for how long a URL is signed; None: it is for people, and not signed.
        """
        filled = dict(parameters)
        for name, against in request.training.other_models.items():
            if request.parameters.get(name) not in OTHER_MODELS:
                continue
            model = request.models.get(against)
            if model is None:
                filled.pop(name)
            else:
                filled[name] = self._url(blob_of(model), valid)
        return filled

    def _url(self, blob: BlobVersion, valid: timedelta | None) -> str:
        if blob.container != self.container or not is_model_path(blob.name):
            raise PermanentError(
                f"{blob.path} is not a model of the app: it is not signed for a job"
            )
        if valid is None:
            base = self.models.account_url.rstrip("/")
            return f"{base}/{escaped(blob.path)}?<signed to {Access.READ} when it is sent>"
        signed = self.models.sign(blob.container, blob.name, Access.READ, valid)
        at = f"{signed.account_url.rstrip('/')}/{escaped(signed.path)}"
        return f"{at}{signed.signature}"

    def again(self, model: ModelRef) -> ModelRef:
        """Return a model that was there, as it is now. Raises as the port says."""
        was = blob_of(model)
        now = self.models.head(was.container, was.name)
        if now is None:
            text = f"there is no model at {was.path} any more"
            raise TransientError(text, patience=LATE, advice="restore it, or upload it once more")
        return model_of(_usable(now, was.path))

    def evaluation(self, job: FinishedJob, output: str | None, most: int = _LONGEST) -> Evaluation:
        """Return what the job says of its model, or the rows that it scored. Raises as the port.

        Args:
            job: a finished job.
            output: the output that is the evaluation; None: there is none.
            most: how many bytes are read at most.
        """
        file = BESIDE if output is None else job.request.training.outputs.get(output)
        path = _path(job, file) if file is not None else self._fetched(job, str(output))
        if why := left_before(self.models.head(self.container, path), job):
            return Evaluation(path, None, why)
        return Evaluation(path, self.models.read(self.container, path, most))

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        """Return the evaluation of an uploaded model. Raises as the port says."""
        path = f"{blob_of(model).name.removesuffix(MODEL_SUFFIX)}.{BESIDE}"
        return Evaluation(path, self.models.read(self.container, path, _LONGEST))

    def _fetched(self, job: FinishedJob, output: str) -> str:
        """Return where an output is, after a copy from where the service left it. Repeatable."""
        results = self._results(job)
        if output not in results:
            had = ", ".join(sorted(results)) or "none"
            raise PermanentError(f"the job has no output {output!r}; it has {had}")
        left = results[output]
        _, dot, suffix = left.path.rpartition("/")[2].rpartition(".")
        name = _path(job, f"{output}{dot}{suffix}")
        if self._copied(job, left, name) is None:
            raise TransientError(f"output {output} cannot be copied from {_at_the_service(left)}")
        return name

    def _copied(self, job: FinishedJob, left: SignedBlob, name: str) -> BlobVersion | None:
        """Return the job's own copy of the service's model; an earlier job's does not count."""
        source = f"{left.account_url.rstrip('/')}/{escaped(left.path)}"
        return self.models.adopt(
            f"{source}{left.signature}", self.container, name, since=job.made_at
        )

    def _results(self, job: FinishedJob) -> _Left:
        if not job.handle:
            raise PermanentError(f"run {job.request.run_id} is without a job")
        state, results = self.state(job.handle)
        if state.status is not JobStatus.FINISHED:
            why = f"job {job.handle} was finished and is now {state.status}: {state.details}"
            raise TransientError(why, patience=LATE)
        return results

    def _model(self, job: FinishedJob, output: str, left: _Left) -> BlobVersion:
        name = _path(job, job.request.training.outputs.get(output, f"{output}{MODEL_SUFFIX}"))
        if output not in _declared(job):  # else it was written to its path
            model = self._copied(job, left[output], name)
            where = _at_the_service(left[output])
        else:
            model = self.models.head(self.container, name)
            where = f"{self.container}/{name}"
        if why := left_before(model, job):
            text = f"there is no model of this job at {where} yet: {why}"
            raise TransientError(text, patience=LATE, advice=_WRITTEN_ELSEWHERE)
        return _usable(model, where)


def left_before(output: BlobVersion | None, job: FinishedJob) -> str:
    """Return why an output is not the job's, where it was written before the job was made.

    Args:
        output: the output; None: there is none.
        job: the job.
    """
    if output is None or job.made_at is None or not output.is_older_than(job.made_at):
        return ""
    return (
        f"the file there is of {output.modified:%Y-%m-%d %H:%M:%S} UTC, and job {job.handle} was "
        f"made later, at {job.made_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _path(job: FinishedJob, file: str) -> str:
    run_id, attempt = job.request.run_id, job.request.attempt
    return output_path(pipeline_of(run_id), run_id, attempt, file)


def _usable(model: BlobVersion | None, where: str) -> BlobVersion:
    if model is None:
        text = f"there is no model at {where} yet"
        raise TransientError(text, patience=LATE, advice=_WRITTEN_ELSEWHERE)
    if not model.size:
        raise PermanentError(f"the model at {where} is empty")
    return model


def _at_the_service(left: SignedBlob) -> str:
    signed = "" if left.signature else ", for which it sent no signature"
    return f"the service's own storage ({left.path}{signed})"


def _declared(job: FinishedJob) -> tuple[str, ...]:
    return job.request.training.models


def _must_ask(wanted: Mapping[str, str | None], declared: tuple[str, ...]) -> bool:
    return any(not declared if name is None else name not in declared for name in wanted.values())


def _models_in(results: _Left) -> _Left:
    return {
        output: blob for output, blob in results.items() if blob.path.lower().endswith(MODEL_SUFFIX)
    }


def _output_for(
    endpoint: str, named: str | None, declared: tuple[str, ...], left: _Left
) -> str | None:
    if named is not None:
        if named in declared or named in left:
            return named
        raise PermanentError(
            f"the job has no model output {named!r}; it has {', '.join(left) or 'none'}: "
            "correct `model` of the endpoint"
        )
    models = declared or tuple(left)
    if len(models) > 1 and endpoint:
        raise PermanentError(
            f"the job left several models, {', '.join(sorted(models))}: "
            f"name one as `model` of endpoint {endpoint}"
        )
    return models[0] if models else None
