"""The drafts of pipelines: definitions of a factory before they are a pipelines file.

Both versions of Data Factory are read into these values; `entries` writes them as the pipelines
of Relearn. Texts that are paths or parameters may hold `{start:yyyy/MM/dd}` and `{end:…}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from shared.core.config.pattern import tokens_of
from shared.core.config.studio_types import MODEL_SUFFIX
from shared.importers.data_factory.account import NOWHERE, Account, Element
from shared.importers.data_factory.secrets import Secrets
from shared.importers.data_factory.values import unique

#: Of a pipeline, and of an endpoint.
LONGEST_NAME: Final = 40
#: A suffix has a letter: `v1.0` is the name of a folder.
_SUFFIX: Final = re.compile(r"\.[^.]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What was asked for on the command line."""

    backfill: bool = False  #: whether windows of the past get runs, too
    #: Values for the parameters of ARM templates, by their names.
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ImportContext:
    """What all parts of one import share."""

    account: Account
    secrets: Secrets
    options: ImportOptions
    now: datetime
    _names: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names that were given to pipelines, also to those that were not made."""
        return list(self._names.values())

    def pipeline_name(self, *parts: str) -> str:
        """Return the name of a pipeline of the pipelines file: unique, and the same each time.

        Args:
            parts: the names that the factory has for it: a pipeline, and an activity where the
                pipeline becomes several ones.
        """
        said = "\n".join(part.strip().casefold() for part in parts)
        if said not in self._names:
            name = _as_name("-".join(parts))
            self._names[said] = unique(name, self._names.values(), LONGEST_NAME)
        return self._names[said]


def _as_name(text: str) -> str:
    """Return a text with the letters that a pipeline's name may have."""
    words = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")
    return words[:LONGEST_NAME].strip("-") or "pipeline"


@dataclass(frozen=True, slots=True)
class BlobPath:
    """A blob, or a folder of blobs, that a dataset or a file of a web service names."""

    account: str  #: the storage account or linked service, as people know it
    container: str
    name: str  #: inside the container; empty where only the container is known
    source: Element = field(compare=False)  #: the element that names it, for the report

    @property
    def is_folder(self) -> bool:
        """Whether its last part has no suffix, so that it does not name a file; `v1.0` has none.

        A `{token}` at its end stands for the name of a blob.
        """
        last = self.name.rpartition("/")[2]
        return _SUFFIX.search(last.split("}")[-1]) is None and not tokens_of(last)

    @property
    def pattern(self) -> str:
        """The pattern of its blobs: a folder stands for the blobs in it."""
        if not self.is_folder:
            return self.name
        folder = self.name.strip("/")
        taken = tokens_of(folder)
        token = next(one for one in ("name", "file", "blob", "rest") if one not in taken)
        return f"{folder}/{{{token}}}" if folder else f"{{{token}}}"

    @property
    def is_model(self) -> bool:
        """Whether its name is that of a model."""
        return self.name.casefold().endswith(MODEL_SUFFIX)

    def is_same_blob(self, other: "BlobPath") -> bool:
        """Whether another path names the same blob."""
        mine, theirs = ((one.account, one.container, one.name) for one in (self, other))
        return mine == theirs


@dataclass(frozen=True, slots=True)
class Service:
    """A linked service of type AzureML: a batch service, and what it updates."""

    name: str
    jobs_url: str  #: the batch execution URL, ending in /jobs; empty where it is none
    api_key: str  #: `${NAME}` of the app setting that holds it
    update_url: str = ""  #: `updateResourceEndpoint`; empty where nothing is updated
    endpoint_kind: str = ""  #: `classic` or `webservice`, where there is an update URL
    source: Element = field(default=NOWHERE, compare=False)
    lacks_url: bool = False  #: whether `jobs_url` is an example in place of one
    lacks_update: bool = False  #: whether `update_url` is one

    @property
    def wanting(self) -> list[str]:
        """What is to be written before a job can run, for people."""
        text = "training.service: an example stands in place of the URL of linked service "
        return [f"{text}`{self.name}`"] if self.lacks_url else []


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
    source: Element = field(default=NOWHERE, compare=False)

    @property
    def all_inputs(self) -> list[BlobPath]:
        """The paths of all inputs, with a name or without one."""
        single = [] if self.single_input is None else [self.single_input]
        return [*single, *self.inputs.values()]

    @property
    def trains(self) -> bool:
        """Whether it writes a model."""
        return any(path.is_model for path in self.outputs.values())


@dataclass(frozen=True, slots=True)
class Update:
    """An activity that updates an endpoint with a model."""

    name: str
    service: Service
    resource: str  #: `trainedModelName`
    model: BlobPath
    source: Element = field(default=NOWHERE, compare=False)


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
    #: The blobs that a run is for, where a trigger or a policy names them.
    data: BlobPath | None = None

    @property
    def is_held(self) -> bool:
        """Whether neither a due time nor an arrival opens a run yet."""
        paused = isinstance(self.schedule, dict) and bool(self.schedule.get("paused"))
        return paused or (self.schedule is None and not self.opens_runs)


@dataclass(frozen=True, slots=True)
class Draft:
    """One pipeline to be: a job, the updates with its model, and when it runs."""

    name: str  #: in the pipelines file, by `ImportContext.pipeline_name`
    job: Job
    updates: tuple[Update, ...] = ()
    timing: Timing = Timing()
