"""Opens runs from what landed: the one way from the inbox to a run (decision 10).

A data version is first kept in the inbox, and its entry under `versions/` is written when a
run has taken it; so an event that is repeated finds one or the other. The slot names the run
that takes what landed before its record exists, and whoever finds it there goes on with that
very run. Each step may be repeated, and by any number of workers.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.context import Context, log
from shared.core import names
from shared.core import slot as core
from shared.core.blobs import BlobVersion
from shared.core.pipeline import Pipeline
from shared.core.run import Origin, Phase, Run
from shared.core.slot import Slot
from shared.errors import Conflict, RelearnError
from shared.openings import Opening, captured
from shared.records import Landed, Stored, VersionEntry
from shared.turns import Turns

#: Runs of one key that one call opens, so that it ends in time.
_MOST_RUNS: Final = 50
#: Storage calls at once when a burst is taken.
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class _Batch:
    """What waits for one key of a pipeline."""

    pipeline: Pipeline
    key: tuple[str, ...]
    landed: tuple[Landed, ...]


@dataclass(slots=True)
class Gathering:
    """Takes what landed into runs, as soon as it may."""

    context: Context
    opening: Opening
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        """Share the rules about turns with the runs that wait."""
        self.turns = Turns(self.context)

    def keep(self, pipeline: Pipeline, blob: BlobVersion, version_id: str) -> bool:
        """Keep a data version until a run takes it; False when it is kept already."""
        entry = VersionEntry(pipeline=pipeline.name, blob=blob, run_id=None, note="waiting")
        return self.context.ledger.add_to_inbox(key_of(pipeline, blob.name), version_id, entry)

    def give_back(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
        """Have other runs train on what `run` was to train on and will not. Safe to repeat."""
        for blob in blobs:
            version = names.version_id(run.pipeline, blob.container, blob.name, blob.etag)
            entry = VersionEntry(
                pipeline=run.pipeline, blob=blob, run_id=run.run_id, note="given back"
            )
            self.context.ledger.add_to_inbox(run.key, version, entry)

    def gather_all(self, pipelines: Mapping[str, Pipeline], until: datetime) -> list[Run]:
        """Open the runs that may be opened now, for every pipeline and key.

        Raises:
            TransientError: the inbox cannot be listed now.
        """
        opened: list[Run] = []
        for batch in _batches(pipelines, self.context.ledger.inbox()):
            if self.context.clock.now() >= until:
                break
            try:
                opened += self._gather(batch, until)
            except RelearnError as exc:
                log.warning("pipeline %s: what landed must wait: %s", batch.pipeline.name, exc)
        return opened

    def gather(self, pipeline: Pipeline, key: Sequence[str], until: datetime) -> list[Run]:
        """Open the runs that may be opened now for one key.

        Raises:
            TransientError, OutcomeUnknown: the ledger does not work now; the poll goes on.
        """
        prefix = names.inbox_prefix(pipeline.name, key)
        landed = tuple(self.context.ledger.inbox(prefix))
        return self._gather(_Batch(pipeline, tuple(key), landed), until) if landed else []

    def resume(self, pipeline: Pipeline, key: Sequence[str], until: datetime) -> Run | None:
        """Go on with the run that a worker had begun to open for `key` when it died."""
        runs = self.gather(pipeline, key, until)
        return runs[0] if runs else None

    def _gather(self, batch: _Batch, until: datetime) -> list[Run]:
        opened: list[Run] = []
        while batch.landed and len(opened) < _MOST_RUNS and self.context.clock.now() < until:
            try:
                run, batch = self._gather_one(batch)
            except Conflict:
                break  # another worker gathers for this key
            if run is None:
                break
            opened.append(self.opening.driver.advance(run.run_id) or run)
        return opened

    def _gather_one(self, batch: _Batch) -> tuple[Run | None, _Batch]:
        pipeline, ledger = batch.pipeline, self.context.ledger
        name = names.slot_id(pipeline.name, batch.key)
        # The slot first: should another worker gather after this, our write to it fails; what
        # it took before this has its entry, so that it does not matter when we listed it.
        stored = ledger.slot(name)
        slot = stored.record if stored else Slot(pipeline=pipeline.name, key=batch.key)
        slot = self.turns.in_line(slot)
        last = ledger.run(slot.gathering) if slot.gathering else None
        if stored and slot.gathering and last is None:
            return self._go_on(batch, stored, slot.gathering)
        if last is not None:
            batch = self._taken(batch, last.record)
        wanted = self._wanted(batch, stored, slot)
        if not wanted:
            return None, batch
        oldest = min(wanted, key=_age)
        run_id = _run_id(oldest)
        ledger.mark_open(run_id, hints_for(pipeline, batch.key))
        slot = self.turns.pruned(slot).model_copy(update={"gathering": run_id})
        keep, limited = core.remembers(pipeline), core.runs_at_once(pipeline) is not None
        slot = slot.begin(run_id, self.context.clock.now(), keep=keep, holds=limited)
        ledger.put_slot(name, slot, stored.etag if stored else None)
        return self._open(batch, run_id, wanted)

    def _go_on(self, batch: _Batch, stored: Stored[Slot], run_id: str) -> tuple[Run | None, _Batch]:
        """Open the run that another worker announced: it died, or is about to store it."""
        landed = self.context.ledger.inbox(f"inbox/{batch.pipeline.name}/")
        mine = [one for one in landed if key_of(batch.pipeline, one.blob.name) == batch.key]
        fresh = _Batch(batch.pipeline, batch.key, tuple(mine))
        news = self._news(fresh.landed)
        if not _takes_all(batch.pipeline):
            news = [one for one in news if _run_id(one) == run_id]
        if not news:  # it was taken by other means: nobody needs that run
            slot = stored.record.without(lambda one: one == run_id)
            slot = slot.model_copy(update={"gathering": None})
            name = names.slot_id(batch.pipeline.name, batch.key)
            self.context.ledger.put_slot(name, slot, stored.etag)
            return None, fresh
        self.context.ledger.mark_open(run_id, hints_for(batch.pipeline, batch.key))
        return self._open(fresh, run_id, news)

    def _wanted(self, batch: _Batch, stored: Stored[Slot] | None, slot: Slot) -> tuple[Landed, ...]:
        """Return what the next run takes; nothing while it has to wait."""
        pipeline, landed = batch.pipeline, batch.landed
        if not landed or not self._settled(pipeline, landed):
            return ()
        if stored and self.turns.paused_by_failures(stored, pipeline):
            return ()
        if self.turns.hindrance(slot, pipeline, run_id=""):
            return ()
        most = core.runs_at_once(pipeline)
        if most is not None and len(self.turns.pruned(slot).holders) >= most:
            return ()
        if _others_first(slot, pipeline, landed) or not self.turns.has_room(pipeline):
            return ()
        if _takes_all(pipeline):
            return tuple(self._news(landed))
        newest_first = pipeline.order == "newest_first"
        for one in sorted(landed, key=_age, reverse=newest_first):
            if news := self._news([one]):
                return tuple(news)
        return ()

    def _settled(self, pipeline: Pipeline, landed: Sequence[Landed]) -> bool:
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

    def _open(
        self, batch: _Batch, run_id: str, wanted: Sequence[Landed]
    ) -> tuple[Run | None, _Batch]:
        if not wanted:
            return None, batch
        blobs = [one.blob for one in wanted]
        cause = f"{len(blobs)} blobs landed" if len(blobs) > 1 else f"blob {blobs[0].path}"
        run = self.opening.gathered(batch.pipeline, run_id, blobs, cause)
        try:
            run = self.context.ledger.create_run(run).record
        except Conflict:
            found = self.context.ledger.run(run_id)  # frozen by the worker that was first
            run = found.record if found else run
        return run, self._taken(batch, run)

    def _taken(self, batch: _Batch, run: Run) -> _Batch:
        """Have every version of the run's manifest known as its own, and out of the inbox."""
        versions = {(blob.name, blob.etag) for blob in run.manifest}
        mine = [
            one
            for one in batch.landed
            if (one.blob.name, one.blob.etag) in versions and one.given_back_by != run.run_id
        ]
        self._each(mine, lambda one: self._settle(one, run.run_id))
        gone = {one.version_id for one in mine}
        left = tuple(one for one in batch.landed if one.version_id not in gone)
        return _Batch(batch.pipeline, batch.key, left)

    def _news(self, landed: Sequence[Landed]) -> list[Landed]:
        """Return what no run has taken, without touches; what is no news leaves the inbox."""
        known: dict[str, VersionEntry | None] = {}
        touched_since: dict[str, str | None] = {}

        def look_up(one: Landed) -> None:
            entry = known[one.version_id] = self.context.ledger.version(one.version_id)
            if entry is None and one.given_back_by is None:
                touched_since[one.version_id] = self._touched_since(one)

        self._each(landed, look_up)
        news: list[Landed] = []
        latest: dict[str, Landed] = {}  # of each blob, as far as we have come
        for one in sorted(landed, key=_age):
            entry = known[one.version_id]
            if entry is not None and (
                one.given_back_by is None or entry.run_id != one.given_back_by
            ):
                self.context.ledger.forget(one.pointer)  # told of late, and taken already
            elif touched := _touch(one, latest, touched_since.get(one.version_id)):
                self._settle(one, None, f"only its metadata changed since {touched}: no run")
            else:
                news.append(one)
                latest[one.blob.name] = one
        return news

    def _touched_since(self, one: Landed) -> str | None:
        blob = one.blob
        if blob.created == blob.modified:
            return None
        name = names.blob_id(one.pipeline, blob.container, blob.name)
        return self.context.ledger.touched_since(name, blob)

    def _settle(self, one: Landed, run_id: str | None, note: str = "") -> None:
        entry = VersionEntry(pipeline=one.pipeline, blob=one.blob, run_id=run_id, note=note)
        if one.given_back_by is None:
            self.context.ledger.add_version(one.version_id, entry)
        else:
            self.context.ledger.pass_version_on(one.version_id, entry, one.given_back_by)
        self.context.ledger.forget(one.pointer)

    def _each(self, items: Sequence[Landed], do: Callable[[Landed], None]) -> None:
        if len(items) <= _AT_ONCE:
            for item in items:
                do(item)
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(do, item) for item in items]:
                done.result()


