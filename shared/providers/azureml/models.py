"""Registers models by a version that is derived from run and attempt, and finds them again.

See azure-machine-learning-v2 §4: a repeat is the same version; `modelUri` of a version is never
changed.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.core.config.azureml_models import (
    ATTEMPT_TAG,
    PIPELINE_TAG,
    RUN_TAG,
    model_asset,
    model_version,
    registered_model,
)
from shared.core.config.azureml_names import Asset, escaped_name, same_uri
from shared.core.config.azureml_parts import Registration
from shared.core.config.azureml_training import MODEL_OUTPUT, AzureMlTraining
from shared.core.names import pipeline_of
from shared.core.service import service
from shared.core.serving.references import ModelRef
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.training import FinishedJob
from shared.providers.azureml.bodies import ComponentSpec
from shared.providers.azureml.call import AzureMlCall, Body, properties_of
from shared.providers.azureml.outputs import FoundOutput, JobOutputs

#: The file of a folder that MLflow wrote.
_MLFLOW_FILE: Final = "MLmodel"
#: Versions of one attempt that hold something else, at most.
_MOST_OTHERS: Final = 5
_MODEL_TYPES: Final = ("custom_model", "mlflow_model", "triton_model")


@service
class ModelRegistry:
    """The models of one workspace.

    Args:
        call: calls the workspace.
        training: the configuration.
        outputs: finds what jobs wrote.
    """

    call: AzureMlCall
    training: AzureMlTraining
    outputs: JobOutputs

    def of(
        self, job: FinishedJob, wanted: Mapping[str, str | None], spec: ComponentSpec | None
    ) -> Mapping[str, ModelRef]:
        """Return the model for each endpoint, as it is registered later. Raises as the port says.

        Args:
            job: a finished job.
            wanted: endpoint -> the output that is its model; None: the only one.
            spec: what the component says of its outputs; None: it is not a component.
        """
        chosen = {name: self._output_for(name, one, spec) for name, one in wanted.items()}
        outputs = dict.fromkeys(output for output in chosen.values() if output)
        made = {output: self._unregistered(job, self.outputs.of(job, output)) for output in outputs}
        return {name: made[output] for name, output in chosen.items() if output}

    def again(self, model: ModelRef) -> ModelRef:
        """Return a registered model as it is now.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: there is no such version.
        """
        _, asset = model_asset(model)
        found = self.call.found(self._url(asset), f"GET model {asset}")
        if found is None:
            advice = "name one that `az ml model list` shows"
            raise PermanentError(f"the workspace has no model {asset}: {advice}", advice=advice)
        return self._reference(asset, properties_of(found))

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        """Register a model that `of` returned; the same version each time.

        Args:
            job: the job that made it.
            model: as `of` returned it.

        Returns:
            The model: under another version where its own holds something else.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: every version of the attempt holds something else.
        """
        _, own = model_asset(model)
        known, request = self._properties(job, model), job.request
        for other in range(_MOST_OTHERS):
            asset = Asset(own.name, model_version(request.run_id, request.attempt, other))
            there = self.call.found(self._url(asset), f"GET model {asset}")
            if there is None:
                self._put(asset, {"properties": known})
            elif not same_uri(str(properties_of(there).get("modelUri") or ""), known["modelUri"]):
                continue
            if asset == own:
                return model
            kept = {name: str(model.reference[name]) for name in ("type", "uri", "output")}
            return registered_model(asset, self.training.workspace_parts, **kept)
        raise PermanentError(f"the versions of {own.name} for this attempt hold other models")

    def _unregistered(self, job: FinishedJob, found: FoundOutput) -> ModelRef:
        """Return the reference that an output gets; nothing is sent."""
        wanted, request = self.training.register_as.get(found.name), job.request
        name = (wanted.name if wanted else None) or pipeline_of(request.run_id)
        kind = (wanted.type if wanted else None) or _type_of(found)
        asset = Asset(name, model_version(request.run_id, request.attempt))
        return registered_model(
            asset, self.training.workspace_parts, type=kind, uri=self._uri(found), output=found.name
        )

    def _put(self, asset: Asset, body: Body) -> None:
        """Register a version. A lost answer is repeated: the version is derived."""
        try:
            self.call.write("PUT", self._url(asset), f"register {asset}", body)
        except OutcomeUnknownError as exc:
            raise TransientError(str(exc)) from exc

    def _properties(self, job: FinishedJob, model: ModelRef) -> Body:
        request, reference = job.request, model.reference
        wanted = self.training.register_as.get(str(reference.get("output"))) or Registration()
        ours = {
            RUN_TAG: request.run_id,
            ATTEMPT_TAG: str(request.attempt),
            PIPELINE_TAG: pipeline_of(request.run_id),
        }
        known: Body = {
            "modelType": reference["type"],
            "modelUri": reference["uri"],
            "jobName": job.handle,
            "tags": {**wanted.tags, **ours},
            "properties": {},
            "isArchived": False,
        }
        return {**known, "description": wanted.description} if wanted.description else known

    def _uri(self, found: FoundOutput) -> str:
        store = self.outputs.planner.models_store()
        return self.training.workspace_parts.datastore_uri(store.name, found.path)

    def _url(self, asset: Asset) -> str:
        path = f"models/{escaped_name(asset.name)}/versions/{escaped_name(asset.version)}"
        return self.call.url(path, self.call.versions.models)

    def _reference(self, asset: Asset, known: Mapping[str, Any]) -> ModelRef:
        kept = {"type": known.get("modelType"), "uri": known.get("modelUri")}
        # A service may repeat anything there that it was sent.
        more = {name: self.call.clean(str(value)) for name, value in kept.items() if value}
        return registered_model(asset, self.training.workspace_parts, **more)

    def _output_for(
        self, endpoint: str, named: str | None, spec: ComponentSpec | None
    ) -> str | None:
        if named is not None:
            return named
        models = self.training.models or _models_of(spec)
        if len(models) > 1 and endpoint:
            advice = f"name one as `model` of endpoint {endpoint}"
            text = f"the job has several models, {', '.join(sorted(models))}"
            raise PermanentError(f"{text}: {advice}", advice=advice)
        return models[0] if models else None


def _models_of(spec: ComponentSpec | None) -> tuple[str, ...]:
    """Return the outputs of a component that are models, as it says itself."""
    outputs = spec.outputs if spec else {}
    typed = tuple(name for name, kind in outputs.items() if kind in _MODEL_TYPES)
    if typed:
        return typed
    if MODEL_OUTPUT in outputs:
        return (MODEL_OUTPUT,)
    return tuple(outputs) if len(outputs) == 1 else ()


def _type_of(found: FoundOutput) -> str:
    """Return the type of a model by its files: MLflow's have one of a fixed name."""
    mlflow = any(found.inside(blob) == _MLFLOW_FILE for blob in found.files)
    return "mlflow_model" if mlflow else "custom_model"
