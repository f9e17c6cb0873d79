"""Applies the gate's rules to the evaluation of a trained model."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from shared.core.config.gate import Gate
from shared.core.config.gate_rule import Rule
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
    Rejected,
    VerdictReached,
    approved_on_expiry,
)
from shared.core.run.machine import expires_at
from shared.core.run.record import GateEvidence, Origin, Run
from shared.core.run.repeated_gate import anchor_for, app_scores, on_rows_with
from shared.core.serving.probes import ProbeOutcome
from shared.core.serving.state import Resource, ServedModel
from shared.errors import PermanentError, TransientError
from shared.execution.comparisons import Compared, Comparisons, UnusablePredictionsError
from shared.execution.context import Context
from shared.execution.holdout import CannotScoreError, HoldoutSteps
from shared.execution.live_models import LiveModels
from shared.execution.models import finished_job, log_lines_of
from shared.execution.unsure_models import UnsureSteps
from shared.ports.training import Evaluation

#: Good probe answers that a staged candidate needs before the gate.
_PROBES: Final = 2
#: How long an output may become visible later than its model.
_LATE: Final = timedelta(minutes=2)


class _UnusableEvaluationError(ValueError):
    """The evaluation of a model is missing, or cannot be judged; the message says why."""


class GateSteps:
    """Finds the verdict on runs. Outside the ledger it writes a copy of the evaluation only.

    Args:
        context: the ledger, the services and the clock.
        unsure: the steps of runs with an unsure verdict.
    """

    def __init__(self, context: Context, unsure: UnsureSteps) -> None:
        self.context, self.unsure = context, unsure
        self.holdout, self._live_models = HoldoutSteps(context), LiveModels(context)

    def judge(self, run: Run) -> Event:
        """Return the verdict on the run's model, or the probes of its candidate so far.

        A model that no endpoint gets is registered once it has passed.

        Raises:
            TransientError: the evaluation cannot be read, the candidate not be scored, or the model
                not be registered, now.
            PermanentError: the candidate's scoring, or the model, is refused.
        """
        event = self._judged(run)
        if isinstance(event, VerdictReached):
            event = self.unsure.settle(run, event)
        ours = run.model is not None and run.origin is not Origin.MODEL
        if not isinstance(event, VerdictReached) or run.config.endpoints or not ours:
            return event
        if run.model is None or (event.verdict is not None and not event.verdict.passed):
            return event
        service = self.context.providers.training(run.config.training)
        return replace(event, registered=service.register(finished_job(run), run.model))

    def _judged(self, run: Run) -> Event:
        if (gathered := self._of_candidate(run)) is not None:
            return gathered
        if run.parent is not None:
            # Its parent has the verdict; only the candidate is probed.
            return VerdictReached(run.verdict)
        rules = run.config.gate.rules
        if not rules:
            return VerdictReached(None)
        there = list(self._there(run))
        served: list[ServedModel] = []
        for endpoint, known in there:
            live = self._live(run, endpoint, known)
            if isinstance(live, Event):
                return live
            if live is not None and live.model != run.model_for(endpoint):
                served.append(live)
        unscored = self._scored(run, served)
        if isinstance(unscored, Event):
            return unscored
        anchor = anchor_for(run.config.gate, [known for _, known in there])
        found = self.numbers(run, served, anchor, unscored)
        if isinstance(found, Event):
            return found
        row, on_rows = found
        first = run.config.gate.first_model == "allow"
        metrics = [one.metrics for one in served]
        verdict = judge(rules, row, metrics, first_allowed=first, on_rows=on_rows)
        return VerdictReached(verdict)

    def _live(self, run: Run, endpoint: Endpoint, known: Resource) -> ServedModel | Event | None:
        """Return the live model of an endpoint; or that an operator has to decide.

        Raises:
            PermanentError: it is not known, and rules that decide need it.
        """
        try:
            return self._live_models.before_verdict(run, endpoint, known)
        except TransientError:
            raise
        except PermanentError:
            if not _only_observed(_of_rows(run.config.gate)):
                raise
            return known.serving

    def _scored(self, run: Run, served: Sequence[ServedModel]) -> Event | str:
        """Have the app score some rows, where it does that; return why it cannot, or nothing.

        Raises:
            PermanentError: the holdout cannot be used, and rules that decide need it.
        """
        gate = run.config.gate
        if gate.compare is None or not app_scores(gate):
            return ""
        try:
            return self.holdout.score(run, gate.compare, served[0] if served else None) or ""
        except CannotScoreError as exc:
            return str(exc)
        except TransientError:
            raise
        except PermanentError as exc:
            if not _only_observed(_of_rows(gate)):
                raise
            return str(exc)

    def numbers(
        self,
        run: Run,
        served: Sequence[ServedModel],
        anchor: ServedModel | None,
        unscored: str = "",
    ) -> tuple[Row, OnRows] | Event:
        """Return what is known of the model, and how it compares; or that it cannot be judged.

        Args:
            run: the run, its job finished.
            served: what serves at each of its endpoints, where that is another model.
            anchor: the model that is pinned there, where the gate compares with it.
            unscored: why the app could not have its holdout scored; empty where it could.

        Raises:
            TransientError: the files are not there yet, or cannot be read now.
        """
        gate = run.config.gate
        on_rows = on_rows_with(gate, served, anchor)
        by_app = app_scores(gate)
        # An operator's model has no job that could have scored it.
        if by_app or (gate.compare is not None and run.origin is not Origin.MODEL):
            readers = _of_rows(gate)
            try:
                compared = self._compared(run, served, anchor, unscored)
                row, on_rows = compared.measured, replace(on_rows, found=compared.found)
            except UnusablePredictionsError as exc:
                if not _only_observed(readers):
                    return VerdictReached(refused(str(exc)))
                row, on_rows = _unread(exc), replace(on_rows, unread=str(exc))
            if gate.source is None:
                return row, on_rows
        try:
            found = self._row(run)
        except _UnusableEvaluationError as exc:
            readers = [one for one in gate.rules if not gate.on_rows(one)]
            if not _only_observed(readers):
                return VerdictReached(refused(str(exc)))
            found = _unread(exc)
        if by_app and isinstance(found, VerdictReached):
            return _by_rows_alone(gate, row, on_rows, found)
        return found if isinstance(found, Event) else (found, on_rows)

    def _compared(
        self, run: Run, served: Sequence[ServedModel], anchor: ServedModel | None, unscored: str
    ) -> Compared:
        if unscored:
            raise UnusablePredictionsError(unscored)
        return Comparisons(self.context, self.holdout).compare(run, served, anchor)

    def _row(self, run: Run) -> Row | Event:
        """Return the row of the evaluation that is of the model, or that there need be none.

        Raises:
            _UnusableEvaluationError: it is missing, or cannot be read or judged.
        """
        manual_model = run.origin is Origin.MODEL
        try:
            left = self._evaluation(run)
        except TransientError:
            raise
        except PermanentError as exc:
            raise _UnusableEvaluationError(f"the evaluation cannot be read: {exc}") from exc
        path = left.path
        if left.content is None and manual_model:
            # There is no evaluation: an operator decides, and the verdict says so.
            return VerdictReached(
                None, f"there is no evaluation at {path}, next to the operator's model"
            )
        if left.content is None:
            raise self._missing(run, path, left.why)
        try:
            # Messages contain columns and values, cut short: secrets are redacted before.
            rows = read_evaluation(left.content, path, self.context.redactor.known)
            return choose_row(rows, run.config.gate.row)
        except ValueError as exc:
            text = f"the evaluation {path} cannot be judged: {exc}"
            raise _UnusableEvaluationError(text) from exc

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
                return VerdictReached(
                    refused(f"the candidate does not score: {seen.detail}{lines}")
                )
            case ProbeOutcome.BROKEN:
                return EvidenceGathered(known.evolve(last=seen))
            case _:
                return EvidenceGathered(known.evolve(cursor=known.cursor + 1, last=seen))

    def _missing(self, run: Run, path: str, why: str) -> Exception:
        now = self.context.clock.now()
        if now - (run.step_failure.since if run.step_failure else now) < _LATE:
            text = f"there is no evaluation at {path} yet" + (f": {why}" if why else "")
            return TransientError(text, patience=2 * _LATE)
        folder = path.rpartition("/")[0] + "/"
        there = [
            blob.name.removeprefix(folder)
            for blob in self.context.models.listing(self.context.models_container, folder)
        ]
        found = why or f"there is {', '.join(there[:20]) or 'nothing'}"
        return _UnusableEvaluationError(f"there is no evaluation at {path}; {found}")

    def expire(self, run: Run) -> Event:
        """Return the default answer of the configuration, where no operator answered in time."""
        unsure = run.verdict is not None and run.verdict.unsure
        if unsure and (newer := self.unsure.superseded(run)) is not None:
            return newer
        why = f"no answer until {expires_at(run).isoformat(timespec='seconds')}"
        if approved_on_expiry(run):
            return Approved(NO_OPERATOR, why)
        return Rejected(NO_OPERATOR, why)

    def _there(self, run: Run) -> Iterator[tuple[Endpoint, Resource]]:
        """Yield what is known of each endpoint."""
        for endpoint in run.config.endpoints:
            yield endpoint, self.context.ledger.endpoint_states.resource(endpoint)

    def _evaluation(self, run: Run) -> Evaluation:
        service = self.context.providers.training(run.config.training)
        if run.origin is Origin.MODEL and run.model is not None:
            return service.evaluation_beside(run.model)
        return service.evaluation(finished_job(run), run.config.gate.source)


def _of_rows(gate: Gate) -> list[Rule]:
    """Return the rules whose metrics are computed on rows, with or without another model."""
    return [one for one in gate.rules if gate.source is None or gate.on_rows(one)]


def _by_rows_alone(
    gate: Gate, row: Row, on_rows: OnRows, unchecked: VerdictReached
) -> tuple[Row, OnRows] | Event:
    """Return what the rows say of an operator's model that has no evaluation for other rules."""
    if len(gate.row_rules) == len(gate.rules):
        return row, on_rows
    found = {
        at: on_rows.found[was] for at, was in enumerate(gate.row_rules) if was in on_rows.found
    }
    rules = [gate.rules[at] for at in gate.row_rules]
    first = gate.first_model == "allow"
    verdict = judge(rules, row, (), first_allowed=first, on_rows=replace(on_rows, found=found))
    if not verdict.passed:
        return VerdictReached(refused(verdict.reason))
    return replace(unchecked, unchecked=f"{unchecked.unchecked}; on rows: {verdict.reason}")


def _only_observed(rules: Sequence[Rule]) -> bool:
    """Whether rules that read a file are tried out, and none of them decides."""
    return bool(rules) and all(rule.observe for rule in rules)


def _unread(why: Exception) -> Row:
    """Return a row without numbers, which says why."""
    return Row({}, {}, unread=str(why))
