"""Applies rules that compare to the rows that both models scored: the outcome of each rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.core.counting import counted
from shared.core.decisions.compared import NotComparable, Scored, compared, value_of
from shared.core.decisions.comparison import Comparison, Interval, Opponent, Outcome
from shared.core.decisions.metrics import CostMatrix, Metric, metric_named
from shared.core.decisions.pairing import NotPaired
from shared.core.decisions.power import rows_needed
from shared.core.decisions.rows import PairedRows
from shared.core.decisions.slices import Sliced, compared_slices
from shared.core.evaluation.gate import Rule
from shared.core.evaluation.report import Row


@dataclass(frozen=True, slots=True)
class Terms:
    """How models are compared, whatever the rule."""

    level: float = 0.9
    threshold: float = 0.5
    quantile: float | None = None
    cost: CostMatrix | None = None
    min_rows: int = 50

    def metric(self, name: str) -> Metric | None:
        """Return the metric that a rule names; None: it cannot be computed of rows."""
        return metric_named(name, threshold=self.threshold, quantile=self.quantile, cost=self.cost)


@dataclass(frozen=True, slots=True)
class Against:
    """A model that the candidate is compared with, and the rows that both scored."""

    against: Opponent
    run_id: str
    model: str  #: its name, for operators
    rows: PairedRows | str  #: or why there are none


def compared_rules(
    rules: Mapping[int, Rule], terms: Terms, opponents: Sequence[Against], *, seed: str
) -> dict[int, tuple[Comparison, ...]]:
    """Return the comparisons of each rule: one for each opponent.

    A comparison without an interval is unsure, and no reason to promote. Opponents that share one
    object of rows are one model: it is compared once.

    Args:
        rules: those with max_drop or min_gain, by their place in the gate.
        terms: how models are compared.
        opponents: the live models, and the anchor.
        seed: what the draws of a bootstrap are derived from: the id of the run.
    """
    return {
        index: tuple(_comparisons(rule, terms, opponents, seed)) for index, rule in rules.items()
    }


def measured(rules: Sequence[Rule], terms: Terms, rows: PairedRows | NotPaired) -> Row:
    """Return the metrics of the candidate that rules name, or why its rows do not say them.

    Args:
        rules: of the gate.
        terms: how metrics are computed.
        rows: the candidate's labels and scores, or why they cannot be used.
    """
    found: dict[str, float] = {}
    unusable: dict[str, str] = {}
    for rule in rules:
        value = _value(terms.metric(rule.metric), rows)
        if isinstance(value, float):
            found[rule.metric] = value
        else:
            unusable[rule.metric] = f"cannot be computed of the predictions: {value}"
    return Row({}, found, unusable)


def _value(metric: Metric | None, rows: PairedRows | NotPaired) -> float | str:
    """Return a metric of the candidate, or why it is not known."""
    if metric is None:
        return "it is no metric of rows"
    if isinstance(rows, NotPaired):
        return rows.reason
    value = value_of(metric, rows)
    return value.reason if isinstance(value, NotComparable) else value


def outcome_of(interval: Interval, bound: float) -> Outcome:
    """Return on which side of a bound the difference is, if it is sure.

    Args:
        interval: of the difference.
        bound: as a signed difference: -0.01 for `max_drop: 0.01`.
    """
    if interval.low > bound:
        return Outcome.FIT
    return Outcome.WORSE if interval.high < bound else Outcome.UNSURE


def _comparisons(
    rule: Rule, terms: Terms, opponents: Sequence[Against], seed: str
) -> Iterator[Comparison]:
    made: dict[int, Comparison] = {}
    for one in opponents:
        if id(one.rows) not in made:
            made[id(one.rows)] = _comparison(rule, terms, one, seed)
        yield made[id(one.rows)].evolve(against=one.against, run_id=one.run_id, model=one.model)


def _comparison(rule: Rule, terms: Terms, one: Against, seed: str) -> Comparison:
    metric = terms.metric(rule.metric)
    if metric is None:
        return _not_compared(one, NotComparable(f"{rule.metric} cannot be computed of rows"))
    if rule.better != ("higher" if metric.higher_is_better else "lower"):
        reason = f"the rule says that {rule.better} is better, which {metric.kind} is not"
        return _not_compared(one, NotComparable(reason))
    if isinstance(one.rows, str):
        return _not_compared(one, NotComparable(one.rows))
    found = compared(metric, one.rows, level=terms.level, seed=f"{seed}/{one.run_id}")
    if isinstance(found, NotComparable):
        return _not_compared(one, found, one.rows.note)
    bound = rule.bound if rule.kind == "min_gain" else -rule.bound
    outcome = outcome_of(found.interval, bound)
    needed = None
    if outcome is Outcome.UNSURE:
        needed = rows_needed(found.interval, found.rows, bound)
    sliced = Sliced((), 0, 0)
    if rule.kind == "max_drop" and one.rows.slices:
        sliced = compared_slices(
            metric,
            one.rows,
            margin=rule.bound,
            level=terms.level,
            min_rows=terms.min_rows,
            seed=f"{seed}/{one.run_id}",
        )
    return _compared(one, found, outcome, needed, sliced)


def _compared(
    one: Against, found: Scored, outcome: Outcome, needed: int | None, sliced: Sliced
) -> Comparison:
    notes = [one.rows.note if isinstance(one.rows, PairedRows) else "", found.note]
    if sliced.left_out:
        notes.append(f"{counted(sliced.left_out, 'slice')} more than are listed")
    return Comparison(
        against=one.against,
        run_id=one.run_id,
        model=one.model,
        rows=found.rows,
        positives=found.positives,
        candidate=found.candidate,
        other=found.other,
        interval=found.interval,
        outcome=Outcome.WORSE if sliced.worse else outcome,
        rows_needed=None if sliced.worse else needed,
        slices=sliced.listed,
        why="; ".join(note for note in notes if note),
    )


def _not_compared(one: Against, found: NotComparable, note: str = "") -> Comparison:
    return Comparison(
        against=one.against,
        run_id=one.run_id,
        model=one.model,
        rows=found.rows,
        positives=found.positives,
        candidate=found.candidate,
        other=found.other,
        interval=None,
        outcome=Outcome.UNSURE,
        rows_needed=found.rows_needed,
        why="; ".join(text for text in (found.reason, note) if text),
    )
