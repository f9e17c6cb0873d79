"""Opens runs from what landed: the one way from the inbox to a run (decision 10).

A data version waits in the inbox until a run has claimed it (`shared.intake.batch_claims`).
The slot names the run that takes what waits before its record exists, and whoever finds it there
goes on with that very run. Runs are only opened here; no service is called. Each step may be
repeated, and by any number of workers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.keys import key_of
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted
from shared.core.run import concurrency as core
from shared.core.run.concurrency import RunQueue
from shared.core.run.record import Origin, Run
from shared.core.versions import version_id
from shared.errors import ConflictError, CorruptRecordError, RelearnError, RunIdUsedError
from shared.execution.bulkheads import Bulkheads
from shared.execution.concurrency import MAY_BE_IDLE, ConcurrencyLimits
from shared.execution.context import Context
from shared.execution.first_recorded import FirstRecordedTimes
from shared.execution.run_factory import RunFactory, captured
from shared.intake.batch_claims import BatchClaims, ClaimProgress, age_of, each_once
from shared.ledger.inbox import InboxEntry
from shared.ledger.open_markers import BatchToOpen
from shared.ledger.store import Stored
from shared.ledger.versions import VersionEntry
from shared.telemetry import log, report_run

#: Runs of one key that one call opens, so that others have their turn.
_MOST_RUNS: Final = 50
#: Why a run was opened for data that no event or search could find.
APPEARED: Final = "found by the daily listing"


@dataclass(frozen=True, slots=True)
class _Batch:
    """What waits for one key of a pipeline."""

    pipeline: Pipeline
    key: tuple[str, ...]
    arrived: tuple[InboxEntry, ...] | None = None  #: None: not listed yet

    @property
    def run_queue(self) -> str:
        return names.run_queue_id(self.pipeline.name, self.key)


@dataclass(frozen=True, slots=True)
class OpenedBatches:
    """What one pass over the inbox came to."""

    opened: int
    next: Mapping[str, str]  #: pipeline -> the key to begin with, where there was no more time
    unwanted: tuple[InboxEntry, ...]  #: what waits for a pipeline that does not want it, or is gone


@dataclass(slots=True)
class Batches:
    """Takes what landed into runs, as soon as it may."""

    context: Context
    run_factory: RunFactory
    concurrency: ConcurrencyLimits = field(init=False)

    def __post_init__(self) -> None:
        """Share the rules about turns with the runs that wait."""
        self.concurrency = ConcurrencyLimits(self.context)

    def keep(
        self, pipeline: Pipeline, blob: BlobVersion, version_id: str, *, appeared: bool = False
    ) -> bool:
        """Keep a data version until a run takes it; False when it is kept already.

        Args:
            pipeline: whose run.
            blob: the version.
            version_id: its id.
            appeared: whether the full listing found it.
        """
        blob = self.context.recorded(blob)
        entry = VersionEntry(
            pipeline=pipeline.name, blob=blob, run_id=None, note="waiting", appeared=appeared
        )
        return self.context.ledger.inbox.add(key_of(pipeline, blob.name), version_id, entry)

    def return_to_inbox(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
        """Have other runs train on what `run` was to train on and will not. Safe to repeat."""
        for blob in blobs:
            version = version_id(run.pipeline, blob)
            kept = self.context.recorded(FirstRecordedTimes(self.context, run.config).of(blob))
            entry = VersionEntry(
                pipeline=run.pipeline, blob=kept, run_id=run.run_id, note="returned"
            )
            self.context.ledger.inbox.add(run.key, version, entry)

    def open_all(
        self, pipelines: Mapping[str, Pipeline], until: datetime, begin_with: Mapping[str, str]
    ) -> OpenedBatches:
        """Open the runs that may be opened now: pipelines take turns, and no key is forgotten.

        Args:
            pipelines: as they are configured now.
            until: when no further run may be begun.
            begin_with: pipeline -> the key that the last pass had no more time for.

        Raises:
            TransientError: the inbox cannot be listed now.
        """
        batches, unwanted = _batches(pipelines, self.context.ledger.inbox.entries())
        order = [one for found in batches.values() for one in _from(found, begin_with)]
        opened: list[Run] = []
        bulkheads = Bulkheads(
            order,
            lambda batch: batch.pipeline.name,
            lambda batch: self._opened_for(batch, until, opened.extend),
            lambda: self.context.clock.now() < until,
            self.context.limits.at_once,
        )
        left = bulkheads.run()
        following = {batch.pipeline.name: batch.run_queue for batch in reversed(left)}
        return OpenedBatches(len(opened), following, tuple(unwanted))

    def open_batches(self, pipeline: Pipeline, key: Sequence[str], until: datetime) -> list[Run]:
        """Open the runs that may be opened now for one key, and return them.

        Also goes on with a run that a worker had begun to open when it died.

        Args:
            pipeline: as it is configured now.
            key: whose data it is.
            until: when no further run may be begun.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now; the poll goes on.
        """
        return self._open_batches(_Batch(pipeline, tuple(key)), until)

    def _opened_for(
        self, batch: _Batch, until: datetime, keep: Callable[[Iterable[Run]], None]
    ) -> bool:
        try:
            keep(self._open_batches(batch, until))
        except RelearnError as exc:
            name = batch.pipeline.name
            log.warning("pipeline %s: data that waits stays for the next tick: %s", name, exc)
        except Exception:  # noqa: BLE001 -- one odd record never stops the others
            log.exception("pipeline %s: data that waits cannot be taken", batch.pipeline.name)
        return True

    def _open_batches(self, batch: _Batch, until: datetime) -> list[Run]:
        opened: list[Run] = []
        while len(opened) < _MOST_RUNS and self.context.clock.now() < until:
            try:
                run, batch = self._open_one(batch, until)
            except ConflictError:
                break  # another worker gathers for this key
            if run is None:
                break
            # Its place is taken before the next run is opened, so that limits hold.
            opened.append(self.run_factory.driver.admit(run.run_id) or run)
            if not batch.arrived:
                break
        return opened

    def _open_one(self, batch: _Batch, until: datetime) -> tuple[Run | None, _Batch]:
        ledger = self.context.ledger
        stored = ledger.run_queues.read(batch.run_queue)
        run_queue = (
            stored.record if stored else RunQueue(pipeline=batch.pipeline.name, key=batch.key)
        )
        taker = run_queue.batch_run
        if stored and taker and not ledger.tombstones.has(taker):
            if not ledger.runs.exists(taker):
                return self._continue(batch, stored, taker, until)
            ledger.tombstones.add(taker)  # its worker died between the two
        if stored and run_queue.claimed_to and batch.arrived is not None:
            batch = self._cleared(batch, stored, until)
        run_queue = self.concurrency.in_queue(run_queue)
        if not self._may_begin(batch.pipeline, stored, run_queue):
            return None, batch
        batch = self._settled(self._listed(batch), taker, until)
        wanted = self._wanted(batch, run_queue, until)
        if not wanted:
            return None, batch
        run_queue = self._announced(batch, stored, run_queue, wanted[0])
        return self._open(batch, run_queue, wanted, until)

    def _cleared(self, batch: _Batch, stored: Stored[RunQueue], until: datetime) -> _Batch:
        """Have the rest of a great burst leave the inbox, also while its run is at work."""
        before = len(batch.arrived or ())
        batch = self._settled(batch, stored.record.batch_run, until)
        if len(batch.arrived or ()) == before:  # all of it is gone
            run_queue = stored.record.evolve(claimed_to="")
            self.context.ledger.run_queues.put(batch.run_queue, run_queue, stored.etag)
            raise ConflictError(f"{batch.run_queue} was written: it is looked at again")
        return batch

    def _continue(
        self, batch: _Batch, stored: Stored[RunQueue], run_id: str, until: datetime
    ) -> tuple[Run | None, _Batch]:
        """Open the run that another worker announced: it died, or is about to store it."""
        fresh = self._listed(replace(batch, arrived=None))
        wanted = sorted(each_once(fresh.arrived or ()), key=age_of)
        if not _takes_all(batch.pipeline):
            wanted = [one for one in wanted if _run_id(one) == run_id]
        if not wanted:  # it was taken by other means: nobody needs that run
            run_queue = stored.record.without(lambda one: one == run_id)
            run_queue = run_queue.evolve(batch_run=None)
            self.context.ledger.run_queues.put(batch.run_queue, run_queue, stored.etag)
            return None, fresh
        self.context.ledger.open_markers.mark(run_id, marker_of_batch(batch.pipeline, batch.key))
        return self._open(fresh, stored.record, wanted, until)

    def _may_begin(
        self, pipeline: Pipeline, stored: Stored[RunQueue] | None, run_queue: RunQueue
    ) -> bool:
        """Whether a run may begin now, whatever it is for."""
        if stored and self.concurrency.paused_by_failures(stored, pipeline):
            return False
        if self.concurrency.blocked_reason(run_queue, pipeline, run_id=""):
            return False
        return not self._is_busy(pipeline, run_queue) and self.concurrency.has_free_slot(pipeline)

    def _is_busy(self, pipeline: Pipeline, run_queue: RunQueue) -> bool:
        """Whether as many runs of the key are under way as may be."""
        most = core.concurrency_limit(pipeline)
        if most is None or len(run_queue.holders) < most:
            return False
        # A hint costs less than a great record.
        return (
            self._at_work(run_queue) >= most
            or len(self.concurrency.pruned(run_queue).holders) >= most
        )

    def _at_work(self, run_queue: RunQueue) -> int:
        """Return how many holders are surely at work: a hint costs less than a great record."""
        found = map(self.context.ledger.open_markers.hints, run_queue.holders)
        return sum(hints is not None and hints.phase not in MAY_BE_IDLE for hints in found)

    def _listed(self, batch: _Batch) -> _Batch:
        if batch.arrived is not None:
            return batch
        # What waits under the key of an earlier configuration is found by the tick alone.
        prefix = names.inbox_prefix(batch.pipeline.name, batch.key)
        arrived = self.context.ledger.inbox.entries(prefix)
        mine = [one for one in arrived if wants(batch.pipeline, one.blob.name, batch.key)]
        return replace(batch, arrived=tuple(mine))

    def _settled(self, batch: _Batch, run_id: str | None, until: datetime) -> _Batch:
        """Have what the run before took leave the inbox, should its worker have died there."""
        try:
            last = self.context.ledger.runs.read(run_id) if run_id and batch.arrived else None
        except CorruptRecordError as exc:
            # What it has claimed is known as its own, so that no other run takes that.
            log.error("pipeline %s: data goes on without a run: %s", batch.pipeline.name, exc)
            last = None
        return self._left_by(batch, last.record, until) if last else batch

    def _left_by(self, batch: _Batch, run: Run, until: datetime) -> _Batch:
        left = BatchClaims(self.context).settle(run, batch.arrived or (), until)
        return replace(batch, arrived=left)

    def _wanted(self, batch: _Batch, run_queue: RunQueue, until: datetime) -> list[InboxEntry]:
        """Return what the next run takes, the oldest first; nothing while it has to wait."""
        pipeline, arrived = batch.pipeline, each_once(batch.arrived or ())
        if not arrived or not self._is_quiet(pipeline, arrived):
            return []
        if _queued_run_precedes(run_queue, pipeline, arrived):
            return []
        newest_first = not _takes_all(pipeline) and pipeline.order == "newest_first"
        ordered = sorted(arrived, key=age_of, reverse=newest_first)
        first = BatchClaims(self.context, pipeline.trusts_size).first_free(ordered, until)
        if first is None:
            return []
        return ordered[ordered.index(first) :] if _takes_all(pipeline) else [first]

    def _is_quiet(self, pipeline: Pipeline, arrived: Sequence[InboxEntry]) -> bool:
        """Whether the burst is over, by the storage's clock: one of a host may be wrong."""
        data = pipeline.data
        if data is None or not data.settles:
            return True
        last = max(arrived, key=lambda one: one.seen_at)
        quiet = self.context.ledger.inbox.age(last)
        if quiet is None:
            return False  # another worker took it this moment
        first = min(one.seen_at for one in arrived)
        return quiet >= data.settle or quiet + (last.seen_at - first) >= data.settle_at_most

    def _announced(
        self,
        batch: _Batch,
        stored: Stored[RunQueue] | None,
        run_queue: RunQueue,
        oldest: InboxEntry,
    ) -> RunQueue:
        """Store which run takes what waits, ahead of its record. Raises Conflict."""
        pipeline, ledger, now = batch.pipeline, self.context.ledger, self.context.clock.now()
        run_id = _run_id(oldest)
        while ledger.tombstones.has(run_id):  # its record was removed: an id is never used twice
            run_id = names.run_id(pipeline.name, "again", run_id)
        ledger.open_markers.mark(run_id, marker_of_batch(pipeline, batch.key))
        changes = {"batch_run": run_id, "batch_since": now, "claimed_to": ""}
        run_queue = self.concurrency.pruned(run_queue).evolve(**changes)
        keep, limited = core.starts_to_keep(pipeline), core.concurrency_limit(pipeline) is not None
        run_queue = run_queue.begin(run_id, now, keep=keep, holds=limited)
        ledger.run_queues.put(batch.run_queue, run_queue, stored.etag if stored else None)
        return run_queue

    def _open(
        self, batch: _Batch, run_queue: RunQueue, wanted: Sequence[InboxEntry], until: datetime
    ) -> tuple[Run | None, _Batch]:
        run_id = str(run_queue.batch_run)
        began_at = run_queue.batch_since or self.context.clock.now()
        progress = ClaimProgress(run_id, began_at, run_queue.claimed_to)
        blobs = BatchClaims(self.context, batch.pipeline.trusts_size).take(
            progress, wanted, until, lambda to: self._keep_progress(batch.run_queue, run_id, to)
        )
        if not blobs:  # no time left, or all of it went to other runs meanwhile
            return None, batch
        cause = _cause(blobs, wanted)
        run = self.run_factory.gathered(batch.pipeline, run_id, blobs, cause)
        try:
            stored = self.context.ledger.runs.create(run)
            report_run(run, stored.etag)
        except RunIdUsedError:
            return None, batch  # the next look at the slot announces another one
        except ConflictError:
            found = self.context.ledger.runs.read(run_id)  # frozen by the worker that was first
            run = found.record if found else run
        return run, self._left_by(batch, run, until)

    def _keep_progress(self, name: str, run_id: str, to: str) -> None:
        """Remember how far the taking has come, unless another run takes what waits by now."""

        def further(queue: RunQueue | None) -> RunQueue | None:
            if queue is None or queue.batch_run != run_id:
                return None
            return queue.evolve(claimed_to=max(queue.claimed_to, to))

        with suppress(ConflictError):  # at worst some versions are claimed once more
            self.context.ledger.run_queues.update(name, further)


