"""Plans the places of a job's inputs and outputs, and writes the inputs that it makes itself.

Inputs are named by a datastore where one covers their container, otherwise by URL; every output
gets a folder of its attempt in the models container (azure-machine-learning-v2 §2.1, §2.7).
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from shared.core.blobs import BlobVersion
from shared.core.config.azureml_models import ATTEMPT_TAG, PIPELINE_TAG, RUN_TAG
from shared.core.config.azureml_parts import MLTABLE, AzureMlInput, is_given
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.setting_references import references_in
from shared.core.names import digest, output_path, pipeline_of
from shared.core.service import service
from shared.core.serving.references import ModelRef
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Access, Blobs
from shared.ports.training import JobRequest
from shared.providers.azureml.bodies import JobPlan, PlacedInput, literal_text
from shared.providers.azureml.datastores import Datastore, Datastores, https_url
from shared.providers.azureml.registered import RegisteredAssets

#: Returns the value of a text with `${NAME}` in it. Raises ConfigError.
Secrets = Callable[[str], str]

_MOST_LISTED: Final = 64 * 1024 * 1024
_COPY_SIGNED_FOR: Final = timedelta(hours=1)
_ONE_FILE: Final = "uri_file"


@service
class Storage:
    """The accounts that the app reads data from and keeps models in."""

    data: Blobs
    models: Blobs
    container: str  #: that models and outputs are kept in
    #: Returns an account by its URL, opened by the app's identity; None: no other is read.
    elsewhere: Callable[[str], Blobs] | None = None


@service
class JobPlanner:
    """Makes the plan of an attempt.

    Args:
        training: the configuration.
        storage: the accounts.
        stores: the datastores of the workspace.
        assets: what is registered there.
        secrets: returns the values of app settings.
    """

    training: AzureMlTraining
    storage: Storage
    stores: Datastores
    assets: RegisteredAssets
    secrets: Secrets

    def plan(self, request: JobRequest, *, shown: bool = False) -> JobPlan:
        """Return what an attempt is given.

        Args:
            request: the attempt.
            shown: whether it is for people: app settings stay named.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: a datastore or an asset is missing.
            ConfigError: an app setting is missing.
        """
        pipeline, training = pipeline_of(request.run_id), self.training
        ours = {
            RUN_TAG: request.run_id,
            ATTEMPT_TAG: str(request.attempt),
            PIPELINE_TAG: pipeline,
        }
        store = self.models_store()

        def output_uri(name: str, kind: str) -> str:
            end = "" if kind == _ONE_FILE else "/"
            return store.uri(f"{self.output_place(request, name)}{end}")

        return JobPlan(
            title=f"{request.run_id} ({request.attempt})",
            experiment=training.experiment or f"relearn-{pipeline}",
            tags={**training.tags, **ours},
            data={
                name: self._input(request, name, store)
                for name in training.inputs
                if not _is_left_out(request, name)
            },
            literals=dict(self._literals(request, shown=shown)),
            output_uri=output_uri,
            left_out=tuple(name for name in training.inputs if _is_left_out(request, name)),
        )

    def models_store(self) -> Datastore:
        """Return the datastore that outputs are written to. Raises as `plan`."""
        storage = self.storage
        return self.stores.of_models(storage.models, storage.container, self.training.datastore)

    def output_place(self, request: JobRequest, output: str) -> str:
        """Return the path of an output in the models container, without a slash at its end.

        Args:
            request: the attempt.
            output: its name; one that the configuration does not name has a folder of its name.
        """
        known = request.outputs.get(output)
        pipeline = pipeline_of(request.run_id)
        return known or output_path(pipeline, request.run_id, request.attempt, output)

    def put_inputs(self, request: JobRequest) -> None:
        """Write what the job reads besides its data: copies, and lists of it. Safe to repeat.

        Raises:
            TransientError: a copy is under way, or the storage does not work now.
            PermanentError: a copy is refused.
        """
        for name in self.training.inputs:
            path, blob = self.training.input(name).path, request.inputs.get(name)
            if blob is None:
                continue
            if path == MLTABLE:
                self._write_table(request, blob)
            elif self._is_pinned(request, blob):
                self._copy(request, name, blob)

    def _input(self, request: JobRequest, name: str, store: Datastore) -> PlacedInput:
        given = self.training.input(name)
        if is_given(given.path):
            return PlacedInput(self.assets.fixed_uri(given.path), given.type, given.mode)
        if (model := _model_for(request, name)) is not None:
            return _placed_model(given, model)
        blob = request.inputs.get(name)
        if blob is None:
            raise PermanentError(f"run {request.run_id} has no data for the input {name!r}")
        if given.path == MLTABLE:
            return PlacedInput(store.uri(f"{_table_folder(request)}/"), "mltable", given.mode)
        if self._is_pinned(request, blob):
            copy = _copy_path(request, name, blob)
            folder = store.uri(f"{copy.rpartition('/')[0]}/")
            uri = store.uri(copy)
            return PlacedInput(uri, given.type, given.mode, blob=True, folder=folder)
        return PlacedInput(self._uri(blob), given.type, given.mode, blob=True)

    def _uri(self, blob: BlobVersion) -> str:
        if blob.container == self.storage.container:
            return self.models_store().uri(blob.name)
        store = self._data_store(blob.container)
        return store.uri(blob.name) if store else https_url(self.storage.data, blob)

    def _literals(self, request: JobRequest, *, shown: bool) -> Iterator[tuple[str, str]]:
        for name, value in request.parameters.items():
            if isinstance(value, str) and not shown:
                self.stores.call.redactor.learn(*self._settings_in(value))
                value = self.secrets(value)  # noqa: PLW2901 -- the same value, filled in
            # An empty text is refused: the input is left out (azure-machine-learning-v2 §2.1).
            if text := literal_text(value):
                yield name, text

    def _settings_in(self, text: str) -> list[str]:
        return [self.secrets(f"${{{name}}}") for name in references_in(text)]

    def _is_pinned(self, request: JobRequest, blob: BlobVersion) -> bool:
        return request.pin and blob.container != self.storage.container

    def _copy(self, request: JobRequest, name: str, blob: BlobVersion) -> None:
        models, path = self.storage.models, _copy_path(request, name, blob)
        signed = self.storage.data.sign(blob.container, blob.name, Access.READ, _COPY_SIGNED_FOR)
        source = f"{signed.account_url.rstrip('/')}/{quote(signed.path)}"
        url = f"{source}{signed.signature}"
        if models.adopt(url, self.storage.container, path) is None:
            raise TransientError(f"{blob.path} cannot be copied to {path} now")
        now = self.storage.data.head(blob.container, blob.name)
        if now is None or not now.same_bytes_as(blob):
            # The copy may have other bytes: the next try finds the data changed, before it copies.
            raise TransientError(f"{blob.path} was changed while it was copied")

    def _write_table(self, request: JobRequest, listed: BlobVersion) -> None:
        """Write the MLTable file of a run's data, from the list of it."""
        models, container = self.storage.models, self.storage.container
        content = models.read(listed.container, listed.name, _MOST_LISTED)
        if content is None:
            raise TransientError(f"the list of the run's data is not at {listed.path} yet")
        blobs = list(_blobs_in(content, listed))
        stores = {one: self._data_store(one) for one in {blob.container for blob in blobs}}
        files = [self._long_uri(blob, stores[blob.container]) for blob in blobs]
        # JSON is YAML: a name with any characters stays a name.
        table = {"type": "mltable", "paths": [{"file": uri} for uri in files]}
        text = json.dumps(table, indent=1, ensure_ascii=False).encode()
        models.write(container, f"{_table_folder(request)}/MLTable", text)

    def _data_store(self, container: str) -> Datastore | None:
        return self.stores.of_data(self.storage.data, container, self.training.data_datastore)

    def _long_uri(self, blob: BlobVersion, store: Datastore | None) -> str:
        if store is None:
            return https_url(self.storage.data, blob)
        return self.training.workspace_parts.datastore_uri(store.name, blob.name)


