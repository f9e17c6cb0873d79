"""Opens runs from what landed: the one way from the inbox to a run (decision 10).

A data version waits in the inbox until a run has claimed it (`shared.intake.batch_claims`).
The slot names the run that takes what waits before its record exists, and whoever finds it there
goes on with that very run. Runs are only opened here; no service is called. Each step may be
repeated, and by any number of workers.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.keys import key_of
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted
from shared.core.run import concurrency as core
from shared.core.run.concurrency import Slot
from shared.core.run.record import Origin, Phase, Run
from shared.core.versions import version_id
from shared.errors import Conflict, CorruptRecord, IdUsed, RelearnError
from shared.execution.bulkheads import Lanes
from shared.execution.concurrency import MAY_BE_IDLE, Turns
from shared.execution.context import Context
from shared.execution.first_recorded import FirstRecorded
from shared.execution.run_factory import Opening, captured
from shared.intake.batch_claims import Progress, Taking, age_of, each_once
from shared.ledger.records import APPEARED, Landed, Stored, VersionEntry
from shared.telemetry import log, report_run

#: Runs of one key that one call opens, so that others have their turn.
_MOST_RUNS: Final = 50
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class _Batch:
    """What waits for one key of a pipeline."""

    pipeline: Pipeline
    key: tuple[str, ...]
    landed: tuple[Landed, ...] | None = None  #: None: not listed yet

    @property
    def slot(self) -> str:
        return names.slot_id(self.pipeline.name, self.key)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one pass over the inbox came to."""

    opened: int
    next: Mapping[str, str]  #: pipeline -> the key to begin with, where there was no more time
    strays: tuple[Landed, ...]  #: what waits for a pipeline that does not want it, or is gone


