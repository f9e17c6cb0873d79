"""Every derived name: ids of versions and runs, and the paths they are stored under.

Ids are derived from events, never drawn: the same event always gives the same id,
so a repeated event finds the record that it made the first time (docs/decisions/0001).
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

_RUN_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
#: Microseconds; later than any date, so that the difference sorts the newest first.
_END_OF_TIME: Final = 10_000_000_000_000_000
_RUN_PARTS: Final = 5
#: The folder of the models that operators upload.
PROMOTE: Final = "promote"
_PROMOTE_PARTS: Final = 3
_LONGEST_PIPELINE: Final = 24
_LONGEST_MARK: Final = 12
_JOB_NAME: Final = re.compile(r"rl-(?P<pipeline>.{1,24})-[0-9a-f]{12}-[0-9]{1,9}(?:-[0-9]{1,9})?")


@lru_cache(maxsize=1024)
def digest(*parts: str) -> str:
    """Return 20 hex digits that stand for `parts`, in order and apart from each other."""
    return hashed(*parts).hex()[:20]


def hashed(*parts: str) -> bytes:
    """Return the SHA-256 of `parts`, in order and apart from each other."""
    seal = hashlib.sha256()
    for part in parts:
        data = part.encode()
        seal.update(len(data).to_bytes(8, "big"))
        seal.update(data)
    return seal.digest()


def blob_id(pipeline: str, container: str, blob: str) -> str:
    """Return the id under which every version of one blob is kept for one pipeline.

    Args:
        pipeline: the pipeline.
        container: the container.
        blob: the name of the blob.
    """
    return digest("blob", pipeline, container, blob)


def version_id(pipeline: str, container: str, blob: str, etag: str) -> str:
    """Return the id of one version of a blob for one pipeline.

    The id starts with `blob_id`, so that one prefix lists all versions of a blob.

    Args:
        pipeline: the pipeline.
        container: the container.
        blob: the name of the blob.
        etag: the ETag of the version.
    """
    return f"{blob_id(pipeline, container, blob)}-{digest('etag', etag.strip(chr(34)))}"


def run_id(pipeline: str, *cause: str) -> str:
    """Return the id of the run that `cause` opens in `pipeline`.

    Args:
        pipeline: the pipeline.
        cause: the parts that identify what opened the run.
    """
    return f"{pipeline}-{digest(pipeline, *cause)}"


def pipeline_of(run_id: str) -> str:
    """Return the name of the pipeline that a run belongs to, as its id says."""
    return run_id.rpartition("-")[0]


def run_queue_id(pipeline: str, key: Sequence[str]) -> str:
    """Return the id of the run queue for one key of a pipeline.

    Args:
        pipeline: the pipeline.
        key: the values of the tokens of the key.
    """
    return f"run_queues/{pipeline}/{digest('key', *key)}"


def shared_queue_id(kind: str, name: str) -> str:
    """Return the id of the shared queue of a limit over several keys or pipelines.

    Args:
        kind: the kind of the limit.
        name: what the limit is for.
    """
    return f"shared_queues/{digest(kind, name)}"


def inbox_prefix(pipeline: str, key: Sequence[str]) -> str:
    """Return the prefix of the data in the inbox for one key of a pipeline.

    Args:
        pipeline: the pipeline.
        key: the values of the tokens of the key.
    """
    return f"inbox/{pipeline}/{digest('key', *key)}/"


def index_name(opened_at: datetime, run_id: str) -> str:
    """Return the name under which a run is listed, the newest first.

    Args:
        opened_at: when the run was opened.
        run_id: the run.
    """
    left = _END_OF_TIME - int(opened_at.timestamp() * 1_000_000)
    return f"index/{left:017d}-{run_id}"


def manifest_path(pipeline: str, run: str) -> str:
    """Return the path of a run's manifest in the models container.

    Args:
        pipeline: the pipeline.
        run: the run.
    """
    return f"runs/{pipeline}/{run}/manifest.csv"


def delivery_run_id(pipeline: str, parent: str, endpoint: str, tries: int) -> str:
    """Return the id of the run that gives one endpoint the model of `parent`.

    Args:
        pipeline: the pipeline.
        parent: the id of the run that trained the model.
        endpoint: the name of the endpoint.
        tries: how many deliveries to the endpoint came before.
    """
    return run_id(pipeline, "roll out", parent, endpoint, str(tries))


def is_run_id(text: str) -> bool:
    """Whether `text` can be the id of a run; `..` would lead to another path in a URL."""
    return _RUN_ID.fullmatch(text) is not None


def output_path(pipeline: str, run: str, attempt: int, file: str) -> str:
    """Return the path in the models container to which attempt `attempt` writes `file`.

    Args:
        pipeline: the pipeline.
        run: the run.
        attempt: the number of the attempt.
        file: the name of the file.
    """
    return f"runs/{pipeline}/{run}/{attempt}/{file}"


def owner_of_output(path: str) -> tuple[str, int] | None:
    """Return (run id, attempt) that own this path of the models container, if it is one's.

    An output is a file, or a folder with any number of files.
    """
    parts = path.split("/")
    if len(parts) < _RUN_PARTS or parts[0] != "runs" or not is_run_id(parts[2]):
        return None
    if not parts[3].isdecimal():
        return None
    return parts[2], int(parts[3])


def owner_of_upload(path: str) -> tuple[str, tuple[str, ...]] | None:
    """Return (pipeline, key) for which an operator put this blob under `promote/`, or None.

    The path is `promote/<pipeline>/<key…>/<file>`, with one part for each token of the key.
    """
    parts = path.split("/")
    if len(parts) < _PROMOTE_PARTS or parts[0] != PROMOTE:
        return None
    return parts[1], tuple(parts[2:-1])


def job_name(run_id: str, attempt: int, replaced: int, service: str) -> str:
    """Return the name of an attempt's job, which never changes (azure-machine-learning-v2 §2.4).

    It depends on the service: a run that is retried after another one was configured must not
    be started a second time there.

    Args:
        run_id: the run.
        attempt: its attempt.
        replaced: how many jobs of the attempt were given up.
        service: what the service is known by.
    """
    pipeline = pipeline_of(run_id)[:_LONGEST_PIPELINE].strip("-")
    mark = digest("azureml job", run_id, service)[:_LONGEST_MARK]
    again = f"-{replaced + 1}" if replaced else ""
    return f"rl-{pipeline}-{mark}-{attempt}{again}"


def pipeline_of_job(name: str) -> str | None:
    """Return the beginning of the name of a job's pipeline; None: not a name of `job_name`."""
    found = _JOB_NAME.fullmatch(name)
    return found["pipeline"] if found else None
