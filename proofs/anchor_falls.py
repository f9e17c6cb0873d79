"""Measures how far quality falls if each model is compared only with the one before it.

In each world a linear model is trained 30 times; each time 1.3 points more of its labels are wrong.
Both gates have `max_drop: 0.01` and `unsure: promote`; one of them also compares with the anchor,
the first model. The true AUC of a model is known, because the classes are normal.
"""

import math
from typing import Final

import numpy as np

from proofs.drawn_models import CLASSES, NORMAL, Numbers, range_of_ids
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.decisions.compared import Scored, compared
from shared.core.decisions.comparison import RuleOutcome as Says
from shared.core.decisions.metrics import Kind, Metric
from shared.core.decisions.rows import PairedRows
from shared.core.evaluation.compared_rules import outcome_of

HALF: Final = "with an anchor, labels that get worse cost at most half as much AUC"
#: One world is tried for this many trials of other settings.
_IN_PART: Final = 10
_RETRAININGS: Final = 30
_NOISE: Final = 0.013
_ROWS: Final = 569
_COLUMNS: Final = 20
_POSITIVES: Final = 0.4
#: How far apart the classes are: the best AUC is 0.9.
_APART: Final = 1.8
_MARGIN, _LEVEL = 0.01, 0.9


def part(effort: Effort) -> list[Outcome]:
    """Retrain in `effort.size` worlds."""
    falls: dict[bool, list[float]] = {False: [], True: []}
    for trial in effort.trials:
        for anchored, found in falls.items():
            found.append(fall(effort.seed, trial, anchored=anchored))
        effort.progress()
    without, with_anchor = (float(np.mean(falls[anchored])) for anchored in (False, True))
    broken = with_anchor > without / 2
    said = f"AUC falls by {with_anchor:.4f} with the anchor, and by {without:.4f} without"
    plan = again("decisions", "--seed", effort.seed, "--size", effort.size * _IN_PART)
    violations = (Violation(plan, said),) if broken else ()
    return [Outcome(HALF, len(effort.trials), violations, said)]


def fall(seed: int, trial: int, *, anchored: bool) -> float:
    """Return by how much the true AUC of the live model is lower after all retrainings.

    Args:
        seed: of all draws.
        trial: the number of the world; it is the same with an anchor and without.
        anchored: whether candidates are also compared with the first model.
    """
    chance = np.random.default_rng([seed, trial])
    anchor = live = _trained(chance, 0.0)
    for number in range(1, _RETRAININGS + 1):
        candidate = _trained(chance, number * _NOISE)
        rows, labels = _drawn(chance)
        opponents = (live, anchor) if anchored else (live,)
        says = [_says(rows, labels, candidate, one) for one in opponents]
        if Says.WORSE not in says:  # fit, or unsure, which promotes
            live = candidate
    return _auc(anchor) - _auc(live)


def _drawn(chance: np.random.Generator) -> tuple[Numbers, Numbers]:
    labels = (chance.random(_ROWS) < _POSITIVES).astype(float)
    rows = chance.standard_normal((_ROWS, _COLUMNS))
    rows[:, 0] += _APART * labels
    return rows, labels


def _trained(chance: np.random.Generator, noise: float) -> Numbers:
    """Return the weights of a linear model, trained on rows with this share of wrong labels."""
    rows, labels = _drawn(chance)
    wrong = chance.random(_ROWS) < noise
    given = np.where(wrong, 1 - labels, labels)
    centered = rows - rows.mean(axis=0)
    return np.asarray(np.linalg.solve(centered.T @ centered, centered.T @ given))


def _auc(weights: Numbers) -> float:
    """Return the AUC that a model truly has."""
    right = float(weights[0] / np.linalg.norm(weights))
    return NORMAL.cdf(right * _APART / math.sqrt(2))


def _says(rows: Numbers, labels: Numbers, candidate: Numbers, other: Numbers) -> Says:
    paired = PairedRows(
        ids=range_of_ids(_ROWS),
        labels=labels.tolist(),
        candidate=(rows @ candidate).tolist(),
        other=(rows @ other).tolist(),
        classes=CLASSES,
    )
    found = compared(Metric(Kind.AUC), paired, level=_LEVEL, seed="")
    return outcome_of(found.interval, -_MARGIN) if isinstance(found, Scored) else Says.UNSURE
