"""Keeps the serving state of an endpoint of Studio as a blob that can be restored.

A service may name any blob. The app gives it no right to one that it had none to: a copy is
made by the signature that the service itself sent, or not at all.
"""

import logging
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from shared.core.blob_locations import escaped
from shared.core.blobs import BlobVersion
from shared.core.config.studio_models import MODEL_SUFFIX, blob_of, is_model_path, model_of
from shared.core.names import digest
from shared.core.serving.references import EndpointRef, ServingState
from shared.errors import PermanentError
from shared.ports.serving import Keep
from shared.ports.storage import Blobs
from shared.providers.studio.current import Current

_log: Final = logging.getLogger("relearn")


@dataclass(frozen=True, slots=True)
class Baselines:
    """Which models an endpoint may be given, and copies of those that it names.

    Args:
        models: where models are.
        models_container: the container of the models that may be signed for.
        endpoint: whose baselines.
        place: the resource of the endpoint that is updated.
        named_only: whether the service only gets a name, and opens the blob by its own right.
    """

    models: Blobs
    models_container: str
    endpoint: EndpointRef
    place: str
    named_only: bool = False

    def kept(self, current: Current, keep: Keep) -> ServingState | None:
        """Return what serves as a state that can be restored, after a copy where it needs one.

        Args:
            current: what the endpoint says it was given.
            keep: for whom.

        Raises:
            TransientError: it cannot be copied now.
        """
        if current.location is None:
            return ServingState() if current.refreshable else None
        # What is named serves. To refresh would be another model: better no rollback than that.
        model = self._restorable(keep, *current.location)
        return ServingState(model=model_of(model)) if model is not None else None

    def restorable(self, state: ServingState) -> bool:
        """Whether a state can be restored: models may have been deleted. Raises TransientError."""
        if state.model is None:
            return True
        model = blob_of(state.model)
        if not self._may_be_given(model):
            return False  # an old record must not ask for more than a new one may
        found = self.models.head(model.container, model.name)
        return found is not None and found.same_bytes_as(model)

    def _restorable(self, keep: Keep, base: str, relative: str, sas: str) -> BlobVersion | None:
        """Return the blob to restore: the one that is named, or a copy of it."""
        if self.named_only or self._names_a_model_of_ours(relative):
            found = self.models.located(base, relative)
            if found is not None and self._may_be_given(found):
                return found
        # Its signature will not last: keep a copy, one for each resource, and for this run alone.
        query = f"?{sas.lstrip('?')}" if sas else ""
        source = f"{base.rstrip('/')}/{escaped(relative)}{query}"
        place = digest(self.place, base, relative, keep.run_id)
        name = f"baselines/{self.endpoint.id}-{place}{MODEL_SUFFIX}"
        try:
            return self.models.adopt(source, self.models_container, name, since=keep.since)
        except PermanentError as exc:
            _log.warning("run %s: what serves now cannot be kept: %s", keep.run_id, exc)
            return None

    def _names_a_model_of_ours(self, relative: str) -> bool:
        """Whether a location may be a model of ours; no other blob is read."""
        written = relative.lstrip("/")
        places = (place.partition("/") for place in (written, unquote(written)))
        container = self.models_container
        return any(one == container and is_model_path(name) for one, _, name in places)

    def _may_be_given(self, model: BlobVersion) -> bool:
        """Whether a model may be set at the endpoint."""
        own = model.container == self.models_container and is_model_path(model.name)
        return own or self.named_only
