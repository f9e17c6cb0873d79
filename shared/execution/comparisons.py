"""Compares a trained model with others on the same rows, which were scored before.

One file of the job holds all scores, or each job scored its own model on one holdout, or the app
had the holdout scored at the endpoint.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from shared.core.config.compare import SCORES, Compare, Way
from shared.core.config.gate_rule import Rule
from shared.core.decisions.compared import NotComparable, value_of
from shared.core.decisions.comparison import Comparison, OfNoRun, Opponent, whose
from shared.core.decisions.metrics import Metric
from shared.core.decisions.pairing import Columns, NotPaired, paired
from shared.core.decisions.predictions import Predictions, read_predictions
from shared.core.decisions.rows import PairedRows
from shared.core.evaluation.compared_rules import Against, Terms, compared_rules, measured
from shared.core.evaluation.holdout import HoldoutProgress
from shared.core.evaluation.report import Row
from shared.core.run.record import Run
from shared.core.service import service
from shared.core.serving.state import ServedModel
from shared.core.text import short
from shared.errors import CorruptRecordError, PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.fixed_holdouts import note_of_holdout, other_holdout
from shared.execution.holdout import HoldoutSteps, path_of
from shared.execution.models import finished_job

#: Once this number of rows of other models is read, a verdict reads no further file of one.
MOST_ROWS_OF_OTHERS: Final = 2_000_000
#: How long an output may become visible later than its model.
_LATE: Final = timedelta(minutes=2)
#: The column with the scores of a model whose predictions are a file of their own.
_OTHER: Final = "other model"

#: The way out where the anchor cannot be compared.
_ANOTHER: Final = ": pin another model, one that scored this holdout"
_EQUAL: Final = "both models say the same in each row"
#: What may be a mistake of the job; the app itself scores each model by its name.
_TWICE: Final = ", as if one had been scored twice"


class UnusablePredictionsError(ValueError):
    """The predictions of a job are missing, or cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the rows say of a model."""

    #: Position of a rule -> its comparisons, one for each other model.
    found: Mapping[int, tuple[Comparison, ...]]
    measured: Row  #: the metrics of the candidate, by its rows


@dataclass(frozen=True, slots=True)
class _Other:
    """A model that the candidate is compared with."""

    against: Opponent
    run_id: str  #: as the endpoint state names it
    model: str  #: its name, for operators
    trained_by: str


@service
class Comparisons:
    """Reads the predictions of jobs, and compares the models that they are of.

    Args:
        context: the ledger and the services.
        holdout: reads what the app had scored.
        known: run -> its predictions, or why there are none: one model may serve at many endpoints.
    """

    context: Context
    holdout: HoldoutSteps
    known: dict[str, Predictions | str] = field(default_factory=dict)

    def compare(
        self, run: Run, served: Sequence[ServedModel], anchor: ServedModel | None
    ) -> Compared:
        """Return the comparisons of each rule that compares on rows. Nothing is written.

        Args:
            run: the run, its job finished.
            served: what serves at each of its endpoints, where that is another model.
            anchor: the model that is pinned there, where the gate compares with it.

        Raises:
            UnusablePredictionsError: the predictions of the job cannot be used at all.
            TransientError: they are not there yet, or cannot be read now.
        """
        gate, compare = run.config.gate, compare_of(run)
        terms = Terms(
            compare.level,
            compare.threshold,
            compare.quantile,
            None if isinstance(compare.cost, str) else compare.cost,
            compare.min_rows,
        )
        meaning = _meaning(compare, [terms.metric(rule.metric) for rule in gate.rules])
        scored = compare.way is Way.SCORED
        mine = (self._of_app if scored else self._of_job)(run, compare, meaning)
        others = list(_others(run, compare, served, anchor))
        own = paired(mine, None, replace(meaning, other=meaning.candidate))
        rules = {at: gate.rules[at] for at in gate.row_rules}
        if not others:  # else the comparisons say so
            _require_usable(own, terms, list(rules.values()))
        note = note_of_holdout(self.context, run)
        rows: dict[str, PairedRows | str] = {}  # one model may serve at many endpoints
        for one in others:
            if one.trained_by not in rows:
                rows[one.trained_by] = _noted(self._rows(run, mine, one, meaning), note)
        opponents = [
            Against(one.against, one.run_id, one.model, rows[one.trained_by]) for one in others
        ]
        made = compared_rules(rules, terms, opponents, seed=run.run_id)
        return Compared(made, measured(gate.rules, terms, own))

    def _rows(self, run: Run, mine: Predictions, one: _Other, meaning: Columns) -> PairedRows | str:
        """Return the rows that the candidate and another model scored, or why there are none."""
        compare, scored = compare_of(run), _scored_of(run)
        if compare.way is Way.ONE_FILE:
            column = compare.live_column if one.against == "live" else compare.column_of_anchor
            if column not in mine.columns:
                return f"the predictions have no column {short(column)}"
            found = paired(mine, None, replace(meaning, other=column))
        elif scored and one.against == "live":
            if scored.cannot:
                return scored.cannot
            if scored.live != one.run_id:
                return f"the model of {whose(one.run_id)} did not score this holdout"
            found = paired(mine, None, replace(meaning, other=SCORES[1]))
        elif OfNoRun.named(one.run_id):
            return "no run promoted it, so that no job made predictions of it"
        else:
            theirs = self._of_other(one.trained_by, run)
            if isinstance(theirs, str):
                return f"{theirs}{_ANOTHER if one.against == 'anchor' else ''}"
            found = paired(mine, theirs, replace(meaning, other=_OTHER))
        if isinstance(found, NotPaired):
            return found.reason
        if _alike(found):
            equal = _EQUAL if compare.way is Way.SCORED else f"{_EQUAL}{_TWICE}"
            found = replace(found, note=_joined(found.note, equal))
        return found.in_arrays()

    def _of_app(self, run: Run, compare: Compare, meaning: Columns) -> Predictions:
        """Return the predictions that the app had made of the holdout."""
        scored = _scored_of(run)
        if scored is None or not scored.is_complete:
            raise UnusablePredictionsError("the app could not have its holdout scored")
        content = self.holdout.read(run)
        if content is None:
            raise TransientError(f"the predictions {path_of(run)} are not as they were written")
        columns, live = meaning.own, SCORES[1:]
        try:
            return read_predictions(
                content,
                path_of(run),
                compare.id,
                (*columns, *live),
                texts=compare.slices,
                optional=live,
            )
        except ValueError as exc:
            advice = f"correct the holdout {compare.holdout}"
            said = self.context.redactor.known(str(exc))
            text = f"the predictions {path_of(run)} cannot be read: {said}: {advice}"
            raise PermanentError(text, advice=advice) from exc

    def _of_job(self, run: Run, compare: Compare, meaning: Columns) -> Predictions:
        """Return the predictions of the run's own job."""
        service = self.context.providers.training(run.config.training)
        try:
            left = service.predictions(finished_job(run), compare.predictions or "")
        except PermanentError as exc:
            raise UnusablePredictionsError(f"the predictions cannot be read: {exc}") from exc
        if left.content is None:
            text = f"there are no predictions at {left.path}"
            now = self.context.clock.now()
            if now - (run.step_failure.since if run.step_failure else now) < _LATE:
                raise TransientError(f"{text} yet", patience=2 * _LATE)
            raise UnusablePredictionsError(f"{text}{f'; {left.why}' if left.why else ''}")
        together = compare.way is Way.ONE_FILE
        others = (compare.live_column, compare.column_of_anchor) if together else ()
        try:
            return read_predictions(
                left.content,
                left.path,
                compare.id,
                (*meaning.own, *others),
                texts=compare.slices,
                optional=others,
            )
        except ValueError as exc:
            said = self.context.redactor.known(str(exc))
            text = f"the predictions {left.path} cannot be read: {said}"
            raise UnusablePredictionsError(text) from exc

    def _of_other(self, run_id: str, run: Run) -> Predictions | str:
        """Return the predictions of the run that trained another model, or why there are none."""
        if run_id not in self.known:
            read = (one for one in self.known.values() if isinstance(one, Predictions))
            if sum(len(one.ids) for one in read) >= MOST_ROWS_OF_OTHERS:
                many = f"{MOST_ROWS_OF_OTHERS:,} rows of other models or more were read before"
                return f"{many}, as many as one verdict has time for: score fewer rows"
            self.known[run_id] = self._read_other(run_id, run)
        return self.known[run_id]

    def _read_other(self, run_id: str, run: Run) -> Predictions | str:
        compare = compare_of(run)
        try:
            stored = self.context.ledger.runs.read(run_id)
        except CorruptRecordError as exc:
            return str(exc)
        if stored is None:
            return f"run {run_id} has no record any more, so that its predictions are unknown"
        theirs = stored.record.config.gate.compare or compare
        if compare.way is Way.SCORED:
            return self._read_scored(stored.record, theirs, run)
        if stored.record.job is None:
            return f"run {run_id} had no job, so that its model has no predictions"
        if why := other_holdout(stored.record, theirs, run):
            return why
        service = self.context.providers.training(stored.record.config.training)
        try:
            left = service.predictions(finished_job(stored.record), theirs.predictions or "")
            if left.content is None:
                more = f"; {left.why}" if left.why else ""
                return f"run {run_id} has no predictions at {left.path}{more}"
            columns = (theirs.label, theirs.candidate)
            read = read_predictions(left.content, left.path, theirs.id, columns)
        except (PermanentError, ValueError) as exc:
            said = self.context.redactor.known(str(exc))
            return f"the predictions of run {run_id} cannot be read: {said}"
        return _as_other(read, compare, *columns)

    def _read_scored(self, other: Run, theirs: Compare, run: Run) -> Predictions | str:
        """Return what the app had scored for the run of another model, on the same holdout."""
        scored, mine = _scored_of(other), _scored_of(run)
        if scored is None or not scored.is_complete or mine is None:
            return f"the model of run {other.run_id} did not score this holdout"
        if scored.content != mine.content:
            return f"the model of run {other.run_id} scored another version of the holdout"
        content = self.holdout.read(other)
        if content is None:
            return f"the predictions of run {other.run_id} are gone, or were changed"
        columns = (theirs.label, SCORES[0])
        read = read_predictions(content, path_of(other), theirs.id, columns)
        return _as_other(read, compare_of(run), *columns)


