"""Finds the models that a finished job left, and fetches those that lie at the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.blob_locations import escaped
from shared.core.blobs import BlobVersion
from shared.core.config.studio_endpoint import Endpoint
from shared.core.names import MODEL_SUFFIX, output_path
from shared.core.run.control_events import Event, ModelCollected, ModelsCollected, NothingToPromote
from shared.core.run.gate_events import NO_ENDPOINT
from shared.core.run.record import Run
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.ports.ports import JobStatus, SignedBlob, TrainingService

#: A record that a service no longer shows, or a blob it says it wrote, may be late.
LATE: Final = timedelta(minutes=10)
_WRITTEN_ELSEWHERE: Final = "see where the job wrote its model, and correct training.outputs"


@dataclass(frozen=True, slots=True)
class ModelSteps:
    """Collects models from where the job was told to write, or from its results.

    See design rule 10.
    """

    context: Context

    def collect(self, run: Run, service: TrainingService) -> Event:
        """Return the models for the run's endpoints, each a blob in the models container.

        Models are chosen by `.ilearner`, never by the name of the output
        (studio-classic §7).

        Raises:
            TransientError: a model is not there yet.
            PermanentError: it is empty, or it cannot be told which output is the model.
        """
        endpoints = run.config.endpoints
        if run.model is not None:  # put there by a person
            if len({endpoint.model for endpoint in endpoints}) > 1:
                raise PermanentError(
                    "the endpoints want different models, and one was put by hand: "
                    "give each of them a pipeline of its own for that"
                )
            now = self.context.models.head(run.model.container, run.model.name)
            model = _usable(now, run.model.path)
            models = dict.fromkeys([e.name for e in endpoints] or [""], model)
        else:
            models = self._trained(run, service)
        if not models:
            return NothingToPromote("the job makes no model")
        if not endpoints:
            first = next(iter(models.values()))
            if run.config.gate.rules:  # whoever takes the model from here asks for the verdict
                return ModelCollected(first)
            return NothingToPromote(f"trained; {NO_ENDPOINT}", first)
        if len(endpoints) == 1:
            return ModelCollected(models[endpoints[0].name])
        return ModelsCollected(models)

    def fetched(self, run: Run, output: str) -> str:
        """Return where an output is, after a copy from where the service left it. Repeatable.

        Raises:
            TransientError: it cannot be copied now.
            PermanentError: the job has no such output.
        """
        training = run.config.training
        results = self._results(
            run, self.context.providers.jobs(training.service, training.api_key)
        )
        if output not in results:
            had = ", ".join(sorted(results)) or "none"
            raise PermanentError(f"the job has no output {output!r}; it has {had}")
        left = results[output]
        _, dot, suffix = left.relative_location.rpartition("/")[2].rpartition(".")
        name = output_path(run.pipeline, run.run_id, run.attempt, f"{output}{dot}{suffix}")
        if self._copied(run, left, name) is None:
            raise TransientError(f"output {output} cannot be copied from {_at_the_service(left)}")
        return name

    def _copied(self, run: Run, left: SignedBlob, name: str) -> BlobVersion | None:
        """Return the run's own copy of what the service left; an earlier job's does not count."""
        source = f"{left.base_location.rstrip('/')}/{escaped(left.relative_location)}"
        container = self.context.models_container
        url = f"{source}{left.sas_token}"
        return self.context.models.adopt(url, container, name, since=run.job_at)

    def _trained(self, run: Run, service: TrainingService) -> dict[str, BlobVersion]:
        declared = _declared(run)
        left = self._left(run, service) if self._must_ask(run, declared) else {}
        outputs = {
            endpoint.name if endpoint else "": _output_for(endpoint, declared, left)
            for endpoint in (run.config.endpoints or (None,))
        }
        found = {
            output: self._model(run, output, left) for output in set(outputs.values()) if output
        }
        return {name: found[output] for name, output in outputs.items() if output}

    def _must_ask(self, run: Run, declared: tuple[str, ...]) -> bool:
        wanted = [endpoint.model for endpoint in run.config.endpoints] or [None]
        return any(not declared if name is None else name not in declared for name in wanted)

    def _left(self, run: Run, service: TrainingService) -> dict[str, SignedBlob]:
        return _models_in(self._results(run, service))

    def _results(self, run: Run, service: TrainingService) -> dict[str, SignedBlob]:
        if run.job is None:
            raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a job")
        state = service.state(run.job)
        if state.status is not JobStatus.FINISHED:
            why = f"job {run.job} was finished and is now {state.status}: {state.details}"
            raise TransientError(why, patience=LATE)
        return dict(state.results)

    def _model(self, run: Run, output: str, left: Mapping[str, SignedBlob]) -> BlobVersion:
        file = run.config.file_of(output)
        name = output_path(run.pipeline, run.run_id, run.attempt, file)
        container = self.context.models_container
        if output not in _declared(run):  # else it was written to its place
            model = self._copied(run, left[output], name)
            where = _at_the_service(left[output])
        else:
            model = self.context.models.head(container, name)
            where = f"{container}/{name}"
        if why := left_before(model, run):
            text = f"there is no model of this job at {where} yet: {why}"
            raise TransientError(text, patience=LATE, cure=_WRITTEN_ELSEWHERE)
        return _usable(model, where)


def _usable(model: BlobVersion | None, where: str) -> BlobVersion:
    if model is None:
        text = f"there is no model at {where} yet"
        raise TransientError(text, patience=LATE, cure=_WRITTEN_ELSEWHERE)
    if not model.size:
        raise PermanentError(f"the model at {where} is empty")
    return model


def left_before(output: BlobVersion | None, run: Run) -> str:
    """Return why an output is not the run's, where it was written before its job was made."""
    if output is None or run.job_at is None or not output.is_older_than(run.job_at):
        return ""
    return (
        f"the file there is of {output.modified:%Y-%m-%d %H:%M:%S} UTC, and job {run.job} was made "
        f"later, at {run.job_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _at_the_service(left: SignedBlob) -> str:
    signed = "" if left.sas_token else ", for which it sent no signature"
    return f"the service's own storage ({left.relative_location}{signed})"


def _declared(run: Run) -> tuple[str, ...]:
    outputs = run.config.training.outputs.items()
    return tuple(output for output, file in outputs if file.endswith(MODEL_SUFFIX))


def _models_in(results: Mapping[str, SignedBlob]) -> dict[str, SignedBlob]:
    return {
        output: blob
        for output, blob in results.items()
        if blob.relative_location.lower().endswith(MODEL_SUFFIX)
    }


def _output_for(
    endpoint: Endpoint | None, declared: tuple[str, ...], left: Mapping[str, SignedBlob]
) -> str | None:
    named = endpoint.model if endpoint else None
    if named is not None:
        if named in declared or named in left:
            return named
        raise PermanentError(
            f"the job has no model output {named!r}; it has {', '.join(left) or 'none'}: "
            "correct `model` of the endpoint"
        )
    models = declared or tuple(left)
    if len(models) > 1 and endpoint is not None:
        raise PermanentError(
            f"the job left several models, {', '.join(sorted(models))}: "
            f"name one as `model` of endpoint {endpoint.name}"
        )
    return models[0] if models else None
