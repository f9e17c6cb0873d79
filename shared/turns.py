"""Lets a waiting run begin when nothing is in its way: limits, budget, pause, newer runs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.context import Context
from shared.core import slot as core
from shared.core.facts import Fact, Overtaken
from shared.core.gate_facts import StillWaiting, TurnTaken
from shared.core.names import seat_id, slot_id
from shared.core.pipeline import Pipeline
from shared.core.run import Origin, Phase, Run
from shared.core.slot import Past, Pause, Slot
from shared.errors import Conflict, CorruptRecord
from shared.journal import Event, report
from shared.records import Stored

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class _Level:
    """One of the places that a run needs: where it is kept, and how many there are."""

    name: str
    most: int | None
    what: str
    newest_first: bool
    lets_go: Callable[[Run], bool] = core.lets_go


@dataclass(frozen=True, slots=True)
class Turns:
    """Hands out places. Each call may be repeated, by any number of workers (decision 10)."""

    context: Context

    def take(self, run: Run) -> Fact | None:
        """Return that it is the run's turn, or what it waits for; None when that is known."""
        levels = list(_levels(run.config, run.key))
        for at, level in enumerate(levels):
            waits = self._take(level, run)
            if isinstance(waits, Overtaken):
                return waits
            if waits is not None:
                # Whoever waits here must not stand in the way of others further on.
                if run.job is None:  # one that goes on with its job keeps its place there
                    self._leave(levels[at + 1 :], run)
                return StillWaiting(waits) if waits != run.reason else None
        return TurnTaken()

    def hindrance(self, slot: Slot, pipeline: Pipeline, run_id: str) -> str | None:
        """Return why nothing may begin in `slot` now, whoever's turn it is; None if it may."""
        pause = self.context.ledger.pauses(pipeline.name).record.of(slot)
        if pause is not None:
            return f"paused by {pause.by}" + (f": {pause.reason}" if pause.reason else "")
        return core.over_budget(slot, pipeline, run_id, self.context.clock.now())

    def pruned(self, slot: Slot, lets_go: Callable[[Run], bool] = core.lets_go) -> Slot:
        """Return the slot without the runs that hold no place any more."""
        gone = {run_id for run_id in slot.holders if self._gone(slot, run_id, lets_go)}
        return slot.without(gone.__contains__)

    def in_line(self, slot: Slot, run_id: str = "") -> Slot:
        """Return the slot without those ahead of `run_id` that do not wait any more."""
        while (first := slot.next_in_line) not in (None, run_id):
            gone = str(first)
            if not self._gone(slot, gone, core.lets_go):
                break
            slot = slot.without({gone}.__contains__)
        return slot

    def paused_by_failures(self, stored: Stored[Slot], pipeline: Pipeline) -> bool:
        """Pause a pipeline that fails again and again, for this key; whether it was."""
        most, slot = pipeline.pause_after, stored.record
        if most is None:
            return False
        now = self.context.clock.now()  # before it is read whether a person resumed meanwhile
        pauses = self.context.ledger.pauses(pipeline.name).record
        failed = Past(self._phase_of).failures(slot, pauses)
        if pauses.of_failures(slot) is not None or len(failed) < most:
            return False
        why = f"{len(failed)} runs in a row failed, the last one was {failed[0]}"
        pause = Pause(by="relearn", at=now, reason=why)
        self.context.ledger.note_pause(pipeline.name, pause)
        name = slot_id(pipeline.name, slot.key)
        self.context.ledger.put_slot(name, slot.model_copy(update={"paused": pause}), stored.etag)
        report(
            Event.PAUSED,
            f"pipeline {pipeline.name} is paused: {why}. To do: see why, then resume it",
            pipeline=pipeline.name,
            run_id=failed[0],
        )
        return True

    def has_room(self, pipeline: Pipeline) -> bool:
        """Whether another run of the pipeline may be open, over all its keys."""
        if pipeline.max_parallel is None:
            return True
        stored = self.context.ledger.slot(seat_id("pipeline", pipeline.name))
        if stored is None or len(stored.record.holders) < pipeline.max_parallel:
            return True
        return len(self.pruned(stored.record).holders) < pipeline.max_parallel

    def _take(self, level: _Level, run: Run) -> Overtaken | str | None:
        for _ in range(_TRIES):
            stored = self.context.ledger.slot(level.name)
            slot = stored.record if stored else Slot(pipeline=run.pipeline, key=run.key)
            if run.run_id in slot.holders:
                return None
            is_key = level.name == slot_id(run.pipeline, run.key)
            try:
                if is_key and stored and self.paused_by_failures(stored, run.config):
                    continue
                changed, waits = self._decided(level, slot, run, is_key=is_key)
                if changed != slot:
                    self.context.ledger.put_slot(
                        level.name, changed, stored.etag if stored else None
                    )
            except Conflict:
                continue  # somebody else moved the line: look again
            return waits
        raise Conflict(f"{level.name} keeps changing")

    def _decided(
        self, level: _Level, slot: Slot, run: Run, *, is_key: bool
    ) -> tuple[Slot, Overtaken | str | None]:
        now = self.context.clock.now()
        queued = slot.enqueue(run.run_id, now, newest_first=level.newest_first)
        slot = self.in_line(queued, run.run_id)
        if is_key:
            newer = core.overtaken_by(slot, run.config, run.run_id)
            # Nothing else may train on what landed; and it stays in line until that is known.
            if newer and run.origin is not Origin.DATA:
                return slot, Overtaken(f"run {newer} is newer and trains instead")
            if why := self.hindrance(slot, run.config, run.run_id):
                return slot, why
        if level.most is not None and len(slot.holders) >= level.most:
            slot = self.pruned(slot, level.lets_go)
        if is_key and run.job is not None:
            # Its job is there already: whoever has not begun one gives way.
            slot = slot.without(lambda run_id: run_id != run.run_id and self._not_begun(run_id))
        if level.most is not None and len(slot.holders) >= level.most:
            return slot, f"{level.what}: {', '.join(slot.holders[:5])}"
        first = slot.next_in_line
        if level.most is not None and first != run.run_id:
            return slot, f"{level.what}: {first} is next"
        if slot.newest_first:  # those behind are never come to from the front
            left = {turn.run_id for turn in slot.waiting if turn.run_id != run.run_id}
            gone = {one for one in left if self._gone(slot, one, core.lets_go)}
            slot = slot.without(gone.__contains__)
        keep = core.remembers(run.config) if is_key else 0
        return slot.begin(run.run_id, now, keep=keep, holds=level.most is not None), None

    def _not_begun(self, run_id: str) -> bool:
        stored = self.context.ledger.run(run_id)
        waits = stored is not None and stored.record.phase is Phase.WAITING
        return waits and stored is not None and stored.record.job is None

    def _leave(self, levels: Sequence[_Level], run: Run) -> None:
        for level in levels:
            stored = self.context.ledger.slot(level.name)
            if stored is None:
                continue
            left = stored.record.without({run.run_id}.__contains__)
            if left != stored.record:
                self.context.ledger.put_slot(level.name, left, stored.etag)

    def _gone(self, slot: Slot, run_id: str, lets_go: Callable[[Run], bool]) -> bool:
        try:
            stored = self.context.ledger.run(run_id)
        except CorruptRecord:
            return False  # nobody can tell: its place is kept until its record is mended
        if stored is None:  # its record is about to be written, or was forgotten long ago
            return run_id != slot.gathering or not self.context.ledger.is_marked(run_id)
        if run_id not in slot.holders:
            return stored.record.phase is not Phase.WAITING
        return lets_go(stored.record)

    def _phase_of(self, run_id: str) -> Phase | None:
        stored = self.context.ledger.run(run_id)
        return stored.record.phase if stored else None


def _levels(pipeline: Pipeline, key: tuple[str, ...]) -> Iterator[_Level]:
    at_once = core.runs_at_once(pipeline)
    newest_first = core.newest_first(pipeline)
    yield _Level(slot_id(pipeline.name, key), at_once, "another run is open", newest_first)
    if pipeline.max_parallel is not None:
        name, most = seat_id("pipeline", pipeline.name), pipeline.max_parallel
        yield _Level(name, most, f"max_parallel is {most}", newest_first)
    if (jobs := pipeline.training.max_parallel) is not None:
        name = seat_id("service", pipeline.training.service.partition("?")[0].lower())
        what = f"the training service has its {jobs} jobs"
        # One line for all pipelines, so that no two of them wait for each other.
        yield _Level(name, jobs, what, newest_first=False, lets_go=core.lets_service_go)
