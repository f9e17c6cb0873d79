"""Draws rows that two models score, so that their true difference in a metric is known exactly.

Both models have normal scores, or errors, that are correlated row by row. For each metric a formula
says which strength of a model gives which value of the metric.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.core.counting import counted
from shared.core.decisions.metrics import Kind, Metric
from shared.core.decisions.rows import PairedRows

Numbers = NDArray[np.float64]

NORMAL: Final = NormalDist()
CLASSES: Final = ("no", "yes")
#: Of the labels, where they are numbers.
_SPREAD: Final = 2.0
_QUANTILE: Final = 0.8
_MISSED, _FALSE_ALARM = 1.0, 0.25
_COST: Final = {"yes": {"no": _MISSED}, "no": {"yes": _FALSE_ALARM}}


@dataclass(frozen=True, slots=True)
class Setting:
    """A metric, the two values that it truly has, and how the rows are."""

    metric: Metric
    other: float  #: its true value for the live model
    worse_by: float  #: how much worse the candidate truly is
    rows: int
    correlation: float
    positives: float = 0.4  #: the share of positive rows

    @property
    def candidate(self) -> float:
        """The true value for the candidate."""
        better = 1 if self.metric.higher_is_better else -1
        return self.other - better * self.worse_by

    def __str__(self) -> str:
        """Return all that tells it from other settings."""
        worse = f"worse by {self.worse_by:g}" if self.worse_by else "equal"
        return (
            f"{self.metric.kind} {self.other:g}, {worse}, {counted(self.rows, 'row')}, "
            f"{self.positives:.0%} positive, correlation {self.correlation:g}"
        )


def metric_of(kind: Kind) -> Metric:
    """Return the metric as it is drawn here: scores from 0 on are for the positive class."""
    quantile = _QUANTILE if kind is Kind.QUANTILE_LOSS else None
    return Metric(kind, threshold=0.0, quantile=quantile, cost=_COST)


def drawn(setting: Setting, chance: np.random.Generator) -> PairedRows:
    """Return rows of both models.

    Args:
        setting: what is true of them.
        chance: of the draws.
    """
    rows, mixed = setting.rows, setting.correlation
    theirs = chance.standard_normal(rows)
    ours = mixed * theirs + math.sqrt(1 - mixed**2) * chance.standard_normal(rows)
    positive = (chance.random(rows) < setting.positives).astype(float)
    numbers = _SPREAD * chance.standard_normal(rows)
    of_classes = setting.metric.kind in _OF_CLASSES
    labels = positive if of_classes else numbers
    scored = _SCORED[setting.metric.kind]
    values = (
        scored(labels, noise, _strength(setting, value))
        for noise, value in ((ours, setting.candidate), (theirs, setting.other))
    )
    candidate, other = (one.tolist() for one in values)
    return PairedRows(
        ids=range_of_ids(rows),
        labels=labels.tolist(),
        candidate=candidate,
        other=other,
        classes=CLASSES if of_classes else (),
    )


def range_of_ids(rows: int) -> list[str]:
    """Return an id for each row."""
    return [str(number) for number in range(rows)]


def _strength(setting: Setting, value: float) -> float:
    """Return how strong a model with this value of the metric is; or how large its errors are."""
    kind, positives = setting.metric.kind, setting.positives
    if kind is Kind.AUC:
        return math.sqrt(2) * NORMAL.inv_cdf(value)
    each = positives * _MISSED + (1 - positives) * _FALSE_ALARM
    # F1 is 2 p t / (p t + (1 - p)(1 - t) + p) for a share t of right answers in both classes.
    right = {
        Kind.ACCURACY: value,
        Kind.COST: 1 - value / each,
        Kind.F1: value / (2 * positives - value * (2 * positives - 1)),
    }
    if kind in right:
        return 2 * NORMAL.inv_cdf(right[kind])
    errors = {
        Kind.BRIER: math.sqrt(3 * value),
        Kind.MAE: value * math.sqrt(math.pi / 2),
        Kind.QUANTILE_LOSS: value * math.sqrt(2 * math.pi),
        Kind.R2: _SPREAD * math.sqrt(1 - value) if value <= 1 else 0.0,
    }
    return errors.get(kind, value)


def _separated(labels: Numbers, noise: Numbers, strength: float) -> Numbers:
    """Return scores whose classes lie apart, around 0: each class has as many right answers."""
    return np.asarray(noise + (labels - 0.5) * strength)


def _squared(labels: Numbers, noise: Numbers, strength: float) -> Numbers:
    """Return probabilities that are off by something uniform up to `strength`."""
    return np.abs(labels - strength * _uniform(noise))


def _exponential(labels: Numbers, noise: Numbers, strength: float) -> Numbers:
    """Return probabilities whose logarithmic losses are exponential with this mean."""
    right = np.exp(strength * np.log(_uniform(noise)))
    return np.asarray(np.where(labels == 1, right, 1 - right))


def _off(labels: Numbers, noise: Numbers, strength: float) -> Numbers:
    return np.asarray(labels + strength * noise)


def _uniform(noise: Numbers) -> Numbers:
    """Return the probability of the standard normal distribution to be below each number."""
    return np.asarray([NORMAL.cdf(one) for one in noise.tolist()])


_SCORED: Final[Mapping[Kind, Callable[[Numbers, Numbers, float], Numbers]]] = {
    Kind.AUC: _separated,
    Kind.ACCURACY: _separated,
    Kind.COST: _separated,
    Kind.F1: _separated,
    Kind.BRIER: _squared,
    Kind.LOG_LOSS: _exponential,
    Kind.MAE: _off,
    Kind.QUANTILE_LOSS: _off,
    Kind.RMSE: _off,
    Kind.R2: _off,
}
_OF_CLASSES: Final = frozenset(_SCORED) - {Kind.MAE, Kind.QUANTILE_LOSS, Kind.RMSE, Kind.R2}
