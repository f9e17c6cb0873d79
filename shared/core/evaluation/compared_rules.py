"""Applies rules that compare to the rows that both models scored: the outcome of each rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.core.config.gate_rule import Rule
from shared.core.counting import counted
from shared.core.decisions.compared import NotComparable, Scored, compared, value_of
from shared.core.decisions.comparison import Comparison, Interval, Opponent, RuleOutcome
from shared.core.decisions.metrics import (
    Average,
    CostMatrix,
    Kind,
    Metric,
    counts_of,
    metric_named,
)
from shared.core.decisions.pairing import NotPaired
from shared.core.decisions.power import rows_needed
from shared.core.decisions.rows import PairedRows
from shared.core.decisions.slices import ComparedSlices, Sliced, Slices, slices_for_each
from shared.core.evaluation.report import Row


@dataclass(frozen=True, slots=True)
class Terms:
    """How models are compared, for every rule."""

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
    rows = {id(one.rows): one.rows for one in opponents if isinstance(one.rows, PairedRows)}
    most = _slices_for_each(rules.values(), terms, list(rows.values()))
    made: dict[int, dict[int, Comparison]] = {}
    for one in opponents:
        if id(one.rows) not in made:
            known = _Known(_in_arrays(one), terms, f"{seed}/{one.run_id}", most)
            made[id(one.rows)] = {index: _comparison(rule, known) for index, rule in rules.items()}
    return {
        index: tuple(_named(made[id(one.rows)][index], one) for one in opponents) for index in rules
    }


def _in_arrays(one: Against) -> Against:
    return replace(one, rows=one.rows.in_arrays()) if isinstance(one.rows, PairedRows) else one


def _named(comparison: Comparison, one: Against) -> Comparison:
    return comparison.evolve(against=one.against, run_id=one.run_id, model=one.model)


def _slices_for_each(rules: Iterable[Rule], terms: Terms, rows: Sequence[PairedRows]) -> int:
    """Return how many slices are checked for one metric and one other model."""
    named = [terms.metric(rule.metric) for rule in rules if rule.checks_slices]
    metrics = {_key(metric): metric for metric in named if metric is not None}
    return slices_for_each(list(metrics.values()), rows)


def _key(metric: Metric) -> tuple[Kind, Average]:
    """Return what tells metrics of the same terms apart."""
    return metric.kind, metric.average


@dataclass(slots=True)
class _Known:
    """What is known of one other model: each metric is computed once for all rules."""

    one: Against
    terms: Terms
    seed: str
    most: int  #: slices that are checked for each metric
    slices: Slices | None = None
    found: dict[tuple[Kind, Average], Scored | NotComparable] = field(default_factory=dict)
    sliced: dict[tuple[Kind, Average], ComparedSlices] = field(default_factory=dict)

    def of(self, metric: Metric, rows: PairedRows) -> Scored | NotComparable:
        """Return the comparison of all rows."""
        if _key(metric) not in self.found:
            level = self.terms.level
            self.found[_key(metric)] = compared(metric, rows, level=level, seed=self.seed)
        return self.found[_key(metric)]

    def of_slices(self, metric: Metric, rows: PairedRows) -> ComparedSlices:
        """Return the comparisons of the slices."""
        if self.slices is None:
            self.slices = Slices.of(rows, self.seed)
        if _key(metric) not in self.sliced:
            self.sliced[_key(metric)] = self.slices.compared(
                metric, level=self.terms.level, min_rows=self.terms.min_rows, most=self.most
            )
        return self.sliced[_key(metric)]


def measured(rules: Sequence[Rule], terms: Terms, rows: PairedRows | NotPaired) -> Row:
    """Return the metrics of the candidate that rules name, or why its rows do not say them.

    Args:
        rules: of the gate.
        terms: how metrics are computed.
        rows: the candidate's labels and scores, or why they cannot be used.
    """
    found: dict[str, float] = {}
    unusable: dict[str, str] = {}
    values: dict[tuple[Kind, Average] | None, float | str] = {}
    usable = rows.in_arrays() if isinstance(rows, PairedRows) else rows
    for rule in rules:
        metric = terms.metric(rule.metric)
        key = _key(metric) if metric else None
        if key not in values:
            values[key] = _value(metric, usable)
        value = values[key]
        if isinstance(value, float):
            found[rule.metric] = value
        else:
            unusable[rule.metric] = f"cannot be computed of the predictions: {value}"
    if isinstance(usable, PairedRows) and any(rule.against == "recorded" for rule in rules):
        found |= counts_of(usable)  # verdicts say by these what is noise
    return Row({}, found, unusable)


def _value(metric: Metric | None, rows: PairedRows | NotPaired) -> float | str:
    """Return a metric of the candidate, or why it is not known."""
    if metric is None:
        return "it is not a metric of rows"
    if isinstance(rows, NotPaired):
        return rows.reason
    value = value_of(metric, rows)
    return value.reason if isinstance(value, NotComparable) else value


def outcome_of(interval: Interval, bound: float) -> RuleOutcome:
    """Return on which side of a bound the difference is, if it is sure.

    Args:
        interval: of the difference.
        bound: as a signed difference: -0.01 for `max_drop: 0.01`.
    """
    if interval.low > bound:
        return RuleOutcome.FIT
    return RuleOutcome.WORSE if interval.high < bound else RuleOutcome.UNSURE


def _comparison(rule: Rule, known: _Known) -> Comparison:
    one, metric = known.one, known.terms.metric(rule.metric)
    if metric is None:
        return _not_compared(one, NotComparable(f"{rule.metric} cannot be computed of rows"))
    if rule.better != ("higher" if metric.higher_is_better else "lower"):
        reason = f"the rule says that {rule.better} is better, which {metric.kind} is not"
        return _not_compared(one, NotComparable(reason))
    if isinstance(one.rows, str):
        return _not_compared(one, NotComparable(one.rows))
    found = known.of(metric, one.rows)
    if isinstance(found, NotComparable):
        return _not_compared(one, found, one.rows.note)
    bound = rule.signed_bound
    outcome = outcome_of(found.interval, bound)
    needed = None
    if outcome is RuleOutcome.UNSURE:
        needed = rows_needed(found.interval, found.rows, bound)
    sliced = Sliced((), 0, 0)
    if rule.checks_slices and one.rows.slices:
        sliced = known.of_slices(metric, one.rows).judged(rule.bound)
    return _compared(one, found, outcome, needed, sliced)


def _values_of(one: Against, found: Scored | NotComparable) -> dict[str, Any]:
    """Return which models were compared on how many rows, and what each of them reached."""
    return {
        "against": one.against,
        "run_id": one.run_id,
        "model": one.model,
        "rows": found.rows,
        "positives": found.positives,
        "candidate": found.candidate,
        "other": found.other,
    }


def _compared(
    one: Against, found: Scored, outcome: RuleOutcome, needed: int | None, sliced: Sliced
) -> Comparison:
    notes = [one.rows.note if isinstance(one.rows, PairedRows) else "", found.note]
    if sliced.left_out:
        notes.append(f"{counted(sliced.left_out, 'slice')} more than are listed")
    return Comparison(
        **_values_of(one, found),
        interval=found.interval,
        outcome=RuleOutcome.WORSE if sliced.worse else outcome,
        rows_needed=None if sliced.worse else needed,
        slices=sliced.listed,
        why="; ".join(note for note in notes if note),
    )


def _not_compared(one: Against, found: NotComparable, note: str = "") -> Comparison:
    return Comparison(
        **_values_of(one, found),
        interval=None,
        outcome=RuleOutcome.UNSURE,
        rows_needed=found.rows_needed,
        why="; ".join(text for text in (found.reason, note) if text),
    )