def wants(pipeline: Pipeline, name: str, key: Sequence[str]) -> bool:
    """Whether a blob of this name is data of one key of the pipeline, as configured now."""
    return captured(pipeline, name) is not None and key_of(pipeline, name) == tuple(key)


def marker_of_batch(pipeline: Pipeline, key: Sequence[str]) -> BatchToOpen:
    """Return what the poll finds a run by whose record was not written yet."""
    service = pipeline.training.address
    return BatchToOpen(pipeline=pipeline.name, key=tuple(key), service=service)


def _batches(
    pipelines: Mapping[str, Pipeline], arrived: Iterable[InboxEntry]
) -> tuple[dict[str, list[_Batch]], list[InboxEntry]]:
    """Return what waits by pipeline and key, and what no configured pipeline wants now."""
    sorted_: dict[tuple[str, tuple[str, ...]], list[InboxEntry]] = {}
    unwanted: list[InboxEntry] = []
    for one in arrived:
        pipeline = pipelines.get(one.pipeline)
        if pipeline is None or captured(pipeline, one.blob.name) is None:
            unwanted.append(one)
        else:
            key = key_of(pipeline, one.blob.name)
            sorted_.setdefault((one.pipeline, key), []).append(one)
    found: dict[str, list[_Batch]] = {}
    for (name, key), waiting in sorted_.items():
        found.setdefault(name, []).append(_Batch(pipelines[name], key, tuple(waiting)))
    return found, unwanted


