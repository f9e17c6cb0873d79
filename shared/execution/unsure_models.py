"""Lets unsure models wait for the next run of their pipeline and key, before anybody is asked."""

from collections.abc import Iterator
from dataclasses import replace

from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.commands import Event
from shared.core.run.control_events import Superseded
from shared.core.run.gate_events import Asked, VerdictReached
from shared.core.run.record import Phase, Run
from shared.core.service import service
from shared.core.serving.state import is_superseded
from shared.errors import ConflictError, InvalidTransitionError
from shared.execution.context import Context
from shared.execution.run_writer import RunWriter
from shared.ledger.store import Stored


@service
class UnsureSteps:
    """Ends the wait of unsure models: by a newer verdict, by a newer model, or by the time."""

    context: Context
    writer: RunWriter

    def see_next(self, run: Run) -> Event | None:
        """Return why a run waits for the next one, or for an answer, no longer; None while it does.

        A newer verdict ends the wait too: the newer run itself says so. A newer model that serves
        answers the question about an older one that was unsure.
        """
        if (newer := self.superseded(run)) is not None:
            return newer
        if run.asks_at is None or self.context.clock.now() < run.asks_at:
            return None
        return Asked(f"no other run had its verdict until {run.asks_at:%Y-%m-%d %H:%M} UTC")

    def settle(self, run: Run, judged: VerdictReached) -> VerdictReached:
        """Have operators asked about older unsure models, now that this run has its verdict.

        A fit model needs no question about older ones: these are superseded once it is promoted.
        An unsure one does not wait if an older one is unsure: the next run settled nothing.

        Args:
            run: the run, as its verdict is about to be recorded. Safe to repeat.
            judged: its verdict.
        """
        verdict = judged.verdict
        if verdict is None or run.parent is not None or verdict.outcome is RuleOutcome.FIT:
            return judged
        if run.config.gate.compare is None:
            return judged
        older = list(self._unsure_before(run))
        for stored in older:
            self._ask(stored, f"run {run.run_id} had its verdict: {verdict.outcome or 'none'}")
        return replace(judged, asks_now=bool(older))

    def _unsure_before(self, run: Run) -> Iterator[Stored[Run]]:
        """Yield the runs of the same pipeline and key that hold an older unsure model."""
        ledger = self.context.ledger
        for run_id, phase in ledger.open_markers.phases(run.pipeline).items():
            if phase is not Phase.AWAITING_APPROVAL or run_id == run.run_id:
                continue
            stored = ledger.runs.read(run_id)
            if stored is not None and _is_older(stored.record, run):
                yield stored

    def _ask(self, stored: Stored[Run], why: str) -> None:
        if stored.record.asks_at is None:
            return
        try:
            self.writer.note(stored, Asked(why))
        except (ConflictError, InvalidTransitionError):
            return  # an operator answered meanwhile, or its time is over

    def superseded(self, run: Run) -> Superseded | None:
        """Return that each endpoint serves a model of newer data by now; None: one does not."""
        names = []
        for endpoint in run.config.endpoints:
            known = self.context.ledger.endpoint_states.resource(endpoint)
            if not is_superseded(known, run.data_time, None):
                return None
            names.append(endpoint.name)
        why = f"{', '.join(names)}: a model of newer data serves, while this one was unsure"
        return Superseded(why)


def _is_older(other: Run, run: Run) -> bool:
    alike = other.pipeline == run.pipeline and other.key == run.key
    awaits = other.phase is Phase.AWAITING_APPROVAL
    unsure = other.verdict is not None and other.verdict.unsure
    older = (other.data_time, other.opened_at) < (run.data_time, run.opened_at)
    return alike and awaits and unsure and older
