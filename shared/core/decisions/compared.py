"""Compares one metric of two models on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shared.core.counting import counted
from shared.core.decisions import bootstrap, f1, intervals
from shared.core.decisions.comparison import Interval, Method
from shared.core.decisions.intervals import Estimate
from shared.core.decisions.metrics import (
    OF_ANSWERS,
    Kind,
    Metric,
    answers_of,
    class_sizes,
    lacking,
    losses_of,
    same_answers,
    stakes_of,
    too_few,
)
from shared.core.decisions.rows import PairedRows

if TYPE_CHECKING:
    from shared.core.decisions.intervals import Numbers

_TWO: Final = 2
#: Models with the same scores for every row are the same, if so many of the scores are different.
_FEWEST_SCORES: Final = 10


@dataclass(frozen=True, slots=True)
class Scored:
    """One metric of the candidate and of another model, and how sure their difference is."""

    candidate: float
    other: float
    interval: Interval
    estimate: Estimate
    rows: int
    positives: int | None = None  #: with two classes: the rows of the positive one
    note: str = ""  #: what an operator should know of the interval


@dataclass(frozen=True, slots=True)
class NotComparable:
    """The rows do not tell which model is better, and why. It never counts as a pass."""

    reason: str
    candidate: float | None = None
    other: float | None = None
    rows: int = 0
    positives: int | None = None
    rows_needed: int | None = None  #: about how many rows would do; None: not their number is wrong


def compared(
    metric: Metric, rows: PairedRows, *, level: float, seed: str
) -> Scored | NotComparable:
    """Return how much better the candidate is than the other model, with an interval.

    Args:
        metric: what is compared.
        rows: both models on the same rows.
        level: the share of such intervals that hold the true difference, such as 0.9.
        seed: what the draws of a bootstrap are derived from, such as the id of the run.
    """
    number = len(rows.labels)
    if reason := lacking(metric, rows) or same_answers(metric, rows):
        return NotComparable(reason, rows=number)
    positives = class_sizes(rows)[-1] if len(rows.classes) == _TWO else None
    if few := too_few(metric, rows):
        reason, needed = few
        first, second = _value(metric, rows, rows.candidate), _value(metric, rows, rows.other)
        return NotComparable(reason, first, second, number, positives, needed)
    estimate, first, second = _estimated(metric, rows, level, f"{seed}/{metric.kind}")
    if _is_same(rows):
        estimate = Estimate(0.0, 0.0, 0.0, 0.0)
    interval = Interval(
        difference=estimate.difference,
        low=estimate.low,
        high=estimate.high,
        level=level,
        method=method_of(metric),
    )
    return Scored(first, second, interval, estimate, number, positives, _note(estimate))


def method_of(metric: Metric) -> Method:
    """Return how the interval of a metric is computed."""
    match metric.kind:
        case Kind.AUC:
            return "delong"
        case Kind.RMSE | Kind.R2:
            return "paired_bootstrap"
        case Kind.F1 if metric.average != "micro":
            return "paired_bootstrap"
        case _:
            return "paired_t"


def value_of(metric: Metric, rows: PairedRows) -> float | NotComparable:
    """Return a metric of the candidate alone, for a rule with a fixed bound.

    Args:
        metric: what is computed.
        rows: its scores; those of the other model are not used.
    """
    alone = replace(rows, other=rows.candidate)
    if reason := lacking(metric, alone):
        return NotComparable(reason, rows=len(rows.labels))
    return _value(metric, rows, rows.candidate)


def _value(metric: Metric, rows: PairedRows, scores: Sequence[float]) -> float:
    """Return a metric of one model."""
    import numpy as np

    numbers = np.asarray(scores, dtype=float)
    labels = np.asarray(rows.labels, dtype=float)
    match method_of(metric), metric.kind:
        case "delong", _:
            return intervals.auc(numbers, labels == 1)
        case "paired_t", kind:
            loss = float(losses_of(metric, rows, numbers).mean())
            return 1 - loss if kind in (Kind.ACCURACY, Kind.F1) else loss
        case _, Kind.F1:
            answers = answers_of(metric, rows, numbers)
            return f1.value_of_f1(labels, answers, len(rows.classes), metric.average)
        case _, kind:
            return bootstrap.of_squares(kind, labels, numbers)


def _estimated(
    metric: Metric, rows: PairedRows, level: float, seed: str
) -> tuple[Estimate, float, float]:
    import numpy as np

    labels, ours, theirs = (
        np.asarray(one, dtype=float) for one in (rows.labels, rows.candidate, rows.other)
    )
    match method_of(metric):
        case "delong":
            return intervals.of_auc(ours, theirs, labels == 1, level)
        case "paired_t":
            return _of_means(metric, rows, ours, theirs, level)
        case _ if metric.kind is Kind.F1:
            answers = (answers_of(metric, rows, one) for one in (ours, theirs))
            return f1.of_f1(
                labels,
                *answers,
                classes=len(rows.classes),
                average=metric.average,
                level=level,
                seed=seed,
            )
        case _:
            return bootstrap.of_errors(metric.kind, labels, ours, theirs, level=level, seed=seed)


def _of_means(
    metric: Metric, rows: PairedRows, ours: "Numbers", theirs: "Numbers", level: float
) -> tuple[Estimate, float, float]:
    loss, loss_too = losses_of(metric, rows, ours), losses_of(metric, rows, theirs)
    stakes = stakes_of(metric, rows) if metric.kind in OF_ANSWERS else (loss + loss_too) / 2
    estimate = intervals.of_mean(loss_too - loss, stakes, level)
    first, second = float(loss.mean()), float(loss_too.mean())
    if metric.kind in (Kind.ACCURACY, Kind.F1):
        return estimate, 1 - first, 1 - second
    return estimate, first, second


def _is_same(rows: PairedRows) -> bool:
    """Whether the scores show that both models are the same."""
    import numpy as np

    ours = np.asarray(rows.candidate, dtype=float)
    if rows.predicts_classes or not np.array_equal(ours, np.asarray(rows.other, dtype=float)):
        return False
    return len(np.unique(ours)) >= _FEWEST_SCORES


def _note(estimate: Estimate) -> str:
    if estimate.different is None:
        return ""
    where = f"{counted(estimate.different, 'row')} only" if estimate.different else "no row"
    wider = "the interval is wider, as if each model were better in one more row"
    return f"the models differ in {where}, which says little of other rows: {wider}"