def _as_other(read: Predictions, compare: Compare, label: str, scores: str) -> Predictions:
    """Return predictions of another model, with the columns that they are looked for in."""
    columns = {compare.label: read.columns[label], _OTHER: read.columns[scores]}
    return Predictions(read.ids, columns, {})


def _scored_of(run: Run) -> HoldoutProgress | None:
    return run.evidence.holdout if run.evidence else None


def compare_of(run: Run) -> Compare:
    """Return how the model of a run is compared.

    Raises:
        PermanentError: its gate does not say.
    """
    compare = run.config.gate.compare
    if compare is None:
        raise PermanentError(f"run {run.run_id} compares no rows: write gate.compare")
    return compare


def _require_usable(own: PairedRows | NotPaired, terms: Terms, rules: Sequence[Rule]) -> None:
    """Refuse a first model whose rows no later model could be compared on."""
    if isinstance(own, NotPaired):
        raise UnusablePredictionsError(f"the predictions cannot be used: {own.reason}")
    for rule in rules:
        metric = terms.metric(rule.metric)
        found = value_of(metric, own) if metric else NotComparable("it is unknown for rows")
        if isinstance(found, NotComparable) and not rule.observe:
            what = f"{rule.metric} cannot be computed of the predictions"
            raise UnusablePredictionsError(f"{what}: {found.reason}")


