"""Models of Studio: `.ilearner` blobs of the models container, as references of the app."""

from typing import Final

from shared.core.blobs import BlobVersion, is_folded
from shared.core.names import digest
from shared.core.serving.references import ModelRef

STUDIO: Final = "studio"
MODEL_SUFFIX: Final = ".ilearner"
#: The folders of the models container whose blobs a service may be given to read as a model.
MODEL_FOLDERS: Final = ("runs", "promote", "baselines")
_PROMOTE_PARTS: Final = 3


def model_of(blob: BlobVersion) -> ModelRef:
    """Return the reference to a model that is a blob."""
    return ModelRef(
        provider=STUDIO,
        name=blob.path,
        digest=digest("model", blob.path, blob.etag),
        reference=blob.model_dump(mode="json", exclude={"recorded_at"}),
    )


def blob_of(model: ModelRef) -> BlobVersion:
    """Return the blob that a model is.

    Raises:
        ValueError: it is no model of Studio.
    """
    if model.provider != STUDIO:
        raise ValueError(f"{model.name} is a model of {model.provider}, and no blob for Studio")
    return BlobVersion.model_validate(model.reference)


def is_model_path(path: str) -> bool:
    """Whether a service may be given a signature for this path of the models container.

    A service names what it serves, and could name any blob: keys and secrets may lie in the
    same account, or in the same container.
    """
    folder, _, rest = path.partition("/")
    return folder in MODEL_FOLDERS and bool(rest) and not is_folded(path)


def manually_promoted(path: str) -> tuple[str, tuple[str, ...]] | None:
    """Return (pipeline, key) for which an operator put this model under `promote/`, or None.

    The path is `promote/<pipeline>/<key…>/<file>`, with one part for each token of the key.
    """
    parts = path.split("/")
    if len(parts) < _PROMOTE_PARTS or parts[0] != "promote" or not path.endswith(MODEL_SUFFIX):
        return None
    return parts[1], tuple(parts[2:-1])
