"""The paired bootstrap: intervals for RMSE and R2, which are no means over rows.

Rows are drawn with all that belongs to them, so that both models are judged on the same ones. The
interval is the percentiles of the draws, further out than the level says, as Student's t is
(T. C. Hesterberg, The American Statistician 69 (2015) 371), the more so if few rows with large
errors decide.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shared.core.decisions.intervals import (
    FEWEST_DIFFERENT,
    NORMAL,
    Estimate,
    of_mean,
    student_quantile,
)
from shared.core.decisions.metrics import Kind

if TYPE_CHECKING:
    import numpy as np

    from shared.core.decisions.intervals import Numbers

DRAWS: Final = 2000
_FEWEST_FREEDOM: Final = 6.0
#: More rows are put into this number of bundles at random, which are drawn as a whole.
MOST_UNITS: Final = 1000
#: Of numbers whose sums are too large for a float.
_UNKNOWN: Final = Estimate(math.nan, math.nan, math.nan, math.nan)

Statistic = Callable[["Numbers"], "Numbers"]


def of_errors(
    kind: Kind,
    labels: "Numbers",
    candidate: "Numbers",
    other: "Numbers",
    *,
    level: float,
    seed: str,
) -> tuple[Estimate, float, float]:
    """Return the estimate of the difference in RMSE or R2, and both values.

    The order of the rows makes no difference.

    Args:
        kind: RMSE or R2.
        labels: of each row.
        candidate: its predictions.
        other: the predictions of the other model.
        level: the share of intervals that hold the true difference.
        seed: what the draws are derived from.
    """
    import numpy as np

    # Sums over rows of these five say all.
    around = labels - labels.mean()
    cells = np.stack(
        ((candidate - labels) ** 2, (other - labels) ** 2, around, around**2, np.ones(len(labels)))
    )
    values = _rmse if kind is Kind.RMSE else _r2
    chance = generator(seed)
    units = _bundled(cells[:, np.lexsort((labels, other, candidate))], chance)
    first, second = (float(one) for one in values(cells.sum(axis=1)))
    if not math.isfinite(first - second):
        return _UNKNOWN, first, second
    if np.count_nonzero(cells[0] != cells[1]) < FEWEST_DIFFERENT:
        return _of_few(kind, cells, (first, second), level), first, second
    sign = 1.0 if kind is Kind.R2 else -1.0
    drawn = sign * _differences(values, _drawn_sums(units, chance))
    if not len(drawn):
        return _UNKNOWN, first, second
    influence = _influence(kind, cells, first - second)
    return _by_percentiles(sign * (first - second), drawn, influence, level), first, second


def _of_few(kind: Kind, cells: "Numbers", values: tuple[float, float], level: float) -> Estimate:
    """Return the estimate where few rows differ: no draw has what these rows do not show.

    It is that of the mean squares, whose difference is that of RMSE or R2 but for a factor.
    """
    ours, theirs, _, around, _ = cells
    factor = 1 / float(around.mean()) if kind is Kind.R2 else 1 / (sum(values) or 1.0)
    found = of_mean(theirs - ours, (ours + theirs) / 2, level)
    return replace(
        found,
        difference=factor * found.difference,
        low=factor * found.low,
        high=factor * found.high,
        error=factor * found.error,
    )


def _influence(kind: Kind, cells: "Numbers", difference: float) -> "Numbers":
    """Return how much each row moves the difference, but for a factor."""
    import numpy as np

    ours, theirs, _, around, _ = cells
    if kind is Kind.R2:
        return np.asarray(theirs - ours - difference * around)
    first, second = (math.sqrt(float(one.mean())) or 1.0 for one in (ours, theirs))
    moved = theirs / second - ours / first
    return np.asarray(moved - moved.mean())


def of_squares(kind: Kind, labels: "Numbers", predictions: "Numbers") -> float:
    """Return RMSE or R2 of one model.

    Args:
        kind: which of them.
        labels: of each row.
        predictions: for each row.
    """
    mean = float(((predictions - labels) ** 2).mean())
    return math.sqrt(mean) if kind is Kind.RMSE else 1 - mean / float(labels.var())


def _rmse(sums: "Numbers") -> "Numbers":
    import numpy as np

    return np.asarray(np.sqrt(sums[:2] / sums[4]))


def _r2(sums: "Numbers") -> "Numbers":
    import numpy as np

    around = sums[3] - sums[2] ** 2 / sums[4]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - sums[:2] / around)


def _differences(values: Statistic, sums: "Numbers") -> "Numbers":
    import numpy as np

    both = values(sums)
    found = both[0] - both[1]
    return np.asarray(found[np.isfinite(found)])  # a draw of equal labels has no R2


def generator(seed: str) -> "np.random.Generator":
    """Return what draws are made by: the same for the same seed."""
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()))


def _bundled(cells: "Numbers", chance: "np.random.Generator") -> "Numbers":
    """Return sums over bundles of rows, so that very many rows cost no more than many."""
    import numpy as np

    number = cells.shape[1]
    if number <= MOST_UNITS:
        return cells
    mixed = cells[:, chance.permutation(number)]
    starts = np.linspace(0, number, MOST_UNITS, endpoint=False).astype(int)
    return np.asarray(np.add.reduceat(mixed, starts, axis=1))


def times_drawn(number: int, chance: "np.random.Generator") -> "Numbers":
    """Return how often each of `number` units is in each draw of as many, with replacement.

    Args:
        number: of the units.
        chance: what the draws are made by.
    """
    import numpy as np

    places = chance.integers(0, number, (DRAWS, number), dtype=np.int32)
    places += np.arange(DRAWS, dtype=np.int32)[:, None] * number
    times = np.bincount(places.ravel(), minlength=DRAWS * number)
    return times.reshape(DRAWS, number).astype(float)


def _drawn_sums(units: "Numbers", chance: "np.random.Generator") -> "Numbers":
    """Return the sums over as many units as there are, drawn with replacement, for each draw."""
    import numpy as np

    # No product of matrices: it takes every core, and its sums depend on their number.
    return np.asarray(np.einsum("dn,kn->kd", times_drawn(units.shape[1], chance), units))


def _by_percentiles(
    difference: float, drawn: "Numbers", influence: "Numbers", level: float
) -> Estimate:
    import numpy as np

    rows = len(influence)
    freedom, wider = _freedom(influence), math.sqrt(rows / (rows - 1))
    tail = NORMAL.cdf(wider * student_quantile((1 - level) / 2, freedom))
    low, high = (float(one) for one in np.quantile(drawn, (tail, 1 - tail)))
    error = float(drawn.std(ddof=1)) * wider
    return Estimate(difference, min(low, difference), max(high, difference), error, freedom)


def _freedom(influence: "Numbers") -> float:
    """Return the degrees of freedom of a variance of such values: few, if some are far out."""
    import numpy as np

    rows, largest = len(influence), float(np.abs(influence).max())
    if largest == 0:
        return rows - 1
    # Of large numbers the fourth power would be no number; a power of two makes no difference.
    square = np.ldexp(influence, -math.frexp(largest)[1]) ** 2
    mean = float(square.mean())
    beyond = float((square**2).mean()) / mean**2 - 1
    return max(_FEWEST_FREEDOM, rows - 1 if beyond <= 0 else min(rows - 1, 2 * rows / beyond))
