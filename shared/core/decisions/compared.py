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
    constant,
    lacking,
    losses_of,
    same_answers,
    stakes_of,
    too_few,
)
from shared.core.decisions.rows import LARGEST, PairedRows

if TYPE_CHECKING:
    import numpy as np

    from shared.core.decisions.intervals import Numbers

_TWO: Final = 2
_TOO_LARGE: Final = "the numbers of the rows are too large, or too different, to compute {}"


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
    if reason := lacking(metric, rows):
        return NotComparable(reason, rows=number)
    positives = class_sizes(rows)[-1] if len(rows.classes) == _TWO else None
    reason, needed = constant(rows) or same_answers(metric, rows), None
    if not reason and (few := too_few(metric, rows)):
        reason, needed = few
    if reason:
        values = (_value(metric, rows, one) for one in (rows.candidate, rows.other))
        first, second = (one if abs(one) <= LARGEST else None for one in values)
        return NotComparable(reason, first, second, number, positives, needed)
    with _no_warnings():
        estimate, first, second = _estimated(metric, rows, level, f"{seed}/{metric.kind}")
    if not all(abs(one) <= LARGEST for one in (first, second, *estimate.numbers)):
        return NotComparable(_TOO_LARGE.format(metric.kind), rows=number, positives=positives)
    interval = Interval(
        difference=estimate.difference,
        low=estimate.low,
        high=estimate.high,
        level=level,
        method=method_of(metric),
    )
    return Scored(first, second, interval, estimate, number, positives, _note(metric, estimate))


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
    """Return a metric of only the candidate, for a rule with a fixed bound.

    Args:
        metric: what is computed.
        rows: its scores; those of the other model are not used.
    """
    alone = replace(rows, other=rows.candidate)
    if reason := lacking(metric, alone) or constant(alone):
        return NotComparable(reason, rows=len(rows.labels))
    value = _value(metric, rows, rows.candidate)
    if not abs(value) <= LARGEST:
        return NotComparable(_TOO_LARGE.format(metric.kind), rows=len(rows.labels))
    return value


def _value(metric: Metric, rows: PairedRows, scores: Sequence[float]) -> float:
    """Return a metric of one model; one that is not a number of use is not between the largest."""
    import numpy as np

    numbers = np.asarray(scores, dtype=float)
    labels = np.asarray(rows.labels, dtype=float)
    with _no_warnings():
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


def _no_warnings() -> "np.errstate":
    """Return a context for sums that may be too large for a float, which is looked at after."""
    import numpy as np

    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


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


def _note(metric: Metric, estimate: Estimate) -> str:
    """Return why an interval is wider than the rows themselves would make it."""
    number = estimate.different
    if number is None:
        return ""
    where = f"{counted(number, 'row')} only" if number else "no row"
    what = f"the models differ in {where}"
    if metric.kind is Kind.AUC:  # which only the order of the scores makes
        what = f"the models rank {where} differently"
    wider = "the interval is wider, as if each model were better in one more row"
    return f"{what}, which says little of other rows: {wider}"
