"""Opens the runs that no event asks for: those of due times, and those of people."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.context import Context
from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config_types import Scalar
from shared.core.parameters import asked_parameters
from shared.core.pattern import literal_prefix
from shared.core.pipeline import Pipeline
from shared.core.run import Origin, Phase, Run
from shared.errors import PermanentError, RelearnError, TransientError
from shared.openings import Opening, captured


class RequestClash(PermanentError):  # noqa: N818 -- it names what was met
    """An idempotency key was used before, for another request."""


class NoSuchData(PermanentError):  # noqa: N818 -- it names what was met
    """A manual run names data that is not there or that no pipeline wants."""


@dataclass(frozen=True, slots=True)
class ManualRequest:
    """What a person asks for over HTTP."""

    data: str | None = None  #: blob name inside the data container; None: the newest that matches
    parameters: Mapping[str, Scalar] = field(default_factory=dict)

    def digest(self) -> str:
        """Return what tells this request from another one under the same key."""
        return names.digest(json.dumps([self.data, dict(self.parameters)], sort_keys=True))


#: Whether a blob had its run, where the run of this id does not count.
Had = Callable[[BlobVersion, str], bool]


@dataclass(frozen=True, slots=True)
class Begun:
    """What a due time came to."""

    runs: tuple[Run, ...]
    without: int  #: keys without data of their own for it


@dataclass(frozen=True, slots=True)
class Asked:
    """Each due time, and each request, has its runs at most once."""

    context: Context
    opening: Opening

    def newest_data(self, pipeline: Pipeline) -> list[BlobVersion]:
        """Return the newest blob that matches the pipeline, one for each key; often only one."""
        if pipeline.data is None:
            return []
        container, prefix = self.context.data_container, literal_prefix(pipeline.data.blob)
        newest: dict[tuple[str, ...], BlobVersion] = {}
        for blob in self.context.data.listing(container, prefix):
            tokens = captured(pipeline, blob.name)
            if tokens is None or blob.size < pipeline.data.least:
                continue
            key = tuple(tokens[token] for token in pipeline.key_tokens)
            known = newest.get(key)
            if known is None or (blob.modified, blob.name) > (known.modified, known.name):
                newest[key] = blob
        return list(newest.values())

    def due(self, pipeline: Pipeline, due: datetime, until: datetime, had: Had) -> Begun:
        """Open the runs of one due time, one for each key; each due time has them once.

        Args:
            pipeline: whose schedule it is.
            due: the due time.
            until: when no further run may be begun.
            had: tells of a blob whether a run was opened for it before, by another cause.

        Raises:
            TransientError: there was no time for all of them; the same call goes on.
        """
        if pipeline.data is None:
            return Begun((self._due(pipeline, due, None),), 0)
        opened: list[Run] = []
        failures: list[RelearnError] = []
        without = 0
        blobs = self.newest_data(pipeline)
        for done, blob in enumerate(blobs):
            if self.context.clock.now() >= until:
                raise TransientError(f"due at {due}: {len(blobs) - done} runs wait for a tick")
            try:
                run_id = self._due_run_id(pipeline, due, blob)
                if (known := self.context.ledger.run(run_id)) is not None:
                    opened.append(known.record)  # at an earlier tick, which had no more time
                elif had(blob, run_id):
                    without += 1
                else:
                    opened.append(self._due(pipeline, due, blob))
            except RelearnError as exc:
                failures.append(exc)  # the other customers shall have their run all the same
        if failures:
            raise failures[0]
        return Begun(tuple(opened), without if blobs else 1)

    def _due_run_id(self, pipeline: Pipeline, due: datetime, blob: BlobVersion | None) -> str:
        tokens = (captured(pipeline, blob.name) if blob else None) or {}
        key = [tokens[token] for token in pipeline.key_tokens]
        return names.run_id(pipeline.name, "schedule", *key, due.isoformat())

    def _due(self, pipeline: Pipeline, due: datetime, blob: BlobVersion | None) -> Run:
        run_id = self._due_run_id(pipeline, due, blob)
        self.context.ledger.mark_open(run_id, {"phase": Phase.RECEIVED})
        cause, blobs = f"due {due.isoformat()}", [blob] if blob else []
        return self.opening.begin(self.opening.new(pipeline, run_id, blobs, Origin.SCHEDULE, cause))

    def requested(self, pipeline: Pipeline, key: str, request: ManualRequest) -> Run:
        """Open the run of one request; the same key again returns the same run.

        Raises:
            RequestClash: the key stands for another request.
            NoSuchData: the data is not there or does not match the pipeline.
        """
        run_id = names.run_id(pipeline.name, "manual", key)
        known = self.context.ledger.run(run_id)
        if known is not None:
            return _same_request(known.record, request)
        blob = self._requested_blob(pipeline, request)
        self.context.ledger.mark_open(run_id, {"phase": Phase.RECEIVED})
        run = self.opening.new(
            pipeline, run_id, [blob] if blob else [], Origin.MANUAL, "requested over HTTP"
        )
        parameters = {**run.parameters, **asked_parameters(request.parameters)}
        asked = {"request": request.digest(), "parameters": parameters}
        return _same_request(self.opening.begin(run.model_copy(update=asked)), request)

    def _requested_blob(self, pipeline: Pipeline, request: ManualRequest) -> BlobVersion | None:
        if pipeline.data is None:
            if request.data is not None:
                raise NoSuchData(f"pipeline {pipeline.name} takes no data: leave `data` out")
            return None
        if request.data is None:
            newest = self.newest_data(pipeline)
            if not newest:
                raise NoSuchData(f"no blob matches {pipeline.data.blob}")
            return max(newest, key=lambda blob: (blob.modified, blob.name))
        if captured(pipeline, request.data) is None:
            raise NoSuchData(f"{request.data!r} does not match {pipeline.data.blob}")
        blob = self.context.data.head(self.context.data_container, request.data)
        if blob is None:
            raise NoSuchData(f"there is no blob {request.data!r} in the training data container")
        if blob.size < pipeline.data.least:
            raise NoSuchData(f"{request.data!r} is smaller than min_size")
        return blob


def _same_request(run: Run, request: ManualRequest) -> Run:
    if run.request != request.digest():
        raise RequestClash("this Idempotency-Key was used for another request before")
    return run
