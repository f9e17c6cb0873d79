"""The interval for F1, by the paired bootstrap: Student's t times the deviation of the draws.

All that matters of a row is its label and the answers of both models. Percentiles of the draws are
too narrow where the models have few right answers.
"""

import math
from typing import TYPE_CHECKING

from shared.core.decisions.bootstrap import DRAWS, MOST_UNITS, generator, times_drawn
from shared.core.decisions.intervals import FEWEST_DIFFERENT, Estimate, student_quantile
from shared.core.decisions.metrics import Average

if TYPE_CHECKING:
    import numpy as np

    from shared.core.decisions.intervals import Numbers, Places

    #: Of each class: the right answers, the rows, and the answers.
    ByClass = tuple[Numbers, Numbers, Numbers]


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
    different = int(counts[(ours == label) != (theirs == label)].sum())
    few = different < FEWEST_DIFFERENT
    first, second = (
        float(_f1(_by_class(counts, label, one, classes), average)) for one in (ours, theirs)
    )
    chance = generator(seed)
    if len(counts) > MOST_UNITS:
        units = _units_of_classes(cells, counts, classes, chance, few=few)
        total = round(float(units[1].sum()))
        center, drawn = _drawn_of_units(units, average, chance)
    else:
        if few:
            np.add.at(counts, places, 1 / classes)
        total = round(float(counts.sum()))
        draws = chance.multinomial(total, counts / counts.sum(), DRAWS).T.astype(float)
        center, drawn = (
            _f1(_by_class(some, label, ours, classes), average)
            - _f1(_by_class(some, label, theirs, classes), average)
            for some in (counts, draws)
        )
    error = float(drawn.std(ddof=1)) * math.sqrt(total / (total - 1))
    half = student_quantile((1 + level) / 2, total - 1) * error
    middle, difference = float(center), first - second
    estimate = Estimate(
        difference,
        min(middle - half, difference),
        max(middle + half, difference),
        error,
        total - 1,
        different if few else None,
    )
    return estimate, first, second


def _triples(
    labels: "Numbers", candidate: "Numbers", other: "Numbers", classes: int
) -> tuple["Places", "Places", "Numbers"]:
    """Return triples of label and answers, the places of those with one wrong answer, and counts.

    For each class there is one triple where only the candidate is wrong, and one where only the
    other model is: rows are added to these if the models differ in few.
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

    first, second, third = (np.asarray(one, np.intp) for one in (labels, candidate, other))
    return np.asarray((first * classes + second) * classes + third)


def _units_of_classes(
    cells: "Places", counts: "Numbers", classes: int, chance: "np.random.Generator", *, few: bool
) -> "Numbers":
    """Return sums over bundles of rows: with very many triples, their counts would not fit.

    They are of each class, in each bundle: the candidate's right answers, the rows, and its
    answers; the same of the other model.

    Args:
        cells: label, candidate's answer and the other model's answer of each triple.
        counts: how many rows have it.
        classes: how many there are.
        chance: mixes the rows.
        few: whether two rows are added, as parts of a row of each class.
    """
    import numpy as np

    rows = chance.permutation(np.repeat(np.arange(len(counts)), counts.astype(np.intp)))
    bundle = np.arange(len(rows)) * MOST_UNITS // len(rows)
    label, ours, theirs = cells[:, rows]
    found = []
    for answer, alone in ((ours, 0.0), (theirs, 1.0)):
        for of, one in ((answer, answer == label), (label, None), (answer, None)):
            sums = np.bincount(bundle * classes + of, weights=one, minlength=MOST_UNITS * classes)
            added = np.ones((2, classes)) / classes
            if one is not None:
                added *= np.array([[alone], [1 - alone]])
            parts = (sums.reshape(MOST_UNITS, classes), added) if few else (sums,)
            found.append(np.concatenate([part.reshape(-1, classes) for part in parts]))
    return np.array(found).transpose(0, 2, 1)


def _drawn_of_units(
    units: "Numbers", average: Average, chance: "np.random.Generator"
) -> tuple["Numbers", "Numbers"]:
    """Return the difference in F1 of all units, and of each draw of them."""
    import numpy as np

    times = times_drawn(units.shape[2], chance)
    drawn = np.array([np.einsum("dn,kn->kd", times, one) for one in units])
    center, each = (
        _f1((some[0], some[1], some[2]), average) - _f1((some[3], some[4], some[5]), average)
        for some in (units.sum(axis=2), drawn)
    )
    return center, each


def _by_class(
    counts: "Numbers", label: "Places | Numbers", answer: "Places | Numbers", classes: int
) -> "ByClass":
    """Return sums over cells of each class, along the first axis."""
    import numpy as np

    each = range(classes)
    right = np.array([counts[(label == one) & (answer == one)].sum(axis=0) for one in each])
    rows = np.array([counts[label == one].sum(axis=0) for one in each])
    return right, rows, np.array([counts[answer == one].sum(axis=0) for one in each])


def value_of_f1(labels: "Numbers", answers: "Numbers", classes: int, average: Average) -> float:
    """Return F1 of one model.

    Args:
        labels: the position of the class of each row.
        answers: the positions of its answers.
        classes: how many there are; the positive one of two is last.
        average: binary is the F1 of the last class.
    """
    import numpy as np

    return float(_f1(_by_class(np.ones(len(labels)), labels, answers, classes), average))


def _f1(by_class: "ByClass", average: Average) -> "Numbers":
    """Return F1 for sums of each class."""
    import numpy as np

    right, rows, answers = by_class
    each = 2 * right / np.maximum(rows + answers, 1e-300)
    if average == "binary":
        return np.asarray(each[-1])
    weights = rows if average == "weighted" else np.ones_like(rows)
    return np.asarray(np.average(each, axis=0, weights=weights))
