"""The paired bootstrap: intervals for F1, RMSE and R2, which are no means over rows.

Rows are drawn with all that belongs to them, so that both models are judged on the same ones.
RMSE and R2: the percentiles of the draws, further out than the level says, as Student's t is
(T. C. Hesterberg, The American Statistician 69 (2015) 371), the more so if few rows with large
errors decide. F1: Student's t times the standard deviation of the draws; percentiles are too narrow
where the models have few right answers.
"""

import hashlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from shared.core.decisions.intervals import (
    FEWEST_DIFFERENT,
    NORMAL,
    Estimate,
    student_quantile,
)
from shared.core.decisions.metrics import Average, Kind

if TYPE_CHECKING:
    import numpy as np

    from shared.core.decisions.intervals import Numbers, Places

DRAWS: Final = 2000
_FEWEST_FREEDOM: Final = 6.0
#: More rows are put into so many bundles at random, which are drawn as a whole.
_MOST_UNITS: Final = 1000

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
    chance = _generator(seed)
    units = _bundled(cells[:, np.lexsort((labels, other, candidate))], chance)
    first, second = (float(one) for one in values(cells.sum(axis=1)))
    sign = 1.0 if kind is Kind.R2 else -1.0
    drawn = sign * _differences(values, _drawn_sums(units, chance))
    influence = _influence(kind, cells, first - second)
    return _by_percentiles(sign * (first - second), drawn, influence, level), first, second


def _influence(kind: Kind, cells: "Numbers", difference: float) -> "Numbers":
    """Return how much each row moves the difference, but for a factor."""
    import numpy as np

    ours, theirs, _, around, _ = cells
    if kind is Kind.R2:
        return np.asarray(theirs - ours - difference * around)
    first, second = (math.sqrt(float(one.mean())) or 1.0 for one in (ours, theirs))
    moved = theirs / second - ours / first
    return np.asarray(moved - moved.mean())


def of_f1(
    labels: "Numbers",
    candidate: "Numbers",
    other: "Numbers",
    *,
    classes: int,
    average: Average,
    level: float,
    seed: str,
) -> tuple[Estimate, float, float]:
    """Return the estimate of the difference in F1, and both values.

    All that matters of a row is its label and both answers, so the draws are of such triples.

    Args:
        labels: the position of the class of each row.
        candidate: the positions of its answers.
        other: the positions of the other model's answers.
        classes: how many there are; the positive one of two is last.
        average: binary is the F1 of the last class.
        level: the share of intervals that hold the true difference.
        seed: what the draws are derived from.
    """
    import numpy as np

    cells, places, counts = _triples(labels, candidate, other, classes)
    label, ours, theirs = cells

    def values(counts: "Numbers") -> "Numbers":
        return np.stack([_f1(counts, label, one, classes, average) for one in (ours, theirs)])

    first, second = (float(one) for one in values(counts))
    different = int(counts[(ours == label) != (theirs == label)].sum())
    few = different < FEWEST_DIFFERENT
    if few:
        np.add.at(counts, places, 1 / classes)
    total = round(float(counts.sum()))
    draws = _generator(seed).multinomial(total, counts / counts.sum(), DRAWS)
    drawn = values(draws.T.astype(float))
    error = float((drawn[0] - drawn[1]).std(ddof=1)) * math.sqrt(total / (total - 1))
    half = student_quantile((1 + level) / 2, total - 1) * error
    center, difference = float(np.subtract(*values(counts))), first - second
    estimate = Estimate(
        difference,
        min(center - half, difference),
        max(center + half, difference),
        error,
        total - 1,
        different if few else None,
    )
    return estimate, first, second


