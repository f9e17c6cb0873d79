"""Finds what a finished job wrote: at the place that it was given, or where the service put it.

See azure-machine-learning-v2 §2.7. Whether the `uri` of an output is kept is not known for jobs
of a component; what lies elsewhere is copied to its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from shared.core.blobs import BlobVersion
from shared.core.config.azureml_names import same_uri
from shared.core.service import service
from shared.errors import PermanentError, RelearnError, TransientError
from shared.ports.storage import Access, Blobs
from shared.ports.training import FinishedJob
from shared.providers.azureml.call import host_of, mapping_of, properties_of
from shared.providers.azureml.history import RunHistory
from shared.providers.azureml.job_planner import JobPlanner
from shared.telemetry import log

#: What a service says it wrote may become visible later.
LATE: Final = timedelta(minutes=10)
_SIGNED_FOR: Final = timedelta(hours=1)
#: Files of one output that are copied at most, and those of one output that are listed.
_MOST_COPIED: Final = 1_000
_MOST_SEEN: Final = 10_000
#: Where steps write what no output names (azure-machine-learning-v2 §2.7).
_USUAL: Final = ("azureml/{job}/{output}/", "dataset/{job}/{output}/")
_SHOWN: Final = 20
#: After `blob.`, in each cloud; accounts with a zone of their own have the last one.
_CLOUDS: Final = frozenset(
    {"core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net", "storage.azure.net"}
)
#: The content of the blob next to a copied output.
_BEGUN: Final = b"begun"
_DONE: Final = b"done"
_LONGEST_MARK: Final = 100


@dataclass(frozen=True, slots=True)
class FoundOutput:
    """The files of one output, in the models container."""

    name: str
    path: str  #: of the folder or file, without a slash at its end
    files: tuple[BlobVersion, ...]

    @property
    def is_file(self) -> bool:
        """Whether the output is one file and no folder."""
        return any(blob.name == self.path for blob in self.files)

    def inside(self, blob: BlobVersion) -> str:
        """Return the name of a file below the output's folder; of a lone file its own."""
        below = blob.name.removeprefix(f"{self.path}/")
        return below if below != blob.name else blob.name.rpartition("/")[2]

    @property
    def listed(self) -> str:
        """The names of the files, for messages."""
        names = [self.inside(blob) for blob in self.files]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"{', '.join(names[:_SHOWN])}{more}"


