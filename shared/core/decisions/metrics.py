"""The metrics by which two models are compared on the same rows, and what each one needs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, cast

from shared.core.counting import counted, grouped, they
from shared.core.decisions.rows import PairedRows
from shared.core.text import folded

if TYPE_CHECKING:
    from shared.core.decisions.intervals import Numbers

#: With fewer rows, or fewer of one of two classes, an interval holds the truth too seldom.
FEWEST_ROWS: Final = 30
#: Says of too few rows what follows.
UNRELIABLE: Final = "no interval can be relied on"
#: The work of F1 grows with the classes; very many are texts that are none.
MOST_CLASSES: Final = 100
_TWO: Final = 2
#: Probabilities are kept off 0 and 1 by this, so that a wrong one does not cost infinitely much.
_EDGE: Final = 2.0**-52

Average = Literal["binary", "macro", "micro", "weighted"]
#: What a wrong answer costs: actual class -> predicted class -> cost.
CostMatrix = Mapping[str, Mapping[str, float]]


class Kind(StrEnum):
    """What can be computed of rows, and compared."""

    AUC = "AUC"
    ACCURACY = "accuracy"
    F1 = "F1"
    LOG_LOSS = "log loss"
    BRIER = "Brier score"
    MAE = "MAE"
    RMSE = "RMSE"
    R2 = "R2"
    QUANTILE_LOSS = "quantile loss"
    COST = "cost"


HIGHER_IS_BETTER: Final = frozenset({Kind.AUC, Kind.ACCURACY, Kind.F1, Kind.R2})
_OF_NUMBERS: Final = frozenset({Kind.MAE, Kind.RMSE, Kind.R2, Kind.QUANTILE_LOSS})
_OF_SCORES: Final = frozenset({Kind.AUC, Kind.LOG_LOSS, Kind.BRIER})
_OF_PROBABILITIES: Final = frozenset({Kind.LOG_LOSS, Kind.BRIER})
#: Metrics of answers: whether a row is answered rightly decides.
OF_ANSWERS: Final = frozenset({Kind.ACCURACY, Kind.F1, Kind.COST})
_OVER: Final = r"macro|micro|weighted|binary"
_AVERAGED: Final = rf"(?P<before>{_OVER})?{{}}(?P<after>{_OVER})?"
_NAMES: Final = tuple(
    (kind, re.compile(_AVERAGED.format(names) if kind in (Kind.AUC, Kind.F1) else names))
    for kind, names in {
        Kind.AUC: r"(?:rocauc|auroc|auc)(?:score)?",
        Kind.ACCURACY: r"(?:overall)?accuracy(?:score)?",
        Kind.F1: r"(?:f1|f1score|fscore|fmeasure)",
        Kind.LOG_LOSS: r"logloss|crossentropy",
        Kind.BRIER: r"brier(?:score)?(?:loss)?",
        Kind.MAE: r"mae|meanabsoluteerror",
        Kind.RMSE: r"rmse|rootmeansquarederror",
        Kind.R2: r"r2|r²|r2score|rsquared|coefficientofdetermination",
        Kind.QUANTILE_LOSS: r"(?:mean)?(?:quantile|pinball)loss",
        Kind.COST: r"(?:mean|average)?cost",
    }.items()
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is computed from rows, with everything else that it needs."""

    kind: Kind
    average: Average = "binary"  #: over the classes, of F1
    threshold: float = 0.5  #: scores from this on are answers for the positive class
    quantile: float | None = None
    cost: CostMatrix | None = None  #: None: the rows say what a wrong answer costs

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value is better."""
        return self.kind in HIGHER_IS_BETTER

    @property
    def of_two_classes(self) -> bool:
        """Whether it is computed of scores for one of two classes."""
        return self.kind in _OF_SCORES

    @property
    def of_numbers(self) -> bool:
        """Whether its labels are numbers, and no classes."""
        return self.kind in _OF_NUMBERS


def metric_named(
    name: str,
    *,
    threshold: float = 0.5,
    quantile: float | None = None,
    cost: CostMatrix | None = None,
) -> Metric | None:
    """Return the metric that a rule names; None: it cannot be computed of rows.

    Args:
        name: as a rule has it; case, blanks, _ and - make no difference.
        threshold: scores from this on are answers for the positive class.
        quantile: which quantile is predicted, for the quantile loss.
        cost: what a wrong answer costs; None: a column says it.
    """
    for kind, form in _NAMES:
        if found := form.fullmatch(folded(name)):
            parts = found.groupdict()
            average = parts.get("before") or parts.get("after") or "binary"
            return Metric(kind, cast(Average, average), threshold, quantile, cost)
    return None


def lacking(metric: Metric, rows: PairedRows) -> str | None:
    """Return why the rows, in any number, say nothing about the metric; None: they do.

    Args:
        metric: to be compared.
        rows: of both models.
    """
    return next(_lacks(metric, rows), None)


def constant(rows: PairedRows) -> str | None:
    """Return which model says the same of every row, as a broken one does; None: neither.

    Args:
        rows: of both models; they are not lacking.
    """
    for whose, values in (("candidate", rows.candidate), ("other model", rows.other)):
        if max(values) == min(values):
            return f"the {whose} gives the same answer for every row"
    return None


def same_answers(metric: Metric, rows: PairedRows) -> str | None:
    """Return that the threshold makes one answer of all scores, so that no model can be better.

    Args:
        metric: to be compared.
        rows: of both models; they are not lacking.
    """
    import numpy as np

    if metric.kind not in OF_ANSWERS or rows.predicts_classes:
        return None
    both = np.array((rows.candidate, rows.other), dtype=float)
    positive = answers_of(metric, rows, both)
    if positive.min() != positive.max():
        return None
    side = "at least" if positive.max() else "below"
    same = "so that all answers are the same"
    return f"every score of both models is {side} the threshold {metric.threshold:g}, {same}"


def too_few(metric: Metric, rows: PairedRows) -> tuple[str, int] | None:
    """Return why the rows are too few, and about how many are needed; None: they are enough.

    Args:
        metric: to be compared.
        rows: of both models; they are not lacking.
    """
    number, sizes = len(rows.labels), class_sizes(rows)
    by_class = len(sizes) == _TWO or metric.average == "macro"
    smallest = min(sizes) if sizes and by_class else number
    if smallest >= FEWEST_ROWS:
        return None
    what = counted(number, "row")
    if sizes and by_class:
        what = f"{counted(smallest, 'row')} of the smaller class, of {number}"
        if len(sizes) > _TWO:
            what = f"{counted(smallest, 'row')} of the smallest class, of {number}"
    needed = -(-number * FEWEST_ROWS // max(1, smallest))
    reason = f"{what}: below {FEWEST_ROWS} {UNRELIABLE}"
    return f"{reason}; about {grouped(needed, 'row')} would do", needed


def class_sizes(rows: PairedRows) -> list[int]:
    """Return how many rows each class has; empty: the labels are numbers."""
    import numpy as np

    if not rows.classes:
        return []
    places = np.asarray(rows.labels, dtype=float).astype(int)
    return [int(one) for one in np.bincount(places, minlength=len(rows.classes))]


def counts_of(rows: PairedRows) -> dict[str, float]:
    """Return how many rows there are, and positive ones of two classes, as evaluations have it."""
    sizes = class_sizes(rows)
    counts = {"rows": float(len(rows.labels))}
    return counts | ({"positives": float(sizes[-1])} if len(sizes) == _TWO else {})


def _lacks(metric: Metric, rows: PairedRows) -> Iterator[str]:
    import numpy as np

    if not len(rows.labels):
        yield "there are no rows"
    columns = (
        ("label", rows.labels),
        ("score of the candidate", rows.candidate),
        ("score of the other model", rows.other),
        ("cost", rows.costs),
    )
    for what, values in columns:
        wrong = int(np.count_nonzero(~np.isfinite(np.asarray(values, dtype=float))))
        if wrong:
            yield f"in {counted(wrong, 'row')} the {what} is NaN or infinite"
    yield from _lacks_form(metric, rows)
    if rows.classes and sum(size > 0 for size in class_sizes(rows)) == 1:
        yield "all rows are of one class"
    for whose, values in (("candidate", rows.candidate), ("other model", rows.other)):
        numbers = np.asarray(values, dtype=float)
        if metric.kind in _OF_PROBABILITIES:
            outside = int(np.count_nonzero((numbers < 0) | (numbers > 1)))
            if outside:
                are = they(outside, "is", "are")
                yield (
                    f"{counted(outside, 'score')} of the {whose} {are} not between 0 and 1, "
                    f"and {metric.kind} needs probabilities"
                )
    if metric.kind is Kind.R2:
        with np.errstate(over="ignore"):
            scatter = float(np.var(rows.labels))  # of tiny numbers it may be 0
        if scatter == 0 or len(set(rows.labels)) == 1:
            yield "all labels are equal, so R2 is not defined"


def _lacks_form(metric: Metric, rows: PairedRows) -> Iterator[str]:
    kind, classes = metric.kind, len(rows.classes)
    if kind in _OF_NUMBERS:
        if classes:
            yield f"the labels are classes, and {kind} needs numbers"
        if kind is Kind.QUANTILE_LOSS and metric.quantile is None:
            yield "the quantile is unknown"
        return
    if not classes:
        yield f"the labels are numbers, and {kind} needs classes"
    if kind in _OF_SCORES and classes > _TWO:
        yield f"there are {classes} classes, and {kind} is compared for two"
    if kind in _OF_SCORES and rows.predicts_classes:
        yield f"the models give classes, and {kind} needs scores"
    if kind in OF_ANSWERS and classes > _TWO and not rows.predicts_classes:
        yield f"there are {classes} classes, and a score says nothing about the class of a row"
    if kind is Kind.F1:
        yield from _lacks_average(metric, classes)
    if kind is Kind.COST:
        yield from _lacks_costs(metric, rows)


def _lacks_average(metric: Metric, classes: int) -> Iterator[str]:
    if classes > MOST_CLASSES and metric.average != "micro":
        yield f"there are {classes:,} classes, and F1 is compared for at most {MOST_CLASSES}"
    if classes > _TWO and metric.average == "binary":
        yield f"there are {classes} classes: name F1 macro, F1 micro or F1 weighted"


def _lacks_costs(metric: Metric, rows: PairedRows) -> Iterator[str]:
    if metric.cost is None:
        if not len(rows.costs):
            yield "no column says what a wrong answer costs"
        elif not any(rows.costs):
            yield "every wrong answer costs 0"
        return
    for actual in rows.classes:
        for predicted in rows.classes:
            if actual != predicted and predicted not in metric.cost.get(actual, {}):
                yield "the cost matrix does not have every pair of classes of the rows"


def answers_of(metric: Metric, rows: PairedRows, scores: "Numbers") -> "Numbers":
    """Return the position of the class that a model answers, for each row.

    Args:
        metric: its threshold is used where the model gives scores.
        rows: where the scores are from.
        scores: of one model.
    """
    import numpy as np

    return scores if rows.predicts_classes else np.where(scores >= metric.threshold, 1.0, 0.0)


def losses_of(metric: Metric, rows: PairedRows, scores: "Numbers") -> "Numbers":
    """Return for each row how bad a model is there, for a metric that is a mean.

    Args:
        metric: accuracy, log loss, Brier score, MAE, quantile loss or cost.
        rows: with the labels.
        scores: of one model.
    """
    import numpy as np

    labels = np.asarray(rows.labels, dtype=float)
    match metric.kind:
        case Kind.LOG_LOSS:
            chance = np.clip(np.where(labels == 1, scores, 1 - scores), _EDGE, 1 - _EDGE)
            return np.asarray(-np.log(chance))
        case Kind.BRIER:
            return np.asarray((scores - labels) ** 2)
        case Kind.MAE:
            return np.asarray(np.abs(scores - labels))
        case Kind.QUANTILE_LOSS:
            below, share = labels - scores, metric.quantile or 0.0
            return np.maximum(share * below, (share - 1) * below)
        case Kind.COST if metric.cost is not None:
            answers = answers_of(metric, rows, scores).astype(int)
            return np.asarray(_by_matrix(metric.cost, rows)[labels.astype(int), answers])
        case _:
            right = answers_of(metric, rows, scores) == labels
            return np.where(right, 0.0, stakes_of(metric, rows))


def stakes_of(metric: Metric, rows: PairedRows) -> "Numbers":
    """Return for each row by how much a right answer is better there than a wrong one.

    Args:
        metric: of answers.
        rows: with the labels.
    """
    import numpy as np

    if metric.kind is not Kind.COST:
        return np.ones(len(rows.labels))
    if metric.cost is None:
        return np.asarray(rows.costs, dtype=float)
    matrix = _by_matrix(metric.cost, rows)
    spread = matrix.max(axis=1) - matrix.min(axis=1)
    return np.asarray(spread[np.asarray(rows.labels, dtype=int)])


def _by_matrix(cost: CostMatrix, rows: PairedRows) -> "Numbers":
    import numpy as np

    return np.array(
        [
            [cost.get(actual, {}).get(predicted, 0.0) for predicted in rows.classes]
            for actual in rows.classes
        ]
    )