def _model_for(request: JobRequest, name: str) -> ModelRef | None:
    against = request.training.other_models.get(name)
    return request.models.get(against) if against else None


def _is_left_out(request: JobRequest, name: str) -> bool:
    """Whether an input is for a model that does not exist: such as the live one of a first run."""
    return name in request.training.other_models and _model_for(request, name) is None


def _placed_model(given: AzureMlInput, model: ModelRef) -> PlacedInput:
    """Return a model as an input: the place of its files, which fits every type of input."""
    uri, kind = model.reference.get("uri"), model.reference.get("type")
    if not uri:
        advice = "name a registered model of Azure Machine Learning"
        raise PermanentError(
            f"the place of the files of {model.name} is unknown: {advice}", advice=advice
        )
    return PlacedInput(str(uri), given.type, given.mode, usual=str(kind or "custom_model"))


def _table_folder(request: JobRequest) -> str:
    return f"runs/{pipeline_of(request.run_id)}/{request.run_id}/inputs/mltable"


def _copy_path(request: JobRequest, name: str, blob: BlobVersion) -> str:
    """Return where the copy of a version lies: in its own folder, so that it may be one's input."""
    mark = digest("input", name, blob.path, blob.etag)[:8]
    folder = f"runs/{pipeline_of(request.run_id)}/{request.run_id}/inputs/{mark}"
    return f"{folder}/{blob.name.rpartition('/')[2]}"


def _blobs_in(content: bytes, listed: BlobVersion) -> Iterator[BlobVersion]:
    rows = csv.DictReader(io.StringIO(content.decode("utf-8")))
    for row in rows:
        yield listed.evolve(container=row["Container"], name=row["Name"])
