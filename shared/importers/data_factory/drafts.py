"""What is read from the definitions of a factory, on its way into a pipelines file.

Both versions of Data Factory are read into these values; `entries` writes them as the pipelines
of Relearn. Texts that are paths or parameters may hold `{start:yyyy/MM/dd}` and `{end:…}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.importers.data_factory.account import Account, Element


@dataclass(frozen=True, slots=True)
class BlobPath:
    """A blob, or a folder of blobs, that a dataset or a file of a web service names."""

    account: str  #: the storage account or linked service, as people know it
    container: str
    name: str  #: inside the container; empty where only the container is known
    source: Element = field(compare=False)  #: the element that names it, for the report

    @property
    def is_folder(self) -> bool:
        """Whether its last part has no suffix, so that it names no file."""
        last = self.name.rpartition("/")[2]
        return "." not in last.split("}")[-1]


@dataclass(frozen=True, slots=True)
class Service:
    """A linked service of type AzureML: a batch service, and what it updates."""

    name: str
    jobs_url: str  #: the batch execution URL, ending in /jobs; empty where it is none
    api_key: str  #: `${NAME}` of the app setting that holds it
    update_url: str = ""  #: `updateResourceEndpoint`; empty where nothing is updated
    endpoint_kind: str = ""  #: `classic` or `webservice`, where there is an update URL
    source: Element | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Job:
    """An activity that starts a batch job: training, or scoring."""

    name: str
    service: Service
    inputs: dict[str, BlobPath] = field(default_factory=dict)  #: by the name of the input
    single_input: BlobPath | None = None  #: of a service that takes one without a name
    outputs: dict[str, BlobPath] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    attempts: int = 1
    pause: str = ""  #: between two attempts
    timeout: str = ""
    source: Element | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Update:
    """An activity that updates an endpoint with a model."""

    name: str
    service: Service
    resource: str  #: `trainedModelName`
    model: BlobPath
    source: Element | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Timing:
    """When a pipeline runs; the values are those of the pipelines file."""

    schedule: dict[str, Any] | str | None = None
    wait_for_data: dict[str, str] | None = None
    catch_up: str = ""
    catch_up_most: int | None = None
    when_busy: str = ""
    order: str = ""
    max_parallel: int | None = None
    opens_runs: bool = False  #: whether an arrival of data opens a run
    min_size: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One pipeline to be: a job, the updates with its model, and when it runs."""

    name: str  #: as the factory calls it; `entries` makes a name of Relearn of it
    job: Job
    updates: tuple[Update, ...] = ()
    timing: Timing = Timing()


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the caller of an import decides."""

    parameters: Mapping[str, Any] = field(default_factory=dict)  #: of pipelines and templates
    backfill: bool = False  #: whether windows of the past are trained too


@dataclass(frozen=True, slots=True)
class ImportContext:
    """What all parts of an import share."""

    account: Account
    options: ImportOptions = ImportOptions()