def _touch(one: Landed, latest: Mapping[str, Landed], touched_since: str | None) -> str | None:
    """Return since when the bytes of what landed are known; None where they are new.

    A version of the same blob in the same burst tells more than those that had their run.
    """
    blob = one.blob
    if one.given_back_by is not None or blob.created == blob.modified:
        return None
    before = latest.get(blob.name)
    if before is None:
        return touched_since
    return before.blob.modified.isoformat() if before.blob.same_bytes_as(blob) else None


def key_of(pipeline: Pipeline, name: str) -> tuple[str, ...]:
    """Return whose data a blob of this name is."""
    tokens = captured(pipeline, name) or {}
    return tuple(tokens.get(token, "") for token in pipeline.key_tokens)


def hints_for(pipeline: Pipeline, key: Sequence[str]) -> dict[str, str]:
    """Return what the poll finds a run by whose record was not written yet."""
    gather = json.dumps([pipeline.name, *key])
    return {"phase": Phase.WAITING, "pipeline": pipeline.name, "gather": gather}


def _batches(pipelines: Mapping[str, Pipeline], landed: Iterable[Landed]) -> list[_Batch]:
    sorted_: dict[tuple[str, tuple[str, ...]], list[Landed]] = {}
    for one in landed:
        pipeline = pipelines.get(one.pipeline)
        if pipeline is not None:  # it may come back to the file
            sorted_.setdefault((one.pipeline, key_of(pipeline, one.blob.name)), []).append(one)
    return [_Batch(pipelines[name], key, tuple(found)) for (name, key), found in sorted_.items()]


def _run_id(oldest: Landed) -> str:
    """Return the id of the run that takes this version and newer ones (rule 1)."""
    again = (oldest.given_back_by,) if oldest.given_back_by else ()
    return names.run_id(oldest.pipeline, Origin.DATA, oldest.version_id, *again)


def _age(landed: Landed) -> tuple[datetime, str, str]:
    # The storage counts in seconds; names often tell more.
    return landed.blob.modified, landed.blob.name, landed.version_id


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
