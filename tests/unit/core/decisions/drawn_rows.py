"""Rows of two models for tests of the statistics, drawn from a seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.core.decisions.rows import PairedRows

Numbers = NDArray[np.float64]


def of_classes(
    rows: int, seed: int = 1, *, positives: float = 0.4, worse: float = 0.0, **more: Any
) -> PairedRows:
    """Return rows with two classes, and probabilities of two models that are much alike."""
    chance = np.random.default_rng(seed)
    labels = (chance.random(rows) < positives).astype(float)
    alike = chance.standard_normal(rows)
    scores = (
        labels * strength + alike + 0.3 * chance.standard_normal(rows) - 0.7
        for strength in (1.5 - worse, 1.5)
    )
    candidate, other = ((1 / (1 + np.exp(-one))).tolist() for one in scores)
    return rows_of(labels.tolist(), candidate, other, classes=("no", "yes"), **more)


def of_numbers(rows: int, seed: int = 1, *, off: float = 1.0) -> PairedRows:
    """Return rows with numbers, and predictions of two models that are much alike."""
    chance = np.random.default_rng(seed)
    labels = 2 * chance.standard_normal(rows)
    alike = chance.standard_normal(rows)
    candidate, other = (
        (labels + size * (alike + 0.5 * chance.standard_normal(rows))).tolist()
        for size in (off, 1.0)
    )
    return rows_of(labels.tolist(), candidate, other)


def of_answers(rows: int, classes: Sequence[str], seed: int = 1) -> PairedRows:
    """Return rows with several classes, and answers of two models that are right in most."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, len(classes), rows)
    answers = (
        np.where(chance.random(rows) < right, labels, chance.integers(0, len(classes), rows))
        for right in (0.7, 0.75)
    )
    candidate, other = (one.astype(float).tolist() for one in answers)
    return rows_of(
        labels.astype(float).tolist(),
        candidate,
        other,
        classes=tuple(classes),
        predicts_classes=True,
    )


def rows_of(
    labels: Sequence[float], candidate: Sequence[float], other: Sequence[float], **more: Any
) -> PairedRows:
    """Return rows whose ids are their numbers."""
    ids = [str(number) for number in range(len(labels))]
    return PairedRows(ids=ids, labels=labels, candidate=candidate, other=other, **more)