def _from(batches: list[_Batch], begin_with: Mapping[str, str]) -> list[_Batch]:
    """Return a pipeline's batches in turn, beginning where the last pass stopped."""
    ordered = sorted(batches, key=lambda batch: batch.run_queue)
    start = begin_with.get(ordered[0].pipeline.name, "")
    return [b for b in ordered if b.run_queue >= start] + [
        b for b in ordered if b.run_queue < start
    ]


def _cause(blobs: Sequence[BlobVersion], wanted: Sequence[InboxEntry]) -> str:
    """Return why a run is opened that trains on these blobs, of those that waited."""
    taken = {(blob.name, blob.etag) for blob in blobs}
    appeared = sum(one.appeared and (one.blob.name, one.blob.etag) in taken for one in wanted)
    if len(blobs) == 1:
        return f"blob {blobs[0].path}" + (f", {APPEARED}" if appeared else "")
    arrived = f"{counted(len(blobs), 'blob')} landed"
    found = f", {appeared} of them {APPEARED}"
    return arrived + (found if appeared else "")


def _run_id(oldest: InboxEntry) -> str:
    """Return the id of the run that takes this version and newer ones (design rule 1)."""
    again = (oldest.returned_by,) if oldest.returned_by else ()
    return names.run_id(oldest.pipeline, Origin.DATA, oldest.version_id, *again)


def _takes_all(pipeline: Pipeline) -> bool:
    """Whether one run takes everything that landed; else each version has a run."""
    return pipeline.when_busy == "newest" or bool(pipeline.data and pipeline.data.settles)


def _queued_run_precedes(
    run_queue: RunQueue, pipeline: Pipeline, news: Sequence[InboxEntry]
) -> bool:
    """Whether a run that waits already came before what landed."""
    if pipeline.when_busy != "queue" or not run_queue.waiting:
        return False
    if run_queue.newest_first:
        return run_queue.waiting[-1].at > max(one.seen_at for one in news)
    return run_queue.waiting[0].at < min(one.seen_at for one in news)
