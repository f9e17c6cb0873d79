"""Applies the gate's rules to the evaluation of a trained model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from shared.core.config.compare import Way
from shared.core.config.kinds import Endpoint
from shared.core.evaluation.gate import refused
from shared.core.evaluation.judging import judge
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row, choose_row, read_evaluation
from shared.core.run.commands import Event
from shared.core.run.gate_events import (
    NO_OPERATOR,
    Approved,
    EvidenceGathered,
    Judged,
    Rejected,
    approved_on_expiry,
)
from shared.core.run.machine import expires_at
from shared.core.run.record import GateEvidence, Origin, Run
from shared.core.serving.probes import ProbeOutcome
from shared.core.serving.repeated_gate import anchor_for, on_rows_with
from shared.core.serving.state import Resource, ServedModel
from shared.errors import PermanentError, TransientError
from shared.execution.comparisons import Comparisons, UnusablePredictionsError
from shared.execution.context import Context
from shared.execution.holdout import HoldoutSteps
from shared.execution.models import finished_job, log_lines_of
from shared.execution.unsure import UnsureSteps
from shared.ports.training import Evaluation

#: Good probe answers that a staged candidate needs before the gate.
_PROBES: Final = 2
#: How long an output may become visible later than its model.
_LATE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class GateSteps:
    """Finds the verdict on runs. Outside the ledger it writes a copy of the evaluation only."""

    context: Context
    unsure: UnsureSteps

    @property
    def holdout(self) -> HoldoutSteps:
        """Scores holdouts by the candidate and the live model."""
        return HoldoutSteps(self.context)

    def judge(self, run: Run) -> Event:
        """Return the verdict on the run's model, or the probes of its candidate so far.

        A model that no endpoint gets is registered once it has passed.

        Raises:
            TransientError: the evaluation cannot be read, the candidate not be scored, or the model
                not be registered, now.
            PermanentError: the candidate's scoring, or the model, is refused.
        """
        event = self._judged(run)
        if isinstance(event, Judged):
            event = self.unsure.settle(run, event)
        ours = run.model is not None and run.origin is not Origin.MODEL
        if not isinstance(event, Judged) or run.config.endpoints or not ours:
            return event
        if run.model is None or (event.verdict is not None and not event.verdict.passed):
            return event
        service = self.context.providers.training(run.config.training)
        return replace(event, registered=service.register(finished_job(run), run.model))

    def _judged(self, run: Run) -> Event:
        if (gathered := self._of_candidate(run)) is not None:
            return gathered
        if run.parent is not None:
            return Judged(run.verdict)  # its parent has the verdict; only the candidate is probed
        rules = run.config.gate.rules
        if not rules:
            return Judged(None)
        there = list(self._there(run))
        served = [
            known.serving
            for endpoint, known in there
            if known.serving and known.serving.model != run.model_for(endpoint)
        ]
        compare = run.config.gate.compare
        if compare is not None and compare.way is Way.SCORED:
            live = served[0] if served else None
            if (event := self.holdout.score(run, compare, live)) is not None:
                return event
        anchor = anchor_for(run.config.gate, [known for _, known in there])
        found = self.numbers(run, served, anchor)
        if isinstance(found, Event):
            return found
        row, on_rows = found
        first = run.config.gate.first_model == "allow"
        metrics = [one.metrics for one in served]
        verdict = judge(rules, row, metrics, first_allowed=first, on_rows=on_rows)
        return Judged(verdict)

    def numbers(
        self, run: Run, served: Sequence[ServedModel], anchor: ServedModel | None
    ) -> tuple[Row, OnRows] | Event:
        """Return what is known of the model, and how it compares; or that it cannot be judged.

        Args:
            run: the run, its job finished.
            served: what serves at each of its endpoints, where that is another model.
            anchor: the model that is pinned there, where the gate compares with it.

        Raises:
            TransientError: the files are not there yet, or cannot be read now.
        """
        gate = run.config.gate
        on_rows = on_rows_with(gate, served, anchor)
        by_app = gate.compare is not None and gate.compare.way is Way.SCORED
        # An operator's model has no job that could have scored it.
        if by_app or (gate.compare is not None and run.origin is not Origin.MODEL):
            try:
                compared = Comparisons(self.context).compare(run, served, anchor)
            except UnusablePredictionsError as exc:
                return Judged(refused(str(exc)))
            on_rows = replace(on_rows, found=compared.found)
            if gate.source is None:
                return compared.measured, on_rows
        row = self._row(run)
        return row if isinstance(row, Event) else (row, on_rows)

    def _row(self, run: Run) -> Row | Event:
        """Return the row of the evaluation that is of the model, or that there is none."""
        manual_model = run.origin is Origin.MODEL
        try:
            left = self._evaluation(run)
        except TransientError:
            raise
        except PermanentError as exc:
            return Judged(refused(f"the evaluation cannot be read: {exc}"))
        path = left.path
        if left.content is None and manual_model:
            # There is no evaluation: an operator decides, and the verdict says so.
            return Judged(None, f"there is no evaluation at {path}, beside an operator's model")
        if left.content is None:
            return self._missing(run, path, left.why)
        try:
            # Messages contain columns and values, cut short: secrets are redacted before.
            rows = read_evaluation(left.content, path, self.context.redactor.known)
            return choose_row(rows, run.config.gate.row)
        except ValueError as exc:
            return Judged(refused(f"the evaluation {path} cannot be judged: {exc}"))

    def _of_candidate(self, run: Run) -> Event | None:
        """Probe a staged candidate once more; None after enough good answers, or without one.

        A smoke test before the candidate gets requests; the record keeps its progress.
        """
        endpoint, known = run.config.endpoint, run.evidence or GateEvidence()
        if run.candidate is None or endpoint is None or endpoint.rows is None:
            return None
        if known.cursor >= _PROBES:
            return None
        serving = self.context.providers.serving(endpoint)
        seen = serving.score(endpoint.rows, run.candidate)
        match seen.seen:
            case ProbeOutcome.NO_ANSWER:
                raise TransientError(f"the candidate does not answer: {seen.detail}")
            case ProbeOutcome.REFUSED:
                raise PermanentError(f"the probe of the candidate is refused: {seen.detail}")
            case ProbeOutcome.BROKEN if (
                known.last is not None and known.last.seen is ProbeOutcome.BROKEN
            ):
                lines = log_lines_of(serving, run.candidate)
                return Judged(refused(f"the candidate does not score: {seen.detail}{lines}"))
            case ProbeOutcome.BROKEN:
                return EvidenceGathered(known.evolve(last=seen))
            case _:
                return EvidenceGathered(known.evolve(cursor=known.cursor + 1, last=seen))

    def _missing(self, run: Run, path: str, why: str) -> Event:
        now = self.context.clock.now()
        if now - (run.step_failure.since if run.step_failure else now) < _LATE:
            text = f"there is no evaluation at {path} yet" + (f": {why}" if why else "")
            raise TransientError(text, patience=2 * _LATE)
        folder = path.rpartition("/")[0] + "/"
        there = [
            blob.name.removeprefix(folder)
            for blob in self.context.models.listing(self.context.models_container, folder)
        ]
        found = why or f"there is {', '.join(there[:20]) or 'nothing'}"
        return Judged(refused(f"there is no evaluation at {path}; {found}"))

    def expire(self, run: Run) -> Event:
        """Return the default answer of the configuration, where no operator answered in time."""
        why = f"no answer until {expires_at(run).isoformat(timespec='seconds')}"
        if approved_on_expiry(run):
            return Approved(NO_OPERATOR, why)
        return Rejected(NO_OPERATOR, why)

    def _there(self, run: Run) -> Iterator[tuple[Endpoint, Resource]]:
        """Yield what is known of each endpoint."""
        for endpoint in run.config.endpoints:
            stored = self.context.ledger.endpoint_states.read(endpoint.ref.id)
            yield endpoint, stored.record.resource(endpoint.resource_name) if stored else Resource()

    def _evaluation(self, run: Run) -> Evaluation:
        service = self.context.providers.training(run.config.training)
        if run.origin is Origin.MODEL and run.model is not None:
            return service.evaluation_beside(run.model)
        return service.evaluation(finished_job(run), run.config.gate.source)
