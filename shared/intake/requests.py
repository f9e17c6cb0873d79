"""Opens runs on the newest data: for one due time, or for a manual request."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.pattern import literal_prefix
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule_words import window_words
from shared.core.config.windows import Window
from shared.core.run.data_version import captured, key_of
from shared.core.run.manual_request import ManualRequest
from shared.core.run.parameters import asked_parameters
from shared.core.run.record import Origin, Phase, Run
from shared.core.service import service
from shared.core.versions import Newest
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    IdempotencyConflictError,
    InvalidRequestError,
    NoSuchDataError,
    RelearnError,
    RunIdUsedError,
)
from shared.execution.concurrency import ConcurrencyLimits
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.inbox import FirstRecordedTimes
from shared.execution.run_factory import Opening, RunFactory
from shared.execution.run_writer import RunWriter
from shared.intake.requested_windows import requested_window, within
from shared.telemetry import log

#: After this number of failed keys in a row the storage counts as failing, not one record.
_FAILURES: Final = 3
#: The key of a due time that takes no data.
_ONLY: Final = "all"
#: Whether a blob had its run, where the run of this id does not count.
Had = Callable[[BlobVersion, str], bool]


@dataclass(frozen=True, slots=True)
class DueTimePart:
    """The part of a due time that one call does."""

    blobs: Mapping[str, Newest | None]  #: the newest data of each key, as `by_key` found it
    after: str  #: the key where the call before stopped; empty: from the first one on
    until: datetime  #: when no further run may be opened
    most: int  #: how many runs may be opened


@dataclass(slots=True)
class DueTimeResult:
    """The result of one call for a due time."""

    runs: list[Run] = field(default_factory=list)  #: that it has, those of earlier calls too
    opened: list[str] = field(default_factory=list)  #: runs that are new
    without: int = 0  #: keys without data of their own for it
    failed: int = 0  #: keys whose run could not be opened now
    after: str | None = None  #: where the next call continues; None: every key is done


@service
class Requests:
    """Opens the runs of each due time, and of each request, at most once."""

    context: Context
    factory: RunFactory
    writer: RunWriter
    driver: Driver
    concurrency: ConcurrencyLimits

    def newest_data(self, pipeline: Pipeline) -> list[BlobVersion]:
        """Return the newest blob that matches the pipeline, one for each key; often only one."""
        return [newest.blob for newest in self._newest(pipeline)]

    def _newest(self, pipeline: Pipeline) -> list[Newest]:
        """Return the newest blob of each key, and the blobs that share its Last-Modified."""
        if pipeline.data is None:
            return []
        container, prefix = self.context.data_container, literal_prefix(pipeline.data.blob)
        newest: dict[tuple[str, ...], list[BlobVersion]] = {}
        for blob in self.context.data.listing(container, prefix):
            tokens = captured(pipeline, blob.name)
            if tokens is None or blob.size < pipeline.data.least:
                continue
            key = tuple(tokens[token] for token in pipeline.key_tokens)
            known = newest.setdefault(key, [blob])
            if blob.modified > known[0].modified:
                newest[key] = [blob]
            elif blob.modified == known[0].modified and blob is not known[0]:
                known.append(blob)
        recorded = FirstRecordedTimes(self.context, pipeline)
        return [recorded.newest(tied) for tied in newest.values()]

    def due(self, pipeline: Pipeline, window: Window, part: DueTimePart, had: Had) -> DueTimeResult:
        """Open runs of one due time, one for each key; each window has them once.

        Nothing is sent to a service: the runs are stored, and the poll advances them. A key
        whose records cannot be read is reported and skipped.

        Args:
            pipeline: the pipeline, with its schedule.
            window: the window of the due time.
            part: where to begin, and how far to go.
            had: whether a run was opened for a blob before, by another cause.

        Returns:
            The runs of the due time, and where the next call continues.
        """
        begun, failures, due = DueTimeResult(), 0, window.due
        blobs, last = part.blobs, part.after
        for key in sorted(key for key in blobs if key > part.after):
            if self.context.clock.now() >= part.until or len(begun.opened) >= part.most:
                begun.after = last
                return begun
            try:
                self._due(pipeline, window, blobs[key], had, begun)
            except (CorruptRecordError, RunIdUsedError) as exc:
                log.error("pipeline %s: due at %s, no run for one key: %s", pipeline.name, due, exc)
            except RelearnError as exc:
                begun.failed, failures = begun.failed + 1, failures + 1
                log.warning("pipeline %s: due at %s, a run must wait: %s", pipeline.name, due, exc)
            else:
                failures = 0
            last = key
            if failures >= _FAILURES:  # the storage fails, not one key: tried again later
                begun.after = last
                return begun
        if not blobs:
            begun.without = 1
        return begun

    def by_key(self, pipeline: Pipeline) -> dict[str, Newest | None]:
        """Return the newest data of each key, by a name of the key that sorts.

        A pipeline with windows is given as it is in one of them.

        Raises:
            TransientError: the data cannot be listed now.
        """
        if pipeline.data is None:
            return {_ONLY: None}
        found = self._newest(pipeline)
        return {names.digest("key", *key_of(pipeline, one.blob.name)): one for one in found}

    def _due(
        self,
        pipeline: Pipeline,
        window: Window,
        newest: Newest | None,
        had: Had,
        begun: DueTimeResult,
    ) -> None:
        blob, kept = newest.blob if newest else None, window if pipeline.uses_windows else None
        key = key_of(pipeline.in_window(window), blob.name) if blob else ()
        # A window ends once, whether its start or its end is due.
        run_id = names.run_id(pipeline.name, "schedule", *key, window.end.isoformat())
        if (known := self.context.ledger.runs.read(run_id)) is not None:
            begun.runs.append(known.record)  # by an earlier call, or by another worker
            self._enqueue(known.record)
            return
        if blob is not None and had(blob, run_id):
            begun.without += 1
            return
        cause = f"due {window.due.isoformat()}{_of(kept)}"
        run = self._new(pipeline, newest, kept, Opening(run_id, Origin.SCHEDULE, cause))
        try:
            self.writer.create(run)
        except ConflictError:
            found = self.context.ledger.runs.read(run_id)
            run = found.record if found else run
        begun.runs.append(run)
        begun.opened.append(run_id)
        self._enqueue(run)

    def _enqueue(self, run: Run) -> None:
        """Have the run of a window wait in the order of the windows, not of the poll."""
        if run.window is not None and run.phase is Phase.WAITING:
            with suppress(CorruptRecordError):  # reported when the run is to begin
                self.concurrency.enqueue(run)

    def requested(self, pipeline: Pipeline, key: str, request: ManualRequest) -> Run:
        """Open the run of one request; the same key again returns the same run.

        Args:
            pipeline: the pipeline as it is configured now.
            key: the idempotency key of the request.
            request: the request.

        Returns:
            The run.

        Raises:
            IdempotencyConflictError: the key stands for another request, or for a removed run.
            NoSuchDataError: the data is not there or does not match the pipeline.
            InvalidRequestError: there is no such model, no endpoint for it, or no such window.
        """
        run_id = names.run_id(pipeline.name, "manual", key)
        known = self.context.ledger.runs.read(run_id)
        if known is not None:
            return _same_request(known.record, request)
        if self.context.ledger.tombstones.has(run_id):
            raise IdempotencyConflictError(
                f"this Idempotency-Key was used before, and the record of its run {run_id} was "
                "removed: use another key"
            )
        if request.model is not None:
            run = self._of_model(pipeline, run_id, request, request.model)
            return _same_request(self.driver.begin(run), request)
        window = requested_window(pipeline, request.due, self.context.clock.now())
        newest = self._requested_in(window, pipeline, request)
        cause = f"requested over HTTP{_of(window)}"
        run = self._new(pipeline, newest, window, Opening(run_id, Origin.MANUAL, cause))
        parameters = {**run.parameters, **asked_parameters(request.parameters)}
        asked = {"request": request.digest(), "parameters": parameters}
        return _same_request(self.driver.begin(run.evolve(**asked)), request)

    def _of_model(self, pipeline: Pipeline, run_id: str, request: ManualRequest, name: str) -> Run:
        """Return the record of a run that promotes a model which an operator names."""
        if request.data is not None or request.parameters or request.due is not None:
            raise InvalidRequestError(
                "model: leave data, parameters and due out, no job is started"
            )
        if not pipeline.endpoints:
            raise InvalidRequestError(f"model: pipeline {pipeline.name} has no endpoint for it")
        if pipeline.key_tokens:
            raise InvalidRequestError(
                f"model: the endpoints of pipeline {pipeline.name} are chosen by "
                f"{', '.join(pipeline.key_tokens)}, which a model does not say"
            )
        model = self.context.providers.training(pipeline.training).named_model(name)
        opening = Opening(run_id, Origin.MODEL, f"{model.name} requested over HTTP", model=model)
        return self.factory.training(opening, pipeline).evolve(request=request.digest())

    def _new(
        self, pipeline: Pipeline, newest: Newest | None, window: Window | None, opening: Opening
    ) -> Run:
        """Return the record of a new run on one blob, or without a blob."""
        # The time of its first record is read only at a tie (`FirstRecordedTimes`).
        tokens = window.tokens() if window else {}
        if newest is None:
            return self.factory.training(replace(opening, tokens=tokens), pipeline)
        here = pipeline.in_window(window) if window else pipeline
        tokens = {**(captured(here, newest.blob.name) or {}), **tokens}
        opening = replace(opening, blobs=(newest.blob,), tokens=tokens, tied=newest.tied)
        return self.factory.training(opening, pipeline)

    def _requested_in(
        self, window: Window | None, pipeline: Pipeline, request: ManualRequest
    ) -> Newest | None:
        if window is None:
            return self._requested(pipeline, request)
        try:
            return self._requested(within(pipeline, window), request)
        except NoSuchDataError as exc:
            of = f"the run would be of the window {window_words(window)}; `due` names another one"
            raise NoSuchDataError(f"{exc}: {of}") from None

    def _requested(self, pipeline: Pipeline, request: ManualRequest) -> Newest | None:
        if pipeline.data is None:
            if request.data is not None:
                raise NoSuchDataError(f"pipeline {pipeline.name} takes no data: leave `data` out")
            return None
        if request.data is None:
            newest = self._newest(pipeline)
            if not newest:
                raise NoSuchDataError(f"no blob matches {pipeline.data.blob}")
            return self._newest_of_keys(pipeline, newest)
        if captured(pipeline, request.data) is None:
            raise NoSuchDataError(f"{request.data!r} does not match {pipeline.data.blob}")
        blob = self.context.data.head(self.context.data_container, request.data)
        if blob is None:
            raise NoSuchDataError(
                f"there is no blob {request.data!r} in the training data container"
            )
        if blob.size < pipeline.data.least:
            raise NoSuchDataError(f"{request.data!r} is smaller than min_size")
        return Newest(blob)

    def _newest_of_keys(self, pipeline: Pipeline, newest: Sequence[Newest]) -> Newest:
        """Return the newest blob over all keys."""
        last = max(one.blob.modified for one in newest)
        there = [one for one in newest if one.blob.modified == last]
        return FirstRecordedTimes(self.context, pipeline).newest(
            [blob for one in there for blob in (one.blob, *one.tied)]
        )


def _of(window: Window | None) -> str:
    """Return the window of a run in words, for its cause."""
    return f", window {window_words(window)}" if window else ""


def _same_request(run: Run, request: ManualRequest) -> Run:
    if run.request != request.digest():
        raise IdempotencyConflictError("this Idempotency-Key was used for another request before")
    return run
