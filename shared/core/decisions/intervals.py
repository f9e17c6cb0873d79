"""Intervals for how much better one model is than another on the same rows: DeLong, paired t.

AUC: E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837, by the placements
of the rows. Means: Student's t over the differences of the rows. If the models differ in few rows,
the scatter of these rows says too little about the others: then two rows are added, one in which
the candidate is better and one in which it is worse (D. G. Bonett, R. M. Price, Biometrical
Journal 54 (2012) 479, for shares of right answers).
"""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Places = NDArray[np.intp]

NORMAL: Final = NormalDist()
#: If fewer rows differ between the models, two rows are added.
FEWEST_DIFFERENT: Final = 5
#: The mean square of the loss of AUC by a row that is placed anew: between at random and last.
_PLACED_ANEW: Final = 0.5
#: Beyond this number of standard errors a share is 0 or 1.
_FAR: Final = 40.0
_HALVINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much better the candidate is; positive is better."""

    difference: float
    low: float
    high: float
    error: float  #: the standard error of the difference
    freedom: float = math.inf  #: degrees of freedom of the error; infinite: it is normal
    different: int | None = None  #: few rows in which the models differ: two were added

    @property
    def numbers(self) -> tuple[float, ...]:
        """What has to be numbers of use, in an interval that says something."""
        return self.difference, self.low, self.high, self.error

    def p_worse(self, bound: float) -> float:
        """Return the one-sided p-value of a difference of `bound` or more."""
        if self.error == 0:
            return float(self.difference >= bound)
        return student_share((self.difference - bound) / self.error, self.freedom)


@cache
def student_quantile(share: float, freedom: float) -> float:
    """Return the value that Student's t is below with this probability.

    The expansion of M. Abramowitz and I. A. Stegun (26.7.5), exact to 1e-5 from 20 degrees on.

    Args:
        share: the probability, between 0 and 1.
        freedom: degrees of freedom; infinite: the normal distribution.
    """
    return _stretched(NORMAL.inv_cdf(share), freedom)


def student_share(value: float, freedom: float) -> float:
    """Return the probability that Student's t is below a value; the inverse of the quantile.

    Args:
        value: the value.
        freedom: degrees of freedom; infinite: the normal distribution.
    """
    low, high = -_FAR, _FAR
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _stretched(middle, freedom) < value else (low, middle)
    return NORMAL.cdf(low)


def _stretched(z: float, freedom: float) -> float:
    square = z * z
    terms = (
        (square + 1) / 4,
        ((5 * square + 16) * square + 3) / 96,
        (((3 * square + 19) * square + 17) * square - 15) / 384,
        ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
    )
    return z * (1 + sum(term / freedom**power for power, term in enumerate(terms, start=1)))


def of_mean(better: "Numbers", stakes: "Numbers", level: float) -> Estimate:
    """Return the estimate of a mean of differences, by Student's t.

    Args:
        better: for each row, by how much the candidate is better there.
        stakes: how much one row can differ, where two rows are added.
        level: the share of intervals that hold the true difference.
    """
    import numpy as np

    rows, difference = len(better), float(better.mean())
    different = int(np.count_nonzero(better))
    few = different < FEWEST_DIFFERENT
    center, variance = difference, float(better.var(ddof=1)) / rows
    if few:
        # A row that nobody saw may differ as much as those that do.
        seen = float(np.mean(better[better != 0] ** 2)) if different else 0.0
        center, variance = _with_two(better, max(float(np.mean(stakes**2)), seen))
    error = math.sqrt(variance)
    half = student_quantile((1 + level) / 2, rows - 1) * error
    return Estimate(
        difference,
        min(center - half, difference),
        max(center + half, difference),
        error,
        rows - 1,
        different if few else None,
    )


def _with_two(values: "Numbers", square: float) -> tuple[float, float]:
    """Return the mean, and its variance, with one row above and one below.

    Args:
        values: one for each row.
        square: the mean square of the most that one row can differ.
    """
    rows = len(values) + 2
    mean = float(values.sum()) / rows
    variance = (float((values**2).sum()) + 2 * square) / rows - mean * mean
    return mean, variance / rows


def auc(scores: "Numbers", positive: "Flags") -> float:
    """Return the probability that a positive row has a higher score than a negative one.

    Args:
        scores: of each row.
        positive: which rows are positive; both classes are there.
    """
    above, _ = _placements(_Ranked.of(scores, positive))
    return float(above.mean())


def of_auc(
    candidate: "Numbers", other: "Numbers", positive: "Flags", level: float
) -> tuple[Estimate, float, float]:
    """Return the estimate of the difference of two AUCs, and both AUCs, by DeLong.

    Args:
        candidate: its scores.
        other: the scores of the other model on the same rows.
        positive: which rows are positive; both classes have two rows or more.
        level: the share of intervals that hold the true difference.
    """
    import numpy as np

    ours, theirs = _Ranked.of(candidate, positive), _Ranked.of(other, positive)
    (above, below), (above_too, below_too) = _placements(ours), _placements(theirs)
    moved = above - above_too, below - below_too
    first, second = float(above.mean()), float(above_too.mean())
    variance = sum(float(one.var(ddof=1)) / len(one) for one in moved)
    # A row that moves past many of the other class moves all of them, and is one.
    different = min(int(np.count_nonzero(one)) for one in moved)
    if few := different < FEWEST_DIFFERENT:
        variance = sum(_with_two(one, _PLACED_ANEW)[1] for one in moved)
    error = math.sqrt(variance)
    half, difference = student_quantile((1 + level) / 2, math.inf) * error, first - second
    estimate = Estimate(
        difference,
        difference - half,
        difference + half,
        error,
        different=different if few else None,
    )
    return estimate, first, second


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """The ranks of scores, positive rows first: among all rows, and within each class."""

    together: "Numbers"
    positives: "Numbers"
    negatives: "Numbers"

    @classmethod
    def of(cls, scores: "Numbers", positive: "Flags") -> "_Ranked":
        import numpy as np

        ours, others = scores[positive], scores[~positive]
        return cls(_ranks(np.concatenate((ours, others))), _ranks(ours), _ranks(others))


def _ranks(values: "Numbers") -> "Numbers":
    """Return the rank of each value; equal values share the mean of theirs."""
    import numpy as np

    order = np.argsort(values)
    ordered = values[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = ((starts + ends + 1) / 2)[np.cumsum(first) - 1]
    return ranks


def _placements(ranked: _Ranked) -> tuple["Numbers", "Numbers"]:
    """Return how many rows of the other class each row is on the right side of, as a share."""
    positives, negatives = len(ranked.positives), len(ranked.negatives)
    above = (ranked.together[:positives] - ranked.positives) / negatives
    below = 1 - (ranked.together[positives:] - ranked.negatives) / positives
    return above, below