@service
class JobOutputs:
    """The outputs of the jobs of one configuration.

    Args:
        planner: says where outputs were to be written.
        history: knows where they are if they are elsewhere.
    """

    planner: JobPlanner
    history: RunHistory

    def of(self, job: FinishedJob, output: str) -> FoundOutput:
        """Return the files of an output, copied to their place if they were elsewhere.

        Args:
            job: a finished job.
            output: the name of the output.

        Raises:
            TransientError: there are none yet, or a copy is under way.
            PermanentError: they cannot be read.
        """
        found = self.found(job, output)
        if found is None:
            path = self.planner.output_place(job.request, output)
            where = f"{self.planner.storage.container}/{path}"
            advice = "see where the job writes it, and correct training.outputs"
            text = f"output {output} of job {job.handle} has no file at {where} yet"
            raise TransientError(f"{text}: {advice}", patience=LATE, advice=advice)
        return found

    def found(self, job: FinishedJob, output: str) -> FoundOutput | None:
        """Return the files of an output; None where there are none. Raises as `of`.

        Args:
            job: a finished job.
            output: the name of the output.
        """
        path = self.planner.output_place(job.request, output)
        files = tuple(self._at(job, path))
        if not files or self.read(_mark(path), _LONGEST_MARK) == _BEGUN:
            self._fetch(job, output, path)
            files = tuple(self._at(job, path))
            if files and self.read(_mark(path), _LONGEST_MARK) == _BEGUN:
                raise TransientError(f"the copy of output {output} to {path} is not complete yet")
        return FoundOutput(output, path, files) if files else None

    def there(self, job: FinishedJob, path: str) -> BlobVersion | None:
        """Return a file that the job wrote at a path of the models container, or None.

        Args:
            job: a finished job.
            path: the path.
        """
        storage = self.planner.storage
        blob = storage.models.head(storage.container, path)
        return blob if blob is not None and _is_new(blob, job) else None

    def read(self, path: str, limit: int) -> bytes | None:
        """Return the content of a small file of the models container.

        Args:
            path: its path.
            limit: the most bytes to read.
        """
        storage = self.planner.storage
        return storage.models.read(storage.container, path, limit)

    def _at(self, job: FinishedJob, path: str) -> Iterator[BlobVersion]:
        """Yield the files at a place that the job wrote, without those of an earlier job."""
        storage = self.planner.storage
        for number, blob in enumerate(storage.models.listing(storage.container, path)):
            if number >= _MOST_SEEN:
                raise PermanentError(f"{path} holds more than {_MOST_SEEN} files")
            inside = blob.name == path or blob.name.startswith(f"{path}/")
            if inside and blob.size and _is_new(blob, job):
                yield blob

    def _fetch(self, job: FinishedJob, output: str, path: str) -> None:
        """Copy an output that was written elsewhere; nothing happens where it is not found."""
        uri = self._elsewhere(job, output)
        place = self.planner.stores.located(uri) if uri else None
        if place is not None:
            self._copied(job, place, path)
            return
        for usual in _USUAL:
            default = self._default_place(usual.format(job=job.handle, output=output))
            if default is not None and self._copied(job, default, path):
                return

    def _elsewhere(self, job: FinishedJob, output: str) -> str | None:
        """Return the URI of an output by the job itself, otherwise by the run history."""
        said = self._said(job, output)
        ours = self.planner.models_store().uri(self.planner.output_place(job.request, output))
        if said and not same_uri(said, ours):
            return said
        try:
            return self.history.uris(job.handle, (output,)).get(output)
        except PermanentError as exc:
            log.warning("job %s: the run history does not say its outputs: %s", job.handle, exc)
            return None

    def _said(self, job: FinishedJob, output: str) -> str | None:
        """Return what the job says of an output: a command job does, a pipeline job does not."""
        there = self.planner.assets.known_job(job.handle) or {}
        uri = mapping_of(mapping_of(there.get("outputs")).get(output)).get("uri")
        return uri if isinstance(uri, str) else None

    def _default_place(self, path: str) -> tuple[str, str, str] | None:
        call = self.history.call
        url = call.url("datastores", call.versions.datastores, "&isDefault=true")
        first = next(iter(call.pages(url, "find the default datastore")), None)
        if first is None or properties_of(first).get("isDefault") is False:
            return None
        return self.planner.stores.located(f"azureml://datastores/{first.get('name')}/paths/{path}")

    def _copied(self, job: FinishedJob, place: tuple[str, str, str], path: str) -> int:
        """Copy what lies at a place of some account to the output's path; return how many."""
        base, container, prefix = place
        source = self._account(base)
        prefix = prefix.rstrip("/")
        copied = 0
        for blob in source.listing(container, prefix):
            below = blob.name.removeprefix(prefix)
            if not blob.size or (below and not below.startswith("/")):
                continue
            if copied >= _MOST_COPIED:
                raise PermanentError(f"{container}/{prefix} holds more than {_MOST_COPIED} files")
            if not copied:
                self._write_mark(path, _BEGUN)
            self._copy(source, blob, f"{path}{below}", job)
            copied += 1
        if copied:
            self._write_mark(path, _DONE)
        return copied

    def _write_mark(self, path: str, content: bytes) -> None:
        """Note how far a copy is: a part of a model must never count as the whole."""
        storage = self.planner.storage
        storage.models.write(storage.container, _mark(path), content)

    def _copy(self, source: Blobs, blob: BlobVersion, name: str, job: FinishedJob) -> None:
        storage = self.planner.storage
        signed = source.sign(blob.container, blob.name, Access.READ, _SIGNED_FOR)
        at = f"{signed.account_url.rstrip('/')}/{quote(signed.path)}"
        url = f"{at}{signed.signature}"
        if storage.models.adopt(url, storage.container, name, since=job.made_at) is None:
            advice = f"give the app's identity Storage Blob Data Reader on account {source.account}"
            text = f"{blob.path} of account {source.account} cannot be copied"
            raise TransientError(f"{text}: {advice}", advice=advice)

    @property
    def _storage_hosts(self) -> frozenset[str]:
        """What the host of an account ends with; a token of the app must travel nowhere else."""
        own = (self.planner.storage.models, self.planner.storage.data)
        return _CLOUDS | {_end_of(known.account_url) for known in own}

    def _account(self, base: str) -> Blobs:
        storage = self.planner.storage
        name = (urlsplit(base).hostname or "").partition(".")[0]
        for known in (storage.models, storage.data):
            if name == known.account.lower():  # names of accounts are unique within a cloud
                return known
        if storage.elsewhere is None or _end_of(base) not in self._storage_hosts:
            raise PermanentError(f"the job wrote to {base}, which the app does not read")
        return storage.elsewhere(self.history.call.require(base, "find an output"))


def _end_of(url: str) -> str:
    return host_of(url).partition(".blob.")[2]


def _is_new(blob: BlobVersion, job: FinishedJob) -> bool:
    return job.made_at is None or not blob.is_older_than(job.made_at)


def _mark(path: str) -> str:
    return f"{path}.copying"


def reuse_note(history: RunHistory, job: str) -> str:
    """Return what an operator should know of a finished job; a silent history is said as such.

    Args:
        history: of its workspace.
        job: the job.
    """
    for last in (False, True):
        try:
            return "; ".join(history.reused(job))
        except RelearnError as exc:
            if last:
                return f"whether each step was run again could not be read ({exc})"
    return ""