@dataclass(slots=True)
class Gathering:
    """Takes what landed into runs, as soon as it may."""

    context: Context
    opening: Opening
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        """Share the rules about turns with the runs that wait."""
        self.turns = Turns(self.context)

    def keep(
        self, pipeline: Pipeline, blob: BlobVersion, version_id: str, note: str = "waiting"
    ) -> bool:
        """Keep a data version until a run takes it; False when it is kept already.

        Args:
            pipeline: whose run.
            blob: the version.
            version_id: its id.
            note: why it waits.
        """
        blob = self.context.recorded(blob)
        entry = VersionEntry(pipeline=pipeline.name, blob=blob, run_id=None, note=note)
        return self.context.ledger.add_to_inbox(key_of(pipeline, blob.name), version_id, entry)

    def give_back(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
        """Have other runs train on what `run` was to train on and will not. Safe to repeat."""
        for blob in blobs:
            version = version_id(run.pipeline, blob)
            kept = self.context.recorded(FirstRecorded(self.context, run.config).of(blob))
            entry = VersionEntry(
                pipeline=run.pipeline, blob=kept, run_id=run.run_id, note="given back"
            )
            self.context.ledger.add_to_inbox(run.key, version, entry)

    def gather_all(
        self, pipelines: Mapping[str, Pipeline], until: datetime, begin_with: Mapping[str, str]
    ) -> Gathered:
        """Open the runs that may be opened now: pipelines take turns, and no key is forgotten.

        Args:
            pipelines: as they are configured now.
            until: when no further run may be begun.
            begin_with: pipeline -> the key that the last pass had no more time for.

        Raises:
            TransientError: the inbox cannot be listed now.
        """
        batches, strays = _batches(pipelines, self.context.ledger.inbox())
        turn = [one for found in batches.values() for one in _from(found, begin_with)]
        opened: list[Run] = []
        lanes = Lanes(
            turn,
            lambda batch: batch.pipeline.name,
            lambda batch: self._opened_for(batch, until, opened.extend),
            lambda: self.context.clock.now() < until,
            self.context.limits.at_once,
        )
        left = lanes.run()
        following = {batch.pipeline.name: batch.slot for batch in reversed(left)}
        return Gathered(len(opened), following, tuple(strays))

    def gather(self, pipeline: Pipeline, key: Sequence[str], until: datetime) -> list[Run]:
        """Open the runs that may be opened now for one key, and return them.

        Also goes on with a run that a worker had begun to open when it died.

        Args:
            pipeline: as it is configured now.
            key: whose data it is.
            until: when no further run may be begun.

        Raises:
            TransientError, OutcomeUnknown: the ledger does not work now; the poll goes on.
        """
        return self._gather(_Batch(pipeline, tuple(key)), until)

    def _opened_for(
        self, batch: _Batch, until: datetime, keep: Callable[[Iterable[Run]], None]
    ) -> bool:
        try:
            keep(self._gather(batch, until))
        except RelearnError as exc:
            name = batch.pipeline.name
            log.warning("pipeline %s: data that waits stays for the next tick: %s", name, exc)
        except Exception:  # noqa: BLE001 -- one odd record never stops the others
            log.exception("pipeline %s: data that waits cannot be taken", batch.pipeline.name)
        return True

    def _gather(self, batch: _Batch, until: datetime) -> list[Run]:
        opened: list[Run] = []
        while len(opened) < _MOST_RUNS and self.context.clock.now() < until:
            try:
                run, batch = self._gather_one(batch, until)
            except Conflict:
                break  # another worker gathers for this key
            if run is None:
                break
            # Its place is taken before the next run is opened, so that limits hold.
            opened.append(self.opening.driver.take_turn(run.run_id) or run)
            if not batch.landed:
                break
        return opened

    def _gather_one(self, batch: _Batch, until: datetime) -> tuple[Run | None, _Batch]:
        ledger = self.context.ledger
        stored = ledger.slot(batch.slot)
        slot = stored.record if stored else Slot(pipeline=batch.pipeline.name, key=batch.key)
        taker = slot.gathering
        if stored and taker and not ledger.is_used(taker):
            if not ledger.has_run(taker):
                return self._go_on(batch, stored, taker, until)
            ledger.note_used(taker)  # its worker died between the two
        if stored and slot.claimed_to and batch.landed is not None:
            batch = self._cleared(batch, stored, until)
        slot = self.turns.in_line(slot)
        if not self._may_begin(batch.pipeline, stored, slot):
            return None, batch
        batch = self._settled(self._listed(batch), taker, until)
        wanted = self._wanted(batch, slot, until)
        if not wanted:
            return None, batch
        slot = self._announced(batch, stored, slot, wanted[0])
        return self._open(batch, slot, wanted, until)

    def _cleared(self, batch: _Batch, stored: Stored[Slot], until: datetime) -> _Batch:
        """Have the rest of a great burst leave the inbox, also while its run is at work."""
        before = len(batch.landed or ())
        batch = self._settled(batch, stored.record.gathering, until)
        if len(batch.landed or ()) == before:  # all of it is gone
            slot = stored.record.model_copy(update={"claimed_to": ""})
            self.context.ledger.put_slot(batch.slot, slot, stored.etag)
            raise Conflict(f"{batch.slot} was written: it is looked at again")
        return batch

    def _go_on(
        self, batch: _Batch, stored: Stored[Slot], run_id: str, until: datetime
    ) -> tuple[Run | None, _Batch]:
        """Open the run that another worker announced: it died, or is about to store it."""
        fresh = self._listed(replace(batch, landed=None))
        wanted = sorted(each_once(fresh.landed or ()), key=age_of)
        if not _takes_all(batch.pipeline):
            wanted = [one for one in wanted if _run_id(one) == run_id]
        if not wanted:  # it was taken by other means: nobody needs that run
            slot = stored.record.without(lambda one: one == run_id)
            slot = slot.model_copy(update={"gathering": None})
            self.context.ledger.put_slot(batch.slot, slot, stored.etag)
            return None, fresh
        self.context.ledger.mark_open(run_id, hints_for(batch.pipeline, batch.key))
        return self._open(fresh, stored.record, wanted, until)

    def _may_begin(self, pipeline: Pipeline, stored: Stored[Slot] | None, slot: Slot) -> bool:
        """Whether a run may begin now, whatever it is for."""
        if stored and self.turns.paused_by_failures(stored, pipeline):
            return False
        if self.turns.hindrance(slot, pipeline, run_id=""):
            return False
        return not self._is_busy(pipeline, slot) and self.turns.has_room(pipeline)

    def _is_busy(self, pipeline: Pipeline, slot: Slot) -> bool:
        """Whether as many runs of the key are under way as may be."""
        most = core.runs_at_once(pipeline)
        if most is None or len(slot.holders) < most:
            return False
        # A hint costs less than a great record.
        return self._at_work(slot) >= most or len(self.turns.pruned(slot).holders) >= most

    def _at_work(self, slot: Slot) -> int:
        """Return how many holders are surely at work: a hint costs less than a great record."""
        phases = map(self.context.ledger.hinted_phase, slot.holders)
        return sum(phase is not None and phase not in MAY_BE_IDLE for phase in phases)

    def _listed(self, batch: _Batch) -> _Batch:
        if batch.landed is not None:
            return batch
        # What waits under the key of an earlier configuration is found by the tick alone.
        prefix = names.inbox_prefix(batch.pipeline.name, batch.key)
        landed = self.context.ledger.inbox(prefix)
        mine = [one for one in landed if wants(batch.pipeline, one.blob.name, batch.key)]
        return replace(batch, landed=tuple(mine))

    def _settled(self, batch: _Batch, run_id: str | None, until: datetime) -> _Batch:
        """Have what the run before took leave the inbox, should its worker have died there."""
        try:
            last = self.context.ledger.run(run_id) if run_id and batch.landed else None
        except CorruptRecord as exc:
            # What it has claimed is known as its own, so that no other run takes that.
            log.error("pipeline %s: data goes on without a run: %s", batch.pipeline.name, exc)
            last = None
        return self._left_by(batch, last.record, until) if last else batch

    def _left_by(self, batch: _Batch, run: Run, until: datetime) -> _Batch:
        left = Taking(self.context).settle(run, batch.landed or (), until)
        return replace(batch, landed=left)

    def _wanted(self, batch: _Batch, slot: Slot, until: datetime) -> list[Landed]:
        """Return what the next run takes, the oldest first; nothing while it has to wait."""
        pipeline, landed = batch.pipeline, each_once(batch.landed or ())
        if not landed or not self._is_quiet(pipeline, landed):
            return []
        if _others_first(slot, pipeline, landed):
            return []
        newest_first = not _takes_all(pipeline) and pipeline.order == "newest_first"
        ordered = sorted(landed, key=age_of, reverse=newest_first)
        first = Taking(self.context, pipeline.trusts_size).first_free(ordered, until)
        if first is None:
            return []
        return ordered[ordered.index(first) :] if _takes_all(pipeline) else [first]

    def _is_quiet(self, pipeline: Pipeline, landed: Sequence[Landed]) -> bool:
        """Whether the burst is over, by the storage's clock: one of a host may be wrong."""
        data = pipeline.data
        if data is None or not data.settles:
            return True
        last = max(landed, key=lambda one: one.seen_at)
        quiet = self.context.ledger.waited(last)
        if quiet is None:
            return False  # another worker took it this moment
        first = min(one.seen_at for one in landed)
        return quiet >= data.settle or quiet + (last.seen_at - first) >= data.settle_at_most

    def _announced(
        self, batch: _Batch, stored: Stored[Slot] | None, slot: Slot, oldest: Landed
    ) -> Slot:
        """Store which run takes what waits, ahead of its record. Raises Conflict."""
        pipeline, ledger, now = batch.pipeline, self.context.ledger, self.context.clock.now()
        run_id = _run_id(oldest)
        while ledger.is_used(run_id):  # its record was removed: an id is never used twice
            run_id = names.run_id(pipeline.name, "again", run_id)
        ledger.mark_open(run_id, hints_for(pipeline, batch.key))
        changes = {"gathering": run_id, "gathering_at": now, "claimed_to": ""}
        slot = self.turns.pruned(slot).model_copy(update=changes)
        keep, limited = core.remembers(pipeline), core.runs_at_once(pipeline) is not None
        slot = slot.begin(run_id, now, keep=keep, holds=limited)
        ledger.put_slot(batch.slot, slot, stored.etag if stored else None)
        return slot

    def _open(
        self, batch: _Batch, slot: Slot, wanted: Sequence[Landed], until: datetime
    ) -> tuple[Run | None, _Batch]:
        run_id = str(slot.gathering)
        began_at = slot.gathering_at or self.context.clock.now()
        progress = Progress(run_id, began_at, slot.claimed_to)
        blobs = Taking(self.context, batch.pipeline.trusts_size).take(
            progress, wanted, until, lambda to: self._keep_progress(batch.slot, run_id, to)
        )
        if not blobs:  # no time left, or all of it went to other runs meanwhile
            return None, batch
        cause = _cause(blobs, wanted)
        run = self.opening.gathered(batch.pipeline, run_id, blobs, cause)
        try:
            stored = self.context.ledger.create_run(run)
            report_run(run, stored.etag)
        except IdUsed:
            return None, batch  # the next look at the slot announces another one
        except Conflict:
            found = self.context.ledger.run(run_id)  # frozen by the worker that was first
            run = found.record if found else run
        return run, self._left_by(batch, run, until)

    def _keep_progress(self, name: str, run_id: str, to: str) -> None:
        """Remember how far the taking has come, unless another run takes what waits by now."""
        for _ in range(_TRIES):
            stored = self.context.ledger.slot(name)
            if stored is None or stored.record.gathering != run_id:
                return
            if stored.record.claimed_to >= to:
                return
            try:
                slot = stored.record.model_copy(update={"claimed_to": to})
                self.context.ledger.put_slot(name, slot, stored.etag)
            except Conflict:
                continue
            return


def wants(pipeline: Pipeline, name: str, key: Sequence[str]) -> bool:
    """Whether a blob of this name is data of one key of the pipeline, as configured now."""
    return captured(pipeline, name) is not None and key_of(pipeline, name) == tuple(key)


def hints_for(pipeline: Pipeline, key: Sequence[str]) -> dict[str, str]:
    """Return what the poll finds a run by whose record was not written yet."""
    gather = json.dumps([pipeline.name, *key])
    service = pipeline.training.service
    return {
        "phase": Phase.WAITING,
        "pipeline": pipeline.name,
        "service": service,
        "gather": gather,
    }


def _batches(
    pipelines: Mapping[str, Pipeline], landed: Iterable[Landed]
) -> tuple[dict[str, list[_Batch]], list[Landed]]:
    """Return what waits by pipeline and key, and what no configured pipeline wants now."""
    sorted_: dict[tuple[str, tuple[str, ...]], list[Landed]] = {}
    strays: list[Landed] = []
    for one in landed:
        pipeline = pipelines.get(one.pipeline)
        if pipeline is None or captured(pipeline, one.blob.name) is None:
            strays.append(one)
        else:
            key = key_of(pipeline, one.blob.name)
            sorted_.setdefault((one.pipeline, key), []).append(one)
    found: dict[str, list[_Batch]] = {}
    for (name, key), waiting in sorted_.items():
        found.setdefault(name, []).append(_Batch(pipelines[name], key, tuple(waiting)))
    return found, strays


def _from(batches: list[_Batch], begin_with: Mapping[str, str]) -> list[_Batch]:
    """Return a pipeline's batches in turn, beginning where the last pass stopped."""
    ordered = sorted(batches, key=lambda batch: batch.slot)
    start = begin_with.get(ordered[0].pipeline.name, "")
    return [b for b in ordered if b.slot >= start] + [b for b in ordered if b.slot < start]


def _cause(blobs: Sequence[BlobVersion], wanted: Sequence[Landed]) -> str:
    """Return why a run is opened that trains on these blobs, of those that waited."""
    taken = {(blob.name, blob.etag) for blob in blobs}
    appeared = sum(one.appeared and (one.blob.name, one.blob.etag) in taken for one in wanted)
    if len(blobs) == 1:
        return f"blob {blobs[0].path}" + (f", {APPEARED}" if appeared else "")
    landed = f"{counted(len(blobs), 'blob')} landed"
    found = f", {appeared} of them found by the daily listing"
    return landed + (found if appeared else "")


def _run_id(oldest: Landed) -> str:
    """Return the id of the run that takes this version and newer ones (design rule 1)."""
    again = (oldest.given_back_by,) if oldest.given_back_by else ()
    return names.run_id(oldest.pipeline, Origin.DATA, oldest.version_id, *again)


def _takes_all(pipeline: Pipeline) -> bool:
    """Whether one run takes everything that landed; else each version has a run."""
    return pipeline.when_busy == "newest" or bool(pipeline.data and pipeline.data.settles)


def _others_first(slot: Slot, pipeline: Pipeline, news: Sequence[Landed]) -> bool:
    """Whether a run that waits already came before what landed."""
    if pipeline.when_busy != "queue" or not slot.waiting:
        return False
    if slot.newest_first:
        return slot.waiting[-1].at > max(one.seen_at for one in news)
    return slot.waiting[0].at < min(one.seen_at for one in news)
