"""What is listed in full, and what becomes of a blob that appeared there with an old time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.errors import RelearnError
from shared.execution.context import Context
from shared.intake.blob_events import Intake
from shared.ports.storage import Page


@dataclass(frozen=True, slots=True)
class Data:
    """Training data."""

    context: Context
    intake: Intake
    what: ClassVar[str] = "data versions"
    models: ClassVar[bool] = False

    @property
    def place(self) -> str:
        """The account and container."""
        return f"{self.context.data.account}/{self.context.data_container}"

    def page(self, cursor: str | None) -> Page[BlobVersion]:
        """Return a page. Raises as the port says."""
        return self.context.data.page(self.context.data_container, cursor)

    def opening(self) -> Sequence[str]:
        """Return the pipelines for which a blob opens a run when it lands."""
        pipelines = self.intake.catalogue.pipelines.values()
        return [one.name for one in pipelines if one.data and one.data.opens_runs]

    def wanting(self, name: str) -> Sequence[Pipeline]:
        """Return the pipelines for whose runs a blob of this name is."""
        return self.intake.catalogue.wanting(name)

    def appeared(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """Have it trained on; whether it was not known. Raises RelearnError."""
        return self.intake.appeared(pipeline, blob)


@dataclass(frozen=True, slots=True)
class Models:
    """Models that a person put under `promote/`."""

    context: Context
    intake: Intake
    what: ClassVar[str] = "models put by hand"
    models: ClassVar[bool] = True

    @property
    def place(self) -> str:
        """The account and container."""
        return f"{self.context.models.account}/{self.context.models_container}"

    def page(self, cursor: str | None) -> Page[BlobVersion]:
        """Return a page. Raises as the port says."""
        return self.context.models.page(self.context.models_container, cursor, "promote/")

    def opening(self) -> Sequence[str]:
        """Return the pipelines with an endpoint that a model may be put for."""
        pipelines = self.intake.catalogue.pipelines.values()
        return [one.name for one in pipelines if one.endpoints]

    def wanting(self, name: str) -> Sequence[Pipeline]:
        """Return the pipeline to whose endpoint a model of this name is to go."""
        try:
            found = self.intake.catalogue.for_manual_model(name)
        except RelearnError:
            return []  # its pipeline has an error: a later listing finds it
        return [found] if found else []

    def appeared(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """Have it promoted; whether it was not known. Raises RelearnError."""
        return self.intake.model_appeared(pipeline, blob)
