"""Says before a run how often its rules will be unsure, or how much of a difference is noise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.core.config.compare import Compare
from shared.core.config.gate import Gate
from shared.core.config.gate_rule import Rule
from shared.core.counting import counted, grouped
from shared.core.decisions.comparison import Comparison
from shared.core.decisions.metrics import FEWEST_ROWS, Kind, Metric, metric_named
from shared.core.decisions.power import deviation, rows_for, unsure_share, usual_deviation
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.noise import counts_in, noise_of, words_of_noise
from shared.core.evaluation.report import Row, metric_in
from shared.core.text import folded, plain, short

#: As the last step towards enough rows.
_FEW: Final = 0.1
_TEN: Final = 10
#: For how many rows it is said, where it is not known how many there will be.
_SIZES: Final = (500, 2_000, 10_000)
#: About what a metric is, as long as there is no model.
_USUAL: Final = {Kind.AUC: 0.85, Kind.ACCURACY: 0.85, Kind.F1: 0.8}
_USUAL_POSITIVES: Final = 0.4
#: Metrics whose noise is the smaller, the more rows are positive.
_OF_POSITIVES: Final = frozenset({Kind.AUC, Kind.F1})


@dataclass(frozen=True, slots=True)
class Experience:
    """What is known of earlier models of a pipeline and key."""

    #: Metric, its name folded -> the last comparison that has an interval.
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    run_id: str = ""  #: the run that was compared
    metrics: Mapping[str, float] = field(default_factory=dict)  #: of the model that serves
    rows: int | None = None  #: of the holdout; None: not known
    positives: int | None = None  #: those of its positive class; None: its labels are not classes


def experience_of(verdict: Verdict) -> dict[str, Comparison]:
    """Return the comparisons of a verdict that have an interval wider than nothing, by metric."""
    found: dict[str, Comparison] = {}
    for result in verdict.results:
        for one in result.comparisons:
            if one.interval is not None and one.interval.high > one.interval.low:
                found.setdefault(folded(result.metric), one)
    return found


def forecast_of(gate: Gate, known: Experience) -> list[str]:
    """Return a sentence for each rule that compares with another model.

    Args:
        gate: of the pipeline.
        known: of its earlier models.
    """
    return [
        f"{short(rule.metric)}, {rule.kind} {plain(rule.bound)}{said}"
        for rule in gate.rules
        if rule.compares
        for said in _said(rule, gate, known)
    ]


def _said(rule: Rule, gate: Gate, known: Experience) -> Iterator[str]:
    """Yield what follows the name of a rule: one sentence, or none for an unknown metric."""
    compare, metric = gate.compare, metric_named(rule.metric)
    if compare is None or not gate.on_rows(rule):
        yield f" compares recorded numbers; {_of_recorded(rule, known.metrics)}"
    elif (few := _too_few(metric, known)) is not None:
        yield f": {few}: nothing is measured with fewer than {FEWEST_ROWS}, and an operator decides"
    elif rule.bound == 0:
        share = unsure_share(1, margin=0.0, deviation=1.0, level=compare.level)
        never = "with any number of rows: only a better one is fit"
        yield f": {_of_ten(share)} equal models will be unsure, {never}"
    elif (found := known.comparisons.get(folded(rule.metric))) and found.interval:
        one_row = deviation(found.interval, found.rows)
        share = unsure_share(found.rows, margin=rule.bound, deviation=one_row, level=compare.level)
        said = f": with {grouped(found.rows, 'row')} {_of_ten(share)} equal models will be unsure"
        if share > _FEW:
            needed = rows_for(_FEW, margin=rule.bound, deviation=one_row, level=compare.level)
            said += f", with about {grouped(needed, 'row')} 1 of 10" if needed else ""
        yield f"{said}; so wide was the interval of run {known.run_id}"
    elif metric is not None:
        yield _by_usual(rule, compare, metric, known)


def _too_few(metric: Metric | None, known: Experience) -> str | None:
    """Return which rows of a holdout are too few for an interval; None: none, or not known."""
    if known.rows is None:
        return None
    if known.rows < FEWEST_ROWS:
        return f"the holdout has {counted(known.rows, 'row')}"
    if metric is None or metric.kind not in _OF_POSITIVES or known.positives is None:
        return None
    smaller = min(known.positives, known.rows - known.positives)
    if smaller >= FEWEST_ROWS:
        return None
    return f"the smaller class of the holdout has {counted(smaller, 'row')}"


def _by_usual(rule: Rule, compare: Compare, metric: Metric, known: Experience) -> str:
    """Return the sentence where no model was compared yet."""
    value = metric_in(Row({}, known.metrics), rule.metric)
    if value is None:
        value = _USUAL.get(metric.kind)
    rows, positives = (known.rows, known.positives) if known.rows else counts_in(known.metrics)
    share = positives / rows if rows and positives else _USUAL_POSITIVES
    one_row = None if value is None else usual_deviation(metric, value, share)
    if value is None or one_row is None:
        return ": how many equal models will be unsure is unknown before a first comparison"
    sizes = (round(rows),) if rows else _SIZES
    found = (
        unsure_share(size, margin=rule.bound, deviation=one_row, level=compare.level)
        for size in sizes
    )
    said = ", ".join(
        f"with {grouped(size, 'row')} {_of_ten(one)}"
        for size, one in zip(sizes, found, strict=True)
    )
    if_ = f"{short(rule.metric)} is {value:.3g}"
    if metric.kind in _OF_POSITIVES:
        if_ += f" and {share:.0%} of the rows are positive"
    return f": {said} equal models will be unsure, if {if_}, and models are as alike as usual"


def _of_recorded(rule: Rule, metrics: Mapping[str, float]) -> str:
    """Return what is noise in the numbers of the model that serves."""
    value = metric_in(Row({}, metrics), rule.metric)
    if value is None:
        return words_of_noise(rule.metric, -1.0, {})
    apart = noise_of(rule.metric, value, metrics)
    chance = f", more than {rule.kind}, so that chance decides"
    more = chance if apart is not None and apart > rule.bound else ""
    return f"{words_of_noise(rule.metric, value, metrics)}{more}"


def _of_ten(share: float) -> str:
    """Return a share in words, before a noun in the plural."""
    tens = round(share * _TEN)
    if tens == 0:
        return "fewer than 1 of 10"
    return "nearly all" if tens == _TEN else f"about {tens} of 10"