def _triples(
    labels: "Numbers", candidate: "Numbers", other: "Numbers", classes: int
) -> tuple["Places", "Places", "Numbers"]:
    """Return triples of label and answers, the places of those with one wrong answer, and counts.

    For each class there is one triple where the candidate alone is wrong, and one where the other
    model is: rows are added to these if the models differ in few.
    """
    import numpy as np

    each = np.arange(classes)
    wrong = (each + 1) % classes
    added = np.concatenate((_coded(each, each, wrong, classes), _coded(each, wrong, each, classes)))
    rows = _coded(labels, candidate, other, classes)
    codes, places = np.unique(np.concatenate((rows, added)), return_inverse=True)
    cells = np.stack((codes // classes**2, codes // classes % classes, codes % classes))
    counts = np.bincount(places[: len(rows)], minlength=len(codes))
    return cells, places[len(rows) :], counts.astype(float)


def _coded(
    labels: "Numbers | Places",
    candidate: "Numbers | Places",
    other: "Numbers | Places",
    classes: int,
) -> "Places":
    """Return one number for each triple."""
    import numpy as np

    return np.asarray((labels * classes + candidate) * classes + other).astype(np.intp)


def f1(labels: "Numbers", answers: "Numbers", classes: int, average: Average) -> float:
    """Return F1 of one model.

    Args:
        labels: the position of the class of each row.
        answers: the positions of its answers.
        classes: how many there are; the positive one of two is last.
        average: binary is the F1 of the last class.
    """
    import numpy as np

    return float(_f1(np.ones(len(labels)), labels, answers, classes, average))


def of_squares(kind: Kind, labels: "Numbers", predictions: "Numbers") -> float:
    """Return RMSE or R2 of one model.

    Args:
        kind: which of them.
        labels: of each row.
        predictions: for each row.
    """
    mean = float(((predictions - labels) ** 2).mean())
    return math.sqrt(mean) if kind is Kind.RMSE else 1 - mean / float(labels.var())


def _f1(
    counts: "Numbers",
    label: "Places | Numbers",
    answer: "Places | Numbers",
    classes: int,
    average: Average,
) -> "Numbers":
    """Return F1 for counts of cells, along the first axis."""
    import numpy as np

    each, sizes = [], []
    for place in range(classes) if average != "binary" else (classes - 1,):
        right = counts[(label == place) & (answer == place)].sum(axis=0)
        sizes.append(counts[label == place].sum(axis=0))
        both = sizes[-1] + counts[answer == place].sum(axis=0)
        each.append(2 * right / np.maximum(both, 1e-300))
    if average == "weighted":
        return np.asarray(np.average(np.array(each), axis=0, weights=np.array(sizes)))
    return np.asarray(np.mean(np.array(each), axis=0))


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


def _generator(seed: str) -> "np.random.Generator":
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()))


def _bundled(cells: "Numbers", chance: "np.random.Generator") -> "Numbers":
    """Return sums over bundles of rows, so that very many rows cost no more than many."""
    import numpy as np

    number = cells.shape[1]
    if number <= _MOST_UNITS:
        return cells
    mixed = cells[:, chance.permutation(number)]
    starts = np.linspace(0, number, _MOST_UNITS, endpoint=False).astype(int)
    return np.asarray(np.add.reduceat(mixed, starts, axis=1))


def _drawn_sums(units: "Numbers", chance: "np.random.Generator") -> "Numbers":
    """Return the sums over as many units as there are, drawn with replacement, for each draw."""
    import numpy as np

    number = units.shape[1]
    places = chance.integers(0, number, (DRAWS, number), dtype=np.int32)
    places += np.arange(DRAWS, dtype=np.int32)[:, None] * number
    times = np.bincount(places.ravel(), minlength=DRAWS * number).reshape(DRAWS, number)
    # No product of matrices: it takes every core, and its sums depend on their number.
    return np.asarray(np.einsum("dn,kn->kd", times.astype(float), units))


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
    rows, square = len(influence), influence**2
    mean = float(square.mean())
    if mean == 0:
        return rows - 1
    beyond = float((square**2).mean()) / mean**2 - 1
    return max(_FEWEST_FREEDOM, rows - 1 if beyond <= 0 else min(rows - 1, 2 * rows / beyond))
