"""Replays the verdicts on runs that were judged, by the rules of another gate. Nothing is decided.

What a record says is used first. Other metrics, terms or slices need the files of the run again:
these are believed only if they give the recorded verdict, exactly, by the rules of the run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.core.config.compare import Way
from shared.core.config.gate import Gate
from shared.core.decisions.comparison import OfNoRun
from shared.core.evaluation.gate import Verdict
from shared.core.run.gate_events import VerdictReached
from shared.core.run.live_model import model_of_others
from shared.core.run.promoted_models import served_once
from shared.core.run.record import Phase, Run, StepFailure
from shared.core.run.replays import (
    Replay,
    VerdictInputs,
    by_gate,
    evidence_for,
    evidence_kept,
    gate_action,
    same_sources,
)
from shared.core.service import service
from shared.core.serving.operator_changes import known_model, lines_of
from shared.core.serving.state import MOST_LINES, Resource, ServedModel
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.gate import GateSteps


@dataclass(frozen=True, slots=True)
class _Served:
    """What served, and was pinned, as a run was judged."""

    live: tuple[ServedModel, ...]
    anchor: ServedModel | None


@service
class Replays:
    """Judges models again by other rules, each against the models that served then."""

    context: Context
    gate: GateSteps

    def replay(
        self, run: Run, verdict: Verdict, wanted: Gate, *, from_files: bool = False
    ) -> Replay:
        """Return what another gate says of the model of a run. Nothing is recorded.

        Args:
            run: the run.
            verdict: its own.
            wanted: the other gate.
            from_files: whether its files are read also where its record says enough.
        """
        own = run.config.gate
        recorded = Replay(run, verdict, gate_action(run, own, verdict))
        if not verdict.results and same_sources(own, wanted):
            # There was nothing to judge the model by, for any rules.
            return _with(recorded, wanted, verdict, "record")
        kept = evidence_kept(own, verdict, len(run.config.endpoints))
        known = evidence_for(kept, own, wanted) if kept else None
        if known is not None and not from_files:
            return _with(recorded, wanted, known.verdict(wanted), "record")
        try:
            return self._by_files(recorded, wanted, kept)
        except (TransientError, PermanentError, ValueError) as exc:
            return _without(recorded, self.context.redactor.known(str(exc)))

    def _by_files(self, recorded: Replay, wanted: Gate, kept: VerdictInputs | None) -> Replay:
        run, own = recorded.run, recorded.run.config.gate
        said = "the live model of that time is unknown"
        for served in self._ways(run, kept):
            again = self._verdict(run, own, served)
            if again != recorded.recorded:
                said = again.reason if again else "there is no evaluation"
                continue
            if why := _not_scored(run, wanted, served):
                return _without(recorded, why)
            verdict = self._verdict(run, wanted, served)
            if verdict is None:
                return _without(recorded, "there is no evaluation")
            if not verdict.results and recorded.recorded.results:
                return _without(recorded, verdict.reason)
            return _with(recorded, wanted, verdict, "files")
        return _without(recorded, f"its files do not give its own verdict again: {said}")

    def _verdict(self, run: Run, gate: Gate, served: _Served) -> Verdict | None:
        """Return what a gate says by the files of a run, which are as old as the run."""
        since = run.opened_at
        failure = StepFailure(
            since=since,
            cause_since=since,
            patience=timedelta(),
            count=1,
            reason="",
            next_check=since,
        )
        anchor = served.anchor if gate.compare and gate.compare.anchor else None
        judged = by_gate(run, gate).evolve(step_failure=failure)
        found = self.gate.numbers(judged, served.live, anchor)
        if isinstance(found, tuple):
            row, on_rows = found
            return VerdictInputs(row, [one.metrics for one in served.live], on_rows).verdict(gate)
        return found.verdict if isinstance(found, VerdictReached) else None

    def _ways(self, run: Run, kept: VerdictInputs | None) -> Iterator[_Served]:
        """Yield what may have served at the verdict: by the record, otherwise by the time."""
        there = list(self._there(run))
        own, times = run.config.gate, list(_moments(run))
        if kept is not None and own.row_rules:
            live, pinned = kept.on_rows.live, kept.on_rows.anchor
            models = {one: self._model(there, one) for one in (*live, pinned) if one}
            models |= _of_others(kept, run.opened_at)
            if None not in models.values():
                known = tuple(model for one in live if (model := models[one]))
                asked = own.compare is not None and own.compare.anchor is not None
                yield _Served(known, models.get(pinned) if asked else _anchor_at(there, times[0]))
                return
        for at in times:
            found = [self._at(there, one, at) for one in there]
            if all(one is not None for one in found):
                served = tuple(model for some in found for model in some or ())
                yield _Served(served, _anchor_at(there, at))

    def _there(self, run: Run) -> Iterator[Resource]:
        """Yield what is known of each endpoint."""
        yield from map(self.context.ledger.endpoint_states.resource, run.config.endpoints)

    def _at(
        self, there: Sequence[Resource], one: Resource, at: datetime
    ) -> tuple[ServedModel, ...] | None:
        """Return what one endpoint served at a time: at most one model; None: it is not known."""
        before = [line for line in one.history if line.at <= at]
        if not before:
            return () if len(one.history) < MOST_LINES else None
        model = self._model(there, before[-1].trained_by)
        return (model,) if model else None

    def _model(self, there: Sequence[Resource], run_id: str) -> ServedModel | None:
        """Return a model that serves or served, by the run that trained or brought it."""
        for known in there:
            if (model := known_model(known, run_id)) is not None:
                return model
        for known in there:
            for line in lines_of(known, run_id):
                stored = self.context.ledger.runs.read(line.run_id)
                if stored is not None and not stored.record.origin.repeats:
                    return served_once(stored.record, line)
        return None


def _of_others(kept: VerdictInputs, at: datetime) -> dict[str, ServedModel]:
    """Return the models that served as a verdict was made and that no run promoted."""
    named = {one: OfNoRun.named(one) for one in kept.on_rows.live}
    return {one: model_of_others(other, at) for one, other in named.items() if other}


def _not_scored(run: Run, wanted: Gate, served: _Served) -> str:
    """Return why there are no scores that another gate wants; empty: there may be some."""
    own, compare = run.config.gate.compare, wanted.compare
    if compare is None:
        return ""
    if own is not None and own.holdout != compare.holdout:
        return "its model was scored on other rows"
    by_app = own is not None and own.way is Way.SCORED
    if compare.way is Way.SCORED and not by_app:
        return "the app scored no rows for it"
    of_runs = any(OfNoRun.named(one.run_id) is None for one in served.live)
    if compare.way is Way.ONE_FILE and of_runs and not run.given_models:
        return "its job was given no live model to score"
    return ""


def _moments(run: Run) -> Iterator[datetime]:
    """Yield when the verdict may have been made: as the run was judged, or as it was promoted."""
    judged = [at for at, line in enumerate(run.history) if line.phase is Phase.JUDGED]
    times = [run.history[at + 1].at for at in judged[-1:] if at + 1 < len(run.history)]
    yield from dict.fromkeys((*times, *(line.at for line in run.history[-1:])))


def _anchor_at(there: Sequence[Resource], at: datetime) -> ServedModel | None:
    """Return the model that is pinned, if it was by then."""
    pinned = [one.anchor.served for one in there if one.anchor and one.anchor.at <= at]
    return pinned[0] if len(pinned) == 1 else None


def _with(recorded: Replay, gate: Gate, verdict: Verdict, by: Literal["record", "files"]) -> Replay:
    after = gate_action(recorded.run, gate, verdict)
    return replace(recorded, verdict=verdict, action=after, by=by)


def _without(recorded: Replay, why: str) -> Replay:
    return replace(recorded, why=why)
