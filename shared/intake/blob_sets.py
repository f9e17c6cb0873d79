"""The two sets of blobs that are listed: training data, and operators' models."""

from collections.abc import Callable, Sequence

from shared.core.blobs import BlobVersion
from shared.core.run.data_version import DataVersion
from shared.core.service import service
from shared.errors import PipelineConfigError
from shared.execution.context import Context
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Eligibility
from shared.ports.storage import Blobs, Page


@service
class BlobSet:
    """One of the two sets of blobs, and the pipelines that want them."""

    what: str
    models: bool  #: whether it holds operators' models
    account: Blobs
    container: str
    prefix: str
    opening: Callable[[], Sequence[str]]  #: the pipelines that open a run for such a blob
    versions: Callable[[BlobVersion], Sequence[DataVersion]]  #: a blob, for those that want it

    @property
    def name(self) -> str:
        """The account and container."""
        return f"{self.account.account}/{self.container}"

    def page(self, cursor: str | None) -> Page[BlobVersion]:
        """Return a page of the listing. Raises as the port says."""
        return self.account.page(self.container, cursor, self.prefix)

    def head(self, name: str) -> BlobVersion | None:
        """Return a blob as it is now. Raises as the port says."""
        return self.account.head(self.container, name)


def data_blobs(context: Context, catalogue: Catalogue) -> BlobSet:
    """Return the set of training data.

    Args:
        context: the storage and its containers.
        catalogue: the pipelines as they are configured now.
    """
    return BlobSet(
        what="data versions",
        models=False,
        account=context.data,
        container=context.data_container,
        prefix="",
        opening=lambda: [
            one.name for one in catalogue.pipelines.values() if one.data and one.data.opens_runs
        ],
        versions=catalogue.wanting,
    )


def model_blobs(context: Context, catalogue: Catalogue, eligibility: Eligibility) -> BlobSet:
    """Return the set of operators' models.

    Args:
        context: the storage and its containers.
        catalogue: the pipelines as they are configured now.
        eligibility: logs the models that are not eligible.
    """

    def versions(blob: BlobVersion) -> Sequence[DataVersion]:
        try:
            pipeline = catalogue.for_manual_model(blob.name)
        except PipelineConfigError as exc:  # it never was active: no model is eligible for it
            eligibility.log_once(f"model {blob.name} is ignored: {exc}", blob.name)
            return []
        return [DataVersion.of_model(pipeline, blob)] if pipeline else []

    return BlobSet(
        what="operators' models",
        models=True,
        account=context.models,
        container=context.models_container,
        prefix="promote/",
        opening=lambda: [one.name for one in catalogue.pipelines.values() if one.endpoints],
        versions=versions,
    )