def _others(
    run: Run, compare: Compare, served: Sequence[ServedModel], anchor: ServedModel | None
) -> Iterator[_Other]:
    """Yield the models that the candidate is compared with; one that is both comes once.

    Where the job scored them, they are those that it was given, not those that are live now.
    """
    if compare.way is Way.ONE_FILE:
        wanted = [one for one in run.given_models if one.against == "live" or compare.anchor]
        found = [_Other(one.against, one.run_id, one.model.name, one.run_id) for one in wanted]
    else:
        found = [_other_of("live", one) for one in served]
        found += [_other_of("anchor", anchor)] if anchor else []
    live = {one.run_id for one in found if one.against == "live"}
    yield from (one for one in found if one.against == "live" or one.run_id not in live)


def _other_of(against: Opponent, served: ServedModel) -> _Other:
    trained_by = served.trained_by or served.run_id
    return _Other(against, served.run_id, served.target_model.name, trained_by)


def _meaning(compare: Compare, metrics: Sequence[Metric | None]) -> Columns:
    """Return what the columns mean: labels are classes unless every metric is of numbers."""
    known = [metric for metric in metrics if metric is not None]
    numbers = bool(known) and all(metric.of_numbers for metric in known)
    return Columns(
        label=compare.label,
        candidate=compare.scores,
        other=_OTHER,
        positive=None if numbers else compare.positive,
        cost=compare.cost if isinstance(compare.cost, str) else None,
        slices=compare.slices,
        of_two=next((metric.kind for metric in known if metric.of_two_classes), ""),
    )


def _noted(found: PairedRows | str, note: str) -> PairedRows | str:
    if isinstance(found, str) or not note:
        return found
    return replace(found, note=_joined(found.note, note))


def _joined(one: str, other: str) -> str:
    return f"{one}; {other}" if one else other


def _alike(rows: PairedRows) -> bool:
    return list(rows.candidate) == list(rows.other)
