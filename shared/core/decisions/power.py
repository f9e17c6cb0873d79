"""Computes the rows that a verdict needs, and how much of a difference is noise."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

from shared.core.decisions.comparison import Interval
from shared.core.decisions.intervals import NORMAL
from shared.core.decisions.metrics import Kind, Metric

#: More rows than these are as good as none: the difference is nearly the bound.
MOST_ROWS: Final = 1_000_000_000
#: How alike two models of the same data usually are, where nothing is known of them.
USUAL_CORRELATION: Final = 0.9
#: AUCs are less alike than scores: this power of the correlation, as drawn scores show.
_OF_RANKS: Final = 1.3
#: For sums in place of an integral over the normal distribution.
_STEP, _STEPS = 0.05, 160
#: The standard deviation of an absolute error, as a part of its mean, if errors are normal.
_OF_ABSOLUTE: Final = math.sqrt(math.pi / 2 - 1)


def rows_needed(interval: Interval, rows: int, bound: float) -> int | None:
    """Return about how many rows would show on which side of a bound it is; None: too many.

    Widths shrink with the root of the rows. The number is rounded up to two digits.

    Args:
        interval: which has the bound inside.
        rows: how many it is of.
        bound: as a signed difference: -0.01 for `max_drop: 0.01`.
    """
    distance = interval.difference - bound
    half = (
        interval.difference - interval.low if distance > 0 else interval.high - interval.difference
    )
    if abs(distance) * math.sqrt(MOST_ROWS) <= half * math.sqrt(rows):
        return None
    return _rounded_up(max(rows + 1, math.ceil(rows * (half / distance) ** 2)))


def rows_for(share: float, *, margin: float, deviation: float, level: float) -> int | None:
    """Return with about how many rows this share of equally good models will be unsure.

    The number is rounded up to two digits; None: these are more than anybody has.

    Args:
        share: below the level, such as 0.1.
        margin: of max_drop or min_gain, above 0.
        deviation: what one row adds to a difference.
        level: of the intervals.
    """
    away = NORMAL.inv_cdf((1 + level) / 2) + NORMAL.inv_cdf(1 - share)
    if margin * math.sqrt(MOST_ROWS) <= away * deviation:
        return None
    return _rounded_up(max(1, math.ceil((away * deviation / margin) ** 2)))


def _rounded_up(rows: int) -> int:
    unit = int(10 ** max(0, len(str(rows)) - 2))
    return -(-rows // unit) * unit


def deviation(interval: Interval, rows: int) -> float:
    """Return the standard deviation that one row adds to a difference, from a past comparison.

    Args:
        interval: of the past comparison.
        rows: how many it is of.
    """
    half = (interval.high - interval.low) / 2
    return half / NORMAL.inv_cdf((1 + interval.level) / 2) * math.sqrt(rows)


def usual_deviation(
    metric: Metric, value: float, positives: float, correlation: float = USUAL_CORRELATION
) -> float | None:
    """Return the same without a past comparison; None: it cannot be said of this metric.

    Args:
        metric: to be compared.
        value: its approximate value for both models.
        positives: the share of positive rows.
        correlation: of the scores, or the errors, of both models in each class.
    """
    many = 1_000_000
    match metric.kind:
        case Kind.R2:  # how the labels scatter is common to both
            return 2 * (1 - value) * math.sqrt(1 - correlation**2) if value <= 1 else None
        case Kind.ACCURACY | Kind.F1:  # answers are less alike than the scores behind them
            correlation = 2 / math.pi * math.asin(correlation)
        case Kind.MAE | Kind.RMSE:
            correlation **= 2
        case _:
            correlation **= _OF_RANKS
    error = _error(metric, Evaluated(value, many, round(positives * many)))
    return None if error is None else error * math.sqrt(2 * (1 - correlation) * many)


def unsure_share(rows: int, *, margin: float, deviation: float, level: float) -> float:
    """Return the share of equally good models that will be unsure.

    Args:
        rows: how many there will be.
        margin: of max_drop or min_gain.
        deviation: what one row adds to a difference.
        level: of the intervals.
    """
    if deviation == 0:
        return float(margin == 0)
    quantile = NORMAL.inv_cdf((1 + level) / 2)
    away = margin / (deviation / math.sqrt(rows))
    return 1 - NORMAL.cdf(away - quantile) - NORMAL.cdf(-away - quantile)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A recorded number, and the rows that it was computed of."""

    value: float
    rows: int
    positives: int | None = None


def noise(metric: Metric, one: Evaluated, other: Evaluated, level: float) -> float | None:
    """Return below which difference two models on different rows may be equal; None: not known.

    It is as if scores and errors were normal, and precision and recall equal. AUC: the variance of
    J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29, for normal scores.

    Args:
        metric: of both numbers.
        one: the number of one model.
        other: that of the other one, on other rows.
        level: the share of equal models whose difference is below it.
    """
    errors = [_error(metric, evaluated) for evaluated in (one, other)]
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return None
    return NORMAL.inv_cdf((1 + level) / 2) * math.hypot(*known)


def _error(metric: Metric, evaluated: Evaluated) -> float | None:
    """Return the standard error of one number; None: its rows do not say it."""
    value, rows = evaluated.value, evaluated.rows
    if rows < 1:
        return None
    share = 0 <= value <= 1
    match metric.kind:
        case Kind.AUC if share:
            return _error_of_auc(evaluated)
        case Kind.ACCURACY if share:
            return math.sqrt(value * (1 - value) / rows)
        case Kind.F1 if share and evaluated.positives and metric.average == "binary":
            return math.sqrt((2 - value) * value * (1 - value) / (2 * evaluated.positives))
        case Kind.R2 if share:
            return 2 * math.sqrt(value) * (1 - value) / math.sqrt(rows)
        case Kind.RMSE if value >= 0:
            return value / math.sqrt(2 * rows)
        case Kind.MAE if value >= 0:
            return _OF_ABSOLUTE * value / math.sqrt(rows)
        case _:
            return None


def _error_of_auc(evaluated: Evaluated) -> float | None:
    value, positives = evaluated.value, evaluated.positives or 0
    negatives = evaluated.rows - positives
    if positives < 1 or negatives < 1:
        return None
    moved = max(0.0, _beats_two(value) - value**2)
    variance = value * (1 - value) + (positives + negatives - 2) * moved
    return math.sqrt(variance / (positives * negatives))


@cache
def _beats_two(value: float) -> float:
    """Return the probability that a row is on the right side of two rows of the other class."""
    if not 0 < value < 1:
        return value
    apart = math.sqrt(2) * NORMAL.inv_cdf(value)
    points = [at * _STEP for at in range(-_STEPS, _STEPS + 1)]
    return _STEP * sum(NORMAL.pdf(at) * NORMAL.cdf(at + apart) ** 2 for at in points)
