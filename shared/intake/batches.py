"""Opens the runs of the data in the inbox; no other module does (decision 10).

A data version waits in the inbox until a run has claimed it (`shared.intake.batch_claims`).
The run queue names the run of a batch before its record exists, and any worker that finds it
there continues with that run. No service is called. Each step
may be repeated, and by any number of workers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Final

from shared.core import names
from shared.core.config.pipeline import Pipeline
from shared.core.run import concurrency as core
from shared.core.run.concurrency import RunQueue
from shared.core.run.record import Origin, Phase, Run
from shared.core.service import service
from shared.errors import ConflictError, CorruptRecordError, RelearnError
from shared.execution.bulkheads import Bulkheads
from shared.execution.concurrency import MAY_BE_IDLE, ConcurrencyLimits, ReadRun
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.run_factory import Opening, RunFactory
from shared.execution.run_writer import RunWriter
from shared.intake.batch import (
    Batch,
    cause_of,
    from_last_pass,
    marker_of_batch,
    run_id_of,
    sorted_batches,
)
from shared.intake.batch_claims import BatchClaims, ClaimProgress, age_of, each_once
from shared.intake.catalogue import Catalogue
from shared.ledger.inbox import InboxEntry
from shared.ledger.open_markers import BatchToOpen
from shared.ledger.store import Stored
from shared.telemetry import log

#: Runs of one key that one call opens, so that other keys are not delayed.
_MOST_RUNS: Final = 50


@dataclass(frozen=True, slots=True)
class OpenedBatches:
    """The result of one pass over the inbox."""

    opened: int
    next: Mapping[str, str]  #: pipeline -> the key to begin with, where there was no more time
    unwanted: tuple[InboxEntry, ...]  #: data of a pipeline that does not want it, or is gone


@service
class Batches:
    """Opens the runs of waiting data, as soon as limits, budgets and pauses allow."""

    context: Context
    catalogue: Catalogue
    concurrency: ConcurrencyLimits
    factory: RunFactory
    writer: RunWriter
    driver: Driver

    def open_all(self, until: datetime, begin_with: Mapping[str, str]) -> OpenedBatches:
        """Open the runs that may be opened now: the pipelines alternate, and no key is left out.

        Args:
            until: when no further run may be begun.
            begin_with: pipeline -> the key that the last pass had no more time for.

        Returns:
            The runs that were opened, not advanced yet, and the work for a later pass.

        Raises:
            TransientError: the inbox cannot be listed now.
        """
        batches, unwanted = sorted_batches(
            self.catalogue.pipelines, self.context.ledger.inbox.entries()
        )
        order = [one for found in batches.values() for one in from_last_pass(found, begin_with)]
        opened: list[Stored[Run]] = []
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

    def open_batches(
        self, pipeline: Pipeline, key: Sequence[str], until: datetime
    ) -> list[Stored[Run]]:
        """Open the runs that may be opened now for one key.

        Also continues with a run whose worker died while it opened the run.

        Args:
            pipeline: as it is configured now.
            key: the key of the data.
            until: when no further run may be begun.

        Returns:
            The runs.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now; the poll continues.
        """
        return self._open_batches(Batch(pipeline, tuple(key)), until)

    def resume(self, batch: BatchToOpen, until: datetime) -> Run | None:
        """Continue with a run that a worker began to open.

        Args:
            batch: the hints of the run's marker.
            until: when no further run may be begun.

        Returns:
            The first run that was opened; None where there is none. Raises as `open_batches`.
        """
        pipeline = self.catalogue.pipeline(batch.pipeline)
        opened = self.open_batches(pipeline, batch.key, until) if pipeline else []
        return opened[0].record if opened else None

    def _opened_for(
        self, batch: Batch, until: datetime, keep: Callable[[Iterable[Stored[Run]]], None]
    ) -> bool:
        try:
            keep(self._open_batches(batch, until))
        except RelearnError as exc:
            name = batch.pipeline.name
            log.warning("pipeline %s: data that waits stays for the next tick: %s", name, exc)
        except Exception:  # noqa: BLE001 -- one broken record never stops the others
            log.exception("pipeline %s: data that waits cannot be taken", batch.pipeline.name)
        return True

    def _open_batches(self, batch: Batch, until: datetime) -> list[Stored[Run]]:
        opened: list[Stored[Run]] = []
        while len(opened) < _MOST_RUNS and self.context.clock.now() < until:
            try:
                stored, batch = self._open_one(batch, until)
            except ConflictError:
                break  # another worker opens batches of this key
            if stored is None:
                break
            # Its slot is taken before the next run is opened, so that limits hold.
            opened.append(self.driver.admit(stored))
            if not batch.arrived:
                break
        return opened

    def _open_one(self, batch: Batch, until: datetime) -> tuple[Stored[Run] | None, Batch]:
        ledger = self.context.ledger
        stored = ledger.run_queues.of(batch.run_queue, batch.pipeline.name, batch.key)
        taker = stored.record.batch_run
        if taker and not ledger.tombstones.has(taker):
            if not ledger.runs.exists(taker):
                return self._continue(batch, stored, taker, until)
            ledger.tombstones.add(taker)  # its worker died between the two
        if stored.record.claimed_to and batch.arrived is not None:
            batch = self._cleared(batch, stored, until)
        read = cache(ledger.runs.read)  # the record of a great burst is great: it is read once
        run_queue = self._with_free_slot(batch.pipeline, stored, read)
        if run_queue is None:
            return None, batch
        batch = self._without_taken(self._listed(batch), taker, until, read)
        wanted = self._wanted(batch, run_queue, until)
        if not wanted:
            return None, batch
        run_queue = self._announced(batch, stored, run_queue, wanted[0])
        return self._open(batch, run_queue, wanted, until)

    def _cleared(self, batch: Batch, stored: Stored[RunQueue], until: datetime) -> Batch:
        """Remove the rest of a great burst from the inbox, also while its run is open."""
        before = len(batch.arrived or ())
        read = self.context.ledger.runs.read
        batch = self._without_taken(batch, stored.record.batch_run, until, read)
        if len(batch.arrived or ()) == before:  # all of it is gone
            run_queue = stored.record.evolve(claimed_to="")
            self.context.ledger.run_queues.put(batch.run_queue, run_queue, stored.etag)
            raise ConflictError(f"{batch.run_queue} was written: it is checked again")
        return batch

    def _continue(
        self, batch: Batch, stored: Stored[RunQueue], run_id: str, until: datetime
    ) -> tuple[Stored[Run] | None, Batch]:
        """Open the run that another worker announced and did not store yet."""
        fresh = self._listed(replace(batch, arrived=None))
        wanted = sorted(each_once(fresh.arrived or ()), key=age_of)
        if not batch.takes_all:
            wanted = [one for one in wanted if run_id_of(one) == run_id]
        if not wanted:  # other runs have the data: no run is needed
            run_queue = stored.record.without(lambda one: one == run_id)
            run_queue = run_queue.evolve(batch_run=None)
            self.context.ledger.run_queues.put(batch.run_queue, run_queue, stored.etag)
            return None, fresh
        self.context.ledger.open_markers.mark(run_id, marker_of_batch(batch.pipeline, batch.key))
        return self._open(fresh, stored.record, wanted, until)

    def _with_free_slot(
        self, pipeline: Pipeline, stored: Stored[RunQueue], read: ReadRun
    ) -> RunQueue | None:
        """Return the queue without the runs that are over; None where no run may begin now."""
        run_queue = self.concurrency.in_queue(stored.record)
        if self.concurrency.paused_by_failures(stored, pipeline):
            return None
        if self.concurrency.blocked_reason(run_queue, pipeline, run_id=""):
            return None
        most = core.policy_of(pipeline).limit
        if most is not None and len(run_queue.holders) >= most:
            # A hint costs less than a great record.
            if self._at_work(run_queue) >= most:
                return None
            run_queue = self.concurrency.pruned(run_queue, read=read)
            if len(run_queue.holders) >= most:
                return None
        return run_queue if self.concurrency.has_free_slot(pipeline) else None

    def _at_work(self, run_queue: RunQueue) -> int:
        """Return how many holders of slots are open, by the hints of their markers."""
        found = map(self.context.ledger.open_markers.hints, run_queue.holders)
        return sum(hints is not None and hints.phase not in MAY_BE_IDLE for hints in found)

    def _listed(self, batch: Batch) -> Batch:
        if batch.arrived is not None:
            return batch
        # Only a tick finds data under the key of an earlier configuration.
        prefix = names.inbox_prefix(batch.pipeline.name, batch.key)
        arrived = self.context.ledger.inbox.entries(prefix)
        return replace(batch, arrived=tuple(one for one in arrived if batch.wants(one)))

    def _without_taken(
        self, batch: Batch, run_id: str | None, until: datetime, read: ReadRun
    ) -> Batch:
        """Remove the versions of the run before from the inbox, if its worker died before that."""
        try:
            last = read(run_id) if run_id and batch.arrived else None
        except CorruptRecordError as exc:
            # The versions that it claimed belong to it: no other run takes them.
            log.error("pipeline %s: data continues without a run: %s", batch.pipeline.name, exc)
            last = None
        return self._left_by(batch, last.record, until) if last else batch

    def _left_by(self, batch: Batch, run: Run, until: datetime) -> Batch:
        left = BatchClaims(self.context).remove_taken(run, batch.arrived or (), until)
        return replace(batch, arrived=left)

    def _wanted(self, batch: Batch, run_queue: RunQueue, until: datetime) -> list[InboxEntry]:
        """Return the entries that the next run takes, the oldest first; none while it waits."""
        pipeline, arrived = batch.pipeline, each_once(batch.arrived or ())
        if not arrived or not self._is_quiet(pipeline, arrived):
            return []
        if batch.queued_run_precedes(run_queue, arrived):
            return []
        newest_first = not batch.takes_all and pipeline.order == "newest_first"
        ordered = sorted(arrived, key=age_of, reverse=newest_first)
        first = BatchClaims(self.context, pipeline.trusts_size).first_free(ordered, until)
        if first is None:
            return []
        return ordered[ordered.index(first) :] if batch.takes_all else [first]

    def _is_quiet(self, pipeline: Pipeline, arrived: Sequence[InboxEntry]) -> bool:
        """Whether the burst is over, by the storage's clock: a host's may be wrong."""
        data = pipeline.data
        if data is None or not data.has_batch_window:
            return True
        last = max(arrived, key=lambda one: one.seen_at)
        quiet = self.context.ledger.inbox.age(last)
        if quiet is None:
            return False  # another worker took it meanwhile
        first = min(one.seen_at for one in arrived)
        return quiet >= data.settle or quiet + (last.seen_at - first) >= data.settle_at_most

    def _announced(
        self,
        batch: Batch,
        stored: Stored[RunQueue],
        run_queue: RunQueue,
        oldest: InboxEntry,
    ) -> RunQueue:
        """Store which run takes the batch, before the run's record. Raises ConflictError."""
        pipeline, ledger, now = batch.pipeline, self.context.ledger, self.context.clock.now()
        run_id = run_id_of(oldest)
        while ledger.tombstones.has(run_id):  # its record was removed: an id is never used twice
            run_id = names.run_id(pipeline.name, "again", run_id)
        ledger.open_markers.announce(run_id, marker_of_batch(pipeline, batch.key))
        changes = {"batch_run": run_id, "batch_since": now, "claimed_to": ""}
        keep, limited = core.starts_to_keep(pipeline), core.policy_of(pipeline).limit is not None
        run_queue = run_queue.evolve(**changes).begin(run_id, now, keep=keep, holds=limited)
        ledger.run_queues.put(batch.run_queue, run_queue, stored.etag)
        return run_queue

    def _open(
        self, batch: Batch, run_queue: RunQueue, wanted: Sequence[InboxEntry], until: datetime
    ) -> tuple[Stored[Run] | None, Batch]:
        run_id = str(run_queue.batch_run)
        began_at = run_queue.batch_since or self.context.clock.now()
        progress = ClaimProgress(run_id, began_at, run_queue.claimed_to)
        blobs = BatchClaims(self.context, batch.pipeline.trusts_size).take(
            progress, wanted, until, lambda to: self._keep_progress(batch.run_queue, run_id, to)
        )
        if not blobs:  # no time left, or all of it went to other runs meanwhile
            return None, batch
        opening = Opening(
            run_id, Origin.DATA, cause_of(blobs, wanted), blobs, batch.tokens_of(blobs)
        )
        # A run from the inbox begins as waiting for a slot, even without a limit.
        run = self.factory.training(opening, batch.pipeline, Phase.WAITING)
        stored: Stored[Run] | None
        try:
            # Its tombstone was looked for before it was announced, or by the read of the queue.
            stored = self.writer.create(run, announced=True, unused=True)
        except ConflictError:
            stored = self.context.ledger.runs.read(run_id)  # stored by the worker that was first
        return stored, self._left_by(batch, stored.record if stored else run, until)

    def _keep_progress(self, name: str, run_id: str, to: str) -> None:
        """Store the progress of the claiming, unless another run takes the batch by now."""

        def further(queue: RunQueue | None) -> RunQueue | None:
            if queue is None or queue.batch_run != run_id:
                return None
            return queue.evolve(claimed_to=max(queue.claimed_to, to))

        with suppress(ConflictError):  # at worst some versions are claimed once more
            self.context.ledger.run_queues.update(name, further)
