"""Computes how much numbers of equally good models differ on different rows.

A recorded number of the live model is of other rows than the candidate's. The size of that noise
follows from the number of rows, and of positive ones, where the evaluation has them.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from shared.core.decisions.metrics import Kind, Metric, metric_named
from shared.core.decisions.power import Evaluated, noise
from shared.core.text import folded

#: A larger number is not a count.
_MOST_ROWS: Final = 1e15
#: This share of equal models differs by less than the noise.
_LEVEL: Final = 0.9
_RECALL: Final = re.compile(r"recall(?:score)?|sensitivity|truepositiverate")
_ROWS: Final = re.compile(r"n|(?:n|numberof|num|test|evaluation)?(?:rows|samples|examples)|support")
_POSITIVES: Final = re.compile(r"(?:n|numberof|num)?positives?(?:rows|labels)?")
_TRUE_POSITIVES: Final = re.compile(r"(?:true(?:positives?)|tp)")
_FALSE_NEGATIVES: Final = re.compile(r"(?:false(?:negatives?)|fn)")
_FALSE_POSITIVES: Final = re.compile(r"(?:false(?:positives?)|fp)")
_TRUE_NEGATIVES: Final = re.compile(r"(?:true(?:negatives?)|tn)")


def words_of_noise(metric: str, value: float, metrics: Mapping[str, float]) -> str:
    """Return which difference from a number of other rows says nothing.

    Args:
        metric: as the rule names it.
        value: of the candidate.
        metrics: all numbers of its evaluation.
    """
    found = noise_of(metric, value, metrics)
    if found is None:
        return "different rows: a small difference is noise"
    return f"different rows: a difference below {found:.2g} is noise"


def noise_of(metric: str, value: float, metrics: Mapping[str, float]) -> float | None:
    """Return how far numbers of two equal models on as many other rows are apart, in 9 of 10 cases.

    Args:
        metric: as the rule names it.
        value: of the candidate.
        metrics: all numbers of its evaluation.

    Returns:
        The distance; None where it cannot be known for this metric, or by these numbers.
    """
    rows, positives = counts_in(metrics)
    known = metric_named(metric)
    if _RECALL.fullmatch(folded(metric)):  # of the positive rows it is what accuracy is of all
        known, rows = Metric(Kind.ACCURACY), positives
    if known is None or rows is None or not math.isfinite(value):
        return None
    of_positives = None if positives is None else round(positives)
    evaluated = Evaluated(value, round(rows), of_positives)
    found = noise(known, evaluated, evaluated, _LEVEL)
    return found if found and math.isfinite(found) else None


def counts_in(metrics: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Return how many rows, and positive ones, the evaluation says that it has."""
    right, missed = _number(metrics, _TRUE_POSITIVES), _number(metrics, _FALSE_NEGATIVES)
    alarms, quiet = _number(metrics, _FALSE_POSITIVES), _number(metrics, _TRUE_NEGATIVES)
    positives, rows = _number(metrics, _POSITIVES), _number(metrics, _ROWS)
    if right is not None and missed is not None:
        positives = right + missed
        if alarms is not None and quiet is not None:
            rows = positives + alarms + quiet
    return rows, positives


def _number(metrics: Mapping[str, float], names: re.Pattern[str]) -> float | None:
    """Return the only count with such a name; several could be of other rows."""
    found = [value for name, value in metrics.items() if names.fullmatch(folded(name))]
    fits = len(found) == 1 and 0 <= found[0] <= _MOST_ROWS
    return found[0] if fits else None
