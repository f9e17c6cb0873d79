"""A data version of one pipeline: a blob, its key and its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.pattern import match
from shared.core.config.pipeline import Pipeline
from shared.core.config.windows import of_any_window
from shared.core.run.record import Origin
from shared.core.versions import version_id


def captured(pipeline: Pipeline, name: str) -> dict[str, str] | None:
    """Return what the path of the data captures from `name`; None where it does not match.

    Args:
        pipeline: as it is configured now.
        name: of the blob, inside its container.

    Returns:
        The values of the tokens, or None.
    """
    return match(pipeline.data.blob, name) if pipeline.data else None


def reads(pipeline: Pipeline, name: str) -> bool:
    """Whether a blob of this name is data of a pipeline, in any window.

    Args:
        pipeline: as it is configured now.
        name: of the blob, inside its container.
    """
    data = pipeline.data
    return data is not None and match(of_any_window(data.blob), name) is not None


def key_of(pipeline: Pipeline, name: str) -> tuple[str, ...]:
    """Return whose data a blob of this name is.

    Args:
        pipeline: as it is configured now.
        name: of the blob, inside its container.

    Returns:
        The values of the pipeline's key tokens, in order.
    """
    tokens = captured(pipeline, name) or {}
    return tuple(tokens.get(token, "") for token in pipeline.key_tokens)


@dataclass(frozen=True)
class DataVersion:
    """One state of one blob, for one pipeline: training data, or an operator's model."""

    pipeline: Pipeline
    blob: BlobVersion
    tokens: Mapping[str, str]  #: what the name of the blob captured
    origin: Origin = Origin.DATA

    @classmethod
    def of(cls, pipeline: Pipeline, blob: BlobVersion) -> "DataVersion | None":
        """Return a blob as data of a pipeline; None where its name does not match.

        Args:
            pipeline: as it is configured now.
            blob: of the training data container.

        Returns:
            The version, or None.
        """
        tokens = captured(pipeline, blob.name)
        return None if tokens is None else cls(pipeline, blob, tokens)

    @classmethod
    def of_model(cls, pipeline: Pipeline, blob: BlobVersion) -> "DataVersion":
        """Return an operator's model, below `promote/`, for the pipeline that its path names.

        Args:
            pipeline: as it is configured now.
            blob: of the models container.

        Returns:
            The version.
        """
        owner = names.owner_of_upload(blob.name)
        values = owner[1] if owner else ()
        tokens = dict(zip(pipeline.key_tokens, values, strict=False))
        return cls(pipeline, blob, tokens, Origin.MODEL)

    @property
    def is_model(self) -> bool:
        """Whether it is an operator's model."""
        return self.origin is Origin.MODEL

    @property
    def key(self) -> tuple[str, ...]:
        """Whose data it is."""
        return tuple(self.tokens.get(token, "") for token in self.pipeline.key_tokens)

    @cached_property
    def version_id(self) -> str:
        """The id of its permanent entry."""
        return version_id(self.pipeline.name, self.blob)

    @property
    def run_id(self) -> str:
        """The id of the run that it opens by itself (design rule 1)."""
        return names.run_id(self.pipeline.name, self.origin, self.version_id)

    @property
    def is_large_enough(self) -> bool:
        """Whether it has the size that its pipeline asks for; an empty blob never has."""
        data = None if self.is_model else self.pipeline.data
        return self.blob.size >= (data.least if data else 1)

    @property
    def trusts_size(self) -> bool:
        """Whether equal size and creation time stand for equal bytes where there is no MD5."""
        return self.pipeline.trusts_size and not self.is_model

    def recorded(self, at: datetime | None) -> "DataVersion":
        """Return this version as first recorded at `at`, unless that is known already."""
        return self.as_stored(self.blob.recorded(at))

    def as_stored(self, blob: BlobVersion) -> "DataVersion":
        """Return this version with its blob as a record has it."""
        return DataVersion(self.pipeline, blob, self.tokens, self.origin)
